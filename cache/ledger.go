package cache

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/jeton-cli/jeton/plugin"
)

// A Ledger records the access keys that one profile mints, so that no key is ever lost or
// left behind. The state directory has one file for each account. It is written before a
// key is requested and again after the key has arrived. A process killed between the two
// leaves an intent, which the next process settles. The ledger holds key ids and never a
// secret: secrets are read again from the issuer.
type Ledger struct {
	State   State  // nil if there can be no ledger
	Why     error  // why there can be no ledger
	Config  string // the configuration file that the profile is in
	Profile string
	// Roaming says that the profile's name stands for whatever identity is in the
	// environment, so that keys of several accounts and projects are recorded under it.
	Roaming bool
	// Unkept says that there is no cache. If the issuer reveals the secret of a key only
	// once, every call would then lose another key.
	Unkept bool
	// Cache is where keys are kept once they are made. The ledger takes no lock to change
	// it.
	Cache *Cache

	records *records // those of the fleet, or nil
	fleet   bool     // it deletes the keys of the whole fleet, too
}

const (
	ledgerPrefix = "ledger-"
	keyGrace     = time.Hour // how long a key works after its replacement

	// settleAfter is how long a request may go on at the issuer after its sender was
	// killed or gave up.
	settleAfter = time.Minute
)

// ErrNoCache is the reason there is no ledger under --no-cache.
var ErrNoCache = errors.New("--no-cache was given")

func (l *Ledger) error(err error) error {
	e := plugin.Errorf(plugin.Config, "without the ledger of access keys none is made or deleted, as it could "+
		"be lost: %v", err)
	if errors.Is(err, ErrNoCache) {
		return e.WithHint("leave out --no-cache")
	}
	return e.WithHint("the ledger is in $XDG_STATE_HOME/jeton; jeton must be able to read and write there")
}

// open locks and reads the file of an account.
func (l *Ledger) open(ctx context.Context, issuer, subject string) (*Account, func(), error) {
	if l.State == nil {
		return nil, nil, l.error(l.Why)
	}
	unlock, err := l.lock(ctx, issuer)
	if err != nil {
		return nil, nil, err
	}
	a, err := readAccount(ctx, l.State, accountName(issuer, subject))
	if err != nil {
		unlock()
		return nil, nil, l.error(err)
	}
	a.Issuer, a.Subject = issuer, subject
	l.decide(ctx, a)
	return a, unlock, nil
}

// lock waits for the right to change the ledger of an issuer. All accounts of the issuer
// share one lock, since two of them can turn out to belong to one user.
func (l *Ledger) lock(ctx context.Context, issuer string) (func(), error) {
	unlock, err := l.State.Lock(ctx, ledgerName(issuer))
	if err != nil && ctx.Err() != nil {
		return nil, plugin.Errorf(plugin.Later, "another jeton is minting a key at %s", issuer)
	}
	if err != nil {
		return nil, l.error(err)
	}
	return unlock, nil
}

// save records a. The cache removes every key that is now due before the file says that
// it is due; otherwise a process killed in between would leave in use a key that the next
// gc deletes. Before the removal, save marks these keys as leaving; otherwise a process
// killed in between would leave a key that is never deleted although nobody has it. A key
// that the cache cannot remove stays.
func (l *Ledger) save(ctx context.Context, a *Account) error {
	now, marked := time.Now(), *a
	marked.Keys = slices.Clone(a.Keys)
	var held []string
	mark := false
	for i := range a.Keys {
		if m := &marked.Keys[i]; m.Due(now) && l.holds(ctx, m.ID) {
			held, mark = append(held, m.ID), mark || m.Leaving == ""
			m.Unwanted, m.DeleteAfter, m.Leaving = false, time.Time{}, l.Cache.place()
		}
		if a.Keys[i].Unwanted {
			a.Keys[i].Leaving = ""
		}
	}
	if mark {
		if err := l.write(ctx, &marked); err != nil {
			return err
		}
	}
	held = l.gone(ctx, held)
	for i := range a.Keys {
		if slices.Contains(held, a.Keys[i].ID) {
			a.Keys[i] = marked.Keys[i]
		}
	}
	return l.write(ctx, a)
}

// decide settles the keys that this cache was about to remove when a process was killed.
// Those that the cache still hands out stay; the others become unwanted.
func (l *Ledger) decide(ctx context.Context, a *Account) {
	for i := range a.Keys {
		if m := &a.Keys[i]; m.Leaving != "" && l.Cache != nil && m.Leaving == l.Cache.place() {
			m.Leaving = ""
			m.Unwanted = !l.holds(ctx, m.ID)
		}
	}
}

func (l *Ledger) write(ctx context.Context, a *Account) error {
	name := accountName(a.Issuer, a.Subject)
	if len(a.Keys) == 0 && len(a.Intents) == 0 && len(a.Strays) == 0 {
		if err := l.State.Delete(ctx, name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return l.error(err)
		}
		return nil
	}
	b, err := json.MarshalIndent(a, "", " ")
	if err == nil {
		err = l.State.Put(ctx, name, b)
	}
	if err != nil {
		return l.error(err)
	}
	return nil
}

// Mint returns the profile's key, as [plugin.Ledger] says.
func (l *Ledger) Mint(ctx context.Context, order plugin.Order, keys plugin.Keys, replace bool) (*plugin.Credential,
	error) {
	a, unlock, err := l.open(ctx, order.Issuer, order.Subject)
	if err != nil {
		return nil, err
	}
	defer unlock()
	reader, readable := keys.(plugin.KeyReader)
	if !readable && l.Unkept {
		return nil, plugin.Errorf(plugin.Config, "nothing can be kept, so that every call would make another key").
			WithHint("JETON_CACHE_DIR can name a directory that can be written")
	}
	if preparer, ok := keys.(plugin.KeyPreparer); ok {
		if err := preparer.Prepare(ctx); err != nil {
			return nil, err
		}
	}
	there, err := keys.List(ctx)
	if err != nil {
		return nil, err
	}
	if err := l.inherit(ctx, a, there); err != nil {
		return nil, err
	}
	now := time.Now().UTC().Truncate(time.Second)
	due := l.adopt(ctx, a, now, false)
	tags := a.tags()
	l.gone(ctx, a.settle(there, now))
	a.moved(l, order.Scope, now)
	if readable && !replace {
		if c, err := l.again(ctx, a, order, reader, now); c != nil || err != nil {
			return c, err
		}
	}
	// Keys that are due are deleted first, since they may be what fills the quota. A key
	// that cannot be deleted is left for the next time.
	l.collect(ctx, a, keys, due)
	l.release(ctx, a, tags)
	key := Minted{Scope: order.Scope, Config: l.Config, Profile: l.Profile, Created: now, Unseen: !readable}
	switch {
	case order.Life > 0:
		key.Tag = order.Tag + strings.ToLower(rand.Text())
		key.Expires = a.ownExpiry(there, l.others(ctx, a), now.Add(order.Life), order.Life)
	case order.MaxAge > 0:
		key.Expires = now.Add(order.MaxAge + keyGrace)
	}
	before := slices.Sorted(maps.Keys(there))
	for {
		c, err := l.create(ctx, a, order, keys, key, before, replace)
		if !errors.Is(err, plugin.ErrFull) || !l.makeRoom(ctx, a, keys) {
			return c, err
		}
	}
}

// again reads the secret of the key in use from the issuer, if there is a key that needs
// no replacement. Otherwise it returns nil.
func (l *Ledger) again(
	ctx context.Context, a *Account, order plugin.Order, reader plugin.KeyReader, now time.Time,
) (*plugin.Credential, error) {
	i := a.wanted(l, order.Scope)
	if i < 0 || a.Keys[i].outdated(order.MaxAge, now) {
		return nil, nil
	}
	c, err := reader.Read(ctx, a.Keys[i].ID)
	switch {
	case err == nil:
		if order.MaxAge > 0 && a.Keys[i].Expires.IsZero() { // the profile got its max_age later
			a.Keys[i].Expires = a.Keys[i].Created.Add(order.MaxAge + keyGrace)
		}
		return a.Keys[i].dated(c, order.MaxAge), l.save(ctx, a)
	case !errors.Is(err, fs.ErrNotExist):
		return nil, errors.Join(err, l.save(ctx, a))
	}
	a.Keys = slices.Delete(a.Keys, i, i+1) // somebody deleted it
	return nil, nil
}

// create makes the key at the issuer. before lists the ids of the keys that already exist
// there. The intent is on disk before the request is sent, and the key before anybody
// receives it.
func (l *Ledger) create(
	ctx context.Context, a *Account, order plugin.Order, keys plugin.Keys, key Minted, before []string, replace bool,
) (*plugin.Credential, error) {
	former := func(m *Minted) {
		if m.replaced(key.grace()); order.Life > 0 && replace && !m.Shared || l.lost(ctx, m) {
			m.DeleteAfter = time.Time{} // at once, or the quota would soon be used up
		}
	}
	for _, m := range a.inUse(l, order.Scope) {
		then := *m
		if former(&then); then.Due(key.Created) && l.Cache != nil {
			m.Leaving = l.Cache.place()
		}
	}
	a.Intents = append(a.Intents, Intent{Before: before, Key: key})
	if err := l.save(ctx, a); err != nil {
		return nil, err
	}
	key.Recorded = l.records.keep(ctx, a, key)
	c, err := keys.Create(ctx, plugin.Mark{Scope: key.Scope, Tag: key.Tag, Expires: key.Expires})
	if err != nil {
		if !uncertain(err) {
			for _, m := range a.inUse(l, order.Scope) {
				m.Leaving = ""
			}
			a.Intents = a.Intents[:len(a.Intents)-1]
			l.records.drop(ctx, a, key.Tag)
			err = errors.Join(err, l.save(ctx, a))
		}
		return nil, err
	}
	if tagger, ok := keys.(plugin.Tagger); ok && key.Recorded && !tagger.Tagged() {
		key.Recorded = false
		l.records.drop(ctx, a, key.Tag)
	}
	for _, m := range a.inUse(l, order.Scope) {
		former(m)
	}
	key.ID = c.KeyID()
	if !c.Expires.IsZero() {
		key.Expires = c.Expires // the issuer's answer decides
	}
	a.Keys, a.Intents = append(a.Keys, key), a.Intents[:len(a.Intents)-1]
	if err := l.save(ctx, a); err != nil {
		return nil, err
	}
	if key.Recorded {
		l.records.keep(ctx, a, key)
	}
	return key.dated(c, order.MaxAge), nil
}

// others returns the other accounts at a's issuer.
func (l *Ledger) others(ctx context.Context, a *Account) (others []Account) {
	accounts, _ := Accounts(ctx, l.State) // an unreadable account keeps its keys
	for _, o := range accounts {
		if o.Issuer == a.Issuer && o.Subject != a.Subject {
			others = append(others, o)
		}
	}
	return others
}

// inherit moves to a the recorded keys of other accounts that turn out to belong to the
// same user, who now logs in differently.
func (l *Ledger) inherit(ctx context.Context, a *Account, there map[string]plugin.Mark) error {
	for _, other := range l.others(ctx, a) {
		before := len(other.Keys) + len(other.Intents)
		other.Keys = slices.DeleteFunc(other.Keys, func(m Minted) bool {
			if _, ours := there[m.ID]; !ours {
				return false
			}
			if !a.has(m.ID) {
				a.Keys = append(a.Keys, m)
			}
			return true
		})
		other.Intents = slices.DeleteFunc(other.Intents, func(i Intent) bool {
			if i.Key.Tag == "" || i.find(there) == "" {
				return false
			}
			a.Intents = append(a.Intents, i)
			return true
		})
		if len(other.Keys)+len(other.Intents) == before {
			continue
		}
		if err := errors.Join(l.save(ctx, a), l.save(ctx, &other)); err != nil {
			return err
		}
	}
	return nil
}

// uncertain reports whether a key may have been made although Create failed with err. It
// may have been whenever the request may have arrived and the issuer did not clearly
// refuse it.
func uncertain(err error) bool {
	e := plugin.AsError(err)
	switch e.Code {
	case plugin.Denied, plugin.Later, plugin.Config:
		return false
	}
	return !e.Unsent
}

// Stored records that c, which Mint returned, is kept where others can find it. why is
// the reason c could not be kept, or nil. If c could not be kept and its issuer reveals
// the secret only once, Stored returns an error and c must not be handed out: every call
// would make another key.
func (l *Ledger) Stored(ctx context.Context, c *plugin.Credential, why error) error {
	if why != nil {
		accounts, _ := Accounts(ctx, l.State)
		for _, a := range accounts {
			if slices.ContainsFunc(a.Keys, func(m Minted) bool { return m.ID == c.KeyID() && m.Unseen }) {
				return plugin.Errorf(plugin.Config, "the key cannot be kept, so that every call would make another: %v",
					why).
					WithHint("make room in the cache directory, or name another: JETON_CACHE_DIR")
			}
		}
		return nil
	}
	return l.each(ctx, func(m *Minted) bool {
		unseen := m.of(l) && m.ID == c.KeyID() && m.Unseen
		m.Unseen = m.Unseen && !unseen
		return unseen
	})
}

// lost reports whether nobody can have the key, because the process that made it was
// killed before it could hand it out.
func (l *Ledger) lost(ctx context.Context, m *Minted) bool {
	return m.Unseen && !m.Shared && !l.holds(ctx, m.ID)
}

// holds reports whether the cache hands out the key with this id.
func (l *Ledger) holds(ctx context.Context, id string) bool {
	return l.Cache != nil && l.Cache.holds(ctx, id)
}

// abandoned reports whether the key is lost and no process can still be about to hand it
// out.
func (l *Ledger) abandoned(ctx context.Context, m *Minted, now time.Time) bool {
	return now.Sub(m.Created) > settleAfter && !m.Unwanted && l.lost(ctx, m)
}

// gone removes the keys with these ids from the cache, and returns the ids of those that
// the cache still hands out.
func (l *Ledger) gone(ctx context.Context, ids []string) (held []string) {
	if l.Cache != nil && len(ids) > 0 {
		return l.Cache.forgetKeys(ctx, ids)
	}
	return nil
}

// collect deletes at the issuer the keys that are due, and returns their ids. The cache
// removes them first, so that nobody is handed one in the meantime.
func (l *Ledger) collect(ctx context.Context, a *Account, keys plugin.Keys, now time.Time) (ids []string,
	failures error) {
	for _, m := range a.Keys {
		if m.Due(now) {
			ids = append(ids, m.ID)
		}
	}
	held := l.gone(ctx, ids)
	ids = nil
	a.Keys = slices.DeleteFunc(a.Keys, func(m Minted) bool {
		if !m.Due(now) || ctx.Err() != nil {
			return false
		}
		if slices.Contains(held, m.ID) {
			failures = errors.Join(failures,
				plugin.Errorf(plugin.Config,
					"access key %s is in the cache, which cannot be written, and is left as it is", m.ID))
			return false
		}
		if err := keys.Delete(ctx, m.ID); err != nil {
			failures = errors.Join(failures, fmt.Errorf("access key %s: %w", m.ID, err))
			return false
		}
		ids = append(ids, m.ID)
		return true
	})
	return ids, failures
}

// Collect deletes keys as [plugin.Ledger] says: the keys that were replaced and, if all
// is set, also those that the profile uses now.
func (l *Ledger) Collect(ctx context.Context, order plugin.Order, keys plugin.Keys, all bool) ([]string, error) {
	a, unlock, err := l.open(ctx, order.Issuer, order.Subject)
	if err != nil {
		return nil, err
	}
	defer unlock()
	now := time.Now()
	due := l.adopt(ctx, a, now, true)
	tags := a.tags()
	if len(a.Intents) > 0 || l.others(ctx, a) != nil {
		there, err := keys.List(ctx)
		if err != nil {
			return nil, err
		}
		if err := l.inherit(ctx, a, there); err != nil {
			return nil, err
		}
		l.gone(ctx, a.settle(there, now))
	}
	a.moved(l, order.Scope, now)
	for i := range a.Keys {
		m := &a.Keys[i]
		if all && m.of(l) && (l.fleet || !m.Shared) || l.abandoned(ctx, m, now) {
			m.Unwanted, m.DeleteAfter = true, time.Time{}
		}
	}
	if all { // a process killed from here on leaves them marked for deletion
		if err := l.save(ctx, a); err != nil {
			return nil, err
		}
	}
	ids, err := l.collect(ctx, a, keys, due)
	l.release(ctx, a, tags)
	return ids, errors.Join(err, l.save(ctx, a))
}

// Unwant marks the keys in use by l's profile as unwanted, after a service refused the
// profile's credential. If id is not empty, it marks only the key with that id. Other hosts
// of a fleet keep theirs.
func (l *Ledger) Unwant(ctx context.Context, id string) error {
	return l.each(ctx, func(m *Minted) bool {
		if !m.of(l) || m.Unwanted || m.Shared && !l.fleet || id != "" && m.ID != id {
			return false
		}
		m.Unwanted = true
		return true
	})
}

// Orphan marks as replaced the keys of profiles that l's configuration file no longer wants.
func (l *Ledger) Orphan(ctx context.Context, wants func(profile string) bool) error {
	return l.each(ctx, func(m *Minted) bool {
		if m.Config != l.Config || m.Unwanted || wants(m.Profile) {
			return false
		}
		m.replaced(time.Time{})
		return true
	})
}

// each applies change to every key, and saves the accounts where it reports that it
// changed one.
func (l *Ledger) each(ctx context.Context, change func(*Minted) bool) error {
	accounts, _ := Accounts(ctx, l.State) // an unreadable account does not block the others
	issuers := map[string]bool{}
	for _, a := range accounts {
		if slices.ContainsFunc(a.Keys, func(m Minted) bool { return change(&m) }) {
			issuers[a.Issuer] = true // the other issuers need no lock
		}
	}
	var failures error
	for _, issuer := range slices.Sorted(maps.Keys(issuers)) {
		failures = errors.Join(failures, l.eachAt(ctx, issuer, change))
	}
	return failures
}

func (l *Ledger) eachAt(ctx context.Context, issuer string, change func(*Minted) bool) (failures error) {
	unlock, err := l.lock(ctx, issuer)
	if err != nil {
		return err
	}
	defer unlock()
	accounts, _ := Accounts(ctx, l.State)
	for _, a := range accounts {
		if a.Issuer == issuer {
			l.decide(ctx, &a)
		}
		changed := false
		for i := range a.Keys {
			changed = a.Issuer == issuer && change(&a.Keys[i]) || changed
		}
		if changed {
			failures = errors.Join(failures, l.save(ctx, &a))
		}
	}
	return failures
}

// Forsake drops from the ledger the keys that expired more than a day ago and could not
// be deleted, because no profile logs in to their account any more. It returns the ids of
// the keys. Those that do not expire at their issuer, which have no tag, stay in the ledger.
func (l *Ledger) Forsake(ctx context.Context) (ids []string, failures error) {
	accounts, _ := Accounts(ctx, l.State)
	for _, listed := range accounts {
		a, unlock, err := l.open(ctx, listed.Issuer, listed.Subject)
		if err != nil {
			failures = errors.Join(failures, err)
			continue
		}
		ended := func(m Minted) bool { return m.Tag != "" && m.Expired(time.Now().Add(-24*time.Hour)) }
		before := len(a.Keys) + len(a.Intents)
		a.Keys = slices.DeleteFunc(a.Keys, func(m Minted) bool {
			if ended(m) {
				ids = append(ids, m.ID)
			}
			return ended(m)
		})
		a.Intents = slices.DeleteFunc(a.Intents, func(i Intent) bool { return ended(i.Key) })
		if len(a.Keys)+len(a.Intents) < before {
			failures = errors.Join(failures, l.save(ctx, a))
		}
		unlock()
	}
	return ids, failures
}

// Has reports whether l's profile has keys that were made and not deleted. If due is set,
// it reports whether any of them must now be deleted or settled. What the fleet knows is only
// found out with a login: with a fleet there may always be some.
func (l *Ledger) Has(ctx context.Context, due bool) (bool, error) {
	accounts, err := Accounts(ctx, l.State)
	now := time.Now()
	for _, a := range accounts {
		if slices.ContainsFunc(a.Intents, func(i Intent) bool { return i.Key.of(l) }) {
			return true, nil
		}
		for i := range a.Keys {
			m := &a.Keys[i]
			onlyDue := due || m.Shared && !l.fleet
			if m.of(l) && (!onlyDue || m.Due(now) || m.Leaving != "" || l.abandoned(ctx, m, now)) {
				return true, nil
			}
		}
	}
	return l.records != nil && (due || l.fleet), err
}
