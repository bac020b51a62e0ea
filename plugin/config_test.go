package plugin

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
)

// testOptions has an option of every type.
type testOptions struct {
	Text   string        `yaml:"text" help:"x"`
	Secret SecretRef     `yaml:"secret" help:"x"`
	File   Path          `yaml:"file" help:"x"`
	Flag   bool          `yaml:"flag" help:"x"`
	Span   time.Duration `yaml:"span" help:"x"`
	Loose  string        `yaml:"loose" key:"-" help:"x"`
}

func (o *testOptions) Complete(*Common) error { return nil }
func (o *testOptions) Source(*Env) Source     { return nil }

var testIssuers = []Issuer{{
	Name: "test", New: func() Options { return &testOptions{} }, Aliases: map[string]string{"words": "text"},
}}

func parse(t testing.TB, text string) *File {
	f := &File{Path: "/config.yaml", issuers: testIssuers, getenv: func(string) string { return "" },
		nodes: map[string]*yaml.Node{}}
	if err := f.parse([]byte(text)); err != nil {
		t.Fatal(err)
	}
	return f
}

// The order of the options, an auth block, other names of options and the way of writing
// do not change the inputs to the cache key. Every value does.
func TestInputs(t *testing.T) {
	inputs := func(profile string) string {
		p, err := parse(t, "profiles:\n  p: "+profile).Profile("p")
		if err != nil {
			t.Fatal(err)
		}
		list, err := p.Inputs(func(string) string { return "from the environment" })
		if err != nil {
			t.Fatal(err)
		}
		var b strings.Builder
		for _, in := range list {
			b.WriteString(in.Name + "=" + in.Value + "\n")
		}
		return b.String()
	}
	same := []string{
		"{plugin: test, text: a, secret: b, span: 1h}",
		"{span: 60m, secret: b, text: a, plugin: test}",
		"{plugin: test, auth: {text: a, secret: b}, span: 1h}",
		"{plugin: 'test', words: \"a\", secret: b, span: 1h0m}",
		"\n    # a comment\n    plugin: test\n    text: a\n    secret: b\n    span: 1h\n",
		"{plugin: test, text: a, secret: b, span: 1h, loose: x, renew_after: 2h, max_ttl: 3h, format: json, " +
			"timeout: 3s}",
	}
	for _, text := range same[1:] {
		if got, want := inputs(text), inputs(same[0]); got != want {
			t.Errorf("%s gives\n%s, not\n%s", text, got, want)
		}
	}
	seen := map[string]string{inputs(same[0]): same[0]}
	for _, text := range []string{
		"{plugin: test, text: b, secret: b, span: 1h}",
		"{plugin: test, text: a, secret: a, span: 1h}",
		"{plugin: test, text: a, secret: b, span: 2h}",
		"{plugin: test, text: a, secret: b}",
		"{plugin: test, secret: b, span: 1h}",
		"{plugin: test, text: a, secret: {env: X}, span: 1h}",
		"{plugin: test, text: a, secret: {command: [b]}, span: 1h}",
		"{plugin: test, text: a, secret: {command: [b, c]}, span: 1h}",
		"{plugin: test, text: a, secret: {command: [b c]}, span: 1h}",
		"{plugin: test, text: a, secret: b, span: 1h, flag: true}",
		"{plugin: test, text: a, secret: b, span: 1h, proxy: none}",
		"{plugin: test, text: a, secret: b, span: 1h, plain_http: true}",
	} {
		got := inputs(text)
		if other, ok := seen[got]; ok {
			t.Errorf("%s has the same key as %s", text, other)
		}
		seen[got] = text
	}
}

// Numbers and words that YAML would read as something else are taken as written.
func TestTextIsTakenAsWritten(t *testing.T) {
	for _, text := range []string{"0123", "12e4", "0x1f", "1_000", "yes", "no", "1.0", "2026-11-22",
		"12345678901234567890123", "true"} {
		p, err := parse(t, "profiles:\n  p: {plugin: test, text: "+text+"}").Profile("p")
		if err != nil {
			t.Errorf("%s: %v", text, err)
		} else if got := p.Options.(*testOptions).Text; got != text {
			t.Errorf("%s is read as %s", text, got)
		}
	}
}

// A file that is too large, is not text, or is nested too deeply is refused.
func TestConfigBeyondReason(t *testing.T) {
	for name, content := range map[string]string{
		"is larger than 8192 KiB": strings.Repeat("# x\n", 1<<21+1),
		"is not UTF-8 text":       "profiles: {a: \xff}",
		"is not valid YAML":       strings.Repeat("[", 20000),
	} {
		path := filepath.Join(t.TempDir(), "config.yaml")
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadFile(path, true, nil, os.Getenv); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Every option has a help text, a type that can be decoded, and a considered place in or
// outside the cache key. Those outside are listed here.
func TestCommonOptions(t *testing.T) {
	outside := []string{"format", "from", "max_ttl", "renew_after", "timeout"}
	var got []string
	for _, f := range fields(&Common{}) {
		if f.skipKey {
			got = append(got, f.name)
		}
		if f.help == "" {
			t.Errorf("%s has no help", f.name)
		}
	}
	slices.Sort(got)
	if !slices.Equal(got, outside) {
		t.Errorf("options outside the key: %v, not %v", got, outside)
	}
	if n := reflect.TypeFor[Common]().NumField(); n != len(fields(&Common{})) {
		t.Errorf("%d fields of Common, but %d options", n, len(fields(&Common{})))
	}
}

func FuzzConfig(f *testing.F) {
	f.Add("profiles:\n  a: {plugin: test, text: x}\n")
	f.Add("profiles:\n  a:\n    plugin: test\n    auth: {text: x, secret: {env: A}}\n  b: {plugin: test, from: a}\n")
	f.Add("profiles: {a: &x {plugin: test}, b: *x}")
	f.Add("a: &a [*a]")
	f.Add("? {a: b}\n: c")
	f.Add("profiles: {a: {plugin: test, span: 1h, file: /x, secret: {command: [a, b]}}}")
	f.Fuzz(func(t *testing.T, text string) {
		file := &File{Path: "/config.yaml", issuers: testIssuers, getenv: func(string) string { return "" },
			nodes: map[string]*yaml.Node{}}
		if err := file.parse([]byte(text)); err != nil {
			checkFuzzed(t, err)
			return
		}
		for _, name := range file.Names() {
			p, err := file.Profile(name)
			if err != nil {
				checkFuzzed(t, err)
				continue
			}
			a, errA := p.Inputs(func(string) string { return "" })
			again, errB := file.Profile(name)
			if errB != nil {
				t.Fatal(errB)
			}
			b, errB := again.Inputs(func(string) string { return "" })
			if (errA == nil) != (errB == nil) || !slices.Equal(a, b) {
				t.Errorf("the inputs differ between two calls")
			}
		}
	})
}

// checkFuzzed checks that err is an error in the configuration, on one line and without
// control characters.
func checkFuzzed(t *testing.T, err error) {
	e := AsError(err)
	if e.Code != Config {
		t.Errorf("code %d: %v", e.Code, err)
	}
	if e.Text != Shorten(e.Text) && len([]rune(e.Text)) < 200 {
		t.Errorf("control characters in %q", e.Text)
	}
}

func TestNearest(t *testing.T) {
	names := []string{"username", "password", "project_id"}
	for in, want := range map[string]string{
		"usernam": "username", "user_name": "username", "pasword": "password", "projectid": "project_id", "xyz": "",
		"": "",
	} {
		if got := Nearest(in, names); got != want {
			t.Errorf("Nearest(%q) = %q, not %q", in, got, want)
		}
	}
}
