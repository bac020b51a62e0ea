package cli

import "golang.org/x/sys/unix"

// protect keeps other processes of the same user from reading this one's
// memory, and the kernel from writing it to a core file. A command that exec
// runs gets the default again from the kernel.
func protect() { unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0) }
