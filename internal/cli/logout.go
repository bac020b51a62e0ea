package cli

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/jeton-cli/jeton/cache"
	"github.com/jeton-cli/jeton/plugin"
)

type logoutCmd struct {
	Profile string `arg:"" optional:"" help:"Profile; see jeton get --help."`
	All     bool   `help:"Every profile, and all that is kept."`
}

func (l *logoutCmd) Help() string {
	return "Revokes the credential at its issuer and forgets it, and likewise those of the profiles that are made from this one. Access keys that jeton has made for them are deleted."
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
	f, err := a.config()
	if err != nil {
		return err
	}
	var failures error
	kept := false
	list := a.upperFirst(f, func(q *plugin.Profile) bool { return q.Name == p.Name })
	if !slices.ContainsFunc(list, func(q *plugin.Profile) bool { return q.Name == p.Name }) {
		list = append(list, p) // env-os and the like
	}
	for _, q := range list {
		some, err := a.logout(ctx, q)
		failures = errors.Join(failures, err)
		kept = kept || some
	}
	if r, ok := a.source(p, need{}).(plugin.Revoker); ok && !kept && !p.Issuer.Mints {
		// A token that somebody else got can be revoked all the same.
		failures = errors.Join(failures, about(p, r.Revoke(ctx, nil)))
	}
	return failures
}

// upperFirst returns the profiles that stand on one of the kind, or are one:
// the upper ones first, since they need the lower to log in and delete what
// they have minted.
func (a *app) upperFirst(f *plugin.File, kind func(*plugin.Profile) bool) []*plugin.Profile {
	var list []*plugin.Profile
	names := append(f.Names(), "env")
	for _, i := range a.issuers {
		if i.EnvName != "" { // which env may hide
			names = append(names, i.EnvName)
		}
	}
	for _, name := range names {
		if p, err := f.Profile(name); err == nil && slices.ContainsFunc(p.Chain(), kind) {
			list = append(list, p)
		}
	}
	slices.SortStableFunc(list, func(a, b *plugin.Profile) int { return len(b.Chain()) - len(a.Chain()) })
	return list
}

// logout revokes and forgets what is kept for p as it is now or was before an
// edit, and reports whether there was anything. What cannot be revoked is
// forgotten all the same, and told.
func (a *app) logout(ctx context.Context, p *plugin.Profile) (some bool, failures error) {
	// Without the profile's secrets at hand there is no key, but a label.
	own := a.keysOf(p)
	kept, err := a.cache.Kept(ctx)
	if err != nil {
		return false, about(p, err)
	}
	r, ok := a.source(p, need{}).(plugin.Revoker)
	if p.Issuer.Mints {
		// To delete keys takes a login, which is saved if there are none.
		minted, err := a.ledger(p).Has(ctx, false)
		if err == nil && minted && ok {
			err = r.Revoke(ctx, nil)
			if !a.roaming(p) && err == nil {
				// What is left is at an account that the profile had before.
				err = errors.Join(a.ledger(p).Unwant(ctx, ""), a.keysLeft(ctx, func(m cache.Minted) bool {
					return m.Config == p.Config && m.Profile == p.Name
				}))
			}
		}
		failures = errors.Join(failures, err)
	}
	mine := func(k cache.Kept) bool {
		// The label of an identity in the environment is everybody's.
		labelled := k.Profile == p.Name && k.Config == p.Config && !a.roaming(p)
		return slices.Contains(own, k.Name) || labelled
	}
	for _, k := range kept {
		shared := k.Level && slices.ContainsFunc(kept, func(above cache.Kept) bool {
			return slices.Contains(above.Below, k.Name) && !mine(above)
		})
		if !mine(k) || shared { // a level goes with the last that stands on it
			continue
		}
		some = true
		if c := k.Credential; c != nil && ok && !p.Issuer.Mints && (!c.Token.IsZero() || !c.ClientKey.IsZero()) && !over(c) {
			failures = errors.Join(failures, unrevoked(r.Revoke(ctx, c), c))
		}
		_, err := a.cache.Drop(ctx, k.Name)
		failures = errors.Join(failures, err)
	}
	return some, about(p, failures)
}

// keysOf returns the names of p's key and of those of its levels, or nothing if
// there is none without its secrets.
func (a *app) keysOf(p *plugin.Profile) []string {
	key, err := a.cache.Key(p, a.getenv)
	if err != nil {
		return nil
	}
	return append([]string{key.Name}, key.Below[:levels(p)]...)
}

func over(c *plugin.Credential) bool { return !c.Expires.IsZero() && c.Expires.Before(time.Now()) }

// logoutAll logs out of every profile, and forgets the rest.
func (a *app) logoutAll(ctx context.Context) error {
	f, err := a.config()
	if err != nil {
		return err
	}
	a.open(ctx, true)
	var failures error
	for _, p := range a.upperFirst(f, func(*plugin.Profile) bool { return true }) {
		_, err := a.logout(ctx, p)
		failures = errors.Join(failures, err)
	}
	kept, err := a.cache.Kept(ctx)
	alive := 0
	for _, k := range kept {
		if c := k.Credential; c != nil && !c.Token.IsZero() && !over(c) {
			alive++
		}
	}
	if alive > 0 {
		a.warn("%s of profiles that are gone: forgotten, but not revoked; what was issued ends by itself", count(alive, "token"))
	}
	return errors.Join(failures, err, a.cache.Clear(ctx), a.keysLeft(ctx, func(cache.Minted) bool { return true }))
}

// keysLeft returns an error that names the minted keys of the kind, and those
// that may have been made, if there are any that no profile could delete.
func (a *app) keysLeft(ctx context.Context, kind func(cache.Minted) bool) error {
	accounts, _ := a.state.Accounts(ctx) // status tells of those that cannot be read
	var failures error
	left := func(account cache.Account, m cache.Minted, what string) {
		failures = errors.Join(failures, plugin.Errorf(plugin.Config,
			"%s, made for profile %s of %s, %s there still at %s: no profile could delete it", what, m.Profile, m.Config, map[bool]string{true: "is", false: "may be"}[m.ID != ""], account.Issuer).
			WithHint("write a profile of its plugin that logs in as its user, and run jeton gc; or delete it yourself (openstack ec2 credentials delete, or octl iaas api DeleteAccessKey)"))
	}
	for _, account := range accounts {
		for _, m := range account.Keys {
			if kind(m) {
				left(account, m, "access key "+m.ID)
			}
		}
		for _, i := range account.Intents {
			m := i.Key
			m.Unwanted = true // whatever came of it, nobody has got it
			if i.Overdue(time.Now()) && kind(m) {
				left(account, m, "an access key")
			}
		}
	}
	return failures
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
