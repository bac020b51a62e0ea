//go:build unix

package cli

import (
	"os/exec"
	"syscall"
)

// detach gives cmd a session of its own, so that it outlives this process, and nothing of
// this process's: a caller waits until nobody has its pipes open any more.
func detach(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	keepDescriptors()
}
