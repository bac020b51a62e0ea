package main

import (
	"context"
	"errors"
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
	wanted := c != nil
	if p.Issuer.Mints {
		// To delete keys takes a login, which is saved if there are none.
		if wanted, err = a.ledger(p).Has(ctx, false); err != nil {
			return about(p, err)
		}
	}
	if r, ok := a.source(p, need{}).(plugin.Revoker); ok && wanted {
		if err = r.Revoke(ctx, c); !p.Issuer.Mints {
			err = unrevoked(err, c)
		}
	}
	if _, e := a.cache.Drop(ctx, key); e != nil {
		err = errors.Join(err, e)
	}
	return about(p, err)
}

// logoutAll revokes all that is kept and all that was minted, and forgets
// everything. It goes by what is kept and not by the profiles' keys, so that
// nobody has to have every secret at hand to log out.
func (a *app) logoutAll(ctx context.Context) error {
	f, err := a.config()
	if err != nil {
		return err
	}
	a.open(ctx, true)
	kept, failures := a.cache.Kept(ctx)
	profiles := map[string]*plugin.Profile{}
	for _, name := range append(f.Names(), "env") {
		p, err := f.Profile(name)
		if err == nil {
			profiles[name] = p
		} else if name != "env" {
			failures = errors.Join(failures, err)
		}
	}
	// Minted keys go first: to delete them takes the tokens that go next.
	for _, p := range profiles {
		r, ok := a.source(p, need{}).(plugin.Revoker)
		if has, err := a.ledger(p).Has(ctx, false); ok && p.Issuer.Mints && has && err == nil {
			failures = errors.Join(failures, about(p, r.Revoke(ctx, nil)))
		}
	}
	alive := 0
	for _, k := range kept {
		c := k.Credential
		if c == nil || c.Token.IsZero() || !c.Expires.IsZero() && c.Expires.Before(time.Now()) {
			continue
		}
		p := profiles[k.Profile]
		if p == nil {
			alive++
		} else if r, ok := a.source(p, need{}).(plugin.Revoker); ok {
			failures = errors.Join(failures, about(p, unrevoked(r.Revoke(ctx, c), c)))
		}
	}
	if alive > 0 {
		a.warn("%d tokens of profiles that are gone are forgotten, but could not be revoked; they end by themselves", alive)
	}
	return errors.Join(failures, a.cache.Clear(ctx))
}

// unrevoked says what has become of a credential whose revocation failed.
func unrevoked(err error, c *plugin.Credential) error {
	if err == nil {
		return nil
	}
	e := plugin.AsError(err)
	e.Text = "forgotten, but it could not be revoked: " + e.Text
	e.Hint = "it stays valid until " + c.Expires.UTC().Format(time.RFC3339)
	return e
}
