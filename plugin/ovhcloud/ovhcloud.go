// Package ovhcloud obtains tokens for OVHcloud's API from its OAuth 2.0 server,
// as a service account or as a person.
//
// https://help.ovhcloud.com/csm/en-manage-service-account?id=kb_article_view&sysparm_article=KB0059343
package ovhcloud

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/jeton-cli/jeton/plugin"
	"github.com/jeton-cli/jeton/plugin/login"
)

// Issuer gives tokens for OVHcloud's API.
var Issuer = plugin.Issuer{
	Name:  "ovhcloud",
	Gives: plugin.BearerToken,
	APIServer: "OVHcloud's managed clusters do not take the token of its API: " +
		"plugin ovhcloud-kube, with from: PROFILE, gets their client certificate",
	From: "OVHcloud's API: a service account (OAuth 2.0 client credentials), or a person's login by browser",
	Example: `ovh:
  plugin: ovhcloud
  endpoint: ovh-eu
  client_id: EU.0f0f0f0f0f0f0f0f
  client_secret: {keyring: ovh}   # jeton secret set ovh
`,
	Ways: ways,
	New:  func() plugin.Options { return &Options{} },
	Imports: []plugin.Import{{Name: "ovh", Help: "Take over the service account of an ovh.conf.",
		New: func() plugin.Importer { return &importConf{} }, Find: findConf,
		Open: plugin.Opens(func(path string) plugin.Importer { return &importConf{Args: []string{path}} },
			".conf")}},
	EnvName:     "env-ovh",
	Environment: environment,
}

// An endpoint is a region of OVHcloud's API. A client of one region does not work in
// another. The addresses are those in go-ovh.
type endpoint struct{ api, token, authorize string }

var endpoints = map[string]endpoint{
	"ovh-eu": {"https://eu.api.ovh.com/1.0", "https://www.ovh.com/auth/oauth2/token",
		"https://www.ovh.com/auth/oauth2/authorize"},
	"ovh-ca": {"https://ca.api.ovh.com/1.0", "https://ca.ovh.com/auth/oauth2/token",
		"https://ca.ovh.com/auth/oauth2/authorize"},
	"ovh-us": {"https://api.us.ovhcloud.com/1.0", "https://us.ovhcloud.com/auth/oauth2/token",
		"https://us.ovhcloud.com/auth/oauth2/authorize"},
}

// Options are the options of an ovhcloud profile.
type Options struct {
	Endpoint     string           `yaml:"endpoint" help:"ovh-eu, ovh-ca or ovh-us"`
	ClientID     string           `yaml:"client_id" help:"the client_id of the service account or of the client"`
	ClientSecret plugin.SecretRef `yaml:"client_secret" help:"its client_secret"`
	Scope        string           `yaml:"scope" help:"OAuth 2.0 scope (\"all\")"`
	Flow         string           `yaml:"flow" help:"client_credentials (default) for a service account, authorization_code for a person"`
	TokenURL     string           `yaml:"token_url" help:"token endpoint, instead of the endpoint's own"`
	AuthorizeURL string           `yaml:"authorize_url" help:"authorization endpoint, instead of the endpoint's own"`
	APIURL       string           `yaml:"api_url" help:"address of the API, instead of the endpoint's own"`
	RedirectPort int              `yaml:"redirect_port" key:"-" help:"port of http://localhost:PORT/callback, which the client has as a callback URL"`
	RedirectURI  string           `yaml:"redirect_uri" key:"-" help:"the whole callback URL, if it is another one"`
	RefreshStore string           `yaml:"refresh_store" key:"-" help:"where to keep a person's refresh token: sealed (default), file or none"`

	redirect  string // where a person's browser comes back to
	plainHTTP bool
}

// Complete checks o and fills in the defaults. Its errors have the code [plugin.Config].
func (o *Options) Complete(common *plugin.Common) (failures error) {
	wrong := func(err error) { failures = errors.Join(failures, err) }
	names := strings.Join(slices.Sorted(maps.Keys(endpoints)), ", ")
	known, ok := endpoints[o.Endpoint]
	switch {
	case o.Endpoint == "":
		wrong(plugin.Errorf(plugin.Config, "endpoint is missing").WithHint("there are: %s", names))
	case !ok && (strings.HasPrefix(o.Endpoint, "kimsufi") || strings.HasPrefix(o.Endpoint, "soyoustart")):
		wrong(plugin.Errorf(plugin.Config, "endpoint: %s has no OAuth 2.0", plugin.Shorten(o.Endpoint)))
	case !ok:
		wrong(plugin.Errorf(plugin.Config, "endpoint: there is no %q", plugin.Shorten(o.Endpoint)).
			WithHint("there are: %s", names))
	}
	if o.ClientID == "" {
		wrong(missing("client_id"))
	}
	if o.ClientSecret.IsZero() {
		wrong(missing("client_secret"))
	}
	if common.From != "" {
		wrong(plugin.Errorf(plugin.Config, "from does not go with plugin ovhcloud, which logs in by itself"))
	}
	if failures != nil {
		return failures
	}
	o.plainHTTP = common.PlainHTTP
	if o.Scope == "" {
		o.Scope = "all"
	}
	if err := o.checkFlow(); err != nil {
		return err
	}
	for _, option := range []struct {
		name  string
		value *string
		own   string
	}{{"token_url", &o.TokenURL, known.token}, {"authorize_url", &o.AuthorizeURL, known.authorize},
		{"api_url", &o.APIURL, known.api}} {
		if *option.value == "" {
			*option.value = option.own
		}
		u, err := plugin.ParseURL(*option.value, common.PlainHTTP)
		if err != nil {
			wrong(fmt.Errorf("%s: %w", option.name, err))
			continue
		}
		*option.value = u.String()
	}
	return failures
}

func missing(option string) error {
	return plugin.Errorf(plugin.Config, "%s is missing", option).
		WithHint("a service account has client_id and client_secret: POST /me/api/oauth2/client makes one")
}

// Source returns the source of tokens.
func (o *Options) Source(env *plugin.Env) plugin.Source { return &source{o, env} }

type source struct {
	options *Options
	env     *plugin.Env
}

// Fetch obtains a token with one request, or takes that of the person's login.
func (s *source) Fetch(ctx context.Context, _ *plugin.Credential) (*plugin.Credential, error) {
	o := s.options
	if o.Flow == login.Code {
		below, err := s.env.From(ctx, false)
		if err != nil {
			return nil, err
		}
		c := *below
		c.Attrs = o.attributes()
		return &c, nil
	}
	secret, err := o.ClientSecret.ResolveAs(ctx, "client_secret", s.env)
	if err != nil {
		return nil, err
	}
	r := &plugin.TokenRequest{
		Endpoint: o.TokenURL, ClientID: o.ClientID, ClientSecret: secret, AuthMethod: "client_secret_post",
		Form: url.Values{"grant_type": {"client_credentials"}, "scope": {o.Scope}},
	}
	answer, err := r.Do(ctx, s.env)
	if err != nil {
		return nil, s.region(err)
	}
	if answer.AccessToken.IsZero() {
		return nil, plugin.Errorf(plugin.Unusable, "OVHcloud's answer holds no access_token").RememberFor(time.Minute)
	}
	return &plugin.Credential{
		Token: answer.AccessToken, Issued: answer.Issued, Expires: answer.Expiry(answer.AccessToken),
		Attrs: o.attributes(),
	}, nil
}

// attributes returns those of a token for the API.
func (o *Options) attributes() map[string]string {
	api := o.Endpoint
	if o.APIURL != endpoints[o.Endpoint].api {
		api = o.APIURL // go-ovh accepts an address too
	}
	return map[string]string{
		plugin.AttrOVHEndpoint: api, plugin.AttrClientID: o.ClientID, plugin.AttrTokenType: "access_token",
	}
}

// region adds a hint to the error for a refused client. The region is often the reason: a
// client belongs to only one.
func (s *source) region(err error) error {
	e := plugin.AsError(err)
	if e.Code == plugin.Denied {
		return e.WithHint("check client_id and client_secret, and that the service account was made at %s: it is of "+
			"no use elsewhere", s.options.Endpoint)
	}
	return e
}

// Inspect shows the identity of the service account, and lists the Public Cloud projects
// that it can see.
func (s *source) Inspect(ctx context.Context, credential func() (*plugin.Credential, error)) ([]plugin.Table, error) {
	c, err := credential()
	if err != nil {
		return nil, err
	}
	details, err := s.api(c).details(ctx)
	if err != nil {
		return nil, err
	}
	identity := plugin.Table{Name: "identity", Columns: []string{"what", "value"}, Rows: [][]string{
		{"account", details.Account}, {"client", s.options.ClientID}, {"method", details.Method},
	}}
	for _, i := range details.Identities {
		identity.Rows = append(identity.Rows, []string{"identity", i})
	}
	if len(details.Roles) > 0 {
		identity.Rows = append(identity.Rows, []string{"roles", strings.Join(details.Roles, ", ")})
	}
	identity.Rows = append(identity.Rows, []string{"expires", c.Expires.UTC().Format(time.RFC3339)})
	var projects []string
	if err := s.api(c).call(ctx, http.MethodGet, "/cloud/project", &projects); err != nil {
		return nil, err
	}
	table := plugin.Table{Name: "projects", Columns: []string{"id"}}
	for _, p := range projects {
		table.Rows = append(table.Rows, []string{p})
	}
	return []plugin.Table{identity, table, s.api(c).policies(ctx, details.Identities)}, nil
}

// api returns the API with the token in c.
func (s *source) api(c *plugin.Credential) *api {
	return &api{s.env.HTTP, s.options.APIURL, c.Token, s.env.Profile}
}

// environment reads the variables of go-ovh and Terraform's provider.
func environment(getenv func(string) string) (map[string]plugin.Value, bool, error) {
	values := map[string]plugin.Value{}
	for _, option := range []string{"endpoint", "client_id", "client_secret"} {
		name := "OVH_" + strings.ToUpper(option)
		if v := getenv(name); v != "" {
			values[option] = plugin.Value{Variable: name, Key: name, Text: v}
		}
	}
	if len(values) == 1 && values["endpoint"].Text != "" {
		return nil, false, nil // it belongs to another kind of login
	}
	return values, len(values) == 3, nil
}
