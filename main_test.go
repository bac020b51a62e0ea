package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/jeton-cli/jeton/cache"
	"github.com/jeton-cli/jeton/formats"
	"github.com/jeton-cli/jeton/plugin"
	"github.com/jeton-cli/jeton/testdata/documents"
)

// outsideKey are the options that do not decide which credential an issuer
// gives. Whoever adds an option has to think about whether it belongs here.
var outsideKey = []string{"code", "code_challenge_method", "format", "from", "identity_api_version", "max_ttl",
	"passcode", "redirect_host", "redirect_port", "redirect_uri", "refresh_store", "renew_after", "timeout", "verify"}

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

// Every option of every plugin, changed alone, changes what hosts share it under, but those
// that are known not to matter, and those that nobody shares.
func TestEveryOptionIsShared(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	resolve := func(string, plugin.SecretRef) (plugin.Secret, error) { return plugin.NewSecret("a secret"), nil }
	for i := range issuers {
		shared := func(change func(*plugin.Profile)) (string, error) {
			p := &plugin.Profile{Name: "p", Config: "/config.yaml", Issuer: &issuers[i], Options: issuers[i].New()}
			change(p)
			pinned, err := p.Pin(resolve)
			if err != nil {
				t.Fatal(err)
			}
			inputs, err := pinned.SharedInputs(func(string) string { return "value" })
			if err == nil && strings.Contains(fmt.Sprint(inputs), "/config") {
				t.Errorf("%s: the place of the configuration is in %v", issuers[i].Name, inputs)
			}
			return fmt.Sprint(inputs), err
		}
		plain, err := shared(func(*plugin.Profile) {})
		if err != nil {
			if !issuers[i].Mints {
				t.Errorf("%s: %v", issuers[i].Name, err)
			}
			continue
		}
		for _, block := range []func(*plugin.Profile) any{
			func(p *plugin.Profile) any { return p.Options }, func(p *plugin.Profile) any { return &p.Common },
		} {
			options := reflect.TypeOf(block(&plugin.Profile{Options: issuers[i].New()})).Elem()
			for j := range options.NumField() {
				option := options.Field(j).Tag.Get("yaml")
				if option == "" {
					continue
				}
				got, err := shared(func(p *plugin.Profile) {
					set(t, reflect.ValueOf(block(p)).Elem().Field(j), file)
				})
				if outside := slices.Contains(outsideKey, option); err == nil && (got == plain) != outside {
					t.Errorf("%s: %s gives %s", issuers[i].Name, option, got)
				}
				_, program := reflect.New(options.Field(j).Type).Interface().(*plugin.Argv)
				if (err != nil) != program {
					t.Errorf("%s: %s: %v", issuers[i].Name, option, err)
				}
			}
		}
	}
}

func set(t *testing.T, v reflect.Value, file string) {
	switch p := v.Addr().Interface().(type) {
	case *string:
		*p = "changed"
	case *[]string:
		*p = []string{"changed"}
	case *plugin.Argv:
		*p = plugin.Argv{"changed"}
	case *plugin.Variables:
		*p = plugin.Variables{"CHANGED"}
	case *map[string]string:
		*p = map[string]string{"changed": "too"}
	case *[]map[string]string:
		*p = []map[string]string{{"changed": "too"}}
	case *bool:
		*p = !*p
	case *int:
		*p = 1
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

func readDocuments(t *testing.T) []documents.Document {
	list, err := documents.All(".")
	if err != nil || len(list) < 30 {
		t.Fatal(err, len(list))
	}
	return list
}

// The tables of plugins and options in the documents say what the code does.
func TestTables(t *testing.T) {
	options := func(list []plugin.Option) (rows []string) {
		for _, o := range list {
			rows = append(rows, fmt.Sprintf("| `%s` | %s |", o.Name, o.Help))
		}
		return rows
	}
	tables := map[string][]string{"options common": options(plugin.Documentation(&plugin.Common{}))}
	for _, i := range issuers {
		tables["plugins"] = append(tables["plugins"], fmt.Sprintf("| `%s` | %s | %s |", i.Name, i.Gives, i.From))
		tables["options "+i.Name] = options(plugin.Documentation(i.New()))
	}
	tables["options shared_cache"] = options(plugin.Documentation(&plugin.SharedCache{}))
	for _, fault := range documents.WrongTables(readDocuments(t), "main_test.go", tables) {
		t.Error(fault)
	}
}

// The profiles that a document shows are such, all together.
func TestProfilesShown(t *testing.T) {
	n := 0
	for _, d := range readDocuments(t) {
		profiles := d.Profiles()
		if profiles == "" {
			continue
		}
		f, _ := read(t, profiles)
		if f == nil {
			t.Errorf("%s: its profiles are none together:\n%s", d.Path, profiles)
			continue
		}
		for _, name := range f.Names() {
			n++
			if _, err := f.Profile(name); err != nil {
				t.Errorf("%s: %v", d.Path, err)
			}
		}
	}
	if n < 50 {
		t.Errorf("only %d profiles were found", n)
	}
}

// The example of each issuer is a profile of it.
func TestExamples(t *testing.T) {
	all := "profiles:\n"
	for i := range issuers {
		all += "  " + strings.TrimSuffix(strings.ReplaceAll(issuers[i].Example, "\n", "\n  "), "  ")
	}
	f, usable := read(t, all)
	if f == nil || !usable || len(f.Names()) != len(issuers) {
		t.Errorf("they are no profiles together:\n%s", all)
	}
}

// configurations returns the texts of all configuration files that there are in the tests
// and the documents.
func configurations(t *testing.T) (texts []string) {
	scripts, err := filepath.Glob("testdata/script/*.txtar")
	if err != nil || len(scripts) < 20 {
		t.Fatal(err, scripts)
	}
	deeper, err := filepath.Glob("testdata/script/*/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range append(scripts, deeper...) {
		archive, err := txtar.ParseFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range archive.Files {
			if text := string(f.Data); strings.Contains(text, "profiles:") && strings.HasSuffix(f.Name, ".yaml") {
				texts = append(texts, strings.NewReplacer("$KEYSTONE", "https://keystone.example/v3").Replace(text))
			}
		}
	}
	for _, d := range readDocuments(t) {
		if text := d.Profiles(); text != "" {
			texts = append(texts, text)
		}
	}
	for i := range issuers {
		texts = append(texts, "profiles:\n  "+strings.ReplaceAll(issuers[i].Example, "\n", "\n  ")+"\n")
	}
	return texts
}

// read reports whether jeton takes the configuration, each profile for itself.
func read(t *testing.T, text string) (f *plugin.File, usable bool) {
	path := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := plugin.ReadFile(path, true, issuers, func(string) string { return "" })
	if err != nil {
		return nil, false
	}
	for _, name := range f.Names() {
		// What a profile stands on and what its options mean together is not a matter of
		// the schema.
		if _, err := f.Profile(name); err != nil {
			return f, false
		}
	}
	return f, true
}

// A real validator finds that the schema is one, and that what jeton takes fits it. What has
// the form of no profile does not.
func TestSchema(t *testing.T) {
	if err := exec.Command("python3", "-c", "import jsonschema, yaml").Run(); err != nil {
		if os.Getenv("JETON_TEST_NOSKIP") != "" {
			t.Fatal("jsonschema for Python is not installed")
		}
		t.Skip("jsonschema for Python is not installed")
	}
	type example struct {
		Text string `json:"text"`
		Good bool   `json:"good"`
	}
	var examples []example
	for _, text := range configurations(t) {
		// What a format is called, jeton says when it prints.
		if _, usable := read(t, text); usable && !strings.Contains(text, "format: kuberntes") {
			examples = append(examples, example{text, true})
		}
	}
	for _, profile := range []string{
		`{plugin: oidc, issuer: "https://h", client_id: a, flow: authorization_code, redirect_port: "9990"}`,
		`{plugin: command, argv: [/bin/x, ""]}`,
		`{plugin: keystone, auth_url: "https://h", username: 0123, password: {command: [x, ""]}, project_id: 12e4}`,
		`{plugin: keystone, auth_url: "https://h", username: a, password: {keyring: 12}, region_name: true}`,
	} {
		examples = append(examples, example{"profiles: {p: " + profile + "}", true})
	}
	if len(examples) < 80 {
		t.Fatalf("only %d configurations are usable", len(examples))
	}
	for i := range issuers {
		name := issuers[i].Name
		for _, line := range []string{"no_such_option: x", "timeout: 5", "plain_http: maybe", "ca_file: [a]",
			"max_ttl: ten", "auth: {no_such_option: x}", "from: {}", "format: nonsense", "proxy: ''"} {
			text := fmt.Sprintf("profiles:\n  p:\n    plugin: %s\n    %s\n", name, line)
			examples = append(examples, example{text, false})
		}
	}
	for _, text := range []string{"profile: {}", "profiles: []", "profiles: {p: {}}",
		"profiles: {p: {plugin: nothing}}",
		"profiles: {env: {plugin: command, argv: [x]}}",
		"profiles: {env-os: {plugin: command, argv: [x]}}",
		"profiles: {'a b': {plugin: command, argv: [x]}}", "profiles: {p: {plugin: command, argv: []}}",
		"profiles: {p: {plugin: keystone, password: {envv: X}}}",
		"profiles: {p: {plugin: keystone, password: {file: x}}}", "profiles: {p: {plugin: keystone, ca_file: ca.pem}}",
		"profiles: {p: {plugin: keystone, password: {keyring: ''}}}",
		"profiles: {p: {plugin: keystone, password: {env: X, file: /x}}}", "shared_cache: {key: x}",
		"shared_cache: {url: x, no: y}"} {
		examples = append(examples, example{text, false})
	}
	for _, e := range examples {
		if _, usable := read(t, e.Text); usable != e.Good {
			t.Errorf("jeton takes this, %v:\n%s", usable, e.Text)
		}
	}
	input, err := json.Marshal(map[string]any{"schema": issuers.Schema(formats.Spellings()), "examples": examples})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("python3", "-c", `
import json, sys, yaml
from jsonschema import Draft7Validator
doc = json.load(sys.stdin)
Draft7Validator.check_schema(doc["schema"])
validator = Draft7Validator(doc["schema"])
for e in doc["examples"]:
    errors = [x.message[:200] for x in validator.iter_errors(yaml.safe_load(e["text"]))]
    if bool(errors) == e["good"]:
        print("good" if e["good"] else "bad", e["text"], errors)
`)
	cmd.Stdin = strings.NewReader(string(input))
	out, err := cmd.CombinedOutput()
	if err != nil || len(out) > 0 {
		t.Errorf("%v\n%s", err, out)
	}
}
