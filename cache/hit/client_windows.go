package hit

import (
	"os"

	"golang.org/x/sys/windows"
)

// alone reports whether a file has one name only. Windows does not say it here.
func alone(os.FileInfo) bool { return true }

// client returns the id of the process that started this one, and when it began, in
// nanoseconds since 1970. It returns zeros if these cannot be determined.
func client() (pid, started int64) {
	pid = int64(os.Getppid())
	process, err := windows.OpenProcess(windows.PROCESS_QUERY_LIMITED_INFORMATION, false, uint32(pid))
	if err != nil {
		return 0, 0
	}
	defer windows.CloseHandle(process)
	var created, exited, kernel, user windows.Filetime
	if windows.GetProcessTimes(process, &created, &exited, &kernel, &user) != nil {
		return 0, 0
	}
	return pid, created.Nanoseconds()
}
