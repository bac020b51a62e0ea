package main

import (
	"context"
	"errors"
	"fmt"

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
	ledger := &cache.Ledger{Dir: a.state, Why: a.why, Config: f.Path}
	var failures error
	if f.Exists { // one that cannot be seen just now says nothing of its profiles
		failures = ledger.Orphan(ctx, f.Has)
	}
	var deleted []string
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
		deleted = append(deleted, ids...)
		return about(p, err)
	}
	// Each profile deletes what was made for it; what was made for a profile
	// that is gone falls to any that logs in to the same account.
	for _, name := range f.Names() {
		ledger.Profile = name
		due, err := ledger.Has(ctx, true)
		if err == nil && due {
			err = collect(name)
		}
		failures = errors.Join(failures, err)
	}
	if left, err := a.orphans(ctx, f); err == nil && left > 0 {
		for _, name := range f.Names() {
			collect(name) // one that cannot is no failure: another may
		}
		if left, _ = a.orphans(ctx, f); left > 0 {
			a.warn("%d access keys of profiles that are gone cannot be deleted, since no profile logs in there; jeton status names them", left)
		}
	}
	return errors.Join(failures, a.cache.DropKeys(ctx, deleted),
		a.print(fmt.Appendf(nil, "%d expired credentials and %d access keys removed\n", removed, len(deleted))))
}

// orphans returns the number of keys whose profile is gone from f.
func (a *app) orphans(ctx context.Context, f *plugin.File) (int, error) {
	accounts, err := a.state.Accounts(ctx)
	n := 0
	for _, account := range accounts {
		for _, m := range account.Keys {
			if f.Exists && m.Config == f.Path && !f.Has(m.Profile) {
				n++
			}
		}
	}
	return n, err
}
