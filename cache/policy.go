package cache

import (
	"context"
	"time"

	"github.com/jeton-cli/jeton/plugin"
)

const (
	// floor is the rest of its life at which a credential is no longer handed
	// out if a new one can be had; a sixth of a short life.
	floor = 30 * time.Second

	// A clock that was set back by more than this makes everything kept seem
	// to come from the future.
	clockSlack = time.Minute
)

// A Policy says what the caller needs of a credential.
type Policy struct {
	Profile, Config string
	// MinTTL is the life in which the caller's tool would come back for more.
	// It asks for no more than a third of the credential's life.
	MinTTL time.Duration
	// AtLeast is the life that the user asks for, however long.
	AtLeast time.Duration
	// Since, if not zero, asks for a credential issued after it.
	Since      time.Time
	RenewAfter time.Duration // renew ahead at this age
	MaxTTL     time.Duration // never use what is older
	// Level says that it is not for a profile, but for a level of one or
	// several.
	Level bool
	// Stored, if not nil, is told of a new credential once it is kept, or why it
	// could not be, and before anybody has it. Its error is that of the fetch.
	Stored func(ctx context.Context, c *plugin.Credential, why error) error
}

// A Schedule is what becomes of a credential that is kept, and when. A zero time is
// never. All that asks whether a credential is good goes by it: a fetch, the warm
// answer, status.
type Schedule struct {
	Begin time.Time // before it, by this clock, the credential was not made yet
	Renew time.Time // from then on it is renewed ahead of the need
	Until time.Time // from then on a caller waits for a new one
	End   time.Time // from then on nobody gets it, even if there is no other
}

// Schedule returns the schedule by p of a credential that was kept at created. What
// p.Since asks for is not in it.
func (p Policy) Schedule(c *plugin.Credential, created time.Time) Schedule {
	s := Schedule{Begin: created.Add(-clockSlack), Renew: c.Renew, End: c.Expires}
	if p.RenewAfter > 0 {
		s.Renew = earliest(s.Renew, created.Add(p.RenewAfter))
	}
	if p.MaxTTL > 0 {
		s.End = earliest(s.End, created.Add(p.MaxTTL))
	}
	s.Until = s.End
	if c.Expires.IsZero() {
		return s
	}
	if c.Fixed { // there is nothing longer to be had
		s.Renew = time.Time{}
		return s
	}
	life := c.Expires.Sub(c.Issued)
	s.Renew = earliest(s.Renew, c.Expires.Add(-min(p.MinTTL, life/3)))
	s.Until = earliest(s.Until, c.Expires.Add(-min(floor, life/6)))
	if p.AtLeast > 0 {
		short := c.Expires.Add(1 - p.AtLeast) // the first time with less life than that
		if tried := created.Add(life / 10); life < p.AtLeast && tried.After(short) {
			short = tried // a new one would be as short; its life may have become longer by then
		}
		s.Until = earliest(s.Until, short)
	}
	return s
}

// RenewedAt returns when a new credential is fetched, or the zero time if that is not
// before the end.
func (s Schedule) RenewedAt() time.Time {
	if t := earliest(s.Renew, s.Until); t != s.End {
		return t
	}
	return time.Time{}
}

// earliest returns the earlier of two times, of which a zero one is never.
func earliest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// Expired reports whether what ends at t has ended at the time now; a zero t is no end.
func Expired(t, now time.Time) bool { return !t.IsZero() && !now.Before(t) }

type verdict int

const (
	useless verdict = iota // fetch a new one, and wait for it
	aging                  // good still, but it is time to fetch a new one
	good
)

// judge says what e is worth at the time now.
func (p Policy) judge(e *entry, now time.Time) verdict {
	if e == nil || e.Created.Before(p.Since) {
		return useless
	}
	s := p.Schedule(e.credential(), e.Created)
	switch {
	case now.Before(s.Begin), Expired(s.Until, now):
		return useless
	case Expired(s.Renew, now):
		return aging
	}
	return good
}

// usable reports whether e can be served although a better one was wanted.
func (p Policy) usable(e *entry, now time.Time) bool {
	return e != nil && !e.Created.Before(p.Since) && !Expired(p.Schedule(e.credential(), e.Created).End, now)
}
