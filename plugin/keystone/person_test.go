package keystone

import (
	"os"
	"strings"
	"testing"

	"github.com/jeton-cli/jeton/plugin"
)

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
