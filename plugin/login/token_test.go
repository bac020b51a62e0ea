package login

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jeton-cli/jeton/plugin"
)

// kept returns a grant as an earlier login has left it.
func kept(refresh string) *plugin.Grant {
	return &plugin.Grant{RefreshToken: plugin.NewSecret(refresh), Subject: "alice"}
}

// The address that a login begins with holds what protects it, and its answer is asked for
// with the rest.
func TestAddress(t *testing.T) {
	i, begin := taking(t)
	i.discovery["scopes_supported"] = []string{"openid", "offline_access"}
	b := begin(func(o *Options) { o.Audience = "api" })
	for key, want := range map[string]string{"response_type": "code", "client_id": testClient, "tenant": "1",
		"redirect_uri": b.prompt.Back, "code_challenge_method": "S256", "prompt": "consent", "audience": "api",
		"scope": "openid profile offline_access"} {
		if got := b.asked[key]; len(got) != 1 || got[0] != want {
			t.Errorf("%s: %q, not %q", key, got, want)
		}
	}
	for _, key := range []string{"state", "nonce", "code_challenge"} {
		if len(b.asked.Get(key)) < 26 { // 128 bits
			t.Errorf("%s: %q", key, b.asked[key])
		}
	}
	b.succeed()
	if i.refreshToken() != "refresh-1" || i.kept.Subject != "alice" {
		t.Errorf("kept: %+v", i.kept)
	}
}

// wrongClaims are what makes an ID token worthless.
var wrongClaims = map[string][]any{
	"another issuer":      {"iss", "https://evil.example"},
	"issuer with a slash": {"iss", testIssuer + "/"},
	"no issuer":           {"iss", nil},
	"no user":             {"sub", nil},
	"empty user":          {"sub", ""},
	"another client":      {"aud", "other"},
	"no client":           {"aud", nil},
	"other clients":       {"aud", []string{"other", "third"}},
	"client as a number":  {"aud", 1},
	"made for another":    {"azp", "other"},
	"made for one of two": {"aud", []string{testClient, "other"}, "azp", "other"},
	"expired":             {"exp", 1},
}

// A login whose ID token is wrong leaves nothing behind, and the former session as it was.
func TestWrongIDToken(t *testing.T) {
	cases := map[string][]any{"another login": {"nonce", "x"}, "no nonce": {"nonce", nil}}
	for name, change := range wrongClaims {
		cases[name] = change
	}
	for name, change := range cases {
		i, begin := taking(t)
		i.kept = kept("former")
		b := begin()
		i.token = func(int, url.Values, *http.Request) reply {
			return reply{status: 200, body: tokens(with(claims(b.asked.Get("nonce")), change...), "CANARY-new")}
		}
		status, page := b.get(b.right().Encode())
		c, err := b.finish()
		if status != http.StatusBadGateway || strings.Contains(page, "CANARY") || c != nil ||
			codeOf(err) != plugin.Unusable {
			t.Errorf("%s: %d, %v, %v", name, status, c, err)
		}
		if got := i.refreshToken(); got != "former" {
			t.Errorf("%s: %q is kept", name, got)
		}
	}
}

// An ID token may be for other clients too, and a user may come without a name.
func TestRightIDToken(t *testing.T) {
	i, begin := taking(t)
	b := begin()
	i.token = func(int, url.Values, *http.Request) reply {
		return reply{status: 200, body: tokens(with(claims(b.asked.Get("nonce")), "aud", []string{"other", testClient},
			"azp", testClient, "preferred_username", nil), "refresh-1")}
	}
	b.succeed()
}

// A login whose answer cannot be used leaves nothing behind. The log and the error repeat
// no secret.
func TestUnusableAnswers(t *testing.T) {
	page := reply{status: 200, body: "<html>CANARY</html>", header: http.Header{"Content-Type": {"text/html"}}}
	for name, test := range map[string]struct {
		answer reply
		want   plugin.Code
	}{
		"null":            {reply{status: 200, body: " null\n"}, plugin.Unusable},
		"nothing":         {reply{status: 200, body: map[string]any{}}, plugin.Unusable},
		"refresh only":    {reply{status: 200, body: map[string]any{"refresh_token": "CANARY-r"}}, plugin.Unusable},
		"HTML":            {page, plugin.Unusable},
		"key twice":       {reply{status: 200, body: `{"access_token": "a", "access_token": "CANARY-b"}`}, plugin.Unusable},
		"other letters":   {reply{status: 200, body: `{"access_token": "a", "Refresh_Token": "CANARY-b"}`}, plugin.Unusable},
		"two documents":   {reply{status: 200, body: `{"access_token": "a"}{"access_token": "CANARY"}`}, plugin.Unusable},
		"DPoP, no ID":     {reply{status: 200, body: `{"access_token": "CANARY", "token_type": "dpop", "refresh_token": "r"}`}, plugin.Unusable},
		"life of 0":       {reply{status: 200, body: `{"access_token": "CANARY", "expires_in": 0}`}, plugin.Unusable},
		"negative life":   {reply{status: 200, body: `{"access_token": "CANARY", "expires_in": -1}`}, plugin.Unusable},
		"endless life":    {reply{status: 200, body: `{"access_token": "CANARY", "expires_in": 1e18}`}, plugin.Unusable},
		"life in words":   {reply{status: 200, body: `{"access_token": "CANARY", "expires_in": "soon"}`}, plugin.Unusable},
		"line in a token": {reply{status: 200, body: `{"access_token": "CANARY\nx"}`}, plugin.Unusable},
		"error with 200":  {reply{status: 200, body: `{"error": "invalid_grant", "access_token": "CANARY"}`}, plugin.Denied},
		"echo": {reply{status: 400, body: `{"error": "invalid_grant",
			"error_description": "CANARY-the-code is not known"}`}, plugin.Denied},
		"unknown error": {reply{status: 400, body: `{"error": "CANARY error"}`}, plugin.Unusable},
		"unreachable":   {reply{err: errBroken}, plugin.Network},
	} {
		i, begin := taking(t)
		i.kept = kept("former")
		b := begin()
		i.token = func(int, url.Values, *http.Request) reply { return test.answer }
		status, page := b.get(b.right().Encode())
		c, err := b.finish()
		if status != http.StatusBadGateway || c != nil || codeOf(err) != test.want {
			t.Errorf("%s: %d, %v, %v", name, status, c, err)
		}
		e := plugin.AsError(err)
		if said := page + e.Text + e.Hint; strings.Contains(said, "CANARY") ||
			strings.Contains(said, b.asked.Get("state")) {
			t.Errorf("%s: it says %s", name, said)
		}
		if log := i.log.String(); strings.Contains(log, "CANARY-") { // an error code may stand there
			t.Errorf("%s: the log says %s", name, log)
		}
		if i.refreshToken() != "former" || i.times("/token") != 1 {
			t.Errorf("%s: %q is kept after %d requests", name, i.refreshToken(), i.times("/token"))
		}
	}
}

// What the issuer reports at the browser ends the login, and is shown as text.
func TestReported(t *testing.T) {
	for code, want := range map[string]struct {
		status int
		code   plugin.Code
	}{
		"access_denied": {403, plugin.Denied}, "invalid_scope": {502, plugin.Config},
		"temporarily_unavailable": {502, plugin.Later}, "server_error": {502, plugin.Network},
		"<script>alert(1)</script>": {502, plugin.Unusable}, "a\nb\x1b[2J": {502, plugin.Unusable},
		strings.Repeat("x", 2000): {502, plugin.Unusable},
	} {
		_, begin := taking(t)
		b := begin()
		status, page := b.get(url.Values{"error": {code}, "error_description": {"CANARY"}, "state": b.asked["state"]}.
			Encode())
		_, err := b.finish()
		e := plugin.AsError(err)
		if status != want.status || e.Code != want.code || e.Remember == 0 {
			t.Errorf("%.40q: %d, %v", code, status, err)
		}
		if strings.Contains(page, "<script") || strings.ContainsAny(e.Text, "\n\x1b") || len(e.Text) > 300 ||
			strings.Contains(page+e.Text+e.Hint, "CANARY") {
			t.Errorf("%.40q: %s\n%s", code, e.Text, page)
		}
	}
}

// A refresh keeps the token that is to be shown next, and ends a session that has ended.
func TestRefresh(t *testing.T) {
	other := with(claims(""), "sub", "mallory")
	foreign := tokens(with(claims(""), "iss", "x"), "r2")
	for name, test := range map[string]struct {
		answer reply
		want   plugin.Code
		keeps  string
	}{
		"no new one":     {reply{status: 200, body: with(tokens(claims(""), ""), "refresh_token", nil)}, 0, "r1"},
		"empty new one":  {reply{status: 200, body: tokens(claims(""), "")}, 0, "r1"},
		"a new one":      {reply{status: 200, body: tokens(claims(""), "r2")}, 0, "r2"},
		"without ID":     {reply{status: 200, body: with(tokens(claims(""), "r2"), "id_token", nil)}, 0, "r2"},
		"ended":          {refusal("invalid_grant"), plugin.Denied, ""},
		"wrong client":   {refusal("invalid_client"), plugin.Denied, "r1"},
		"unavailable":    {reply{status: 503}, plugin.Network, "r1"},
		"failed":         {reply{status: 500, body: map[string]any{"error": "invalid_grant"}}, plugin.Network, "r1"},
		"throttled":      {reply{status: 429}, plugin.Later, "r1"},
		"no answer":      {reply{err: errBroken}, plugin.Network, "r1"},
		"HTML":           {reply{status: 200, body: "<html>"}, plugin.Unusable, "r1"},
		"another user":   {reply{status: 200, body: tokens(other, "r-mallory")}, plugin.Unusable, "r1"},
		"another issuer": {reply{status: 200, body: foreign}, plugin.Unusable, "r2"},
	} {
		i := newIssuer()
		i.kept = kept("r1")
		i.token = func(_ int, form url.Values, _ *http.Request) reply {
			if form.Get("refresh_token") != "r1" || form.Get("grant_type") != "refresh_token" ||
				form.Get("client_id") != testClient {
				t.Errorf("%s: %v is asked", name, form)
			}
			return test.answer
		}
		c, err := i.source().Fetch(t.Context(), nil)
		if codeOf(err) != test.want || err == nil && c.Token.Reveal() != "access" || err != nil && c != nil {
			t.Errorf("%s: %v, %v", name, c, err)
		}
		if got := i.refreshToken(); got != test.keeps || got != "" && i.kept.Subject != "alice" {
			t.Errorf("%s: %q is kept, not %q", name, got, test.keeps)
		}
		if i.times("/token") != 1 {
			t.Errorf("%s: shown %d times", name, i.times("/token"))
		}
		ended := name == "ended"
		if errors.Is(err, plugin.ErrPerson) != ended || ended && plugin.AsError(err).Fix != "jeton login p" {
			t.Errorf("%s: %+v", name, plugin.AsError(err))
		}
	}
}

// Without a session, nobody is asked but the person.
func TestNoSession(t *testing.T) {
	i := newIssuer()
	c, err := i.source().Fetch(t.Context(), nil)
	if e := plugin.AsError(err); c != nil || !errors.Is(err, plugin.ErrPerson) || e.Code != plugin.Denied ||
		e.Fix != "jeton login p" || e.Remember != 0 {
		t.Errorf("%v, %v", c, err)
	}
	if len(i.asked) != 0 {
		t.Error(i.asked)
	}
}

// A refresh token that may have been used is never sent again by itself: the issuer would
// take it for a thief's.
func TestSentOnce(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]http.HandlerFunc{
		"failed":      func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) },
		"unavailable": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) },
		"broken":      func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	} {
		var shown atomic.Int32
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			shown.Add(1)
			answer(w, r)
		}))
		defer server.Close()
		g := &grants{kept: kept("r1")}
		p := &plugin.Profile{Name: "p", Issuer: &issuer, Options: &Options{TokenEndpoint: server.URL,
			AuthorizationEndpoint: server.URL, ClientID: testClient}}
		s := p.Source(plugin.Env{Clients: &plugin.Clients{}, Grants: g, Log: func(string, ...any) {},
			Getenv: func(string) string { return "" }})
		_, err := s.Fetch(t.Context(), nil)
		if codeOf(err) != plugin.Network || shown.Load() != 1 || g.refreshToken() != "r1" {
			t.Errorf("%s: %v after %d requests; %q is kept", name, err, shown.Load(), g.refreshToken())
		}
	}
}

// The credential ends with the first of its tokens, and an access token that is bound to a
// key is not given out.
func TestCredential(t *testing.T) {
	i := newIssuer()
	i.kept = kept("r1")
	i.token = func(n int, _ url.Values, _ *http.Request) reply {
		a := tokens(with(claims(""), "exp", time.Now().Add(time.Minute).Unix()), "")
		if n == 2 {
			a["token_type"] = "DPoP"
		}
		return reply{status: 200, body: a}
	}
	for _, bound := range []bool{false, true} {
		c, err := i.source().Fetch(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if left := time.Until(c.Expires); left < 50*time.Second || left > time.Minute {
			t.Errorf("it lives %s", left)
		}
		if c.Token.IsZero() != bound || c.IDToken.IsZero() || c.Attrs[plugin.AttrUserName] != "Alice" {
			t.Errorf("%v: %v, %v", bound, c, c.Attrs)
		}
	}
}
