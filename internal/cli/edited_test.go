package cli

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// An edited profile never gets the token of the former one.
func TestEditedProfile(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	base := []string{"plugin: keystone", "auth_url: $KEYSTONE", "username: alice", "user_domain_id: default",
		"password: CANARY-alice-pw", "project_id: $WEB"}
	u := newUser(t, w, "")
	token := func(lines []string) string {
		t.Helper()
		u.configure(t, w, "  p: {"+strings.Join(lines, ", ")+"}\n")
		out, err := u.command("get", "p", "-f", "token").CombinedOutput()
		if err != nil {
			return fmt.Sprintf("refused as %s: %s", lines, out)
		}
		return string(out)
	}
	first := token(base)
	reordered := slices.Clone(base)
	slices.Reverse(reordered)
	if got := token(reordered); got != first {
		t.Errorf("in another order it gets %s", got)
	}
	seen := []string{first}
	for _, edit := range [][2]string{
		{"username: alice", "username: bob"},
		{"user_domain_id: default", "user_domain_name: Default"},
		{"user_domain_id: default", "user_domain_id: other"},
		{"password: CANARY-alice-pw", "password: CANARY-wrong"},
		{"project_id: $WEB", "project_id: $OPS"},
		{"project_id: $WEB", "project_name: web"},
		{"auth_url: $KEYSTONE", "auth_url: $KEYSTONE, region_name: other"},
		{"auth_url: $KEYSTONE", "auth_url: $KEYSTONE, interface: admin"},
		{"auth_url: $KEYSTONE", "auth_url: $KEYSTONE, plain_http: true"},
	} {
		lines := slices.Clone(base)
		lines[slices.Index(lines, edit[0])] = edit[1]
		if got := token(lines); slices.Contains(seen, got) {
			t.Errorf("%s gets a former token", edit[1])
		} else {
			seen = append(seen, got)
		}
	}
	if got := token(base); got != first {
		t.Errorf("edited back, it gets %s", got)
	}
}
