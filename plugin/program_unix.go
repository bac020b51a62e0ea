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
// cmd and with this process. At a terminal, the group is in the foreground meanwhile, so
// that the program can ask its user.
func runGroup(cmd *exec.Cmd) error {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	endWithParent(cmd.SysProcAttr)
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	if tty, err := os.OpenFile("/dev/tty", os.O_RDWR|syscall.O_NOCTTY, 0); err == nil {
		defer tty.Close()
		if front, err := unix.IoctlGetInt(int(tty.Fd()), unix.TIOCGPGRP); err == nil && front == unix.Getpgrp() {
			cmd.SysProcAttr.Foreground, cmd.SysProcAttr.Ctty = true, int(tty.Fd())
			defer foreground(tty, front)
		}
	}
	signals := make(chan os.Signal, 1)
	for _, s := range []os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		if !signal.Ignored(s) {
			signal.Notify(signals, s)
		}
	}
	defer signal.Stop(signals)
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
	case s := <-signals:
		cmd.Cancel()
		err := <-ended
		signal.Stop(signals)
		syscall.Kill(os.Getpid(), s.(syscall.Signal)) // this process ends as it would have
		return err
	}
}

// foreground makes group the one that the terminal listens to.
func foreground(tty *os.File, group int) {
	signal.Ignore(syscall.SIGTTOU) // which stops a process in the background that does this
	defer signal.Reset(syscall.SIGTTOU)
	unix.IoctlSetPointerInt(int(tty.Fd()), unix.TIOCSPGRP, group)
}
