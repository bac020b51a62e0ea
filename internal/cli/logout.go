package cli

import (
	"context"

	"github.com/jeton-cli/jeton/cache"
	"github.com/jeton-cli/jeton/plugin"
)

type logoutCmd struct {
	Profile string `arg:"" optional:"" help:"Profile; see jeton get --help."`
	All     bool   `help:"Every profile, and all that is kept."`
}

func (l *logoutCmd) Help() string {
	return "Revokes the credential at its issuer and forgets it, and likewise those of the profiles that are made " +
		"from this one. Access keys that jeton has made for them are deleted."
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
