package cli

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"slices"

	"github.com/jeton-cli/jeton/plugin"
)

// The exit codes of env, nice and similar tools for a command they cannot run.
const (
	notRunnable plugin.Code = 126
	notFound    plugin.Code = 127
)

// runChild runs a command and returns its status. It passes on the signals that reach
// this process alone. The limits of ctx are not the command's.
func runChild(ctx context.Context, path string, argv, env []string) error {
	cmd := &exec.Cmd{Path: path, Args: argv, Env: env, Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr}
	defer plugin.Suspend(ctx)()
	defer holdQuit()()
	signals := make(chan os.Signal, 8) // and not [plugin.Interrupts]: the command has them
	for _, s := range slices.Concat(passedOn, leftTo) {
		if !signal.Ignored(s) { // by nohup, say: the child must ignore it too
			signal.Notify(signals, s)
		}
	}
	defer signal.Stop(signals)
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- plugin.Catch(cmd.Wait) }()
	for {
		select {
		case s := <-signals:
			if slices.Contains(passedOn, s) {
				cmd.Process.Signal(s)
			}
		case err := <-ended:
			if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
				return exitStatus(statusOf(exit.ProcessState))
			}
			return err
		}
	}
}
