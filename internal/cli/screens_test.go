package cli

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	tmux "github.com/jeton-cli/jeton/testdata/screen"
)

// A viewer is a person at a terminal of 80 columns.
type viewer struct {
	*tmux.Screen
	*user
	t *testing.T
	w *world
}

// run runs a command of the shell.
func (v *viewer) run(command string) {
	v.t.Helper()
	if err := v.Run(command); err != nil {
		v.t.Fatal(err)
	}
}

// answer types a line, and waits for a text at the end.
func (v *viewer) answer(line, wait string) {
	v.t.Helper()
	if err := v.Answer(line, wait); err != nil {
		v.t.Fatal(err)
	}
}

func (v *viewer) file(name, text string) {
	v.t.Helper()
	path := filepath.Join(v.home, name)
	text = os.Expand(text, func(name string) string {
		if value, ok := v.w.vars[name]; ok {
			return value
		}
		return "$" + name
	})
	err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600))
	if err != nil {
		v.t.Fatal(err)
	}
}

// screens are what people see, by the name of the golden file.
var screens = map[string]func(v *viewer){
	"init": func(v *viewer) {
		v.file(".kube/config", oneContext)
		v.answer("jeton init", "Number [1]:")
		v.answer("3", "Number [1]:")
		v.answer("1", "https://HOST/v3:")
		v.answer(v.w.vars["KEYSTONE"], "User name:")
		v.answer("alice", "[Default]:")
		v.answer("", "(not shown):")
		v.answer("CANARY-mistyped", "[none]:")
		v.answer("RegionOne", "[openstack]:")
		v.answer("prod", "Number [1]:")
		v.answer("", "/v3]:")
		v.answer("", "[alice]:")
		v.answer("", "[Default]:")
		v.answer("", "(not shown):")
		v.answer("CANARY-alice-pw", "[RegionOne]:")
		v.answer("", "Number [1]:")
		v.answer("web", "Number [1]:")
		v.answer("file", "[Y/n]")
		v.answer("", "Number [2]:")
		v.answer("1", "[Y/n]")
		v.answer("n", "[Y/n]")
		v.answer("", "\n$")
		v.run("jeton get prod -f token >/dev/null && echo it works")
	},
	"init-leave": func(v *viewer) {
		v.file("web-openrc.sh", "export OS_AUTH_URL=$KEYSTONE OS_USERNAME=alice OS_PROJECT_ID=$WEB\n"+
			"export OS_USER_DOMAIN_ID=default\nread -sr OS_PASSWORD_INPUT\nexport OS_PASSWORD=$OS_PASSWORD_INPUT\n")
		v.answer("jeton init", "Number [1]:")
		v.answer("1", "[web]:")
		v.answer("", "(not shown):")
		v.answer("CANARY-alice-pw", "Number [1]:")
		v.answer("file", "[Y/n]")
		v.answer("n", "[Y/n]")
		v.answer("n", "[Y/n]")
		if err := errors.Join(v.Press("C-c"), v.Wait("\n$")); err != nil {
			v.t.Fatal(err)
		}
		v.run("find . -type f")
	},
	"import": func(v *viewer) {
		v.file("web-openrc.sh", "export OS_AUTH_URL=$KEYSTONE OS_USERNAME=alice OS_PROJECT_ID=$WEB\n"+
			"export OS_USER_DOMAIN_ID=default OS_VOLUME_API_VERSION=3\nexport OS_PASSWORD=CANARY-alice-pw\n")
		v.file("kube.yaml", "contexts: [{name: prod, context: {cluster: c, user: u}}]\nusers:\n- name: u\n"+
			"  user: {exec: {apiVersion: client.authentication.k8s.io/v1, command: kubelogin, args: [get-token, "+
			"\"--oidc-issuer-url=https://accounts.example\", --oidc-client-id=kubernetes, "+
			"--oidc-client-secret=CANARY]}}\n")
		v.run("jeton import openrc web-openrc.sh --dry-run")
		v.run("jeton import openrc web-openrc.sh")
		v.run("jeton import kubeconfig kube.yaml --as corp")
		v.run("jeton import openrc nowhere.sh")
		v.run("jeton import clouds")
	},
	"setup": func(v *viewer) {
		v.file(".config/jeton/config.yaml", prodProfile)
		v.file(".kube/config", oneContext)
		v.run("jeton setup kubernetes prod --context my-cluster")
		v.run("jeton setup aws prod --dry-run")
		v.run("jeton setup aws prod")
		v.run("jeton setup kubernetes prod --context other")
		v.run("jeton setup aws prod --remove")
	},
	"status": func(v *viewer) {
		v.file(".config/jeton/config.yaml", prodProfile+"  wrong: {plugin: keystone, auth_url: $KEYSTONE, "+
			"username: bob, user_domain_id: default, password: CANARY-wrong, project_id: $WEB}\n  corp: "+
			"{plugin: oidc, issuer: "+
			"\"https://accounts.example\", flow: authorization_code, client_id: kubernetes, token: id_token}\n"+
			"  broken: {plugin: keystone, user: alice}\n")
		v.run("jeton status")
		v.run("jeton get prod -f token >/dev/null")
		v.run("jeton get prod -f aws >/dev/null")
		v.run("jeton get wrong")
		v.run("jeton status")
		v.run("jeton inspect prod")
		v.run("jeton reject prod")
		v.run("jeton logout prod")
		v.run("jeton logout --all")
	},
	"doctor": func(v *viewer) {
		v.run("jeton doctor")
		v.file(".config/jeton/config.yaml", prodProfile+"  dead: {plugin: keystone, auth_url: "+
			"\"http://127.0.0.1:1/v3\", username: bob, password: {file: ~/secret}}\n")
		v.file(".aws/credentials", "[prod]\naws_access_key_id = AKIAABCDEFGHIJKLMNOP\n"+
			"aws_secret_access_key = CANARY\n")
		v.run("jeton setup aws prod >/dev/null")
		v.run("jeton doctor")
		v.file("secret", "CANARY-bob-pw\n")
		v.run("jeton doctor dead")
	},
	"errors": func(v *viewer) {
		v.run("jeton get")
		v.file(".config/jeton/config.yaml", prodProfile+"  words: {plugin: keystone, user: alice, url: https://host, "+
			"timeout: 5}\n  wrong: {plugin: keystone, auth_url: $KEYSTONE, username: alice, user_domain_id: default, "+
			"password: CANARY-wrong, project_id: $WEB}\n  dead: {plugin: keystone, auth_url: "+
			"\"http://127.0.0.1:1/v3\", username: a, password: b}\n  unset: {plugin: keystone, auth_url: $KEYSTONE, "+
			"username: a, password: {env: OS_PASSWORD}}\n  corp: {plugin: oidc, issuer: "+
			"\"https://accounts.example\", flow: authorization_code, client_id: kubernetes, token: id_token}\n")
		for _, words := range []string{"prd", "words", "wrong", "dead", "unset", "prod -f k8", "corp -f aws"} {
			v.run("jeton get " + words)
		}
		v.run("setsid -w jeton get corp")
		for _, words := range []string{"kubectl", "ls", "prod", "get --profile prod", "setup k8s prod"} {
			v.run("jeton " + words)
		}
	},
	"help": func(v *viewer) {
		v.run("jeton")
		v.run("jeton init --help")
		v.run("jeton help keystone-ec2")
	},
}

// oneContext is a kubeconfig.
const oneContext = `apiVersion: v1
kind: Config
clusters:
- {name: c, cluster: {server: "https://k8s.example"}}
contexts:
- {name: my-cluster, context: {cluster: c, user: nobody}}
`

// prodProfile is a profile that works.
const prodProfile = `profiles:
  prod:
    plugin: keystone
    auth_url: $KEYSTONE
    username: alice
    user_domain_name: Default
    password: CANARY-alice-pw
    project_name: web
    project_domain_name: Default
    region_name: RegionOne
`

// What people see in a terminal of 80 columns is what a person has called good.
func TestScreens(t *testing.T) {
	inMakeTest(t)
	for _, name := range []string{"kubectl", "aws", "openstack", "tmux"} {
		if client(name) == "" {
			skip(t, name+" is not installed")
		}
	}
	for name, play := range screens {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			u := newUser(t, w, "")
			u.home = filepath.Join(os.TempDir(), fmt.Sprintf("alice%08x", rand.Uint32())) // as short as people have
			if err := os.Mkdir(u.home, 0o700); err != nil {
				t.Fatal(err)
			}
			defer os.RemoveAll(u.home)
			path := strings.Join([]string{filepath.Dir(u.jeton), filepath.Dir(client("kubectl")),
				filepath.Dir(client("aws")), "/usr/bin", "/bin"}, ":")
			s, err := tmux.Open(u.home, "PATH="+path)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			play(&viewer{s, u, t, w})
			shown, err := s.Shown(false)
			if err != nil {
				t.Fatal(err)
			}
			shown = strings.NewReplacer(filepath.Dir(u.jeton), "/usr/local/bin").Replace(shown)
			if strings.Contains(shown, "CANARY") {
				t.Error("a secret is shown")
			}
			for line := range strings.Lines(shown) {
				if columns(strings.TrimSuffix(line, "\n")) > tmux.Columns {
					t.Errorf("a line is too long: %s", line)
				}
			}
			golden := filepath.Join("../../testdata/screens", name+".txt")
			if *update {
				if err := os.WriteFile(golden, []byte(shown), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil || !bytes.Equal(want, []byte(shown)) {
				t.Errorf("%v: %s is not what is shown:\n%s", err, golden, shown)
			}
		})
	}
}

// The pictures of the README are what jeton shows today: make pictures makes them anew.
func TestPictures(t *testing.T) {
	inMakeTest(t)
	t.Parallel()
	for _, name := range []string{"kubectl", "aws", "openstack", "tmux"} {
		if client(name) == "" {
			skip(t, name+" is not installed")
		}
	}
	jeton, err := build()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cmd := exec.Command("go", "run", "./testdata/pictures", jeton, dir)
	cmd.Dir = "../.."
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, name := range []string{"flow.svg", "terminal-init.svg", "terminal-status.svg"} {
		now, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		shown, err := os.ReadFile(filepath.Join("../../docs", name))
		if err != nil || !bytes.Equal(now, shown) {
			t.Errorf("%v: docs/%s is not what is shown now: make pictures", err, name)
		}
	}
}
