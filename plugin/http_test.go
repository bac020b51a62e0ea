package plugin

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"":                              30 * time.Second,
		"7":                             7 * time.Second,
		" 7 ":                           7 * time.Second,
		"0":                             time.Second,
		"-1":                            30 * time.Second,
		"99999999":                      5 * time.Minute,
		"99999999999999999999999":       30 * time.Second,
		"abc":                           30 * time.Second,
		"7.5":                           30 * time.Second,
		"Sun, 22 Nov 2026 08:00:20 GMT": 20 * time.Second,
		"Sun, 22 Nov 2026 07:00:00 GMT": time.Second,
		"Sun, 22 Nov 2099 08:00:00 GMT": 5 * time.Minute,
	} {
		if got := retryAfter(value, now); got != want {
			t.Errorf("retryAfter(%q) = %s, not %s", value, got, want)
		}
	}
}

func FuzzRetryAfter(f *testing.F) {
	f.Add("7")
	f.Add("Sun, 22 Nov 2026 08:00:20 GMT")
	f.Fuzz(func(t *testing.T, value string) {
		if d := retryAfter(value, time.Now()); d < time.Second || d > 5*time.Minute {
			t.Errorf("retryAfter(%q) = %s", value, d)
		}
	})
}

func TestParseURL(t *testing.T) {
	for text, plain := range map[string]bool{
		"https://host/v3":        false,
		"https://host:5000/":     false,
		"http://127.0.0.1/v3":    false,
		"http://[::1]:5000/v3":   false,
		"http://localhost/v3":    false,
		"http://keystone.lan/v3": true,
	} {
		if _, err := ParseURL(text, plain); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
	for _, text := range []string{
		"", "host", "host/v3", "//host/v3", "ftp://host", "file:///etc/passwd", "https:///v3", "https://",
		"https://u:p@host/",
		"https://host/#x", "https://host/?x", "http://host/v3", "http://127.0.0.1.example/v3",
		"http://localhost.example/", "https://host/%zz", "https://ho st/",
		"https://host\n/", "unix:///run/x", "https://host:99999/", "https://host:0/",
	} {
		if u, err := ParseURL(text, false); err == nil {
			t.Errorf("%q is taken, as %s", text, u)
		} else if AsError(err).Code != Config {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// A proxy that lets nothing through is named, and asked once.
func TestProxyRefusal(t *testing.T) {
	for status, hint := range map[int]string{
		407: "give it a login: proxy: http://USER:PASSWORD@", 403: "it has to allow this host", 503: "it has to allow",
		302: "it has to allow",
	} {
		asked := 0
		proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			asked++
			w.WriteHeader(status)
		}))
		address := strings.TrimPrefix(proxy.URL, "http://")
		targets := []string{"https://host.example/v3"}
		if status == 407 {
			targets = append(targets, "http://host.example/v3")
		}
		for _, target := range targets {
			asked = 0
			c := &Common{Proxy: "http://me:CANARY@" + address, PlainHTTP: true}
			r, err := http.NewRequest(http.MethodGet, target, nil)
			if err != nil {
				t.Fatal(err)
			}
			_, _, err = Exchange(newHTTPClient(c, func(string, ...any) {}), r)
			e := AsError(err)
			if e.Code != Network || !e.Proxy || asked != 1 || strings.Contains(e.Text+e.Hint, "CANARY") ||
				!strings.HasPrefix(e.Text,
					fmt.Sprintf("the proxy %s refuses the connection (HTTP %d)", address, status)) ||
				!strings.HasPrefix(e.Hint, hint) {
				t.Errorf("%d, %s: %d requests, %+v", status, target, asked, e)
			}
		}
		proxy.Close()
	}
}
