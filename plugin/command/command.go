// Package command runs another program and takes the credential that it prints. The
// program can be an AWS credential_process, a Kubernetes exec plugin, or another jeton.
package command

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"strings"
	"time"

	"github.com/jeton-cli/jeton/plugin"
)

// Issuer gives the credential that a program prints.
var Issuer = plugin.Issuer{
	Name:  "command",
	Gives: plugin.AnyKind,
	From:  "another program that prints AWS's process JSON, an ExecCredential or jeton's json",
	Example: `vault:
  plugin: command
  argv: [aws-vault, export, --format=json, prod]
`,
	Adopt: adopt,
	New:   func() plugin.Options { return &Options{} },
}

// Options are the options of a command profile.
type Options struct {
	Argv      plugin.Argv      `yaml:"argv" help:"the program and its arguments"`
	Env       []string         `yaml:"env" help:"variables for it, NAME=VALUE each, beside those of jeton"`
	DependsOn plugin.Variables `yaml:"depends_on" help:"variables that its answer depends on, such as [AWS_PROFILE]"`
}

// program returns the program of the profile.
func (o *Options) program() plugin.Program {
	return plugin.Program{Argv: o.Argv, Env: o.Env, Depends: o.DependsOn}
}

// Variables returns the names of the environment variables that decide what the program
// prints.
func (o *Options) Variables() []string { return o.program().Variables() }

// Complete checks o. Its errors have the code [plugin.Config].
func (o *Options) Complete(common *plugin.Common) error {
	if len(o.Argv) == 0 || o.Argv[0] == "" {
		return plugin.Errorf(plugin.Config, "argv is missing").
			WithHint("it is a list: the program and its arguments, such as argv: [aws-vault, export, " +
				"--format=json, prod]")
	}
	for _, variable := range o.Env {
		if name, _, ok := strings.Cut(variable, "="); !ok || name == "" {
			return plugin.Errorf(plugin.Config, "env: %q is not NAME=VALUE", plugin.Shorten(name))
		}
	}
	if common.From != "" {
		return plugin.Errorf(plugin.Config,
			"from does not go with plugin command, whose program finds its credential by itself")
	}
	return nil
}

// Source returns the source of credentials.
func (o *Options) Source(env *plugin.Env) plugin.Source { return &source{o, env} }

type source struct {
	options *Options
	env     *plugin.Env
}

// Fetch runs the program. Its errors never repeat what the program prints.
func (s *source) Fetch(ctx context.Context, _ *plugin.Credential) (*plugin.Credential, error) {
	out, err := s.options.program().Run(ctx, s.env)
	if err != nil {
		return nil, err
	}
	c, err := parse(out, time.Now())
	if err != nil {
		e := plugin.AsError(err)
		e.Text = "command " + s.options.Argv[0] + ": " + e.Text
		return nil, e.RememberFor(10 * time.Second)
	}
	return c, nil
}

// unlimited is how long a credential without a known expiry is used before the program is
// run again.
const unlimited = 5 * time.Minute

// A document holds any of the three known formats. Their field names do not collide.
type document struct {
	// AWS's credential_process.
	Version         int
	AccessKeyID     string `json:"AccessKeyId"`
	SecretAccessKey string
	SessionToken    string
	Expiration      string

	// Kubernetes' ExecCredential.
	Kind   string `json:"kind"`
	Status struct {
		Token       string `json:"token"`
		Certificate string `json:"clientCertificateData"`
		Key         string `json:"clientKeyData"`
		Expiration  string `json:"expirationTimestamp"`
	} `json:"status"`

	// jeton's own.
	Token       string            `json:"token"`
	AccessKey   string            `json:"access_key"`
	SecretKey   string            `json:"secret_key"`
	AppCred     string            `json:"application_credential_secret"`
	Session     string            `json:"session_token"`
	Certificate string            `json:"client_certificate"`
	Key         string            `json:"client_key"`
	IssuedAt    string            `json:"issued_at"`
	ExpiresAt   string            `json:"expires_at"`
	Attributes  map[string]string `json:"attributes"`
}

func parse(b []byte, now time.Time) (*plugin.Credential, error) {
	var d document
	if err := plugin.DecodeJSON(b, &d); err != nil {
		return nil, plugin.Errorf(plugin.Unusable, "it does not print JSON%s", plugin.JSONFault(err)).
			WithHint("it must print AWS's process JSON, an ExecCredential or jeton's json, and nothing else")
	}
	c := &plugin.Credential{Issued: now}
	var expires string
	switch {
	case d.Kind == "ExecCredential":
		c.Token, c.ClientCertificate, c.ClientKey = plugin.NewSecret(d.Status.Token), d.Status.Certificate,
			plugin.NewSecret(d.Status.Key)
		expires = d.Status.Expiration
	case d.Version == 1 && d.AccessKeyID != "":
		c.AccessKey, c.SecretKey, c.SessionToken = d.AccessKeyID, plugin.NewSecret(d.SecretAccessKey),
			plugin.NewSecret(d.SessionToken)
		expires = d.Expiration
	case d.Token != "" || d.AccessKey != "" || d.Certificate != "" || d.AppCred != "":
		if d.AppCred != "" {
			d.SecretKey = d.AppCred
		}
		c.Token, c.AccessKey, c.SecretKey, c.SessionToken = plugin.NewSecret(d.Token), d.AccessKey,
			plugin.NewSecret(d.SecretKey), plugin.NewSecret(d.Session)
		c.ClientCertificate, c.ClientKey, c.Attrs = d.Certificate, plugin.NewSecret(d.Key), d.Attributes
		expires = d.ExpiresAt
		if t, err := time.Parse(time.RFC3339, d.IssuedAt); err == nil {
			c.Issued = t
		}
	default:
		return nil, plugin.Errorf(plugin.Unusable, "it prints JSON without a credential that jeton knows").
			WithHint("it must print AWS's process JSON (Version 1), an ExecCredential or jeton's json")
	}
	switch {
	case expires != "":
		t, err := time.Parse(time.RFC3339, expires)
		if err != nil {
			return nil, plugin.Errorf(plugin.Unusable, "it prints an expiry that is no time of RFC 3339")
		}
		c.Expires = t
	case c.ClientCertificate != "":
		c.Expires = notAfter(c.ClientCertificate)
	default:
		c.Expires = plugin.ParseClaims(c.Token).Expires
	}
	if c.Expires.IsZero() {
		c.Renew = now.Add(unlimited)
	} else if !c.Issued.Before(c.Expires) {
		c.Issued = now
	}
	return c, nil
}

// notAfter returns the expiry of a PEM certificate, or the zero time if it cannot be
// read.
func notAfter(text string) (end time.Time) {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return end
	}
	if cert, err := x509.ParseCertificate(block.Bytes); err == nil {
		end = cert.NotAfter
	}
	return end
}
