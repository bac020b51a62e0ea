package cache

import (
	"bytes"
	"context"
	"path/filepath"
	"time"

	"github.com/jeton-cli/jeton/cache/hit"
)

// Warm leaves w behind for package hit, which answers the same command line with
// it from now on, as long as nothing changes that it depends on. It is the
// document made of what is kept under key, by a process that began at started.
// Nothing that goes wrong here is of any importance.
func (c *Cache) Warm(ctx context.Context, key Key, p Policy, w hit.Warm, started time.Time) {
	d, ok := c.Store.(*Dir)
	e := c.load(ctx, key)
	if !ok || p.judge(e, time.Now()) != good || p.AtLeast > 0 || !p.Since.IsZero() {
		return
	}
	w.Key = key.Name
	w.Files = append(w.Files, filepath.Join(d.path, key.Name))
	w.Dirs = append(w.Dirs, d.path)
	w.NotBefore, w.Until = e.Created.Add(-clockSlack).UnixNano(), p.goodUntil(e).UnixNano()
	b := w.Encode(started.UnixNano())
	if b == nil {
		return
	}
	warm, err := c.warm()
	if err != nil {
		return
	}
	name := hit.Name(w.Args)
	if former, err := warm.Get(ctx, name); err != nil || !bytes.Equal(former, b) {
		warm.Put(ctx, name, b)
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

// cool removes what Warm has left behind of a key, or with "" of all.
func (c *Cache) cool(ctx context.Context, key string) {
	d, ok := c.Store.(*Dir)
	if !ok {
		return
	}
	if _, err := d.root.Lstat(hit.Dir); err != nil {
		return // as mostly, there is nothing
	}
	warm, err := c.warm()
	if err != nil {
		return
	}
	files, err := warm.list()
	if err != nil {
		return
	}
	for _, f := range files {
		name := f.value + f.suffix
		if b, err := warm.Get(ctx, name); key == "" || err != nil || hit.IsOf(b, key) {
			warm.Delete(ctx, name)
		}
	}
}

// remove deletes the entry called name, and what was made of it.
func (c *Cache) remove(ctx context.Context, name string) error {
	c.cool(ctx, name)
	return c.Store.Delete(ctx, name)
}
