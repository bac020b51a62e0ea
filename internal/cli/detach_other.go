//go:build !unix

package cli

import (
	"os/exec"
	"syscall"
)

// detach gives cmd no console, so that it outlives that of this process.
func detach(cmd *exec.Cmd) {
	const detachedProcess = 0x8
	cmd.SysProcAttr = &syscall.SysProcAttr{CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP | detachedProcess}
}
