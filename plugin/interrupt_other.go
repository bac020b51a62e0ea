//go:build !unix

package plugin

import "os"

// Raise ends this process as a signal would have, if nobody had waited for it.
func Raise(os.Signal) { os.Exit(130) }
