package cache

import (
	"context"
	"slices"
	"time"

	"github.com/jeton-cli/jeton/plugin"
)

// records are what a fleet knows of the keys that its hosts have made for a profile. A host
// can be gone when its keys have ended: any other then deletes them. A key that has not
// ended is some host's, even if nobody knows whose.
type records struct{ member *member }

// A record is a key of one host in the eyes of the others. If the key has no id, it is only
// meant to be made.
type record struct {
	Issuer  string `json:"issuer"`
	Subject string `json:"subject"`
	Key     Minted `json:"key"`
}

// recordTime is how long the record of a key is kept when the key has ended.
const recordTime = 30 * 24 * time.Hour

// records returns those of p, or nil if its keys are not shared.
func (s *Session) records(p *plugin.Profile) *records {
	if !p.Issuer.Marks {
		return nil
	}
	if m := s.member(p, Need{}); m != nil {
		return &records{m}
	}
	return nil
}

// keep has the fleet know of a key of the account, and reports whether it does.
func (r *records) keep(ctx context.Context, a *Account, key Minted) bool {
	if r == nil || key.Tag == "" {
		return false
	}
	slot, _, err := r.member.slot(ctx)
	if err != nil {
		return false
	}
	key.Config, key.Profile, key.Leaving = "", "", "" // they are this host's
	text, err := slot.encode("key "+key.Tag, 0, record{a.Issuer, a.Subject, key})
	if err == nil {
		_, err = slot.call(ctx, false, scriptRecord, key.Tag, text, milliseconds(time.Until(key.Expires)+recordTime))
	}
	return err == nil
}

// drop has the fleet forget a key.
func (r *records) drop(ctx context.Context, key Minted) {
	if r == nil || key.Tag == "" {
		return
	}
	if slot, _, err := r.member.slot(ctx); err == nil {
		slot.call(ctx, false, scriptRecord, key.Tag, "", "0")
	}
}

// all returns what the fleet knows. It returns nothing if the fleet cannot be asked. wait is
// as in [fleet.call].
func (r *records) all(ctx context.Context, wait bool) (known []record) {
	if r == nil {
		return nil
	}
	slot, _, err := r.member.slot(ctx)
	if err != nil {
		return nil
	}
	answer, err := slot.call(ctx, wait, scriptRecords)
	if err != nil {
		return nil
	}
	pairs, _ := answer.([]any)
	for i := 0; i+1 < len(pairs); i += 2 {
		var k record
		tag := reply(pairs).text(i)
		if slot.decode("key "+tag, 0, reply(pairs).text(i+1), &k) == nil && k.Key.Tag == tag {
			known = append(known, k)
		}
	}
	return known
}

// ended returns what the fleet knows of keys that are to be deleted: those that have ended,
// or all if the whole fleet logs out.
func (l *Ledger) ended(ctx context.Context, now time.Time, wait bool) []record {
	return slices.DeleteFunc(l.records.all(ctx, wait), func(k record) bool { return !l.fleet && !k.Key.Expired(now) })
}

// adopt takes over into a what the fleet knows of keys that are to be deleted.
func (l *Ledger) adopt(ctx context.Context, a *Account, now time.Time, wait bool) {
	for _, k := range l.ended(ctx, now, wait) {
		if k.Issuer != a.Issuer || k.Subject != a.Subject || slices.Contains(a.tags(), k.Key.Tag) {
			continue
		}
		k.Key.Config, k.Key.Profile = l.Config, l.Profile
		if k.Key.ID == "" {
			a.Intents = append(a.Intents, Intent{Key: k.Key})
		} else {
			a.Keys = append(a.Keys, k.Key)
		}
	}
}

// release has the fleet forget those of the keys with these tags that a has no more.
func (l *Ledger) release(ctx context.Context, a *Account, tags []string) {
	if l.records == nil {
		return
	}
	left := a.tags()
	for _, tag := range tags {
		if !slices.Contains(left, tag) {
			l.records.drop(ctx, Minted{Tag: tag})
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

// shares reports whether the fleet knows of the key with this id, which l's profile has made.
func (l *Ledger) shares(ctx context.Context, id string) bool {
	accounts, _ := Accounts(ctx, l.State)
	return slices.ContainsFunc(accounts, func(a Account) bool {
		return slices.ContainsFunc(a.Keys, func(m Minted) bool { return m.of(l) && m.ID == id && m.Shared })
	})
}
