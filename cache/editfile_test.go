package cache

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

func TestEditFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "new", "file")
	to := func(text string) func([]byte) ([]byte, error) {
		return func([]byte) ([]byte, error) { return []byte(text), nil }
	}
	is := func(path, text string, mode os.FileMode) {
		t.Helper()
		b, err := os.ReadFile(path)
		if err != nil || string(b) != text {
			t.Errorf("%s holds %q, %v", path, b, err)
		}
		info, err := os.Stat(path)
		if err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != mode {
			t.Errorf("%s has mode %v, %v", path, info.Mode(), err)
		}
		if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), ".*")); len(left) > 0 {
			t.Errorf("%s was left behind", left)
		}
	}
	for _, want := range []bool{true, false} { // the second time, nothing changes
		if changed, err := EditFile(path, to("one")); err != nil || changed != want {
			t.Errorf("%v, %v", changed, err)
		}
	}
	is(path, "one", 0o600)
	if info, err := os.Stat(filepath.Dir(path)); err != nil || runtime.GOOS != "windows" && info.Mode().
		Perm() != 0o700 {
		t.Errorf("the directory has mode %v, %v", info.Mode(), err)
	}

	// The mode is kept, and a link is followed.
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink(path, link); err != nil {
		t.Skip(err)
	}
	if _, err := EditFile(link, to("two")); err != nil {
		t.Error(err)
	}
	is(path, "two", 0o640)
	if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Error("the link is gone")
	}

	// A failure leaves the file as it is.
	if _, err := EditFile(path, func([]byte) ([]byte, error) { return nil, errors.New("no") }); err == nil ||
		err.Error() != "no" {
		t.Error(err)
	}
	is(path, "two", 0o640)
	_, err := EditFile(path, func([]byte) ([]byte, error) {
		os.WriteFile(path, []byte("somebody else's"), 0o640)
		return []byte("mine"), nil
	})
	if err == nil {
		t.Error("EditFile overwrote a change made in the meantime")
	}
	is(path, "somebody else's", 0o640)
	_, err = EditFile(filepath.Join(dir, "fresh"), func([]byte) ([]byte, error) {
		os.WriteFile(filepath.Join(dir, "fresh"), []byte("somebody else's"), 0o600)
		return []byte("mine"), nil
	})
	if err == nil {
		t.Error("EditFile overwrote a file created in the meantime")
	}
	nowhere := filepath.Join(dir, "nowhere")
	if err := os.Symlink(filepath.Join(dir, "absent"), nowhere); err != nil {
		t.Fatal(err)
	}
	if _, err := EditFile(nowhere, to("x")); err == nil {
		t.Error("EditFile accepts a link to nowhere")
	}
}
