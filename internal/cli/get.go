package cli

import (
	"bytes"
	"cmp"
	"context"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/jeton-cli/jeton/cache"
	"github.com/jeton-cli/jeton/formats"
	"github.com/jeton-cli/jeton/plugin"
)

type getCmd struct {
	Profile string        `arg:"" optional:"" help:"Profile. Without it: $JETON_PROFILE, else the identity in the environment, else the profile called default."`
	Format  string        `short:"f" help:"Format: ${formats}. Without it: kubernetes if kubectl is calling, else the profile's own, else json." placeholder:"FORMAT"`
	For     string        `help:"Client that reads it. Of the openstack format: openstackclient (the default), terraform or gophercloud; of env: swift, rclone, restic, duplicity or terraform." placeholder:"CLIENT"`
	As      string        `help:"Name of the cloud in the openstack format, instead of the profile's." placeholder:"NAME"`
	Shell   string        `help:"Shell that reads the env format: sh, fish, powershell or cmd." placeholder:"SHELL"`
	MinTTL  time.Duration `name:"min-ttl" help:"Life that the credential must have left, such as 2h." placeholder:"D"`
	Refresh bool          `help:"Fetch a new credential, even if one is cached."`
	NoCache bool          `help:"Use no cache, and write none."`
}

func (g *getCmd) Help() string {
	return `Prints one whole document on standard output, or nothing.

Examples:
  jeton get prod -f kubernetes            an ExecCredential for kubectl
  jeton get s3 -f aws                     for credential_process of aws
  jeton get prod -f openstack             a clouds.yaml with a token in it
  eval "$(jeton get prod -f env)"         the environment of this shell
  eval "$(jeton get prod -f env --for swift)"  the same, for swift
  curl -H "$(jeton get prod -f header)" https://…

Exit codes: 0 success, 64 wrong usage, 65 unusable answer of the issuer, 69 network, 74 output failed, 75 try later, 77 refused, 78 wrong configuration.`
}

func (g *getCmd) Run(ctx context.Context, i *invocation, t *terminal, ps *profiles, w cache.World) error {
	if err := checkMinTTL(g.MinTTL); err != nil {
		return err
	}
	if g.Refresh && g.NoCache {
		return plugin.Errorf(plugin.Usage, "--refresh and --no-cache exclude each other").
			WithHint("--no-cache always fetches; --refresh also replaces what is kept")
	}
	p, err := g.profile(i, ps)
	if err != nil {
		return err
	}
	var s *cache.Session
	f, err := g.format(i, p, formats.Options{
		Describe:  func(c *plugin.Credential) ([]byte, error) { return s.Describe(ctx, p, c) },
		Endpoints: func(c *plugin.Credential) (map[string]string, error) { return endpoints(ctx, s, p, c) },
	})
	if err != nil {
		return err
	}
	s = cache.Open(ctx, w, !g.NoCache)
	n := g.need(i, f)
	c, err := s.Fetch(ctx, p, n)
	if err != nil {
		return about(p, err)
	}
	var document []byte
	c, err = whole(ctx, s, p, n, i.started, c, func(c *plugin.Credential) (err error) {
		document, err = encode(f, c)
		return err
	})
	if err != nil {
		return about(p, err)
	}
	note := s.Note(p, i.args, formats.ValidUntil(f, c), document)
	if note.Refused(i.started.UnixNano()) && !g.Refresh {
		if c, err = s.ReplaceRefused(ctx, p, n, c, &note, i.started); err != nil {
			return about(p, err)
		}
		if document, err = encode(f, c); err != nil {
			return about(p, err)
		}
		note.Answered(document, formats.ValidUntil(f, c))
	}
	warnOfShortLife(t, p, c, g.MinTTL)
	if err := t.print(document); err != nil {
		return about(p, err)
	}
	note.Write()
	if g.repeatable(i, t, f) {
		s.LeaveBehind(ctx, cache.Answer{
			Args: i.args, Started: i.started, File: ps.read, Profile: p, Document: document,
			ValidUntil: formats.ValidUntil(f, c), Variables: i.env.names, Read: g.reading(i),
		})
	}
	return nil
}

// whole uses c, and a new credential instead if the issuer refuses c, as one that was revoked,
// or to describe it if that is needed: Keystone describes some tokens only once, such as a
// trust's, when it makes them.
func whole(ctx context.Context, s *cache.Session, p *plugin.Profile, n cache.Need, started time.Time,
	c *plugin.Credential, use func(*plugin.Credential) error) (*plugin.Credential, error) {
	err := use(c)
	if err == nil {
		return c, nil
	}
	if e := plugin.AsError(err); e.Code != plugin.Denied || !n.Whole && !e.Invalid {
		return c, err
	}
	n.Since = started
	if c, err = s.Fetch(ctx, p, n); err != nil {
		return nil, err
	}
	return c, use(c)
}

// profile returns the profile that gives what the format is written for, and fills in the
// format. That is the named profile's own: another one may serve it.
func (g *getCmd) profile(i *invocation, ps *profiles) (*plugin.Profile, error) {
	p, err := ps.named(g.Profile)
	if err != nil {
		return nil, err
	}
	caller, _ := formats.Asked(i.env.get)
	g.Format = cmp.Or(g.Format, caller, p.Common.Format, "json")
	return ps.serving(p, formats.Needs(g.Format))
}

// checkMinTTL returns an error if d, the value of --min-ttl, makes no sense.
func checkMinTTL(d time.Duration) error {
	if d < 0 {
		return plugin.Errorf(plugin.Usage, "--min-ttl cannot be negative")
	}
	return nil
}

// warnOfShortLife warns if c lives less than was asked for.
func warnOfShortLife(t *terminal, p *plugin.Profile, c *plugin.Credential, asked time.Duration) {
	if left := time.Until(c.Expires); !c.Expires.IsZero() && left < asked {
		t.warn("%s: the credential lives %s more, less than the %s asked for: there is no longer one to be had",
			p.Name, left.Round(time.Second), asked)
	}
}

// endpoints returns the endpoints of c's project.
func endpoints(ctx context.Context, s *cache.Session, p *plugin.Profile, c *plugin.Credential) (map[string]string,
	error) {
	catalog, ok := s.Source(p, cache.Need{}).(plugin.Cataloger)
	if !ok {
		return nil, plugin.Errorf(plugin.Config, "plugin %s has no catalogue of endpoints", p.Issuer.Name)
	}
	return catalog.Endpoints(ctx, c)
}

// repeatable reports whether the same command line prints the same document, and nothing
// more, from any directory.
func (g *getCmd) repeatable(i *invocation, t *terminal, f formats.Format) bool {
	config := i.globals.Config
	return !g.NoCache && !formats.Asks(f) && !t.warned && !i.globals.Verbose && i.args[0] == "get" &&
		(config == "" || filepath.IsAbs(config))
}

// reading returns a function that derives from a profile what this command line needs.
func (g *getCmd) reading(i *invocation) func(*plugin.Profile) (cache.Need, func(*plugin.Credential) ([]byte, error),
	error) {
	return func(p *plugin.Profile) (cache.Need, func(*plugin.Credential) ([]byte, error), error) {
		f, err := g.format(i, p, formats.Options{})
		if err != nil {
			return cache.Need{}, nil, err
		}
		return g.need(i, f), func(c *plugin.Credential) ([]byte, error) { return encode(f, c) }, nil
	}
}

// encode returns the whole document, or an error.
func encode(f formats.Format, c *plugin.Credential) ([]byte, error) {
	var b bytes.Buffer
	err := f.Encode(&b, c)
	return b.Bytes(), err
}

// need returns what the command line and its format require of a credential.
func (g *getCmd) need(i *invocation, f formats.Format) cache.Need {
	n := cache.Need{MinTTL: formats.MinTTL(f), AtLeast: g.MinTTL, Whole: formats.Whole(g.Format)}
	if g.Refresh {
		n.Since = i.started
	}
	return n
}

// format returns the format of the document. ask has what the format asks the issuer by.
func (g *getCmd) format(i *invocation, p *plugin.Profile, ask formats.Options) (formats.Format, error) {
	format := g.Format
	_, info := formats.Asked(i.env.get)
	for _, flag := range []struct{ name, value string }{{"--shell", g.Shell}, {"--for", g.For}, {"--as", g.As}} {
		if of := formats.Flag(flag.name); flag.value != "" && !slices.Contains(of, format) {
			return nil, plugin.Errorf(plugin.Usage, "%s goes with format %s, and the format is %s", flag.name,
				strings.Join(of, " or "), plugin.Shorten(format))
		}
	}
	f, err := formats.New(format, formats.Options{
		Issuers: i.issuers, Profile: p.Name, Name: g.As, Shell: g.Shell, Client: g.For, ExecInfo: info,
		Describe: ask.Describe, Endpoints: ask.Endpoints,
	})
	if blank := p.Issuer.Gives.Blank(); err == nil && blank != nil && p.Issuer.Mints { // no key is made for nothing
		_, err = encode(f, blank)
	}
	return f, about(p, err)
}
