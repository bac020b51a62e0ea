//go:build unix

package cli

import (
	"os"

	"golang.org/x/sys/unix"
)

// outputClosed reports whether the caller closed standard output. Before anything of ours
// runs, Go's runtime opens /dev/null for reading and writing in place of what is closed
// (runtime/fds_unix.go). Nothing else tells the two apart: a caller that hands over such
// a descriptor itself, and only as standard output, counts as one that closed it.
func outputClosed() bool { return isRuntimeNull(unix.Stdout) && !isRuntimeNull(unix.Stderr) }

// isRuntimeNull takes a number, since [os.File.Fd] can change the mode of the caller's file.
func isRuntimeNull(fd int) bool {
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
	if err != nil || flags&unix.O_ACCMODE != unix.O_RDWR {
		return false
	}
	var is, null unix.Stat_t
	return unix.Fstat(fd, &is) == nil && unix.Stat(os.DevNull, &null) == nil && is.Dev == null.Dev && is.Ino == null.Ino
}
