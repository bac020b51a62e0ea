package cache

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
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
	err = d.root.Mkdir(name, 0o700)
	if err == nil { // a full disk still has room for an empty directory
		probe := name + "/" + tmpSuffix
		err = errors.Join(writeFile(d.root, probe, []byte(name), 0o600, "", false), d.root.Remove(probe))
	}
	if err != nil {
		remove()
		return "", nil, err
	}
	return filepath.Join(d.path, name), remove, nil
}

// Packages puts files, by their names with slashes, into a directory for packages of
// Python, and returns its path. The directory is named after the files, so that what a Python
// has read from it stays true: other files are put into another one. It returns an error if
// there is no state directory.
func (s *Session) Packages(files map[string]string) (path string, err error) {
	if s.State == nil {
		return "", fmt.Errorf("there is no state directory: %w", s.Why)
	}
	sum := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(files)) {
		fmt.Fprintf(sum, "%q %q\n", name, files[name])
	}
	all := filepath.Join(s.State.Path(), packagesName)
	path = filepath.Join(all, fmt.Sprintf("%x", sum.Sum(nil)[:16]))
	if holds(path, files) {
		return path, nil
	}
	if err := os.MkdirAll(all, 0o700); err != nil {
		return "", plain(all, err)
	}
	made, err := os.MkdirTemp(all, scratchPrefix)
	if err != nil {
		return "", plain(all, err)
	}
	defer os.RemoveAll(made)
	if err := WriteFiles(made, files); err != nil {
		return "", err
	}
	if err := os.Rename(made, path); err == nil || holds(path, files) { // somebody else was faster
		return path, nil
	}
	os.RemoveAll(path) // a power cut, or a cleaner, has left a part of it
	if err := os.Rename(made, path); err != nil {
		return "", plain(path, err)
	}
	return path, nil
}

// WriteFiles writes files, by their names with slashes, below a directory that is the user's
// alone and new.
func WriteFiles[T string | []byte](dir string, files map[string]T) error {
	for name, content := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		err := os.MkdirAll(filepath.Dir(path), 0o700)
		if err == nil {
			err = os.WriteFile(path, []byte(content), 0o600)
		}
		if err != nil {
			return plain(path, err)
		}
	}
	return nil
}

// holds reports whether the directory holds the files.
func holds(dir string, files map[string]string) bool {
	for name, text := range files {
		if is, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(name))); err != nil || string(is) != text {
			return false
		}
	}
	return true
}

// sweepPackages removes the directories of packages that are old. One that is still of use
// is made again.
func (s *Session) sweepPackages() {
	if s.State == nil {
		return
	}
	all := filepath.Join(s.State.Path(), packagesName)
	entries, _ := os.ReadDir(all)
	for _, e := range entries {
		if info, err := e.Info(); err == nil && time.Since(info.ModTime()) > packagesAge {
			os.RemoveAll(filepath.Join(all, e.Name()))
		}
	}
}

// packagesAge is the age at which packages are removed.
const packagesAge = 30 * 24 * time.Hour

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
