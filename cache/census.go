package cache

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/jeton-cli/jeton/plugin"
)

// Sharing reports whether there is a shared cache.
func (s *Session) Sharing() bool { return s.fleet() != nil }

// A FleetState is what this host knows of the shared cache. It sends no request.
type FleetState struct {
	// Address is where the server is, or says that a secret place tells it.
	Address string `json:"address"`
	// Trouble is why this host does not use it, or empty. Until is when it tries again, if
	// nothing has to be changed for that.
	Trouble string    `json:"trouble,omitempty"`
	Until   time.Time `json:"until,omitzero"`
}

// FleetState returns what this host knows of the shared cache, or nil if there is none.
func (s *Session) FleetState(ctx context.Context) *FleetState {
	f := s.fleet()
	if f == nil {
		return nil
	}
	state := &FleetState{Address: f.config.Address(s.Getenv)}
	if d := f.failed(ctx, f.key); d != nil {
		state.Trouble, state.Until = d.Text, d.Until
	} else if f.config.InKey() { // no program is needed to see what is wrong with it
		if _, err := f.config.Open(ctx, f.env); err != nil {
			state.Trouble = plugin.InOneLine(err)
		}
	}
	return state
}

// A FleetReport is what the server of the shared cache answers.
type FleetReport struct {
	Address string `json:"address"`
	// KeyID tells the fleet's key from others. It reveals nothing of it.
	KeyID string `json:"key_id"`
	// Connected is how long the connection took, and Answered one call after that.
	Connected time.Duration `json:"connected_ns"`
	Answered  time.Duration `json:"answered_ns"`
	// Ahead is how far the server's clock is ahead.
	Ahead time.Duration `json:"clock_ahead_ns"`
}

// A Census is what the fleet shares of one profile.
type Census struct {
	Profile string `json:"profile"`
	// Why is the reason that the profile is not shared, or empty.
	Why string `json:"not_shared,omitempty"`
	// Left is how long what is shared is there still, or 0 if nothing is.
	Left time.Duration `json:"left_ns,omitempty"`
	// Leader is the host that is fetching, or empty.
	Leader string `json:"leader,omitempty"`
	// Asked is how often a host needed the credential since Since, and Fetched how often one
	// asked the issuer.
	Asked   int64     `json:"asked"`
	Fetched int64     `json:"fetched"`
	Saved   int64     `json:"saved"`
	Since   time.Time `json:"since,omitzero"`
}

// Examine asks the server of the shared cache how it does, even if it failed lately.
func (s *Session) Examine(ctx context.Context) (*FleetReport, error) {
	f := s.fleet()
	if f == nil {
		return nil, plugin.Errorf(plugin.Config, "there is no shared cache").
			WithHint("write shared_cache: in the configuration, or set %s", plugin.SharedVariable)
	}
	f.insist()
	report := &FleetReport{Address: f.config.Address(s.Getenv)}
	if err := f.open(ctx); err != nil {
		return report, err
	}
	probe := f.place("jeton shared probe 1", nil)
	report.Address, report.KeyID = f.server.String(), probe.id
	for _, took := range []*time.Duration{&report.Connected, &report.Answered} {
		begun := time.Now()
		answer, err := f.call(ctx, true, scriptCensus, probe.name)
		if err != nil {
			return report, err
		}
		r, err := list(answer, 9)
		if err != nil {
			return report, err
		}
		*took = time.Since(begun)
		report.Ahead = r.time(7).Sub(begun.Add(*took / 2))
	}
	report.Connected = max(0, report.Connected-report.Answered)
	if err := probe.try(ctx); err != nil {
		return report, err
	}
	f.cache.Store.Delete(ctx, f.key.Name+downSuffix) // it answers again
	return report, nil
}

// try does in the slot, which nobody uses, all that a host does: what the server forbids or
// has no room for shows.
func (s *slot) try(ctx context.Context) error {
	const short = "1000"
	for _, call := range [][]string{
		{scriptLook, "probe", short, "-1", "1", "1", "1", short},
		{scriptLook, "probe", short, "-1", "1", "", "1", short},
		{scriptRenew, "probe", short}, {scriptEnd, "probe", "refused", short},
		{scriptPut, formatNumber(time.Now().UnixMilli()), "value", short, "probe", short},
		{scriptRecord, "probe", "record", short}, {scriptRecords}, {scriptRecord, "probe", "", short},
		{scriptWithdraw, short},
	} {
		if _, err := s.fleet.call(ctx, true, call[0], s.name, call[1:]...); err != nil {
			return err
		}
	}
	return nil
}

// Census asks the server what the fleet shares of p.
func (s *Session) Census(ctx context.Context, p *plugin.Profile) Census {
	census := Census{Profile: p.Name}
	m := s.member(p, Need{})
	if m == nil {
		census.Why = "a person logs in"
		return census
	}
	slot, _, err := m.slot(ctx)
	if err == nil {
		var answer any
		if answer, err = slot.call(ctx, true, scriptCensus); err == nil {
			err = census.fill(slot, answer)
		}
	}
	if err != nil {
		census.Why = Unshared(err).Text
		if own := (*plugin.Error)(nil); errors.Is(err, plugin.ErrNotShared) && errors.As(err, &own) {
			census.Why = own.Text // without the option, which is not wrong
		}
	}
	return census
}

func (c *Census) fill(slot *slot, answer any) error {
	r, err := list(answer, 9)
	if err != nil {
		return err
	}
	if g := r.number(0); g != 0 {
		if slot.decode("value", g, r.text(1), &sharedValue{entry: &entry{}}) != nil {
			return plugin.Errorf(plugin.Config, "what is shared was not sealed with this key for this profile").
				WithHint("all hosts need the same key")
		}
		c.Left = time.Duration(r.number(2)) * time.Millisecond
	}
	var l leader
	if text := r.text(3); text != "" && slot.decode("lease", 0, text, &l) == nil {
		host, _ := os.Hostname()
		if l.Host == host {
			l.Host = "this host"
		}
		c.Leader = fmt.Sprintf("process %d of %s, since %s", l.PID, l.Host, time.Since(l.Since).Round(time.Second))
	}
	c.Asked, c.Fetched = r.number(4), r.number(5)
	c.Saved = max(0, c.Asked-c.Fetched)
	if since := r.number(6); since != 0 {
		c.Since = time.Unix(since, 0)
	}
	return nil
}
