package cli

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/alecthomas/kong"

	"github.com/jeton-cli/jeton/cache"
	"github.com/jeton-cli/jeton/formats"
	"github.com/jeton-cli/jeton/plugin"
)

// setupCmd has one command for each format with a setup.
type setupCmd struct{ kong.Plugins }

func newSetupCmd(plugin.Issuers) any {
	c := &setupCmd{}
	for _, k := range formats.Kinds {
		if k.Setup != nil {
			c.Plugins = append(c.Plugins,
				subcommand(k.Name, k.Setup.Help, setupCallerCmd{Caller: k.Setup.New(), format: k.Name}))
		}
	}
	return c
}

func (*setupCmd) Help() string {
	return `Edits the caller's own configuration file. The rest of the file stays as it is, byte for byte. --remove restores what was there before. It refuses if somebody has changed that place since.`
}

// setupCallerCmd sets one caller up.
type setupCallerCmd struct {
	Caller formats.SetupCommand `embed:""`
	DryRun bool                 `help:"Show the change, and write nothing."`
	Remove bool                 `help:"Restore what was there before."`

	format string
}

func (s *setupCallerCmd) Help() string { return s.Caller.Help() }

func (s *setupCallerCmd) Run(ctx context.Context, i *invocation, t *terminal, ps *profiles, w cache.World) error {
	report, try, err := s.carryOut(ctx, i, ps, w)
	if err != nil {
		return err
	}
	if try != "" {
		report = fmt.Appendf(report, "try: %s\n", try)
	}
	return t.print(lines(report, t.outLook()))
}

// carryOut does what the command line says. It returns a report, and a command to try next,
// if the caller asks jeton now.
func (s *setupCallerCmd) carryOut(ctx context.Context, i *invocation, ps *profiles, w cache.World) (report []byte,
	try string, err error) {
	c := &formats.Caller{Issuers: i.issuers, Getenv: i.env.get, ReadFile: formats.ReadFile}
	if err := s.Caller.Fill(c); err != nil {
		return nil, "", err
	}
	if c.Home, err = os.UserHomeDir(); err != nil {
		return nil, "", plugin.Errorf(plugin.Config, "%s is not set", plugin.HomeVariable())
	}
	session := cache.Open(ctx, w, true)
	if session.State == nil {
		return nil, "", plugin.Errorf(plugin.Config, "without a state directory what was replaced could not be put "+
			"back: %v", session.Why)
	}
	unlock, err := session.State.Lock(ctx, cache.ConfigLock)
	if err != nil {
		return nil, "", errLock(ctx, err)
	}
	defer unlock()
	setups := &formats.Setups{Records: session.State, Prefix: cache.SetupPrefix, Edit: cache.EditFile}
	if s.Remove {
		report, err := setups.Remove(ctx, s.format, c, s.DryRun)
		return report, "", err
	}
	if err := s.complete(c, ps, session); err != nil {
		return nil, "", err
	}
	edits, notes, err := s.Caller.Plan(ctx, c)
	if err != nil {
		return nil, "", err
	}
	report, err = setups.Apply(ctx, s.format, c, edits, s.DryRun)
	if err != nil || s.DryRun {
		return report, "", err
	}
	for _, note := range notes {
		report = fmt.Appendf(report, "note: %s\n", note)
	}
	return report, s.Caller.Try(c), nil
}

// cloudKey returns a text that only this user's jeton knows.
func cloudKey(s *cache.Session) string {
	return cache.SecretMAC(s.Pepper)("clouds of keystoneauth")[:32]
}

// complete fills in what a setup needs and its removal does not.
func (s *setupCallerCmd) complete(c *formats.Caller, ps *profiles, session *cache.Session) error {
	p, err := ps.named(c.Name)
	if err != nil {
		return err
	}
	if session.Roaming(p) {
		return plugin.Errorf(plugin.Config,
			"%s stands for whatever is in the environment, which its callers do not share", c.Name).
			WithHint("make a profile of it: jeton import env NAME")
	}
	if c.Argv, err = ps.argv(p, s.format); err != nil {
		return err
	}
	c.Key = cloudKey(session)
	if p, err = ps.serving(p, formats.Needs(s.format)); err != nil {
		return err
	}
	c.Profile = p
	c.Fetch = func(ctx context.Context, minTTL time.Duration) (*plugin.Credential, error) {
		return session.Fetch(ctx, p, cache.Need{MinTTL: minTTL})
	}
	if finder, ok := session.Source(p, cache.Need{}).(plugin.StoreFinder); ok {
		c.Store = func(ctx context.Context) (region, endpoint string, err error) {
			if _, err := session.Fetch(ctx, p.Base, cache.Need{}); err != nil { // a person may have to log in
				return "", "", err
			}
			return finder.FindStore(ctx)
		}
	}
	return err
}
