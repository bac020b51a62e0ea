package hit

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

func TestNote(t *testing.T) {
	if runtime.GOOS != "linux" && runtime.GOOS != "darwin" && runtime.GOOS != "windows" {
		t.Skip("the parent process is not known on this system")
	}
	path := filepath.Join(t.TempDir(), "key"+AskedSuffix)
	args := []string{"get", "p"}
	note := func(document string) Note { return NewNote(path, args, []byte(document), 100) }
	first := note("one")
	if first.Refused(1) || first.Checked() != 0 {
		t.Errorf("the first request counts as refused or checked: %+v", first)
	}
	first.Write()
	for _, test := range []struct {
		name     string
		document string
		now      int64
		want     bool
	}{
		{"again", "one", 99, true},
		{"what it was told has ended", "one", 100, false},
		{"another document", "two", 99, false},
	} {
		if n := note(test.document); n.Refused(test.now) != test.want {
			t.Errorf("%s: Refused = %v", test.name, !test.want)
		}
	}
	args = []string{"get", "q"}
	if n := note("one"); n.Refused(99) {
		t.Error("another command line is taken for the same one")
	}
	args = []string{"get", "p"}
	first.Checking(7)
	n := note("two")
	if n.Checked() != 7 {
		t.Errorf("the check was not recorded: Checked = %d", n.Checked())
	}
	n.Write()
	b, err := os.ReadFile(path)
	if err != nil || len(b) > askedRoom*askedSize || len(b)%askedSize != 0 {
		t.Fatalf("%v: %q", err, b)
	}
	info, err := os.Stat(path)
	if err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Error(info.Mode(), err)
	}
	for i := range b {
		if b[i] == 0 || b[i] == '\n' {
			continue // an unused place, or the end of a line
		}
		damaged := append([]byte(nil), b...)
		damaged[i] ^= 1
		if err := os.WriteFile(path, damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		if n := note("two"); n.Refused(1) && i/askedSize == n.place() {
			t.Fatalf("the damaged note %q is accepted", damaged)
		}
	}
	// Other clients do not hide who asked, unless they share a place.
	for _, profile := range []string{"a", "b", "c", "d", "e", "f", "g", "h"} {
		args = []string{"get", profile}
		one := note("one")
		one.Write()
		args = []string{"get", "other"}
		other := note("other")
		other.Write()
		args = []string{"get", profile}
		if again := note("one"); again.Refused(1) != (one.place() != other.place()) {
			t.Errorf("%s is at place %d and the other at %d: Refused = %v", profile, one.place(), other.place(),
				again.Refused(1))
		}
	}
	var none Note
	if none.Write(); none.Refused(0) {
		t.Error("an empty note is taken for a refusal")
	}
}
