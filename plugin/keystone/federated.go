package keystone

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/gophercloud/gophercloud/v2"

	"github.com/jeton-cli/jeton/plugin"
)

// A federated login shows Keystone a token of an OpenID Connect provider and gets an
// unscoped token for it. That token is then exchanged for one of a project. The requests
// and the names of the options are keystoneauth's (identity/v3/oidc.py, federation.py).
//
// https://docs.openstack.org/api-ref/identity/v3-ext/#request-an-unscoped-os-federation-token

// presets are the values for clouds with federated logins. They are used for options that
// the profile does not set.
var presets = map[string]map[string]string{
	"ovhcloud-emea": ovhcloud("ovhcloud-emea",
		"https://iam.ovh.net/role-adapter/urn:v1:eu:resource:publicCloudProject:pci/.well-known/openid-configuration"),
	"ovhcloud-world": ovhcloud("ovhcloud-world",
		"https://iam.ovh.ca/role-adapter/urn:v1:ca:resource:publicCloudProject:pci/.well-known/openid-configuration"),
}

func ovhcloud(provider, discovery string) map[string]string {
	return map[string]string{
		"auth_type": "v3oidcclientcredentials", "auth_url": "https://auth.cloud.ovh.net/v3",
		"identity_provider": provider,
		"protocol":          "openid", "discovery_endpoint": discovery, "access_token_type": "id_token",
	}
}

// applyPreset fills in the options that the preset has and the profile does not set. It
// returns an error if there is no such preset.
func (o *Options) applyPreset() error {
	if o.Preset == "" {
		return nil
	}
	values, ok := presets[o.Preset]
	if !ok {
		return plugin.Errorf(plugin.Config, "preset: there is no %q", plugin.Shorten(o.Preset)).
			WithHint("there are: %s", strings.Join(slices.Sorted(maps.Keys(presets)), ", "))
	}
	if o.AuthType == "" && (o.from || !o.AccessToken.IsZero()) {
		o.AuthType = "v3oidcaccesstoken"
	}
	for name, p := range map[string]*string{
		"auth_type": &o.AuthType, "auth_url": &o.AuthURL, "identity_provider": &o.IdentityProvider,
		"protocol": &o.Protocol,
	} {
		if *p == "" {
			*p = values[name]
		}
	}
	if o.AuthType == "v3oidcaccesstoken" {
		return nil // the rest is about the login at the provider
	}
	if o.AccessTokenType == "" {
		o.AccessTokenType = values["access_token_type"]
	}
	if o.DiscoveryEndpoint == "" && o.AccessTokenEndpoint == "" {
		o.DiscoveryEndpoint = values["discovery_endpoint"]
	}
	return nil
}

// federated reports whether o logs in through an OpenID Connect provider.
func (o *Options) federated() bool {
	return strings.HasPrefix(o.AuthType, "v3oidc") || o.AuthType == "v3websso"
}

// shared reports whether o's token is made from an unscoped one, which other profiles
// share: a login at another server, or one with a password that a person types, is made
// once for all projects.
func (o *Options) shared() bool {
	typed := o.AuthType == "v3password" && o.Password.IsZero() && !o.from
	return (o.federated() || typed) && o.scoped()
}

// checkFederated returns a check for an auth_type that needs the given options.
func checkFederated(needs ...string) func(o *Options) error {
	return func(o *Options) error {
		set := plugin.SetOptions(o)
		for _, name := range append([]string{"identity_provider", "protocol"}, needs...) {
			if !slices.Contains(set, name) {
				return missing(o, name)
			}
		}
		if o.AuthType == "v3oidcaccesstoken" {
			if !o.AccessToken.IsZero() && o.from {
				return twoTokens("access_token")
			}
			if o.AccessToken.IsZero() && !o.from {
				return plugin.Errorf(plugin.Config, "access_token is missing, which auth_type %s needs", o.AuthType).
					WithHint("write access_token: {env: NAME}, or from: PROFILE for the token of an oidc or " +
						"ovhcloud profile")
			}
			return nil
		}
		if err := o.completePerson(); err != nil {
			return err
		}
		if o.AccessTokenType == "" {
			o.AccessTokenType = "access_token"
		}
		if o.AccessTokenType != "access_token" && o.AccessTokenType != "id_token" {
			return plugin.Errorf(plugin.Config, "access_token_type: must be access_token or id_token")
		}
		if o.OpenIDScope == "" && !o.person() {
			o.OpenIDScope = "openid profile"
		}
		if o.DiscoveryEndpoint == "" && o.AccessTokenEndpoint == "" {
			return plugin.Errorf(plugin.Config, "discovery_endpoint is missing, which auth_type %s needs", o.AuthType).
				WithHint("it is the address of the provider's openid-configuration; or name its access_token_endpoint")
		}
		for _, endpoint := range []struct{ name, value string }{
			{"discovery_endpoint", o.DiscoveryEndpoint}, {"access_token_endpoint", o.AccessTokenEndpoint},
			{"authorization_endpoint", o.AuthorizationEndpoint},
			{"device_authorization_endpoint", o.DeviceEndpoint},
		} {
			if endpoint.value == "" {
				continue
			}
			if _, err := plugin.ParseURL(endpoint.value, o.plainHTTP); err != nil {
				return fmt.Errorf("%s: %w", endpoint.name, err)
			}
		}
		return nil
	}
}

// scoped reports whether o asks for a scope. If so, its token is made from an unscoped
// one.
func (o *Options) scoped() bool { return len(o.scopes()) > 0 && !o.Unscoped }

// Below returns the options of the unscoped token that all scopes of a shared login are
// made from. Below that is the login of a person at the provider, if there is one.
func (o *Options) Below() plugin.Options {
	if o.person() && !o.scoped() {
		return o.login()
	}
	if !o.shared() {
		return nil
	}
	below := *o
	below.ProjectID, below.ProjectName, below.ProjectDomainID, below.ProjectDomainName = "", "", "", ""
	below.DomainID, below.DomainName, below.SystemScope, below.TrustID = "", "", "", ""
	below.RegionName, below.Interface, below.DefaultDomain = "", "", ""
	below.Unscoped = true
	return &below
}

// fetchFederated logs in at the provider and shows its token to Keystone. With a scope,
// it exchanges the unscoped token of the level below instead.
func fetchFederated(ctx context.Context, s *source, prev *plugin.Credential) (*plugin.Credential, error) {
	if s.options.scoped() {
		return fetchToken(ctx, s, prev)
	}
	if s.options.AuthType == "v3oidcaccesstoken" || s.options.person() {
		below, err := s.accessToken(ctx, false)
		if err != nil {
			return nil, err
		}
		c, err := s.federate(ctx, below.Token)
		if s.stale(err, below) {
			if renewed, e := s.accessToken(ctx, true); e == nil && renewed.Token.Reveal() != below.Token.Reveal() {
				return s.federate(ctx, renewed.Token)
			}
		}
		return c, err
	}
	plugin.Connect(s.env.HTTP, s.options.AuthURL)
	token, err := s.providerToken(ctx)
	if err != nil {
		return nil, err
	}
	return s.federate(ctx, token)
}

// accessToken returns the provider's token: the one given in the profile, or that of the
// profile below. With renew, it asks the profile below for a newer one.
func (s *source) accessToken(ctx context.Context, renew bool) (*plugin.Credential, error) {
	if s.env.From == nil {
		token, err := s.options.AccessToken.ResolveAs(ctx, "access_token", s.env)
		return &plugin.Credential{Token: token}, err
	}
	plugin.Connect(s.env.HTTP, s.options.AuthURL)
	c, err := s.env.From(ctx, renew)
	if err != nil {
		return nil, err
	}
	if s.options.person() {
		return s.tokenOf(c)
	}
	if c.Token.IsZero() || c.Attrs[plugin.AttrAuthURL] != "" {
		return nil, plugin.Errorf(plugin.Config, "from: that profile gives no token of an OpenID Connect provider").
			WithHint("name a profile that gives tokens of the provider")
	}
	return c, nil
}

// providerToken logs in at the provider and returns its token.
func (s *source) providerToken(ctx context.Context) (plugin.Secret, error) {
	o := s.options
	secret, err := o.ClientSecret.ResolveAs(ctx, "client_secret", s.env)
	if err != nil {
		return plugin.Secret{}, err
	}
	r := &plugin.TokenRequest{ClientID: o.ClientID, ClientSecret: secret, AuthMethod: plugin.BasicRaw,
		Form: url.Values{"scope": {o.OpenIDScope}}}
	switch o.AuthType {
	case "v3oidcclientcredentials":
		r.Form.Set("grant_type", "client_credentials")
	case "v3oidcpassword":
		password, err := s.password(ctx)
		if err != nil {
			return plugin.Secret{}, err
		}
		r.Form.Set("grant_type", "password")
		r.Form.Set("username", o.Username)
		r.Form.Set("password", password.Reveal())
		r.Secrets = append(r.Secrets, password)
		if o.IDPOTPKey != "" {
			otp, err := s.passcode(ctx)
			if err != nil {
				return plugin.Secret{}, err
			}
			r.Form.Set(o.IDPOTPKey, otp.Reveal())
			r.Secrets, r.Once = append(r.Secrets, otp), true
		}
	}
	send := func(endpoint string) (*plugin.TokenResponse, error) {
		if r.Endpoint = o.AccessTokenEndpoint; r.Endpoint == "" {
			r.Endpoint = endpoint
		}
		return r.Do(ctx, s.env)
	}
	var answer *plugin.TokenResponse
	if o.DiscoveryEndpoint == "" {
		answer, err = send("")
	} else {
		answer, err = plugin.WithDiscovery(ctx, s.env, o.DiscoveryEndpoint, "", o.plainHTTP, r.Form.Get("grant_type"),
			send)
	}
	if err != nil {
		return plugin.Secret{}, fmt.Errorf("the identity provider: %w", err)
	}
	token := answer.AccessToken
	if o.AccessTokenType == "id_token" {
		token = answer.IDToken
	}
	if token.IsZero() {
		return token, o.noToken(hostOf(r.Endpoint))
	}
	return token, nil
}

// federate shows the provider's token to Keystone and returns the token that Keystone
// gives for it.
func (s *source) federate(ctx context.Context, token plugin.Secret) (*plugin.Credential, error) {
	o := s.options
	client := s.client(plugin.Secret{})
	address := client.ServiceURL("OS-FEDERATION", "identity_providers", url.PathEscape(o.IdentityProvider), "protocols",
		url.PathEscape(o.Protocol), "auth")
	var body document
	sent := time.Now()
	resp, err := post(ctx, client, address, nil, &body, gophercloud.RequestOpts{
		MoreHeaders: map[string]string{"Authorization": "Bearer " + token.Reveal()},
		OkCodes:     []int{http.StatusOK, http.StatusCreated},
	})
	a, err := body.check(resp, err, sent, true)
	if err != nil {
		return nil, explain(err, o.AuthURL, advice{
			what:    "the token of the identity provider " + o.IdentityProvider,
			purpose: "log in with it",
			hint: "check identity_provider, protocol and access_token_type; the provider's token may be for " +
				"another audience" +
				expiredHint(token),
		}, token)
	}
	return s.accept(ctx, a)
}

// expiredHint returns a hint if the token has expired by this machine's clock, or "".
func expiredHint(token plugin.Secret) string {
	if end := plugin.ParseClaims(token).Expires; !end.IsZero() && end.Before(time.Now()) {
		return "; it expired at " + end.Format(time.RFC3339)
	}
	return ""
}
