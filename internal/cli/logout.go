package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

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

func (l *logoutCmd) Run(ctx context.Context, t *terminal, ps *profiles, w cache.World) error {
	if l.All && l.Profile != "" {
		return plugin.Errorf(plugin.Usage, "a profile and --all exclude each other")
	}
	who := "all profiles"
	var p *plugin.Profile
	var err error
	if l.All {
		_, err = ps.file()
	} else if p, err = ps.named(l.Profile); err == nil {
		who = p.Name
	}
	if err != nil {
		return err
	}
	s, err := forFleet(cache.Open(ctx, w, true), l.Fleet)
	if err != nil {
		return err
	}
	keys := keysMade(ctx, s)
	if l.All {
		err = s.LogoutAll(ctx, ps.read)
	} else {
		err = s.Logout(ctx, ps.read, p)
	}
	return errors.Join(err, t.print(fmt.Appendf(nil, "%s: %s\n", who, done(s.Done, keys-keysMade(ctx, s)))))
}

// keysMade returns how many access keys of jeton's there are.
func keysMade(ctx context.Context, s *cache.Session) (n int) {
	accounts, _ := cache.Accounts(ctx, s.State)
	for _, a := range accounts {
		n += len(a.Keys)
	}
	return n
}

// done says what was done to credentials, and how many keys were deleted.
func done(t cache.Tally, keys int) string {
	var list []string
	add := func(n int, what, was string) {
		if n > 0 {
			list = append(list, plugin.Count(n, what)+" "+was)
		}
	}
	add(t.Sessions, "session", "ended")
	add(t.Revoked, "token", "revoked")
	add(keys, "key", "deleted")
	add(t.Forgotten, "credential", "forgotten")
	if list == nil {
		return "nothing was kept"
	}
	return strings.Join(list, ", ")
}

// forFleet has s act for the whole fleet, if that is wanted.
func forFleet(s *cache.Session, wanted bool) (*cache.Session, error) {
	if wanted {
		return s, s.ForFleet()
	}
	return s, nil
}
