package cli

import (
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"

	"github.com/jeton-cli/jeton/plugin"
)

// fatal are the signals on which Go's runtime prints all stacks, with the arguments of
// functions. debug.SetTraceback cannot prevent that: it only adds to what is printed.
var fatal = []os.Signal{syscall.SIGQUIT, syscall.SIGABRT, syscall.SIGTRAP}

// quitHeld says that somebody else deals with SIGQUIT, which Ctrl-\ sends.
var quitHeld atomic.Bool

// endQuietly makes the signals in fatal end the process without a word. The warm path has
// no time for it.
func endQuietly() {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, fatal...)
	go plugin.Catch(func() error {
		for s := range signals {
			if s != syscall.SIGQUIT || !quitHeld.Load() {
				os.Exit(signalStatus(s))
			}
		}
		return nil
	})
}

// holdQuit leaves SIGQUIT to the caller until resume is called.
func holdQuit() (resume func()) {
	quitHeld.Store(true)
	return func() { quitHeld.Store(false) }
}

// signalStatus returns the exit code of a process that s has ended, as shells count.
func signalStatus(s os.Signal) int {
	if n, ok := s.(syscall.Signal); ok {
		return 128 + int(n)
	}
	return 130
}
