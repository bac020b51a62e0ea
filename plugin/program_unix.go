//go:build unix

package plugin

import (
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"
)

// runGroup runs cmd in a process group of its own, and ends that group with the context of
// cmd and with this process. The program may have to ask its user at the terminal. If the
// terminal is this process's alone, the group is in the foreground meanwhile. If it is
// shared with a caller, such as k9s or a pager, the program stays in the caller's group,
// because the caller would be stopped in the background; then the program ends alone.
func runGroup(cmd *exec.Cmd) error {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	endWithParent(cmd.SysProcAttr)
	tty, alone := terminal()
	if tty != nil {
		defer tty.Close()
	}
	switch {
	case tty == nil:
	case alone:
		cmd.SysProcAttr.Foreground, cmd.SysProcAttr.Ctty = true, int(tty.Fd())
		defer foreground(tty, unix.Getpgrp())
	default:
		cmd.SysProcAttr.Setpgid = false
	}
	cmd.Cancel = func() error {
		if tty != nil && !alone {
			return cmd.Process.Kill()
		}
		return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	}
	interrupts, over := Interrupts(syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer over()
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- Catch(cmd.Wait) }()
	select {
	case err := <-ended:
		if err != nil {
			cmd.Cancel() // what the program has left behind
		}
		return err
	case s := <-interrupts:
		cmd.Cancel()
		err := <-ended
		over()
		Raise(s)
		return err
	}
}

// apart gives cmd a session of its own, so that neither Ctrl-C at the terminal nor the
// terminal's end ends it.
func apart(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} }

// terminal returns the terminal in whose foreground this process is, or nil, and whether no
// other program seems to use it: this process leads its group, and writes to a terminal
// and not to a pager.
func terminal() (tty *os.File, alone bool) {
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		return nil, false
	}
	if front, err := unix.IoctlGetInt(int(tty.Fd()), unix.TIOCGPGRP); err != nil || front != unix.Getpgrp() {
		tty.Close()
		return nil, false
	}
	_, err = unix.IoctlGetInt(unix.Stdout, unix.TIOCGPGRP)
	return tty, err == nil && unix.Getpid() == unix.Getpgrp()
}

// foreground makes group the one that the terminal listens to.
func foreground(tty *os.File, group int) {
	signal.Ignore(syscall.SIGTTOU) // which stops a process in the background that does this
	defer signal.Reset(syscall.SIGTTOU)
	unix.IoctlSetPointerInt(int(tty.Fd()), unix.TIOCSPGRP, group)
}
