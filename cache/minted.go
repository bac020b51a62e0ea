package cache

import (
	"time"

	"github.com/jeton-cli/jeton/plugin"
)

// A Minted is a key that jeton made.
type Minted struct {
	ID      string    `json:"id"`
	Scope   string    `json:"scope"`
	Config  string    `json:"config"`
	Profile string    `json:"profile"`
	Created time.Time `json:"created"`
	// Expires is the expiry that holders of the key were given. Zero means never.
	Expires time.Time `json:"expires,omitzero"`
	// Tag marks the key at an issuer that lets keys expire.
	Tag string `json:"tag,omitempty"`
	// Unseen says that the key has not been kept yet, so that nobody has received it.
	Unseen bool `json:"unseen,omitempty"`
	// Recorded says that the fleet knows of the key, so that any host can delete it.
	Recorded bool `json:"recorded,omitempty"`
	// Shared says that other hosts may have the key. Nobody deletes it before it has ended,
	// unless the whole fleet logs out or the issuer has no room for another.
	Shared bool `json:"shared,omitempty"`
	// Leaving is the directory of the cache that is about to remove the key, which then
	// becomes unwanted.
	Leaving string `json:"leaving,omitempty"`
	// An Unwanted key is deleted once DeleteAfter has passed.
	Unwanted    bool      `json:"unwanted,omitempty"`
	DeleteAfter time.Time `json:"delete_after,omitzero"`
}

// replaced marks the key as unwanted. It is deleted once it has expired by what its
// holders were told. If they were told of no expiry, it is deleted after grace; if grace
// is zero, at once.
func (m *Minted) replaced(grace time.Time) {
	m.Unwanted, m.DeleteAfter = true, m.Expires
	if m.Expires.IsZero() {
		m.DeleteAfter = grace
	}
}

// grace returns the time until which the key that m replaces works at least, or the zero
// time. Keys that rotate leave the former one an hour; a key requested by hand does not.
func (m *Minted) grace() time.Time {
	if m.Expires.IsZero() {
		return time.Time{}
	}
	return m.Created.Add(keyGrace)
}

// Due reports whether the key must be deleted now, because it was replaced or has
// expired. Not every issuer removes a key that has expired.
func (m *Minted) Due(now time.Time) bool {
	return m.Unwanted && !m.DeleteAfter.After(now) || m.Expired(now)
}

// Expired reports whether the expiry that the key's holders were given has passed.
func (m *Minted) Expired(now time.Time) bool { return Expired(m.Expires, now) }

// of reports whether the key was made for l's profile.
func (m *Minted) of(l *Ledger) bool { return m.Config == l.Config && m.Profile == l.Profile }

// outdated reports whether it is time to replace the key. A key that was made to expire
// is replaced even if the profile has since lost its max_age.
func (m *Minted) outdated(maxAge time.Duration, now time.Time) bool {
	return maxAge > 0 && now.Sub(m.Created) >= maxAge || !m.Expires.IsZero() && !now.Before(m.Expires.Add(-keyGrace))
}

// dated sets the times in c that follow from the key's age, and returns c. c is m with
// its secret.
func (m *Minted) dated(c *plugin.Credential, maxAge time.Duration) *plugin.Credential {
	c.Issued, c.Expires = m.Created, m.Expires
	if maxAge > 0 {
		c.Renew = m.Created.Add(maxAge)
	}
	return c
}
