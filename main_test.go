package main

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jeton-cli/jeton/cache"
	"github.com/jeton-cli/jeton/plugin"
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

func readme(t *testing.T) string {
	b, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// The tables of plugins and options in the README say what the code does.
func TestReadmeTables(t *testing.T) {
	text := readme(t)
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
	fleet, err := os.ReadFile("docs/fleet.md")
	if err != nil {
		t.Fatal(err)
	}
	text += string(fleet)
	for name, want := range tables {
		_, rest, found := strings.Cut(text, "<!-- "+name+": checked by main_test.go -->\n")
		if !found {
			t.Errorf("the documents have no table of %s", name)
			continue
		}
		table, _, _ := strings.Cut(rest, "\n\n")
		got := strings.Split(table, "\n")[2:]
		if strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("the documents' table of %s should be\n%s", name, strings.Join(want, "\n"))
		}
	}
}

// The profiles that the README shows are such.
func TestReadmeProfiles(t *testing.T) {
	n := 0
	for _, block := range regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(readme(t), -1) {
		text := block[1]
		if !strings.Contains(text, "plugin: ") {
			continue // a kubeconfig
		}
		if !strings.HasPrefix(text, "profiles:") {
			text = "profiles:\n" + text
		}
		path := filepath.Join(t.TempDir(), "config.yaml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := plugin.ReadFile(path, true, issuers, func(string) string { return "" })
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		for _, name := range f.Names() {
			n++
			if _, err := f.Profile(name); err != nil {
				t.Errorf("%v", err)
			}
		}
	}
	if n < 3 {
		t.Errorf("only %d profiles were found", n)
	}
}
