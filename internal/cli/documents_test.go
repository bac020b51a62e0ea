package cli

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"mvdan.cc/sh/v3/shell"

	"github.com/jeton-cli/jeton/formats"
	"github.com/jeton-cli/jeton/testdata/documents"
	"github.com/jeton-cli/jeton/testdata/embedded"
)

// readDocuments returns the documents, by path.
func readDocuments(t *testing.T) map[string]documents.Document {
	list, err := documents.All("../..")
	if err != nil {
		t.Fatal(err)
	}
	byPath := map[string]documents.Document{}
	for _, d := range list {
		byPath[d.Path] = d
	}
	return byPath
}

// The tables of the documents say what the code does.
func TestTables(t *testing.T) {
	tables := map[string][]string{}
	for _, k := range formats.Kinds {
		tables["formats"] = append(tables["formats"], fmt.Sprintf("| `%s` | %s |", k.Name, k.Serves))
	}
	for _, v := range verbs() {
		tables["commands"] = append(tables["commands"], fmt.Sprintf("| `jeton %s` | %s |", v.name, v.help))
	}
	for _, c := range exitCodes {
		tables["codes"] = append(tables["codes"], fmt.Sprintf("| %d | %s |", c.code, c.meaning))
	}
	all := slices.Collect(maps.Values(readDocuments(t)))
	for _, fault := range documents.WrongTables(all, "documents_test.go", tables) {
		t.Error(fault)
	}
}

// The README is short enough to be read.
func TestReadmeIsShort(t *testing.T) {
	for _, name := range []string{"README.md", "README.fr.md"} {
		if n := strings.Count(readDocuments(t)[name].Text, "\n"); n > 150 {
			t.Errorf("%s has %d lines", name, n)
		}
	}
}

// What the documents link to is there, headings too.
func TestLinks(t *testing.T) {
	all := readDocuments(t)
	for _, d := range all {
		for _, m := range regexp.MustCompile(`\]\(([^)]*)\)`).FindAllStringSubmatch(d.Text, -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			file, heading, _ := strings.Cut(m[1], "#")
			target := path.Join(path.Dir(d.Path), file)
			if file == "" {
				target = d.Path
			}
			if _, err := os.Stat(filepath.Join("../..", target)); err != nil {
				t.Errorf("%s: %s is not there", d.Path, m[1])
			} else if heading != "" && !headings(all[target].Text)[heading] {
				t.Errorf("%s: %s has no such heading", d.Path, m[1])
			}
		}
	}
}

// headings returns the anchors that a page has.
func headings(text string) map[string]bool {
	anchors := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(text, -1) {
		anchor := regexp.MustCompile(`[^\p{L}\p{N} _-]`).ReplaceAllString(strings.ToLower(m[1]), "")
		anchors[strings.ReplaceAll(anchor, " ", "-")] = true
	}
	return anchors
}

// Every command line of jeton that a document shows, also where it is not run, is one.
func TestCommandsShown(t *testing.T) {
	u := newUser(t, &world{}, "")
	shown := regexp.MustCompile(`(?m)(?:^|[$(|;&"'] *|- run: |- )jeton ([a-z][^|;&>)#\n]*)`)
	seen := 0
	for _, d := range readDocuments(t) {
		for _, language := range []string{"console", "sh", "yaml"} {
			for _, text := range d.Blocks(language) {
				text = strings.ReplaceAll(text, "\\\n", " ")
				for _, m := range shown.FindAllStringSubmatch(text, -1) {
					line, _, _ := strings.Cut(m[1]+" ", " -- ")
					if before, _, ok := strings.Cut(line, `"$(`); ok {
						line = before + "x" // what another command prints
					}
					args, err := shell.Fields(strings.Trim(line, `"`), func(string) string { return "x" })
					if err != nil {
						t.Errorf("%s: %s: %v", d.Path, line, err)
					}
					if strings.ContainsAny(line, "{=[") && language == "yaml" || strings.Contains(m[1], "…") {
						continue
					}
					seen++
					out, err := u.command(append(args, "--help")...).CombinedOutput()
					if err != nil {
						t.Errorf("%s: jeton %s: %s", d.Path, m[1], out)
					}
				}
			}
		}
	}
	if seen < 140 {
		t.Errorf("only %d were seen", seen)
	}
}

// realPages are the documents whose commands run on a real Keystone with a real Swift. Those
// of the others run on stand-ins.
var realPages = []string{"README.md", "README.fr.md", "docs/cache.md", "docs/commands.md", "docs/profiles.md",
	"docs/wsl-ssh.md", "docs/login.md", "docs/callers/*", "docs/quickstart/openstack.md",
	"docs/fr/demarrage-openstack.md", "docs/issuers/keystone.md"}

func isReal(page string) bool {
	for _, pattern := range realPages {
		if ok, err := path.Match(pattern, page); ok && err == nil {
			return true
		}
	}
	return false
}

// The commands of each document work as they stand, with the hosts of the test in the place
// of the examples', from an empty home directory.
func TestDocuments(t *testing.T) {
	inMakeTest(t)
	for _, name := range []string{"openstack", "kubectl", "aws", "jq", "curl"} {
		if client(name) == "" {
			skip(t, name+" is not installed")
		}
	}
	genuine, standIn := realWorld(t), newWorld(t)
	lines := 0
	for name, d := range readDocuments(t) {
		commands := d.Commands()
		if len(commands) == 0 {
			continue
		}
		lines += len(commands)
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := &reader{t: t, w: standIn, accounts: standIn}
			if isReal(name) {
				r.w = genuine
			}
			r.follow(d, commands)
		})
	}
	if lines < 100 {
		t.Errorf("only %d commands were found", lines)
	}
}

// A reader does what a document says.
type reader struct {
	*user
	t           *testing.T
	w, accounts *world // the cloud, and the issuer of OpenID Connect
	hosts       *strings.Replacer
}

// follow runs the commands of a document, one after the other.
func (r *reader) follow(d documents.Document, commands []string) {
	r.user = newUser(r.t, r.w, "")
	r.hosts = r.replacer()
	profiles := r.adapt(d.Profiles())
	write := func(name, text string) {
		file := filepath.Join(r.home, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			r.t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			r.t.Fatal(err)
		}
	}
	write(".config/jeton/config.yaml", profiles)
	cluster := r.w.vars["KUBERNETES"]
	if r.w == r.accounts { // it takes whatever comes, also client certificates
		server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			io.WriteString(w, "{}")
		}))
		r.t.Cleanup(server.Close)
		cluster = server.URL
	}
	kubeconfig := "apiVersion: v1\nkind: Config\nclusters: [{name: c, cluster: {server: \"" + cluster +
		"\", insecure-skip-tls-verify: true}}]\ncontexts: [{name: my-cluster, context: {cluster: c, user: nobody}}]\n"
	write(".kube/config", kubeconfig)
	r.run("aws configure set --profile prod s3.addressing_style path") // Swift has no names of its own here
	for _, command := range commands {
		r.run(command)
	}
	r.compare(d)
	for _, command := range commands { // all of it can be undone
		if strings.HasPrefix(command, "jeton setup ") && !strings.Contains(command, "--dry-run") {
			r.run(command + " --remove")
		}
	}
	r.run("jeton logout --all")
	if now, err := os.ReadFile(filepath.Join(r.home, ".kube/config")); err != nil || string(now) != kubeconfig {
		r.t.Errorf("%v: the kubeconfig is %s, and was %s", err, now, kubeconfig)
	}
}

// run runs a command line.
func (r *reader) run(line string) string {
	r.t.Helper()
	cmd := exec.Command("bash", "-c", r.hosts.Replace(line))
	cmd.Dir = r.home
	cmd.Env = []string{"HOME=" + r.home, "PATH=" + filepath.Dir(r.jeton) + ":" + os.Getenv("PATH"),
		"AWS_EC2_METADATA_DISABLED=true", "BROWSER=browse", "PW=CANARY-alice-pw"}
	out, err := cmd.CombinedOutput()
	if err != nil {
		r.t.Errorf("$ %s\n(%s)\n%s%v", line, r.hosts.Replace(line), out, err)
	}
	if strings.Contains(line, "get pods") && r.w != r.accounts && !strings.Contains(string(out), "alice") {
		r.t.Errorf("$ %s\n%s", line, out)
	}
	return string(out)
}

// replacer puts the hosts and accounts of the test in the place of the examples', and their
// likes in the place of commands for what this cloud does not have.
func (r *reader) replacer() *strings.Replacer {
	v, host := r.w.vars, "http://"+r.accounts.vars["KEYSTONE_HOST"]
	pairs := []string{
		"https://keystone.example/v3", v["KEYSTONE"], "https://s3.example", v["SWIFT"],
		"https://auth.cloud.ca", v["KEYSTONE"], "https://accounts.example", host,
		"Default", v["DOMAIN_NAME"], "[pass, show, keystone/alice]", "[echo, CANARY-alice-pw]",
		"pass show keystone/alice", "echo CANARY-alice-pw",
		"client_id: kubernetes", "client_id: " + embedded.PersonClient,
		"EU.0f0f0f0f0f0f0f0f", r.accounts.vars["CLIENT_ID"],
		"service_name: 0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f", "service_name: p1", "user_id: 12345", `user_id: "7"`,
		"project_id: 0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f", "project_id: " + v["WEB"],
		"cluster_id: 01234567-89ab-cdef-0123-456789abcdef", "cluster_id: k1",
		"ABCDEFGHIJ0123456789", "AKACCOUNT00000000000",
		"connection_id: 01234567-89ab-cdef-0123-456789abcdef", "connection_id: conn-swift",
		"environment_id: 89abcdef-0123-4567-89ab-cdef01234567", "environment_id: env-prod",
		"role/deploy", "role/web", "server list", "token issue",
	}
	if r.w == r.accounts {
		pairs = append(pairs, "get pods", "get --raw /version", "get nodes", "get --raw /version",
			" s3 ls", " configure list | grep custom-process", // what resolves the keys, and no more
			" sts get-caller-identity", " configure list | grep custom-process")
	} else {
		pairs = append(pairs, "get pods", "auth whoami")
	}
	return strings.NewReplacer(append([]string{"jeton init", "jeton init --cloud openstack --way user --set auth_url=" +
		v["KEYSTONE"] + " --set username=alice --set user_domain_name=" + v["DOMAIN_NAME"] + " --set project_id=" +
		v["WEB"] + " --secret env:PW --name first --yes"}, pairs...)...)
}

// adapt returns profiles for the hosts and accounts of the test.
func (r *reader) adapt(profiles string) string {
	host := "http://" + r.accounts.vars["KEYSTONE_HOST"]
	below := func(pattern, lines string) {
		profiles = regexp.MustCompile(`(?m)^( +)`+pattern+`.*$`).ReplaceAllString(profiles, "$0\n"+lines)
	}
	below("endpoint: ovh-eu", "${1}token_url: "+host+"/auth/oauth2/token\n${1}api_url: "+host+"/1.0")
	below("preset: ovhcloud-emea", "${1}auth_url: "+r.w.vars["KEYSTONE"]+"\n${1}discovery_endpoint: "+host+
		"/.well-known/openid-configuration")
	below("plugin: outscale$", "${1}endpoint: "+host+"/api/v1")
	below("plugin: outscale-kube$", "${1}endpoint: "+host+"/api/v2")
	below("plugin: cloudmc$", "${1}api_url: "+host+"/cloudmc/v1")
	below("role_arn: ", "${1}endpoint: "+host+"/sts")
	for option, secret := range map[string]string{"client_secret": r.accounts.vars["CLIENT_SECRET"],
		"secret_key": "CANARY-osc-secret", "password": "CANARY-alice-pw", "api_key": "CANARY-mc-key"} {
		profiles = regexp.MustCompile(`(?m)^( +`+option+`: )\{keyring: .*\}`).ReplaceAllString(profiles, "${1}"+secret)
	}
	return r.hosts.Replace(profiles)
}

// compare checks that the snippets of configuration in a document are what its commands have
// written, but for where the program is.
func (r *reader) compare(d documents.Document) {
	var snippets []string
	for _, text := range d.Blocks("ini") {
		if strings.Contains(text, "credential_process") {
			snippets = append(snippets, text)
		}
	}
	for _, text := range d.Blocks("yaml") {
		if users, ok := strings.CutPrefix(text, "users:\n"); ok {
			snippets = append(snippets, users)
		}
	}
	for _, snippet := range snippets {
		written := r.run("cat ~/.kube/config ~/.aws/config")
		written = strings.NewReplacer(r.jeton, "/usr/local/bin/jeton", r.w.vars["SWIFT"], "https://s3.example",
			"- name: nobody\n", "- name: jeton-prod\n").Replace(written)
		if !strings.Contains(written, snippet) {
			r.t.Errorf("the commands have not written\n%s\nbut\n%s", snippet, written)
		}
	}
}

// The demo runs.
func TestDemo(t *testing.T) {
	inMakeTest(t)
	t.Parallel()
	jeton, err := build()
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("go", "run", "../../testdata/demo", jeton).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if !strings.Contains(string(out), "jeton asked Keystone for 1 token and 1 access key.") {
		t.Errorf("%s", out)
	}
}
