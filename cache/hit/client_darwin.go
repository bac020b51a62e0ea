package hit

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// alone reports whether a file has one name only.
func alone(info os.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return !ok || stat.Nlink == 1
}

// client returns the id of the process that started this one, and when it began, in
// microseconds since 1970. It returns zeros if these cannot be determined.
func client() (pid, started int64) {
	info, err := unix.SysctlKinfoProc("kern.proc.pid", os.Getppid())
	if err != nil {
		return 0, 0
	}
	at := info.Proc.P_starttime
	return int64(os.Getppid()), at.Sec*1e6 + int64(at.Usec)
}
