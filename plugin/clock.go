package plugin

import (
	"net/http"
	"time"
)

// A Clock compares this machine's clock with a server's, by one answer of the server.
type Clock struct {
	Sent time.Time // when the request was sent
	// Ahead is how far this machine's clock is ahead of the server's, in whole seconds. It
	// is 0 if the answer does not tell.
	Ahead time.Duration
}

// ReadClock returns the clock of the server whose answer to a request sent then has this
// header.
func ReadClock(sent time.Time, header http.Header) Clock {
	c := Clock{Sent: sent}
	// Date is in whole seconds, so the true time is anywhere within that second. The Date
	// of an answer from a cache on the way says nothing.
	if theirs, err := http.ParseTime(header.Get("Date")); err == nil && header.Get("Age") == "" {
		switch after := time.Now(); {
		case sent.After(theirs.Add(time.Second)):
			c.Ahead = sent.Sub(theirs.Add(time.Second)).Round(time.Second)
		case after.Before(theirs):
			c.Ahead = -theirs.Sub(after).Round(time.Second)
		}
	}
	return c
}

// Created returns the times, by this machine's clock, of a credential that the request
// created. issued and expires are by the server's clock. Its life counts from the sending
// of the request. Without a usable issued, the expiry is corrected by the answer's Date.
func (c Clock) Created(issued, expires time.Time) (from, until time.Time) {
	if !issued.Before(expires) || c.Older(issued).Sub(c.Sent).Abs() > clockImpossible {
		return c.Sent, c.Older(expires)
	}
	return c.Sent, c.Sent.Add(expires.Sub(issued))
}

// Older returns an instant by this machine's clock that is t by the server's.
func (c Clock) Older(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	return t.Add(c.Ahead)
}

// clockImpossible is how far a server's time of issue may be from the server's own clock.
const clockImpossible = 24 * time.Hour

// clockDoubtful is how far clocks may be apart before the user hears of it.
const clockDoubtful = time.Minute

// Check warns the user if the clocks are far apart. now is the time of the request by the
// server's clock, as far as another part of the answer says, or zero.
func (c Clock) Check(env *Env, host string, now time.Time) {
	ahead := c.Ahead
	if !now.IsZero() && c.Sent.Sub(now).Abs() > ahead.Abs() {
		ahead = c.Sent.Sub(now).Round(time.Second)
	}
	switch {
	case ahead > clockDoubtful:
		env.Warn("%s: this machine's clock is %s ahead of that of %s", env.Profile, ahead, host)
	case ahead < -clockDoubtful:
		env.Warn("%s: this machine's clock is %s behind that of %s", env.Profile, -ahead, host)
	}
}
