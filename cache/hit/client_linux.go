package hit

import "syscall"

const noFollow = syscall.O_NOFOLLOW

// client returns the id of the process that has started this one, and when that began,
// in the kernel's ticks since it did; or zeros.
//
// https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html, field 22
func client() (pid, started int64) {
	pid = int64(syscall.Getppid())
	path := append([]byte("/proc/"), appendInt(scratch[:0], pid)...)
	fd, err := syscall.Open(string(append(path, "/stat"...)), syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return 0, 0
	}
	defer syscall.Close(fd)
	var b [1024]byte
	n, err := syscall.Read(fd, b[:])
	if err != nil || n <= 0 {
		return 0, 0
	}
	// The name of the program, which can have anything in it, is in parentheses.
	start := 0
	for i, c := range b[:n] {
		if c == ')' {
			start = i + 2
		}
	}
	for field := 3; start < n; start++ {
		if b[start] == ' ' {
			if field++; field == 22 {
				end := start + 1
				for end < n && b[end] != ' ' {
					end++
				}
				return pid, parseInt(b[start+1 : end])
			}
		}
	}
	return 0, 0
}
