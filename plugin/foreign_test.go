package plugin

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"
)

// A server's text is not repeated if a secret that was sent is in it, in any encoding,
// twice encoded, or in part.
func TestSaid(t *testing.T) {
	const secret = `s3cr€t/+"pä55<w>ord&'x`
	encodings := map[string]func(string) string{
		"plain":     func(s string) string { return s },
		"upper":     strings.ToUpper,
		"url":       url.QueryEscape,
		"path":      url.PathEscape,
		"base64":    func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) },
		"base64url": func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) },
		"basic":     func(s string) string { return "Basic " + base64.StdEncoding.EncodeToString([]byte("id:"+s)) },
		"base64 of id and secret": func(s string) string {
			return base64.StdEncoding.EncodeToString([]byte("the-client:" + url.QueryEscape(s)))
		},
		"hex": func(s string) string { return hex.EncodeToString([]byte(s)) },
		"json": func(s string) string {
			b, _ := json.Marshal(s)
			return string(b)
		},
		"ascii json": func(s string) string { return fmt.Sprintf("%+q", s) },
		"html": func(s string) string {
			return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&#34;", "'", "&#x27;").Replace(s)
		},
		"numbers": func(s string) string {
			var b strings.Builder
			for _, r := range s {
				fmt.Fprintf(&b, "&#%d;", r)
			}
			return b.String()
		},
		"half":           func(s string) string { return s[:len(s)/2] },
		"middle":         func(s string) string { return s[4:14] },
		"end":            func(s string) string { return s[len(s)-9:] },
		"half in base64": func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s[3:16])) },
		"form": func(s string) string {
			return url.Values{"client_secret": {s},
				"grant_type": {"x"}}.Encode()
		},
	}
	for name, encode := range encodings {
		for second, again := range encodings {
			var text string
			if second == "upper" || second == "half" || second == "middle" || second == "end" ||
				second == "half in base64" {
				continue // the secret may no longer be in it
			}
			if text = "error: " + again(encode(secret)); len([]rune(text)) > 199 {
				continue
			}
			if said := Said(text, NewSecret("another"), NewSecret(secret)); said != "" {
				t.Errorf("%s, %s: %q is repeated", name, second, said)
			}
		}
	}
	for _, text := range []string{"invalid_client: client my-client is not known",
		"Incorrect padding in 1234567890abcdef",
		"The password is wrong", "dGhpcyBpcyBmaW5lIGFuZCBoYXMgbm8gc2VjcmV0"} {
		if said := Said(text, NewSecret(secret), Secret{}); said != text {
			t.Errorf("%q becomes %q", text, said)
		}
	}
	if said := Said("a\x1b[31mb\u202ec\nd"); said != "a [31mb c d" {
		t.Errorf("%q", said)
	}
	if said := Said("PIN 4711 is wrong", NewSecret("4711")); said != "" {
		t.Errorf("%q", said)
	}
}

func FuzzSaid(f *testing.F) {
	f.Add("invalid_client", "secret")
	f.Add("%73ecret%252", "c2VjcmV0")
	f.Add(`\u0073ecret&#x;&#99999999;`, "secret")
	f.Fuzz(func(t *testing.T, text, secret string) {
		said := Said(text, NewSecret(secret))
		if secret != "" && Printable(secret) == secret && strings.Contains(said, secret) {
			t.Errorf("%q is in %q", secret, said)
		}
		if Printable(said) != said {
			t.Errorf("%q", said)
		}
	})
}
