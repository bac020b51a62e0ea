// Command rss runs a program and prints its page faults and its peak memory in KiB
// on standard error. A process begins with the peak of the one that forked it, so
// that only a small parent can tell.
package main

import (
	"os"
	"strconv"
	"syscall"
)

func main() {
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		os.Exit(1)
	}
	pid, err := syscall.ForkExec(os.Args[1], os.Args[1:],
		&syscall.ProcAttr{Env: os.Environ(), Files: []uintptr{0, null.Fd(), 2}})
	if err != nil {
		os.Exit(1)
	}
	var status syscall.WaitStatus
	var usage syscall.Rusage
	if _, err := syscall.Wait4(pid, &status, 0, &usage); err != nil || status.ExitStatus() != 0 {
		os.Exit(1)
	}
	os.Stderr.WriteString(strconv.FormatInt(usage.Minflt, 10) + " " + strconv.FormatInt(usage.Maxrss, 10) + "\n")
}
