//go:build !unix

package main

import (
	"errors"
	"os"
	"os/exec"
)

// replace runs the command and returns its status, since a process cannot
// become another one here.
func replace(path string, argv, env []string) error {
	cmd := &exec.Cmd{Path: path, Args: argv, Env: env, Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr}
	err := cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exitStatus(exit.ExitCode())
	}
	return err
}
