//go:build unix

package main

import "syscall"

// replace makes this process the command.
func replace(path string, argv, env []string) error { return syscall.Exec(path, argv, env) }
