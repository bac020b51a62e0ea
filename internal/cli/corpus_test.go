package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// corpus returns the files of a kind as vendors and tools write them, by name.
func corpus(t *testing.T, kind string) map[string]string {
	t.Helper()
	dir := "../../testdata/corpus/" + kind
	list, err := os.ReadDir(dir)
	if err != nil || len(list) == 0 {
		t.Fatalf("%s: %v", dir, err)
	}
	files := map[string]string{}
	for _, f := range list {
		files[f.Name()] = read(t, filepath.Join(dir, f.Name()))
	}
	return files
}

// The cloud called mine in each clouds.yaml is imported as openstacksdk reads it.
func TestCloudsOfVendors(t *testing.T) {
	generated(t, 0) // only in make test
	reader := openstackReader(t)
	d := newDesk(t, "profiles:\n")
	for name, text := range corpus(t, "clouds") {
		path := d.write(name+"/clouds.yaml", text)
		profile := strings.TrimSuffix(name, ".yaml")
		if code, out := d.run("import", "clouds", path, "mine", "--as", profile, "--secret", "file"); code != 0 {
			t.Errorf("%s: %d, %s", name, code, out)
			continue
		}
		was := readersOf[cloudReading](t, reader, []string{cloudQuestion{Path: path, Cloud: "mine"}.String()})[0]
		if was.Error != "" && profile != "binero" { // for that one, openstacksdk wants the code at once
			t.Errorf("%s: openstacksdk says %s", name, was.Error)
		} else if was.Error == "" {
			was.check(t, cloudFolder{clouds: text}, d.profiles()[profile], "")
		}
	}
}

// A context of each kubeconfig is set up, and no other one changes.
func TestKubeconfigsOfVendors(t *testing.T) {
	generated(t, 0)
	reader := client("kubeconfig-reader")
	if reader == "" {
		skip(t, "kubeconfig-reader is not installed")
	}
	d := newDesk(t, "profiles:\n  p: {plugin: keystone, auth_url: https://host/v3, username: a, password: {env: X}}\n")
	for name, text := range corpus(t, "kubeconfig") {
		s, before, after := d.setUp(name, "c1", []string{text})
		if s.code != 0 {
			t.Errorf("%s: %d, %s", name, s.code, s.said)
			continue
		}
		readings := readersOf[kubeReading](t, []string{reader}, []string{before, after})
		s.check(t, readings[0], readings[1])
	}
}

// A section is added to each configuration of AWS's tools, or the default one set up, and
// goes again without a trace. What logs in otherwise is refused.
func TestAWSConfigsOfVendors(t *testing.T) {
	d := newDesk(t, "profiles:\n  k: {plugin: keystone, auth_url: https://host/v3, username: a, password: {env: X}}\n"+
		"  p: {plugin: keystone-ec2, from: k, region: gra, endpoint: https://s3.example}\n")
	for name, text := range corpus(t, "aws") {
		path := d.write(name, text)
		d.env = []string{"AWS_CONFIG_FILE=" + path}
		for as, want := range map[string]int{"default": 0, "new": 0, "dev": 78, "prod": 78} {
			if !strings.Contains(text, "[profile "+as+"]") {
				want = 0
			}
			code, out := d.run("setup", "aws", "p", "--as", as)
			if code != want {
				t.Errorf("%s: %s: %d, not %d: %s", name, as, code, want, out)
			}
			if code == 0 {
				d.run("setup", "aws", "p", "--as", as, "--remove")
			}
			if read(t, path) != text {
				t.Errorf("%s: %s: it is another one afterwards", name, as)
			}
		}
	}
}

// The service accounts of OVHcloud and the access keys of Outscale are imported. What jeton
// does not use is told with the way out.
func TestLoginsOfVendors(t *testing.T) {
	d := newDesk(t, "profiles:\n")
	for name, text := range corpus(t, "ovh") {
		path := d.write(name, text)
		profile := strings.TrimSuffix(name, ".conf")
		code, out := d.run("import", "ovh", path, profile, "--secret", "file")
		if name == "application-keys.conf" {
			if code != 78 || !strings.Contains(out, "hint: its application key is of the former way to log in") {
				t.Errorf("%s: %d, %s", name, code, out)
			}
			continue
		}
		got := d.profiles()[profile]
		if code != 0 || got["plugin"] != "ovhcloud" || !strings.HasSuffix(got["client_id"], ".0123456789abcdef") ||
			!strings.HasPrefix(got["client_secret"], "0123456789abcdef") {
			t.Errorf("%s: %d, %s: %v", name, code, out, got)
		}
	}
	for name, text := range corpus(t, "outscale") {
		d := newDesk(t, "profiles:\n")
		code, out := d.run("import", "outscale", d.write(name, text), "--secret", "file")
		got := d.profiles()["outscale"]
		if code != 0 || got["region"] != "eu-west-2" || got["access_key"] != "ABCDEFGHIJ0123456789" ||
			got["secret_key"] != "0123456789ABCDEFGHIJ0123456789ABCDEFGHIJ" {
			t.Errorf("%s: %d, %s: %v", name, code, out, got)
		}
		if code, out := d.run("status"); code != 0 {
			t.Errorf("%s: %d, %s", name, code, out)
		}
	}
}
