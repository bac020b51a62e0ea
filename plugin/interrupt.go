package plugin

import (
	"os"
	"os/signal"
	"syscall"
	"time"
)

// Interrupts returns a channel of the signals of a list, without those that this process
// ignores, as under nohup. They do not end the process until over is called. Whoever takes
// one has to do that, with [Raise]. One that nobody has taken by then has its effect in
// over: it came a moment too early to be lost for that.
func Interrupts(list ...os.Signal) (interrupts <-chan os.Signal, over func()) {
	signals := make(chan os.Signal, 1)
	for _, s := range list {
		if !signal.Ignored(s) {
			signal.Notify(signals, s)
		}
	}
	return signals, func() {
		signal.Stop(signals)
		select {
		case s := <-signals:
			Raise(s)
		default:
		}
	}
}

// Uninterrupted calls do and returns its error. If a signal tells this process to end in
// the meantime, the process ends when do has returned, or after patience.
func Uninterrupted(patience time.Duration, do func() error) error {
	interrupts, over := Interrupts(os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer over()
	done := make(chan error, 1)
	go func() { done <- Catch(do) }()
	select {
	case err := <-done:
		return err
	case s := <-interrupts:
		var err error
		select {
		case err = <-done:
		case <-time.After(patience):
		}
		over()
		Raise(s)
		return err
	}
}
