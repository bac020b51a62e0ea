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
	_, _, err := parseClouds([]byte(text), "clouds.yaml")
	if err == nil || !strings.Contains(err.Error(), "too much is nested here") {
		t.Error(err)
	}
	if _, _, err := parseClouds([]byte("a: &a {b: *a}"), "clouds.yaml"); err == nil {
		t.Error("a mapping that contains itself is accepted")
	}
	if _, _, err := parseClouds([]byte(strings.Repeat("[", 20000)), "clouds.yaml"); err == nil {
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

// A login with several factors is complete with what keystoneauth's MultiFactor needs.
func TestMultiFactor(t *testing.T) {
	have := map[string]string{"OS_AUTH_URL": "https://host/v3", "OS_AUTH_TYPE": "v3multifactor", "OS_USERNAME": "a",
		"OS_PASSWORD": "b", "OS_TOKEN": "c", "OS_APPLICATION_CREDENTIAL_ID": "d",
		"OS_APPLICATION_CREDENTIAL_SECRET": "e", "OS_PROJECT_ID": "f"}
	for _, test := range []struct {
		methods, without string
		complete         bool
		scope            string
	}{
		{"", "OS_TOKEN", true, "f"},
		{"", "OS_PASSWORD", false, "f"},
		{"v3password, v3totp", "OS_APPLICATION_CREDENTIAL_ID", true, "f"},
		{"v3applicationcredential,v3totp", "OS_PASSWORD", true, ""},
		{"v3applicationcredential,v3totp", "OS_APPLICATION_CREDENTIAL_SECRET", false, ""},
		{"v3totp,v3applicationcredential", "OS_USERNAME", false, ""},
		{"v3token,v3totp", "OS_PASSWORD", true, "f"},
		{"v3token,v3totp", "OS_TOKEN", false, "f"},
	} {
		l := &identity{values: map[string]plugin.Value{}, getenv: func(name string) string {
			switch name {
			case test.without:
				return ""
			case "OS_AUTH_METHODS":
				return test.methods
			}
			return have[name]
		}}
		complete, err := l.read()
		if err != nil || complete != test.complete || l.values["project_id"].Text != test.scope {
			t.Errorf("%+v: %v, %v, %v", test, complete, err, l.values)
		}
	}
}

// Values without quotes are text only where they are text to openstacksdk.
func TestScalars(t *testing.T) {
	for value, want := range map[string]any{
		"abc": "abc", "12": "12", "-12": "-12", "1e3": "1e3", "08": "08", "1.5": "1.5", "'on'": "on",
		"!!str 012": "012",
		"2.0":       "2.0", "a:b": "a:b", "~": nil, "Null": nil, "1.2.3": "1.2.3", "y": "y",
		"0o12": "0o12", "1:70": "1:70",
		"''": "", "|\n  012": "012",
	} {
		doc, _, err := parseClouds([]byte("clouds: {}\na: "+value), "clouds.yaml")
		if err != nil || doc["a"] != want {
			t.Errorf("%s: %#v, %v", value, doc["a"], err)
		}
	}
	for _, value := range []string{"012", "0x1f", "0b1", "1_000", "12:30:45", ".5", "1.50", "1.0e+3", "+5", "-0",
		".inf", "on", "No", "2026-01-01", "2026-01-01 10:00:00"} {
		doc, _, err := parseClouds([]byte("a: "+value), "clouds.yaml")
		if _, ok := doc["a"].(odd); !ok || err != nil {
			t.Errorf("%s: %#v, %v", value, doc["a"], err)
		}
	}
	for _, text := range []string{"a: =", "a: !x b", "a: !!set {b}", "a: !!int '5'", "[a]: b", "<<: a", "a:\tb",
		"a: b\n---\nc: d", "- a"} {
		if doc, _, err := parseClouds([]byte(text), "clouds.yaml"); err == nil {
			t.Errorf("%q is accepted: %#v", text, doc)
		}
	}
	doc, _, err := parseClouds([]byte("a: &a {x: 1}\nb: &b {x: 2, y: 2}\nc: {<<: [*a, *b], z: 3}\n"+
		"d: {<<: *a, x: 9}\n"), "clouds.yaml")
	if err != nil || doc.tree("c").text("x") != "1" || doc.tree("c").text("y") != "2" ||
		doc.tree("d").text("x") != "9" {
		t.Errorf("%v, %v", doc, err)
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
		doc, names, err := parseClouds(b, "clouds.yaml")
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
