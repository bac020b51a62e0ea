package formats

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"github.com/jeton-cli/jeton/plugin"
	"github.com/jeton-cli/jeton/plugin/keystone"
	"github.com/jeton-cli/jeton/plugin/sts"
)

var update = flag.Bool("update", false, "rewrite the golden files")

var (
	issued = time.Date(2026, 11, 22, 8, 0, 0, 999, time.UTC)
	zone   = time.FixedZone("", 2*60*60)
)

func keystoneToken() *plugin.Credential {
	return &plugin.Credential{
		Token: plugin.NewSecret("gAAAAAtoken"), Issued: issued, Expires: issued.Add(time.Hour).In(zone),
		Attrs: map[string]string{
			"auth_url": "https://keystone.example/v3", "project_id": "0123", "project_name": "web", "user_id": "4567",
			"user_name": "alice", "region_name": "RegionOne", "interface": "public", "cacert": "/etc/ssl/cloud.pem",
		},
	}
}

func delegatedToken() *plugin.Credential {
	c := keystoneToken()
	c.Attrs["delegated"] = "application_credential"
	return c
}

func bearerToken() *plugin.Credential {
	return &plugin.Credential{Token: plugin.NewSecret("ey.J.x"), Issued: issued, Expires: issued.Add(time.Minute)}
}

func accessKey() *plugin.Credential {
	return &plugin.Credential{
		AccessKey: "0123abcd", SecretKey: plugin.NewSecret("secret'key"), SessionToken: plugin.NewSecret("session"),
		Issued: issued, Expires: issued.Add(time.Hour).In(zone),
		Attrs: map[string]string{"region": "gra", "endpoint": "https://s3.example", "user_name": "alice",
			"auth_url": "https://keystone.example/v3"},
	}
}

func appCred() *plugin.Credential {
	c := keystoneToken()
	c.Token, c.SecretKey = plugin.Secret{}, plugin.NewSecret(`secret"of\it`)
	c.Attrs["application_credential_id"], c.Attrs["application_credential_name"] = "89ab", "jeton-x"
	return c
}

func everlastingKey() *plugin.Credential {
	return &plugin.Credential{AccessKey: "0123abcd", SecretKey: plugin.NewSecret("secret"), Issued: issued}
}

// issuers are the issuers that hints name.
var issuers = plugin.Issuers{keystone.Issuer, keystone.EC2, keystone.AppCred, sts.Issuer}

var credentials = map[string]*plugin.Credential{
	"keystone": keystoneToken(), "delegated": delegatedToken(), "bearer": bearerToken(), "key": accessKey(),
	"everlasting": everlastingKey(), "appcred": appCred(),
}

// Every format writes each kind of credential as its golden file shows, or refuses it in
// one line and writes nothing.
func TestEncode(t *testing.T) {
	for _, kind := range Kinds {
		variants := map[string]Options{"": {Issuers: issuers, Profile: "prod"}}
		switch kind.Name {
		case "env":
			variants["-fish"] = Options{Issuers: issuers, Profile: "prod", Shell: "fish"}
			variants["-powershell"] = Options{Issuers: issuers, Profile: "prod", Shell: "powershell"}
			variants["-cmd"] = Options{Issuers: issuers, Profile: "prod", Shell: "cmd"}
			for _, client := range []string{"swift", "duplicity"} {
				variants["-for-"+client] = Options{Issuers: issuers, Profile: "prod", Client: client,
					Endpoints: func(*plugin.Credential) (map[string]string, error) {
						return map[string]string{"object-store": "https://swift.example/v1/AUTH_0123"}, nil
					}}
			}
		case "kubernetes":
			variants["-v1beta1"] = Options{Issuers: issuers, Profile: "prod", ExecInfo: `{"apiVersion":"client.authentication.k8s.io/v1beta1","kind":"ExecCredential","spec":{}}`}
		case "openstack":
			variants["-as"] = Options{Issuers: issuers, Profile: "prod", Name: "other"}
			variants["-controller"] = Options{Issuers: issuers, Profile: "prod", Client: cloudController}
		}
		for variant, options := range variants {
			options.Describe = func(*plugin.Credential) ([]byte, error) { return []byte(`{"token": {"catalog": []}}`), nil }
			f, err := New(kind.Name, options)
			if err != nil {
				t.Errorf("%s%s: %v", kind.Name, variant, err)
				continue
			}
			for name, c := range credentials {
				var b bytes.Buffer
				got := ""
				if err := f.Encode(&b, c); err != nil {
					e := plugin.AsError(err)
					if b.Len() > 0 || e.Code != plugin.Config || e.Hint == "" || strings.Contains(e.Text, "\n") {
						t.Errorf("%s%s of %s: wrote %q and failed: %+v", kind.Name, variant, name, b.String(), e)
					}
					got = "refused: " + e.Text + "\nhint: " + e.Hint + "\n"
				} else {
					got = b.String()
				}
				golden(t, kind.Name+variant+"-"+name, got)
			}
			var b bytes.Buffer
			if err := f.Encode(&b, &plugin.Credential{}); kind.Name != "json" && (err == nil || b.Len() > 0) {
				t.Errorf("%s%s of nothing: wrote %q, %v", kind.Name, variant, b.String(), err)
			}
		}
	}
}

// The file for a program that can use the token only as it is.
func TestCloud(t *testing.T) {
	document := cloudAsItIs(delegatedToken(), map[string]string{
		"object-store": "https://swift.example/v1/AUTH_0123", "identity": "https://keystone.example/v3",
		"strange: x": "x",
	})
	golden(t, "openstack-cloud", string(document))
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("..", "testdata", "formats", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got; go test ./formats -update rewrites it):\n%s", name, diff)
	}
}

// A client without a margin is told an expiry before the true one. It is still in the
// future, however short the life.
func TestEarly(t *testing.T) {
	for life, want := range map[time.Duration]time.Duration{
		24 * time.Hour: time.Minute, time.Hour: time.Minute, 6 * time.Minute: time.Minute,
		time.Minute: 10 * time.Second, 6 * time.Second: time.Second,
	} {
		c := &plugin.Credential{Issued: issued, Expires: issued.Add(life)}
		if got := c.Expires.Sub(early(c)); got != want {
			t.Errorf("with a life of %s, the expiry is %s early, not %s", life, got, want)
		}
	}
	if !early(&plugin.Credential{Issued: issued}).IsZero() {
		t.Error("a credential that does not expire is given an expiry")
	}
}

// awkward are values that break careless encoders.
var awkward = []string{
	"plain", "$(touch canary)", "`touch canary`", "';touch canary;'", `\`, `\'`, `a"b`, "!x", "%PATH%", "$HOME", "a b", " lead", "tail ", "~", "*", "#x",
	"a: b", "- x", "&a", "*a", "!!python/object:os.system", "yes", "0x1f", "null", "", "🗝", "‘x’", "</script>", "{{x}}",
	"a\\nb", "é",
}

// Each shell reads exactly the value and runs nothing.
func TestShells(t *testing.T) {
	for shell, names := range map[string][]string{"sh": {"sh", "dash", "bash", "zsh"}, "fish": {"fish"},
		"powershell": {"pwsh"}} {
		for _, name := range names {
			path, err := exec.LookPath(name)
			if err != nil {
				t.Logf("%s is not installed", name)
				continue
			}
			for _, value := range awkward {
				if value == "" {
					continue
				}
				dir := t.TempDir()
				c := keystoneToken()
				c.Attrs["region_name"] = value
				f, err := New("env", Options{Shell: shell})
				if err != nil {
					t.Fatal(err)
				}
				var b bytes.Buffer
				if err := f.Encode(&b, c); err != nil {
					t.Fatal(err)
				}
				show := "\nprintf %s \"$OS_REGION_NAME\"; test -z \"$OS_USERNAME\" || echo leftover\n"
				if shell == "powershell" {
					show = "\n[Console]::Write($Env:OS_REGION_NAME)\n"
				}
				cmd := exec.Command(path, "-c", b.String()+show)
				cmd.Dir = dir
				cmd.Env = append(os.Environ(), "OS_USERNAME=leftover", "OS_REGION_NAME=leftover", "HOME="+dir)
				out, err := cmd.CombinedOutput()
				if err != nil || string(out) != value {
					t.Errorf("%s takes %q as %q, %v", name, value, out, err)
				}
				if files, _ := os.ReadDir(dir); slices.ContainsFunc(files,
					func(e os.DirEntry) bool { return e.Name() == "canary" }) {
					t.Errorf("%s ran a command in %q", name, value)
				}
			}
		}
	}
}

// What cmd cannot quote is refused. (TestWine has a cmd read the rest.)
func TestCmdRefuses(t *testing.T) {
	for value, refused := range map[string]bool{"plain": false, "a b": false, "a^b&c|d<e>(f)": false, "'x'": false,
		`C:\x\`: false, "$HOME": false, "%PATH%": true, `a"b`: true, "web!": true, "é": true, "a\nb": true, "🗝": true,
		strings.Repeat("x", 9000): true} {
		c := keystoneToken()
		c.Attrs["region_name"] = value
		f, err := New("env", Options{Shell: "cmd", Profile: "prod"})
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		err = f.Encode(&b, c)
		if refused != (err != nil) || refused && (b.Len() > 0 || plugin.AsError(err).Code != plugin.Config) ||
			!refused && !strings.Contains(b.String(), `set "OS_REGION_NAME=`+value+"\"\r\n") {
			t.Errorf("%q: %v: %q", value, err, b.String())
		}
	}
}

// YAML readers get back exactly the same strings.
func TestClouds(t *testing.T) {
	python, _ := exec.LookPath("/usr/bin/python3")
	for _, value := range awkward {
		c := keystoneToken()
		c.Attrs["region_name"] = value
		f, err := New("openstack", Options{Issuers: issuers, Profile: "prod", Name: value})
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if err := f.Encode(&b, c); err != nil {
			t.Fatal(err)
		}
		name := value
		if name == "" {
			name = "prod"
		}
		check := func(reader string, doc map[string]any) {
			t.Helper()
			cloud, ok := doc["clouds"].(map[string]any)[name].(map[string]any)
			if region, _ := cloud["region_name"].(string); !ok || region != value {
				t.Errorf("%s reads %q as %#v", reader, value, doc)
			}
		}
		var doc map[string]any
		if err := yaml.Unmarshal(b.Bytes(), &doc); err != nil {
			t.Errorf("%q: %v", value, err)
		}
		check("go.yaml.in", doc)
		if python != "" && exec.Command(python, "-c", "import yaml").Run() == nil {
			cmd := exec.Command(python, "-c",
				"import sys, yaml, json; json.dump(yaml.safe_load(sys.stdin.buffer.read()), sys.stdout)")
			cmd.Stdin = &b
			out, err := cmd.Output()
			doc = nil
			if err != nil || json.Unmarshal(out, &doc) != nil {
				t.Errorf("PyYAML cannot read %q: %v", value, err)
				continue
			}
			check("PyYAML", doc)
		}
	}
}

func FuzzExecInfo(f *testing.F) {
	f.Add(`{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","spec":{"interactive":true,"cluster":{"server":"x"}}}`)
	f.Add(`{"apiVersion":"client.authentication.k8s.io/v1beta1","kind":"ExecCredential"}`)
	f.Add(`[]`)
	f.Fuzz(func(t *testing.T, info string) {
		format, err := New("kubernetes", Options{ExecInfo: info})
		if err != nil {
			if e := plugin.AsError(err); e.Code != plugin.Usage {
				t.Errorf("code %d: %v", e.Code, err)
			}
			return
		}
		var b bytes.Buffer
		if err := format.Encode(&b, keystoneToken()); err != nil {
			t.Fatal(err)
		}
		var doc, asked struct {
			APIVersion string `json:"apiVersion"`
		}
		if err := json.Unmarshal(b.Bytes(), &doc); err != nil {
			t.Fatal(err)
		}
		if info != "" && (json.Unmarshal([]byte(info), &asked) != nil || asked.APIVersion != doc.APIVersion) {
			t.Errorf("asked for %q, got %q", asked.APIVersion, doc.APIVersion)
		}
	})
}
