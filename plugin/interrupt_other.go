//go:build !unix

package plugin

import "os"

// RaiseReachesOthers says that [Raise] leaves the signal to others who wait for it.
const RaiseReachesOthers = false

// Raise ends this process as a signal would have, if nobody had waited for it.
func Raise(os.Signal) { os.Exit(130) }
