package main

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jeton-cli/jeton/cache"
	"github.com/jeton-cli/jeton/plugin"
)

// outsideKey are the options that do not decide which credential an issuer
// gives. Whoever adds an option has to think about whether it belongs here.
var outsideKey = []string{"flow", "format", "from", "identity_api_version", "max_ttl", "passcode", "renew_after", "timeout", "verify"}

// Every option of every plugin, changed alone, changes the key, but those that
// are known not to matter.
func TestEveryOptionIsInTheKey(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := &cache.Cache{Pepper: []byte("pepper")}
	var outside []string
	for i := range issuers {
		name := func(change func(*plugin.Profile)) string {
			p := &plugin.Profile{Name: "p", Config: "/config.yaml", Issuer: &issuers[i], Options: issuers[i].New()}
			change(p)
			key, err := c.Key(p, func(string) string { return "value" })
			if err != nil {
				t.Fatal(err)
			}
			return key.Name
		}
		plain := name(func(*plugin.Profile) {})
		seen := map[string]string{plain: "none"}
		for _, block := range []func(*plugin.Profile) any{
			func(p *plugin.Profile) any { return p.Options }, func(p *plugin.Profile) any { return &p.Common },
		} {
			options := reflect.TypeOf(block(&plugin.Profile{Options: issuers[i].New()})).Elem()
			for j := range options.NumField() {
				option := options.Field(j).Tag.Get("yaml")
				if option == "" {
					continue
				}
				if options.Field(j).Tag.Get("help") == "" {
					t.Errorf("%s: %s has no help", issuers[i].Name, option)
				}
				got := name(func(p *plugin.Profile) { set(t, reflect.ValueOf(block(p)).Elem().Field(j), file) })
				switch {
				case options.Field(j).Tag.Get("key") == "-":
					outside = append(outside, option)
					if got != plain {
						t.Errorf("%s: %s changes the key", issuers[i].Name, option)
					}
				case seen[got] != "":
					t.Errorf("%s: %s gives the key of %s", issuers[i].Name, option, seen[got])
				}
				seen[got] = option
			}
		}
	}
	slices.Sort(outside)
	if outside = slices.Compact(outside); !slices.Equal(outside, outsideKey) {
		t.Errorf("outside of the key are %v, not %v", outside, outsideKey)
	}
}

func set(t *testing.T, v reflect.Value, file string) {
	switch p := v.Addr().Interface().(type) {
	case *string:
		*p = "changed"
	case *[]string:
		*p = []string{"changed"}
	case *map[string]string:
		*p = map[string]string{"changed": "too"}
	case *bool:
		*p = !*p
	case *plugin.Path:
		*p = plugin.Path(file)
	case *time.Duration:
		*p = time.Second
	case *plugin.SecretRef:
		*p = plugin.EnvSecret("X")
	default:
		t.Fatalf("an option of type %T", p)
	}
}

// An edited profile never gets the token of the former one.
func TestEditedProfile(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	base := []string{"plugin: keystone", "auth_url: $KEYSTONE", "username: alice", "user_domain_id: default", "password: CANARY-alice-pw", "project_id: $WEB"}
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
