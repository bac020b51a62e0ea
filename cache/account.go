package cache

import (
	"context"
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

// An Account is what the ledger knows about one user of an issuer. It is kept as one
// file.
type Account struct {
	Issuer  string   `json:"issuer"`
	Subject string   `json:"subject"`
	Keys    []Minted `json:"keys"`
	Intents []Intent `json:"intents,omitempty"`
	// Strays are keys that appeared, together with others, while a process was killed
	// during its request, so that nobody can tell which one is jeton's.
	Strays []string `json:"strays,omitempty"`
}

// An Intent is a key that may or may not have been made.
type Intent struct {
	Before []string `json:"before"` // the ids of the keys that already existed
	Key    Minted   `json:"key"`    // without its id
}

// ledgerName returns the name of the lock on an issuer's accounts, and accountName the
// name of the file of one account.
func ledgerName(issuer string) string {
	// It contains no secret, so it needs no pepper, and it must outlive any pepper.
	return ledgerPrefix + hex.EncodeToString(mac(nil, "jeton ledger 1", []byte(issuer))[:16])
}

func accountName(issuer, subject string) string {
	return ledgerName(issuer) + "." + hex.EncodeToString(mac(nil, "jeton account 1", []byte(subject))[:16])
}

// readAccount reads the file called name. A missing file is an empty account.
func readAccount(ctx context.Context, s State, name string) (*Account, error) {
	a := &Account{}
	b, err := s.Get(ctx, name)
	if errors.Is(err, fs.ErrNotExist) {
		return a, nil
	}
	if err == nil {
		err = json.Unmarshal(b, a)
	}
	if err != nil {
		return nil, fmt.Errorf("%s/%s cannot be read: %w", s.Path(), name, err)
	}
	return a, nil
}

// ownExpiry returns a time in whole seconds, shortly before t, at which no other key of
// the account or of the others at its issuer expires. With a shared expiry, a key made
// here could be mistaken for the result of another account's intent.
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
	// jeton on another machine may make a key for this user at the same moment.
	t = t.Add(-mathrand.N(min(life/60, 10*time.Minute) + 1)).Truncate(time.Second)
	for taken[t.Unix()] {
		t = t.Add(-time.Second)
	}
	return t
}

// settle finds out what became of the intents that interrupted processes left, and
// returns the ids of the keys that were replaced. there holds the keys at the issuer, by
// id.
func (a *Account) settle(there map[string]plugin.Mark, now time.Time) (replaced []string) {
	gone := func(id string) bool { _, ok := there[id]; return !ok }
	a.Strays = slices.DeleteFunc(a.Strays, gone)
	pending := a.settleMarked(there, now)
	for len(a.Intents) > 0 {
		// Several intents in one scope are settled together, since nobody can tell which
		// key belongs to which.
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
			if there[id].Scope == scope && !a.has(id) && !slices.Contains(before, id) &&
				!slices.Contains(a.Strays, id) {
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

// settleMarked settles the intents whose keys are recognisable by a mark, and returns
// those that may still come true. Nobody has received the secret of such a key, and the
// issuer does not reveal it again, so the key is unwanted.
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

// find returns the id of the key that i is about, or "". If the issuer did not accept the
// tag, the key is recognised by its expiry.
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

// open reports whether the request of i may still be in progress at the issuer.
func (i *Intent) open(now time.Time) bool { return now.Sub(i.Key.Created) <= settleAfter }

// Overdue reports whether i should have been settled by now.
func (i *Intent) Overdue(now time.Time) bool { return !i.open(now) }

// has reports whether the account has a key with this id.
func (a *Account) has(id string) bool {
	return slices.ContainsFunc(a.Keys, func(m Minted) bool { return m.ID == id })
}

// adopt records that an interrupted process made the key. The key replaces the former
// one, as it would have without the interruption, unless another key has done so since.
// It returns the id of the former key if that was replaced.
func (a *Account) adopt(key Minted, id string) (replaced []string) {
	key.ID = id
	if i := a.wantedBy(key); i >= 0 {
		if a.Keys[i].Created.After(key.Created) {
			key.Unwanted = true // nobody has ever received it
		} else {
			a.Keys[i].replaced(key.grace())
			replaced = []string{a.Keys[i].ID}
		}
	}
	a.Keys = append(a.Keys, key)
	return replaced
}

// moved marks as replaced the profile's keys in other scopes, after the profile was
// edited. A user of such a key has an hour to notice.
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

// inUse returns all keys in use by l's profile. There are several if keys made under two
// logins turned out to belong to one user.
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

// Accounts returns the ledger of every account that can be read, and an error for those
// that cannot. If s is nil, it returns none.
func Accounts(ctx context.Context, s State) (all []Account, failures error) {
	if s == nil {
		return nil, nil
	}
	names, err := s.List(ctx)
	if err != nil {
		return nil, plugin.Errorf(plugin.Config, "cannot list %s: %v", s.Path(), err)
	}
	for _, name := range names {
		issuer, subject, _ := strings.Cut(name, ".")
		if !strings.HasPrefix(issuer, ledgerPrefix) || !isKeyName(subject) {
			continue
		}
		a, err := readAccount(ctx, s, name)
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
