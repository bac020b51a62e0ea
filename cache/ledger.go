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

// A Ledger records the access keys that one profile mints, so that none is
// ever lost or left behind. There is a file for each account, in the state
// directory, which is written before a key is asked for and after it came; a
// process killed in between leaves an intent, which the next one settles. It
// holds the ids of keys and never a secret: those are read again from the
// issuer.
type Ledger struct {
	State   State  // nil if there can be none
	Why     error  // why there can be none
	Config  string // the configuration file that the profile is in
	Profile string
	// Roaming says that the profile's name stands for whatever identity is in
	// the environment, so that keys of several accounts and projects go by it.
	Roaming bool
	// Unkept says that there is no cache, so that a key whose issuer tells its
	// secret but once would be lost with every call.
	Unkept bool
	// Cache is where keys are kept once they are made. What is done to it takes
	// no lock.
	Cache *Cache
}

const (
	ledgerPrefix = "ledger-"
	keyGrace     = time.Hour // how long a key works after it was replaced

	// settleAfter is how long a request may go on at the issuer after its
	// sender was killed or gave up.
	settleAfter = time.Minute
)

// ErrNoCache is why there is no ledger under --no-cache.
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

// lock waits for the right to change the ledger of an issuer. It is one for all
// of its accounts, since two of them can turn out to be of one user.
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

// save records a. What is due from now on the cache forgets first, or who is killed
// in between would leave a key in use that the next gc deletes; and before that it is
// marked as leaving, or it would stay although nobody has it. What the cache cannot
// forget stays.
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

// decide settles which of the keys stay that this cache was about to forget when a
// process was killed: those that it still hands out.
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
	there, err := keys.List(ctx)
	if err != nil {
		return nil, err
	}
	if err := l.inherit(ctx, a, there); err != nil {
		return nil, err
	}
	now := time.Now().UTC().Truncate(time.Second)
	l.gone(ctx, a.settle(there, now))
	a.moved(l, order.Scope, now)
	if readable && !replace {
		if c, err := l.again(ctx, a, order, reader, now); c != nil || err != nil {
			return c, err
		}
	}
	// What is due goes first: it may be what fills the quota. A key that
	// cannot be deleted stays for the next time.
	l.collect(ctx, a, keys, now)
	key := Minted{Scope: order.Scope, Config: l.Config, Profile: l.Profile, Created: now, Unseen: !readable}
	switch {
	case order.Life > 0:
		key.Tag = order.Tag + ":" + strings.ToLower(rand.Text())
		key.Expires = a.ownExpiry(there, l.others(ctx, a), now.Add(order.Life), order.Life)
	case order.MaxAge > 0:
		key.Expires = now.Add(order.MaxAge + keyGrace)
	}
	return l.create(ctx, a, order, keys, key, slices.Sorted(maps.Keys(there)), replace)
}

// again reads the key in use from the issuer, if there is one that needs no
// replacement, and returns nil if there is none.
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

// create makes the key at the issuer, where there were those in before. The intent is on
// disk before the request, and the key before anybody has it.
func (l *Ledger) create(
	ctx context.Context, a *Account, order plugin.Order, keys plugin.Keys, key Minted, before []string, replace bool,
) (*plugin.Credential, error) {
	former := func(m *Minted) {
		if m.replaced(key.grace()); order.Life > 0 && replace || l.lost(ctx, m) {
			m.DeleteAfter = time.Time{} // or the quota would soon be used up
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
	c, err := keys.Create(ctx, plugin.Mark{Scope: key.Scope, Tag: key.Tag, Expires: key.Expires})
	if err != nil {
		if !uncertain(err) {
			for _, m := range a.inUse(l, order.Scope) {
				m.Leaving = ""
			}
			a.Intents = a.Intents[:len(a.Intents)-1]
			err = errors.Join(err, l.save(ctx, a))
		}
		return nil, err
	}
	for _, m := range a.inUse(l, order.Scope) {
		former(m)
	}
	key.ID = c.AccessKey
	if !c.Expires.IsZero() {
		key.Expires = c.Expires // the issuer's own word counts
	}
	a.Keys, a.Intents = append(a.Keys, key), a.Intents[:len(a.Intents)-1]
	if err := l.save(ctx, a); err != nil {
		return nil, err
	}
	return key.dated(c, order.MaxAge), nil
}

// others returns the other accounts at a's issuer.
func (l *Ledger) others(ctx context.Context, a *Account) (others []Account) {
	accounts, _ := Accounts(ctx, l.State) // one that cannot be read keeps its keys
	for _, o := range accounts {
		if o.Issuer == a.Issuer && o.Subject != a.Subject {
			others = append(others, o)
		}
	}
	return others
}

// inherit moves to a what is recorded of the keys of other accounts, where these
// turn out to be of the same user, whose login is another one now.
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

// uncertain reports whether a key may have been made although Create failed
// with err: whenever the request may have arrived and the issuer did not
// clearly say no.
func uncertain(err error) bool {
	e := plugin.AsError(err)
	switch e.Code {
	case plugin.Denied, plugin.Later, plugin.Config:
		return false
	}
	return !e.Unsent
}

// Stored records that c, which Mint has returned, is where others can find it. If it
// is not, and its issuer tells the secret to nobody else, c must not be handed out:
// every call would make another key.
func (l *Ledger) Stored(ctx context.Context, c *plugin.Credential, why error) error {
	if why != nil {
		accounts, _ := Accounts(ctx, l.State)
		for _, a := range accounts {
			if slices.ContainsFunc(a.Keys, func(m Minted) bool { return m.ID == c.AccessKey && m.Unseen }) {
				return plugin.Errorf(plugin.Config, "the key cannot be kept, so that every call would make another: %v",
					why).
					WithHint("make room in the cache directory, or name another: JETON_CACHE_DIR")
			}
		}
		return nil
	}
	return l.each(ctx, func(m *Minted) bool {
		unseen := m.of(l) && m.ID == c.AccessKey && m.Unseen
		m.Unseen = m.Unseen && !unseen
		return unseen
	})
}

// lost reports whether nobody can have the key, since the process that has made
// it was killed before it could hand it out.
func (l *Ledger) lost(ctx context.Context, m *Minted) bool {
	return m.Unseen && !l.holds(ctx, m.ID)
}

// holds reports whether the cache hands out the key.
func (l *Ledger) holds(ctx context.Context, id string) bool {
	return l.Cache != nil && l.Cache.holds(ctx, id)
}

// abandoned reports whether the key is lost, and its maker not about to hand it
// out.
func (l *Ledger) abandoned(ctx context.Context, m *Minted, now time.Time) bool {
	return now.Sub(m.Created) > settleAfter && !m.Unwanted && l.lost(ctx, m)
}

// gone sees to it that the keys are handed out no more, and returns those that still are.
func (l *Ledger) gone(ctx context.Context, ids []string) (held []string) {
	if l.Cache != nil && len(ids) > 0 {
		return l.Cache.forgetKeys(ctx, ids)
	}
	return nil
}

// collect deletes at the issuer the keys that are due, and returns their ids.
// Nobody is handed one of them in between.
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

// Collect deletes keys as [plugin.Ledger] says: those that were replaced, and
// with all those in use by the profile too.
func (l *Ledger) Collect(ctx context.Context, order plugin.Order, keys plugin.Keys, all bool) ([]string, error) {
	a, unlock, err := l.open(ctx, order.Issuer, order.Subject)
	if err != nil {
		return nil, err
	}
	defer unlock()
	now := time.Now()
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
		if all && m.of(l) || l.abandoned(ctx, m, now) {
			m.Unwanted, m.DeleteAfter = true, time.Time{}
		}
	}
	if all { // whoever is killed now has made up its mind
		if err := l.save(ctx, a); err != nil {
			return nil, err
		}
	}
	ids, err := l.collect(ctx, a, keys, now)
	return ids, errors.Join(err, l.save(ctx, a))
}

// Unwant marks the keys in use by l's profile as unwanted, after the profile's
// credential was refused: that with the id only, if one is given.
func (l *Ledger) Unwant(ctx context.Context, id string) error {
	return l.each(ctx, func(m *Minted) bool {
		if !m.of(l) || m.Unwanted || id != "" && m.ID != id {
			return false
		}
		m.Unwanted = true
		return true
	})
}

// Orphan marks as replaced the keys of profiles that are in l's configuration
// file no longer.
func (l *Ledger) Orphan(ctx context.Context, has func(profile string) bool) error {
	return l.each(ctx, func(m *Minted) bool {
		if m.Config != l.Config || m.Unwanted || has(m.Profile) {
			return false
		}
		m.replaced(time.Time{})
		return true
	})
}

// each applies change to every key, and saves the accounts in which it
// reports one.
func (l *Ledger) each(ctx context.Context, change func(*Minted) bool) error {
	accounts, _ := Accounts(ctx, l.State) // one that cannot be read stands in nobody's way
	issuers := map[string]bool{}
	for _, a := range accounts {
		if slices.ContainsFunc(a.Keys, func(m Minted) bool { return change(&m) }) {
			issuers[a.Issuer] = true // the others need no lock
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

// Forsake gives up what has ended by itself a day ago and could not be deleted:
// no profile logs in there any more. It returns the ids of the keys.
func (l *Ledger) Forsake(ctx context.Context) (ids []string, failures error) {
	accounts, _ := Accounts(ctx, l.State)
	for _, listed := range accounts {
		a, unlock, err := l.open(ctx, listed.Issuer, listed.Subject)
		if err != nil {
			failures = errors.Join(failures, err)
			continue
		}
		ended := func(m Minted) bool { return m.Expired(time.Now().Add(-24 * time.Hour)) }
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

// Has reports whether l's profile has keys that were made and not deleted, or,
// with due, whether any of them has to be deleted now or settled.
func (l *Ledger) Has(ctx context.Context, due bool) (bool, error) {
	accounts, err := Accounts(ctx, l.State)
	now := time.Now()
	for _, a := range accounts {
		if slices.ContainsFunc(a.Intents, func(i Intent) bool { return i.Key.of(l) }) {
			return true, nil
		}
		for i := range a.Keys {
			m := &a.Keys[i]
			if m.of(l) && (!due || m.Due(now) || m.Leaving != "" || l.abandoned(ctx, m, now)) {
				return true, nil
			}
		}
	}
	return false, err
}
