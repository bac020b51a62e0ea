//go:build unix

package cli

import (
	"context"
	"os"
	"syscall"
)

// replace makes this process the command.
func replace(_ context.Context, path string, argv, env []string) error {
	return syscall.Exec(path, argv, env)
}

// passedOn are the signals that a supervisor sends to this process alone.
var passedOn = []os.Signal{syscall.SIGTERM, syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2}

// leftTo are the signals that a terminal sends to the command as well. This process only
// has to outlive them.
var leftTo = []os.Signal{syscall.SIGINT, syscall.SIGQUIT}

// statusOf returns the status that a shell would report.
func statusOf(s *os.ProcessState) int {
	if w, ok := s.Sys().(syscall.WaitStatus); ok && w.Signaled() {
		return 128 + int(w.Signal())
	}
	return s.ExitCode()
}
