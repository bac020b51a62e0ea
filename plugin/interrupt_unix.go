//go:build unix

package plugin

import (
	"os"
	"syscall"
	"time"
)

// RaiseReachesOthers says that [Raise] leaves the signal to others who wait for it.
const RaiseReachesOthers = true

// Raise ends this process as a signal would have, if nobody had waited for it. If others
// wait for it too, it is theirs.
func Raise(s os.Signal) {
	if n, ok := s.(syscall.Signal); ok {
		syscall.Kill(os.Getpid(), n)
		time.Sleep(time.Second) // until it arrives
	}
}
