package main

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/jeton-cli/jeton/plugin"
)

type logoutCmd struct {
	Profile string `arg:"" optional:"" help:"Profile; see jeton get --help."`
	All     bool   `help:"Every profile, and all that is kept."`
}

func (l *logoutCmd) Help() string {
	return "Revokes the credential at its issuer and forgets it, and all that was made from it. Access keys that jeton has made for the profile are deleted."
}

func (l *logoutCmd) Run(ctx context.Context, a *app) error {
	if l.All {
		if l.Profile != "" {
			return plugin.Errorf(plugin.Usage, "a profile and --all exclude each other")
		}
		return a.logoutAll(ctx)
	}
	p, err := a.profile(l.Profile)
	if err != nil {
		return err
	}
	a.open(ctx, true)
	return a.logout(ctx, p)
}

// logout revokes what is kept for p. What cannot be revoked is forgotten all
// the same, and told.
func (a *app) logout(ctx context.Context, p *plugin.Profile) error {
	key, err := a.cache.Key(p, a.getenv)
	if err != nil {
		return about(p, err)
	}
	c := a.cache.Peek(ctx, key)
	source := a.source(p, need{})
	_, mints := source.(plugin.Collector)
	wanted := c != nil
	if mints {
		// To delete keys takes a login, which is saved if there are none.
		if wanted, err = a.ledger(p).Has(ctx, false); err != nil {
			return about(p, err)
		}
	}
	if r, ok := source.(plugin.Revoker); ok && wanted {
		if err = r.Revoke(ctx, c); err != nil && !mints {
			e := plugin.AsError(err)
			e.Text = "forgotten, but it could not be revoked: " + e.Text
			e.Hint = "it stays valid until " + c.Expires.UTC().Format(time.RFC3339)
			err = e
		}
	}
	if _, e := a.cache.Drop(ctx, key); e != nil {
		err = errors.Join(err, e)
	}
	return about(p, err)
}

// logoutAll logs out of every profile, the upper ones first, since they need
// the lower to delete what they have minted; and forgets the rest.
func (a *app) logoutAll(ctx context.Context) error {
	f, err := a.config()
	if err != nil {
		return err
	}
	a.open(ctx, true)
	var failures error
	var profiles []*plugin.Profile
	for _, name := range append(f.Names(), "env") {
		p, err := f.Profile(name)
		if err == nil {
			profiles = append(profiles, p)
		} else if name != "env" {
			failures = errors.Join(failures, err)
		}
	}
	slices.SortStableFunc(profiles, func(a, b *plugin.Profile) int { return len(b.Chain()) - len(a.Chain()) })
	for _, p := range profiles {
		failures = errors.Join(failures, a.logout(ctx, p))
	}
	return errors.Join(failures, a.cache.Clear(ctx))
}
