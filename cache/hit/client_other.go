//go:build !darwin && !windows && (!linux || !(amd64 || arm64))

package hit

import (
	"fmt"
	"os"
	"runtime"
)

// alone reports whether a file has one name only, as far as that is known.
func alone(os.FileInfo) bool { return true }

// client returns the id of the process that started this one, and when it began, in the
// kernel's ticks since the system started. It returns zeros if these cannot be
// determined.
func client() (pid, started int64) {
	if runtime.GOOS != "linux" {
		return 0, 0
	}
	pid = int64(os.Getppid())
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, 0
	}
	return pid, startOf(b)
}
