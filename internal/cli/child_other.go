//go:build !unix

package cli

import (
	"context"
	"os"
)

// replace runs the command and returns its status: a process cannot become another one
// on this system.
func replace(ctx context.Context, path string, argv, env []string) error {
	return runChild(ctx, path, argv, env)
}

// A console sends its signals to the command as well.
var (
	passedOn []os.Signal
	leftTo   = []os.Signal{os.Interrupt}
)

func statusOf(s *os.ProcessState) int { return s.ExitCode() }
