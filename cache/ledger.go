package cache

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
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
}

// account is the file of one account.
type account struct {
	Issuer  string   `json:"issuer"`
	Subject string   `json:"subject"`
	Keys    []Minted `json:"keys"`
	Intent  *intent  `json:"intent,omitempty"`
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
	// Unwanted keys are deleted once it is past DeleteAfter.
	Unwanted    bool      `json:"unwanted,omitempty"`
	DeleteAfter time.Time `json:"delete_after,omitzero"`
}

// replaced marks the key as unwanted once nobody can hold it any more.
func (m *Minted) replaced() { m.Unwanted, m.DeleteAfter = true, m.Expires }

func (m *Minted) due(now time.Time) bool { return m.Unwanted && !m.DeleteAfter.After(now) }

// of reports whether the key was made for l's profile.
func (m *Minted) of(l *Ledger) bool { return m.Config == l.Config && m.Profile == l.Profile }

// An intent is a key that may or may not have been made.
type intent struct {
	Before []string `json:"before"` // the keys that there were
	Key    Minted   `json:"key"`    // without its id
}

const (
	ledgerPrefix = "ledger-"
	keyGrace     = time.Hour // how long a key works after it was replaced
)

// ledgerName returns the name of the file of an account.
func ledgerName(issuer, subject string) string {
	// No secret is in it, so it needs no pepper, and must outlive one.
	return ledgerPrefix + hex.EncodeToString(mac(nil, "jeton ledger 1", []byte(issuer+"\x00"+subject))[:16])
}

func (l *Ledger) error(err error) error {
	return plugin.Errorf(plugin.Config, "without a ledger no key is made, as it could be lost: %v", err).
		WithHint("make the state directory writable ($XDG_STATE_HOME/jeton), and leave out --no-cache")
}

// open locks and reads the file of an account.
func (l *Ledger) open(ctx context.Context, issuer, subject string) (*account, func(), error) {
	if l.Dir == nil {
		return nil, nil, l.error(l.Why)
	}
	name := ledgerName(issuer, subject)
	unlock, err := l.Dir.Lock(ctx, name)
	if err != nil {
		if ctx.Err() != nil {
			return nil, nil, plugin.Errorf(plugin.Later, "another jeton is minting a key for this user")
		}
		return nil, nil, l.error(err)
	}
	a, err := l.Dir.account(ctx, name)
	if err != nil {
		unlock()
		return nil, nil, l.error(err)
	}
	a.Issuer, a.Subject = issuer, subject
	return a, unlock, nil
}

// account reads the file of that name; a missing one is an empty account.
func (d *Dir) account(ctx context.Context, name string) (*account, error) {
	a := &account{}
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

func (l *Ledger) save(ctx context.Context, a *account) error {
	name := ledgerName(a.Issuer, a.Subject)
	if len(a.Keys) == 0 && a.Intent == nil && len(a.Strays) == 0 {
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
func (l *Ledger) Mint(ctx context.Context, at plugin.Account, keys plugin.Keys, replace bool) (*plugin.Credential, error) {
	a, unlock, err := l.open(ctx, at.Issuer, at.Subject)
	if err != nil {
		return nil, err
	}
	defer unlock()
	there, err := keys.List(ctx)
	if err != nil {
		return nil, err
	}
	if err := l.settle(ctx, a, there); err != nil {
		return nil, err
	}
	now := time.Now().UTC().Truncate(time.Second)
	if i := a.wanted(l, at.Scope); i >= 0 && !replace && !outdated(a.Keys[i], at.MaxAge, now) {
		c, err := keys.Read(ctx, a.Keys[i].ID)
		if err == nil {
			return a.Keys[i].dated(c, at.MaxAge), nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		a.Keys = slices.Delete(a.Keys, i, i+1) // somebody deleted it
	}
	// What is unwanted goes first: it may be what fills the quota.
	if _, err := a.collect(ctx, keys, func(m Minted) bool { return m.due(now) }); err != nil {
		return nil, errors.Join(err, l.save(ctx, a))
	}
	key := Minted{Scope: at.Scope, Config: l.Config, Profile: l.Profile, Created: now}
	if at.MaxAge > 0 {
		key.Expires = now.Add(at.MaxAge + keyGrace)
	}
	a.Intent = &intent{Before: there, Key: key}
	if err := l.save(ctx, a); err != nil {
		return nil, err
	}
	c, err := keys.Create(ctx)
	if refused(err) {
		// The account may be full. Whoever still holds an unwanted key will
		// have to ask again.
		gone, e := a.collect(ctx, keys, func(m Minted) bool { return m.Unwanted })
		if len(gone) > 0 && e == nil {
			c, err = keys.Create(ctx)
		}
	}
	if err != nil {
		if !uncertain(err) {
			a.Intent = nil
			err = errors.Join(err, l.save(ctx, a))
		}
		return nil, err
	}
	if i := a.wanted(l, at.Scope); i >= 0 {
		a.Keys[i].replaced()
	}
	key.ID = c.AccessKey
	a.Keys, a.Intent = append(a.Keys, key), nil
	if err := l.save(ctx, a); err != nil {
		return nil, err
	}
	return key.dated(c, at.MaxAge), nil
}

func refused(err error) bool { return err != nil && plugin.AsError(err).Code == plugin.Denied }

// uncertain reports whether a key may have been made although Create failed
// with err: whenever the issuer did not clearly say no.
func uncertain(err error) bool {
	switch plugin.AsError(err).Code {
	case plugin.Denied, plugin.Later, plugin.Config:
		return false
	}
	return true
}

// settle finds out what became of an intent that a killed process left. there
// are the keys at the issuer.
func (l *Ledger) settle(ctx context.Context, a *account, there []string) error {
	a.Strays = slices.DeleteFunc(a.Strays, func(id string) bool { return !slices.Contains(there, id) })
	if a.Intent == nil {
		return nil
	}
	var appeared []string
	for _, id := range there {
		known := slices.ContainsFunc(a.Keys, func(m Minted) bool { return m.ID == id })
		if !known && !slices.Contains(a.Intent.Before, id) && !slices.Contains(a.Strays, id) {
			appeared = append(appeared, id)
		}
	}
	switch len(appeared) {
	case 0:
	case 1:
		key := a.Intent.Key
		key.ID = appeared[0]
		// It replaces the former one, as it would have if nothing had happened.
		if i := a.wantedBy(key); i >= 0 {
			a.Keys[i].replaced()
		}
		a.Keys = append(a.Keys, key)
	default:
		a.Strays = append(a.Strays, appeared...)
	}
	a.Intent = nil
	return l.save(ctx, a)
}

// wanted returns the index of the key in use by l's profile, or -1.
func (a *account) wanted(l *Ledger, scope string) int {
	return a.wantedBy(Minted{Scope: scope, Config: l.Config, Profile: l.Profile})
}

func (a *account) wantedBy(key Minted) int {
	return slices.IndexFunc(a.Keys, func(m Minted) bool {
		return !m.Unwanted && m.Scope == key.Scope && m.Config == key.Config && m.Profile == key.Profile
	})
}

func outdated(m Minted, maxAge time.Duration, now time.Time) bool {
	return maxAge > 0 && now.Sub(m.Created) >= maxAge
}

// dated gives c, which is m with its secret, the times that its age rules.
func (m Minted) dated(c *plugin.Credential, maxAge time.Duration) *plugin.Credential {
	c.Issued, c.Expires = m.Created, m.Expires
	if maxAge > 0 {
		c.Renew = m.Created.Add(maxAge)
	}
	return c
}

// collect deletes at the issuer the keys that doomed picks, and returns their
// ids.
func (a *account) collect(ctx context.Context, keys plugin.Keys, doomed func(Minted) bool) (ids []string, err error) {
	a.Keys = slices.DeleteFunc(a.Keys, func(m Minted) bool {
		if err != nil || !doomed(m) {
			return false
		}
		if err = keys.Delete(ctx, m.ID); err != nil {
			return false
		}
		ids = append(ids, m.ID)
		return true
	})
	return ids, err
}

// Collect deletes keys as [plugin.Ledger] says. Without all, it deletes those
// that were replaced, and those of profiles that are gone from the
// configuration file.
func (l *Ledger) Collect(ctx context.Context, at plugin.Account, keys plugin.Keys, all bool) ([]string, error) {
	a, unlock, err := l.open(ctx, at.Issuer, at.Subject)
	if err != nil {
		return nil, err
	}
	defer unlock()
	now := time.Now()
	doomed := func(m Minted) bool { return all && m.of(l) || m.due(now) }
	if a.Intent != nil {
		there, err := keys.List(ctx)
		if err != nil {
			return nil, err
		}
		if err := l.settle(ctx, a, there); err != nil {
			return nil, err
		}
	}
	if !slices.ContainsFunc(a.Keys, doomed) {
		return nil, nil
	}
	ids, err := a.collect(ctx, keys, doomed)
	return ids, errors.Join(err, l.save(ctx, a))
}

// Unwant marks the keys in use by l's profile as unwanted, after the profile's
// credential was refused.
func (l *Ledger) Unwant(ctx context.Context) error {
	return l.each(ctx, func(a *account) bool {
		changed := false
		for i, m := range a.Keys {
			if m.of(l) && !m.Unwanted {
				a.Keys[i].Unwanted, changed = true, true
			}
		}
		return changed
	})
}

// Orphan marks as unwanted the keys of profiles that are in l's configuration
// file no longer.
func (l *Ledger) Orphan(ctx context.Context, has func(profile string) bool) error {
	return l.each(ctx, func(a *account) bool {
		changed := false
		for i, m := range a.Keys {
			if m.Config == l.Config && !m.Unwanted && !has(m.Profile) {
				a.Keys[i].Unwanted, changed = true, true
			}
		}
		return changed
	})
}

// each applies change, which reports whether there was one, to every account.
func (l *Ledger) each(ctx context.Context, change func(*account) bool) error {
	accounts, err := l.Dir.Accounts(ctx)
	if err != nil {
		return err
	}
	for _, listed := range accounts {
		a, unlock, err := l.open(ctx, listed.Issuer, listed.Subject)
		if err != nil {
			return err
		}
		if change(a) {
			err = l.save(ctx, a)
		}
		unlock()
		if err != nil {
			return err
		}
	}
	return nil
}

// Has reports whether l's profile has keys that were made and not deleted, or,
// with due, whether any of them has to be deleted now or settled.
func (l *Ledger) Has(ctx context.Context, due bool) (bool, error) {
	accounts, err := l.Dir.Accounts(ctx)
	now := time.Now()
	for _, a := range accounts {
		if a.Unsettled != nil && a.Unsettled.of(l) {
			return true, nil
		}
		for _, m := range a.Keys {
			if m.of(l) && (!due || m.due(now)) {
				return true, nil
			}
		}
	}
	return false, err
}

// An Account is what the ledger knows of one user of an issuer.
type Account struct {
	Issuer  string   `json:"issuer"`
	Subject string   `json:"subject"`
	Keys    []Minted `json:"keys"`
	Strays  []string `json:"strays,omitempty"`
	// Unsettled is a key that may have been made, of which nothing is known
	// yet since its maker was interrupted.
	Unsettled *Minted `json:"unsettled,omitempty"`
}

// Accounts returns the ledger of every account.
func (d *Dir) Accounts(ctx context.Context) ([]Account, error) {
	if d == nil {
		return nil, nil
	}
	files, err := d.list()
	if err != nil {
		return nil, plugin.Errorf(plugin.Config, "cannot list %s: %v", d.path, err)
	}
	var all []Account
	for _, f := range files {
		if f.suffix != "" || len(f.value) <= len(ledgerPrefix) || f.value[:len(ledgerPrefix)] != ledgerPrefix {
			continue
		}
		a, err := d.account(ctx, f.value)
		if err != nil {
			return nil, plugin.Errorf(plugin.Config, "%v", err)
		}
		listed := Account{Issuer: a.Issuer, Subject: a.Subject, Keys: a.Keys, Strays: a.Strays}
		if a.Intent != nil {
			listed.Unsettled = &a.Intent.Key
		}
		all = append(all, listed)
	}
	slices.SortFunc(all, func(a, b Account) int {
		return slices.Compare([]string{a.Issuer, a.Subject}, []string{b.Issuer, b.Subject})
	})
	return all, nil
}
