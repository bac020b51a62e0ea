//go:build unix

package cli

import (
	"os"

	"golang.org/x/sys/unix"

	"github.com/jeton-cli/jeton/plugin"
)

// showsColor reports whether a terminal knows escape sequences.
func showsColor(*os.File) bool { return true }

// openTTY opens the controlling terminal. It returns an error for a process in the
// background: the kernel would stop the process until it is in the foreground again.
func openTTY() (*tty, error) {
	f, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	foreground, err := unix.IoctlGetInt(int(f.Fd()), unix.TIOCGPGRP)
	if err == nil && foreground != unix.Getpgrp() {
		err = plugin.ErrPerson
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return &tty{f, f}, nil
}
