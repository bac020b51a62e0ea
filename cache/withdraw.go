package cache

import (
	"context"
	"errors"

	"github.com/jeton-cli/jeton/plugin"
)

// withdraw has the fleet forget p's credential and those of p's levels, which is also what a
// fetch that is under way on another host puts.
func (s *Session) withdraw(ctx context.Context, p *plugin.Profile) error {
	for _, q := range p.Chain()[:1+p.Levels()] {
		m := s.member(q, Need{})
		if m == nil {
			continue // it is not shared
		}
		m.fleet.insist()
		slot, _, err := m.slot(ctx)
		if errors.Is(err, plugin.ErrNotShared) {
			continue
		}
		for ; err == nil && slot != nil; slot = slot.former {
			_, err = slot.call(ctx, true, scriptWithdraw, milliseconds(fenceTime))
		}
		if err != nil {
			return Unshared(err)
		}
	}
	return nil
}

// Unshared returns err, with which the shared cache failed, as an error for the user.
func Unshared(err error) error {
	e := explain(err)
	e.Text = "the shared cache: " + e.Text
	return e
}

// insist has the server be asked even if it failed lately.
func (f *fleet) insist() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.insisted = true
}
