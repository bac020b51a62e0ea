package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jeton-cli/jeton/cache"
	"github.com/jeton-cli/jeton/plugin"
)

type gcCmd struct{}

func (gcCmd) Help() string {
	return "Removes expired credentials and what killed processes have left. Access keys that jeton has made and replaced, or whose profile is gone, are deleted at their issuer, as far as a profile still logs in there."
}

func (gcCmd) Run(ctx context.Context, a *app) error {
	f, err := a.config()
	if err != nil {
		return err
	}
	a.open(ctx, true)
	removed, err := a.cache.Collect(ctx)
	if err != nil {
		return err
	}
	ledger := &cache.Ledger{Dir: a.state, Why: a.why, Config: f.Path, Cache: a.cache}
	_, failures := a.state.Accounts(ctx) // those that cannot be read
	deleted := 0
	collect := func(name string) error {
		p, err := f.Profile(name)
		if err != nil {
			return err
		}
		collector, ok := a.source(p, need{}).(plugin.Collector)
		if !ok {
			return nil
		}
		ids, err := collector.Collect(ctx)
		deleted += len(ids)
		return about(p, err)
	}
	// Each profile deletes what was made for it.
	for _, name := range f.Names() {
		ledger.Profile = name
		if due, err := ledger.Has(ctx, true); err == nil && due {
			failures = errors.Join(failures, collect(name))
		}
	}
	// What was made for a profile that is gone, or for the user that a profile
	// had before, falls to any profile that logs in to that account. A file
	// that cannot be seen just now says nothing of its profiles.
	due := func(m cache.Minted) bool { return m.Config == f.Path && m.Due(time.Now()) }
	for round := 0; round < 2 && f.Exists; round++ { // the first settles what the second deletes
		failures = errors.Join(failures, ledger.Orphan(ctx, f.Has))
		if a.keysLeft(ctx, due) != nil {
			for _, name := range f.Names() {
				collect(name) // one that cannot is no failure: another may
			}
		}
	}
	forsaken, err := ledger.Forsake(ctx)
	for _, id := range forsaken {
		a.warn("access key %s has ended, but no profile could delete it, and jeton gives it up: at its issuer it may take up a place still", id)
	}
	failures = errors.Join(failures, err, a.keysLeft(ctx, due))
	summary := fmt.Sprintf("%s and %s removed\n", count(removed, "expired credential"), count(deleted, "access key"))
	return errors.Join(failures, a.print([]byte(summary)))
}

func count(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}
