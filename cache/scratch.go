package cache

import (
	"context"
	"crypto/rand"
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
