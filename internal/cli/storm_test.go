package cli

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jeton-cli/jeton/cache"
	"github.com/jeton-cli/jeton/cache/hit"
)

// build returns the path of jeton as users run it, without the race detector's
// slowness, and buildChecked that of one with it, if the tests have it, or of the one that
// JETON_TEST_BINARY names: that of a package, or for another processor.
var (
	build        = sync.OnceValues(func() (string, error) { return buildWith() })
	buildChecked = sync.OnceValues(func() (string, error) {
		if path := os.Getenv("JETON_TEST_BINARY"); path != "" {
			return path, nil
		}
		if raceEnabled {
			return buildWith("-race")
		}
		return build()
	})
)

func buildWith(flags ...string) (string, error) {
	dir, err := os.MkdirTemp("", "jeton-test-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "jeton")
	flags = append([]string{"build", "-buildvcs=auto"}, flags...) // GOFLAGS of some machines has false
	out, err := exec.Command("go", append(flags, "-o", path, "../..")...).CombinedOutput()
	if err != nil {
		err = fmt.Errorf("go build: %w\n%s", err, out)
	}
	return path, err
}

// A user has a home directory and a configuration.
type user struct {
	jeton, home string
	env         []string // besides HOME and PATH
}

func newUser(t testing.TB, w *world, profiles string) *user {
	jeton, err := build()
	if err != nil {
		t.Fatal(err)
	}
	u := &user{jeton: jeton, home: t.TempDir()}
	u.configure(t, w, profiles)
	return u
}

// configure writes u's configuration, with the variables of w expanded.
func (u *user) configure(t testing.TB, w *world, profiles string) {
	t.Helper()
	config := filepath.Join(u.home, ".config", "jeton", "config.yaml")
	if err := os.MkdirAll(filepath.Dir(config), 0o700); err != nil {
		t.Fatal(err)
	}
	text := os.Expand("profiles:\n"+profiles, func(name string) string { return w.vars[name] })
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

const prodAndS3 = `
  prod: {plugin: keystone, auth_url: $KEYSTONE, username: alice, user_domain_id: $DOMAIN, password: CANARY-alice-pw, project_id: $WEB}
  s3: {plugin: keystone-ec2, from: prod}
`

func (u *user) command(args ...string) *exec.Cmd {
	cmd := exec.Command(u.jeton, args...)
	cmd.Env = append([]string{"HOME=" + u.home, "PATH=" + os.Getenv("PATH")}, u.env...)
	return cmd
}

// A result is how one process ended.
type result struct {
	stdout, stderr string
	code           int
}

// storm starts n processes at once and returns how they ended. Once all are
// under way, started is called.
func (u *user) storm(t *testing.T, n int, started func(), args ...string) []result {
	t.Helper()
	results := make([]result, n)
	var begun, ended sync.WaitGroup
	begun.Add(n)
	for i := range n {
		ended.Go(func() {
			cmd := u.command(args...)
			var stdout, stderr bytes.Buffer
			cmd.Stdout, cmd.Stderr = &stdout, &stderr
			err := cmd.Start()
			begun.Done()
			if err == nil {
				err = cmd.Wait()
			}
			if _, exited := err.(*exec.ExitError); err != nil && !exited {
				t.Error(err)
				return
			}
			results[i] = result{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
		})
	}
	begun.Wait()
	if started != nil {
		started()
	}
	ended.Wait()
	return results
}

// untilWaiting returns when n processes wait for locks in u's cache. The kernel
// lists each below the lock that it waits for.
func (u *user) untilWaiting(t *testing.T, n int) {
	t.Helper()
	for deadline := time.Now().Add(15 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		list, err := os.ReadFile("/proc/locks")
		if err != nil {
			time.Sleep(2 * time.Second) // another system: they should have come by then
			return
		}
		locks, err := filepath.Glob(filepath.Join(u.home, ".cache", "jeton", "*.lock"))
		if err != nil {
			t.Fatal(err)
		}
		waiting := 0
		for _, path := range locks {
			info, err := os.Stat(path)
			if err != nil {
				continue
			}
			inode := fmt.Sprintf(":%d ", reflect.ValueOf(info.Sys()).Elem().FieldByName("Ino").Uint())
			for line := range strings.Lines(string(list)) {
				if strings.Contains(line, "-> FLOCK") && strings.Contains(line, inode) {
					waiting++
				}
			}
		}
		if waiting >= n {
			return
		}
		if time.Now().After(deadline) {
			t.Errorf("only %d of %d processes came to wait", waiting, n)
			return
		}
	}
}

// allEqual checks that all processes succeeded with one document.
func allEqual(t *testing.T, results []result) {
	t.Helper()
	for _, r := range results {
		if r.code != 0 || r.stderr != "" || r.stdout == "" || r.stdout != results[0].stdout {
			t.Fatalf("exit code %d, stdout %q (the first: %q), stderr %q", r.code, r.stdout, results[0].stdout,
				r.stderr)
		}
	}
}

func TestStorm(t *testing.T) { storms(t, newWorld(t), 40) }

// TestStormReal is TestStorm with the real Keystone, whose own log is counted.
func TestStormReal(t *testing.T) {
	w := realWorld(t)
	storms(t, w, 300)

	cloud := realCloud(t)
	w.vars["KEYSTONE"] = cloud["keystone"] // with nothing in between
	u := newUser(t, w, prodAndS3)
	count := func() int {
		b, err := os.ReadFile(cloud["keystone_log"])
		if err != nil {
			t.Fatal(err)
		}
		return len(regexp.MustCompile(`(?m)^POST /v3/auth/tokens\?nocatalog 201 jeton`).FindAll(b, -1))
	}
	before := count()
	allEqual(t, u.storm(t, 300, nil, "get", "prod", "-f", "kubernetes"))
	if n := count() - before; n != 1 {
		t.Errorf("Keystone's log has %d token creations", n)
	}
	allEqual(t, u.storm(t, 300, nil, "get", "prod", "-f", "kubernetes"))
	if n := count() - before; n != 1 {
		t.Errorf("Keystone's log has %d token creations after 300 warm calls", n)
	}
}

// storms: of n processes at once one asks the issuer, and all get its answer.
func storms(t *testing.T, w *world, n int) {
	u := newUser(t, w, prodAndS3)
	requests := func(what string, want int, prefix string) {
		t.Helper()
		if got := w.front.Requests(prefix); got != want {
			t.Errorf("%d %s: %d requests %s, not %d", n, what, got, prefix, want)
		}
		w.front.Forget()
	}
	// The issuer holds its answer back until all processes are there.
	hold := func() (release func()) {
		all := make(chan struct{})
		w.front.SetFault(func(http.ResponseWriter, *http.Request) bool { <-all; return false })
		return func() {
			u.untilWaiting(t, n-1)
			w.front.SetFault(nil)
			close(all)
		}
	}
	allEqual(t, u.storm(t, n, nil, "get", "prod", "-f", "kubernetes"))
	requests("cold", 1, "")
	allEqual(t, u.storm(t, n, nil, "get", "prod", "-f", "kubernetes"))
	requests("warm", 0, "")
	allEqual(t, u.storm(t, n, hold(), "get", "prod", "-f", "kubernetes", "--refresh"))
	requests("with --refresh", 1, "")

	allEqual(t, u.storm(t, n, nil, "get", "s3", "-f", "aws"))
	requests("cold keys", 1, "POST /v3/users/")
	allEqual(t, u.storm(t, n, hold(), "get", "s3", "-f", "aws", "--refresh"))
	requests("keys with --refresh", 1, "POST /v3/users/")
	if out, err := u.command("logout", "--all").CombinedOutput(); err != nil {
		t.Fatalf("logout: %v: %s", err, out)
	}

	w.front.Forget()
	w.front.SetFault(func(w http.ResponseWriter, _ *http.Request) bool {
		w.Header().Set("Retry-After", "30")
		w.WriteHeader(http.StatusTooManyRequests)
		return true
	})
	for _, r := range u.storm(t, n, nil, "get", "prod") {
		if r.code != 75 || r.stdout != "" || !strings.Contains(r.stderr, "asks to wait 30s (HTTP 429)") {
			t.Fatalf("exit code %d, stdout %q, stderr %q", r.code, r.stdout, r.stderr)
		}
	}
	requests("against a 429", 1, "")
	w.front.SetFault(nil)
}

// A waiter leaves at once when it is told to.
func TestWaiterCanBeStopped(t *testing.T) {
	w := newWorld(t)
	u := newUser(t, w, prodAndS3)
	asked, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	w.front.SetFault(func(http.ResponseWriter, *http.Request) bool {
		once.Do(func() { close(asked) })
		<-release
		return false
	})
	holder, waiter := u.command("get", "prod"), u.command("get", "prod")
	if err := holder.Start(); err != nil {
		t.Fatal(err)
	}
	<-asked
	if err := waiter.Start(); err != nil {
		t.Fatal(err)
	}
	u.untilWaiting(t, 1)
	start := time.Now()
	waiter.Process.Signal(os.Interrupt)
	waiter.Wait()
	if took := time.Since(start); took > time.Second {
		t.Errorf("it took %s", took)
	}
	close(release)
	if err := holder.Wait(); err != nil {
		t.Error(err)
	}
}

func TestKill(t *testing.T) { kills(t, newWorld(t), 30) }

// TestKillReal kills 500 processes at random on the real Keystone.
func TestKillReal(t *testing.T) { kills(t, realWorld(t), 500) }

// kills: whenever a process is killed, no broken entry stays behind, at most
// one temporary file a value, and no key that is not in use.
func kills(t *testing.T, w *world, n int) {
	u := newUser(t, w, prodAndS3)
	cacheDir := filepath.Join(u.home, ".cache", "jeton")
	foreign := w.keys(t)
	start := time.Now()
	if out, err := u.command("get", "s3", "-f", "aws").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	life := time.Since(start)
	killed := 0
	for i := 0; killed < n; i++ {
		if i == 20*n {
			t.Fatalf("only %d of %d were killed in time", killed, i)
		}
		args := []string{"get", "s3", "-f", "aws"}
		switch i % 4 {
		case 1, 2:
			args = append(args, "--refresh")
		case 3:
			args = []string{"reject", "s3"}
		}
		cmd := u.command(args...)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		timer := time.AfterFunc(rand.N(life), func() { cmd.Process.Kill() })
		if err := cmd.Wait(); err != nil {
			killed++
		}
		timer.Stop()
		if i%20 == 19 {
			noBrokenEntries(t, cacheDir)
		}
	}
	noBrokenEntries(t, cacheDir)
	if out, err := u.command("get", "s3", "-f", "aws").CombinedOutput(); err != nil {
		t.Fatalf("after all: %v: %s", err, out)
	}
	if out, err := u.command("gc").CombinedOutput(); err != nil {
		t.Fatalf("gc: %v: %s", err, out)
	}
	document, err := u.command("get", "s3", "-f", "aws").Output()
	if err != nil {
		t.Fatal(err)
	}
	id := regexp.MustCompile(`"AccessKeyId": "(.*)"`).FindSubmatch(document)
	status, err := u.command("status").Output()
	if err != nil {
		t.Fatal(err)
	}
	// What was interrupted less than a minute ago may still come true at an
	// issuer, and stays in the ledger for that long; a key it is not.
	if n := strings.Count(string(status), "in use by s3"); n != 1 || !strings.Contains(string(status), string(id[1])) ||
		strings.Contains(string(status), "replaced") {
		t.Errorf("status after gc, with %s in use:\n%s", id[1], status)
	}
	if keys := w.keys(t); len(keys) != len(foreign)+1 || !slices.Contains(keys, string(id[1])) {
		t.Errorf("Keystone has the keys %v; there were %v, and %s is in use", keys, foreign, id[1])
	}
	if out, err := u.command("logout", "s3").CombinedOutput(); err != nil {
		t.Fatalf("logout: %v: %s", err, out)
	}
	if keys := w.keys(t); !slices.Equal(keys, foreign) {
		t.Errorf("Keystone has the keys %v after logout; there were %v", keys, foreign)
	}
}

// keys returns the ids of alice's EC2 credentials, as Keystone tells them.
func (w *world) keys(t *testing.T) []string {
	u := newUser(t, w, prodAndS3)
	token, err := u.command("get", "prod", "-f", "token").Output()
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequest(http.MethodGet, w.vars["KEYSTONE"]+"/users/"+w.vars["ALICE"]+"/credentials/OS-EC2", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Auth-Token", strings.TrimSpace(string(token)))
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var b bytes.Buffer
	b.ReadFrom(resp.Body)
	var ids []string
	for _, match := range regexp.MustCompile(`"access": ?"([0-9a-f]+)"`).FindAllStringSubmatch(b.String(), -1) {
		ids = append(ids, match[1])
	}
	slices.Sort(ids)
	return ids
}

func noBrokenEntries(t *testing.T, dir string) {
	t.Helper()
	d, err := cache.OpenDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	pepper, err := os.ReadFile(filepath.Join(dir, "..", "..", ".local", "state", "jeton", "pepper"))
	if err != nil {
		t.Fatal(err)
	}
	kept, err := (&cache.Cache{Store: d, Pepper: pepper}).List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	whole := map[string]bool{}
	for _, k := range kept {
		whole[k.Name] = true
	}
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	tmp := map[string]int{}
	for _, f := range files {
		name, suffix, _ := strings.Cut(f.Name(), ".")
		if suffix == "" && !whole[name] && name != hit.Dir {
			t.Errorf("%s is a broken entry", name)
		}
		if strings.HasSuffix(suffix, "tmp") {
			if tmp[name]++; tmp[name] > 2 { // of the entry and of its failure
				t.Errorf("%s has several temporary files", name)
			}
		}
	}
}

// Imports at the same time wait for each other, and all of them count.
func TestParallelImports(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	u := newUser(t, w, "")
	var wg sync.WaitGroup
	for n := range 8 {
		wg.Go(func() {
			cmd := u.command("import", "env", fmt.Sprintf("p%d", n))
			cmd.Env = append(cmd.Env, "OS_AUTH_URL="+w.vars["KEYSTONE"], "OS_USERNAME=alice",
				"OS_PASSWORD=CANARY-alice-pw", "OS_PROJECT_ID="+w.vars["WEB"])
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
	wg.Wait()
	for n := range 8 {
		if out, err := u.command("get", fmt.Sprintf("p%d", n)).CombinedOutput(); err != nil {
			t.Errorf("%v: %s", err, out)
		}
	}
}

func TestFederatedStorm(t *testing.T) { federatedStorm(t, newWorld(t), 40) }

func TestFederatedStormReal(t *testing.T) { federatedStorm(t, realWorld(t), 300) }

// However many processes want a federated token at once, each of its levels is
// asked for once.
func federatedStorm(t *testing.T, w *world, n int) {
	u := newUser(t, w, `
  fed: {plugin: keystone, preset: ovhcloud-emea, auth_url: $KEYSTONE, discovery_endpoint: "http://$KEYSTONE_HOST/.well-known/openid-configuration", client_id: $CLIENT_ID, client_secret: $CLIENT_SECRET, project_id: $WEB}
`)
	results := u.storm(t, n, nil, "get", "fed", "-f", "kubernetes")
	allEqual(t, results)
	for _, request := range []string{"GET /.well-known/", "POST /oauth2/token", "POST /v3/OS-FEDERATION/",
		"POST /v3/auth/tokens"} {
		if got := w.front.Requests(request); got != 1 {
			t.Errorf("%d requests %s", got, request)
		}
	}
}

// An upper profile never answers with what it obtained for another identity
// below: every level is fetched anew.
func TestOtherIdentityBelow(t *testing.T) {
	w := newWorld(t)
	profiles := `
  provider: {plugin: oidc, token_endpoint: "http://$KEYSTONE_HOST/oauth2/token", client_id: $CLIENT_ID, client_secret: $CLIENT_SECRET, audience: AUDIENCE}
  fed: {plugin: keystone, auth_type: v3oidcaccesstoken, from: provider, identity_provider: ovhcloud-emea, protocol: openid, auth_url: $KEYSTONE, project_id: $WEB}
  s3: {plugin: keystone-ec2, from: fed}
`
	seen := map[string]bool{}
	u := newUser(t, w, "")
	for _, audience := range []string{"one", "two", "one"} {
		w.front.Forget()
		u.configure(t, w, strings.Replace(profiles, "AUDIENCE", audience, 1))
		out, err := u.command("get", "fed", "-f", "token").CombinedOutput()
		if err != nil {
			t.Fatalf("%s", out)
		}
		known := seen[string(out)]
		if known != (len(seen) == 2) {
			t.Errorf("with audience %s: %s", audience, out)
		}
		want := 1
		if known {
			want = 0 // edited back, it is the former one
		}
		for _, request := range []string{"POST /oauth2/token", "POST /v3/OS-FEDERATION/", "POST /v3/auth/tokens"} {
			if got := w.front.Requests(request); got != want {
				t.Errorf("audience %s: %d requests %s", audience, got, request)
			}
		}
		seen[string(out)] = true
	}
}

// However many processes want what a program prints, it runs once.
func TestCommandStorm(t *testing.T) {
	u := newUser(t, &world{}, "")
	ran := filepath.Join(u.home, "ran")
	script := filepath.Join(u.home, "helper")
	text := "#!/bin/sh\necho ran >>" + ran +
		"\necho '{\"Version\": 1, \"AccessKeyId\": \"AK\", \"SecretAccessKey\": \"SK\", \"Expiration\": " +
		"\"2099-01-01T00:00:00Z\"}'\n"
	if err := os.WriteFile(script, []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
	u.configure(t, &world{}, "  p: {plugin: command, argv: ["+script+"]}\n")
	allEqual(t, u.storm(t, 40, nil, "get", "p", "-f", "aws"))
	if b, err := os.ReadFile(ran); err != nil || string(b) != "ran\n" {
		t.Errorf("%q, %v", b, err)
	}
}
