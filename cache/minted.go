package cache

import (
	"time"

	"github.com/jeton-cli/jeton/plugin"
)

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
func (m *Minted) Expired(now time.Time) bool { return Expired(m.Expires, now) }

// of reports whether the key was made for l's profile.
func (m *Minted) of(l *Ledger) bool { return m.Config == l.Config && m.Profile == l.Profile }

// outdated reports whether it is time to replace the key. One that was made to
// expire does so even if the profile has lost its max_age since.
func (m *Minted) outdated(maxAge time.Duration, now time.Time) bool {
	return maxAge > 0 && now.Sub(m.Created) >= maxAge || !m.Expires.IsZero() && !now.Before(m.Expires.Add(-keyGrace))
}

// dated gives c, which is m with its secret, the times that its age rules.
func (m *Minted) dated(c *plugin.Credential, maxAge time.Duration) *plugin.Credential {
	c.Issued, c.Expires = m.Created, m.Expires
	if maxAge > 0 {
		c.Renew = m.Created.Add(maxAge)
	}
	return c
}
