package login

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jeton-cli/jeton/plugin"
)

const (
	testIssuer = "https://issuer.example"
	testClient = "client"
)

// A reply is an answer of an [issuerInMemory], or what went wrong instead of one.
type reply struct {
	status int
	body   any // text, or what is answered in JSON
	header http.Header
	err    error
}

// An issuerInMemory is an OAuth 2.0 server that needs no network.
type issuerInMemory struct {
	grants
	discovery map[string]any
	// Each answers the requests to one endpoint, which counts from 1.
	token, device func(n int, form url.Values, r *http.Request) reply

	mu    sync.Mutex
	asked map[string]int // by path
	log   bytes.Buffer
}

func newIssuer() *issuerInMemory {
	return &issuerInMemory{asked: map[string]int{}, discovery: map[string]any{
		"issuer": testIssuer, "token_endpoint": testIssuer + "/token",
		"authorization_endpoint":        testIssuer + "/authorize?tenant=1",
		"device_authorization_endpoint": testIssuer + "/device",
	}}
}

// source returns the source of a login at the issuer.
func (i *issuerInMemory) source(change ...func(*Options)) *source {
	o := &Options{Issuer: testIssuer, Flow: Code, ClientID: testClient, RefreshStore: "sealed"}
	for _, change := range change {
		change(o)
	}
	return &source{o, &plugin.Env{
		Profile: "p", HTTP: &http.Client{Transport: i}, Grants: i, Getenv: func(string) string { return "" },
		Log: func(format string, args ...any) { fmt.Fprintf(&i.log, format+"\n", args...) },
		Keep: func(ctx context.Context, _ string, _ time.Duration, _ bool,
			fetch func(context.Context) ([]byte, error)) ([]byte, error) {
			return fetch(ctx)
		},
	}}
}

func byDevice(o *Options)  { o.Flow = Device }
func withProof(o *Options) { o.DPoP = true }

// RoundTrip answers a request.
func (i *issuerInMemory) RoundTrip(r *http.Request) (*http.Response, error) {
	form := url.Values{}
	if r.Body != nil {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		if form, err = url.ParseQuery(string(b)); err != nil {
			return nil, err
		}
	}
	i.mu.Lock()
	i.asked[r.URL.Path]++
	n := i.asked[r.URL.Path]
	i.mu.Unlock()
	a := reply{status: http.StatusNotFound}
	switch {
	case r.URL.Path == "/.well-known/openid-configuration":
		a = reply{status: 200, body: i.discovery}
	case r.URL.Path == "/token" && i.token != nil:
		a = i.token(n, form, r)
	case r.URL.Path == "/device" && i.device != nil:
		a = i.device(n, form, r)
	}
	if a.err != nil {
		return nil, a.err
	}
	text, ok := a.body.(string)
	if !ok {
		b, err := json.Marshal(a.body)
		if err != nil {
			return nil, err
		}
		text = string(b)
	}
	if a.header == nil {
		a.header = http.Header{"Content-Type": {"application/json"}}
	}
	return &http.Response{StatusCode: a.status, Header: a.header, Body: io.NopCloser(strings.NewReader(text)),
		Request: r}, nil
}

// times returns how often the path was asked for.
func (i *issuerInMemory) times(path string) int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.asked[path]
}

// grants is a [plugin.Grants] in memory.
type grants struct {
	turn sync.Mutex
	kept *plugin.Grant
}

func (g *grants) Update(_ context.Context, _ string, use func(*plugin.Grant) (*plugin.Grant, error)) error {
	g.turn.Lock()
	defer g.turn.Unlock()
	kept, err := use(g.kept)
	g.kept = kept
	return err
}

// refreshToken returns the token that is kept, or "".
func (g *grants) refreshToken() string {
	g.turn.Lock()
	defer g.turn.Unlock()
	if g.kept == nil {
		return ""
	}
	return g.kept.RefreshToken.Reveal()
}

// jwt returns a token with the claims.
func jwt(claims map[string]any) string {
	b, err := json.Marshal(claims)
	if err != nil {
		panic(err)
	}
	return "e30." + base64.RawURLEncoding.EncodeToString(b) + ".x"
}

// with returns a copy of m in which the pairs of keys and values are changed. nil takes a
// key out.
func with(m map[string]any, pairs ...any) map[string]any {
	changed := map[string]any{}
	for key, value := range m {
		changed[key] = value
	}
	for i := 0; i < len(pairs); i += 2 {
		changed[pairs[i].(string)] = pairs[i+1]
		if pairs[i+1] == nil {
			delete(changed, pairs[i].(string))
		}
	}
	return changed
}

// claims returns those of the ID token of a login.
func claims(nonce string) map[string]any {
	return with(map[string]any{"iss": testIssuer, "aud": testClient, "sub": "alice", "preferred_username": "Alice",
		"exp": time.Now().Add(time.Hour).Unix()}, "nonce", optional(nonce))
}

func optional(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// tokens returns the answer to a login, with an ID token of the claims.
func tokens(claims map[string]any, refresh string) map[string]any {
	return map[string]any{"access_token": "access", "token_type": "Bearer", "expires_in": 600,
		"id_token": jwt(claims), "refresh_token": refresh}
}

// refusal returns an OAuth error.
func refusal(code string) reply {
	return reply{status: http.StatusBadRequest, body: map[string]any{"error": code}}
}

// A browsing is a login at the browser that is under way.
type browsing struct {
	t      *testing.T
	prompt plugin.Prompt
	client http.Client
	// The parameters of the address that the login begins with.
	asked url.Values
	ended chan struct{}
	c     *plugin.Credential
	err   error
}

// browse begins a login, as a browser would see it.
func browse(t *testing.T, s *source) *browsing {
	t.Helper()
	b := &browsing{t: t, ended: make(chan struct{}), client: http.Client{
		Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 20 * time.Second}}
	prompts := make(chan plugin.Prompt, 1)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		defer close(b.ended)
		b.c, b.err = s.Login(ctx, func(p plugin.Prompt) error { prompts <- p; return nil })
	}()
	t.Cleanup(func() { cancel(); <-b.ended })
	select {
	case b.prompt = <-prompts:
	case <-b.ended:
		t.Fatal("no login begins: ", b.err)
	}
	u, err := url.Parse(b.prompt.URL)
	if err != nil {
		t.Fatal(err)
	}
	b.asked = u.Query()
	return b
}

// right returns the parameters that the browser should come back with.
func (b *browsing) right() url.Values {
	return url.Values{"code": {"CANARY-the-code"}, "state": b.asked["state"]}
}

// get comes back with a query. It returns 0 as the status if there was no answer.
func (b *browsing) get(query string, change ...func(*http.Request)) (status int, page string) {
	r, err := http.NewRequest(http.MethodGet, b.prompt.Back+"?"+query, nil)
	if err != nil {
		b.t.Error(err)
		return 0, ""
	}
	for _, change := range change {
		change(r)
	}
	resp, err := b.client.Do(r)
	if err != nil {
		return 0, ""
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(text)
}

// finish waits for the end of the login.
func (b *browsing) finish() (*plugin.Credential, error) {
	<-b.ended
	return b.c, b.err
}

// succeed comes back with the right answer, and checks that the login succeeds.
func (b *browsing) succeed() {
	b.t.Helper()
	if status, page := b.get(b.right().Encode()); status != http.StatusOK {
		b.t.Errorf("the right answer gets %d: %s", status, page)
	}
	if c, err := b.finish(); err != nil || c.Token.Reveal() != "access" {
		b.t.Errorf("the login ends with %v, %v", c, err)
	}
}

// taking returns an issuer that takes the code of the browser.
func taking(t *testing.T) (i *issuerInMemory, b func(...func(*Options)) *browsing) {
	i = newIssuer()
	var login *browsing
	i.token = func(_ int, form url.Values, _ *http.Request) reply {
		if form.Get("code") != "CANARY-the-code" || form.Get("redirect_uri") != login.prompt.Back ||
			form.Get("code_verifier") == "" {
			return refusal("invalid_grant")
		}
		return reply{status: 200, body: tokens(claims(login.asked.Get("nonce")), "refresh-1")}
	}
	return i, func(change ...func(*Options)) *browsing {
		login = browse(t, i.source(change...))
		return login
	}
}

// codeOf returns the exit code of an error, or 0.
func codeOf(err error) plugin.Code {
	if err == nil {
		return 0
	}
	return plugin.AsError(err).Code
}

var errBroken = errors.New("the connection broke")
