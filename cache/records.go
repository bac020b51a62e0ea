package cache

import (
	"context"
	"encoding/hex"
	"slices"
	"time"

	"github.com/jeton-cli/jeton/plugin"
)

// records are what a fleet knows of the keys that its hosts have made. A host can be gone when
// its keys have ended: any other that logs in as the same user then deletes them. A key that
// has not ended is some host's, even if nobody knows whose.
type records struct{ fleet *fleet }

// recordTime is how long the record of a key is kept when the key has ended.
const recordTime = 30 * 24 * time.Hour

// records returns those of the fleet, or nil if p's keys are not shared.
func (s *Session) records(p *plugin.Profile) *records {
	if f := s.fleet(); f != nil && p.Issuer.Marks {
		return &records{f}
	}
	return nil
}

// slot returns the slot of the records of the account.
func (r *records) slot(ctx context.Context, a *Account) (*slot, error) {
	if err := r.fleet.open(ctx); err != nil {
		return nil, err
	}
	return r.fleet.place("jeton shared keys 1", appendText(appendText(nil, a.Issuer), a.Subject)), nil
}

// hash returns the name of a record at the server.
func (s *slot) hash(tag string) string {
	return hex.EncodeToString(mac([]byte(s.name), "jeton shared tag 1", []byte(tag))[:16])
}

// keep has the fleet know of a key of the account, and reports whether it does.
func (r *records) keep(ctx context.Context, a *Account, key Minted) bool {
	if r == nil || key.Tag == "" {
		return false
	}
	slot, err := r.slot(ctx, a)
	if err != nil {
		return false
	}
	key.Config, key.Leaving = "", "" // they are this host's
	hash := slot.hash(key.Tag)
	text, err := slot.encode("key "+hash, 0, key)
	if err == nil {
		_, err = slot.call(ctx, false, scriptRecord, hash, text, milliseconds(time.Until(key.Expires)+recordTime))
	}
	return err == nil
}

// drop has the fleet forget a key of the account.
func (r *records) drop(ctx context.Context, a *Account, tag string) {
	if r == nil || tag == "" {
		return
	}
	slot, err := r.slot(ctx, a)
	for ; err == nil && slot != nil; slot = slot.former {
		_, err = slot.call(ctx, true, scriptRecord, slot.hash(tag), "", "0")
	}
}

// all returns what the fleet knows of the account's keys, and the time by the server's clock.
// It returns nothing if the fleet cannot be asked. wait is as in [fleet.call].
func (r *records) all(ctx context.Context, a *Account, wait bool) (known []Minted, now time.Time) {
	if r == nil {
		return nil, now
	}
	slot, err := r.slot(ctx, a)
	for ; err == nil && slot != nil; slot = slot.former {
		var answer any
		if answer, err = slot.call(ctx, wait, scriptRecords); err != nil {
			break
		}
		parts, e := list(answer, 3)
		if e != nil {
			break
		}
		now = parts.time(0)
		pairs, _ := parts[2].([]any)
		for i := 0; i+1 < len(pairs); i += 2 {
			var k Minted
			hash := reply(pairs).text(i)
			if slot.decode("key "+hash, 0, reply(pairs).text(i+1), &k) == nil {
				known = append(known, k)
			}
		}
	}
	return known, now
}

// adopt takes over into a what the fleet knows of keys that are to be deleted: those that have
// ended and, if the whole fleet logs out, all of the profile. It returns the time by which
// keys that other hosts use have ended: now, or that of the server's clock, if that is
// earlier. A host whose clock is ahead must not delete them.
func (l *Ledger) adopt(ctx context.Context, a *Account, now time.Time, wait bool) time.Time {
	known, theirs := l.records.all(ctx, a, wait)
	if !theirs.IsZero() && theirs.Before(now.Add(-clockNoise)) {
		now = theirs
	}
	for _, k := range known {
		mine := l.fleet && k.Profile == l.Profile
		if slices.Contains(a.tags(), k.Tag) || !mine && !k.Expired(now.Add(-keyMargin)) {
			continue
		}
		k.Config, k.Profile = l.Config, l.Profile
		if k.ID == "" {
			a.Intents = append(a.Intents, Intent{Key: k})
		} else {
			a.Keys = append(a.Keys, k)
		}
	}
	return now
}

// keyMargin is how long a key of another host is left alone after its end.
const keyMargin = 10 * time.Second

// release has the fleet forget those of the keys with these tags that a has no more.
func (l *Ledger) release(ctx context.Context, a *Account, tags []string) {
	left := a.tags()
	for _, tag := range tags {
		if !slices.Contains(left, tag) {
			l.records.drop(ctx, a, tag)
		}
	}
}

// tags returns the tags of the keys and intents in a.
func (a *Account) tags() (tags []string) {
	for i := range a.Keys {
		tags = append(tags, a.Keys[i].Tag)
	}
	for i := range a.Intents {
		tags = append(tags, a.Intents[i].Key.Tag)
	}
	return tags
}

// share says that other hosts may get the key with this id, and reports whether they may: the
// fleet has to know of it. From then on it is left alone until it ends.
func (l *Ledger) share(ctx context.Context, id string) (shared bool) {
	err := l.each(ctx, func(m *Minted) bool {
		if !m.of(l) || m.ID != id || !m.Recorded {
			return false
		}
		m.Shared, shared = true, true
		return true
	})
	return shared && err == nil
}

// makeRoom deletes the oldest key of this host that was replaced and has not ended, since the
// issuer has no room for another. Another host that still has it gets a new one when it is
// refused. It reports whether there was such a key.
func (l *Ledger) makeRoom(ctx context.Context, a *Account, keys plugin.Keys) bool {
	oldest := -1
	for i := range a.Keys {
		m := &a.Keys[i]
		if m.Shared && m.Unwanted && (oldest < 0 || m.Created.Before(a.Keys[oldest].Created)) {
			oldest = i
		}
	}
	if oldest < 0 {
		return false
	}
	m := a.Keys[oldest]
	l.gone(ctx, []string{m.ID})
	if keys.Delete(ctx, m.ID) != nil {
		return false
	}
	a.Keys = slices.Delete(a.Keys, oldest, oldest+1)
	l.records.drop(ctx, a, m.Tag)
	return l.save(ctx, a) == nil
}
