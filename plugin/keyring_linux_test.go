package plugin

import (
	"bufio"
	"context"
	"encoding/binary"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// A bus that sends without end does not fill the memory.
func TestKeyringFlood(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bus")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go flood(conn)
		}
	}()
	t.Setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path="+path)
	start := time.Now()
	_, err = Keyring{Getenv: os.Getenv}.Get(context.Background(), "x")
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	if err == nil || AsError(err).Code != Config || time.Since(start) > keyringLimit+time.Second {
		t.Errorf("%v after %s", err, time.Since(start))
	}
	t.Logf("%v, %d MiB", err, m.HeapSys>>20)
	if m.HeapSys > 512<<20 {
		t.Errorf("%d MiB of memory: %v", m.HeapSys>>20, err)
	}
}

// flood lets a client in, and then sends messages of 100 MiB.
func flood(conn net.Conn) {
	defer conn.Close()
	r := bufio.NewReader(conn)
	for {
		line, err := r.ReadString('\n')
		switch line = strings.TrimLeft(line, "\x00"); {
		case err != nil:
			return
		case strings.HasPrefix(line, "AUTH EXTERNAL"):
			conn.Write([]byte("OK 0123456789abcdef0123456789abcdef\r\n"))
		case strings.HasPrefix(line, "AUTH"):
			conn.Write([]byte("REJECTED EXTERNAL\r\n"))
		case strings.HasPrefix(line, "NEGOTIATE_UNIX_FD"):
			conn.Write([]byte("AGREE_UNIX_FD\r\n"))
		case strings.HasPrefix(line, "BEGIN"):
			const size = 100 << 20
			header := []byte{'l', 2, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0}
			binary.LittleEndian.PutUint32(header[4:], size)
			fields := []byte{5, 1, 'u', 0, 1, 0, 0, 0, 8, 1, 'g', 0, 2, 'a', 'y', 0} // an answer, with bytes
			header = binary.LittleEndian.AppendUint32(header, uint32(len(fields)))
			header = append(header, fields...)
			body := make([]byte, 1<<20)
			binary.LittleEndian.PutUint32(body, size-4)
			for range 50 {
				conn.Write(header)
				for range size >> 20 {
					if _, err := conn.Write(body); err != nil {
						return
					}
				}
			}
		}
	}
}
