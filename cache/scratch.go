package cache

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

const scratchPrefix = "scratch-"

// Scratch creates a directory for the files of a command that is about to run, and
// returns its path and a function that removes it. If this process is killed first, the
// next one removes it, or [Cache.Collect] does.
func (c *Cache) Scratch(ctx context.Context) (path string, remove func(), err error) {
	if s, ok := c.Store.(Scratcher); ok {
		if path, remove, err = s.Scratch(ctx); err == nil {
			return path, remove, nil
		}
	}
	path, err = os.MkdirTemp("", "jeton-")
	return path, func() { os.RemoveAll(path) }, err
}

// Scratch creates a directory in d that lasts no longer than this process.
func (d *Dir) Scratch(ctx context.Context) (path string, remove func(), err error) {
	d.sweepScratch()
	// The lock shows whether the owner is alive.
	name := scratchPrefix + rand.Text()
	unlock, err := d.Lock(ctx, name)
	if err != nil {
		return "", nil, err
	}
	remove = func() {
		d.root.RemoveAll(name)
		d.root.Remove(name + lockSuffix)
		unlock()
	}
	if err := d.root.Mkdir(name, 0o700); err != nil {
		remove()
		return "", nil, err
	}
	return filepath.Join(d.path, name), remove, nil
}

// Packages puts files, by their names with slashes, into the directory for packages of
// Python, which stays, and returns its path. It writes only what is not there yet. It returns
// an error if there is no state directory.
func (s *Session) Packages(ctx context.Context, files map[string]string) (path string, err error) {
	if s.State == nil {
		return "", fmt.Errorf("there is no state directory: %w", s.Why)
	}
	path = filepath.Join(s.State.Path(), packagesName)
	missing := func() bool {
		for name, text := range files {
			if is, err := os.ReadFile(filepath.Join(path, filepath.FromSlash(name))); err != nil || string(is) != text {
				return true
			}
		}
		return false
	}
	if !missing() {
		return path, nil
	}
	unlock, err := s.State.Lock(ctx, packagesName)
	if err != nil {
		return "", err
	}
	defer unlock()
	for name, text := range files {
		_, err := EditFile(filepath.Join(path, filepath.FromSlash(name)),
			func([]byte) ([]byte, error) { return []byte(text), nil })
		if err != nil {
			return "", err
		}
	}
	return path, nil
}

// sweepScratch removes the directories whose owners are dead.
func (d *Dir) sweepScratch() {
	files, _ := d.list()
	for _, f := range files {
		if !strings.HasPrefix(f.value, scratchPrefix) || f.suffix != lockSuffix {
			continue
		}
		if unlock, err := d.TryLock(f.value); unlock != nil && err == nil {
			d.root.RemoveAll(f.value)
			d.root.Remove(f.value + lockSuffix)
			unlock()
		}
	}
}
