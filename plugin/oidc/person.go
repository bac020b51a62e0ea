package oidc

import (
	"context"
	"time"

	"github.com/jeton-cli/jeton/plugin"
	"github.com/jeton-cli/jeton/plugin/login"
)

// checkPerson checks the options of a flow in which a person logs in.
func (o *Options) checkPerson() error {
	second := o.AuthorizationEndpoint
	if o.Flow == login.Device {
		second = o.DeviceEndpoint
	}
	switch {
	case o.ClientID == "":
		return missing("client_id", o.Flow)
	case o.Issuer == "" && o.TokenEndpoint != "" && second == "":
		return plugin.Errorf(plugin.Config, "issuer is missing").
			WithHint("name it, or beside the token_endpoint the authorization_endpoint or " +
				"device_authorization_endpoint")
	case o.DPoP && o.Token != "id_token":
		return plugin.Errorf(plugin.Config, "dpop: only an ID token is still a bearer token with it").
			WithHint("write token: id_token, or leave dpop out")
	}
	if err := login.CheckStore(o.RefreshStore); err != nil {
		return err
	}
	var err error
	o.redirect, err = login.Redirect(o.RedirectURI, o.RedirectPort)
	return err
}

// Below returns the level of a person's login, which profiles with other tokens of it
// share.
func (o *Options) Below() plugin.Options {
	if o.Flow != login.Code && o.Flow != login.Device {
		return nil
	}
	below := &login.Options{
		Issuer: o.Issuer, TokenEndpoint: o.TokenEndpoint, AuthorizationEndpoint: o.AuthorizationEndpoint,
		DeviceEndpoint: o.DeviceEndpoint, Flow: o.Flow, ClientID: o.ClientID, ClientSecret: o.ClientSecret,
		AuthMethod: o.AuthMethod, PrivateKey: o.PrivateKey, Scope: o.Scope, Audience: o.Audience, DPoP: o.DPoP,
		RedirectURI: o.redirect, RefreshStore: o.RefreshStore, PlainHTTP: o.plainHTTP,
	}
	if o.AuthMethod == "private_key_jwt" {
		below.Assert = func(endpoint string) (plugin.Secret, error) {
			return (&source{options: o}).assertion(endpoint, time.Now())
		}
	}
	return below
}

// person returns the wanted token of the person's login.
func (s *source) person(ctx context.Context) (*plugin.Credential, error) {
	below, err := s.env.From(ctx, false)
	if err != nil {
		return nil, err
	}
	c := *below
	c.Token, c.IDToken = below.Token, plugin.Secret{}
	if s.options.Token == "id_token" {
		c.Token = below.IDToken
	}
	if c.Token.IsZero() {
		return nil, noToken(s.options.Token)
	}
	c.Attrs = attributes(c.Token, s.options.Token, s.options.ClientID)
	for _, name := range []string{plugin.AttrIssuer, plugin.AttrSubject, plugin.AttrUserName} {
		if v := below.Attrs[name]; v != "" {
			c.Attrs[name] = v
		}
	}
	return &c, nil
}
