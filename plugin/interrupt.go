package plugin

import (
	"os"
	"os/signal"
	"syscall"
	"time"
)

// Uninterrupted calls do and returns its error. If a signal tells this process to end in
// the meantime, the process ends when do has returned, or after patience.
func Uninterrupted(patience time.Duration, do func() error) error {
	signals := make(chan os.Signal, 1)
	for _, s := range []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP} {
		if !signal.Ignored(s) {
			signal.Notify(signals, s)
		}
	}
	done := make(chan error, 1)
	go func() { done <- Catch(do) }()
	var err error
	var ending os.Signal
	select {
	case err = <-done:
		select {
		case ending = <-signals:
		default:
		}
	case ending = <-signals:
		select {
		case err = <-done:
		case <-time.After(patience):
		}
	}
	signal.Stop(signals)
	if ending != nil {
		endBy(ending)
	}
	return err
}
