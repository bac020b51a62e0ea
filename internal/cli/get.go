package cli

import (
	"bytes"
	"context"
	"time"

	"github.com/jeton-cli/jeton/formats"
	"github.com/jeton-cli/jeton/plugin"
)

type getCmd struct {
	Profile string        `arg:"" optional:"" help:"Profile. Without it: $JETON_PROFILE, else the identity in the environment, else the profile called default."`
	Format  string        `short:"f" help:"Format: ${formats}. Without it: kubernetes if kubectl is calling, else the profile's own, else json." placeholder:"FORMAT"`
	For     string        `help:"Client that reads the openstack format: openstackclient (the default), terraform or gophercloud." placeholder:"CLIENT"`
	As      string        `help:"Name of the cloud in the openstack format, instead of the profile's." placeholder:"NAME"`
	Shell   string        `help:"Shell that reads the env format: sh, fish or powershell." placeholder:"SHELL"`
	MinTTL  time.Duration `name:"min-ttl" help:"Life that the credential must have left, such as 2h." placeholder:"D"`
	Refresh bool          `help:"Fetch a new credential, whatever is kept."`
	NoCache bool          `help:"Neither use nor keep anything."`
}

func (g *getCmd) Help() string {
	return `Prints one whole document on standard output, or nothing.

Examples:
  jeton get prod -f kubernetes            an ExecCredential for kubectl
  jeton get s3 -f aws                     for credential_process in ~/.aws/config
  jeton get prod -f openstack             a clouds.yaml with a token in it
  eval "$(jeton get prod -f env)"         the environment of this shell
  curl -H "$(jeton get prod -f header)" https://…

Exit codes: 0 fine, 64 wrong use, 65 the issuer's answer makes no sense, 69 it cannot be reached, 74 output failed, 75 try later, 77 refused, 78 the configuration is wrong.`
}

func (g *getCmd) Run(ctx context.Context, a *app) error {
	if g.MinTTL < 0 {
		return plugin.Errorf(plugin.Usage, "--min-ttl cannot be negative")
	}
	if g.Refresh && g.NoCache {
		return plugin.Errorf(plugin.Usage, "--refresh and --no-cache exclude each other").
			WithHint("--no-cache always fetches; --refresh also replaces what is kept")
	}
	p, err := a.profile(g.Profile)
	if err != nil {
		return err
	}
	f, err := g.format(a, p)
	if err != nil {
		return err
	}
	a.open(ctx, !g.NoCache)
	n := g.need(a, f)
	c, err := a.fetch(ctx, p, n)
	if err != nil {
		return about(p, err)
	}
	document, err := encode(f, c)
	if err != nil {
		return about(p, err)
	}
	told := a.told(f, c)
	note := a.note(p, told, document)
	if note.Refused(a.started.UnixNano()) && !g.Refresh {
		better, err := a.replaceRefused(ctx, p, n, c, &note)
		if err != nil {
			return about(p, err)
		}
		c = better
		if document, err = encode(f, c); err != nil {
			return about(p, err)
		}
		told = a.told(f, c)
		note.Answered(document, told)
	}
	if left := time.Until(c.Expires); !c.Expires.IsZero() && left < g.MinTTL {
		a.warn("%s: the credential lives %s more, less than the %s asked for: there is no longer one to be had",
			p.Name, left.Round(time.Second), g.MinTTL)
	}
	if err := a.print(document); err != nil {
		return about(p, err)
	}
	note.Write()
	a.leaveBehind(ctx, g, p, told, document)
	return nil
}

// encode returns the whole document, or nothing.
func encode(f formats.Format, c *plugin.Credential) ([]byte, error) {
	var b bytes.Buffer
	err := f.Encode(&b, c)
	return b.Bytes(), err
}

// need is what the command line and its format ask of a credential.
func (g *getCmd) need(a *app, f formats.Format) need {
	n := need{minTTL: formats.MinTTL(f), atLeast: g.MinTTL}
	if g.Refresh {
		n.since = a.started
	}
	return n
}

// format returns what writes the document.
func (g *getCmd) format(a *app, p *plugin.Profile) (formats.Format, error) {
	format := "json"
	switch {
	case g.Format != "":
		format = g.Format
	case a.getenv("KUBERNETES_EXEC_INFO") != "":
		format = "kubernetes"
	case p.Common.Format != "":
		format = p.Common.Format
	}
	for _, flag := range []struct{ name, value, format string }{{"--shell", g.Shell, "env"}, {"--for", g.For, "openstack"}, {"--as", g.As, "openstack"}} {
		if flag.value != "" && format != flag.format {
			return nil, plugin.Errorf(plugin.Usage, "%s goes with format %s, and the format is %s", flag.name, flag.format, plugin.Shorten(format))
		}
	}
	f, err := formats.New(format, formats.Options{
		Issuers: a.issuers, Profile: p.Name, Name: g.As, Shell: g.Shell, Client: g.For, ExecInfo: a.getenv("KUBERNETES_EXEC_INFO"),
	})
	return f, about(p, err)
}
