package login

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/jeton-cli/jeton/plugin"
)

// Whatever the browser brings back, a code is taken with the right state only, and the page
// runs nothing.
func FuzzReturn(f *testing.F) {
	const state = "STATE"
	f.Add(false, "code=c&state=STATE&iss=https://issuer.example", "")
	f.Add(false, "code=c&state=STATE&state=STATE", "")
	f.Add(false, "error=access_denied&state=STATE", "")
	f.Add(false, "error=<script>&state=STATE", "")
	f.Add(false, "code=c;state=STATE&%zz", "code=c&state=STATE")
	f.Add(true, "token=q", "token=t")
	f.Add(true, "", "token=t&token=u&x=%")
	f.Fuzz(func(t *testing.T, post bool, query, body string) {
		i, asked := newIssuer(), 0
		i.token = func(_ int, form url.Values, _ *http.Request) reply {
			asked++
			if form.Get("code") == "" {
				t.Errorf("no code is shown for %q", query)
			}
			return refusal("invalid_grant")
		}
		ends := &plugin.Discovery{Issuer: testIssuer, TokenEndpoint: testIssuer + "/token",
			AuthorizationEndpoint: testIssuer}
		v := &visit{source: i.source(), ends: ends, back: "http://localhost:1/back", state: state, verifier: "v"}
		w := &waiting{Loopback: &Loopback{path: "/back", hosts: []string{"localhost:1"}}, ctx: t.Context(),
			method: http.MethodGet, answer: v.answer, ended: make(chan struct{})}
		if post {
			w.method = http.MethodPost
			w.answer = func(_ context.Context, back Return) (Page, *plugin.Credential, error) {
				for key, values := range back.Form {
					if len(values) != 1 {
						t.Errorf("%q is there %d times", key, len(values))
					}
				}
				return Foreign, nil, nil
			}
		}
		r := &http.Request{Method: w.method, Host: "localhost:1", URL: &url.URL{Path: "/back", RawQuery: query},
			Header: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}},
			Body:   io.NopCloser(strings.NewReader(body))}
		out := httptest.NewRecorder()
		w.ServeHTTP(out, r)
		form, err := url.ParseQuery(query)
		right := !post && err == nil && len(form["state"]) == 1 && form.Get("state") == state
		page := out.Body.String()
		if !right && (asked > 0 || w.err != nil || out.Code != http.StatusBadRequest) {
			t.Errorf("%q: %d, %v, %d requests", query, out.Code, w.err, asked)
		}
		if asked > 1 || w.credential != nil || strings.Contains(page, "<script") || !utf8.ValidString(page) ||
			len(page) > 8<<10 {
			t.Errorf("%q: %d requests, %v: %s", query, asked, w.credential, page)
		}
		if w.err != nil {
			if e := plugin.AsError(w.err); e.Code == plugin.Bug || strings.ContainsAny(e.Text+e.Hint, "\r\n\x1b") {
				t.Errorf("%q: %+v", query, e)
			}
		}
	})
}

// However a server answers the request for a code, the person is shown plain text and an
// address for a browser, or the login ends with an error that repeats nothing.
func FuzzDevice(f *testing.F) {
	f.Add(200, `{"device_code": "d", "user_code": "WXYZ", "verification_uri": "https://host/", "expires_in": 9}`)
	f.Add(200, `{"device_code": "d", "user_code": "\u001b[2J", "verification_url": "javascript:x", "interval": -1}`)
	f.Add(200, `{"device_code": "d", "device_code": "e", "user_code": "CANARY", "expires_in": 1e30}`)
	f.Add(400, `{"error": "CANARY", "error_description": "CANARY"}`)
	f.Add(275, `{"error": "CANARY", "error_description": "CANARY"}`)
	f.Add(200, `{"error": "access_denied"}`)
	f.Add(503, "CANARY")
	f.Fuzz(func(t *testing.T, status int, body string) {
		i := newIssuer()
		i.device = func(int, url.Values, *http.Request) reply { return reply{status: status, body: body} }
		s := i.source(byDevice)
		ends := &plugin.Discovery{DeviceEndpoint: testIssuer + "/device"}
		d, err := s.deviceCode(t.Context(), ends, "openid", "verifier")
		if err != nil {
			if e := plugin.AsError(err); e.Code == plugin.Bug || strings.Contains(e.Text+e.Hint, "CANARY") {
				t.Errorf("%+v", e)
			}
			return
		}
		for _, address := range []string{d.VerificationURI, d.VerificationURIComplete} {
			u, err := url.Parse(address)
			if address != "" && (err != nil || u.Host == "" || u.User != nil ||
				u.Scheme != "http" && u.Scheme != "https") {
				t.Errorf("%q is to be opened", address)
			}
		}
		strange := strings.ContainsFunc(d.UserCode+d.VerificationURI+d.VerificationURIComplete, func(r rune) bool {
			return r < ' ' || r > '~'
		})
		left := time.Until(d.Expiry)
		if strange || d.DeviceCode == "" || d.UserCode == "" || len(d.UserCode) > 64 || d.VerificationURI == "" ||
			left > 30*time.Minute || left < -time.Minute || d.Interval < minInterval || d.Interval > maxInterval {
			t.Errorf("%+v", d)
		}
	})
}
