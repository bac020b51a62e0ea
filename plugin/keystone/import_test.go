package keystone

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jeton-cli/jeton/plugin"
	"github.com/jeton-cli/jeton/plugin/keystone/openrc"
)

func noEnvironment(string) string { return "" }

// A YAML file built to exhaust memory is refused.
func TestCloudsBomb(t *testing.T) {
	text := "a: &a [x,x,x,x,x,x,x,x,x]\n"
	for c := 'b'; c < 'j'; c++ {
		text += string(c) + ": &" + string(c) + " [" + strings.Repeat("*"+string(c-1)+",", 8) + "*" + string(c-1) +
			"]\n"
	}
	if _, _, err := parseClouds([]byte(text)); err == nil || !strings.Contains(err.Error(), "too much is nested here") {
		t.Error(err)
	}
	if _, _, err := parseClouds([]byte("a: &a {b: *a}")); err == nil {
		t.Error("a mapping that contains itself is accepted")
	}
	if _, _, err := parseClouds([]byte(strings.Repeat("[", 20000))); err == nil {
		t.Error("deep nesting is accepted")
	}
}

// Every known vendor has a valid address.
func TestVendors(t *testing.T) {
	c := &Clouds{}
	for name, v := range vendors {
		settings, err := c.vendor(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := chooseRegion(settings, tree{}, ""); err != nil {
			t.Fatal(err)
		}
		url, err := fill(settings.tree("auth").text("auth_url"), settings)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := plugin.ParseURL(url, false); err != nil {
			t.Errorf("%s: %s: %v (%s)", name, url, err, v.authURL)
		}
	}
}

func FuzzOpenrc(f *testing.F) {
	canary := filepath.Join(f.TempDir(), "canary")
	f.Add([]byte("export OS_AUTH_URL=https://x/v3 OS_USERNAME=a OS_PASSWORD=$(touch " + canary + ")"))
	f.Add([]byte("()0")) // a function without a name
	f.Add([]byte("if [ -z \"$A\" ]; then unset A; fi\nread -sr B\nexport OS_PASSWORD=$B\n"))
	f.Add([]byte("export OS_TOKEN='x' OS_AUTH_URL=\"https://${A:-b}\"; [[ $A == b ]] && C=~"))
	f.Fuzz(func(t *testing.T, b []byte) {
		rc, err := openrc.Read(b, "openrc", noEnvironment)
		if err == nil {
			openrcDraft(rc, "x", noEnvironment)
		} else if plugin.AsError(err).Code != plugin.Config {
			t.Errorf("%v", err)
		}
		if _, err := os.Stat(canary); err == nil {
			t.Fatal("the command in the file was executed")
		}
	})
}

func FuzzClouds(f *testing.F) {
	f.Add([]byte("clouds: {a: {profile: ovh, regions: [R, {name: S, values: {auth: {x: y}}}], auth: &b {auth_url: " +
		"'https://{region_name}'}}, b: {<<: *b}}"))
	f.Add([]byte("clouds: {a: null, b: [x], c: {auth: x, region_name: [a, b]}}\npublic-clouds: {a: {}}"))
	f.Fuzz(func(t *testing.T, b []byte) {
		doc, names, err := parseClouds(b)
		if err != nil {
			if plugin.AsError(err).Code != plugin.Config {
				t.Errorf("%v", err)
			}
			return
		}
		c := &Clouds{Path: "clouds.yaml", Names: names, clouds: doc.tree("clouds"), public: doc.tree("public-clouds")}
		for _, name := range names {
			c.Draft(name)
		}
	})
}
