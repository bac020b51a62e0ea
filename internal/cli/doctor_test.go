package cli

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jeton-cli/jeton/plugin"
)

// A patient is a user with everything set up, and a fault.
type patient struct {
	*user
	w   *world
	env []string
	// editor is what an editor does that is called for a line: a command of sed.
	editor, stdin string
	path          string // the PATH, instead of the usual one
}

const healthy = `
  prod: {plugin: keystone, auth_url: $KEYSTONE, username: alice, user_domain_id: $DOMAIN, password: {file: "$HOME/secret"}, project_id: $WEB}
  s3:
    plugin: keystone-ec2
    from: prod
`

// in returns the path of a file of the patient's.
func (p *patient) in(names ...string) string {
	return filepath.Join(append([]string{p.home}, names...)...)
}

// doctor has the shell carry out the lines, and then jeton doctor, and returns what it
// says.
func (p *patient) doctor(t *testing.T, script, args string) (c checkup, code int) {
	t.Helper()
	cmd := exec.Command("sh", "-c", script+"\nexec \"$JETON\" doctor --json "+args+" 2>doctor-stderr </dev/null")
	path := p.path
	if path == "" {
		path = filepath.Dir(p.jeton) + ":" + os.Getenv("PATH")
	}
	cmd.Env = append([]string{"HOME=" + p.home, "PATH=" + path, "EDITOR=" + p.in("editor"), "EDIT=" + p.editor,
		"JETON=" + p.jeton}, p.env...)
	cmd.Dir = p.in("work")
	cmd.Stdin = strings.NewReader(p.stdin)
	out, err := cmd.Output()
	if _, ok := err.(*exec.ExitError); err != nil && !ok {
		t.Fatal(err)
	}
	_, document, _ := strings.Cut("\n"+string(out), "\n{")
	if err := json.Unmarshal([]byte("{"+document), &c); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if b, err := os.ReadFile(p.in("work", "doctor-stderr")); err != nil || len(b) > 0 {
		t.Errorf("%v: on stderr is %s", err, b)
	}
	if strings.Contains(string(out), "CANARY") {
		t.Errorf("a secret is in %s", out)
	}
	return c, cmd.ProcessState.ExitCode()
}

func (p *patient) write(t *testing.T, mode os.FileMode, text string, names ...string) {
	t.Helper()
	path := p.in(names...)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

// change replaces text in a file, which has to be there.
func (p *patient) change(t *testing.T, old, new string, names ...string) {
	t.Helper()
	b, err := os.ReadFile(p.in(names...))
	if err != nil || !strings.Contains(string(b), old) {
		t.Fatalf("%v: there is no %q in %s", err, old, b)
	}
	p.write(t, 0o600, strings.Replace(string(b), old, new, 1), names...)
}

func (p *patient) run(t *testing.T, line string) {
	t.Helper()
	cmd := exec.Command("sh", "-c", line)
	cmd.Env = []string{"HOME=" + p.home, "PATH=" + filepath.Dir(p.jeton) + ":" + os.Getenv("PATH")}
	cmd.Dir = p.in("work")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v: %s", line, err, out)
	}
}

var awsConfig, kubeConfig, kuberc = []string{".aws", "config"}, []string{".kube", "config"}, []string{".kube", "kuberc"}

// newPatient is in good health, with those callers set up.
func newPatient(t *testing.T, callers ...string) *patient {
	w := newWorld(t)
	u := newUser(t, w, "")
	w.vars["HOME"] = u.home
	p := &patient{user: u, w: w}
	p.write(t, 0o600, "CANARY-alice-pw\n", "secret")
	p.write(t, 0o700, "#!/bin/sh\nexec sed -i \"${1#+}$EDIT\" \"$2\"\n", "editor")
	p.write(t, 0o600, "", "work", ".keep")
	u.configure(t, w, healthy)
	p.write(t, 0o600, "apiVersion: v1\nkind: Config\ncurrent-context: c\nclusters:\n"+
		"- name: c\n  cluster: {server: \""+w.vars["KUBERNETES"]+
		"\"}\ncontexts:\n- name: c\n  context:\n    cluster: c\n    user: jeton-prod\n", kubeConfig...)
	setups := map[string]string{"kubernetes": "jeton setup kubernetes prod --context c", "aws": "jeton setup aws s3",
		"openstack": "jeton setup openstack prod --token"}
	for _, caller := range callers {
		if setup := setups[caller]; setup != "" {
			p.run(t, setup)
		}
	}
	return p
}

// Each fault is found, and named, and what doctor says puts it right.
func TestDoctor(t *testing.T) {
	t.Parallel()
	config := []string{".config", "jeton", "config.yaml"}
	clouds := func(name string) []string { return []string{".config", "openstack", name} }
	env := func(list ...string) func(*testing.T, *patient) {
		return func(t *testing.T, p *patient) {
			for _, line := range list {
				p.env = append(p.env, strings.ReplaceAll(line, "@", p.home))
			}
		}
	}
	change := func(file []string, old, new string) func(*testing.T, *patient) {
		return func(t *testing.T, p *patient) { p.change(t, old, strings.ReplaceAll(new, "@", p.home), file...) }
	}
	write := func(mode os.FileMode, text string, names ...string) func(*testing.T, *patient) {
		return func(t *testing.T, p *patient) { p.write(t, mode, text, names...) }
	}
	remove := func(names ...string) func(*testing.T, *patient) {
		return func(t *testing.T, p *patient) {
			if err := os.RemoveAll(p.in(names...)); err != nil {
				t.Fatal(err)
			}
		}
	}
	all := func(list ...func(*testing.T, *patient)) func(*testing.T, *patient) {
		return func(t *testing.T, p *patient) {
			for _, f := range list {
				f(t, p)
			}
		}
	}
	editing := func(edit string) func(*testing.T, *patient) {
		return func(_ *testing.T, p *patient) { p.editor = edit }
	}
	typing := func(text string) func(*testing.T, *patient) {
		return func(_ *testing.T, p *patient) { p.stdin = text }
	}
	secretIn := func(where string) func(*testing.T, *patient) {
		return func(t *testing.T, p *patient) { p.change(t, `{file: "`+p.home+`/secret"}`, where, config...) }
	}
	kubectl := func(faults ...func(*testing.T, *patient)) func(*testing.T, *patient) {
		return func(t *testing.T, p *patient) {
			if client("kubectl") == "" {
				skip(t, "kubectl is not installed")
			}
			all(faults...)(t, p)
		}
	}
	for _, test := range []struct {
		name  string
		fault func(*testing.T, *patient)
		args  string
		check string // and where, and what
		where string
		what  string
	}{
		// The configuration.
		{"a misspelt option", change(config, "username", "usrname"), "", "profile", "config.yaml:3", `unknown option "usrname"`},
		{"a misspelt plugin", change(config, "keystone-ec2", "keystone-ec3"), "", "profile", "config.yaml:5", `there is no plugin "keystone-ec3"`},
		{"a misspelt beginning", change(config, "profiles:", "profile:"), "", "config", "config.yaml:1", "unknown key"},
		{"not YAML", all(change(config, "  s3:", "  ]s3:"), editing("s/]//")), "", "config", "config.yaml:4",
			"is not valid YAML"},
		{"a bad value", all(change(config, "from: prod", "from: prod\n    max_age: 3"), editing("d")), "", "profile",
			"config.yaml:7", "max_age"},
		{"others can write", func(t *testing.T, p *patient) { p.run(t, "chmod 666 $HOME/.config/jeton/config.yaml") },
			"", "config", "config.yaml", "can be written by others"},
		{"others can read a literal", func(t *testing.T, p *patient) {
			p.change(t, `{file: "`+p.home+`/secret"}`, "CANARY-alice-pw", config...)
			p.run(t, "chmod 644 $HOME/.config/jeton/config.yaml")
		}, "", "profile", "config.yaml", "can be read by others"},
		{"a directory of everybody", func(t *testing.T, p *patient) { p.run(t, "chmod 777 $HOME/.config/jeton") }, "",
			"config", "config.yaml", "anybody can replace files"},
		{"no such configuration", env("JETON_CONFIG=/nowhere/config.yaml"), "", "config", "JETON_CONFIG",
			"no such file"},
		{"a relative one", env("JETON_CONFIG=config.yaml"), "", "config", "JETON_CONFIG", "not an absolute path"},
		{"no such profile", env("JETON_PROFILE=prd"), "", "environment", "JETON_PROFILE", "no profile prd"},
		// Secrets.
		{"a secret's file is gone", all(remove("secret"), typing("CANARY-alice-pw\n")), "", "secret", "secret",
			"no such file"},
		{"a secret that others can read", func(t *testing.T, p *patient) { p.run(t, "chmod 644 $HOME/secret") }, "",
			"secret", "", "can be read by others"},
		{"a variable that is not set", all(secretIn("{env: SECRET}"), typing("CANARY-alice-pw\n")), "", "secret",
			"SECRET", "is not set"},
		{"no such program", all(secretIn("{command: [no-such-program]}"), func(t *testing.T, p *patient) {
			p.write(t, 0o700, "#!/bin/sh\nsed -i s/no-such-program/true/ \"$1\"\n", "editor")
		}), "", "secret", "config.yaml", "no-such-program"},
		{"a wrong password", all(write(0o600, "CANARY-wrong\n", "secret"), func(t *testing.T, p *patient) {
			p.write(t, 0o700, "#!/bin/sh\necho CANARY-alice-pw >\"$HOME/secret\"\n", "editor")
		}), "prod", "login", "", "refused the login"},
		{"a password that expires", func(t *testing.T, p *patient) {
			// There is no openstack that could change it here.
			p.write(t, 0o700, "#!/bin/sh\ntest \"$1 $2 $3\" = \"user password set\" && jeton reject prod\n", "bin",
				"openstack")
			p.path = p.in("bin") + ":" + filepath.Dir(p.jeton) + ":" + os.Getenv("PATH")
			p.w.keystone.PasswordExpires(time.Now().Add(3 * 24 * time.Hour))
			p.run(t, "jeton get prod >/dev/null")
			p.w.keystone.PasswordExpires(time.Time{})
		}, "", "password", "alice", "its password expires at"},
		{"a login that failed", func(t *testing.T, p *patient) {
			p.write(t, 0o600, "CANARY-wrong\n", "secret")
			p.run(t, "! jeton get prod 2>/dev/null")
			p.write(t, 0o700, "#!/bin/sh\necho CANARY-alice-pw >\"$HOME/secret\"\n", "editor")
		}, "", "login", "", "the last login failed"},
		// Where things are kept.
		{"the cache is a file", all(remove(".cache"), write(0o600, "", ".cache", "jeton")), "prod", "cache",
			".cache/jeton", "not a directory"},
		{"the cache is relative", env("JETON_CACHE_DIR=cache"), "", "cache", "cache", "not an absolute path"},
		{"the cache is open, and of others too",
			all(write(0o644, "x", ".cache", "jeton", "holiday.jpg"),
				func(t *testing.T, p *patient) { p.run(t, "chmod 755 $HOME/.cache/jeton") }), "", "cache",
			".cache/jeton", "is open to others"},
		{"the state is a file", all(remove(".local"), write(0o600, "", ".local", "state", "jeton")), "prod", "state",
			"state/jeton", "not a directory"},
		{"keys that nobody wants", func(t *testing.T, p *patient) {
			p.run(t, "jeton get s3 >/dev/null; jeton reject s3")
		}, "", "ledger", "", "1 access key that nobody wants"},
		// The environment.
		{"half an identity", env("OS_AUTH_URL=https://keystone.example/v3", "OS_USERNAME=alice"), "", "environment",
			"OS_AUTH_URL", "not complete"},
		{"two identities", env("OS_AUTH_URL=https://keystone.example/v3", "OS_USERNAME=alice", "OS_PASSWORD=CANARY",
			"OS_PROJECT_ID=x", "OVH_ENDPOINT=ovh-eu", "OVH_CLIENT_ID=x", "OVH_CLIENT_SECRET=CANARY"), "prod",
			"environment", "env-ovh", "several identities"},
		{"no such authorities", env("SSL_CERT_FILE=/nowhere/ca.pem"), "", "tls", "SSL_CERT_FILE", "there is no file"},
		{"certificates unchecked", env("OS_INSECURE=true"), "", "openstack", "OS_INSECURE", "anybody on the way"},
		{"no jeton on the PATH", func(_ *testing.T, p *patient) { p.path = os.Getenv("PATH") }, "", "program", "PATH",
			""},
		// aws.
		{"jeton has moved, for aws", change(awsConfig, "credential_process = ", "credential_process = /nowhere"), "",
			"aws", "config:2", "there is no program /nowhere"},
		{"aws by the PATH", func(t *testing.T, p *patient) { p.change(t, p.jeton, "jeton", awsConfig...) }, "", "aws",
			"config:2", "only with the PATH of a shell"},
		{"aws expands no tilde", func(t *testing.T, p *patient) { p.change(t, p.jeton, "~/bin/jeton", awsConfig...) },
			"", "aws", "config:2", "expand neither"},
		{"a blank in the path", func(t *testing.T,
			p *patient) {
			p.change(t, p.jeton, p.home+"/my tools/jeton", awsConfig...)
		}, "", "aws", "config:2", "needs quotes"},
		{"no format for aws", change(awsConfig, " -f aws", ""), "", "aws", "config:2", "-f aws"},
		{"a misspelt profile in aws", change(awsConfig, "get s3", "get s33"), "", "aws", "config:2", `no profile "s33"`},
		{"aws of a profile with tokens", all(
			change(config, "  s3:", "  ci: {plugin: oidc, flow: token_file, token_file: /nowhere/token}\n  s3:"),
			change(awsConfig, "get s3", "get ci"), editing("s/get ci/get s3/")),
			"", "aws", "config:2", "gives a token"},
		{"static keys", write(0o600, "[s3]\naws_access_key_id = AKIA\naws_secret_access_key = "+
			"CANARY\n[other]\naws_access_key_id = AKIB\n", ".aws", "credentials"), "", "aws", "credentials:2",
			"override credential_process"},
		{"a role in the same profile", change(awsConfig, "credential_process",
			"role_arn = arn:aws:iam::1:role/x\ncredential_process"), "", "aws", "config:2", "role_arn is taken before"},
		{"keys in the environment", env("AWS_ACCESS_KEY_ID=AKIA", "AWS_SECRET_ACCESS_KEY=CANARY"), "", "aws",
			"AWS_ACCESS_KEY_ID", "before any profile"},
		{"no such AWS profile", env("AWS_PROFILE=prod"), "", "aws", "AWS_PROFILE", "no profile prod"},
		{"no such AWS configuration", env("AWS_CONFIG_FILE=/nowhere/config"), "", "aws", "AWS_CONFIG_FILE",
			"there is no file"},
		// kubectl.
		{"jeton has moved, for kubectl", change(kubeConfig, "command: ", "command: /nowhere"), "", "kubernetes",
			"config:", "there is no program /nowhere"},
		{"a misspelt profile in kubectl", all(change(kubeConfig, "- prod", "- prd"), func(t *testing.T, p *patient) {
			p.change(t, "jeton-prod", "mine", kubeConfig...)
			p.change(t, "jeton-prod", "mine", kubeConfig...)
		}), "", "kubernetes", "config:", `no profile "prd"`},
		{"kubectl of a profile with keys", all(change(kubeConfig, "- prod", "- s3"), func(t *testing.T, p *patient) {
			p.write(t, 0o700, "#!/bin/sh\nsed -i s/-.s3/-\\ prod/ \"$2\"\n", "editor")
		}), "", "kubernetes", "config:", "gives an access key"},
		{"not on the list", write(0o600,
			"apiVersion: kubectl.config.k8s.io/v1beta1\nkind: Preference\ncredentialPluginPolicy: "+
				"Allowlist\ncredentialPluginAllowlist:\n- command: /bin/true\n", kuberc...), "", "kubernetes",
			"kuberc:3", "is not on the list"},
		{"no program may run", all(write(0o600, "apiVersion: kubectl.config.k8s.io/v1beta1\nkind: "+
			"Preference\ncredentialPluginPolicy: DenyAll\n", kuberc...), editing("s/DenyAll/AllowAll/")), "",
			"kubernetes", "kuberc:3", "DenyAll"},
		{"a file that is not there", env("KUBECONFIG=@/.kube/config:/nowhere"), "", "kubernetes", "KUBECONFIG",
			"not there"},
		{"no such cluster", all(change(kubeConfig, "    cluster: c", "    cluster: d"),
			editing("s/cluster: d/cluster: c/")), "", "kubernetes", "config:", "a cluster that is not there"},
		{"not a kubeconfig", all(change(kubeConfig, "kind: Config", "kind: ]"), func(t *testing.T, p *patient) {
			p.write(t, 0o700, "#!/bin/sh\nsed -i 's/kind: ]/kind: Config/' \"$1\"\n", "editor")
		}), "", "kubernetes", "config", "is not valid YAML"},
		{"an old version", kubectl(change(kubeConfig, "io/v1\n", "io/v1alpha1\n")), "", "kubernetes", "config:",
			"apiVersion client.authentication.k8s.io/v1alpha1"},
		{"no mode", kubectl(change(kubeConfig, "      interactiveMode: IfAvailable\n", "")), "", "kubernetes",
			"config:", "interactiveMode is missing"},
		{"a terminal only", kubectl(change(kubeConfig, "IfAvailable", "Always")), "", "kubernetes", "config:",
			"interactiveMode is Always"},
		{"a token beside", kubectl(change(kubeConfig, "    exec:", "    token: CANARY\n    exec:")), "", "kubernetes",
			"config:", "token is there too"},
		// openstack.
		{"no such cloud", all(env("OS_CLOUD=prd"), func(t *testing.T, p *patient) {
			p.write(t, 0o600, "clouds: {prod: {auth: {auth_url: \""+p.w.vars["KEYSTONE"]+"\", username: a, password: "+
				"b, project_id: c}}}\n", clouds("clouds.yaml")...)
		}), "", "environment", "OS_CLOUD", `no cloud "prd"`},
		{"a login beside the cloud", env("OS_CLOUD=prod", "OS_AUTH_URL=https://keystone.example/v3"), "", "openstack",
			"OS_AUTH_URL", "mixed with the cloud"},
		{"another clouds.yaml here", write(0o600, "clouds: {}\n", "work", "clouds.yaml"), "", "openstack",
			"work/clouds.yaml", "reads this one"},
		{"a token that others can read",
			func(t *testing.T, p *patient) { p.run(t, "chmod 644 $HOME/.config/openstack/secure.yaml") }, "",
			"openstack", "secure.yaml", "others can read it"},
		{"an old token", func(t *testing.T, p *patient) { p.run(t, "jeton get prod --refresh >/dev/null") }, "",
			"openstack", "clouds.yaml:2", "not the one that jeton has now"},
		{"a token that is gone", remove(clouds("secure.yaml")...), "", "openstack", "clouds.yaml:2",
			"its token is not in"},
		{"no such clouds.yaml", env("OS_CLIENT_CONFIG_FILE=/nowhere/clouds.yaml"), "", "openstack",
			"OS_CLIENT_CONFIG_FILE", "there is no file"},
		{"a token and a user", env("OS_TOKEN=CANARY", "OS_AUTH_URL=https://keystone.example/v3", "OS_USERNAME=alice"),
			"", "openstack", "OS_TOKEN", "beside a user's name"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			p := newPatient(t, test.check)
			test.fault(t, p)
			found := func(c checkup) (f plugin.Finding, ok bool) {
				for _, f := range c.Findings {
					if f.Check == test.check && strings.Contains(f.Where, test.where) &&
						strings.Contains(f.What, test.what) {
						return f, true
					}
				}
				return f, false
			}
			c, code := p.doctor(t, "", test.args)
			f, ok := found(c)
			if !ok {
				t.Fatalf("not found among %+v", c.Findings)
			}
			if wrong := f.Level == plugin.Wrong; wrong && code != 1 || code > 1 {
				t.Errorf("exit code %d, and it is %s", code, f.Level)
			}
			if f.Fix == "" {
				t.Fatalf("no fix: %+v", f)
			}
			after, _ := p.doctor(t, f.Fix, test.args)
			if f, still := found(after); still {
				t.Errorf("there still is, after %s: %+v", f.Fix, f)
			}
			if len(after.Findings) >= len(c.Findings) {
				t.Errorf("%s: before %+v, and after %+v", f.Fix, c.Findings, after.Findings)
			}
		})
	}
}

// What is in order, if unusual, or none of jeton's business, is left alone.
func TestDoctorQuiet(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*patient){
		"others' sections": func(p *patient) {
			p.write(t, 0o600, "[sso-session corp]\nsso_start_url = https://x\n[profile a]\nsso_session = "+
				"corp\nsso_account_id = 1\nsso_role_name = r\n"+
				"[profile b]\nrole_arn = arn\nsource_profile = a\ns3 =\n  addressing_style = path\n[profile "+
				"c]\ncredential_process = /home/jeton/bin/aws-vault exec --json c\n"+
				"[profile d]\ncredential_process = sh -c \"jeton get nowhere\"\n[profile e]\ncredential_process "+
				"= env X=1 "+p.jeton+" get nowhere\n", awsConfig...)
		},
		"a session of SSO beside": func(p *patient) {
			p.change(t, "credential_process", "sso_session = corp\ncredential_process", awsConfig...)
		},
		"a name in quotes": func(p *patient) {
			p.change(t, "[profile s3]", "[profile \"my s3\"]", awsConfig...)
			p.env = []string{"AWS_PROFILE=my s3"}
		},
		"indented settings": func(p *patient) {
			p.change(t, "credential_process", "  credential_process",
				awsConfig...)
		},
		"another configuration": func(p *patient) {
			p.change(t, "get s3", "get theirs --config /etc/theirs.yaml",
				awsConfig...)
		},
		"an empty token": func(p *patient) {
			p.change(t, "    exec:", "    token: \"\"\n    exec:", kubeConfig...)
		},
		"a list by other names": func(p *patient) {
			p.write(t, 0o600, "credentialPluginPolicy: Allowlist\ncredentialPluginAllowlist:\n- name: "+p.jeton+"\n",
				kuberc...)
		},
		"a program beside the kubeconfig": func(p *patient) {
			p.run(t, "mkdir $HOME/.kube/bin; ln -s "+p.jeton+" $HOME/.kube/bin/jeton")
			p.change(t, "command: "+p.jeton, "command: ./bin/jeton", kubeConfig...)
		},
		"a profile in the environment": func(p *patient) {
			p.change(t, "      - prod\n", "", kubeConfig...)
			p.change(t, "      interactiveMode",
				"      env:\n      - name: JETON_PROFILE\n        value: prod\n      interactiveMode", kubeConfig...)
		},
		"an answer from a cache": func(p *patient) {
			p.w.front.SetFault(func(rw http.ResponseWriter, _ *http.Request) bool {
				rw.Header().Set("Date", time.Now().Add(-time.Hour).UTC().Format(http.TimeFormat))
				rw.Header().Set("Age", "3600")
				return false
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPatient(t, "kubernetes", "aws")
			change(p)
			if c, code := p.doctor(t, "", ""); len(c.Findings) > 0 || code != 0 {
				t.Errorf("%+v", c.Findings)
			}
		})
	}
}

// Whatever lies in the place of a file is told, and neither waited for nor believed.
func TestDoctorHostile(t *testing.T) {
	t.Parallel()
	for name, path := range map[string][]string{"aws": awsConfig, "kubernetes": kubeConfig,
		"openstack": {".config", "openstack", "clouds.yaml"}} {
		p := newPatient(t)
		if err := os.MkdirAll(filepath.Dir(p.in(path...)), 0o700); err != nil {
			t.Fatal(err)
		}
		for _, what := range []string{"mkfifo", "mkdir", "ln -s /dev/zero", "truncate -s 3G"} {
			p.run(t, "rm -rf "+p.in(path...)+"; "+what+" "+p.in(path...))
			c, code := p.doctor(t, "", "")
			if code > 1 || len(c.Findings) != 1 || c.Findings[0].Check != name {
				t.Errorf("%s, %s: %+v", name, what, c.Findings)
			}
		}
		for _, text := range []string{"\x00\xff\xfe", "clouds: [1, {a: *x}]\n",
			"users: 3\ncontexts: {a: b}\nclouds: null\n", "[profile x\ncredential_process\n= jeton get\n[[]]\n", "{}",
			"a: &a [*a]\n"} {
			p.run(t, "rm -rf "+p.in(path...))
			p.write(t, 0o600, text, path...)
			if _, code := p.doctor(t, "", ""); code > 1 {
				t.Errorf("%s: %q: exit code %d", name, text, code)
			}
		}
	}
	p := newPatient(t, "kubernetes")
	p.change(t, "cluster: c\n", "cluster: \"c\\e[31m\\nerror: fake\\n  fix: rm -rf /\"\n", kubeConfig...)
	cmd := p.command("doctor")
	if out, _ := cmd.Output(); strings.Contains(string(out), "\x1b") || strings.Contains(string(out), "\n  fix: rm") ||
		!strings.Contains(string(out), "error: fake") {
		t.Errorf("%q", out)
	}
}

// A clock that is wrong is told, and a server that does not answer.
func TestDoctorServers(t *testing.T) {
	t.Parallel()
	p := newPatient(t, "kubernetes", "aws", "openstack")
	ahead := func(d time.Duration) {
		p.w.front.SetFault(func(rw http.ResponseWriter, _ *http.Request) bool {
			rw.Header().Set("Date", time.Now().Add(-d).UTC().Format(http.TimeFormat))
			return false
		})
	}
	for _, test := range []struct {
		ahead time.Duration
		level string
		what  string
	}{
		{0, "", ""}, // in good health
		{20 * time.Second, "", ""},
		{2 * time.Minute, plugin.Doubtful, "ahead of"},
		{-2 * time.Minute, plugin.Doubtful, "behind"},
		{time.Hour, plugin.Wrong, "ahead of"},
		{-time.Hour, plugin.Wrong, "behind"},
	} {
		ahead(test.ahead)
		c, _ := p.doctor(t, "", "")
		got := fmt.Sprint(len(c.Findings))
		switch {
		case test.level == "" && len(c.Findings) > 0, test.level != "" && len(c.Findings) != 1:
			t.Errorf("%s: %+v", test.ahead, c.Findings)
		case test.level != "":
			if f := c.Findings[0]; f.Check != "clock" || f.Level != test.level ||
				!strings.Contains(f.What, test.what) || f.Fix == "" {
				t.Errorf("%s: %s: %+v", test.ahead, got, f)
			}
		}
	}
	p.change(t, p.w.vars["KEYSTONE"], "http://127.0.0.1:1/v3", ".config", "jeton", "config.yaml")
	if c, code := p.doctor(t, "", ""); code != 1 || c.Findings[0].Check != "server" ||
		!strings.Contains(c.Findings[0].What, "refused") {
		t.Errorf("%+v", c.Findings)
	}
	p.change(t, "http://127.0.0.1:1/v3", p.w.vars["KUBERNETES"], ".config", "jeton", "config.yaml")
	if c, code := p.doctor(t, "", ""); code != 1 || c.Findings[0].Check != "server" ||
		!strings.Contains(c.Findings[0].What, "ca_file: ") {
		t.Errorf("%+v", c.Findings)
	}
	p.change(t, p.w.vars["KUBERNETES"], "https://keystone.invalid/v3", ".config", "jeton", "config.yaml")
	p.env = []string{"HTTPS_PROXY=http://127.0.0.1:1"}
	if c, code := p.doctor(t, "", ""); code != 1 || c.Findings[0].Fix != "unset HTTPS_PROXY" {
		t.Errorf("%+v", c.Findings)
	}
}
