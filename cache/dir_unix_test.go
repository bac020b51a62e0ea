//go:build unix

package cache

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/jeton-cli/jeton/cache/hit"
)

// obstacles are what can stand in the place of a file of the cache. Each is made at path.
var obstacles = map[string]func(path, victim string) error{
	"link":             func(path, victim string) error { return os.Symlink(victim, path) },
	"link to nowhere":  func(path, victim string) error { return os.Symlink(victim+"-none", path) },
	"link inside":      func(path, _ string) error { return os.Symlink("elsewhere", path) },
	"hard link":        func(path, victim string) error { return os.Link(victim, path) },
	"pipe":             func(path, _ string) error { return syscall.Mkfifo(path, 0o600) },
	"directory":        func(path, _ string) error { return os.Mkdir(path, 0o700) },
	"socket":           func(path, _ string) error { return mksocket(path) },
	"full directory":   func(path, _ string) error { return os.MkdirAll(filepath.Join(path, "full"), 0o700) },
	"link to a folder": func(path, victim string) error { return os.Symlink(filepath.Dir(victim), path) },
}

func mksocket(path string) error {
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		return err
	}
	defer syscall.Close(fd)
	return syscall.Bind(fd, &syscall.SockaddrUnix{Name: path})
}

// eachObstacle runs test with each of the obstacles at NAME in a new directory of the
// cache. Nothing outside of the directory may change.
func eachObstacle(t *testing.T, name string, test func(t *testing.T, d *Dir, removable bool)) {
	t.Chdir(t.TempDir()) // the path of a socket must be short
	for kind, make := range obstacles {
		t.Run(kind, func(t *testing.T) {
			place := t.TempDir()
			outside := filepath.Join(place, "outside")
			victim := filepath.Join(outside, "victim")
			d, err := OpenDir(filepath.Join(place, "cache"))
			if err != nil {
				t.Fatal(err)
			}
			err = errors.Join(os.Mkdir(outside, 0o700), os.WriteFile(victim, []byte("precious"), 0o600),
				make("obstacle", victim))
			if err == nil {
				err = os.Rename("obstacle", filepath.Join(d.Path(), name))
			}
			if err != nil {
				t.Fatal(err)
			}
			start := time.Now()
			test(t, d, kind != "full directory")
			if took := time.Since(start); took > 2*time.Second {
				t.Errorf("it took %s", took)
			}
			b, err := os.ReadFile(victim)
			if entries, _ := os.ReadDir(outside); err != nil || string(b) != "precious" || len(entries) != 1 {
				t.Errorf("outside is %q, with %d files: %v", b, len(entries), err)
			}
			if _, err := os.Lstat(filepath.Join(d.Path(), "elsewhere")); err == nil {
				t.Error("the target of a link was created")
			}
		})
	}
}

// What stands in the place of a lock file is replaced, or the lock refused at once.
func TestLockObstacles(t *testing.T) {
	name := testKey.Name
	eachObstacle(t, name+lockSuffix, func(t *testing.T, d *Dir, removable bool) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		for _, lock := range []func() (func(), error){
			func() (func(), error) { return d.Lock(ctx, name) },
			func() (func(), error) { return d.TryLock(name) },
		} {
			unlock, err := lock()
			if (unlock != nil && err == nil) != removable {
				t.Errorf("%v", err)
			}
			if unlock != nil {
				unlock()
			}
		}
	})
}

// What stands in the place of a value is not read, and is replaced.
func TestValueObstacles(t *testing.T) {
	name := testKey.Name
	for _, at := range []string{name, name + tmpSuffix} {
		eachObstacle(t, at, func(t *testing.T, d *Dir, removable bool) {
			if err := os.WriteFile(filepath.Join(d.Path(), "inside"), []byte("other"), 0o600); err != nil {
				t.Fatal(err)
			}
			if b, err := d.Get(t.Context(), at); err == nil {
				t.Errorf("%q was read", b)
			}
			unlock, err := d.Lock(t.Context(), name)
			if err != nil {
				t.Fatal(err)
			}
			defer unlock()
			if err := d.Put(t.Context(), name, []byte("value")); (err == nil) != removable {
				t.Errorf("%v", err)
			}
			if b, _ := d.Get(t.Context(), name); removable && string(b) != "value" {
				t.Errorf("%q was kept", b)
			}
		})
	}
}

// Warm answers are neither written nor removed through a link.
func TestWarmObstacles(t *testing.T) {
	eachObstacle(t, hit.Dir, func(t *testing.T, d *Dir, _ bool) {
		c, _ := newCache(d)
		if warm, err := c.warm(); err == nil {
			if err := warm.Put(t.Context(), hit.Name(nil), []byte("x")); err != nil {
				t.Error(err)
			}
		}
		c.cool(t.Context(), "")
	})
}

// A directory that was replaced is not waited for.
func TestLockElsewhere(t *testing.T) {
	d, err := OpenDir(filepath.Join(t.TempDir(), "cache"))
	if err == nil {
		err = errors.Join(os.Rename(d.Path(), d.Path()+"-old"), os.Mkdir(d.Path(), 0o700))
	}
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if _, err := d.Lock(ctx, "a"); err == nil || ctx.Err() != nil {
		t.Errorf("%v", err)
	}
}

// A file to edit that is none is refused: to read a pipe could take for ever.
func TestEditFilePipe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := EditFile(path, func([]byte) ([]byte, error) { return []byte("x"), nil }); err == nil {
		t.Error("a pipe was edited")
	}
}
