package cli

import (
	"math"

	"golang.org/x/sys/unix"
)

// keepDescriptors keeps the files that this process was started with, beyond the first
// three, from its children. Those that it has opened itself are kept already.
func keepDescriptors() { unix.CloseRange(3, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC) }
