package cli

import (
	"bytes"
	"crypto/x509"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/jeton-cli/jeton/cache/hit"
)

// initialised are the packages that a run initialises, as the runtime tells.
var initialised = regexp.MustCompile(`(?m)^init (\S+) @.*\n`)

// run runs jeton and returns how it ended, and the packages that were initialised.
func (u *user) run(t testing.TB, env []string, args ...string) (result, []string) {
	t.Helper()
	cmd := u.command(args...)
	cmd.Env = append(append(cmd.Env, "GODEBUG=inittrace=1"), env...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		if _, ok := err.(*exec.ExitError); !ok {
			t.Fatal(err)
		}
	}
	var packages []string
	for _, match := range initialised.FindAllStringSubmatch(stderr.String(), -1) {
		packages = append(packages, match[1])
	}
	return result{stdout.String(), initialised.ReplaceAllString(stderr.String(), ""), cmd.ProcessState.ExitCode()},
		packages
}

// most is the number of packages that a warm answer initialises at most.
const most = 20

// warmUp runs jeton until it answers before it begins: files have to be a moment
// old for that.
func (u *user) warmUp(t testing.TB, env []string, args ...string) result {
	t.Helper()
	for range 100 {
		r, packages := u.run(t, env, args...)
		if r.code != 0 {
			t.Fatalf("%s: exit code %d: %s", args, r.code, r.stderr)
		}
		if len(packages) <= most {
			return r
		}
	}
	t.Fatalf("%s never becomes a warm answer", args)
	return result{}
}

// A warm answer takes no package that jeton could do without, no lock, and writes
// nothing.
func TestWarmStart(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	u := newUser(t, w, prodAndS3)
	for _, args := range [][]string{{"get", "prod", "-f", "kubernetes"}, {"get", "s3", "-f", "aws"}, {"get", "prod"},
		{"get"}} {
		env := []string{"JETON_PROFILE=prod"}
		want := u.warmUp(t, env, args...)
		u.warmUp(t, []string{"JETON_PROFILE=s3"}, args...)
		before := u.files(t)
		w.front.Forget()
		got, packages := u.run(t, env, args...)
		if got != want {
			t.Errorf("%s: %+v, not %+v", args, got, want)
		}
		for _, p := range packages {
			if strings.Contains(p, ".") || p == "os" || p == "syscall" || p == "fmt" || strings.HasPrefix(p, "net") ||
				strings.HasPrefix(p, "crypto/tls") {
				t.Errorf("%s initialises %s", args, p)
			}
		}
		if after := u.files(t); after != before {
			t.Errorf("%s has changed files:\n%s\n%s", args, before, after)
		}
		if n := w.front.Requests(""); n != 0 {
			t.Errorf("%s: %d requests", args, n)
		}
	}
}

// files tells of all files of u, when they were changed, and how.
func (u *user) files(t testing.TB) string {
	var b strings.Builder
	err := filepath.WalkDir(u.home, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil {
			fmt.Fprintln(&b, path, info.Mode(), info.Size(), info.ModTime().UnixNano())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// Whatever changes behind a warm answer, jeton says what it would have said
// without it.
func TestWarmLikeOrdinary(t *testing.T) {
	t.Parallel()
	type change func(t *testing.T, w *world, u *user) []string // which returns more environment
	const profiles = `
  prod: {plugin: keystone, auth_url: $KEYSTONE, username: alice, user_domain_id: $DOMAIN, password: {file: "$HOME/secret"}, cacert: "$HOME/ca", project_id: $WEB}
  s3: {plugin: keystone-ec2, from: prod}
`
	in := func(u *user, names ...string) string { return filepath.Join(append([]string{u.home}, names...)...) }
	write := func(name, text string) change {
		return func(t *testing.T, w *world, u *user) []string {
			if err := os.WriteFile(in(u, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			return nil
		}
	}
	mode := func(mode fs.FileMode, names ...string) change {
		return func(t *testing.T, w *world, u *user) []string {
			paths, err := filepath.Glob(in(u, names...))
			if err != nil || len(paths) == 0 {
				t.Fatalf("%v: %v, %v", names, paths, err)
			}
			for _, path := range paths {
				if err := os.Chmod(path, mode); err != nil {
					t.Fatal(err)
				}
			}
			return nil
		}
	}
	remove := func(names ...string) change {
		return func(t *testing.T, w *world, u *user) []string {
			if err := os.RemoveAll(in(u, names...)); err != nil {
				t.Fatal(err)
			}
			return nil
		}
	}
	setenv := func(list ...string) change {
		return func(t *testing.T, w *world, u *user) []string {
			for i := range list {
				list[i] = strings.ReplaceAll(list[i], "@", u.home)
			}
			return list
		}
	}
	jeton := func(args ...string) change {
		return func(t *testing.T, w *world, u *user) []string {
			if out, err := u.command(args...).CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			return nil
		}
	}
	configure := func(old, new string) change {
		return func(t *testing.T, w *world, u *user) []string {
			if !strings.Contains(profiles, old) {
				t.Fatal(old)
			}
			u.configure(t, w, strings.Replace(profiles, old, new, 1))
			return nil
		}
	}
	config := []string{".config", "jeton", "config.yaml"}
	for name, change := range map[string]change{
		"nothing":                func(*testing.T, *world, *user) []string { return nil },
		"another project":        configure("$WEB", "$OPS"),
		"a literal secret":       configure(`{file: "$HOME/secret"}`, "CANARY-wrong"),
		"the format":             configure("project_id: $WEB", "project_id: $WEB, format: header"),
		"the profile is gone":    configure("prod: {", "product: {"),
		"a broken configuration": configure("plugin: keystone", "plugin: keystonee"),
		"a config of others":     mode(0o666, config...),
		"a directory of others":  mode(0o777, ".config", "jeton"),
		"config is gone":         remove(config...),
		"the secret's file":      write("secret", "CANARY-wrong\n"),
		"the secret is gone":     remove("secret"),
		"a secret that is open":  mode(0o644, "secret"),
		"the authorities":        write("ca", "another\n"),
		"a caller's version":     setenv(`KUBERNETES_EXEC_INFO={"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1beta1","spec":{}}`),
		"a caller's nonsense":    setenv("KUBERNETES_EXEC_INFO={"),
		"another config":         setenv("JETON_CONFIG=@/other.yaml"),
		"another directory":      setenv("XDG_CONFIG_HOME=@/nowhere"),
		"another cache":          setenv("JETON_CACHE_DIR=@/cache"),
		"another state":          setenv("XDG_STATE_HOME=@/state"),
		"a relative cache":       setenv("XDG_CACHE_HOME=cache"),
		"asked by its secret":    setenv("JETON_WITHIN=prod"),
		"rejected":               jeton("reject", "prod"),
		"logged out":             jeton("logout", "--all"),
		"refreshed":              jeton("get", "prod", "--refresh", "-f", "token"),
		"collected":              jeton("gc"),
		"the cache is open":      mode(0o755, ".cache", "jeton"),
		"the entry is open":      mode(0o644, ".cache", "jeton", "[0-9a-f]*[0-9a-f]"),
		"the answer is open":     mode(0o644, ".cache", "jeton", "hit", "*"),
		"answers are open, and it is rejected": func(t *testing.T, w *world, u *user) []string {
			mode(0o755, ".cache", "jeton", "hit")(t, w, u)
			return jeton("reject", "prod")(t, w, u)
		},
		"the cache is gone":  remove(".cache"),
		"the pepper is gone": remove(".local", "state", "jeton", "pepper"),
		"the state is gone":  remove(".local"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			u := newUser(t, w, "")
			w.vars["HOME"] = u.home
			write("secret", "CANARY-alice-pw\n")(t, w, u)
			write("ca", "-----BEGIN CERTIFICATE-----\n")(t, w, u)
			u.configure(t, w, strings.Replace(profiles, `cacert: "$HOME/ca", `, "", 1)) // whose content is read for https only
			if strings.Contains(name, "authorities") {
				u.configure(t, w, profiles)
				caPEM, _, _ := (*authority)(nil).sign(t, x509.Certificate{})
				write("ca", string(caPEM))(t, w, u)
			}
			args := []string{"get", "prod"}
			u.warmUp(t, nil, args...)
			env := change(t, w, u)
			if left, _ := filepath.Glob(in(u, ".cache", "jeton", "hit", "*")); strings.Contains(name, "rejected") &&
				len(left) > 0 {
				t.Errorf("left behind is %v", left)
			}
			got, packages := u.run(t, env, args...)
			want, _ := u.run(t, env, append([]string{"--verbose=false"}, args...)...) // which is never warm
			if got.stdout != want.stdout || got.code != want.code ||
				remembered.ReplaceAllString(got.stderr, "") != remembered.ReplaceAllString(want.stderr, "") {
				t.Errorf("%+v, and the ordinary path %+v", got, want)
			}
			if warm := len(packages) <= most; warm != (name == "nothing") {
				t.Errorf("a warm answer: %v", warm)
			}
		})
	}
}

// remembered is what a failure says the second time.
var remembered = regexp.MustCompile(`(?m)( \(?remembered for \d+ s more; jeton get \S+ --refresh asks again at once\)?|^hint:.*\n)`)

// What everybody downloads, and every start pays for, stays small.
func TestSize(t *testing.T) {
	if os.Getenv("JETON_TEST_CLOUD") == "" {
		t.Skip("it is built in make test")
	}
	t.Parallel()
	path := filepath.Join(t.TempDir(), "jeton")
	if out, err := exec.Command("make", "-C", "../..", "build", "OUT="+path).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if info, err := os.Stat(path); err != nil || info.Size() > 12_500_000 {
		t.Errorf("%v bytes, %v", info.Size(), err)
	}
}

// Another user is another matter.
func TestWarmOtherUser(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root can be somebody else")
	}
	w := newWorld(t)
	u := newUser(t, w, prodAndS3)
	shared := u.jeton // stays as it is
	u.jeton = filepath.Join(u.home, "jeton")
	if err := exec.Command("cp", shared, u.jeton).Run(); err != nil {
		t.Fatal(err)
	}
	u.warmUp(t, nil, "get", "prod")
	if err := exec.Command("chmod", "-R", "a+rX", u.home).Run(); err != nil {
		t.Fatal(err)
	}
	for dir := u.home; dir != "/"; dir = filepath.Dir(dir) {
		os.Chmod(dir, 0o755)
	}
	defer os.Chmod(os.TempDir(), 0o1777)
	cmd := u.command("get", "prod")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	if out, err := cmd.CombinedOutput(); err == nil || strings.Contains(string(out), "gAAAA") {
		t.Errorf("%v: %s", err, out)
	}
}

// A reader who is slow, and not waited for by the system, gets all of it; and who
// cannot have it is told as ever.
func TestWarmOutput(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	u := newUser(t, w, "")
	token := strings.Repeat("CANARY-0123456789", 2000) // above what its pipe holds
	u.configure(t, w, `  big: {plugin: command, argv: [printf, '{"token":"`+token+`"}'], format: token}`)
	u.warmUp(t, nil, "get", "big")
	r, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, _, errno := syscall.Syscall(syscall.SYS_FCNTL, out.Fd(), syscall.F_SETPIPE_SZ, 4096); errno != 0 {
		t.Fatal(errno)
	}
	if err := syscall.SetNonblock(int(out.Fd()), true); err != nil {
		t.Fatal(err)
	}
	cmd := u.command("get", "big")
	cmd.Stdout = out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	out.Close()
	b, err := io.ReadAll(r)
	if e := cmd.Wait(); e != nil || err != nil || strings.TrimSpace(string(b)) != token {
		t.Errorf("%v, %v: %d bytes of %d", e, err, len(b), len(token))
	}
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	cmd = u.command("get", "big")
	var stderr strings.Builder
	cmd.Stdout, cmd.Stderr = full, &stderr
	if err := cmd.Run(); cmd.ProcessState.ExitCode() != 74 ||
		stderr.String() != "jeton: big: standard output cannot be written\n" {
		t.Errorf("%v: %s", err, stderr.String())
	}
}

// An answer that was damaged is none.
func TestWarmDamaged(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	u := newUser(t, w, prodAndS3)
	want := u.warmUp(t, nil, "get", "prod")
	files, err := filepath.Glob(filepath.Join(u.home, ".cache", "jeton", hit.Dir, "*"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	whole, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	damaged := [][]byte{nil, whole[:1], whole[:len(whole)/2], whole[:len(whole)-1], append(slices.Clone(whole), 'x')}
	for at := 0; at < len(whole); at += 1 + len(whole)/40 {
		b := slices.Clone(whole)
		b[at] ^= 4
		damaged = append(damaged, b)
	}
	for _, b := range damaged {
		if err := os.WriteFile(files[0], b, 0o600); err != nil {
			t.Fatal(err)
		}
		if got, _ := u.run(t, nil, "get", "prod"); got != want {
			t.Errorf("%q: %+v", b, got)
		}
	}
}

// An answer that depends on a secret in the environment is left behind with a hash
// of that, which tells nothing without the pepper; another secret is another
// matter.
func TestWarmSecrets(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, profile := range map[string]string{
		"env":     "",
		"by name": `  prod: {plugin: keystone, auth_url: $KEYSTONE, username: alice, password: {env: OS_PASSWORD}, project_id: $WEB}`,
	} {
		u := newUser(t, w, profile)
		args := []string{"get"}
		if profile == "" {
			if err := os.RemoveAll(filepath.Join(u.home, ".config")); err != nil {
				t.Fatal(err)
			}
		} else {
			args = append(args, "prod")
		}
		args = append(args, "-f", "token")
		env := func(password string) []string {
			return []string{"OS_AUTH_URL=" + w.vars["KEYSTONE"], "OS_USERNAME=alice", "OS_PASSWORD=" + password,
				"OS_PROJECT_ID=" + w.vars["WEB"]}
		}
		var left []string
		for range 100 {
			if r, _ := u.run(t, env("CANARY-alice-pw"), args...); r.code != 0 {
				t.Fatalf("%s: %s", name, r.stderr)
			}
			if left, _ = filepath.Glob(filepath.Join(u.home, ".cache", "jeton", hit.Dir, "*")); left != nil {
				break
			}
		}
		if len(left) != 1 {
			t.Fatalf("%s: left behind are %v", name, left)
		}
		b, err := os.ReadFile(left[0])
		if err != nil || !strings.Contains(string(b), "\nm OS_PASSWORD=") || strings.Contains(string(b), "CANARY") {
			t.Errorf("%s: %v: %s", name, err, b)
		}
		want, _ := u.run(t, env("CANARY-alice-pw"), args...)
		w.front.Forget()
		if got, _ := u.run(t, env("CANARY-alice-pw"), args...); got != want || w.front.Requests("") != 0 {
			t.Errorf("%s: %+v, and before %+v", name, got, want)
		}
		if got, _ := u.run(t, env("CANARY-wrong"), args...); got.code != 77 || got.stdout != "" {
			t.Errorf("%s: another secret: %+v", name, got)
		}
		if profile == "" {
			dir := filepath.Join(u.home, ".config", "jeton")
			if err := os.MkdirAll(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			for range 2 {
				if got, _ := u.run(t, env("CANARY-alice-pw"), args...); got != want {
					t.Errorf("%s: with a directory: %+v", name, got)
				}
			}
			if err := os.Chmod(dir, 0o777); err != nil {
				t.Fatal(err)
			}
			if got, _ := u.run(t, env("CANARY-alice-pw"), args...); got.code != 78 {
				t.Errorf("%s: with a directory of others: %+v", name, got)
			}
			if err := os.Chmod(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			u.configure(t, w, "  broken")
			if got, _ := u.run(t, env("CANARY-alice-pw"), args...); got.code != 78 {
				t.Errorf("%s: with a configuration: %+v", name, got)
			}
			if got, _ := u.run(t, append(env("CANARY-alice-pw"), "OS_USER_DOMAIN_NAME=other"), args...); got.code == 0 {
				t.Errorf("%s: with a domain: %+v", name, got)
			}
		}
	}
}

// The warm path keeps who asked, and steps aside for a client that was refused; nothing
// else is written.
func TestWarmAsked(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	u := newUser(t, w, prodAndS3)
	const info = `{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","spec":{"interactive":false}}`
	// Each sh is a client of its own.
	client := func(script string) string {
		t.Helper()
		cmd := exec.Command("sh", "-c", script+"; true")
		cmd.Env = append(u.command().Env, "JETON="+u.jeton, "KUBERNETES_EXEC_INFO="+info, "GODEBUG=inittrace=1")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return string(out)
	}
	warm := func(trace string) bool { return len(initialised.FindAllString(trace, -1)) <= most }
	for n := 0; !warm(client(`"$JETON" get prod`)); n++ {
		if n == 100 {
			t.Fatal("it never becomes a warm answer")
		}
	}
	before := u.files(t)
	w.front.Forget()
	if !warm(client(`"$JETON" get prod`)) || w.front.Requests("") != 0 {
		t.Error("another client does not get a warm answer")
	}
	for line := range strings.Lines(u.files(t)) {
		if name, _, _ := strings.Cut(line, " "); !strings.Contains(before, line) &&
			!strings.HasSuffix(name, hit.AskedSuffix) {
			t.Errorf("a warm answer has changed %s", line)
		}
	}
	if trace := client(`"$JETON" get prod >/dev/null 2>&1; "$JETON" get prod`); warm(trace) || w.front.Requests("HEAD /v3/auth/tokens") != 1 {
		t.Errorf("a refusal is not seen: %d requests", w.front.Requests(""))
	}
	if trace := client(`KUBERNETES_EXEC_INFO= "$JETON" get prod >/dev/null 2>&1; "$JETON" get prod`); !warm(trace) {
		t.Error("another question is taken for a refusal")
	}
}
