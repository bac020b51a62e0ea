package cli

import (
	"context"

	"github.com/jeton-cli/jeton/cache"
	"github.com/jeton-cli/jeton/plugin"
)

type logoutCmd struct {
	Profile string `arg:"" optional:"" help:"Profile; see jeton get --help."`
	All     bool   `help:"All profiles, and everything in the cache."`
}

func (l *logoutCmd) Help() string {
	return `Revokes the credential at its issuer and removes it from the cache. Does the same for the profiles that are made from this one, or that share a person's login with it. Deletes the access keys that jeton made for them.`
}

func (l *logoutCmd) Run(ctx context.Context, ps *profiles, w cache.World) error {
	if l.All {
		if l.Profile != "" {
			return plugin.Errorf(plugin.Usage, "a profile and --all exclude each other")
		}
		f, err := ps.file()
		if err != nil {
			return err
		}
		return cache.Open(ctx, w, true).LogoutAll(ctx, f)
	}
	p, err := ps.named(l.Profile)
	if err != nil {
		return err
	}
	return cache.Open(ctx, w, true).Logout(ctx, ps.read, p)
}
