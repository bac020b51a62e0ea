package cli

import (
	"context"

	"github.com/jeton-cli/jeton/cache"
	"github.com/jeton-cli/jeton/plugin"
)

type logoutCmd struct {
	Profile string `arg:"" optional:"" help:"Profile; see jeton get --help."`
	All     bool   `help:"All profiles, and everything in the cache."`
	Fleet   bool   `help:"For all hosts that share the credential, and not for this one alone."`
}

func (l *logoutCmd) Help() string {
	return `Revokes the credential at its issuer and removes it from the cache. Does the same for the profiles that are made from this one, or that share a person's login with it. Deletes the access keys that jeton made for them.

What other hosts share with this one (shared_cache in the configuration) is only forgotten here: a job that ends must not log out the others. With --fleet it is revoked for all of them.`
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
		s, err := forFleet(cache.Open(ctx, w, true), l.Fleet)
		if err != nil {
			return err
		}
		return s.LogoutAll(ctx, f)
	}
	p, err := ps.named(l.Profile)
	if err != nil {
		return err
	}
	s, err := forFleet(cache.Open(ctx, w, true), l.Fleet)
	if err != nil {
		return err
	}
	return s.Logout(ctx, ps.read, p)
}

// forFleet has s act for the whole fleet, if that is wanted.
func forFleet(s *cache.Session, wanted bool) (*cache.Session, error) {
	if wanted {
		return s, s.ForFleet()
	}
	return s, nil
}
