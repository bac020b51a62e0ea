package plugin

import "syscall"

// endWithParent makes the kernel kill the program if this process is killed.
func endWithParent(attr *syscall.SysProcAttr) { attr.Pdeathsig = syscall.SIGKILL }
