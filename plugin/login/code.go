package login

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/jeton-cli/jeton/plugin"
)

const (
	// exchangeLimit is how long the server may take to exchange the code.
	exchangeLimit = 15 * time.Second
	// cancelledFor is how long a login that nobody finished is remembered. Otherwise every
	// caller of a whole night would open a page.
	cancelledFor = 5 * time.Minute
)

// loginByCode sends the browser to the server, and waits until it comes back with a code
// (RFC 6749, section 4.1; PKCE, RFC 7636).
func (s *source) loginByCode(ctx context.Context, ends *plugin.Discovery, tell func(plugin.Prompt) error) (
	*plugin.Credential, error) {
	o := s.options
	if ends.AuthorizationEndpoint == "" {
		return nil, plugin.Errorf(plugin.Config, "%s names no authorization endpoint, where a browser logs in", s.At()).
			WithHint("flow: device_code may do, or name the authorization_endpoint")
	}
	l, err := Listen(o.RedirectURI)
	if err != nil {
		return nil, err
	}
	defer l.Close()
	visit := &visit{source: s, ends: ends, back: l.Address, state: rand.Text(), verifier: oauth2.GenerateVerifier(),
		nonce: rand.Text(), scope: s.wholeScope(ends)}
	if o.DPoP {
		if visit.proofKey, err = newProofKey(); err != nil {
			return nil, err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, plugin.LoginLimit)
	defer cancel()
	end, _ := ctx.Deadline()
	if err := tell(plugin.Prompt{URL: visit.address(), Back: l.Address, Until: end}); err != nil {
		return nil, err
	}
	c, err := l.Serve(ctx, http.MethodGet, visit.answer)
	if err == nil || plugin.AsError(err).Code != plugin.Bug {
		return c, err
	}
	return nil, gaveUp(s.At())
}

// gaveUp returns the error for a login that nobody finished.
func gaveUp(at string) error {
	return plugin.Errorf(plugin.Denied, "the login at %s was not finished in time", at).RememberFor(cancelledFor)
}

// A visit is one visit of the browser to the server.
type visit struct {
	*source
	ends                         *plugin.Discovery
	back, state, verifier, nonce string
	scope                        string
	proofKey                     plugin.Secret
}

// address returns the address that the visit begins with.
func (v *visit) address() string {
	c := oauth2.Config{ClientID: v.options.ClientID, RedirectURL: v.back, Scopes: strings.Fields(v.scope),
		Endpoint: oauth2.Endpoint{AuthURL: v.ends.AuthorizationEndpoint}}
	options := []oauth2.AuthCodeOption{oauth2.S256ChallengeOption(v.verifier)}
	if v.openID() {
		options = append(options, oauth2.SetAuthURLParam("nonce", v.nonce))
	}
	if strings.Contains(" "+v.scope+" ", " offline_access ") {
		// A server need not give a refresh token otherwise (OpenID Connect Core, section 11).
		options = append(options, oauth2.SetAuthURLParam("prompt", "consent"))
	}
	if v.options.Audience != "" {
		options = append(options, oauth2.SetAuthURLParam("audience", v.options.Audience))
	}
	return c.AuthCodeURL(v.state, options...)
}

// openID reports whether an ID token is asked for.
func (v *visit) openID() bool { return strings.Contains(" "+v.scope+" ", " openid ") }

// answer deals with what the browser brings back. An answer that is not of this login is
// no answer: the login goes on.
func (v *visit) answer(ctx context.Context, back Return) (Page, *plugin.Credential, error) {
	form := back.Form
	issuer := v.options.Issuer
	if issuer == "" {
		issuer = v.ends.Issuer
	}
	named := form.Get("iss")
	switch {
	case subtle.ConstantTimeCompare([]byte(form.Get("state")), []byte(v.state)) != 1,
		issuer != "" && named != "" && named != issuer, v.ends.NamesIssuer && named == "":
		return Foreign, nil, nil
	case form.Get("error") == "access_denied":
		return Page{Why: denied}, nil, plugin.Errorf(plugin.Denied, "%s says that access was denied (access_denied)",
			v.At()).RememberFor(cancelledFor)
	case form.Get("error") != "":
		code := printable(form.Get("error"))
		return Page{Why: reported, Code: code}, nil, v.refused(code)
	case form.Get("code") == "":
		return Foreign, nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, exchangeLimit)
	defer cancel()
	c, err := v.exchange(ctx, plugin.NewSecret(form.Get("code")))
	if err != nil {
		return Refused, nil, err
	}
	return Page{Who: shownName(c), At: v.At()}, c, nil
}

// refused returns the error for a refusal that the browser brings back.
func (v *visit) refused(code string) error {
	u, _ := url.Parse(v.ends.AuthorizationEndpoint)
	e := plugin.AsError(plugin.Refusal(u, &oauth2.RetrieveError{ErrorCode: code,
		Response: &http.Response{StatusCode: http.StatusBadRequest}}))
	if e.Code == plugin.Unusable {
		e.Text = v.At() + " answered the login with the error " + code
	}
	return e.RememberFor(time.Minute)
}

// exchange trades the code for tokens.
func (v *visit) exchange(ctx context.Context, code plugin.Secret) (*plugin.Credential, error) {
	r, err := v.request(ctx, v.ends.TokenEndpoint, v.proofKey)
	if err != nil {
		return nil, err
	}
	r.Secrets = append(r.Secrets, code, plugin.NewSecret(v.verifier))
	r.Once = true // a code is good for one request
	answer, err := r.Grant(ctx, v.env, func(ctx context.Context, c *oauth2.Config) error {
		c.RedirectURL = v.back
		_, err := c.Exchange(ctx, code.Reveal(), append(parameters(r.Form), oauth2.VerifierOption(v.verifier))...)
		return err
	})
	if err != nil {
		return nil, err
	}
	nonce := ""
	if v.openID() {
		nonce = v.nonce
	}
	return v.loggedIn(ctx, answer, v.ends, v.scope, nonce, v.proofKey)
}

// parameters returns the form as options of x/oauth2.
func parameters(form url.Values) (options []oauth2.AuthCodeOption) {
	for name := range form {
		options = append(options, oauth2.SetAuthURLParam(name, form.Get(name)))
	}
	return options
}

// printable returns an error code, which RFC 6749 makes of printable ASCII, or a word for
// one that is not.
func printable(code string) string {
	if len(code) > 64 || strings.ContainsFunc(code, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return "unreadable_error"
	}
	return code
}
