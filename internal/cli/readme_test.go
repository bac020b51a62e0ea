package cli

import (
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/jeton-cli/jeton/formats"
	"github.com/jeton-cli/jeton/testdata/embedded"
)

func readme(t *testing.T) string {
	b, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// The tables of the README say what the code does.
func TestReadmeTables(t *testing.T) {
	text := readme(t)
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
	for name, want := range tables {
		_, rest, found := strings.Cut(text, "<!-- "+name+": checked by readme_test.go -->\n")
		if !found {
			t.Errorf("the README has no table of %s", name)
			continue
		}
		table, _, _ := strings.Cut(rest, "\n\n")
		got := strings.Split(table, "\n")[2:]
		if strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("the README's table of %s should be\n%s", name, strings.Join(want, "\n"))
		}
	}
}

// The commands of the README work as they stand, with the hosts of the test in
// the place of the examples', from an empty home directory.
func TestReadmeCommands(t *testing.T) {
	realCloud(t)
	for _, name := range []string{"openstack", "kubectl", "aws"} {
		if client(name) == "" {
			skip(t, name+" is not installed")
		}
	}
	w := realWorld(t)
	u := newUser(t, w, "")
	text := readme(t)
	hosts := strings.NewReplacer(
		"https://keystone.example/v3", w.vars["KEYSTONE"], "https://s3.example", w.vars["SWIFT"],
		"Default", w.vars["DOMAIN_NAME"], "[pass, show, keystone/alice]", "[echo, CANARY-alice-pw]",
		"pass show keystone/alice", "echo CANARY-alice-pw",
		// What this cloud and this cluster do not have, their likes.
		"prod server list", "prod token issue", "get pods", "auth whoami",
	)
	profiles := regexp.MustCompile("(?s)```yaml\nprofiles:\n(.*?)```").FindStringSubmatch(text)
	accounts := httptest.NewServer(&embedded.Provider{Username: "alice"})
	defer accounts.Close()
	persons := regexp.MustCompile("(?s)```yaml\n(  kube:.*?)```").FindStringSubmatch(text)
	u.configure(t, w, hosts.Replace(profiles[1])+strings.NewReplacer("https://accounts.example", accounts.URL,
		"client_id: kubernetes", "client_id: "+embedded.PersonClient).Replace(persons[1]))
	kubeconfig := filepath.Join(u.home, ".kube", "config")
	if err := os.MkdirAll(filepath.Dir(kubeconfig), 0o700); err != nil {
		t.Fatal(err)
	}
	cluster := "apiVersion: v1\nkind: Config\nclusters: [{name: c, cluster: {server: \"" + w.vars["KUBERNETES"] +
		"\", insecure-skip-tls-verify: true}}]\ncontexts: [{name: my-cluster, context: {cluster: c, user: nobody}}]\n"
	if err := os.WriteFile(kubeconfig, []byte(cluster), 0o600); err != nil {
		t.Fatal(err)
	}
	run := func(line string) string {
		t.Helper()
		cmd := exec.Command("bash", "-c", hosts.Replace(line))
		cmd.Dir = u.home
		cmd.Env = []string{"HOME=" + u.home, "PATH=" + filepath.Dir(u.jeton) + ":" + os.Getenv("PATH"),
			"AWS_EC2_METADATA_DISABLED=true", "BROWSER=browse"}
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Errorf("$ %s\n%s%v", line, out, err)
		}
		return string(out)
	}
	writeOpenrc(t, filepath.Join(u.home, "web-openrc.sh"),
		[]string{"OS_AUTH_URL=" + w.vars["KEYSTONE"], "OS_USERNAME=alice",
			"OS_USER_DOMAIN_NAME=" + w.vars["DOMAIN_NAME"], "OS_PROJECT_ID=" + w.vars["WEB"]})
	cloud := "clouds:\n  mine: {auth: {auth_url: \"" + w.vars["KEYSTONE"] +
		"\", username: bob, password: CANARY-bob-pw, user_domain_name: " +
		w.vars["DOMAIN_NAME"] + ", project_id: " + w.vars["WEB"] + "}}\n"
	clouds := filepath.Join(u.home, ".config", "openstack", "clouds.yaml")
	if err := os.MkdirAll(filepath.Dir(clouds), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(clouds, []byte(cloud), 0o600); err != nil {
		t.Fatal(err)
	}
	run("aws configure set --profile prod s3.addressing_style path") // Swift has no names of its own here
	lines := 0
	for _, block := range regexp.MustCompile("(?s)```console\n(.*?)```").FindAllStringSubmatch(text, -1) {
		for _, line := range strings.Split(strings.TrimSpace(block[1]), "\n") {
			command, ok := strings.CutPrefix(line, "$ ")
			if !ok {
				t.Errorf("not a command: %s", line)
			}
			if strings.HasPrefix(command, "go install") {
				continue // it asks for what is published
			}
			out := run(command)
			if strings.Contains(command, "get pods") && !strings.Contains(out, "alice") {
				t.Errorf("$ %s\n%s", command, out)
			}
			lines++
		}
	}
	if lines < 10 {
		t.Errorf("only %d commands were found", lines)
	}
	// The snippets of configuration are those that the commands above write, but for
	// where the program is.
	written := strings.ReplaceAll(run("cat ~/.kube/config ~/.aws/config"), u.jeton, "/usr/local/bin/jeton")
	written = strings.ReplaceAll(written, w.vars["SWIFT"], "https://s3.example")
	written = strings.ReplaceAll(written, "- name: nobody\n", "- name: jeton-prod\n")
	for _, snippet := range regexp.MustCompile("(?s)```(?:yaml\nusers:|ini)\n(.*?)```").
		FindAllStringSubmatch(text, -1) {
		if !strings.Contains(written, snippet[1]) {
			t.Errorf("the commands have not written\n%s\nbut\n%s", snippet[1], written)
		}
	}
	run("jeton setup kubernetes prod --context my-cluster --remove")
	run("jeton setup aws prod --remove")
	run("jeton setup openstack prod --remove")
	run("jeton logout --all")
	if now, err := os.ReadFile(kubeconfig); err != nil || string(now) != cluster {
		t.Errorf("%v: the kubeconfig is %s, and was %s", err, now, cluster)
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
