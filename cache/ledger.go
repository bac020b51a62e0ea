package cache

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	mathrand "math/rand/v2"
	"slices"
	"sort"
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
	Dir     *Dir   // nil if there can be none
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

// An Account is what the ledger knows of one user of an issuer: a file.
type Account struct {
	Issuer  string   `json:"issuer"`
	Subject string   `json:"subject"`
	Keys    []Minted `json:"keys"`
	Intents []Intent `json:"intents,omitempty"`
	// Strays are keys that appeared while a process was killed at its work,
	// together with others, so that nobody can tell which one is jeton's.
	Strays []string `json:"strays,omitempty"`
}

// A Minted is a key that jeton has made.
type Minted struct {
	ID      string    `json:"id"`
	Scope   string    `json:"scope"`
	Config  string    `json:"config"`
	Profile string    `json:"profile"`
	Created time.Time `json:"created"`
	// Expires is what its holders were told, zero for never.
	Expires time.Time `json:"expires,omitzero"`
	// Tag is what marks the key at an issuer that lets keys expire.
	Tag string `json:"tag,omitempty"`
	// Unseen says that the key has not been kept yet, so that nobody has got it.
	Unseen bool `json:"unseen,omitempty"`
	// Leaving is the cache that is about to forget the key, which is unwanted then.
	Leaving string `json:"leaving,omitempty"`
	// Unwanted keys are deleted once it is past DeleteAfter.
	Unwanted    bool      `json:"unwanted,omitempty"`
	DeleteAfter time.Time `json:"delete_after,omitzero"`
}

// replaced marks the key as unwanted once nobody can hold it any more, as far
// as its holders were told that it ends. With grace, those who were told of no
// end have until then.
func (m *Minted) replaced(grace time.Time) {
	m.Unwanted, m.DeleteAfter = true, m.Expires
	if m.Expires.IsZero() {
		m.DeleteAfter = grace
	}
}

// grace is until when the key that m replaces works at least: keys that
// rotate leave an hour, and one that was asked for by hand does not.
func (m *Minted) grace() time.Time {
	if m.Expires.IsZero() {
		return time.Time{}
	}
	return m.Created.Add(keyGrace)
}

// Due reports whether the key is to be deleted now: it has been replaced, or
// has expired, which not every issuer takes as a reason to remove it.
func (m *Minted) Due(now time.Time) bool {
	return m.Unwanted && !m.DeleteAfter.After(now) || m.Expired(now)
}

// Expired reports whether the key is past what its holders were told.
func (m *Minted) Expired(now time.Time) bool { return !m.Expires.IsZero() && !m.Expires.After(now) }

// of reports whether the key was made for l's profile.
func (m *Minted) of(l *Ledger) bool { return m.Config == l.Config && m.Profile == l.Profile }

// An Intent is a key that may or may not have been made.
type Intent struct {
	Before []string `json:"before"` // the keys that there were
	Key    Minted   `json:"key"`    // without its id
}

const (
	ledgerPrefix = "ledger-"
	keyGrace     = time.Hour // how long a key works after it was replaced

	// settleAfter is how long a request may go on at the issuer after its
	// sender was killed or gave up.
	settleAfter = time.Minute
)

// ledgerName returns the name of the lock of an issuer's accounts, and accountName
// that of the file of one.
func ledgerName(issuer string) string {
	// No secret is in it, so it needs no pepper, and must outlive one.
	return ledgerPrefix + hex.EncodeToString(mac(nil, "jeton ledger 1", []byte(issuer))[:16])
}

func accountName(issuer, subject string) string {
	return ledgerName(issuer) + "." + hex.EncodeToString(mac(nil, "jeton account 1", []byte(subject))[:16])
}

// ErrNoCache is why there is no ledger under --no-cache.
var ErrNoCache = errors.New("--no-cache was given")

func (l *Ledger) error(err error) error {
	e := plugin.Errorf(plugin.Config, "without the ledger of access keys none is made or deleted, as it could be lost: %v", err)
	if errors.Is(err, ErrNoCache) {
		return e.WithHint("leave out --no-cache")
	}
	return e.WithHint("the ledger is in $XDG_STATE_HOME/jeton; jeton must be able to read and write there")
}

// open locks and reads the file of an account.
func (l *Ledger) open(ctx context.Context, issuer, subject string) (*Account, func(), error) {
	if l.Dir == nil {
		return nil, nil, l.error(l.Why)
	}
	unlock, err := l.lock(ctx, issuer)
	if err != nil {
		return nil, nil, err
	}
	a, err := l.Dir.account(ctx, accountName(issuer, subject))
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
	unlock, err := l.Dir.Lock(ctx, ledgerName(issuer))
	if err != nil && ctx.Err() != nil {
		return nil, plugin.Errorf(plugin.Later, "another jeton is minting a key at %s", issuer)
	}
	if err != nil {
		return nil, l.error(err)
	}
	return unlock, nil
}

// account reads the file of that name; a missing one is an empty account.
func (d *Dir) account(ctx context.Context, name string) (*Account, error) {
	a := &Account{}
	b, err := d.Get(ctx, name)
	if errors.Is(err, fs.ErrNotExist) {
		if _, e := d.root.Lstat(name); e == nil {
			return nil, fmt.Errorf("%s/%s is not a private file of yours", d.path, name)
		}
		return a, nil
	}
	if err == nil {
		err = json.Unmarshal(b, a)
	}
	if err != nil {
		return nil, fmt.Errorf("%s/%s cannot be read: %w", d.path, name, err)
	}
	return a, nil
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
		if err := l.Dir.Delete(ctx, name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return l.error(err)
		}
		return nil
	}
	b, err := json.MarshalIndent(a, "", " ")
	if err == nil {
		err = l.Dir.Put(ctx, name, b)
	}
	if err != nil {
		return l.error(err)
	}
	return nil
}

// Mint returns the key of the profile at the account, as [plugin.Ledger] says.
func (l *Ledger) Mint(ctx context.Context, at plugin.Order, keys plugin.Keys, replace bool) (*plugin.Credential, error) {
	a, unlock, err := l.open(ctx, at.Issuer, at.Subject)
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
	a.moved(l, at.Scope, now)
	if i := a.wanted(l, at.Scope); readable && i >= 0 && !replace && !a.Keys[i].outdated(at.MaxAge, now) {
		c, err := reader.Read(ctx, a.Keys[i].ID)
		if err == nil {
			if at.MaxAge > 0 && a.Keys[i].Expires.IsZero() { // the profile got its max_age later
				a.Keys[i].Expires = a.Keys[i].Created.Add(at.MaxAge + keyGrace)
			}
			return a.Keys[i].dated(c, at.MaxAge), l.save(ctx, a)
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return nil, errors.Join(err, l.save(ctx, a))
		}
		a.Keys = slices.Delete(a.Keys, i, i+1) // somebody deleted it
	}
	// What is due goes first: it may be what fills the quota. A key that
	// cannot be deleted stays for the next time.
	l.collect(ctx, a, keys, now)
	key := Minted{Scope: at.Scope, Config: l.Config, Profile: l.Profile, Created: now, Unseen: !readable}
	switch {
	case at.Life > 0:
		key.Tag = at.Tag + ":" + strings.ToLower(rand.Text())
		key.Expires = a.ownExpiry(there, l.others(ctx, a), now.Add(at.Life), at.Life)
	case at.MaxAge > 0:
		key.Expires = now.Add(at.MaxAge + keyGrace)
	}
	former := func(m Minted) Minted {
		if m.replaced(key.grace()); at.Life > 0 && replace || l.lost(ctx, m) {
			m.DeleteAfter = time.Time{} // or the quota would soon be used up
		}
		return m
	}
	for _, m := range a.inUse(l, at.Scope) {
		if then := former(*m); then.Due(now) && l.Cache != nil {
			m.Leaving = l.Cache.place()
		}
	}
	a.Intents = append(a.Intents, Intent{Before: slices.Sorted(maps.Keys(there)), Key: key})
	if err := l.save(ctx, a); err != nil {
		return nil, err
	}
	c, err := keys.Create(ctx, plugin.Mark{Scope: key.Scope, Tag: key.Tag, Expires: key.Expires})
	if err != nil {
		if !uncertain(err) {
			for _, m := range a.inUse(l, at.Scope) {
				m.Leaving = ""
			}
			a.Intents = a.Intents[:len(a.Intents)-1]
			err = errors.Join(err, l.save(ctx, a))
		}
		return nil, err
	}
	for _, m := range a.inUse(l, at.Scope) {
		*m = former(*m)
	}
	key.ID = c.AccessKey
	if !c.Expires.IsZero() {
		key.Expires = c.Expires // the issuer's own word counts
	}
	a.Keys, a.Intents = append(a.Keys, key), a.Intents[:len(a.Intents)-1]
	if err := l.save(ctx, a); err != nil {
		return nil, err
	}
	return key.dated(c, at.MaxAge), nil
}

// others returns the other accounts at a's issuer.
func (l *Ledger) others(ctx context.Context, a *Account) (others []Account) {
	accounts, _ := l.Dir.Accounts(ctx) // one that cannot be read keeps its keys
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

// ownExpiry returns a time, in whole seconds, somewhat before t, at which no other
// key ends of the account, or of the others at its issuer: an intent of one of
// those would seem to have come true here.
func (a *Account) ownExpiry(there map[string]plugin.Mark, others []Account, t time.Time, life time.Duration) time.Time {
	taken := map[int64]bool{}
	for _, k := range there {
		taken[k.Expires.Unix()] = true
	}
	for _, account := range append(others, *a) {
		for _, i := range account.Intents {
			taken[i.Key.Expires.Unix()] = true
		}
		for _, m := range account.Keys {
			taken[m.Expires.Unix()] = true
		}
	}
	// Another machine's jeton may make a key for this user at the same moment.
	t = t.Add(-mathrand.N(life/60 + 1)).Truncate(time.Second)
	for taken[t.Unix()] {
		t = t.Add(-time.Second)
	}
	return t
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

// Kept records that c, which Mint has returned, is where others can find it. If it
// is not, and its issuer tells the secret to nobody else, c must not be handed out:
// every call would make another key.
func (l *Ledger) Kept(ctx context.Context, c *plugin.Credential, why error) error {
	if why != nil {
		accounts, _ := l.Dir.Accounts(ctx)
		for _, a := range accounts {
			if slices.ContainsFunc(a.Keys, func(m Minted) bool { return m.ID == c.AccessKey && m.Unseen }) {
				return plugin.Errorf(plugin.Config, "the key cannot be kept, so that every call would make another: %v", why).
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
func (l *Ledger) lost(ctx context.Context, m Minted) bool {
	return m.Unseen && !l.holds(ctx, m.ID)
}

// holds reports whether the cache hands out the key.
func (l *Ledger) holds(ctx context.Context, id string) bool {
	return l.Cache != nil && l.Cache.holds(ctx, id)
}

// abandoned reports whether the key is lost, and its maker not about to hand it
// out.
func (l *Ledger) abandoned(ctx context.Context, m Minted, now time.Time) bool {
	return now.Sub(m.Created) > settleAfter && !m.Unwanted && l.lost(ctx, m)
}

// gone sees to it that the keys are handed out no more, and returns those that still are.
func (l *Ledger) gone(ctx context.Context, ids []string) (held []string) {
	if l.Cache != nil && len(ids) > 0 {
		return l.Cache.forgetKeys(ctx, ids)
	}
	return nil
}

// settle finds out what became of the intents that interrupted processes have
// left, and returns the ids of the keys that were replaced. there are the keys
// at the issuer, with their scopes.
func (a *Account) settle(there map[string]plugin.Mark, now time.Time) (replaced []string) {
	gone := func(id string) bool { _, ok := there[id]; return !ok }
	a.Strays = slices.DeleteFunc(a.Strays, gone)
	pending := a.settleMarked(there, now)
	for len(a.Intents) > 0 {
		// Several intents of one scope are settled together, since nobody can
		// tell whose key is whose.
		scope, before := a.Intents[0].Key.Scope, a.Intents[0].Before
		var open, rest []Intent
		for _, i := range a.Intents {
			if i.Key.Scope == scope {
				open = append(open, i)
			} else {
				rest = append(rest, i)
			}
		}
		a.Intents = rest
		var appeared []string
		for _, id := range slices.Sorted(maps.Keys(there)) {
			if there[id].Scope == scope && !a.has(id) && !slices.Contains(before, id) && !slices.Contains(a.Strays, id) {
				appeared = append(appeared, id)
			}
		}
		switch len(appeared) {
		case 0:
		case 1:
			replaced = append(replaced, a.adopt(open[0].Key, appeared[0])...)
			open = open[1:]
		default:
			a.Strays = append(a.Strays, appeared...)
			continue
		}
		for _, i := range open {
			if i.open(now) {
				pending = append(pending, i)
			}
		}
	}
	a.Intents = pending
	return replaced
}

// settleMarked settles the intents whose keys can be told from all others, and
// returns those that may still come true. Nobody has got the secret of such a
// key, and the issuer tells it to nobody else, so that it is unwanted.
func (a *Account) settleMarked(there map[string]plugin.Mark, now time.Time) (pending []Intent) {
	a.Intents = slices.DeleteFunc(a.Intents, func(i Intent) bool {
		if i.Key.Tag == "" {
			return false
		}
		if id := i.find(there); id != "" && !a.has(id) {
			key := i.Key
			key.ID, key.Unwanted = id, true
			a.Keys = append(a.Keys, key)
		} else if id == "" && i.open(now) {
			pending = append(pending, i)
		}
		return true
	})
	return pending
}

// find returns the id of the key that i is about, or "". An issuer that has
// refused the tag knows the key by its expiry.
func (i *Intent) find(there map[string]plugin.Mark) string {
	for id, k := range there {
		if k.Tag == i.Key.Tag {
			return id
		}
	}
	for id, k := range there {
		if k.Tag == "" && k.Expires.Unix() == i.Key.Expires.Unix() && !slices.Contains(i.Before, id) {
			return id
		}
	}
	return ""
}

// open reports whether the request of i may still be under way at the issuer.
func (i *Intent) open(now time.Time) bool { return now.Sub(i.Key.Created) <= settleAfter }

// Overdue reports whether i should have been settled by now.
func (i *Intent) Overdue(now time.Time) bool { return !i.open(now) }

// has reports whether the key is one of a's.
func (a *Account) has(id string) bool {
	return slices.ContainsFunc(a.Keys, func(m Minted) bool { return m.ID == id })
}

// adopt records that an interrupted process has made the key. It replaces the
// former one as it would have if nothing had happened, unless another one has
// done so since. It returns the id of the former one.
func (a *Account) adopt(key Minted, id string) (replaced []string) {
	key.ID = id
	if i := a.wantedBy(key); i >= 0 {
		if a.Keys[i].Created.After(key.Created) {
			key.Unwanted = true // nobody has ever got it
		} else {
			a.Keys[i].replaced(key.grace())
			replaced = []string{a.Keys[i].ID}
		}
	}
	a.Keys = append(a.Keys, key)
	return replaced
}

// moved marks the keys as replaced that the profile has in other scopes, after
// it was edited. Who works with one has an hour to notice.
func (a *Account) moved(l *Ledger, scope string, now time.Time) {
	for i := range a.Keys {
		if m := &a.Keys[i]; m.of(l) && !l.Roaming && m.Scope != scope && !m.Unwanted {
			m.replaced(now.Add(keyGrace))
		}
	}
}

// wanted returns the index of the key in use by l's profile, or -1.
func (a *Account) wanted(l *Ledger, scope string) int {
	return a.wantedBy(Minted{Scope: scope, Config: l.Config, Profile: l.Profile})
}

// inUse returns all keys in use by l's profile: there are several if what two logins
// have made turned out to be one user's.
func (a *Account) inUse(l *Ledger, scope string) (keys []*Minted) {
	for i := range a.Keys {
		if m := &a.Keys[i]; m.of(l) && m.Scope == scope && !m.Unwanted {
			keys = append(keys, m)
		}
	}
	return keys
}

func (a *Account) wantedBy(key Minted) int {
	return slices.IndexFunc(a.Keys, func(m Minted) bool {
		return !m.Unwanted && m.Scope == key.Scope && m.Config == key.Config && m.Profile == key.Profile
	})
}

// outdated reports whether it is time to replace the key. One that was made to
// expire does so even if the profile has lost its max_age since.
func (m *Minted) outdated(maxAge time.Duration, now time.Time) bool {
	return maxAge > 0 && now.Sub(m.Created) >= maxAge || !m.Expires.IsZero() && !now.Before(m.Expires.Add(-keyGrace))
}

// dated gives c, which is m with its secret, the times that its age rules.
func (m Minted) dated(c *plugin.Credential, maxAge time.Duration) *plugin.Credential {
	c.Issued, c.Expires = m.Created, m.Expires
	if maxAge > 0 {
		c.Renew = m.Created.Add(maxAge)
	}
	return c
}

// collect deletes at the issuer the keys that are due, and returns their ids.
// Nobody is handed one of them in between.
func (l *Ledger) collect(ctx context.Context, a *Account, keys plugin.Keys, now time.Time) (ids []string, failures error) {
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
			failures = errors.Join(failures, plugin.Errorf(plugin.Config, "access key %s is in the cache, which cannot be written, and is left as it is", m.ID))
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
func (l *Ledger) Collect(ctx context.Context, at plugin.Order, keys plugin.Keys, all bool) ([]string, error) {
	a, unlock, err := l.open(ctx, at.Issuer, at.Subject)
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
	a.moved(l, at.Scope, now)
	for i := range a.Keys {
		m := &a.Keys[i]
		if all && m.of(l) || l.abandoned(ctx, *m, now) {
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
	accounts, _ := l.Dir.Accounts(ctx) // one that cannot be read stands in nobody's way
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
	accounts, _ := l.Dir.Accounts(ctx)
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
	accounts, _ := l.Dir.Accounts(ctx)
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
	accounts, err := l.Dir.Accounts(ctx)
	now := time.Now()
	for _, a := range accounts {
		if slices.ContainsFunc(a.Intents, func(i Intent) bool { return i.Key.of(l) }) {
			return true, nil
		}
		for _, m := range a.Keys {
			if m.of(l) && (!due || m.Due(now) || m.Leaving != "" || l.abandoned(ctx, m, now)) {
				return true, nil
			}
		}
	}
	return false, err
}

// Accounts returns the ledger of every account that can be read, and an error
// for those that cannot.
func (d *Dir) Accounts(ctx context.Context) (all []Account, failures error) {
	if d == nil {
		return nil, nil
	}
	files, err := d.list()
	if err != nil {
		return nil, plugin.Errorf(plugin.Config, "cannot list %s: %v", d.path, err)
	}
	for _, f := range files {
		if !strings.HasPrefix(f.value, ledgerPrefix) || !isKeyName(strings.TrimPrefix(f.suffix, ".")) {
			continue
		}
		a, err := d.account(ctx, f.value+f.suffix)
		if err != nil {
			failures = errors.Join(failures, plugin.Errorf(plugin.Config, "ledger: %v", err).
				WithHint("it names keys that jeton has made; look for them at the issuer before you remove it"))
			continue
		}
		all = append(all, *a)
	}
	sort.Slice(all, func(i, j int) bool {
		return slices.Compare([]string{all[i].Issuer, all[i].Subject}, []string{all[j].Issuer, all[j].Subject}) < 0
	})
	return all, failures
}
