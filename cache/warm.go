package cache

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"time"

	"github.com/jeton-cli/jeton/cache/hit"
	"github.com/jeton-cli/jeton/plugin"
)

// A Reading is what comes of reading all that a document depends on.
type Reading struct {
	Key      Key
	Policy   Policy
	Document func(*plugin.Credential) ([]byte, error)
}

// Warm leaves w behind for package hit, which answers the same command line with
// it from now on, as long as nothing changes that it depends on. It was printed by a
// process that began at started, after the first reading; again reads everything once
// more: what is left behind has to be that which was read, and not what has come into
// its place since. A failure costs nothing but time.
func (c *Cache) Warm(ctx context.Context, w hit.Warm, started time.Time, first Reading, again func() (Reading, error)) {
	d, ok := c.Store.(*Dir)
	if !ok || first.Policy.AtLeast > 0 || !first.Policy.Since.IsZero() {
		return
	}
	w.Key = first.Key.Name
	w.Files = append(w.Files, filepath.Join(d.path, w.Key))
	w.Dirs = append(w.Dirs, d.path)
	encode := func(r Reading) []byte {
		e := c.load(ctx, r.Key)
		if r.Key.Name != w.Key || r.Policy.judge(e, time.Now()) != good {
			return nil
		}
		if document, err := r.Document(e.credential()); err != nil || !bytes.Equal(document, w.Document) {
			return nil
		}
		w.NotBefore, w.Until = e.Created.Add(-clockSlack).UnixNano(), r.Policy.goodUntil(e).UnixNano()
		return w.Encode(started.UnixNano())
	}
	b := encode(first)
	if b == nil {
		return
	}
	warm, err := c.warm()
	if err != nil {
		return
	}
	name := hit.Name(w.Args)
	if former, err := warm.Get(ctx, name); err == nil && bytes.Equal(former, b) {
		return
	}
	second, err := again()
	if err != nil || !bytes.Equal(encode(second), b) {
		return
	}
	warm.Put(ctx, name, b)
	// Who has dropped the credential meanwhile may have looked for this before it was there.
	if !bytes.Equal(w.Encode(started.UnixNano()), b) {
		warm.Delete(ctx, name)
	}
}

// goodUntil returns the first time at which e, which is good now, is no longer.
func (p Policy) goodUntil(e *entry) time.Time {
	end := time.Unix(0, 1<<63-1)
	sooner := func(t time.Time) {
		if t.Before(end) {
			end = t
		}
	}
	if p.MaxTTL > 0 {
		sooner(e.Created.Add(p.MaxTTL))
	}
	switch life := e.Expires.Sub(e.Issued); {
	case e.Expires.IsZero():
	case e.Fixed:
		sooner(e.Expires)
		return end
	default:
		sooner(e.Expires.Add(-max(min(floor, life/6), min(p.MinTTL, life/3))))
	}
	if p.RenewAfter > 0 {
		sooner(e.Created.Add(p.RenewAfter))
	}
	if !e.Renew.IsZero() {
		sooner(e.Renew)
	}
	return end
}

// warm opens the directory of what Warm leaves behind.
func (c *Cache) warm() (*Dir, error) {
	d, err := OpenDir(filepath.Join(c.Store.(*Dir).path, hit.Dir))
	if err == nil {
		d.volatile = true
	}
	return d, err
}

// cool removes what Warm has left behind of a key, or with "" of all. Whatever it was
// made of has to be gone or replaced by then, or it may come again.
func (c *Cache) cool(ctx context.Context, key string) error {
	d, ok := c.Store.(*Dir)
	if !ok {
		return nil
	}
	if _, err := d.root.Lstat(hit.Dir); err != nil {
		return nil // as mostly, there is nothing
	}
	warm, err := c.warm()
	if err != nil {
		return err
	}
	files, err := warm.list()
	for _, f := range files {
		name := f.value + f.suffix
		if b, e := warm.Get(ctx, name); key == "" || e != nil || hit.IsOf(b, key) {
			if e := warm.Delete(ctx, name); !errors.Is(e, fs.ErrNotExist) {
				err = errors.Join(err, e)
			}
		}
	}
	return err
}

// remove deletes the entry called name, and what was made of it.
func (c *Cache) remove(ctx context.Context, name string) error {
	return errors.Join(c.Store.Delete(ctx, name), c.cool(ctx, name))
}
