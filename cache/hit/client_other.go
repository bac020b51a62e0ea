//go:build !linux && !darwin && !windows

package hit

const noFollow = 0

// client cannot tell here.
func client() (pid, started int64) { return 0, 0 }
