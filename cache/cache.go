// Package cache keeps credentials. All caching, locking and writing happens here. When
// several processes want the same credential at once, one asks the issuer and the others
// wait for its answer. A warm answer takes no lock, and writes nothing except a note of
// who asked, if that was a Kubernetes client. A problem of the cache's own never fails a
// command.
package cache

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/jeton-cli/jeton/cache/hit"
	"github.com/jeton-cli/jeton/plugin"
)

const (
	fetchLimit = 15 * time.Second // one fetch
	aheadLimit = 5 * time.Second  // one fetch while there is a valid credential
	waitLimit  = 18 * time.Second // for a fetch by another process

	maxBackoff = 30 * time.Second

	// maxDocument is the size in bytes of the largest document that is kept. In base64,
	// such a document is still smaller than maxValue.
	maxDocument = maxValue / 2
)

// A Cache says where credentials are kept and how they are named.
type Cache struct {
	Store  Store
	Pepper []byte
	// Warn tells the user of a problem that does not fail the command.
	Warn func(format string, args ...any)
}

// Key returns the key of a profile. It returns an error if an input of the profile cannot
// be read.
func (c *Cache) Key(p *plugin.Profile, getenv func(string) string) (Key, error) {
	var key *Key
	chain := p.Chain()
	for i := len(chain) - 1; i >= 0; i-- {
		levels := []*plugin.Profile{chain[i]}
		if o, ok := chain[i].Options.(plugin.Sessioned); ok {
			session := *chain[i]
			session.Options = o.Session()
			levels = []*plugin.Profile{&session, chain[i]}
		}
		for _, level := range levels {
			inputs, err := level.Inputs(getenv)
			if err != nil {
				return Key{}, err
			}
			k := newKey(c.Pepper, inputs, key)
			key = &k
		}
	}
	return *key, nil
}

// sessionName returns the name of the key of the session that p, a person's login with
// this key, shares with others. It is that of the login itself if it shares none.
func sessionName(p *plugin.Profile, key Key) string {
	if _, ok := p.Options.(plugin.Sessioned); ok {
		return key.Below[0]
	}
	return key.Name
}

// DocumentKey returns the key of the document called name, as this profile would fetch
// it.
func (c *Cache) DocumentKey(p *plugin.Profile, name string, getenv func(string) string) (Key, error) {
	inputs, err := p.DocumentInputs(name, getenv)
	return newKey(c.Pepper, inputs, nil), err
}

// Fetch returns the credential kept under key if it meets the policy. Otherwise it asks
// source for a new one and keeps that. If the issuer fails, Fetch returns the kept
// credential as long as it is valid.
func (c *Cache) Fetch(ctx context.Context, key Key, source plugin.Source, p Policy) (*plugin.Credential, error) {
	e := c.load(ctx, key)
	switch p.judge(e, time.Now()) {
	case good:
		return e.credential(), nil
	case aging:
		return c.ahead(ctx, key, source, p, e)
	}
	unlock, err := c.lock(ctx, key)
	if err != nil {
		if p.usable(e, time.Now()) {
			return e.credential(), nil
		}
		return nil, err
	}
	defer unlock()
	// Another process may have fetched, or failed to, during the wait.
	e = c.load(ctx, key)
	if p.judge(e, time.Now()) != useless {
		return e.credential(), nil
	}
	if f := c.failed(ctx, key, p); f != nil {
		if p.usable(e, time.Now()) {
			return e.credential(), nil
		}
		return nil, f
	}
	return c.fetch(ctx, key, source, p, e, fetchLimit)
}

// ahead replaces e, which is still good, unless another process is already replacing it
// or the issuer has just failed.
func (c *Cache) ahead(ctx context.Context, key Key, source plugin.Source, p Policy, e *entry) (*plugin.Credential,
	error) {
	if c.failed(ctx, key, p) != nil {
		return e.credential(), nil
	}
	locker, ok := c.Store.(Locker)
	if !ok {
		return e.credential(), nil
	}
	unlock, err := locker.TryLock(key.Name)
	if unlock == nil || err != nil {
		return e.credential(), nil
	}
	defer unlock()
	if e = c.load(ctx, key); p.judge(e, time.Now()) == good {
		return e.credential(), nil
	}
	if e == nil { // dropped in the meantime
		return c.fetch(ctx, key, source, p, e, fetchLimit)
	}
	return c.fetch(ctx, key, source, p, e, aheadLimit)
}

// fetch asks the source for a credential and keeps it. The caller holds the lock.
func (c *Cache) fetch(ctx context.Context, key Key, source plugin.Source, p Policy, e *entry,
	limit time.Duration) (*plugin.Credential, error) {
	fetchCtx, cancel := plugin.Limit(ctx, limit)
	defer cancel()
	var prev *plugin.Credential
	if e != nil && (p.MaxTTL == 0 || time.Since(e.Created) < p.MaxTTL) {
		prev = e.credential()
	}
	var got fetched
	var err error
	if p.fleet != nil {
		got, err = p.fleet.obtain(fetchCtx, source, p, key, e, prev)
	} else {
		got, err = direct(fetchCtx, source, prev)
	}
	cred, now := got.credential, time.Now()
	if err == nil {
		err = cred.Check(now)
	}
	if err != nil {
		if context.Cause(fetchCtx) == context.DeadlineExceeded {
			err = slow(err)
		}
		if p.usable(e, time.Now()) && errors.Is(err, plugin.ErrPerson) {
			return e.credential(), nil // the caller that comes after its expiry will need the person
		}
		c.rememberFailure(ctx, key, p, err, now)
		if p.usable(e, time.Now()) {
			c.Warn("%s: could not renew: %v; what is at hand serves until it expires", p.Profile, plugin.AsError(err))
			return e.credential(), nil
		}
		return nil, err
	}
	c.Store.Delete(ctx, key.Name+failedSuffix)
	if cred == prev {
		return cred, nil // there is nothing better, and it keeps its age
	}
	fresh := newEntry(p, key, cred, got.created)
	fresh.Generation, fresh.Slot = got.generation, got.slot
	err = c.put(ctx, key, "", fresh)
	c.cool(ctx, key.Name)
	if p.Stored != nil {
		if err := p.Stored(ctx, cred, err); err != nil {
			return nil, err
		}
	}
	if err != nil {
		c.Warn("%s: could not keep the credential: %v", p.Profile, err)
	}
	return cred, nil
}

// slow returns the error for a fetch that took too long: err, if it already has a code of
// its own.
func slow(err error) error {
	if e := plugin.AsError(err); e.Code != plugin.Bug {
		return err
	}
	return plugin.Errorf(plugin.Network, "no answer in time").RememberFor(2 * time.Second)
}

// Document returns the document kept under key if it is younger than life and was not
// fetched before since. Otherwise it returns the result of fetch, and keeps it. A
// document is neither a secret nor a credential: one that is out of date does no harm.
func (c *Cache) Document(ctx context.Context, key Key, life time.Duration, since time.Time,
	fetch func(context.Context) ([]byte, error)) ([]byte, error) {
	kept := func() ([]byte, bool) {
		var d document
		now := time.Now()
		ok := c.get(ctx, key, documentSuffix, &d) == nil && d.At.Before(now.Add(clockSlack)) && now.Before(d.Until) &&
			!d.At.Before(since)
		return d.Body, ok
	}
	if b, ok := kept(); ok {
		return b, nil
	}
	unlock, err := c.lock(ctx, key)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if b, ok := kept(); ok {
		return b, nil
	}
	b, err := fetch(ctx)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	if len(b) > maxDocument {
		return b, nil // too large to be read back
	}
	if err := c.put(ctx, key, documentSuffix, document{At: now, Until: now.Add(life), Body: b}); err != nil {
		c.Warn("could not keep a document: %v", err)
	}
	return b, nil
}

// lock waits for the right to fetch. Where locks are impossible, every caller has it.
func (c *Cache) lock(ctx context.Context, key Key) (func(), error) {
	locker, ok := c.Store.(Locker)
	if !ok {
		return func() {}, nil
	}
	wait, cancel := context.WithTimeout(ctx, waitLimit)
	defer cancel()
	defer plugin.Waiting(ctx, "another jeton, which fetches the same credential")()
	unlock, err := locker.Lock(wait, key.Name)
	switch {
	case err == nil:
		return unlock, nil
	case wait.Err() != nil:
		return nil, plugin.Errorf(plugin.Later, "another jeton is fetching this credential, and took more than %s",
			waitLimit).
			WithHint("try again; jeton status shows what is kept")
	}
	c.Warn("no locks in the cache directory: %v; callers at the same time each ask the issuer", err)
	return func() {}, nil
}

// load returns the entry kept under key, or nil.
func (c *Cache) load(ctx context.Context, key Key) *entry {
	var e entry
	if c.get(ctx, key, "", &e) != nil {
		return nil
	}
	return &e
}

func (c *Cache) get(ctx context.Context, key Key, suffix string, v any) error {
	b, err := c.Store.Get(ctx, key.Name+suffix)
	if err != nil {
		return err
	}
	return unseal(key.seal, suffix, b, v)
}

func (c *Cache) put(ctx context.Context, key Key, suffix string, v any) error {
	b, err := sealed(key.seal, suffix, v)
	if err != nil {
		return err
	}
	return c.Store.Put(ctx, key.Name+suffix, b)
}

// failed returns the remembered failure of a fetch, or nil if none counts. A failure from
// before p.Since, the start of --refresh, does not count.
func (c *Cache) failed(ctx context.Context, key Key, p Policy) error {
	now := time.Now()
	f := c.failure(ctx, key, p, now)
	if f == nil {
		return nil
	}
	err := plugin.Errorf(f.Code, "%s", f.Text)
	if f.Fix != "" { // a command that helps, and is not held up by what is remembered
		err.Fix, err.Text = f.Fix, err.Text+" (at "+f.At.Local().Format("15:04")+")"
		return err.WithHint("%s", f.Fix)
	}
	left := fmt.Sprintf("%.0f s", max(1, f.Until.Sub(now).Seconds()))
	if f.Code == plugin.Denied { // to ask again would be refused again, and counted
		return err.WithHint("%s", strings.TrimSpace(f.Hint+" (remembered for "+left+" more)"))
	}
	if f.Hint == "" {
		return err.WithHint("remembered for %s more; jeton get %s --refresh asks again at once", left, f.Profile)
	}
	return err.WithHint("%s (remembered for %s more; jeton get %s --refresh asks again at once)", f.Hint, left,
		f.Profile)
}

// failure is failed, with what is remembered as it is.
func (c *Cache) failure(ctx context.Context, key Key, p Policy, now time.Time) *failure {
	var f failure
	if c.get(ctx, key, failedSuffix, &f) != nil || p.Anew || f.At.Before(p.Since) || !f.active(now) {
		return nil
	}
	return &f
}

// active reports whether f still counts. A failure that claims to last longer than any
// can was written under another clock.
func (f *failure) active(now time.Time) bool {
	return now.Before(f.Until) && f.Until.Before(now.Add(5*time.Minute+time.Second))
}

// rememberFailure keeps err for the callers that come next, provided the issuer was
// asked. Consecutive network failures are remembered for longer and longer, up to
// maxBackoff.
func (c *Cache) rememberFailure(ctx context.Context, key Key, p Policy, err error, now time.Time) {
	e := plugin.AsError(err)
	if e.Remember <= 0 {
		return
	}
	f := failure{Profile: p.Profile, At: now, Times: 1, Code: e.Code, Text: e.Text, Hint: e.Hint, Fix: e.Fix}
	if e.Code == plugin.Network {
		var former failure
		if c.get(ctx, key, failedSuffix, &former) == nil && former.Code == plugin.Network &&
			now.Sub(former.Until) < maxBackoff {
			f.Times = min(former.Times+1, 10)
		}
		e.Remember = min(e.Remember<<(f.Times-1), maxBackoff)
	}
	f.Until = now.Add(e.Remember)
	if err := c.put(ctx, key, failedSuffix, f); err != nil {
		c.Warn("%s: could not keep the failure: %v", p.Profile, err)
	}
}

// KeyID returns the id of the access key or application credential kept under key, or "".
func (c *Cache) KeyID(ctx context.Context, key Key) string {
	if e := c.load(ctx, key); e != nil {
		return e.credential().KeyID()
	}
	return ""
}

// Token returns the token kept under key, or "".
func (c *Cache) Token(ctx context.Context, key Key) string {
	if e := c.load(ctx, key); e != nil {
		return e.Token
	}
	return ""
}

// Forget removes the credential kept under key if it is cred, which is no longer good.
func (c *Cache) Forget(ctx context.Context, key Key, cred *plugin.Credential) error {
	unlock, err := c.lock(ctx, key)
	if err != nil {
		return err
	}
	defer unlock()
	if e := c.load(ctx, key); e == nil || e.Token != cred.Token.Reveal() || e.Certificate != cred.ClientCertificate {
		return nil // another process has replaced it
	}
	c.refuse(ctx, key.Name)
	return c.remove(ctx, key.Name)
}

// refuse remembers that the credential kept under the key called name is no longer good, so
// that the same is not taken from another host.
func (c *Cache) refuse(ctx context.Context, name string) {
	key := Key{Name: name, seal: sealFor(c.Pepper, name)}
	if e := c.load(ctx, key); e != nil && e.Slot != "" {
		c.note(ctx, key, seen{Generation: e.Generation, Refused: e.Generation, ID: e.credential().ID()})
	}
}

// refuseAbove is refuse for the credential under the key called name, and for all that were
// made from it.
func (c *Cache) refuseAbove(ctx context.Context, name string) {
	kept, _ := c.List(ctx)
	for _, k := range kept {
		if k.Name != name && !slices.Contains(k.Below, name) {
			continue
		}
		if unlock, err := c.lock(ctx, Key{Name: k.Name}); err == nil {
			c.refuse(ctx, k.Name)
			unlock()
		}
	}
}

// place returns the directory of the cache, or "" if the cache ends with this process.
func (c *Cache) place() string {
	if f, ok := c.Store.(Filer); ok {
		return f.Path()
	}
	return ""
}

// AskedPath returns the path of the file that records who last asked for what is kept
// under key, or "" if the cache has no files.
func (c *Cache) AskedPath(key Key) string {
	if c.place() == "" {
		return ""
	}
	return filepath.Join(c.place(), key.Name+hit.AskedSuffix)
}

// Drop removes the credential kept under the key called name and every credential made
// from it, and returns how many it removed. It waits for any fetch in progress, because
// the answer would otherwise outlive the drop.
func (c *Cache) Drop(ctx context.Context, name string) (int, error) {
	count := 0
	drop := func(name string) error {
		unlock, err := c.lock(ctx, Key{Name: name})
		if err != nil {
			return err
		}
		defer unlock()
		c.Store.Delete(ctx, name+failedSuffix)
		c.Store.Delete(ctx, name+hit.AskedSuffix)
		if err := c.remove(ctx, name); err == nil {
			count++
		} else if !errors.Is(err, fs.ErrNotExist) {
			return plugin.Errorf(plugin.Config, "cannot remove the kept credential: %v", err)
		}
		return nil
	}
	kept, err := c.List(ctx)
	for _, k := range kept {
		if slices.Contains(k.Below, name) {
			err = errors.Join(err, drop(k.Name))
		}
	}
	return count, errors.Join(err, drop(name))
}

// forgetKeys removes from the cache the access keys with these ids, which were replaced
// or are about to be deleted at their issuer. It returns the ids that it could not
// remove. It takes no lock, so that it can be called in the middle of a fetch. A fetch in
// progress elsewhere has a newer key.
func (c *Cache) forgetKeys(ctx context.Context, ids []string) (held []string) {
	kept, err := c.List(ctx)
	if err != nil {
		return nil // keys that cannot be listed cannot be served either
	}
	for _, k := range kept {
		if k.Credential == nil || !slices.Contains(ids, k.Credential.KeyID()) {
			continue
		}
		if err := c.remove(ctx, k.Name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			held = append(held, k.Credential.KeyID())
		}
	}
	return held
}

// holds reports whether the cache has the access key with this id. If the cache cannot be
// listed, it reports true.
func (c *Cache) holds(ctx context.Context, id string) bool {
	kept, err := c.List(ctx)
	return err != nil || slices.ContainsFunc(kept,
		func(k Item) bool { return k.Credential != nil && k.Credential.KeyID() == id })
}

// Clear removes everything from the cache.
func (c *Cache) Clear(ctx context.Context) error {
	kept, err := c.List(ctx)
	for _, k := range kept {
		_, e := c.Drop(ctx, k.Name)
		err = errors.Join(err, e)
	}
	names, e := c.names(ctx)
	for _, name := range names {
		value, suffix := cutName(name)
		of := []string{documentSuffix, hit.AskedSuffix, downSuffix}
		if isKeyName(value) && slices.Contains(of, suffix) {
			c.Store.Delete(ctx, name)
		}
	}
	err = errors.Join(err, e)
	if e := c.cool(ctx, ""); e != nil {
		err = errors.Join(err, plugin.Errorf(plugin.Config, "cannot remove what is kept: %v", e))
	}
	return err
}
