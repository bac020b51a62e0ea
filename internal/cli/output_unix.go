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
func outputClosed() bool { return isRuntimeNull(os.Stdout) && !isRuntimeNull(os.Stderr) }

func isRuntimeNull(f *os.File) bool {
	flags, err := unix.FcntlInt(f.Fd(), unix.F_GETFL, 0)
	if err != nil || flags&unix.O_ACCMODE != unix.O_RDWR {
		return false
	}
	info, err := f.Stat()
	if err != nil {
		return false
	}
	null, err := os.Stat(os.DevNull)
	return err == nil && os.SameFile(info, null)
}
