package hit

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

func TestDocument(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("warm answers exist only on Linux")
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "a file")
	if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	setenv(t, "JETON_TEST_WARM=a value")
	args := []string{"get", "a profile", ""}
	w := Warm{Key: "0123", Args: args, Env: []string{"JETON_TEST_WARM", "JETON_TEST_UNSET"}, Files: []string{file},
		Dirs:      []string{dir},
		NotBefore: -5, Until: 1 << 40, Document: []byte("the\n\ndocument\n")}
	later := info.ModTime().UnixNano() + int64(time.Second)
	b := w.Encode(later)
	if b == nil || !IsOf(b, "0123") || IsOf(b, "0124") {
		t.Fatalf("%q", b)
	}
	for _, now := range []int64{-5, 0, 1<<40 - 1} {
		if got := document(b, args, now, nil); string(got) != "the\n\ndocument\n" {
			t.Errorf("at %d: %q", now, got)
		}
	}
	for _, now := range []int64{-6, 1 << 40, 1 << 62} {
		if got := document(b, args, now, nil); got != nil {
			t.Errorf("at %d: %q", now, got)
		}
	}
	for _, other := range [][]string{{"get"}, {"get", "a profile"}, {"get", "a profile", "", ""},
		{"get", "another", ""}} {
		if got := document(b, other, 0, nil); got != nil {
			t.Errorf("%q: %q", other, got)
		}
	}
	setenv(t, "JETON_TEST_WARM=a value", "JETON_TEST_UNSET=x", "JETON_TEST_UNSET=y")
	if got := document(b, args, 0, nil); got != nil {
		t.Errorf("another environment is answered with %q", got)
	}
	setenv(t, "JETON_TEST_WARM=a value", "JETON_TEST_UNSET=")
	if got := document(b, args, 0, nil); got == nil {
		t.Error("the former environment is not recognised")
	}
	if w.Encode(info.ModTime().UnixNano()) != nil {
		t.Error("a file that may have changed since it was read was encoded")
	}
	for _, change := range []func(*Warm){
		func(w *Warm) { w.Args = []string{"a\nb"} },
		func(w *Warm) { w.Files = []string{filepath.Join(dir, "absent")} },
		func(w *Warm) { w.Dirs = []string{filepath.Join(dir, "absent")} },
		func(w *Warm) { w.Document = make([]byte, maxSize) },
	} {
		other := w
		if change(&other); other.Encode(later) != nil {
			t.Errorf("%+v was encoded", other)
		}
	}
	w.Secret, w.MAC = []string{"JETON_TEST_WARM"}, func(value string) string { return "hash of " + value }
	w.Env, w.Absent = nil, []string{filepath.Join(dir, "absent")}
	b = w.Encode(later)
	if got := document(b, args, 0, nil); got != nil {
		t.Errorf("a secret that was not checked is answered with %q", got)
	}
	if got := document(b, args, 0, w.MAC); got == nil {
		t.Error("the same secret is not recognised")
	}
	setenv(t, "JETON_TEST_WARM=another")
	if got := document(b, args, 0, w.MAC); got != nil {
		t.Errorf("another secret is answered with %q", got)
	}
	setenv(t, "JETON_TEST_WARM=a value")
	if err := os.WriteFile(w.Absent[0], nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := document(b, args, 0, w.MAC); got != nil || w.Encode(later) != nil {
		t.Errorf("a file that used to be absent: document = %q", got)
	}
	w.Absent = nil
	b = w.Encode(later)
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	if got := document(b, args, 0, w.MAC); got != nil {
		t.Errorf("a directory with another mode is answered with %q", got)
	}
	if os.Geteuid() != 0 {
		return // only root can change the owner of a file
	}
	for mode, want := range map[os.FileMode]bool{0o644: true, 0o640: false} {
		if err := errors.Join(os.Chown(file, 1, 1), os.Chmod(file, mode)); err != nil {
			t.Fatal(err)
		}
		if got := w.Encode(time.Now().Add(time.Minute).UnixNano()) != nil; got != want {
			t.Errorf("another user's file with mode %o: encoded = %v", mode, got)
		}
	}
}

// No file, however it was made, prints anything for another command line or breaks the
// reader.
func FuzzDocument(f *testing.F) {
	f.Add("k 0\nu 0\nt 0 9\na get\na x\n\ndocument")
	f.Add("k 0\nt -1 \ne =\nf 1 2 3 4 5 /\nd 1\n\n")
	f.Fuzz(func(t *testing.T, text string) {
		b := append(appendHex([]byte(magic), hash([]byte(text))), '\n')
		got := document(append(b, text...), []string{"get", "x"}, 5, nil)
		if got != nil && !strings.Contains(text, "a get\na x\n") && !strings.Contains(text, "a get\n") {
			t.Errorf("%q prints %q", text, got)
		}
	})
}
