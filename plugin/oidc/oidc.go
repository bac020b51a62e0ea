// Package oidc obtains ID tokens and access tokens from any OpenID Connect or OAuth 2.0
// issuer, for machines and for persons.
package oidc

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/jeton-cli/jeton/plugin"
	"github.com/jeton-cli/jeton/plugin/login"
)

// Issuer gives OpenID Connect and OAuth 2.0 tokens.
var Issuer = plugin.Issuer{
	Name:  "oidc",
	Gives: plugin.BearerToken,
	APIServer: "the API server has to be configured for the token's issuer and audience " +
		"(--oidc-issuer-url, or an AuthenticationConfiguration)",
	From: "any OpenID Connect or OAuth 2.0 issuer: a person's login by browser or device code, client credentials, " +
		"token exchange, a token file, GitHub Actions",
	Example: `corp:
  plugin: oidc
  issuer: https://accounts.example
  flow: authorization_code        # a person, at the browser
  client_id: kubernetes
  token: id_token
`,
	Adopt: adopt,
	Ways:  ways,
	New:   func() plugin.Options { return &Options{} },
}

// Options are the options of an oidc profile.
type Options struct {
	Issuer        string `yaml:"issuer" help:"the issuer, exactly as its discovery document has it"`
	TokenEndpoint string `yaml:"token_endpoint" help:"its token endpoint, instead of discovery"`
	Flow          string `yaml:"flow" help:"client_credentials (default), authorization_code, device_code, token_exchange, token_file or github_actions"`

	AuthorizationEndpoint string `yaml:"authorization_endpoint" help:"its authorization endpoint, instead of discovery"`
	DeviceEndpoint        string `yaml:"device_authorization_endpoint" help:"its device authorization endpoint, instead of discovery"`
	RedirectPort          int    `yaml:"redirect_port" key:"-" help:"port of http://localhost:PORT/callback, if the client has that registered (any free port)"`
	RedirectURI           string `yaml:"redirect_uri" key:"-" help:"the whole address, if the client has another one registered"`
	RefreshStore          string `yaml:"refresh_store" key:"-" help:"where to keep a person's refresh token: sealed (default), file or none"`
	DPoP                  bool   `yaml:"dpop" help:"bind a person's session to this machine (RFC 9449); with token: id_token"`

	ClientID     string           `yaml:"client_id" help:"OAuth 2.0 client"`
	ClientSecret plugin.SecretRef `yaml:"client_secret" help:"its secret"`
	PrivateKey   plugin.Path      `yaml:"private_key" help:"PEM file of the client's private key, for private_key_jwt"`
	KeyID        string           `yaml:"key_id" help:"the issuer's name (kid) of that key, if it wants one"`
	AuthMethod   string           `yaml:"auth_method" help:"client_secret_basic (default), client_secret_post, private_key_jwt or none"`

	Scope    string `yaml:"scope" help:"scopes to ask for, with spaces between them"`
	Audience string `yaml:"audience" help:"whom the token is to be for"`
	Token    string `yaml:"token" help:"which token to give: access_token (default) or id_token"`

	SubjectToken     plugin.SecretRef `yaml:"subject_token" help:"token to exchange or to pass on; or token_file, or from"`
	SubjectTokenType string           `yaml:"subject_token_type" help:"its type: id_token, access_token or jwt"`
	TokenFile        plugin.Path      `yaml:"token_file" help:"file of a token that something else renews, such as Kubernetes"`

	plainHTTP, from bool
	redirect        string // where a person's browser comes back to
}

// uses returns the options that the flow uses, apart from those that locate the issuer.
func (o *Options) uses() []string {
	asClient := []string{
		"client_id", "client_secret", "private_key", "key_id", "auth_method", "scope", "audience", "token",
	}
	switch o.Flow {
	case login.Code:
		return append(asClient, "authorization_endpoint", "redirect_port", "redirect_uri", "refresh_store", "dpop")
	case login.Device:
		return append(asClient, "device_authorization_endpoint", "refresh_store", "dpop")
	case "token_exchange":
		return append(asClient, "subject_token", "subject_token_type", "token_file")
	case "token_file":
		return []string{"subject_token", "token_file"}
	case "github_actions":
		return []string{"audience"}
	}
	return asClient
}

// Complete checks o and fills in the defaults. Its errors have the code [plugin.Config].
func (o *Options) Complete(common *plugin.Common) (failures error) {
	o.plainHTTP, o.from = common.PlainHTTP, common.From != ""
	if o.Flow == "" {
		o.Flow = "client_credentials"
	}
	if failures = o.checkFlow(); failures != nil && !slices.Contains(flows, o.Flow) {
		return failures
	}
	uses := append(o.uses(), "flow", "issuer", "token_endpoint")
	for _, name := range plugin.SetOptions(o) {
		if !slices.Contains(uses, name) {
			failures = errors.Join(failures, o.meaningless(name))
		}
	}
	if o.from && o.Flow != "token_exchange" {
		failures = errors.Join(failures, o.meaningless("from"))
	}
	if o.Token != "" && o.Token != "id_token" && o.Token != "access_token" {
		failures = errors.Join(failures, plugin.Errorf(plugin.Config, "token: must be access_token or id_token"))
	}
	if o.Token == "" && slices.Contains(uses, "token") {
		o.Token = "access_token"
	}
	return errors.Join(failures, o.completeClient(), o.completeAddress())
}

func (o *Options) meaningless(option string) error {
	return plugin.Errorf(plugin.Config, "%s has no meaning with flow %s", option, o.Flow).
		WithHint("leave it out, or choose another flow")
}

// flows are the values of flow.
var flows = []string{"client_credentials", login.Code, login.Device, "token_exchange", "token_file", "github_actions"}

// checkFlow returns an error if the flow is unknown, or if the client or token that it
// starts from is missing.
func (o *Options) checkFlow() error {
	subjects := 0
	for _, given := range []bool{!o.SubjectToken.IsZero(), o.TokenFile != "", o.from} {
		if given {
			subjects++
		}
	}
	switch o.Flow {
	case "client_credentials":
		if o.ClientID == "" {
			return missing("client_id", o.Flow)
		}
	case "token_exchange":
		if subjects != 1 {
			return plugin.Errorf(plugin.Config, "token_exchange needs one token to exchange, and there are %d",
				subjects).
				WithHint("name one of from: PROFILE, subject_token, token_file")
		}
	case "token_file":
		if subjects != 1 || o.from {
			return missing("token_file", o.Flow)
		}
	case "github_actions":
	case login.Code, login.Device:
		return o.checkPerson()
	default:
		return plugin.Errorf(plugin.Config, "flow: there is no %q", plugin.Shorten(o.Flow)).
			WithHint("there are: %s", strings.Join(flows, ", "))
	}
	return nil
}

func (o *Options) completeClient() error {
	if o.Flow == "token_file" || o.Flow == "github_actions" {
		return nil
	}
	if o.AuthMethod == "" {
		switch {
		case o.PrivateKey != "":
			o.AuthMethod = "private_key_jwt"
		case !o.ClientSecret.IsZero():
			o.AuthMethod = "client_secret_basic"
		default:
			o.AuthMethod = "none"
		}
	}
	if err := o.checkAuthMethod(); err != nil {
		return err
	}
	if o.AuthMethod != "none" && o.ClientID == "" && o.Flow == "token_exchange" { // the other flows need it anyway
		return missing("client_id", o.AuthMethod)
	}
	if o.AuthMethod == "private_key_jwt" && !o.ClientSecret.IsZero() {
		return plugin.Errorf(plugin.Config, "client_secret has no meaning with auth_method private_key_jwt")
	}
	if o.AuthMethod != "private_key_jwt" && (o.PrivateKey != "" || o.KeyID != "") {
		return plugin.Errorf(plugin.Config, "private_key and key_id have no meaning with auth_method %s", o.AuthMethod)
	}
	switch o.SubjectTokenType {
	case "", "id_token", "access_token", "jwt":
		return nil
	}
	return plugin.Errorf(plugin.Config, "subject_token_type: must be id_token, access_token or jwt")
}

// checkAuthMethod returns an error if the client has nothing to prove itself with in the way
// that auth_method names.
func (o *Options) checkAuthMethod() error {
	switch o.AuthMethod {
	case "client_secret_basic", "client_secret_post":
		if o.ClientSecret.IsZero() {
			return missing("client_secret", o.AuthMethod)
		}
	case "private_key_jwt":
		if o.PrivateKey == "" {
			return missing("private_key", o.AuthMethod)
		}
	case "none":
		if o.Flow == "client_credentials" {
			return missing("client_secret", o.Flow)
		}
	default:
		return plugin.Errorf(plugin.Config, "auth_method: there is no %q", plugin.Shorten(o.AuthMethod)).
			WithHint("there are: client_secret_basic, client_secret_post, private_key_jwt, none")
	}
	return nil
}

func (o *Options) completeAddress() error {
	if o.Flow == "token_file" || o.Flow == "github_actions" {
		if o.Issuer != "" || o.TokenEndpoint != "" {
			return plugin.Errorf(plugin.Config, "issuer and token_endpoint have no meaning with flow %s", o.Flow)
		}
		return nil
	}
	if o.Issuer == "" && o.TokenEndpoint == "" {
		return plugin.Errorf(plugin.Config, "issuer is missing").
			WithHint("it is an address such as issuer: https://accounts.example; or name its token_endpoint")
	}
	for _, address := range []struct{ name, value string }{{"issuer", o.Issuer}, {"token_endpoint", o.TokenEndpoint},
		{"authorization_endpoint", o.AuthorizationEndpoint}, {"device_authorization_endpoint", o.DeviceEndpoint}} {
		if address.value == "" {
			continue
		}
		if _, err := plugin.ParseURL(address.value, o.plainHTTP); err != nil {
			return fmt.Errorf("%s: %w", address.name, err)
		}
	}
	return nil
}

func missing(option, of string) error {
	return plugin.Errorf(plugin.Config, "%s is missing, which %s needs", option, of)
}

// Variables returns the environment variables that identify the GitHub Actions job.
func (o *Options) Variables() []string {
	if o.Flow == "github_actions" {
		return []string{requestURL, requestToken}
	}
	return nil
}

// The variables with the address at which a GitHub Actions job asks for its ID token, and
// with the bearer token for that request.
const (
	requestURL   = "ACTIONS_ID_TOKEN_REQUEST_URL"
	requestToken = "ACTIONS_ID_TOKEN_REQUEST_TOKEN"
)

// Source returns the source of tokens.
func (o *Options) Source(env *plugin.Env) plugin.Source { return &source{o, env} }

type source struct {
	options *Options
	env     *plugin.Env
}

// Fetch obtains a token with the profile's flow.
func (s *source) Fetch(ctx context.Context, _ *plugin.Credential) (*plugin.Credential, error) {
	switch s.options.Flow {
	case "token_file":
		token, _, err := s.subject(ctx)
		if err != nil {
			return nil, err
		}
		c, err := s.passedOn(token)
		if c != nil && s.options.TokenFile == "" {
			c.Fixed = s.options.SubjectToken.InKey() // a command or the keyring may give a newer one
		}
		return c, err
	case "github_actions":
		return s.githubActions(ctx)
	case "token_exchange":
		return s.exchange(ctx)
	case login.Code, login.Device:
		return s.person(ctx)
	}
	return s.request(ctx, url.Values{"grant_type": {"client_credentials"}}, s.options.Token)
}

// subject returns the token to exchange or to pass on, and its type, which is empty if it
// is not known.
func (s *source) subject(ctx context.Context) (plugin.Secret, string, error) {
	o := s.options
	kind := o.SubjectTokenType
	switch {
	case !o.SubjectToken.IsZero():
		token, err := o.SubjectToken.ResolveAs(ctx, "subject_token", s.env)
		return token, kind, err
	case o.TokenFile != "":
		token, err := plugin.ReadTokenFile(string(o.TokenFile))
		return token, kind, err
	}
	c, err := s.env.From(ctx, false)
	if err != nil {
		return plugin.Secret{}, "", err
	}
	if c.Token.IsZero() || c.Attrs[plugin.AttrAuthURL] != "" {
		return plugin.Secret{}, "", plugin.Errorf(plugin.Config,
			"from: that profile gives no token of an OAuth 2.0 server").
			WithHint("name a profile of plugin oidc or ovhcloud")
	}
	if kind == "" {
		kind = c.Attrs[plugin.AttrTokenType]
	}
	return c.Token, kind, nil
}

// passedOn returns the credential for a token that someone else obtained. It returns an
// error if the token has expired or has no expiry.
func (s *source) passedOn(token plugin.Secret) (*plugin.Credential, error) {
	claims := plugin.ParseClaims(token)
	if claims.Expires.IsZero() {
		return nil, plugin.Errorf(plugin.Config, "the token is no JWT with an expiry").
			WithHint("jeton has to know until when it is valid")
	}
	if !claims.Expires.After(time.Now()) {
		return nil, plugin.Errorf(plugin.Denied, "the token expired at %s", claims.Expires.Format(time.RFC3339)).
			WithHint("what renews it has not done so")
	}
	c := &plugin.Credential{Token: token, Issued: claims.Issued, Expires: claims.Expires, Fixed: true}
	if !c.Issued.Before(c.Expires) {
		c.Issued = time.Now()
	}
	c.Attrs = attributes(token, "id_token", "")
	return c, nil
}

// githubActions asks the runner of a GitHub Actions job for the job's ID token.
//
// https://docs.github.com/en/actions/reference/security/oidc
func (s *source) githubActions(ctx context.Context) (*plugin.Credential, error) {
	address, secret := s.env.Getenv(requestURL), s.env.Getenv(requestToken)
	if address == "" || secret == "" {
		return nil, plugin.Errorf(plugin.Config,
			"this is no job of GitHub Actions that may ask for an ID token (ACTIONS_ID_TOKEN_REQUEST_URL is not set)").
			WithHint("give the job \"permissions: id-token: write\"")
	}
	u, err := url.Parse(address)
	if err != nil {
		return nil, plugin.Errorf(plugin.Config, "ACTIONS_ID_TOKEN_REQUEST_URL is not a URL")
	}
	if s.options.Audience != "" {
		query := u.Query()
		query.Set("audience", s.options.Audience)
		u.RawQuery = query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, plugin.Errorf(plugin.Config, "ACTIONS_ID_TOKEN_REQUEST_URL is not a URL")
	}
	req.Header.Set("Authorization", "Bearer "+secret)
	req.Header.Set("Accept", "application/json")
	resp, b, err := plugin.Exchange(s.env.HTTP, req)
	if err != nil {
		return nil, err
	}
	if err := plugin.StatusError(u.Host, resp.StatusCode, resp.Header, time.Now()); err != nil {
		return nil, err
	}
	var body struct {
		Value string `json:"value"`
	}
	if resp.StatusCode == http.StatusUnauthorized || resp.StatusCode == http.StatusForbidden {
		return nil, plugin.Errorf(plugin.Denied, "%s refused the job's request (HTTP %d)", u.Host, resp.StatusCode).
			RememberFor(time.Minute)
	}
	if err = plugin.DecodeJSON(b, &body); resp.StatusCode != http.StatusOK || err != nil || body.Value == "" {
		return nil, plugin.Errorf(plugin.Unusable, "%s gives no ID token (HTTP %d)%s", u.Host, resp.StatusCode,
			plugin.JSONFault(err)).RememberFor(time.Minute)
	}
	c, err := s.passedOn(plugin.NewSecret(body.Value))
	if c != nil {
		c.Fixed = false // the runner gives newer ones
	}
	return c, err
}

// exchange trades one token for another (RFC 8693).
func (s *source) exchange(ctx context.Context) (*plugin.Credential, error) {
	token, kind, err := s.subject(ctx)
	if err != nil {
		return nil, err
	}
	if kind == "" {
		kind = "jwt"
		if len(strings.Split(token.Reveal(), ".")) != 3 {
			kind = "access_token"
		}
	}
	form := url.Values{
		"grant_type":         {"urn:ietf:params:oauth:grant-type:token-exchange"},
		"subject_token":      {token.Reveal()},
		"subject_token_type": {tokenTypes + kind},
	}
	if s.options.Token == "id_token" {
		form.Set("requested_token_type", tokenTypes+"id_token")
	}
	return s.request(ctx, form, s.options.Token, token)
}

const tokenTypes = "urn:ietf:params:oauth:token-type:"

// request asks the token endpoint for the wanted token. secrets are the secrets in form.
func (s *source) request(ctx context.Context, form url.Values, wanted string,
	secrets ...plugin.Secret) (*plugin.Credential, error) {
	o := s.options
	for name, value := range map[string]string{"scope": o.Scope, "audience": o.Audience} {
		if value != "" {
			form.Set(name, value)
		}
	}
	var secret plugin.Secret
	if strings.HasPrefix(o.AuthMethod, "client_secret") {
		var err error
		if secret, err = o.ClientSecret.ResolveAs(ctx, "client_secret", s.env); err != nil {
			return nil, err
		}
	}
	send := func(endpoint string) (*plugin.TokenResponse, error) {
		r := &plugin.TokenRequest{Endpoint: endpoint, ClientID: o.ClientID, ClientSecret: secret,
			AuthMethod: o.AuthMethod, Form: form, Secrets: secrets}
		if o.AuthMethod == "private_key_jwt" {
			assertion, err := s.assertion(endpoint, time.Now())
			if err != nil {
				return nil, err
			}
			form.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
			form.Set("client_assertion", assertion.Reveal())
			r.Secrets = append(r.Secrets, assertion)
			r.Once = true // a server may accept an assertion only once
		}
		return r.Do(ctx, s.env)
	}
	var answer *plugin.TokenResponse
	var err error
	if o.TokenEndpoint != "" {
		answer, err = send(o.TokenEndpoint)
	} else {
		address := strings.TrimSuffix(o.Issuer, "/") + "/.well-known/openid-configuration"
		answer, err = plugin.WithDiscovery(ctx, s.env, address, o.Issuer, o.plainHTTP, form.Get("grant_type"), send)
	}
	if err != nil {
		return nil, err
	}
	return o.credential(answer, wanted)
}

// credential returns the wanted token from answer.
func (o *Options) credential(answer *plugin.TokenResponse, wanted string) (*plugin.Credential, error) {
	if kind := strings.ToLower(answer.TokenType); kind != "" && kind != "bearer" && kind != "n_a" {
		return nil, plugin.Errorf(plugin.Unusable,
			"the issuer gives a token of type %q, which only a program made for it can use",
			plugin.Shorten(answer.TokenType)).RememberFor(time.Minute)
	}
	token := answer.AccessToken
	if wanted == "id_token" && answer.IssuedType != tokenTypes+"id_token" {
		token = answer.IDToken // a token exchange puts it in access_token instead
	}
	if token.IsZero() {
		return nil, noToken(wanted)
	}
	c := &plugin.Credential{Token: token, Issued: answer.Issued, Expires: answer.Expiry(token),
		Attrs: attributes(token, wanted, o.ClientID)}
	if !c.Issued.Before(c.Expires) {
		c.Issued = c.Expires.Add(-time.Minute)
	}
	if o.Issuer != "" {
		c.Attrs[plugin.AttrIssuer] = o.Issuer
	}
	return c, nil
}

// noToken returns the error for an answer without the wanted token.
func noToken(wanted string) error {
	return plugin.Errorf(plugin.Unusable, "the issuer's answer holds no %s", wanted).
		WithHint("choose the other token, or add openid to scope").RememberFor(time.Minute)
}

// Inspect shows what the token says about itself.
func (s *source) Inspect(_ context.Context, credential func() (*plugin.Credential, error)) ([]plugin.Table, error) {
	c, err := credential()
	if err != nil {
		return nil, err
	}
	claims := plugin.ParseClaims(c.Token)
	table := plugin.Table{Name: "identity", Columns: []string{"what", "value"}}
	for _, row := range [][2]string{
		{"token", c.Attrs[plugin.AttrTokenType]}, {"issuer", c.Attrs[plugin.AttrIssuer]}, {"subject", claims.Subject},
		{"audience", strings.Join(claims.Audience, ", ")}, {"client", c.Attrs[plugin.AttrClientID]},
		{"expires", c.Expires.UTC().Format(time.RFC3339)},
	} {
		if row[1] != "" {
			table.Rows = append(table.Rows, row[:])
		}
	}
	return []plugin.Table{table}, nil
}

// attributes returns a token's attributes: its type, its client, and the issuer and
// subject in its claims.
func attributes(token plugin.Secret, kind, client string) map[string]string {
	claims := plugin.ParseClaims(token)
	attrs := map[string]string{plugin.AttrTokenType: kind}
	for name, value := range map[string]string{plugin.AttrIssuer: claims.Issuer, plugin.AttrSubject: claims.Subject,
		plugin.AttrClientID: client} {
		if value != "" {
			attrs[name] = value
		}
	}
	return attrs
}
