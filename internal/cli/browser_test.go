//go:build linux

package cli

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// These tests have persons log in: a real browser, which testdata/browser drives, shows
// the pages of a real issuer, and real clients use what comes of it.

// A human is a user with a real browser.
type human struct {
	*user
	t *testing.T
}

// newHuman returns a person who has an account called name at the issuers.
func newHuman(t *testing.T, name, profiles string) *human {
	t.Helper()
	browser := client("browser")
	if browser == "" {
		skip(t, "browser is not installed")
	}
	if !slices.ContainsFunc([]string{"chromium", "chromium-browser", "google-chrome", "headless-shell"},
		func(name string) bool { return client(name) != "" }) {
		skip(t, "chromium is not installed")
	}
	if _, err := unix.KeyctlGetKeyringID(unix.KEY_SPEC_USER_KEYRING, true); err != nil {
		skip(t, "the kernel's keyring cannot be used: "+err.Error())
	}
	p := &human{newUser(t, &world{}, profiles), t}
	var err error
	if p.jeton, err = buildChecked(); err != nil {
		t.Fatal(err)
	}
	p.env = []string{"BROWSER=" + browser, "LOGIN_AS=" + name, "LOGIN_PASSWORD=CANARY-" + name + "-pw",
		"LOGIN_LOG=" + p.file("opened"), "LOGIN_TEXT=" + p.file("page")}
	// A login has no caller to whom it could tell of a data race.
	races := p.file("race")
	p.env = append(p.env, "GORACE=atexit_sleep_ms=0 log_path="+races)
	t.Cleanup(func() {
		p.leave()
		found, err := filepath.Glob(races + ".*")
		for _, name := range found {
			text, _ := os.ReadFile(name)
			t.Errorf("%s", text)
		}
		if err != nil {
			t.Error(err)
		}
	})
	return p
}

// file returns the path of a file of p's.
func (p *human) file(name string) string { return filepath.Join(p.home, name) }

// with returns p with more or other settings of the browser.
func (p *human) with(env ...string) *human {
	other := *p.user
	other.env = append(slices.Clip(p.env), env...)
	return &human{&other, p.t}
}

// processes returns the processes that have p's HOME, and their command lines.
func (p *human) processes() map[int]string {
	found := map[int]string{}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		p.t.Fatal(err)
	}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		env, err := os.ReadFile("/proc/" + e.Name() + "/environ")
		if err != nil || !bytes.Contains(append([]byte{0}, env...), []byte("\x00HOME="+p.home+"\x00")) {
			continue
		}
		line, _ := os.ReadFile("/proc/" + e.Name() + "/cmdline")
		found[pid] = strings.ReplaceAll(string(line), "\x00", " ")
	}
	return found
}

// leave waits until the browser and the login have ended, whose files the test is about
// to remove.
func (p *human) leave() {
	p.t.Helper()
	if !eventually(10*time.Second, func() bool { return len(p.processes()) == 0 }) {
		p.t.Errorf("still there: %v", p.processes())
		for pid := range p.processes() {
			syscall.Kill(pid, syscall.SIGTERM)
		}
		eventually(10*time.Second, func() bool { return len(p.processes()) == 0 })
	}
}

// eventually reports whether so becomes true within the limit.
func eventually(limit time.Duration, so func() bool) bool {
	for end := time.Now().Add(limit); !so(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			return false
		}
	}
	return true
}

// opened checks how many pages the browser has opened.
func (p *human) opened(want int) {
	p.t.Helper()
	b, err := os.ReadFile(p.file("opened"))
	if err != nil && want > 0 {
		p.t.Fatal(err)
	}
	if got := bytes.Count(b, []byte("\n")); got != want {
		p.t.Fatalf("%d pages were opened, not %d:\n%s", got, want, b)
	}
}

// untilOpened waits until the browser has opened a page.
func (p *human) untilOpened() {
	p.t.Helper()
	if !eventually(15*time.Second, func() bool {
		b, _ := os.ReadFile(p.file("opened"))
		return bytes.HasSuffix(b, []byte("\n"))
	}) {
		p.t.Fatal("no page was opened")
	}
}

// page returns the text of the browser's last page, once it is there.
func (p *human) page() string {
	p.t.Helper()
	var text []byte
	if !eventually(15*time.Second, func() (there bool) {
		var err error
		text, err = os.ReadFile(p.file("page"))
		return err == nil
	}) {
		p.t.Fatal("the browser has shown no page")
	}
	os.Remove(p.file("page"))
	return string(text)
}

// run runs a command without a terminal.
func (p *human) run(cmd *exec.Cmd) result {
	p.t.Helper()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	timer := time.AfterFunc(time.Minute, func() { cmd.Process.Kill() })
	defer timer.Stop()
	cmd.Wait()
	return result{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
}

// jetons runs jeton without a terminal.
func (p *human) jetons(args ...string) result {
	p.t.Helper()
	return p.run(p.command(args...))
}

// A sitting is a command at a terminal of its own.
type sitting struct {
	cmd            *exec.Cmd
	tty            *os.File
	stdout, stderr bytes.Buffer
	seen           chan string
}

// sit starts a command at a terminal of its own.
func (p *human) sit(cmd *exec.Cmd) *sitting {
	p.t.Helper()
	main, tty := pty(p.t)
	s := &sitting{cmd: cmd, tty: tty, seen: make(chan string, 1)}
	go func() {
		b, _ := io.ReadAll(main) // the end of a terminal is an error
		s.seen <- string(b)
	}()
	cmd.Stdin, cmd.Stdout, cmd.Stderr = tty, &s.stdout, &s.stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	return s
}

// wait waits for the end of the command, and returns what the terminal has shown too.
func (s *sitting) wait() (result, string) {
	timer := time.AfterFunc(time.Minute, func() { s.cmd.Process.Kill() })
	defer timer.Stop()
	s.cmd.Wait()
	s.tty.Close()
	return result{s.stdout.String(), s.stderr.String(), s.cmd.ProcessState.ExitCode()}, <-s.seen
}

// A provider is the certified OpenID provider. What goes to its token endpoint comes by
// here, where a test can read it and hold the answers back.
type provider struct {
	t                        *testing.T
	issuer, endpoint, events string

	mu     sync.Mutex
	said   []url.Values         // the forms of the requests, in order
	gave   []map[string]any     // the answers
	behind func() (wait func()) // called with each request, or nil
}

func newProvider(t *testing.T, env ...string) *provider {
	t.Helper()
	p := &provider{t: t, events: filepath.Join(t.TempDir(), "events")}
	p.issuer = startServer(t, "certified-provider", append(env, "NODE_NO_WARNINGS=1", "EVENTS="+p.events))
	u, err := url.Parse(p.issuer)
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(u) },
		ModifyResponse: func(r *http.Response) error {
			b, err := io.ReadAll(r.Body)
			var answer map[string]any
			json.Unmarshal(b, &answer)
			p.mu.Lock()
			defer p.mu.Unlock()
			p.gave = append(p.gave, answer)
			r.Body = io.NopCloser(bytes.NewReader(b))
			return err
		},
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		form, _ := url.ParseQuery(string(b))
		r.Body = io.NopCloser(bytes.NewReader(b))
		p.mu.Lock()
		p.said = append(p.said, form)
		behind := p.behind
		p.mu.Unlock()
		if behind != nil {
			behind()()
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	p.endpoint = server.URL + "/token"
	return p
}

// profile returns a profile at the provider, with more options.
func (p *provider) profile(options string) string {
	return "  p: {plugin: oidc, flow: authorization_code, issuer: '" + p.issuer + "', token_endpoint: '" + p.endpoint +
		"', client_id: desk" + options + "}\n"
}

// happened returns how many of the provider's events begin so.
func (p *provider) happened(event string) (n int) {
	b, err := os.ReadFile(p.events)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		p.t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		if strings.HasPrefix(line, event) {
			n++
		}
	}
	return n
}

// expect checks how often an event has happened.
func (p *provider) expect(want int, event string) {
	p.t.Helper()
	if got := p.happened(event); got != want {
		b, _ := os.ReadFile(p.events)
		p.t.Fatalf("%d events %q, not %d, of:\n%s", got, event, want, b)
	}
}

// hold holds the answers of the token endpoint back until ready returns.
func (p *provider) hold(ready func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.behind = func() func() { return ready }
}

// let ends what hold began.
func (p *provider) let() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.behind = nil
}

// certificate makes the files of a certificate for this machine and of its key.
func certificate(t *testing.T) (cert, key string) {
	t.Helper()
	server := httptest.NewTLSServer(nil)
	defer server.Close()
	pair := server.TLS.Certificates[0]
	der, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for path, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: pair.Certificate[0]},
		key: {Type: "PRIVATE KEY", Bytes: der}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}

// kubectl wants a token: the browser opens, the person logs in, and Kubernetes' own
// authenticator knows who that is. The next kubectl asks nobody.
func TestBrowserKubectl(t *testing.T) {
	kubectl := client("kubectl")
	if kubectl == "" {
		skip(t, "kubectl is not installed")
	}
	cert, key := certificate(t)
	issuer := startServer(t, "certified-provider",
		[]string{"NODE_NO_WARNINGS=1", "TLS_CERT=" + cert, "TLS_KEY=" + key, "DEVICE_INTERVAL=1"})
	var server struct{ API, CA string }
	line := startServer(t, "kubernetes", []string{"ISSUER=" + issuer, "ISSUER_CA=" + cert, "CLIENT_ID=desk",
		"USERNAME_CLAIM=email"}, t.TempDir())
	if err := json.Unmarshal([]byte(line), &server); err != nil {
		t.Fatal(err)
	}
	for _, flow := range []string{"authorization_code", "device_code"} {
		t.Run(flow, func(t *testing.T) {
			p := newHuman(t, "alice", "  cluster: {plugin: oidc, flow: "+flow+", token: id_token, client_id: desk, "+
				"issuer: '"+issuer+"', ca_file: "+cert+"}\n")
			if err := os.Mkdir(p.file(".kube"), 0o700); err != nil {
				t.Fatal(err)
			}
			kubeconfig := "apiVersion: v1\nkind: Config\ncurrent-context: here\nclusters:\n- name: c\n  cluster:\n" +
				"    server: " + server.API + "\n    certificate-authority: " + server.CA +
				"\ncontexts:\n- name: here\n  context:\n    cluster: c\n    user: me\n"
			if err := os.WriteFile(p.file(".kube/config"), []byte(kubeconfig), 0o600); err != nil {
				t.Fatal(err)
			}
			if r := p.jetons("setup", "kubernetes", "cluster", "--context", "here"); r.code != 0 {
				t.Fatalf("%+v", r)
			}
			for n := range 2 {
				cmd := exec.Command(kubectl, "auth", "whoami")
				cmd.Env = p.command().Env
				r, shown := p.sit(cmd).wait()
				if r.code != 0 || !strings.Contains(r.stdout, "oidc:alice@example.com") || r.stderr != "" {
					t.Fatalf("%+v %s", r, shown)
				}
				said := strings.Contains(shown, "jeton: profile cluster needs a login at 127.0.0.1:")
				if said != (n == 0) {
					t.Errorf("run %d: the terminal shows %q", n, shown)
				}
				p.opened(1)
			}
		})
	}
}

// websso returns a port that Keystone trusts for logins of persons. No two tests have the
// same.
func websso(cloud map[string]string, n int) string {
	return strings.Split(cloud["websso_ports"], ",")[n]
}

// A person logs in to a real Keystone in each of the ways that it has, and openstack and
// aws work with what comes of it.
func TestBrowserKeystone(t *testing.T) {
	cloud := realCloud(t)
	openstack, aws := client("openstack"), client("aws")
	if openstack == "" || aws == "" {
		skip(t, "openstack or aws is not installed")
	}
	provider := "discovery_endpoint: '" + cloud["op"] + "/.well-known/openid-configuration', client_id: " +
		cloud["op_person_client_id"]
	for _, test := range []struct{ authType, options string }{
		{"v3websso", "redirect_port: " + websso(cloud, 1)},
		{"v3oidcauthcode", provider},
		{"v3oidcdeviceauthz", provider},
	} {
		t.Run(test.authType, func(t *testing.T) {
			p := newHuman(t, "alice", "  cloud: {plugin: keystone, auth_type: "+test.authType+", auth_url: '"+
				cloud["federated"]+"', identity_provider: "+cloud["idp"]+", protocol: "+cloud["protocol"]+
				", project_id: "+cloud["project_web"]+", "+test.options+"}\n"+
				"  s3: {plugin: keystone-ec2, from: cloud, region: "+cloud["region"]+", endpoint: '"+
				cloud["swift"]+"'}\n")
			r := p.jetons("login", "cloud")
			if r.code != 0 || !strings.Contains(r.stderr, "jeton: cloud: logged in as alice") {
				t.Fatalf("%+v", r)
			}
			if test.authType != "v3oidcdeviceauthz" { // whose browser ends on the provider's page
				if page := p.page(); !strings.Contains(page, "alice") && !strings.Contains(page, "Alice") {
					t.Errorf("the page says %q", page)
				}
			}
			issue := []string{openstack, "token", "issue", "-f", "value", "-c", "project_id"}
			if test.authType == "v3websso" {
				if r := p.jetons("setup", "openstack", "cloud"); r.code != 0 {
					t.Fatalf("%+v", r)
				}
				cmd := exec.Command(issue[0], issue[1:]...)
				cmd.Env = append(p.command().Env, "OS_CLOUD=cloud")
				r = p.run(cmd)
			} else {
				r = p.jetons(append([]string{"exec", "cloud", "--"}, issue...)...)
			}
			if r.code != 0 || strings.TrimSpace(r.stdout) != cloud["project_web"] {
				t.Errorf("%+v", r)
			}
			if r := p.jetons("setup", "aws", "s3"); r.code != 0 {
				t.Fatalf("%+v", r)
			}
			cmd := exec.Command(aws, "--profile", "s3", "s3", "ls")
			cmd.Env = append(p.command().Env, "AWS_EC2_METADATA_DISABLED=true")
			if r := p.run(cmd); r.code != 0 {
				t.Errorf("aws s3 ls: %+v", r)
			}
			p.opened(1)
			if r := p.jetons("logout", "--all"); r.code != 0 {
				t.Errorf("%+v", r)
			}
			if r := p.jetons("get", "cloud"); r.code != 77 || r.stdout != "" {
				t.Errorf("after logout: %+v", r)
			}
			p.opened(1)
		})
	}
}

// Keystone's websso says nothing of which login it answers. So another user than last time
// is nobody's login, until the person says otherwise.
func TestBrowserAnotherUser(t *testing.T) {
	cloud := realCloud(t)
	alice := newHuman(t, "alice", "  cloud: {plugin: keystone, auth_type: v3websso, auth_url: '"+cloud["federated"]+
		"', identity_provider: "+cloud["idp"]+", protocol: "+cloud["protocol"]+", project_id: "+cloud["project_web"]+
		", redirect_port: "+websso(cloud, 2)+"}\n")
	bob := alice.with("LOGIN_AS=bob", "LOGIN_PASSWORD=CANARY-bob-pw")
	if r := alice.jetons("login", "cloud"); r.code != 0 || !strings.Contains(r.stderr, "logged in as alice") {
		t.Fatalf("%+v", r)
	}
	alice.page()
	hers := alice.jetons("get", "cloud", "-f", "token")
	r := bob.jetons("login", "cloud")
	if r.code != 77 || !strings.Contains(r.stderr, `the browser logged in as "bob", and last time it was another user: `+
		"nothing is kept") || !strings.Contains(r.stderr, "jeton logout cloud") {
		t.Errorf("%+v", r)
	}
	if page := bob.page(); !strings.Contains(page, "This is not the user whom jeton knows for this profile") {
		t.Errorf("the page says %q", page)
	}
	if r := bob.jetons("get", "cloud", "-f", "token"); r.code != 0 || r != hers {
		t.Errorf("%+v, and before %+v", r, hers)
	}
	if r := bob.jetons("logout", "cloud"); r.code != 0 {
		t.Fatalf("%+v", r)
	}
	if r := bob.jetons("login", "cloud"); r.code != 0 || !strings.Contains(r.stderr, "logged in as bob") {
		t.Errorf("%+v", r)
	}
	if page := bob.page(); !strings.Contains(page, "bob") {
		t.Errorf("the page says %q", page)
	}
	bob.opened(3)
}

// The page at the end of a login says how it went, in the browser's language. One that was
// denied is not tried again at every call.
func TestBrowserPage(t *testing.T) {
	provider := newProvider(t)
	host := strings.TrimPrefix(provider.issuer, "http://")
	for language, words := range map[string][3][]string{
		"en": {{"You are logged in", "jeton is logged in to " + host + " as alice.",
			"You can close this tab and go back to the terminal."},
			{"The login did not work", "Access was denied, by you or by the issuer.",
				"Go back to the terminal: it says more."}},
		"fr": {{"Connexion réussie", "jeton est connecté à " + host + " avec le compte alice.",
			"Vous pouvez fermer cet onglet et retourner au terminal."},
			{"La connexion a échoué", "L’accès a été refusé, par vous ou par l’émetteur.",
				"Retournez au terminal\u00a0: il en dit plus."}},
	} {
		t.Run(language, func(t *testing.T) {
			p := newHuman(t, "alice", provider.profile("")).with("LOGIN_LANG=" + language)
			check := func(words []string) {
				t.Helper()
				page := p.page()
				for _, line := range words {
					if !strings.Contains(page, line) {
						t.Errorf("the page does not say %q: %q", line, page)
					}
				}
			}
			const denied = "access was denied (access_denied)\nhint: jeton login p\n"
			remembered := regexp.MustCompile(`access was denied \(access_denied\) \(at \d\d:\d\d\)\nhint: jeton login p\n`)
			if r := p.with("LOGIN_DENY=1").jetons("login", "p"); r.code != 77 || !strings.Contains(r.stderr, denied) {
				t.Errorf("%+v", r)
			}
			check(words[1])
			start := time.Now()
			r, shown := p.sit(p.command("get", "p")).wait()
			if r.code != 77 || r.stdout != "" || shown != "" || !remembered.MatchString(r.stderr) {
				t.Errorf("%+v %q", r, shown)
			}
			if took := time.Since(start); took > 3*time.Second {
				t.Errorf("it took %s", took)
			}
			p.opened(1)
			if r := p.jetons("login", "p"); r.code != 0 || !strings.Contains(r.stderr, "jeton: p: logged in as ") {
				t.Fatalf("%+v", r)
			}
			check(words[0])
			p.opened(2)
			if language != "en" {
				return
			}
			// One who is logged in stays so, but the command has failed all the same.
			if r := p.with("LOGIN_DENY=1").jetons("login", "p"); r.code != 77 || !strings.Contains(r.stderr, denied) {
				t.Errorf("%+v", r)
			}
			check(words[1])
			if r := p.jetons("get", "p"); r.code != 0 || r.stderr != "" {
				t.Errorf("%+v", r)
			}
			p.opened(3)
		})
	}
}

// A session goes on without the person, and a logout ends it at the provider too. No
// refresh token is ever shown twice, however many processes want a new token.
func TestBrowserRefresh(t *testing.T) {
	const life = 5 * time.Second
	provider := newProvider(t, "TOKEN_LIFE="+strconv.Itoa(int(life.Seconds())))
	p := newHuman(t, "alice", provider.profile(""))
	var err error
	if p.jeton, err = build(); err != nil { // the race detector makes 50 processes very slow
		t.Fatal(err)
	}
	if r := p.jetons("login", "p"); r.code != 0 {
		t.Fatalf("%+v", r)
	}
	p.page()
	p.opened(1)
	token := p.jetons("get", "p", "-f", "token")
	provider.expect(0, "token refresh_token")
	time.Sleep(life)
	// All that come after the end get one new token, of one request.
	const n = 50
	provider.hold(func() { p.untilWaiting(t, n-1) })
	results := p.storm(t, n, nil, "get", "p", "-f", "token")
	provider.let()
	allEqual(t, results)
	if token.code != 0 || token.stdout == results[0].stdout {
		t.Errorf("%+v, and after its end %+v", token, results[0])
	}
	provider.expect(1, "token refresh_token 200")
	provider.expect(1, "token refresh_token")
	provider.expect(1, "consumed refresh_token")
	provider.expect(0, "revoked grant")
	p.opened(1)

	r := p.jetons("logout", "p")
	if r.code != 0 || r.stderr != "" {
		t.Errorf("%+v", r)
	}
	provider.expect(1, "revoked refresh_token")
	for _, args := range [][]string{{"get", "p"}, {"get", "p", "--refresh"}} {
		if r := p.jetons(args...); r.code != 77 || r.stdout != "" ||
			!strings.Contains(r.stderr, "is needed\nhint: jeton login p\n") {
			t.Errorf("%+v", r)
		}
	}
	p.opened(1)
}

// Each round of processes that want a new token costs one request, and shows the refresh
// token of the round before.
func TestBrowserRotation(t *testing.T) {
	provider := newProvider(t)
	p := newHuman(t, "alice", provider.profile(""))
	var err error
	if p.jeton, err = build(); err != nil {
		t.Fatal(err)
	}
	if r := p.jetons("login", "p"); r.code != 0 {
		t.Fatalf("%+v", r)
	}
	p.page()
	n, rounds := 50, 2
	if os.Getenv("JETON_TEST_TORTURE") != "" {
		n, rounds = 200, 40
	}
	seen := map[string]bool{}
	for round := 1; round <= rounds; round++ {
		provider.hold(func() { p.untilWaiting(t, n-1) })
		results := p.storm(t, n, nil, "get", "p", "-f", "token", "--refresh")
		provider.let()
		allEqual(t, results)
		if seen[results[0].stdout] {
			t.Fatalf("round %d gives a token of a former one", round)
		}
		seen[results[0].stdout] = true
		provider.expect(round, "token refresh_token 200")
		provider.expect(round, "token refresh_token")
		provider.expect(round, "consumed refresh_token")
		provider.expect(0, "revoked")
	}
	p.opened(1)
}

// However many processes want a token, at terminals and without, the person logs in once.
func TestBrowserStorm(t *testing.T) {
	provider := newProvider(t)
	p := newHuman(t, "alice", provider.profile("")).with("LOGIN_WAIT=3s")
	var err error
	if p.jeton, err = build(); err != nil {
		t.Fatal(err)
	}
	first := p.sit(p.command("get", "p", "-f", "token"))
	p.untilOpened()
	seats := []*sitting{first}
	for range 19 {
		seats = append(seats, p.sit(p.command("get", "p", "-f", "token")))
	}
	results := p.storm(t, 30, nil, "get", "p", "-f", "token")
	for i, s := range seats {
		r, shown := s.wait()
		results = append(results, r)
		if !strings.Contains(shown, "jeton: profile p needs a login at 127.0.0.1:") {
			t.Errorf("terminal %d shows %q", i, shown)
		}
	}
	allEqual(t, results)
	p.opened(1)
	provider.expect(1, "token authorization_code 200")
	provider.expect(1, "token")
	if page := p.page(); !strings.Contains(page, "You are logged in") {
		t.Errorf("the page says %q", page)
	}
}

// A login goes on when whoever wanted it is killed.
func TestBrowserCallerKilled(t *testing.T) {
	provider := newProvider(t)
	p := newHuman(t, "alice", provider.profile("")).with("LOGIN_WAIT=2s")
	s := p.sit(p.command("get", "p", "-f", "token"))
	p.untilOpened()
	s.cmd.Process.Kill()
	if r, _ := s.wait(); r.stdout != "" {
		t.Errorf("it was killed too late: %+v", r)
	}
	provider.expect(0, "token")
	if page := p.page(); !strings.Contains(page, "You are logged in") {
		t.Errorf("the page says %q", page)
	}
	if r := p.jetons("get", "p", "-f", "token"); r.code != 0 || r.stdout == "" || r.stderr != "" {
		t.Errorf("%+v", r)
	}
	p.opened(1)
	provider.expect(1, "token")
}

// No secret of a login is where others could see it: the authorization code, the verifier
// and the tokens are not on the terminal, among the arguments or in the environment of a
// process, and the refresh token is nowhere in clear text.
func TestBrowserSecrets(t *testing.T) {
	provider := newProvider(t)
	for _, args := range [][]string{
		{"login", "p", "--verbose"},
		{"get", "p", "-f", "token", "--verbose"},
		{"get", "p", "-f", "token", "--verbose", "--no-cache"}, // logs in in the caller's own process
	} {
		t.Run(strings.Join(args, " "), func(t *testing.T) {
			provider.mu.Lock()
			provider.said, provider.gave = nil, nil
			provider.mu.Unlock()
			p := newHuman(t, "alice", provider.profile("")).with("LOGIN_WAIT=200ms")
			done := make(chan map[string]bool)
			stop := make(chan bool)
			go func() { done <- watched(stop) }()
			r, shown := p.sit(p.command(args...)).wait()
			if r.code != 0 {
				t.Errorf("%+v %q", r, shown)
			}
			page := p.page()
			kept := !slices.Contains(args, "--no-cache")
			if kept {
				if r := p.jetons("get", "p", "-f", "token", "--refresh", "--verbose"); r.code != 0 {
					t.Errorf("%+v", r)
				} else {
					shown += r.stderr
				}
			}
			p.leave()
			stop <- true
			processes := slices.Sorted(maps.Keys(<-done))
			all := strings.Join(processes, "\n")
			if strings.Contains(all, "\x00"+loginCommand+"\x00") != kept ||
				!strings.Contains(all, client("browser")+"\x00") || !strings.Contains(all, "chrom") {
				t.Fatalf("not all processes were seen:\n%q", all)
			}

			secrets := map[string]string{} // by what they are
			provider.mu.Lock()
			for i, form := range provider.said {
				for _, name := range []string{"code", "code_verifier", "refresh_token"} {
					if v := form.Get(name); v != "" {
						secrets[fmt.Sprint(name, " ", i)] = v
					}
				}
				for _, name := range []string{"access_token", "id_token", "refresh_token"} {
					if v, ok := provider.gave[i][name].(string); ok {
						secrets[fmt.Sprint("new ", name, " ", i)] = v
					}
				}
			}
			provider.mu.Unlock()
			want := 5
			if kept {
				want += 4
			}
			if len(secrets) != want {
				t.Fatalf("%d secrets, not %d: %v", len(secrets), want, slices.Sorted(maps.Keys(secrets)))
			}
			seen := map[string]string{"the terminal": shown, "standard error": r.stderr, "the page": page,
				"the processes": all}
			entries := 0
			err := filepath.WalkDir(p.home, func(path string, d fs.DirEntry, err error) error {
				if err != nil || !d.Type().IsRegular() {
					return err
				}
				b, err := os.ReadFile(path)
				seen[path] = string(b)
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			for what, secret := range secrets {
				for where, text := range seen {
					if !shows(text, secret) {
						continue
					}
					// What callers get is in the cache, and only the person may read it.
					token := strings.Contains(what, "access_token") || strings.Contains(what, "id_token")
					info, err := os.Stat(where)
					if kept && token && err == nil && info.Mode().Perm() == 0o600 &&
						strings.HasPrefix(where, p.file(".cache/jeton")) {
						entries++
						continue
					}
					t.Errorf("%s is in %s", what, where)
				}
			}
			if kept != (entries > 0) {
				t.Errorf("%d tokens are in the cache", entries)
			}
			grants := slices.DeleteFunc(slices.Collect(maps.Keys(seen)), func(path string) bool {
				return !strings.HasPrefix(path, p.file(".local/state/jeton/grant-")) || strings.HasSuffix(path, ".lock")
			})
			if kept != (len(grants) == 1) {
				t.Errorf("grants: %v", grants)
			}
		})
	}
}

// shows reports whether a text has the secret in it, as it is or in base64.
func shows(text, secret string) bool {
	if strings.Contains(text, secret) {
		return true
	}
	for before := range 3 { // bytes of the first group of three
		b := base64.StdEncoding.EncodeToString(append(make([]byte, before), secret...))
		if strings.Contains(text, strings.Trim(b[4:len(b)-4], "=")) {
			return true
		}
	}
	return false
}

// watched returns the arguments and the environment of all processes that there are until
// stop, as far as they can be read.
func watched(stop <-chan bool) map[string]bool {
	seen := map[string]bool{}
	for {
		select {
		case <-stop:
			return seen
		case <-time.After(10 * time.Millisecond):
		}
		for _, kind := range []string{"cmdline", "environ"} {
			paths, _ := filepath.Glob("/proc/[0-9]*/" + kind)
			for _, path := range paths {
				if b, err := os.ReadFile(path); err == nil {
					seen["\x00"+string(b)+"\x00"] = true
				}
			}
		}
	}
}
