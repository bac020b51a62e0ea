//go:build unix && !linux

package plugin

import "syscall"

// endWithParent does nothing: this system does not tell a program that its parent was
// killed.
func endWithParent(*syscall.SysProcAttr) {}
