package main

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
	orphan := func(m cache.Minted) bool {
		return f.Exists && m.Config == f.Path && !f.Has(m.Profile) && m.Due(time.Now())
	}
	if a.keysLeft(ctx, orphan) != nil {
		for _, name := range f.Names() {
			collect(name) // one that cannot is no failure: another may
		}
		failures = errors.Join(failures, a.keysLeft(ctx, orphan))
	}
	summary := fmt.Sprintf("%s and %s removed\n", count(removed, "expired credential"), count(len(deleted), "access key"))
	return errors.Join(failures, a.cache.DropKeys(ctx, deleted), a.print([]byte(summary)))
}

func count(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}
