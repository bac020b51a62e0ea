package plugin

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"log"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"
)

// answering is a transport that gives one answer.
type answering func(*http.Request) (*http.Response, error)

func (a answering) RoundTrip(r *http.Request) (*http.Response, error) { return a(r) }

func answer(status int, kind, body string) *Env {
	return &Env{Profile: "p", Log: func(string, ...any) {},
		HTTP: &http.Client{Transport: answering(func(r *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: status, Header: http.Header{"Content-Type": {kind}},
				Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
		})}}
}

// However a server writes expires_in, the result is that time or an error.
func TestExpiresIn(t *testing.T) {
	for raw, want := range map[string]time.Duration{
		"3600": time.Hour, `"3600"`: time.Hour, "3600.5": time.Hour + time.Second/2, "": 0, "null": 0, `""`: 0,
		"0": -1, "-1": -1, "1e18": -1, "1e-10": -1, `"1e-300"`: -1, "0.999": -1, "1": time.Second, `"soon"`: -1, `"NaN"`: -1, "true": -1, "[1]": -1, "{}": -1,
	} {
		got, err := expiresIn(json.RawMessage(raw))
		if want < 0 && err == nil || want >= 0 && (err != nil || got != want) {
			t.Errorf("%s: %s, %v", raw, got, err)
		}
	}
}

// An ID token has its own expiry. An access token expires as the answer says.
func TestTokenExpiry(t *testing.T) {
	now := time.Now().Truncate(time.Second)
	jwt := func(end time.Time) Secret {
		b, _ := json.Marshal(map[string]any{"exp": end.Unix()})
		return NewSecret("e30." + base64.RawURLEncoding.EncodeToString(b) + ".x")
	}
	id, access := jwt(now.Add(time.Minute)), jwt(now.Add(time.Hour))
	for name, test := range map[string]struct {
		r     TokenResponse
		token Secret
		want  time.Time
	}{
		"ID token": {TokenResponse{IDToken: id, AccessToken: access, Issued: now,
			ExpiresIn: 30 * time.Minute}, id, now.Add(time.Minute)},
		"access token": {TokenResponse{IDToken: id, AccessToken: access, Issued: now,
			ExpiresIn: 30 * time.Minute}, access, now.Add(30 * time.Minute)},
		"nothing but the JWT": {TokenResponse{AccessToken: access, Issued: now}, access, now.Add(time.Hour)},
		"nothing at all": {TokenResponse{AccessToken: NewSecret("opaque"), Issued: now}, NewSecret("opaque"),
			now.Add(5 * time.Minute)},
		"an opaque ID token": {TokenResponse{IDToken: NewSecret("x"), Issued: now, ExpiresIn: time.Minute},
			NewSecret("x"), now.Add(time.Minute)},
	} {
		if got := test.r.Expiry(test.token); !got.Equal(test.want) {
			t.Errorf("%s: %s, not %s", name, got, test.want)
		}
	}
}

// Every answer of an OAuth 2.0 server gives a token, or an error for the user that
// repeats nothing of the answer.
func FuzzTokenAnswer(f *testing.F) {
	f.Add(200, "application/json", `{"access_token": "CANARY", "expires_in": "x"}`)
	f.Add(400, "application/json", `{"error": "CANARY", "error_description": "CANARY"}`)
	f.Add(401, "text/html", "<html>CANARY</html>")
	f.Add(200, "application/json", "null")
	f.Add(200, "", `{"error": {"code": 1}, "scope": [1], "id_token": "a.b.c"}`)
	f.Fuzz(func(t *testing.T, status int, kind, body string) {
		r := &TokenRequest{Endpoint: "https://host/token", ClientID: "c", ClientSecret: NewSecret("CANARY-secret")}
		a, err := r.Do(t.Context(), answer(status, kind, body))
		if err == nil {
			a.Expiry(a.IDToken)
			a.Expiry(a.AccessToken)
			return
		}
		if e := AsError(err); e.Code == Bug || strings.Contains(e.Text+e.Hint, "CANARY") {
			t.Errorf("%v: %s", e, e.Hint)
		}
	})
}

func FuzzDiscovery(f *testing.F) {
	f.Add([]byte(`{"issuer": "https://host", "token_endpoint": "https://other/token"}`))
	f.Add([]byte(`{"issuer": 1, "token_endpoint": "http://other"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := parseDiscovery(b, "https://host/.well-known/openid-configuration", "", false)
		if err == nil && !strings.HasPrefix(strings.ToLower(d.TokenEndpoint), "https://") {
			t.Errorf("%q is taken", d.TokenEndpoint)
		}
	})
}

// net/http prints nothing about an answer that is refused.
func TestRefusedQuietly(t *testing.T) {
	var printed bytes.Buffer
	log.SetOutput(&printed)
	defer log.SetOutput(os.Stderr)
	r := &TokenRequest{Endpoint: "https://host/token", ClientID: "c"}
	for _, body := range []string{`{"access_token": "x", "expires_in": -1}`, `{"a": 1, "a": 2}`, "<html>"} {
		if _, err := r.Do(t.Context(), answer(200, "application/json", body)); AsError(err).Code != Unusable {
			t.Errorf("%s: %v", body, err)
		}
	}
	if printed.Len() > 0 {
		t.Error(printed.String())
	}
}
