package keystone

import (
	"github.com/jeton-cli/jeton/plugin"
	"github.com/jeton-cli/jeton/plugin/login"
)

// person reports whether a person logs in at the OpenID Connect provider.
func (o *Options) person() bool {
	return o.AuthType == "v3oidcauthcode" || o.AuthType == "v3oidcdeviceauthz"
}

// completePerson checks the options that only a person's login at the provider has.
func (o *Options) completePerson() (err error) {
	switch {
	case !o.person():
		return nil
	case !o.Code.IsZero():
		return plugin.Errorf(plugin.Config, "code: a code is good for one login, and jeton gets its own").
			WithHint("leave it out: jeton login opens the browser")
	case o.CodeChallengeMethod != "" && o.CodeChallengeMethod != "S256" && o.CodeChallengeMethod != "plain":
		return plugin.Errorf(plugin.Config, "code_challenge_method: must be S256")
	}
	if err := login.CheckStore(o.RefreshStore); err != nil {
		return err
	}
	o.redirect, err = login.Redirect(o.RedirectURI, o.RedirectPort)
	return err
}

// login returns the options of a person's login at the provider.
func (o *Options) login() *login.Options {
	flow := login.Code
	if o.AuthType == "v3oidcdeviceauthz" {
		flow = login.Device
	}
	return &login.Options{
		DiscoveryEndpoint: o.DiscoveryEndpoint, TokenEndpoint: o.AccessTokenEndpoint,
		AuthorizationEndpoint: o.AuthorizationEndpoint, DeviceEndpoint: o.DeviceEndpoint, Flow: flow,
		ClientID: o.ClientID, ClientSecret: o.ClientSecret, AuthMethod: plugin.BasicRaw, Scope: o.OpenIDScope,
		RedirectURI: o.redirect, RefreshStore: o.RefreshStore, PlainHTTP: o.plainHTTP,
	}
}

// tokenOf returns the token to show to Keystone from those of the person's login.
func (s *source) tokenOf(below *plugin.Credential) (*plugin.Credential, error) {
	c := *below
	if s.options.AccessTokenType == "id_token" {
		c.Token = below.IDToken
	}
	if c.Token.IsZero() {
		return nil, s.options.noToken(hostOf(s.options.DiscoveryEndpoint))
	}
	return &c, nil
}

// noToken returns the error for a provider that does not give the token for Keystone.
func (o *Options) noToken(host string) error {
	return plugin.Errorf(plugin.Unusable, "the identity provider %s gives no %s", host, o.AccessTokenType).
		WithHint("choose the other access_token_type, or add openid to openid_scope").RememberFor(deniedFor)
}
