package cache

import (
	"context"
	"errors"

	"github.com/jeton-cli/jeton/plugin"
)

// ForFleet has s act for all hosts that share with this one: a logout revokes what they have.
// It returns a [plugin.Usage] error if there is no shared cache.
func (s *Session) ForFleet() error {
	f := s.fleet()
	if f == nil {
		return plugin.Errorf(plugin.Usage, "--fleet is for hosts with a shared cache, and there is none").
			WithHint("write shared_cache: in the configuration, or set %s", plugin.SharedVariable)
	}
	f.insist()
	s.wholeFleet = true
	return nil
}

// withdraw has the fleet forget p's credential and those of p's levels, and what a fetch that
// is under way on another host puts. It returns what was shared of p itself.
func (s *Session) withdraw(ctx context.Context, p *plugin.Profile) (shared []*plugin.Credential, err error) {
	for _, q := range p.Chain()[:1+p.Levels()] {
		m := s.member(q, Need{})
		if m == nil {
			continue // it is not shared
		}
		slot, _, err := m.slot(ctx)
		if errors.Is(err, plugin.ErrNotShared) {
			continue
		}
		for ; err == nil && slot != nil; slot = slot.former {
			var c *plugin.Credential
			if c, err = slot.withdraw(ctx); c != nil && q == p {
				shared = append(shared, c)
			}
		}
		if err != nil {
			e := Unshared(err)
			e.Text = "it is forgotten here, but not in the shared cache: " + e.Text
			if e.Hint == "" {
				e.Hint = "run it again when the server answers"
			}
			return shared, e
		}
		m.fleet.log("%s: removed from the shared cache", p.Name)
	}
	return shared, nil
}

// withdraw removes what is shared in the slot, and returns it if it was sealed for the slot.
func (s *slot) withdraw(ctx context.Context) (*plugin.Credential, error) {
	answer, err := s.call(ctx, true, scriptWithdraw, milliseconds(fenceTime))
	if err != nil {
		return nil, err
	}
	v := sharedValue{entry: &entry{}}
	if r, err := list(answer, 2); err != nil || s.decode("value", r.number(0), r.text(1), &v) != nil {
		return nil, err
	}
	return v.credential(), nil
}

// insist has the server be asked even if it failed lately.
func (f *fleet) insist() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.insisted = true
}
