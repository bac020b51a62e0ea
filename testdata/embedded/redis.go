package embedded

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// A Redis is a real redis-server, which listens on this machine only and writes nothing.
type Redis struct {
	Address string // HOST:PORT
	Dir     string // where its files are
	cmd     *exec.Cmd
}

// StartRedis starts a redis-server that has its files in dir, with further options as on
// its command line. It returns an error wrapping [exec.ErrNotFound] if none is installed.
func StartRedis(dir string, options ...string) (*Redis, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	address := l.Addr().String()
	l.Close()
	return StartRedisAt(dir, address, options...)
}

// StartRedisAt is StartRedis at an address.
func StartRedisAt(dir, address string, options ...string) (*Redis, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	log := filepath.Join(dir, "redis-"+port+".log")
	arguments := append([]string{"--port", port, "--bind", host, "--dir", dir, "--logfile", log, "--save", "",
		"--appendonly", "no", "--daemonize", "no"}, options...)
	program := "redis-server"
	if len(options) > 0 && strings.HasSuffix(options[len(options)-1], ".conf") {
		// A sentinel: its file comes first.
		last := len(arguments) - 1
		arguments = append([]string{arguments[last], "--sentinel"}, arguments[:8]...)
	}
	r := &Redis{Address: address, Dir: dir, cmd: exec.Command(program, arguments...)}
	if err := r.cmd.Start(); err != nil {
		return nil, err
	}
	for range 200 {
		if conn, err := net.Dial("tcp", address); err == nil {
			conn.Close()
			return r, nil
		}
		time.Sleep(10 * time.Millisecond)
	}
	r.Stop()
	return nil, fmt.Errorf("redis-server does not answer at %s; its log is %s", address, log)
}

// Stop kills the server.
func (r *Redis) Stop() {
	r.cmd.Process.Kill()
	r.cmd.Wait()
}

// Pause stops the server in the middle of whatever it does, until Resume.
func (r *Redis) Pause() { Pause(r.cmd.Process) }

// Resume has a paused server go on.
func (r *Redis) Resume() { Resume(r.cmd.Process) }

// Pause stops a process in the middle of whatever it does, until Resume.
func Pause(p *os.Process) { exec.Command("kill", "-STOP", strconv.Itoa(p.Pid)).Run() }

// Resume has a paused process go on.
func Resume(p *os.Process) { exec.Command("kill", "-CONT", strconv.Itoa(p.Pid)).Run() }
