package cache

import (
	"context"
	"errors"
	"time"

	"github.com/jeton-cli/jeton/cache/hit"
	"github.com/jeton-cli/jeton/plugin"
)

// Collect removes from the cache everything that is no longer of use: expired and broken
// entries, failures that no longer count, and what killed processes left behind. It
// returns the number of credentials removed, and an error if the cache cannot be listed.
func (c *Cache) Collect(ctx context.Context) (int, error) {
	names, err := c.names(ctx)
	if err != nil {
		return 0, err
	}
	c.cool(ctx, "")
	keys := map[string]bool{}
	for _, name := range names {
		if key, _ := cutName(name); isKeyName(key) { // the cache does not own other files
			keys[key] = true
		}
	}
	count := 0
	for key := range keys {
		// Under the lock, nobody is about to replace what collectKey looks at.
		if c.collectKey(ctx, key) {
			count++
		}
	}
	if sweeper, ok := c.Store.(Sweeper); ok {
		sweeper.Sweep(ctx)
	}
	return count, nil
}

// collectKey removes what is kept under name if it has expired or is broken. It reports
// whether it removed a credential.
func (c *Cache) collectKey(ctx context.Context, name string) (removed bool) {
	if locker, ok := c.Store.(Locker); ok {
		unlock, err := locker.TryLock(name)
		if unlock == nil || err != nil {
			return false // in use
		}
		defer unlock()
	}
	now := time.Now()
	key := Key{Name: name, seal: sealFor(c.Pepper, name)}
	var f failure
	if c.get(ctx, key, failedSuffix, &f) != nil || !f.active(now) {
		c.Store.Delete(ctx, name+failedSuffix)
	}
	var doc document
	if c.get(ctx, key, documentSuffix, &doc) != nil || !now.Before(doc.Until) {
		c.Store.Delete(ctx, name+documentSuffix)
	}
	var d down
	if c.get(ctx, key, downSuffix, &d) != nil || !now.Before(d.Until) {
		c.Store.Delete(ctx, name+downSuffix)
	}
	var mark seen
	if c.get(ctx, key, seenSuffix, &mark) != nil || now.Sub(mark.At) > fenceTime {
		c.Store.Delete(ctx, name+seenSuffix)
	}
	if e := c.load(ctx, key); e == nil || Expired(e.Expires, now) {
		removed = c.Store.Delete(ctx, name) == nil
	}
	for _, suffix := range []string{"", failedSuffix, documentSuffix, downSuffix, seenSuffix} {
		if _, err := c.Store.Get(ctx, name+suffix); err == nil {
			return removed
		}
	}
	c.Store.Delete(ctx, name+hit.AskedSuffix)
	return removed
}

// keysLeft returns an error that names the minted keys of the kind that no profile of the
// file config could delete, including those that only may have been made. It returns nil if
// there are none.
func (s *Session) keysLeft(ctx context.Context, config string, kind func(*Minted) bool) error {
	accounts, _ := Accounts(ctx, s.State) // status reports accounts that cannot be read
	var failures error
	left := func(account *Account, m *Minted, what, verb string) {
		e := plugin.Errorf(plugin.Config,
			"%s, made for profile %s of %s, %s there still at %s: no profile could delete it",
			what, m.Profile, m.Config, verb, account.Issuer)
		if m.Config != config {
			e = e.WithHint("that file's profiles can: %s",
				plugin.ShellWords("jeton", "--config", m.Config, "logout", "--all"))
		} else {
			e = e.WithHint("write a profile of its plugin that logs in as its user, and run jeton gc; or delete it " +
				"yourself (openstack ec2 credentials delete, openstack application credential delete, or octl iaas " +
				"api DeleteAccessKey)")
		}
		failures = errors.Join(failures, e)
	}
	for n := range accounts {
		account := &accounts[n]
		for i := range account.Keys {
			if m := &account.Keys[i]; kind(m) {
				left(account, m, "access key "+m.ID, "is")
			}
		}
		for _, i := range account.Intents {
			m := i.Key
			m.Unwanted = true // whatever became of it, nobody received it
			if i.Overdue(time.Now()) && kind(&m) {
				left(account, &m, "an access key", "may be")
			}
		}
	}
	return failures
}

// CollectKeys deletes at their issuers the keys that nobody wants, wherever a profile of
// f logs in to their account. It returns how many it deleted.
func (s *Session) CollectKeys(ctx context.Context, f *plugin.File) (deleted int, failures error) {
	ledger := &Ledger{State: s.State, Why: s.Why, Config: f.Path, Cache: s.Cache}
	_, failures = Accounts(ctx, s.State) // errors of accounts that cannot be read
	collect := func(name string) error {
		n, err := s.collectKeysOf(ctx, f, name)
		deleted += n
		return err
	}
	s.sweepPackages()
	names := f.Every()
	// Each profile deletes the keys that were made for it.
	for _, name := range names {
		ledger.Profile, ledger.records = name, nil
		if p, err := f.Profile(name); err == nil && s.Sharing() {
			ledger.records = s.records(p)
		}
		if due, err := ledger.Has(ctx, true); err == nil && due {
			failures = errors.Join(failures, collect(name))
		}
	}
	// A key made for a profile that is gone, or for the user that a profile had before,
	// can be deleted by any profile that logs in to that account. A file that cannot be
	// seen just now says nothing about its profiles.
	ledger.records = nil
	due := func(m *Minted) bool { return m.Config == f.Path && m.Due(time.Now()) }
	for round := 0; round < 2 && f.Exists; round++ { // the first round settles what the second deletes
		failures = errors.Join(failures, ledger.Orphan(ctx, f.Wants))
		if s.keysLeft(ctx, f.Path, due) != nil {
			for _, name := range names {
				collect(name) // a profile that cannot is no failure: another may
			}
		}
	}
	forsaken, err := ledger.Forsake(ctx)
	for _, id := range forsaken {
		s.World.Warn("access key %s has ended, but no profile could delete it, and jeton gives it up: "+
			"at its issuer it may take up a place still", id)
	}
	return deleted, errors.Join(failures, err, s.keysLeft(ctx, f.Path, due))
}

// collectKeysOf has the profile called name delete the unwanted keys at its account, and
// returns how many it deleted.
func (s *Session) collectKeysOf(ctx context.Context, f *plugin.File, name string) (int, error) {
	p, err := f.Profile(name)
	if err != nil {
		return 0, err
	}
	collector, ok := s.Source(p, Need{}).(plugin.Collector)
	if !ok {
		return 0, nil
	}
	ids, err := collector.Collect(ctx)
	return len(ids), about(p, err)
}
