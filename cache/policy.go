package cache

import (
	"context"
	"strconv"
	"time"

	"github.com/jeton-cli/jeton/plugin"
)

const (
	// floor is the remaining life below which a credential is no longer handed out if a
	// new one can be had. For a short-lived credential it is a sixth of its life.
	floor = 30 * time.Second

	// clockSlack is how far the clock may be set back before everything in the cache
	// seems to come from the future.
	clockSlack = time.Minute
)

// A Policy says what the caller needs of a credential.
type Policy struct {
	Profile, Config string
	// MinTTL is the remaining life at which the caller's tool would come back for a new
	// credential. It never demands more than a third of the credential's life.
	MinTTL time.Duration
	// AtLeast is the remaining life that the user asks for, with no such limit.
	AtLeast time.Duration
	// Since, if not zero, asks for a credential issued after it.
	Since time.Time
	// Anew asks the issuer even if a failure is remembered.
	Anew       bool
	RenewAfter time.Duration // renew ahead of need at this age
	MaxTTL     time.Duration // never use a credential older than this
	// Level says that the credential is for a level that one or several profiles stand
	// on, and not for a profile.
	Level bool
	// Stored, if not nil, is called with a new credential before anybody receives it. why
	// is nil if the credential was kept, and otherwise the reason it was not. The fetch
	// returns the error of Stored.
	Stored func(ctx context.Context, c *plugin.Credential, why error) error

	fleet *member // obtains the credential for several hosts, or is nil
}

// A Schedule says what happens to a kept credential and when. A zero time means never.
// Everything that decides whether a credential is good uses it: a fetch, the warm answer,
// and status.
type Schedule struct {
	Begin time.Time // before this time, the clock says that the credential does not exist yet
	Renew time.Time // from then on it is renewed ahead of need
	Until time.Time // from then on a caller waits for a new one
	End   time.Time // from then on nobody gets it, even if there is no other
}

// Schedule returns the schedule under p of a credential that was kept at created. It does
// not take p.Since into account.
func (p Policy) Schedule(c *plugin.Credential, created time.Time) Schedule {
	s := Schedule{Begin: created.Add(-clockSlack), Renew: c.Renew, End: c.Expires}
	if p.RenewAfter > 0 {
		s.Renew = earliest(s.Renew, created.Add(p.renewAfter(c)))
	}
	if p.MaxTTL > 0 {
		s.End = earliest(s.End, created.Add(p.MaxTTL))
	}
	s.Until = s.End
	if c.Expires.IsZero() {
		return s
	}
	if c.Fixed { // there is none with a longer life
		s.Renew = time.Time{}
		return s
	}
	life := c.Expires.Sub(c.Issued)
	s.Renew = earliest(s.Renew, c.Expires.Add(-min(p.MinTTL, life/3)))
	s.Until = earliest(s.Until, c.Expires.Add(-min(floor, life/6)))
	if p.AtLeast > 0 {
		short := c.Expires.Add(1 - p.AtLeast) // the first time at which less life is left
		if tried := created.Add(life / 10); life < p.AtLeast && tried.After(short) {
			short = tried // a new one now would be as short; by then it may live longer
		}
		s.Until = earliest(s.Until, short)
	}
	return s
}

// renewAfter returns the age at which c is renewed ahead of need. A fleet does so up to a
// tenth earlier, so that not all fleets of an issuer do at once. The hosts of one agree on
// it, since c decides.
func (p Policy) renewAfter(c *plugin.Credential) time.Duration {
	if p.fleet == nil {
		return p.RenewAfter
	}
	part, _ := strconv.ParseUint(c.ID()[:4], 16, 16)
	return p.RenewAfter - p.RenewAfter/10*time.Duration(part)/(1<<16)
}

// RenewedAt returns when a new credential is fetched, or the zero time if none is fetched
// before the end.
func (s Schedule) RenewedAt() time.Time {
	if t := earliest(s.Renew, s.Until); t != s.End {
		return t
	}
	return time.Time{}
}

// earliest returns the earlier of two times. A zero time means never.
func earliest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// Expired reports whether t has been reached at the time now. A zero t means no end.
func Expired(t, now time.Time) bool { return !t.IsZero() && !now.Before(t) }

type verdict int

const (
	useless verdict = iota // fetch a new one, and wait for it
	aging                  // still good, but it is time to fetch a new one
	good
)

// judge returns the verdict on e at the time now.
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

// usable reports whether e may be served although a better credential was wanted.
func (p Policy) usable(e *entry, now time.Time) bool {
	return e != nil && !e.Created.Before(p.Since) && !Expired(p.Schedule(e.credential(), e.Created).End, now)
}
