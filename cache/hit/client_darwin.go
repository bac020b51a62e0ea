package hit

import (
	"os"

	"golang.org/x/sys/unix"
)

// client returns the id of the process that has started this one, and when that began,
// in microseconds since 1970; or zeros.
func client() (pid, started int64) {
	info, err := unix.SysctlKinfoProc("kern.proc.pid", os.Getppid())
	if err != nil {
		return 0, 0
	}
	at := info.Proc.P_starttime
	return int64(os.Getppid()), at.Sec*1e6 + int64(at.Usec)
}
