package cli

import "golang.org/x/sys/unix"

// protect keeps other processes of the same user from reading this one's
// memory, and the kernel from writing it to a core file. The kernel restores the default
// for a command that exec runs.
func protect() { unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0) }
