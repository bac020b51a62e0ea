package cli

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// A cloudQuestion asks openstacksdk for a cloud: in the file at Path, or in what it finds
// from Folder with the environment Env.
type cloudQuestion struct {
	Path, Cloud, Folder string
	Env                 map[string]string
}

func (q cloudQuestion) String() string {
	b, _ := json.Marshal(q)
	return string(b)
}

// A cloudReading is what openstacksdk reads of a cloud.
type cloudReading struct {
	Error                                 string
	Auth                                  map[string]string
	Type, Region, Interface, Verify, Cert string
}

// A cloudFolder is a clouds.yaml and the files beside it.
type cloudFolder struct{ clouds, secure, public string }

// withOpenstack returns a Python that has openstacksdk, or "".
func withOpenstack() string {
	for _, python := range []string{"python3", "/usr/bin/python3"} {
		if exec.Command(python, "-c", "import openstack.config").Run() == nil {
			return python
		}
	}
	return ""
}

// openstackReader returns the command line of the reader, or skips the test.
func openstackReader(t *testing.T) []string {
	t.Helper()
	python := withOpenstack()
	if python == "" {
		skip(t, "there is no Python with openstacksdk")
	}
	script, err := filepath.Abs("../../testdata/openstack/clouds.py")
	if err != nil {
		t.Fatal(err)
	}
	return []string{python, script}
}

// A profile that is imported is what openstacksdk reads, or jeton refuses and says why.
func TestCloudsAsOpenstack(t *testing.T) {
	n := generated(t, 400)
	reader := openstackReader(t)
	d := newDesk(t, "profiles:\n")
	m := newMaker(3)
	var folders []cloudFolder
	var questions, said []string
	var codes []int
	for i := range n {
		f := m.cloudFolder()
		place := fmt.Sprintf("%d/", i)
		path := d.write(place+"clouds.yaml", f.clouds)
		if f.secure != "" {
			d.write(place+"secure.yaml", f.secure)
		}
		if f.public != "" {
			d.write(place+"clouds-public.yaml", f.public)
		}
		code, out := d.run("import", "clouds", path, "mine", "--as", fmt.Sprint("p", i), "--secret", "file")
		folders, codes, said = append(folders, f), append(codes, code), append(said, out)
		questions = append(questions, cloudQuestion{Path: path, Cloud: "mine"}.String())
	}
	answers := readersOf[cloudReading](t, reader, questions)
	profiles := d.profiles()
	refused, unreadable := 0, 0
	reasons := map[string]int{}
	for i, was := range answers {
		switch {
		case codes[i] == 78 && was.Error != "":
			unreadable++
			reasons["- "+strings.SplitN(was.Error, "\n", 2)[0]]++
		case codes[i] == 78:
			refused++
			words := strings.Split(strings.SplitN(said[i], "\n", 2)[0], ": ")
			reasons[words[len(words)-1]]++
		case codes[i] != 0:
			t.Errorf("%q: %d, %s", folders[i], codes[i], said[i])
		case strings.Contains(was.Error, "unexpected keyword"), strings.HasPrefix(was.Error, "OptionError: "):
			// jeton leaves out what the login has no use for, and knows the default domain.
			unreadable++
		case was.Error != "":
			unreadable++
			t.Errorf("%q: imported, and openstacksdk says %s", folders[i], was.Error)
		default:
			was.check(t, folders[i], profiles[fmt.Sprint("p", i)], said[i])
		}
	}
	m.judge(t, n, unreadable, refused, "are none for openstacksdk", reasons)
}

// profiles returns the profiles of the configuration file, with the secrets that are in
// files.
func (d *desk) profiles() map[string]map[string]string {
	d.t.Helper()
	var file struct{ Profiles map[string]map[string]any }
	if err := yaml.Unmarshal([]byte(read(d.t, filepath.Join(d.home, ".config/jeton/config.yaml"))),
		&file); err != nil {
		d.t.Fatal(err)
	}
	result := map[string]map[string]string{}
	for name, options := range file.Profiles {
		result[name] = map[string]string{}
		for option, value := range options {
			switch value := value.(type) {
			case map[string]any:
				result[name][option] = strings.TrimSuffix(read(d.t, fmt.Sprint(value["file"])), "\n")
			case []any:
				result[name][option] = strings.Join(strings.Fields(strings.Trim(fmt.Sprint(value), "[]")), ",")
			default:
				result[name][option] = fmt.Sprint(value)
			}
		}
	}
	return result
}

// check compares a profile with what openstacksdk reads.
func (was cloudReading) check(t *testing.T, f cloudFolder, p map[string]string, said string) {
	want := maps.Clone(was.Auth)
	for older, newer := range map[string]string{"tenant_id": "project_id", "tenant_name": "project_name"} {
		if v := want[older]; v != "" {
			want[newer] = v
		}
		delete(want, older)
	}
	scope := func(name string) bool {
		return strings.HasPrefix(name, "project_") ||
			slices.Contains([]string{"domain_id", "domain_name", "trust_id", "system_scope"}, name)
	}
	maps.DeleteFunc(want, func(name, value string) bool {
		delegated := strings.Contains(want["auth_methods"]+was.Type, "v3applicationcredential")
		return value == "" || name == "passcode" || scope(name) && delegated ||
			want["project_id"] != "" && name == "project_name" ||
			strings.HasPrefix(name, "project_domain_") && (want["project_id"] != "" || want["project_name"] == "") ||
			strings.HasPrefix(name, "user_domain_") && want["username"] == ""
	})
	got := maps.Clone(p)
	maps.DeleteFunc(got, func(name, _ string) bool {
		return strings.HasPrefix(name, "user_domain_") && p["username"] == ""
	})
	for _, name := range []string{"plugin", "auth_type", "region_name", "interface", "ca_file", "cert_file",
		"key_file",
		"identity_api_version"} {
		delete(got, name)
	}
	if !maps.Equal(got, want) {
		t.Errorf("%q: the profile has %v, and openstacksdk reads %v", f, got, want)
	}
	kinds := []string{was.Type, "v3" + was.Type, "v2" + was.Type}
	way := p["interface"]
	if way == "" {
		way = "public"
	}
	if !slices.Contains(kinds, p["auth_type"]) || p["region_name"] != was.Region ||
		strings.TrimSuffix(way, "URL") != strings.TrimSuffix(was.Interface, "URL") {
		t.Errorf("%q: the profile has %v, and openstacksdk reads %v", f, p, was)
	}
	switch verify := was.Verify; {
	case (verify == "True" || verify == "None") && p["ca_file"] == "":
	case verify == "False" && strings.Contains(said, "verify: false (OS_INSECURE) is not taken over"):
	case filepath.IsAbs(verify) && p["ca_file"] == verify:
	default:
		t.Errorf("%q: the profile has %v, and openstacksdk verifies by %s", f, p, verify)
	}
	cert := "None"
	switch {
	case p["key_file"] != "":
		cert = fmt.Sprintf("('%s', '%s')", p["cert_file"], p["key_file"])
	case p["cert_file"] != "":
		cert = p["cert_file"]
	}
	if cert != was.Cert {
		t.Errorf("%q: the profile has %v, and openstacksdk shows %s", f, p, was.Cert)
	}
}

// A setting is a name and a value as they are written.
type setting struct{ name, value string }

// cloudFolder makes a clouds.yaml with a cloud called mine, and the files beside it.
func (m *maker) cloudFolder() (f cloudFolder) {
	auth, beside := m.cloudLogin()
	beside = append(beside, m.cloudRest()...)
	var anchors, secure, public strings.Builder
	i := slices.IndexFunc(auth, func(s setting) bool {
		return s.name == "password" || strings.HasSuffix(s.name, "secret") || s.name == "token"
	})
	if i >= 0 && m.chance("a secret in secure.yaml", 25) {
		fmt.Fprintf(&secure, "clouds:\n  mine:\n    auth:\n      %s: %s\n", auth[i].name, auth[i].value)
		auth = slices.Delete(auth, i, i+1)
	}
	if m.chance("a vendor of one's own", 15) {
		vendor := m.pick("vendor", "profile", "cloud")
		beside = append(beside, setting{vendor, "v"})
		fmt.Fprintf(&public, "public-clouds:\n  v:\n    auth: {auth_url: https://vendor.example, "+
			"project_name: vendors}\n%s", m.pick("vendor's", "", "    region_name: R\n", "    regions: [R1, R2]\n",
			"    identity_api_version: 3\n",
			"    regions:\n    - name: R3\n      values: {interface: internal}\n", "    verify: false\n",
			"    interface: admin\n"))
	} else if m.chance("a known vendor", 10) {
		beside = append(beside, setting{"profile", m.pick("vendor", "ovh", "citycloud", "otc", "elastx", "nobody")})
	}
	if m.chance("merge key", 10) {
		anchors.WriteString("common: &common\n  region_name: R9\n  interface: internal\n")
		beside = append(beside, setting{"<<", "*common"})
	}
	f = cloudFolder{m.cloudText(anchors.String(), auth, beside), secure.String(), public.String()}
	return f
}

// cloudText lays out a clouds.yaml.
func (m *maker) cloudText(before string, auth, beside []setting) string {
	m.Shuffle(len(auth), func(i, j int) { auth[i], auth[j] = auth[j], auth[i] })
	var b strings.Builder
	b.WriteString(m.pick("header", "", "# mine\n", "---\n", "---\n# mine\n") + before + "clouds:\n")
	if m.chance("another cloud", 30) {
		b.WriteString(m.pick("another", "  other: {auth: {auth_url: https://other}}\n", "  other:\n", "  7: {}\n",
			"  other:\n    auth:\n      password: 012\n"))
	}
	b.WriteString(m.pick("name", "  mine:\n", "  \"mine\":\n", "  'mine':\n", "  mine: # this\n"))
	flow := m.chance("flow style", 20)
	line := func(indent string, s setting) {
		if m.chance("a dash for underscores", 3) {
			s.name = strings.ReplaceAll(s.name, "_", "-")
		}
		b.WriteString(indent + s.name + ": " + s.value + m.pick("after", "\n", "\n", "\n", " # it\n", "\n\n", "  \n"))
	}
	writeAuth := func() {
		if !flow {
			b.WriteString("    auth:\n")
			for _, s := range auth {
				line("      ", s)
			}
			return
		}
		var words []string
		for _, s := range auth {
			words = append(words, s.name+": "+s.value)
		}
		b.WriteString("    auth: {" + strings.Join(words, m.pick("comma", ", ", ",\n      ")) + "}\n")
	}
	at := m.IntN(len(beside) + 1)
	for i, s := range beside {
		if i == at {
			writeAuth()
		}
		line("    ", s)
	}
	if at == len(beside) {
		writeAuth()
	}
	text := b.String()
	if m.chance("CRLF", 10) {
		text = strings.ReplaceAll(text, "\n", "\r\n")
	}
	if m.chance("byte order mark", 4) {
		text = "\ufeff" + text
	}
	if m.chance("no end of line", 10) {
		text = strings.TrimRight(text, "\r\n")
	}
	if m.chance("two documents", 2) {
		text += "\n---\na: b\n"
	}
	return text + m.pick("end", "", "", "", "", "", "", "", "\n...\n", "\n# end\n")
}

// cloudLogin makes the settings of a login: those in auth, and some beside it.
func (m *maker) cloudLogin() (auth, beside []setting) {
	add := func(name, value string) { auth = append(auth, setting{name, value}) }
	add("auth_url", m.pick("auth_url", "https://k.example/v3", "https://k.example:5000", "https://k.example:5000/v3/",
		"'https://k.example/identity'", `"https://k.example/v3"`, "https://k.example/v3 # here",
		"\"https://{region_name}.k.example/v3\""))
	user := func() {
		if m.chance("user_id", 15) {
			add("user_id", "1234")
			return
		}
		add("username", m.cloudValue())
		switch m.pick("user's domain", "name", "id", "name") {
		case "name":
			add("user_domain_name", m.pick("domain", "Default", "'a b'", "é"))
		case "id":
			add("user_domain_id", m.pick("domain", "default", "7"))
		}
	}
	switch m.pick("login", "password", "password", "password", "v3password", "credential", "token", "factors") {
	case "password":
		user()
		add("password", m.cloudValue())
		m.cloudScope(add)
	case "v3password":
		beside = append(beside, setting{"auth_type", m.pick("auth_type", "v3password", "password", "'v3password'")})
		user()
		add("password", m.cloudValue())
		m.cloudScope(add)
	case "credential":
		beside = append(beside, setting{"auth_type", "v3applicationcredential"})
		add("application_credential_id", m.cloudValue())
		add("application_credential_secret", m.cloudValue())
	case "token":
		beside = append(beside, setting{"auth_type", m.pick("auth_type", "v3token", "token")})
		add("token", m.cloudValue())
		m.cloudScope(add)
	case "factors":
		beside = append(beside, setting{"auth_type", "v3multifactor"},
			setting{"auth_methods", m.pick("auth_methods", "[v3password, v3totp]", "[v3totp, v3password]",
				"\n    - v3password\n    - v3totp")})
		user()
		add("password", m.cloudValue())
		m.cloudScope(add)
	}
	// A few of the settings are beside auth, where openstacksdk finds them too.
	// Those of factors it does not find there.
	factors := slices.ContainsFunc(beside, func(s setting) bool { return s.name == "auth_methods" })
	if i := m.IntN(len(auth)); !factors && m.chance("beside auth", 10) && auth[i].name != "auth_url" {
		beside = append(beside, auth[i])
		auth = slices.Delete(auth, i, i+1)
	}
	if i := m.IntN(len(auth)); m.chance("twice", 3) {
		auth = append(auth, setting{auth[i].name, m.cloudValue()})
	}
	return auth, beside
}

// cloudScope adds a scope.
func (m *maker) cloudScope(add func(name, value string)) {
	name := func() {
		add(m.pick("project", "project_name", "project_name", "tenant_name"), m.cloudValue())
		add(m.pick("project's domain", "project_domain_name", "project_domain_id"), m.cloudValue())
	}
	switch m.pick("scope", "name", "name", "name", "id", "id", "both", "domain", "common", "system", "two") {
	case "name":
		name()
	case "id":
		add(m.pick("project", "project_id", "tenant_id"), m.pick("id", "0a1b", "'77'", "77", "1e5", "12e5", "123456"))
	case "both":
		add("project_id", "0a1b")
		name()
	case "domain":
		add(m.pick("domain", "domain_name", "domain_id"), m.cloudValue())
	case "common":
		add("project_name", m.cloudValue())
		add(m.pick("domain", "domain_name", "domain_id"), m.cloudValue())
	case "system":
		add("system_scope", "all")
	case "two":
		add("project_name", "newer")
		add("tenant_name", m.pick("older", "older", "newer"))
		add("project_domain_id", "default")
	}
}

// cloudValue writes a value in one of the ways that people and tools have.
func (m *maker) cloudValue() string {
	if m.chance("an odd value", 3) {
		return m.pick("odd value", "0123", "1_000", "on", "No", "true", "12:30:45", "~", "", "2026-01-01", "0x1f",
			".5", "1e3",
			"1.5", "=", "!ENV x", "!vault x", "!!str 012", "&a b", "08", "+5", "1e+3", "1.0e+3", ".inf", "null",
			"'null'", "-0",
			"2026-01-01 10:00:00", "1.50", "123456789012345678901234567890", "0.1", "100000000000000000.5", "0o17",
			"y", "n",
			"'{x}'", "a\tb", "\t'a'", "0b_", "!!binary YQ==", "[a]", "{a: b}", "!<tag:yaml.org,2002:str> 7", "? a",
			"2026-99-01")
	}
	return m.pick("value", "plain", "two words", "'single'", `"double"`, "'it''s'", `"a\"b"`, `"\u00e9\x41"`, "é",
		"日本",
		"a:b", "a#b", "1234", "'0123'", `"on"`, "a@b.example", "'# no comment'", "a/b", "$x", "'%(x)s'", "a,b",
		"x=y", "v1.2.3",
		"0a", "-x", "'{'", "a{b")
}

// cloudRest makes settings beside the login.
func (m *maker) cloudRest() (list []setting) {
	add := func(kind string, percent int, name string, values ...string) {
		if m.chance(kind, percent) {
			list = append(list, setting{name, m.pick(name, values...)})
		}
	}
	switch m.pick("region", "none", "name", "name", "list", "regions", "entries") {
	case "name":
		list = append(list, setting{"region_name", m.pick("region_name", "RegionOne", "'R1'", "gra,sbg", "R-1", "''",
			"7", "é")})
	case "list":
		list = append(list, setting{"region_name", m.pick("region_name", "[R1, R2]", "\n    - R1\n    - R2", "[]",
			"[7]")})
	case "regions":
		list = append(list, setting{"regions", m.pick("regions", "[R1, R2]", "\n    - R1\n    - R2", "[R1]", "[]",
			"\n    - R1", "[on]")})
	case "entries":
		list = append(list, setting{"regions", m.pick("regions",
			"\n    - name: R1\n      values: {interface: admin}\n    - R2",
			"\n    - name: R1\n      values:\n        auth: {project_name: regions, project_domain_id: default}\n",
			"[{name: R1}]", "[{name: R1, values: {region_name: R5}}]")})
	}
	add("interface", 20, "interface", "public", "internal", "admin", "'public'", "publicURL")
	add("endpoint_type", 5, "endpoint_type", "internal", "publicURL")
	add("identity_api_version", 30, "identity_api_version", "3", "'3'", "\"3\"", "3.0")
	add("cacert", 15, "cacert", "/etc/ca.pem", "'/etc/a b.pem'", "/etc/ca.pem", `"/etc/a\"b"`, "/etc/{x}.pem")
	add("verify", 15, "verify", "true", "false", "no", "yes", "Off", "'false'", "/etc/v.pem", "0", "")
	add("insecure", 6, "insecure", "true", "false", "yes", "no", "'true'", "'no'")
	if m.chance("cert and key", 10) {
		list = append(list, setting{"cert", "/etc/c.pem"}, setting{"key", "'/etc/k.pem'"})
	}
	add("cert", 2, "cert", "/etc/c.pem")
	add("image_format", 10, "image_format", "qcow2", "0777", "on")
	add("networks", 5, "networks", "[{name: n, routes_externally: true}]", "\n    - name: 7")
	add("image_api_version", 10, "image_api_version", "2", "2.0")
	return list
}

// jeton looks for clouds.yaml where openstacksdk does.
func TestCloudsAreFoundAsOpenstack(t *testing.T) {
	generated(t, 20)
	reader := openstackReader(t)
	d := newDesk(t, "profiles:\n")
	if err := os.MkdirAll(filepath.Join(d.home, "empty"), 0o700); err != nil {
		t.Fatal(err)
	}
	places := []string{"named.yaml", "clouds.yaml", "clouds.yml", "clouds.json", "xdg/openstack/clouds.yaml",
		".config/openstack/clouds.yml", ".config/openstack/clouds.json", "site/openstack/clouds.yaml", "other.json"}
	content := func(place string) string {
		return fmt.Sprintf(`{"clouds": {"mine": {"auth": {"auth_url": "https://k/v3", "username": %q, "password": "p", `+
			`"user_domain_id": "default", "project_id": "1"}}}}`, place)
	}
	m := newMaker(4)
	for range generated(t, 400) / 8 {
		for _, place := range places {
			os.RemoveAll(filepath.Join(d.home, place))
		}
		for _, place := range places {
			if m.chance(place, 25) {
				d.write(place, content(place))
			}
		}
		env := map[string]string{"HOME": d.home, "OS_CLOUD": "mine"}
		for _, v := range []struct{ name, value string }{{"XDG_CONFIG_HOME", d.home + "/xdg"},
			{"XDG_CONFIG_DIRS", d.home + "/site"}, {"XDG_CONFIG_DIRS", d.home + "/site:/etc"},
			{"OS_CLIENT_CONFIG_FILE", "named.yaml"}, {"OS_CLIENT_CONFIG_FILE", d.home + "/other.json"},
			{"SNAP_REAL_HOME", d.home + "/empty"}} {
			if m.chance(v.name, 30) {
				env[v.name] = v.value
			}
		}
		d.env = nil
		for name, value := range env {
			d.env = append(d.env, name+"="+value)
		}
		was := readersOf[cloudReading](t, reader, []string{cloudQuestion{Cloud: "mine", Folder: d.home,
			Env: env}.String()})
		code, said := d.run("--config", d.home+"/.config/jeton/config.yaml", "import", "env", "p", "--secret", "file",
			"--force")
		switch {
		case was[0].Error != "":
			if code == 0 {
				t.Errorf("%v: jeton finds a cloud, and openstacksdk says %s", env, was[0].Error)
			}
		case code != 0:
			t.Errorf("%v: openstacksdk finds %s, and jeton says %s", env, was[0].Auth["username"], said)
		case d.profiles()["p"]["username"] != was[0].Auth["username"]:
			t.Errorf("%v: jeton finds %s, and openstacksdk %s", env, d.profiles()["p"]["username"],
				was[0].Auth["username"])
		}
	}
}
