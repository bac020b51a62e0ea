//go:build linux && (amd64 || arm64)

package hit

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// setenv replaces the environment with these variables.
func setenv(t *testing.T, entries ...string) {
	former := variables
	t.Cleanup(func() { variables = former })
	variables = []byte(strings.Join(entries, "\x00") + "\x00")
}

// The kernel gives this package the same answers as package os.
func TestKernel(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a file")
	if err := os.WriteFile(path, []byte("content"), 0o640); err != nil {
		t.Fatal(err)
	}
	file, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	want := file.Sys().(*syscall.Stat_t)
	if stat(path) != 0 || info.ino != want.Ino || int64(info.size) != want.Size || uint32(info.mode) != want.Mode ||
		info.uid != want.Uid ||
		info.gid != want.Gid || uint64(info.nlink) != uint64(want.Nlink) || info.mtime.nano() != want.Mtim.Nano() ||
		info.ctime.nano() != want.Ctim.Nano() {
		t.Errorf("stat gives %+v, but package os gives %+v", info, want)
	}
	if !absent(filepath.Join(dir, "none")) || absent(path) || absent(strings.Repeat("/x", 3000)) {
		t.Error("absent gives a wrong answer")
	}
	if got := small(path); string(got) != "content" {
		t.Errorf("%q", got)
	}
	if read(path) != nil {
		t.Error("read accepts a file that others can read")
	}
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := read(path); string(got) != "content" {
		t.Errorf("%q", got)
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	if read(link) != nil || small(link) != nil {
		t.Error("a link was followed")
	}
	if !overwrite(link, 0, []byte("other")) || !overwrite(filepath.Join(dir, "new"), 0, []byte("now")) ||
		!overwrite(filepath.Join(dir, "new"), 1, []byte("e")) {
		t.Error("overwrite could not write a file, or replace a link")
	}
	hard, pipe := filepath.Join(dir, "hard"), filepath.Join(dir, "pipe")
	if err := errors.Join(os.Link(path, hard), syscall.Mkfifo(pipe, 0o600)); err != nil {
		t.Fatal(err)
	}
	if !overwrite(hard, 0, []byte("apart")) || !overwrite(pipe, 0, []byte("dry")) || overwrite(dir, 0, []byte("x")) {
		t.Error("overwrite replaced a directory, or did not replace a hard link or a pipe")
	}
	for name, want := range map[string]string{
		"a file": "content", "new": "new", "link": "other", "hard": "apart", "pipe": "dry",
	} {
		if got, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(got) != want {
			t.Errorf("%s: %v: %q", name, err, got)
		}
	}
	if geteuid() != os.Geteuid() {
		t.Errorf("uid %d", geteuid())
	}
	if pid, started := client(); int(pid) != os.Getppid() || started <= 0 {
		t.Errorf("the client is %d, started at %d", pid, started)
	}
}

// The environment is the one that the process was started with.
func TestEnvironment(t *testing.T) {
	b, err := os.ReadFile("/proc/self/environ")
	if err != nil {
		t.Skip(err)
	}
	if !known() || !bytes.Equal(variables, b) || getenv("PATH") != os.Getenv("PATH") || getenv("NOWHERE") != "" {
		t.Errorf("the environment is %q", variables)
	}
	setenv(t, "A", "AB=x", "B=1", "B=2", "C=")
	for name, want := range map[string]string{"A": "", "AB": "x", "B": "1", "C": "", "": ""} {
		if got := getenv(name); got != want {
			t.Errorf("%s is %q", name, got)
		}
	}
}
