package plugin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"math"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

// This file holds the token request, which the issuers that speak OAuth 2.0 share. It is
// made by golang.org/x/oauth2. What that package must not see first is checked in
// [grant.RoundTrip].

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
	// Proof, if not nil, returns the value of the DPoP header for a request (RFC 9449).
	// nonce is what the server wants in it, or empty.
	Proof func(method, address, nonce string) (string, error)

	bare bool // the answer has no token
}

// BasicRaw is HTTP Basic authentication with the id and secret as they are. RFC 6749
// wants them form-encoded first (client_secret_basic). Neither keystoneauth nor the
// servers it was made for do that.
const BasicRaw = "basic_raw"

// A TokenResponse is the answer to a [TokenRequest].
type TokenResponse struct {
	AccessToken  Secret
	IDToken      Secret
	RefreshToken Secret
	TokenType    string
	Issued       time.Time
	ExpiresIn    time.Duration // 0 if the server does not say
	IssuedType   string        // of a token exchange (RFC 8693, section 3)

	clock Clock
}

// Do sends r. Its errors are meant for the user: they name the code of an OAuth error and
// repeat nothing else from the answer.
func (r *TokenRequest) Do(ctx context.Context, env *Env) (*TokenResponse, error) {
	return r.Grant(ctx, env, func(ctx context.Context, c *oauth2.Config) error {
		// Every grant without a person is this one with another grant_type.
		conf := clientcredentials.Config{ClientID: c.ClientID, ClientSecret: c.ClientSecret,
			TokenURL: c.Endpoint.TokenURL, AuthStyle: c.Endpoint.AuthStyle, EndpointParams: r.Form}
		_, err := conf.Token(ctx)
		return err
	})
}

// Grant calls ask, which sends r with x/oauth2's configuration of the client, and returns
// the answer. Errors are as those of [TokenRequest.Do].
func (r *TokenRequest) Grant(ctx context.Context, env *Env,
	ask func(ctx context.Context, c *oauth2.Config) error) (*TokenResponse, error) {
	u, err := url.Parse(r.Endpoint)
	if err != nil {
		return nil, Errorf(Config, "the token endpoint is not a URL")
	}
	c := &oauth2.Config{ClientID: r.ClientID, ClientSecret: r.ClientSecret.Reveal(), Endpoint: oauth2.Endpoint{
		TokenURL: r.Endpoint, AuthStyle: oauth2.AuthStyleInHeader, // without a style, every refusal is sent twice
	}}
	switch {
	case r.AuthMethod == BasicRaw && c.ClientSecret != "":
		c.ClientID, c.ClientSecret, c.Endpoint.AuthStyle = "", "", oauth2.AuthStyleInParams
	case r.AuthMethod == "client_secret_post", c.ClientSecret == "":
		c.Endpoint.AuthStyle = oauth2.AuthStyleInParams
	}
	g := &grant{TokenRequest: r, env: env}
	if r.Once {
		ctx = SendOnce(ctx)
	}
	err = ask(context.WithValue(ctx, oauth2.HTTPClient, g.client(ctx)), c)
	if g.answer != nil { // x/oauth2 wants an access_token, where an ID token may do, and whole seconds
		return g.answer, nil
	}
	if err == nil { // what x/oauth2 took for an answer is an error
		err = &oauth2.RetrieveError{ErrorCode: g.code, Response: &http.Response{StatusCode: http.StatusOK}}
	}
	return nil, Refusal(u, err)
}

// Send sends r to an endpoint whose answer says nothing but that it succeeded, such as that
// of RFC 7009. Errors are as those of [TokenRequest.Do].
func (r *TokenRequest) Send(ctx context.Context, env *Env) error {
	bare := *r
	bare.bare = true
	_, err := bare.Do(ctx, env)
	return err
}

// Refusal returns the error for the failure err of x/oauth2 at the address u. Of what the
// server said, it shows only the code.
func Refusal(u *url.URL, err error) error {
	var sent *url.Error
	var own *Error
	var refused *oauth2.RetrieveError
	switch {
	case errors.As(err, &sent) && errors.As(sent.Err, &own):
		return sent.Err
	case !errors.As(err, &refused):
		return ConnectionError(err, u.Host)
	}
	if e := oauthError(u.Host, refused.ErrorCode); e != nil {
		return e
	}
	return statusOf(u, refused.Response.StatusCode)
}

// A grant is a [TokenRequest] on its way. It is the transport below x/oauth2.
type grant struct {
	*TokenRequest
	env    *Env
	ctx    context.Context // for requests that x/oauth2 sends without one
	answer *TokenResponse
	code   string // of the error that the server answers with
}

// client returns the client that x/oauth2 sends requests with. They end with ctx.
func (g *grant) client(ctx context.Context) *http.Client {
	g.ctx = ctx
	return &http.Client{Transport: g, CheckRedirect: g.env.HTTP.CheckRedirect}
}

// RoundTrip sends a request with the profile's client, and checks the answer before
// x/oauth2 reads it: its size, that it is one document, and that no key is there twice.
func (g *grant) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.Clone(g.ctx)
	req.Header.Set("Accept", "application/json")
	switch id, secret := g.ClientID, g.ClientSecret.Reveal(); {
	case secret == "", g.AuthMethod == "client_secret_post", req.Header.Get("Authorization") != "":
	case g.AuthMethod == BasicRaw:
		req.SetBasicAuth(id, secret)
	default: // a request for a device code, in which x/oauth2 does not authenticate the client
		req.SetBasicAuth(url.QueryEscape(id), url.QueryEscape(secret))
	}
	issued := time.Now()
	resp, body, err := g.send(req)
	if err != nil {
		return nil, err
	}
	if err := StatusError(req.URL.Host, resp.StatusCode, resp.Header, time.Now()); err != nil {
		return nil, err
	}
	if g.bare && resp.StatusCode == http.StatusOK {
		g.answer = &TokenResponse{}
		return resp, nil
	}
	a := tokenAnswer{}
	malformed := DecodeJSON(body, &a)
	if bytes.Equal(bytes.TrimSpace(body), []byte("null")) {
		malformed = errNull
	}
	code, _ := a.Error.(string)
	if malformed != nil {
		code = ""
	}
	if code != "" {
		g.env.Log("%s: %s: %s", g.env.Profile, req.URL.Host, g.harmless(code+": "+a.Description))
	}
	kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	resp.Header.Set("Content-Type", "application/json") // x/oauth2 would take text/plain for a form
	resp.Body = io.NopCloser(bytes.NewReader(body))
	succeeded := resp.StatusCode == http.StatusOK || resp.StatusCode == http.StatusCreated
	switch {
	case oauthError("", code) != nil, code != "" && !succeeded:
		g.code = code
		return resp, nil // x/oauth2 makes an error of the code
	case !succeeded:
		return nil, statusOf(req.URL, resp.StatusCode)
	case malformed != nil, kind == "text/html":
		return nil, Errorf(Unusable, "%s does not answer as an OAuth 2.0 server does%s", req.URL.Host,
			JSONFault(malformed)).
			WithHint("check the token endpoint: %s", withoutQuery(req.URL)).RememberFor(throttled)
	}
	clock := ReadClock(issued, resp.Header)
	clock.Check(g.env, req.URL.Host, time.Time{})
	if g.answer, err = a.response(req.URL.Host, clock); err != nil {
		return nil, err // net/http would print that there are both
	}
	return resp, nil
}

// errNull is about an answer for which x/oauth2 panics.
var errNull = errors.New("the answer is null")

// send sends req, with a proof if the client is to show one. A server may want its own
// nonce in that (RFC 9449, section 8): it says so in a refusal, which costs nothing.
func (g *grant) send(req *http.Request) (*http.Response, []byte, error) {
	if g.Proof == nil {
		return Exchange(g.env.HTTP, req)
	}
	nonce := ""
	for {
		proof, err := g.Proof(req.Method, withoutQuery(req.URL), nonce)
		if err != nil {
			return nil, nil, err
		}
		req.Header.Set("DPoP", proof)
		resp, body, err := Exchange(g.env.HTTP, req)
		if err != nil || nonce != "" || resp.StatusCode != http.StatusBadRequest {
			return resp, body, err
		}
		var a tokenAnswer
		if nonce = resp.Header.Get("DPoP-Nonce"); DecodeJSON(body, &a) != nil || a.Error != "use_dpop_nonce" ||
			nonce == "" {
			return resp, body, nil
		}
		if req.Body, err = req.GetBody(); err != nil {
			return nil, nil, err
		}
	}
}

// A tokenAnswer is the answer of a token endpoint: RFC 6749, sections 5.1 and 5.2, and
// RFC 8693, section 2.2.
type tokenAnswer struct {
	AccessToken string          `json:"access_token"`
	IDToken     string          `json:"id_token"`
	Refresh     string          `json:"refresh_token"`
	TokenType   string          `json:"token_type"`
	ExpiresIn   json.RawMessage `json:"expires_in"`
	IssuedType  any             `json:"issued_token_type"`
	Error       any             `json:"error"`
	Description string          `json:"error_description"`
}

// response converts the answer of host, which has this clock.
func (a *tokenAnswer) response(host string, clock Clock) (*TokenResponse, error) {
	t := &TokenResponse{
		AccessToken: NewSecret(a.AccessToken), IDToken: NewSecret(a.IDToken), RefreshToken: NewSecret(a.Refresh),
		TokenType: a.TokenType, Issued: clock.Sent, clock: clock,
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
