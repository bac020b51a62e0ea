//go:build !unix

package plugin

import "os/exec"

// runGroup runs cmd. This system has no process groups.
func runGroup(cmd *exec.Cmd) error { return cmd.Run() }

// apart does nothing. This system has no sessions.
func apart(*exec.Cmd) {}
