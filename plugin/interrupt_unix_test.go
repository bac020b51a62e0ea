//go:build unix

package plugin

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"
)

// ends are ways to a process that a signal should end. Each is tried in a process of its own.
var ends = map[string]func(interrupt func()){
	"untaken": func(interrupt func()) { // nobody takes the signal
		interrupts, over := Interrupts(os.Interrupt)
		interrupt()
		for len(interrupts) == 0 {
			time.Sleep(time.Millisecond)
		}
		over()
	},
	"taken": func(interrupt func()) {
		interrupts, over := Interrupts(os.Interrupt)
		interrupt()
		s := <-interrupts
		over()
		Raise(s)
	},
	"two": func(interrupt func()) { // one of two that wait for the signal does not take it
		interrupts, over := Interrupts(os.Interrupt)
		others, othersOver := Interrupts(os.Interrupt)
		interrupt()
		s := <-interrupts
		over()
		othersOver()
		Raise(s)
		<-others
	},
	"uninterrupted": func(interrupt func()) {
		Uninterrupted(time.Minute, func() error { interrupt(); return nil })
	},
	"impatient": func(interrupt func()) {
		Uninterrupted(time.Millisecond, func() error { interrupt(); select {} })
	},
	"later": func(interrupt func()) {
		_, over := Interrupts(os.Interrupt)
		over()
		interrupt()
		time.Sleep(time.Minute)
	},
}

func TestNoInterruptIsLost(t *testing.T) {
	if end := ends[os.Getenv("JETON_TEST_END")]; end != nil {
		end(func() { syscall.Kill(os.Getpid(), syscall.SIGINT) })
		time.Sleep(10 * time.Second) // a signal that another thread gets may take a moment
		fmt.Println("still there")
		os.Exit(0)
	}
	for name := range ends {
		cmd := exec.Command(os.Args[0], "-test.run=^TestNoInterruptIsLost$")
		cmd.Env = append(os.Environ(), "JETON_TEST_END="+name)
		out, err := cmd.Output()
		exit := (*exec.ExitError)(nil)
		if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGINT {
			t.Errorf("%s: the process ended so: %v, and printed %s", name, err, out)
		}
	}
}

// What a process ignores, as under nohup, stays ignored.
func TestIgnoredInterruptStaysIgnored(t *testing.T) {
	if os.Getenv("JETON_TEST_END") == "ignored" {
		interrupts, over := Interrupts(syscall.SIGHUP)
		syscall.Kill(os.Getpid(), syscall.SIGHUP)
		select {
		case <-interrupts:
			t.Error("the ignored signal was noticed")
		case <-time.After(time.Second):
		}
		over()
		return
	}
	cmd := exec.Command("sh", "-c", `trap "" HUP; exec "$0" "$@"`, os.Args[0],
		"-test.run=^TestIgnoredInterruptStaysIgnored$")
	cmd.Env = append(os.Environ(), "JETON_TEST_END=ignored")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}
