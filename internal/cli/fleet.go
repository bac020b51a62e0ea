package cli

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/jeton-cli/jeton/cache"
	"github.com/jeton-cli/jeton/plugin"
)

// clocksApart is the difference between two clocks from which doctor warns of it.
const clocksApart = time.Minute

// A fleetReport is what doctor --fleet has measured.
type fleetReport struct {
	Server   *cache.FleetReport `json:"server"`
	Profiles []cache.Census     `json:"profiles"`
}

// fleet checks the shared cache, if there is one. With all, it also asks what is shared of
// these profiles.
func (c *checkup) fleet(ctx context.Context, profiles []*plugin.Profile, all bool) {
	if !c.session.Sharing() && !all {
		return
	}
	server, err := c.session.Examine(ctx)
	if err != nil {
		level, where, e := plugin.Doubtful, "shared_cache", cache.Unshared(err)
		if all || e.Code == plugin.Config || e.Code == plugin.Denied {
			level = plugin.Wrong
		}
		if server != nil {
			where = server.Address
		}
		c.add("shared cache", level, "", where, plugin.InOneLine(e), e.Fix)
		return
	}
	c.looked("the shared cache")
	if server.Ahead.Abs() > clocksApart {
		c.add("shared cache", plugin.Doubtful, "", server.Address,
			"its clock and this machine's differ by "+server.Ahead.Abs().Round(time.Second).String(), "date -u")
	}
	if !all {
		return
	}
	c.Fleet = &fleetReport{Server: server, Profiles: []cache.Census{}}
	for _, p := range profiles {
		c.Fleet.Profiles = append(c.Fleet.Profiles, c.session.Census(ctx, p))
	}
}

// write writes r for people.
func (r *fleetReport) write(b *bytes.Buffer, l look) {
	if r == nil {
		return
	}
	fmt.Fprintf(b, "\nshared cache %s, key %s\nconnected in %s, answers in %s, its clock %s\n\n", r.Server.Address,
		r.Server.KeyID, short(r.Server.Connected), short(r.Server.Answered), clock(r.Server.Ahead))
	g := &grid{columns: []string{"PROFILE", "SHARED FOR", "ASKED", "FETCHED", "SAVED", "SINCE"}}
	for _, c := range r.Profiles {
		left, since := "-", "-"
		if c.Left > 0 {
			left = age(c.Left)
		}
		if !c.Since.IsZero() {
			since = age(time.Since(c.Since)) + " ago"
		}
		if c.Why != "" {
			left = "no"
		}
		g.add("", cell{text: c.Profile}, cell{text: left}, cell{text: strconv.FormatInt(int64(c.Asked), 10)},
			cell{text: strconv.FormatInt(int64(c.Fetched), 10)}, cell{text: strconv.FormatInt(int64(c.Saved), 10)},
			cell{text: since})
	}
	g.write(b, l)
	for _, c := range r.Profiles {
		if c.Why != "" {
			fmt.Fprintf(b, "%s is not shared: %s\n", c.Profile, plugin.Printable(c.Why))
		}
		if c.Leader != "" {
			fmt.Fprintf(b, "%s is being fetched by %s\n", c.Profile, c.Leader)
		}
	}
}

// clock says in words how a clock stands that is ahead by d.
func clock(d time.Duration) string {
	switch {
	case d.Abs() < 100*time.Millisecond:
		return "is right"
	case d < 0:
		return "is " + short(-d) + " behind"
	}
	return "is " + short(d) + " ahead"
}

// short formats a short time.
func short(d time.Duration) string { return d.Round(10 * time.Microsecond).String() }
