//go:build unix

package plugin

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// A file is not read if somebody else owns it, could have written it, or can read it
// where that matters. Only regular files are read.
func TestReadOwnFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	link := filepath.Join(dir, "link")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		mode os.FileMode
		rule access
		err  string
	}{
		{0o600, private, ""},
		{0o400, private, ""},
		{0o644, readable, ""},
		{0o644, private, "can be read by others (mode 0644)"},
		{0o640, private, "can be read by others (mode 0640)"},
		{0o604, private, "can be read by others (mode 0604)"},
		{0o620, readable, "can be written by others (mode 0620)"},
		{0o602, readable, "can be written by others (mode 0602)"},
		{0o666, private, "can be written by others (mode 0666)"},
	} {
		os.Remove(path)
		if err := os.WriteFile(path, []byte("x"), test.mode); err != nil {
			t.Fatal(err)
		}
		os.Chmod(path, test.mode)
		for _, p := range []string{path, link} {
			b, err := readOwnFile(p, 10, test.rule)
			if test.err == "" && (err != nil || string(b) != "x") || test.err != "" &&
				(err == nil || !strings.Contains(err.Error(), test.err)) {
				t.Errorf("%s of mode %04o: %q, %v", filepath.Base(p), test.mode, b, err)
			}
		}
	}
	os.Chmod(path, 0o600)
	if _, err := readOwnFile(path, 0, private); err == nil || !strings.Contains(err.Error(), "is larger than") {
		t.Error(err)
	}
	fifo := filepath.Join(dir, "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{fifo, dir, "/dev/null"} {
		if _, err := readOwnFile(p, 10, readable); err == nil ||
			!strings.Contains(err.Error(), "is not a regular file") {
			t.Errorf("%s: %v", p, err)
		}
	}
	open := filepath.Join(dir, "open")
	if err := os.Mkdir(open, 0o777); err != nil {
		t.Fatal(err)
	}
	os.Chmod(open, 0o777)
	if _, err := readOwnFile(filepath.Join(open, "file"), 10, readable); err == nil ||
		!strings.Contains(err.Error(), "anybody can replace files in") {
		t.Error(err)
	}
	if os.Geteuid() != 0 {
		t.Log("not root: other owners are not tried")
		return
	}
	if err := os.Chown(path, 12345, 12345); err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{path, link} {
		if _, err := readOwnFile(p, 10, readable); err == nil ||
			!strings.Contains(err.Error(), "belongs to another user (uid 12345)") {
			t.Errorf("%s: %v", p, err)
		}
	}
}
