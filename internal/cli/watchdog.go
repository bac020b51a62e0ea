package cli

import (
	"context"
	"time"

	"github.com/jeton-cli/jeton/plugin"
)

// grace is how long a command may take to end by itself after its budget.
const grace = 2 * time.Second

// watch calls end if the command goes on for longer than grace after the limit of ctx,
// whatever hangs. It does not count the time in which the limit is suspended. The command
// calls stop when it has ended.
func watch(ctx context.Context, grace time.Duration, end func()) (stop func()) {
	ended := make(chan struct{})
	context.AfterFunc(ctx, func() {
		plugin.Catch(func() error {
			for {
				select {
				case <-ended:
					return nil
				case <-time.After(grace):
					if !plugin.Suspended(ctx) {
						end()
						return nil
					}
				}
			}
		})
	})
	return func() { close(ended) }
}

// errHangs is what a command says that does not end by itself.
func errHangs() error {
	return plugin.Errorf(plugin.Network, "no end after %s: something that jeton asked does not answer", budget).
		WithHint("run the command with --verbose to see what it asked last")
}
