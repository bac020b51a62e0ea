// Package login has persons log in at an OAuth 2.0 server: at the browser of this machine
// (RFC 8252), or with a code at the browser of another (RFC 8628). Later fetches use the
// refresh token.
//
// It is the lowest level of the profiles of several issuers. Profiles with the same server,
// client and scope share one login.
package login

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/jeton-cli/jeton/plugin"
)

// issuer is that of the level. No profile can name it.
var issuer = plugin.Issuer{Name: "person's login", Gives: plugin.BearerToken}

// The flows.
const (
	Code   = "authorization_code"
	Device = "device_code"
)

// Options are what decides whose login it is, and at which server. They are complete when
// an issuer makes them.
type Options struct {
	// Issuer is the OpenID Connect issuer. Without it, the rest comes from the document at
	// DiscoveryEndpoint, whose issuer is not checked, or from the endpoints.
	Issuer                string `yaml:"issuer"`
	DiscoveryEndpoint     string `yaml:"discovery_endpoint"`
	AuthorizationEndpoint string `yaml:"authorization_endpoint"`
	DeviceEndpoint        string `yaml:"device_authorization_endpoint"`
	TokenEndpoint         string `yaml:"token_endpoint"`

	Flow         string           `yaml:"flow"`
	ClientID     string           `yaml:"client_id"`
	ClientSecret plugin.SecretRef `yaml:"client_secret"`
	AuthMethod   string           `yaml:"auth_method"`
	PrivateKey   plugin.Path      `yaml:"private_key"`
	// Scope is what to ask for. Without one, it is openid and profile, as keystoneauth has
	// it, and offline_access if the server knows that.
	Scope    string `yaml:"scope"`
	Audience string `yaml:"audience"`
	// DPoP binds the refresh token to a key on this machine (RFC 9449).
	DPoP bool `yaml:"dpop"`

	// RedirectURI is where the browser comes back to. Port 0 is any that is free.
	RedirectURI string `yaml:"redirect_uri" key:"-"`
	// RefreshStore is where the refresh token is kept: sealed, file or none.
	RefreshStore string `yaml:"refresh_store" key:"-"`

	PlainHTTP bool
	// Assert, for auth_method private_key_jwt, returns the client's assertion (RFC 7523) for
	// a token endpoint.
	Assert func(endpoint string) (plugin.Secret, error)
}

// Complete does nothing: the options are made by an issuer, which has checked its own.
func (o *Options) Complete(*plugin.Common) error { return nil }

// LevelIssuer returns the issuer of the level.
func (o *Options) LevelIssuer() *plugin.Issuer { return &issuer }

// Session returns what identifies the session at the server: all but the scope and the
// way to log in.
func (o *Options) Session() plugin.Options {
	session := *o
	session.Scope, session.Flow, session.AuthorizationEndpoint, session.DeviceEndpoint = "", "", "", ""
	return &session
}

// Source returns the source of the tokens.
func (o *Options) Source(env *plugin.Env) plugin.Source { return &source{o, env} }

// Stores are the values of refresh_store.
var Stores = []string{"sealed", "file", "none"}

// CheckStore returns a [plugin.Config] error if there is no such refresh_store.
func CheckStore(name string) error {
	if name == "" || slices.Contains(Stores, name) {
		return nil
	}
	return plugin.Errorf(plugin.Config, "refresh_store: there is no %q", plugin.Shorten(name)).
		WithHint("there are: %s", strings.Join(Stores, ", "))
}

type source struct {
	options *Options
	env     *plugin.Env
}

// At returns the host of the server.
func (s *source) At() string {
	o := s.options
	for _, address := range []string{o.Issuer, o.DiscoveryEndpoint, o.AuthorizationEndpoint, o.DeviceEndpoint} {
		if u, err := url.Parse(address); err == nil && u.Host != "" {
			return u.Host
		}
	}
	return "the issuer"
}

// Fetch gets new tokens for the refresh token of the last login.
func (s *source) Fetch(ctx context.Context, _ *plugin.Credential) (c *plugin.Credential, err error) {
	e := s.env.Grants.Update(ctx, s.options.RefreshStore, func(g *plugin.Grant) (*plugin.Grant, error) {
		switch {
		case g == nil:
			err = s.env.LoginNeeded("a login at " + s.At() + " is needed")
		case !covers(g.Scope, s.options.Scope):
			err = s.env.LoginNeeded("a login at " + s.At() + " is needed: the last one was for less scope")
		default:
			c, g, err = s.refresh(ctx, g)
		}
		return g, err
	})
	if err == nil {
		err = e
	}
	return c, err
}

// refresh shows the refresh token to the server. It returns the grant to keep, which is
// nil if the server has ended it.
func (s *source) refresh(ctx context.Context, g *plugin.Grant) (*plugin.Credential, *plugin.Grant, error) {
	ends, err := s.endpoints(ctx)
	if err != nil {
		return nil, g, err
	}
	r, err := s.request(ctx, ends.TokenEndpoint, g.ProofKey)
	if err != nil {
		return nil, g, err
	}
	r.Form.Set("grant_type", "refresh_token")
	r.Form.Set("refresh_token", g.RefreshToken.Reveal())
	if wanted := s.options.scope(ends); !covers(wanted, g.Scope) {
		r.Form.Set("scope", wanted) // others, which share the session, wanted more
	}
	r.Secrets = append(r.Secrets, g.RefreshToken)
	r.Once = true // a second request would be taken for a thief's
	answer, err := r.Do(ctx, s.env)
	if err != nil {
		if e := plugin.AsError(err); e.Invalid {
			return nil, nil, s.env.LoginNeeded("the session at " + s.At() + " has ended: log in again")
		}
		return nil, g, err
	}
	c, err := s.credential(answer, ends, "")
	if err == nil && g.Subject != "" && c.Attrs[plugin.AttrSubject] != "" && c.Attrs[plugin.AttrSubject] != g.Subject {
		// Nothing of the other's is kept. If the server has mixed up one answer, the session is as it was.
		return nil, g, plugin.Errorf(plugin.Unusable, "%s gives a token of another user than the one who logged in",
			s.At()).WithFix(s.env.LoginCommand()...).RememberFor(time.Minute)
	}
	renewed := *g
	if !answer.RefreshToken.IsZero() {
		renewed.RefreshToken = answer.RefreshToken
	}
	return c, &renewed, err
}

// Login has a person log in.
func (s *source) Login(ctx context.Context, tell func(plugin.Prompt) error) (*plugin.Credential, error) {
	ends, err := s.endpoints(ctx)
	if err != nil {
		return nil, err
	}
	if s.options.Flow == Device {
		return s.loginByDevice(ctx, ends, tell)
	}
	return s.loginByCode(ctx, ends, tell)
}

// loggedIn keeps what a login for this scope has left behind, and returns its credential.
func (s *source) loggedIn(ctx context.Context, answer *plugin.TokenResponse, ends *plugin.Discovery,
	scope, nonce string, proofKey plugin.Secret) (*plugin.Credential, error) {
	c, err := s.credential(answer, ends, nonce)
	if err == nil {
		err = c.Check(time.Now()) // before the last session is given up for it
	}
	if err != nil {
		return nil, err
	}
	err = s.env.Grants.Update(ctx, s.options.RefreshStore, func(*plugin.Grant) (g *plugin.Grant, err error) {
		if answer.RefreshToken.IsZero() {
			return nil, nil
		}
		g = &plugin.Grant{RefreshToken: answer.RefreshToken, Scope: scope, Subject: c.Attrs[plugin.AttrSubject],
			ProofKey: proofKey}
		if own := s.options.scope(ends); !covers(own, scope) {
			// A token for this profile's scope alone: now, since there may be no place to keep the grant.
			c, g, err = s.refresh(ctx, g)
		}
		return g, err
	})
	if err == nil {
		c.Fixed = answer.RefreshToken.IsZero()
	}
	return c, err
}

// covers reports whether all words of the scope wanted are in granted.
func covers(granted, wanted string) bool {
	words := strings.Fields(granted)
	return !slices.ContainsFunc(strings.Fields(wanted), func(w string) bool { return !slices.Contains(words, w) })
}

// wholeScope returns the scope for all profiles that share the session. With it, they need
// one login together.
func (s *source) wholeScope(ends *plugin.Discovery) string {
	words := strings.Fields(s.options.scope(ends))
	if s.env.Sharers == nil {
		return strings.Join(words, " ")
	}
	for _, sharer := range s.env.Sharers() {
		if o, ok := sharer.(*Options); ok {
			words = append(words, strings.Fields(o.scope(ends))...)
		}
	}
	var once []string
	for _, w := range words {
		if !slices.Contains(once, w) {
			once = append(once, w)
		}
	}
	return strings.Join(once, " ")
}

// Revoke ends the session at the server (RFC 7009), and forgets it here.
func (s *source) Revoke(ctx context.Context, c *plugin.Credential) (err error) {
	e := s.env.Grants.Update(ctx, s.options.RefreshStore, func(g *plugin.Grant) (*plugin.Grant, error) {
		token, kind := plugin.Secret{}, "refresh_token"
		if g != nil {
			token = g.RefreshToken
		} else if c != nil {
			token, kind = c.Token, "access_token"
		}
		err = plugin.ErrNotRevoked
		if !token.IsZero() {
			err = s.revoke(ctx, token, kind)
		}
		return nil, nil
	})
	if e != nil && (err == nil || errors.Is(err, plugin.ErrNotRevoked)) {
		return e
	}
	return err
}

func (s *source) revoke(ctx context.Context, token plugin.Secret, kind string) error {
	ends, err := s.endpoints(ctx)
	switch {
	case err != nil:
		return err
	case ends.RevocationEndpoint == "":
		return plugin.ErrNotRevoked
	}
	r, err := s.request(ctx, ends.RevocationEndpoint, plugin.Secret{})
	if err != nil {
		return err
	}
	r.Form.Set("token", token.Reveal())
	r.Form.Set("token_type_hint", kind)
	r.Secrets = append(r.Secrets, token)
	return r.Send(ctx, s.env)
}

// endpoints returns the endpoints that the options name, or those of the discovery
// document.
func (s *source) endpoints(ctx context.Context) (*plugin.Discovery, error) {
	o := s.options
	d := &plugin.Discovery{}
	address := o.DiscoveryEndpoint
	if o.Issuer != "" {
		address = strings.TrimSuffix(o.Issuer, "/") + "/.well-known/openid-configuration"
	}
	if address != "" && (o.TokenEndpoint == "" || o.AuthorizationEndpoint == "" && o.DeviceEndpoint == "") {
		found, err := plugin.Discover(ctx, s.env, address, o.Issuer, o.PlainHTTP)
		if err != nil {
			return nil, err
		}
		*d = *found
	}
	for _, option := range []struct {
		value string
		to    *string
	}{{o.TokenEndpoint, &d.TokenEndpoint}, {o.AuthorizationEndpoint, &d.AuthorizationEndpoint},
		{o.DeviceEndpoint, &d.DeviceEndpoint}} {
		if option.value != "" {
			*option.to = option.value
		}
	}
	return d, nil
}

// request returns a request of the client to an endpoint, with nothing in it yet.
func (s *source) request(ctx context.Context, endpoint string, proofKey plugin.Secret) (*plugin.TokenRequest, error) {
	o := s.options
	r := &plugin.TokenRequest{Endpoint: endpoint, ClientID: o.ClientID, AuthMethod: o.AuthMethod, Form: url.Values{}}
	switch {
	case o.Assert != nil:
		assertion, err := o.Assert(endpoint)
		if err != nil {
			return nil, err
		}
		r.Form.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
		r.Form.Set("client_assertion", assertion.Reveal())
		r.Secrets = append(r.Secrets, assertion)
	case !o.ClientSecret.IsZero():
		var err error
		if r.ClientSecret, err = o.ClientSecret.ResolveAs(ctx, "client_secret", s.env); err != nil {
			return nil, err
		}
	}
	if !proofKey.IsZero() {
		proof, err := proofBy(proofKey)
		if err != nil {
			return nil, err
		}
		r.Proof = proof
	}
	return r, nil
}

// scope returns the scope to ask for.
func (o *Options) scope(ends *plugin.Discovery) string {
	switch {
	case o.Scope != "":
		return o.Scope
	case o.RefreshStore != "none" && slices.Contains(ends.Scopes, "offline_access"):
		return "openid profile offline_access"
	}
	return "openid profile"
}

// credential returns the tokens of answer as one credential, which lives as long as the
// first of them.
func (s *source) credential(answer *plugin.TokenResponse, ends *plugin.Discovery, nonce string) (*plugin.Credential,
	error) {
	c := &plugin.Credential{Token: answer.AccessToken, IDToken: answer.IDToken, Issued: answer.Issued,
		Attrs: map[string]string{plugin.AttrClientID: s.options.ClientID}}
	if strings.EqualFold(answer.TokenType, "DPoP") {
		c.Token = plugin.Secret{} // callers would send it as a Bearer, and be refused
	}
	if !c.Token.IsZero() {
		c.Expires = answer.Expiry(c.Token)
	}
	if !c.IDToken.IsZero() {
		claims := plugin.ParseClaims(c.IDToken)
		if err := s.checkIDToken(claims, ends, nonce); err != nil {
			return nil, err
		}
		if end := answer.Expiry(c.IDToken); c.Expires.IsZero() || end.Before(c.Expires) {
			c.Expires = end
		}
		c.Attrs[plugin.AttrSubject], c.Attrs[plugin.AttrIssuer] = claims.Subject, claims.Issuer
		if claims.Name != "" {
			c.Attrs[plugin.AttrUserName] = claims.Name
		}
	}
	if !c.Issued.Before(c.Expires) {
		c.Issued = c.Expires.Add(-time.Minute)
	}
	return c, nil
}

// checkIDToken checks who an ID token is from and for (OpenID Connect Core, section
// 3.1.3.7). The token came from the token endpoint itself, so that its signature says
// nothing more.
func (s *source) checkIDToken(claims plugin.Claims, ends *plugin.Discovery, nonce string) error {
	o, wrong := s.options, ""
	expected := o.Issuer
	if expected == "" {
		expected = ends.Issuer
	}
	switch {
	case claims.Subject == "" || claims.Issuer == "":
		wrong = "names no user or no issuer"
	case expected != "" && claims.Issuer != expected:
		wrong = "is of another issuer"
	case !slices.Contains(claims.Audience, o.ClientID):
		wrong = "is for another client"
	case claims.Party != "" && claims.Party != o.ClientID:
		wrong = "was made for another client"
	case nonce != "" && claims.Nonce != nonce:
		wrong = "is of another login"
	default:
		return nil
	}
	return plugin.Errorf(plugin.Unusable, "the ID token of %s %s", s.At(), wrong).RememberFor(time.Minute)
}

// shownName returns how the user of c is called, or "".
func shownName(c *plugin.Credential) string {
	if name := c.Attrs[plugin.AttrUserName]; name != "" {
		return name
	}
	return c.Attrs[plugin.AttrSubject]
}
