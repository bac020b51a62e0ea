package cache

import (
	"context"
	"crypto/rand"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"time"

	"github.com/jeton-cli/jeton/cache/hit"
	"github.com/jeton-cli/jeton/plugin"
)

// A Kept is a credential in the cache, or a failure to get one, or both.
type Kept struct {
	Name       string             // of the key
	Profile    string             // that it was first fetched for
	Config     string             // the file that the profile is in
	Below      []string           // the keys of the profiles it was made from
	Credential *plugin.Credential // nil if there is only a failure
	Level      bool               // it is a level of one or several profiles
	Created    time.Time
	Failure    *Failure // nil if the last fetch succeeded
}

// A Failure is a fetch that failed.
type Failure struct {
	At, Until time.Time // Until is when the issuer may be asked again
	Text      string
}

// Kept returns all that is kept, by profile.
func (c *Cache) Kept(ctx context.Context) ([]Kept, error) {
	d, ok := c.Store.(*Dir)
	if !ok {
		return nil, nil
	}
	files, err := d.list()
	if err != nil {
		return nil, plugin.Errorf(plugin.Config, "cannot list the cache: %v", err)
	}
	byName := map[string]*Kept{}
	at := func(name, profile string) *Kept {
		if byName[name] == nil {
			byName[name] = &Kept{Name: name, Profile: profile}
		}
		return byName[name]
	}
	for _, f := range files {
		if !isKeyName(f.value) {
			continue
		}
		key := Key{Name: f.value, seal: sealFor(c.Pepper, f.value)}
		switch f.suffix {
		case "":
			if e := c.load(ctx, key); e != nil {
				k := at(f.value, e.Profile)
				k.Profile, k.Config, k.Below, k.Level, k.Credential, k.Created = e.Profile, e.Config, e.Below, e.Level, e.credential(), e.Created
			}
		case failedSuffix:
			var x failure
			if c.get(ctx, key, failedSuffix, &x) == nil {
				at(f.value, x.Profile).Failure = &Failure{x.At, x.Until, x.Text}
			}
		}
	}
	var kept []Kept
	for _, k := range byName {
		kept = append(kept, *k)
	}
	sort.Slice(kept, func(i, j int) bool { return kept[i].Profile+"\x00"+kept[i].Name < kept[j].Profile+"\x00"+kept[j].Name })
	return kept, nil
}

// abandoned is the age at which a temporary file has no writer any more.
const abandoned = 10 * time.Minute

// Collect removes from the cache what has no use any more: expired and broken
// entries, failures that are past, and what killed processes left behind. It
// returns the number of credentials removed.
func (c *Cache) Collect(ctx context.Context) (int, error) {
	d, ok := c.Store.(*Dir)
	if !ok {
		return 0, nil
	}
	files, err := d.list()
	if err != nil {
		return 0, plugin.Errorf(plugin.Config, "cannot list the cache: %v", err)
	}
	c.cool(ctx, "")
	names := map[string]bool{}
	for _, f := range files {
		switch {
		case !isKeyName(f.value) && !strings.HasPrefix(f.value, scratchPrefix):
			// Whatever else lies there is not the cache's.
		case strings.HasSuffix(f.suffix, tmpSuffix):
			if time.Since(f.info.ModTime()) > abandoned {
				d.root.Remove(f.value + f.suffix)
			}
		default:
			names[f.value] = true
		}
	}
	count := 0
	for name := range names {
		// Under the lock nobody is about to replace what is looked at.
		if c.collectKey(ctx, d, name) {
			count++
		}
	}
	return count, nil
}

// collectKey removes what is kept under the name if it has expired, and the
// lock file if nothing is left for it to guard.
func (c *Cache) collectKey(ctx context.Context, d *Dir, name string) (removed bool) {
	unlock, err := d.TryLock(name)
	if unlock == nil || err != nil {
		return false // in use
	}
	defer unlock()
	now := time.Now()
	key := Key{Name: name, seal: sealFor(c.Pepper, name)}
	var f failure
	if c.get(ctx, key, failedSuffix, &f) != nil || !f.active(now) {
		d.Delete(ctx, name+failedSuffix)
	}
	var doc document
	if c.get(ctx, key, documentSuffix, &doc) != nil || !now.Before(doc.Until) {
		d.Delete(ctx, name+documentSuffix)
	}
	if strings.HasPrefix(name, scratchPrefix) {
		d.root.RemoveAll(name)
	}
	if e := c.load(ctx, key); e == nil || !e.Expires.IsZero() && !e.Expires.After(now) {
		removed = d.Delete(ctx, name) == nil
	}
	for _, suffix := range []string{"", failedSuffix, documentSuffix} {
		if _, err := d.Get(ctx, name+suffix); err == nil {
			return removed
		}
	}
	d.root.Remove(name + hit.AskedSuffix)
	d.root.Remove(name + lockSuffix)
	return removed
}

const scratchPrefix = "scratch-"

// Scratch makes a directory for the files of a command that runs now, and
// returns its path and what removes it. If this process is killed first, the next one
// does that, or [Cache.Collect].
func (c *Cache) Scratch(ctx context.Context) (path string, remove func(), err error) {
	if d, ok := c.Store.(*Dir); ok {
		files, _ := d.list()
		for _, f := range files {
			if strings.HasPrefix(f.value, scratchPrefix) && f.suffix == lockSuffix {
				c.collectKey(ctx, d, f.value)
			}
		}
		if path, remove, err = d.scratch(ctx); err == nil {
			return path, remove, nil
		}
	}
	path, err = os.MkdirTemp("", "jeton-")
	return path, func() { os.RemoveAll(path) }, err
}

func (d *Dir) scratch(ctx context.Context) (path string, remove func(), err error) {
	// The lock tells whether the owner is alive.
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
