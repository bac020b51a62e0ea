package keystone

import (
	"os"
	"strings"
	"testing"

	"github.com/jeton-cli/jeton/plugin"
	"github.com/jeton-cli/jeton/plugin/login"
)

// A token is taken from Keystone's own page, as far as the browser says whose it is.
func TestWebSSOOrigin(t *testing.T) {
	for _, test := range []struct {
		authURL, origin string
		want            bool
	}{
		{"https://keystone.example/v3", "https://keystone.example", true},
		{"https://keystone.example/v3", "", true},
		{"https://keystone.example/v3", "null", true}, // on the way from https to http
		{"https://keystone.example:443/v3", "https://keystone.example", true},
		{"https://Keystone.example:5000/v3", "https://keystone.example:5000", true},
		{"http://keystone.example:80/v3", "http://keystone.example", true},
		{"https://keystone.example/v3", "http://keystone.example", false},
		{"https://keystone.example/v3", "https://keystone.example:8443", false},
		{"https://keystone.example/v3", "https://evil.example", false},
		{"https://keystone.example/v3", "https://keystone.example.evil.example", false},
		{"https://keystone.example:4431/v3", "https://keystone.example", false},
	} {
		s := webSSO{&source{options: &Options{AuthURL: test.authURL}}}
		if got := s.trusts(test.origin); got != test.want {
			t.Errorf("%+v: %v", test, got)
		}
	}
}

// What cannot be a token is not shown to Keystone, and does not end the login.
func TestWebSSONoToken(t *testing.T) {
	s := webSSO{&source{options: &Options{AuthURL: "https://keystone.example/v3"}}}
	for _, token := range []string{"", "a\nb", "a b", "é", "\x00"} {
		page, c, err := s.take(t.Context(), login.Return{Form: map[string][]string{"token": {token}}})
		if page != login.Foreign || c != nil || err != nil {
			t.Errorf("%q: %+v, %v, %v", token, page, c, err)
		}
	}
}

// The address that operators are told to trust is the one that the browser comes back to.
func TestTrustedDashboard(t *testing.T) {
	guide, err := os.ReadFile("../../docs/login.md")
	if err != nil {
		t.Fatal(err)
	}
	o := &Options{AuthType: "v3websso", AuthURL: "https://keystone.example", IdentityProvider: "corp",
		Protocol: "openid", Verify: true}
	if err := o.Complete(&plugin.Common{}); err != nil {
		t.Fatal(err)
	}
	line := "trusted_dashboard = " + o.redirect
	if !strings.Contains(string(guide), "\n"+line+"\n") || !strings.Contains(o.webSSONote(), line) {
		t.Errorf("the guide or the note lacks %q", line)
	}
	want := "https://keystone.example/v3/auth/OS-FEDERATION/identity_providers/corp/protocols/openid/websso" +
		"?origin=http%3A%2F%2Flocalhost%3A9990%2Fauth%2Fwebsso%2F"
	if got := o.webSSOAddress(); got != want {
		t.Errorf("the login begins at %s, not %s", got, want)
	}
}
