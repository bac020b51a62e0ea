package plugin

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// This file holds what the issuers that speak OAuth 2.0 share: the token request, the
// discovery document, and the words for their failures. It does not use
// golang.org/x/oauth2, because that repeats requests, wants an access_token where an ID
// token will do, and prints whole answers in its errors.

// A TokenRequest is a request to the token endpoint of an OAuth 2.0 server.
//
// https://www.rfc-editor.org/rfc/rfc6749#section-3.2
type TokenRequest struct {
	Endpoint string
	Form     url.Values
	ClientID string
	// ClientSecret authenticates the client, if it has a secret. AuthMethod says how, in
	// the terms of OpenID Connect: client_secret_basic or client_secret_post. BasicRaw is
	// keystoneauth's own method.
	ClientSecret Secret
	AuthMethod   string
	// Secrets are the secrets in Form.
	Secrets []Secret
	// Once says that the request can be sent only once.
	Once bool
}

// BasicRaw is HTTP Basic authentication with the id and secret as they are. RFC 6749
// wants them form-encoded first (client_secret_basic). Neither keystoneauth nor the
// servers it was made for do that.
const BasicRaw = "basic_raw"

// A TokenResponse is the answer to a [TokenRequest].
type TokenResponse struct {
	AccessToken Secret
	IDToken     Secret
	TokenType   string
	Issued      time.Time
	ExpiresIn   time.Duration // 0 if the server does not say
	IssuedType  string        // of a token exchange (RFC 8693, section 3)

	clock Clock
}

// Do sends r. Its errors are meant for the user: they name the code of an OAuth error and
// repeat nothing else from the answer.
func (r *TokenRequest) Do(ctx context.Context, env *Env) (*TokenResponse, error) {
	req, err := r.request(ctx)
	if err != nil {
		return nil, err
	}
	issued := time.Now()
	resp, body, err := Exchange(env.HTTP, req)
	if err != nil {
		return nil, err
	}
	if err := StatusError(req.URL.Host, resp.StatusCode, resp.Header, time.Now()); err != nil {
		return nil, err
	}
	var a tokenAnswer
	malformed := DecodeJSON(body, &a)
	parsed := malformed == nil
	if code, ok := a.Error.(string); ok && parsed && code != "" {
		env.Log("%s: %s: %s", env.Profile, req.URL.Host, r.harmless(code+": "+a.Description))
		if e := oauthError(req.URL.Host, code); e != nil {
			return nil, e
		}
	}
	if resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusCreated {
		return nil, statusOf(req.URL, resp.StatusCode)
	}
	if kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type")); !parsed || kind == "text/html" {
		return nil, Errorf(Unusable, "%s does not answer as an OAuth 2.0 server does%s", req.URL.Host,
			JSONFault(malformed)).
			WithHint("check the token endpoint: %s", withoutQuery(req.URL)).RememberFor(throttled)
	}
	clock := ReadClock(issued, resp.Header)
	clock.Check(env, req.URL.Host, time.Time{})
	return a.response(req.URL.Host, clock)
}

// request returns r as an HTTP request.
func (r *TokenRequest) request(ctx context.Context) (*http.Request, error) {
	form := url.Values{}
	for name, values := range r.Form {
		form[name] = values
	}
	id, secret, basic := r.ClientID, r.ClientSecret.Reveal(), ""
	switch {
	case secret != "" && r.AuthMethod == BasicRaw:
		basic = id + ":" + secret
	case secret != "" && r.AuthMethod != "client_secret_post":
		basic = url.QueryEscape(id) + ":" + url.QueryEscape(secret)
	default:
		if id != "" {
			form.Set("client_id", id)
		}
		if secret != "" {
			form.Set("client_secret", secret)
		}
	}
	if r.Once {
		ctx = SendOnce(ctx)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.Endpoint, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, Errorf(Config, "the token endpoint is not a URL")
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	if basic != "" {
		req.Header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(basic)))
	}
	return req, nil
}

// A tokenAnswer is the answer of a token endpoint: RFC 6749, sections 5.1 and 5.2, and
// RFC 8693, section 2.2.
type tokenAnswer struct {
	AccessToken string          `json:"access_token"`
	IDToken     string          `json:"id_token"`
	TokenType   string          `json:"token_type"`
	ExpiresIn   json.RawMessage `json:"expires_in"`
	IssuedType  any             `json:"issued_token_type"`
	Error       any             `json:"error"`
	Description string          `json:"error_description"`
}

// response converts the answer of host, which has this clock.
func (a *tokenAnswer) response(host string, clock Clock) (*TokenResponse, error) {
	t := &TokenResponse{
		AccessToken: NewSecret(a.AccessToken), IDToken: NewSecret(a.IDToken), TokenType: a.TokenType,
		Issued: clock.Sent, clock: clock,
	}
	t.IssuedType, _ = a.IssuedType.(string)
	var err error
	if t.ExpiresIn, err = expiresIn(a.ExpiresIn); err != nil {
		return nil, Errorf(Unusable, "%s gives its token a life that makes no sense (expires_in)", host).
			RememberFor(throttled)
	}
	return t, nil
}

// harmless returns a server's text for the log. It withholds the text if that holds a
// secret that was sent.
func (r *TokenRequest) harmless(text string) string {
	said := Said(text, append([]Secret{r.ClientSecret}, r.Secrets...)...)
	if said == "" {
		return Withheld
	}
	return strconv.Quote(said)
}

// expiresIn reads expires_in, which servers write as a number or as text. It returns 0 if
// there is none.
func expiresIn(raw json.RawMessage) (time.Duration, error) {
	text := strings.Trim(string(raw), `"`)
	if text == "" || text == "null" {
		return 0, nil
	}
	seconds, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(seconds) || seconds < 1 || seconds > 10*365*24*3600 { // below 1, it would be as absent
		return 0, Errorf(Unusable, "no usable life")
	}
	return time.Duration(seconds * float64(time.Second)), nil
}

// deniedFor is how long a refusal is remembered, so that a storm of callers does not lock
// an account.
const deniedFor = time.Minute

// oauthErrors are the error codes of RFC 6749, 7523, 8628, 8693 and OpenID Connect, with
// what they mean and what to do. Other codes could be anything and are not repeated.
var oauthErrors = map[string]struct {
	code       Code
	text, hint string
}{
	"invalid_client": {Denied, "does not know the client, or its secret is wrong",
		"check client_id and client_secret, and that the client belongs to this server and region"},
	"invalid_grant": {Denied, "refused what the client logs in with",
		"it has expired, was revoked, or is wrong: get a new one"},
	"unauthorized_client": {Denied, "does not allow this client to log in so",
		"ask for the grant at the server, or choose another flow"},
	"access_denied":        {Denied, "denied access", "the server's policy refuses this client"},
	"login_required":       {Denied, "wants a login", ""},
	"interaction_required": {Denied, "wants a login", ""},
	"consent_required":     {Denied, "wants the user's consent", ""},
	"invalid_token":        {Denied, "refused the token", "it has expired or was revoked: get a new one"},
	"invalid_scope": {Config, "does not know the scope, or does not give it to this client",
		"check scope (openid_scope)"},
	"invalid_target":            {Config, "does not know the audience", "check audience"},
	"unsupported_grant_type":    {Config, "does not support this way to log in", "choose another flow (auth_type)"},
	"unsupported_response_type": {Config, "does not support this way to log in", "choose another flow (auth_type)"},
	"invalid_request": {Config, "cannot use the request",
		"check scope, audience and auth_method; --verbose shows what the server says"},
	"server_error":            {Network, "has failed", ""},
	"temporarily_unavailable": {Later, "is not available for now", ""},
}

func oauthError(host, code string) *Error {
	known, ok := oauthErrors[code]
	if !ok {
		return nil // the HTTP status decides instead
	}
	e := Errorf(known.code, "%s %s (%s)", host, known.text, code)
	e.Hint = known.hint
	switch known.code {
	case Denied:
		return e.RememberFor(deniedFor)
	case Config:
		return e.RememberFor(10 * time.Second)
	}
	return e.RememberFor(throttled)
}

// statusOf returns the error for a refusal that the answer does not explain.
func statusOf(u *url.URL, status int) error {
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden:
		return Errorf(Denied, "%s refused the login (HTTP %d)", u.Host, status).
			WithHint("check client_id and client_secret").RememberFor(deniedFor)
	case http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusGone, http.StatusNotImplemented,
		http.StatusMultipleChoices:
		e := Errorf(Config, "there is no token endpoint at %s (HTTP %d)", withoutQuery(u), status).
			WithHint("check the address").RememberFor(10 * time.Second)
		return Because(e, errNoEndpoint)
	}
	return Errorf(Unusable, "%s answered HTTP %d", u.Host, status).RememberFor(10 * time.Second)
}

func withoutQuery(u *url.URL) string { return u.Scheme + "://" + u.Host + u.Path }

// Expiry returns when the token expires. The answer's expires_in decides, except for an
// ID token that is a JWT: that has its own expiry. Without expires_in, a JWT's own expiry
// decides. Without both, the token expires five minutes after it was issued, because a
// server that says nothing does not intend a long life.
func (t *TokenResponse) Expiry(token Secret) time.Time {
	claims := ParseClaims(token)
	switch {
	case !claims.Expires.IsZero() && (t.ExpiresIn == 0 || token == t.IDToken):
		return t.until(claims) // expires_in is about the access token
	case t.ExpiresIn > 0:
		return t.Issued.Add(t.ExpiresIn)
	}
	return t.Issued.Add(5 * time.Minute)
}

// until returns the expiry of a JWT by this machine's clock. Servers may return a token that
// is older than the request, so the earlier of its two readings counts.
func (t *TokenResponse) until(claims Claims) time.Time {
	clock := Clock{Sent: t.Issued, Ahead: t.clock.Ahead}
	until := clock.Older(claims.Expires)
	if _, created := clock.Created(claims.Issued, claims.Expires); created.Before(until) {
		return created
	}
	return until
}

// Claims are what a JWT says about itself. They are not verified: the server that gets
// the token does that. They serve to find the expiry and to be shown to the user.
type Claims struct {
	Issuer, Subject string
	Audience        []string
	Expires, Issued time.Time
}

// ParseClaims returns the claims of token. They are empty if the token is not a JWT (RFC
// 7519).
func ParseClaims(token Secret) (c Claims) {
	parts := strings.Split(token.Reveal(), ".")
	if len(parts) != 3 {
		return c
	}
	b, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return c
	}
	var body struct {
		Issuer   string `json:"iss"`
		Subject  string `json:"sub"`
		Audience any    `json:"aud"`
		Expires  any    `json:"exp"`
		Issued   any    `json:"iat"`
	}
	if DecodeJSON(b, &body) != nil {
		return c
	}
	instant := func(v any) (t time.Time) {
		if seconds, ok := v.(float64); ok && seconds > 0 && seconds <= 253402300799 { // the year 9999
			t = time.Unix(int64(seconds), 0).UTC()
		}
		return t
	}
	c.Issuer, c.Subject, c.Expires, c.Issued = body.Issuer, body.Subject, instant(body.Expires), instant(body.Issued)
	switch aud := body.Audience.(type) {
	case string:
		c.Audience = []string{aud}
	case []any:
		for _, a := range aud {
			if s, ok := a.(string); ok {
				c.Audience = append(c.Audience, s)
			}
		}
	}
	return c
}

// A Discovery is the part of an OpenID provider's metadata that jeton uses.
//
// https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderMetadata
type Discovery struct {
	Issuer        string   `json:"issuer"`
	TokenEndpoint string   `json:"token_endpoint"`
	GrantTypes    []string `json:"grant_types_supported"`
}

// discoveryLife is how long a discovery document is kept. Providers change it once in
// years. A request that fails because of an old document makes jeton fetch it again.
const discoveryLife = 24 * time.Hour

// errNoEndpoint says that there is no token endpoint at the address.
var errNoEndpoint = errors.New("no token endpoint")

// WithDiscovery calls send with the token endpoint of the discovery document at address.
// The document is kept. If issuer is not empty, the document must belong to that issuer.
// plainHTTP is the profile's option. The document is fetched again if it does not offer
// the grant or if there is nothing at its endpoint.
func WithDiscovery(ctx context.Context, env *Env, address, issuer string, plainHTTP bool, grant string,
	send func(endpoint string) (*TokenResponse, error)) (*TokenResponse, error) {
	d, err := discover(ctx, env, address, issuer, plainHTTP, false)
	if err != nil {
		return nil, err
	}
	var failure error
	if d.supports(grant) {
		answer, err := send(d.TokenEndpoint)
		if !errors.Is(err, errNoEndpoint) {
			return answer, err
		}
		failure = err
	}
	former := d.TokenEndpoint
	if d, err = discover(ctx, env, address, issuer, plainHTTP, true); err != nil {
		return nil, err
	}
	switch {
	case !d.supports(grant):
		host := address
		if u, err := url.Parse(address); err == nil {
			host = u.Host
		}
		return nil, Errorf(Config, "%s does not offer the grant %s", host, grant).
			WithHint("choose another flow (auth_type)").RememberFor(10 * time.Second)
	case failure != nil && d.TokenEndpoint == former:
		return nil, failure
	}
	return send(d.TokenEndpoint)
}

func discover(ctx context.Context, env *Env, address, issuer string, plainHTTP, refresh bool) (*Discovery, error) {
	b, err := env.Keep(ctx, "discovery "+address, discoveryLife, refresh, func(ctx context.Context) ([]byte, error) {
		b, err := fetchDiscovery(ctx, env, address)
		if err == nil {
			_, err = parseDiscovery(b, address, issuer, plainHTTP)
		}
		return b, err
	})
	if err != nil {
		return nil, err
	}
	return parseDiscovery(b, address, issuer, plainHTTP)
}

func fetchDiscovery(ctx context.Context, env *Env, address string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, Errorf(Config, "the discovery address is not a URL")
	}
	req.Header.Set("Accept", "application/json")
	resp, body, err := Exchange(env.HTTP, req)
	if err != nil {
		return nil, err
	}
	if err := StatusError(req.URL.Host, resp.StatusCode, resp.Header, time.Now()); err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, Errorf(Config, "there is no discovery document at %s (HTTP %d)", withoutQuery(req.URL),
			resp.StatusCode).
			WithHint("a browser shows {\"issuer\": …} at the right address").RememberFor(10 * time.Second)
	}
	return body, nil
}

func parseDiscovery(b []byte, address, issuer string, plainHTTP bool) (*Discovery, error) {
	host := address
	if u, err := url.Parse(address); err == nil {
		host = u.Host
	}
	var d Discovery
	if err := DecodeJSON(b, &d); err != nil || d.TokenEndpoint == "" {
		return nil, Errorf(Unusable, "%s has no usable discovery document%s", host, JSONFault(err)).
			WithHint("check the address: %s", address).RememberFor(throttled)
	}
	if issuer != "" && d.Issuer != issuer {
		return nil, Errorf(Unusable, "the discovery document of %s is another issuer's: %s", issuer,
			strconv.Quote(Shorten(d.Issuer))).
			WithHint("if that is the one you mean, write it as issuer, letter by letter").RememberFor(throttled)
	}
	u, err := url.Parse(d.TokenEndpoint)
	if err == nil && strings.HasPrefix(address, "https:") && u.Scheme != "https" {
		return nil, Errorf(Unusable, "the discovery document of %s names a token endpoint without TLS", host).
			RememberFor(throttled)
	}
	if err == nil && (u.User != nil || u.Fragment != "") {
		err = Errorf(Unusable, "")
	}
	if err == nil {
		err = checkTransport(u, plainHTTP)
	}
	if err != nil {
		return nil, Errorf(Unusable, "the discovery document of %s names a token endpoint that cannot be used", host).
			RememberFor(throttled)
	}
	return &d, nil
}

// supports reports whether the provider offers the grant type, or does not say what it
// offers.
func (d *Discovery) supports(grant string) bool {
	return len(d.GrantTypes) == 0 || slices.Contains(d.GrantTypes, grant)
}
