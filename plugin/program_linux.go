package plugin

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// endWithParent makes the kernel kill the program if this process is killed. Where a filter
// refuses that call, the program would not even start.
func endWithParent(attr *syscall.SysProcAttr) {
	if _, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0); err == nil {
		attr.Pdeathsig = syscall.SIGKILL
	}
}
