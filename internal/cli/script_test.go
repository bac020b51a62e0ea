package cli

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/jeton-cli/jeton/cache"
	"github.com/jeton-cli/jeton/testdata/embedded"
)

var update = flag.Bool("update", false, "rewrite the expected output in the scripts")

func TestMain(m *testing.M) {
	// A run must not depend on who runs it.
	for _, line := range os.Environ() {
		name, _, _ := strings.Cut(line, "=")
		if strings.HasPrefix(name, "OS_") || strings.HasPrefix(name, "AWS_") && name != "AWS_CA_BUNDLE" ||
			strings.HasPrefix(name, "XDG_") || strings.HasPrefix(name, "KUBE") ||
			strings.HasPrefix(name, "JETON_") && !strings.HasPrefix(name, "JETON_TEST_") {
			os.Unsetenv(name)
		}
	}
	// A shell lets what it runs in the background ignore Ctrl-C, and so would jeton.
	if signal.Ignored(os.Interrupt) {
		signal.Notify(make(chan os.Signal, 1), os.Interrupt)
	}
	// Many tests wait for something, so that more of them fit than there are processors.
	flag.Lookup("test.parallel").Value.Set(strconv.Itoa(2 * runtime.GOMAXPROCS(0)))
	testscript.Main(m, map[string]func(){"totp": printTOTP, "browse": browse})
}

// browse is a browser that its user has logged in with: it visits the address, and goes
// where it is sent. $BROWSE_LOG is a file that gets a line for each visit; $BROWSE_WAIT is
// how long it takes; with $BROWSE_ADD, that is added to the address.
func browse() {
	if path := os.Getenv("BROWSE_LOG"); path != "" {
		f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Fprintln(f, "opened")
		f.Close()
	}
	if wait, err := time.ParseDuration(os.Getenv("BROWSE_WAIT")); err == nil {
		time.Sleep(wait)
	}
	resp, err := http.Get(os.Args[1] + os.Getenv("BROWSE_ADD"))
	if err != nil {
		log.Fatal(err)
	}
	defer resp.Body.Close()
	if page, err := io.ReadAll(resp.Body); err == nil && os.Getenv("BROWSE_PAGE") != "" {
		os.WriteFile(os.Getenv("BROWSE_PAGE"), page, 0o600)
	}
}

// printTOTP is a program that prints the passcode of the moment, as oathtool
// does. With a second argument, it also adds a line to that file.
func printTOTP() {
	if len(os.Args) > 2 {
		f, err := os.OpenFile(os.Args[2], os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Fprintln(f, "asked")
		f.Close()
	}
	fmt.Println(embedded.TOTP(os.Args[1], time.Now()))
}

// The secrets of the embedded Keystone's passcodes.
const (
	totpErin  = "INAU4QKSLEWWK4TJNYWXI33UOA"
	totpFrank = "INAU4QKSLEWWM4TBNZVS25DPORYA"
)

// A world is a Keystone with users and projects, behind a front that counts
// and fails on demand.
type world struct {
	front    *embedded.Front
	vars     map[string]string
	keystone *embedded.Keystone // nil if it is a real one
}

// newWorld returns a world around the embedded Keystone.
func newWorld(t testing.TB) *world {
	k := &embedded.Keystone{}
	web, ops := k.Project("web"), k.Project("ops")
	alice := k.User("alice", "CANARY-alice-pw", "", web, ops)
	k.User("bob", "CANARY-bob-pw", web, web)
	k.User("carol", "CANARY-carol-pw", "")
	k.User("dave", "CANARY-dave-pw", "", web)
	k.Disable("dave")
	k.User("erin", "CANARY-erin-pw", "", web)
	k.TOTP("erin", totpErin, true)
	k.User("frank", "CANARY-frank-pw", "", web)
	k.TOTP("frank", totpFrank, false)
	k.User("gina", "CANARY-gina-pw", "", web)
	k.Expire("gina")
	k.User("henry", "CANARY-henry-pw", "", web)
	k.Disable("henry") // Keystone says the same of a locked one
	k.Provider = &embedded.Provider{ClientID: "EU.0123456789abcdef", ClientSecret: "CANARY-client-secret",
		Username: "alice", Password: "CANARY-alice-pw"}
	demo := k.Project("system-demo")
	k.User("system-demo-1", "CANARY-demo-pw", "", demo)
	id, secret := k.ApplicationCredential("alice", web)
	k.User("admin", "CANARY-admin-pw", "", k.Project("admin"))
	k.Roles("admin", "admin", "member", "reader")
	mux := http.NewServeMux()
	mux.Handle("/", k)
	mux.Handle("/.well-known/", k.Provider)
	mux.Handle("/oauth2/", k.Provider)
	callback := freePort(t)
	ovh := func(allowed bool) http.Handler {
		return &embedded.OVHcloud{ClientID: k.Provider.ClientID, ClientSecret: k.Provider.ClientSecret,
			Allowed: allowed, CallbackPort: callback}
	}
	rich := ovh(true)
	mux.Handle("/auth/", rich)
	mux.Handle("/1.0/", rich)
	mux.Handle("/v2/iam/", rich)
	mux.Handle("/poor/", http.StripPrefix("/poor", ovh(false)))
	mux.Handle("/sts/", embedded.STS{Provider: k.Provider})
	mux.Handle("/api/", newOutscale())
	strict, withheld, full := newOutscale(), newOutscale(), newOutscale()
	strict.MaxLife, strict.NoTags, strict.OneTimePassword = 10*time.Minute, true, "123456"
	mux.Handle("/strict/", http.StripPrefix("/strict", strict))
	withheld.WithheldPermissions = true
	mux.Handle("/withheld/", http.StripPrefix("/withheld", withheld))
	for range 10 {
		full.Plant("", time.Time{})
	}
	mux.Handle("/full/", http.StripPrefix("/full", full))
	mux.Handle("/cloudmc/", newCloudMC())
	mux.HandleFunc("/github", embedded.GitHub)
	empty := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, "{}")
	}
	mux.HandleFunc("/empty", empty)
	mux.HandleFunc("/empty/", empty)
	w := front(t, mux, map[string]string{
		"CLIENT_ID": k.Provider.ClientID, "CLIENT_SECRET": k.Provider.ClientSecret,
		"CLIENT_KEY": clientKey(t, k.Provider),
		"DOMAIN":     "default", "DOMAIN_NAME": "Default", "WEB": web, "OPS": ops, "DEMO": demo,
		"TOTP_ERIN": totpErin, "TOTP_FRANK": totpFrank, "CALLBACK_PORT": callback,
		"ALICE": alice, "EXPIRED": k.ExpiredToken("alice"), "APPCRED": id, "APPCRED_SECRET": secret,
	})
	w.keystone = k
	return w
}

// freePort returns a port of this machine that nobody uses.
func freePort(t testing.TB) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// rsaKey is one for all tests: to make one takes longer than most of them.
var rsaKey = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })

// clientKey gives the provider's client a key, and returns its file.
func clientKey(t testing.TB, p *embedded.Provider) string {
	key, err := rsaKey()
	if err != nil {
		t.Fatal(err)
	}
	p.ClientKey = &key.PublicKey
	path := filepath.Join(t.TempDir(), "key.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// realWorld returns a world around the real Keystone that testdata/cloud has
// started, or skips the test.
func realWorld(t testing.TB) *world {
	cloud := realCloud(t)
	// One server for all of them, so that their requests are counted together.
	mux := http.NewServeMux()
	pass := func(pattern, address string) *httputil.ReverseProxy {
		u, err := url.Parse(strings.TrimSuffix(address, "/v3"))
		if err != nil {
			t.Fatal(err)
		}
		proxy := &httputil.ReverseProxy{
			Rewrite: func(r *httputil.ProxyRequest) {
				r.SetURL(u)
				r.Out.Header.Set("X-Front", r.In.Host)
			},
			Transport: &http.Transport{DisableKeepAlives: true}, // uwsgi closes connections unannounced
			ErrorLog:  log.New(io.Discard, "", 0),               // of clients that were killed
		}
		mux.Handle(pattern, proxy)
		return proxy
	}
	pass("/", cloud["keystone"])
	pass("/v3/OS-FEDERATION/", cloud["federated"])
	pass("/oauth2/", cloud["op"])
	mux.Handle("/cloudmc/", newCloudMC())
	pass("/.well-known/", cloud["op"]).ModifyResponse = func(r *http.Response) error {
		b, err := io.ReadAll(r.Body)
		b = bytes.ReplaceAll(b, []byte(cloud["op"]), []byte("http://"+r.Request.Header.Get("X-Front")))
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(b)), int64(len(b))
		r.Header.Set("Content-Length", strconv.Itoa(len(b)))
		return err
	}
	return front(t, mux, map[string]string{
		"CLIENT_ID": cloud["op_client_id"], "CLIENT_SECRET": cloud["op_client_secret"],
		"DOMAIN": cloud["domain"], "DOMAIN_NAME": "acme", "WEB": cloud["project_web"], "OPS": cloud["project_ops"],
		"DEMO": cloud["project_demo"], "TOTP_ERIN": cloud["totp_erin"], "TOTP_FRANK": cloud["totp_frank"],
		"ALICE": cloud["user_alice"], "EXPIRED": cloud["expired_token"], "APPCRED": cloud["appcred_id"],
		"APPCRED_SECRET": cloud["appcred_secret"],
		"TRUST":          cloud["trust"], "BOB": cloud["user_bob"],
		"SWIFT": cloud["swift"], "REAL_KEYSTONE": cloud["keystone"],
	})
}

func front(t testing.TB, next http.Handler, vars map[string]string) *world {
	v2 := embedded.NewKeystoneV2()
	versions := http.NewServeMux()
	versions.Handle("/v2.0", v2)
	versions.Handle("/v2.0/", v2)
	versions.Handle("/", next)
	vars["TENANT"] = v2.Tenant()
	w := &world{front: &embedded.Front{Next: versions}, vars: vars}
	server := httptest.NewServer(w.front)
	t.Cleanup(server.Close)
	vars["KEYSTONE"] = server.URL + "/v3"
	vars["KEYSTONE_HOST"] = strings.TrimPrefix(server.URL, "http://")
	api := httptest.NewTLSServer(embedded.Kubernetes{Keystone: vars["KEYSTONE"]})
	t.Cleanup(api.Close)
	vars["KUBERNETES"] = api.URL
	return w
}

// realCloud returns what testdata/cloud/up wrote, or skips the test.
func realCloud(t testing.TB) map[string]string {
	dir := os.Getenv("JETON_TEST_CLOUD")
	if dir == "" {
		skip(t, "no test cloud (make test starts one)")
	}
	b, err := os.ReadFile(filepath.Join(dir, "cloud.json"))
	if err != nil {
		t.Fatal(err)
	}
	var cloud map[string]string
	if err := json.Unmarshal(b, &cloud); err != nil {
		t.Fatal(err)
	}
	return cloud
}

// skip skips the test, unless that is forbidden.
func skip(t testing.TB, why string) {
	t.Helper()
	if os.Getenv("JETON_TEST_NOSKIP") != "" {
		t.Fatal("must not be skipped: " + why)
	}
	t.Skip(why)
}

// TestScripts runs the scripts that need nothing but jeton.
func TestScripts(t *testing.T) { runScripts(t, "../../testdata/script", newWorld) }

// TestScriptsReal runs those that need no faults on the real Keystone too, so
// that the embedded one cannot be kinder than it.
func TestScriptsReal(t *testing.T) { runScripts(t, "../../testdata/script/keystone", realWorld) }

// TestScriptsKeystone runs the same on the embedded one.
func TestScriptsKeystone(t *testing.T) { runScripts(t, "../../testdata/script/keystone", newWorld) }

// TestScriptsClients runs the real openstack, kubectl and aws against the real
// Keystone and Swift.
func TestScriptsClients(t *testing.T) {
	realCloud(t)
	for _, name := range clients {
		if client(name) == "" {
			skip(t, name+" is not installed")
		}
	}
	runScripts(t, "../../testdata/script/clients", realWorld)
}

// TestScriptsTofu runs the real OpenTofu against the real Keystone and Swift.
func TestScriptsTofu(t *testing.T) {
	realCloud(t)
	tofu, provider := client("tofu"), client("terraform-provider-openstack")
	if tofu == "" || provider == "" {
		skip(t, "OpenTofu and its provider of OpenStack are not installed")
	}
	runScripts(t, "../../testdata/script/tofu", func(t testing.TB) *world {
		w := realWorld(t)
		w.vars["TOFU"], w.vars["TOFU_PROVIDERS"] = tofu, filepath.Dir(provider)
		return w
	})
}

// TestScriptsFleet runs those that need a server of the shared cache.
func TestScriptsFleet(t *testing.T) {
	runScripts(t, "../../testdata/script/fleet", func(t testing.TB) *world {
		r, w := startRedis(t), newWorld(t)
		w.vars["REDIS"], w.vars["SHARED_KEY"] = r.Address, newSharedKey()
		return w
	})
}

// TestScriptsKeyring runs those that need a keyring, in a session of its own.
func TestScriptsKeyring(t *testing.T) {
	inMakeTest(t)
	t.Parallel()
	for _, name := range []string{"gnome-keyring-daemon", "dbus-run-session", "secret-tool"} {
		if client(name) == "" {
			skip(t, name+" is not installed")
		}
	}
	runScripts(t, "../../testdata/script/keyring", newWorld)
}

// clients are the programs that read what jeton prints.
var clients = []string{"openstack", "kubectl", "aws", "aws-sdk", "client-go", "gophercloud", "terraform-auth",
	"ovh-sdk", "swift", "rclone", "restic", "duplicity", "s3cmd", "ansible"}

// client returns the path of a client program, or "".
func client(name string) string {
	path, _ := exec.LookPath(name)
	return path
}

type worldKey struct{}

func runScripts(t *testing.T, dir string, newWorld func(testing.TB) *world) {
	jeton, err := buildChecked()
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:                 dir,
		UpdateScripts:       *update,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Condition: func(name string) (bool, error) {
			if name != "kernel-keyring" {
				return false, fmt.Errorf("there is no condition %s", name)
			}
			return os.Getenv("JETON_TEST_EMULATED") == "", nil // QEMU knows no keyring of the kernel
		},
		Setup: func(e *testscript.Env) error {
			w := newWorld(e.T().(testing.TB))
			e.Values[worldKey{}] = w
			home := filepath.Join(e.WorkDir, "home")
			e.Setenv("HOME", home)
			e.Setenv("TMPDIR", e.WorkDir)
			e.Setenv("GORACE", "atexit_sleep_ms=0") // else each run under -race lasts a second
			for name, value := range w.vars {
				e.Setenv(name, value)
			}
			for _, name := range clients {
				variable := strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
				if name == "swift" { // SWIFT is the server
					variable = "PYTHON_SWIFT"
				}
				e.Setenv(variable, client(name))
			}
			e.Setenv("JETON", jeton)
			e.Setenv("PATH", filepath.Dir(jeton)+string(filepath.ListSeparator)+e.Getenv("PATH"))
			session, err := filepath.Abs("../../testdata/keyring-session")
			e.Setenv("SESSION", session)
			if err != nil {
				return err
			}
			e.Defer(func() { checkForeign(e.T().(testing.TB), home) })
			return os.MkdirAll(filepath.Join(home, ".config", "jeton"), 0o700)
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"config":   cmdConfig,
			"requests": cmdRequests,
			"forget":   func(ts *testscript.TestScript, _ bool, _ []string) { theWorld(ts).front.Forget() },
			"fault":    cmdFault,
			"code":     cmdCode,
			"expand":   cmdExpand,
			"mode":     cmdMode,
			"wheel":    cmdWheel,
			"setsecret": func(ts *testscript.TestScript, _ bool, args []string) {
				ts.Setenv(args[0], strings.TrimSpace(ts.ReadFile(args[1])))
			},
		},
	})
}

// checkForeign checks that jeton knows the names of all files that it has written: it closes
// a directory that is open to others only if it holds nothing else.
func checkForeign(t testing.TB, home string) {
	for _, dir := range []string{".cache/jeton", ".local/state/jeton"} {
		dir = filepath.Join(home, dir)
		if os.Chmod(dir, 0o755) != nil {
			continue // there is none
		}
		if _, err := cache.OpenDir(dir); errors.Is(err, cache.ErrOpen) {
			t.Error(err)
		}
	}
}

func theWorld(ts *testscript.TestScript) *world { return ts.Value(worldKey{}).(*world) }

// config FILE: FILE, with variables expanded, becomes the configuration.
func cmdConfig(ts *testscript.TestScript, _ bool, args []string) {
	path := filepath.Join(ts.Getenv("HOME"), ".config", "jeton", "config.yaml")
	ts.Check(os.WriteFile(path, []byte(os.Expand(ts.ReadFile(args[0]), ts.Getenv)), 0o600))
}

// expand FILE: expands in FILE the variables that are set.
func cmdExpand(ts *testscript.TestScript, _ bool, args []string) {
	expanded := os.Expand(ts.ReadFile(args[0]), func(name string) string {
		if v := ts.Getenv(name); v != "" {
			return v
		}
		return "${" + name + "}"
	})
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(expanded), 0o600))
}

// wheel: the wheel of the plugin of keystoneauth is in the directory of the script.
func cmdWheel(ts *testscript.TestScript, _ bool, _ []string) {
	if out, err := exec.Command("make", "-C", "../..", "wheel", "WHEEL="+ts.MkAbs(".")).CombinedOutput(); err != nil {
		ts.Fatalf("%v: %s", err, out)
	}
}

// mode FILE MODE: FILE has that mode.
func cmdMode(ts *testscript.TestScript, _ bool, args []string) {
	info, err := os.Stat(ts.MkAbs(args[0]))
	ts.Check(err)
	if got := fmt.Sprintf("%04o", info.Mode().Perm()); got != args[1] {
		ts.Fatalf("%s has mode %s, not %s", args[0], got, args[1])
	}
}

// requests N [PREFIX]: there were N requests whose method and path begin so.
func cmdRequests(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	prefix := strings.Join(args[1:], " ")
	if got := theWorld(ts).front.Requests(prefix); got != want {
		ts.Fatalf("%d requests %s, not %d", got, prefix, want)
	}
}

// code N jeton ARGS…: jeton exits with that code. A get that fails prints
// nothing.
func cmdCode(ts *testscript.TestScript, _ bool, args []string) {
	err := ts.Exec(args[1], args[2:]...)
	got := "0"
	if exit, ok := err.(*exec.ExitError); ok {
		got = strconv.Itoa(exit.ExitCode())
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if got != args[0] {
		ts.Fatalf("exit code %s, not %s", got, args[0])
	}
	if len(got) > 1 && args[1] == "jeton" && args[2] == "get" && ts.ReadFile("stdout") != "" {
		ts.Fatalf("a failure printed on stdout: %s", ts.ReadFile("stdout"))
	}
}

// fault off | STATUS [HEADER=VALUE]… | NAME: Keystone answers so from now on.
func cmdFault(ts *testscript.TestScript, _ bool, args []string) {
	f := theWorld(ts).front
	faults := map[string]func(w http.ResponseWriter, r *http.Request) bool{
		"off": nil,
		"html": func(w http.ResponseWriter, _ *http.Request) bool {
			w.Header().Set("Content-Type", "text/html")
			w.WriteHeader(201)
			w.Write([]byte("<html>log in here</html>"))
			return true
		},
		// OVHcloud's front end, which has errors of its own shape.
		"ovh429": func(w http.ResponseWriter, _ *http.Request) bool {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(429)
			io.WriteString(w, `{"error": {"status": "429 Too Many Requests", "message": "Too Many Requests"}}`)
			return true
		},
		"huge": func(w http.ResponseWriter, _ *http.Request) bool {
			w.WriteHeader(201)
			for range 4096 {
				w.Write(make([]byte, 1024))
			}
			return true
		},
		"cut": func(w http.ResponseWriter, _ *http.Request) bool {
			w.Header().Set("Content-Length", "1000")
			w.WriteHeader(201)
			w.Write([]byte(`{"token":`))
			return true
		},
		"reset": func(w http.ResponseWriter, _ *http.Request) bool { panic(http.ErrAbortHandler) },
		// net/http lets nothing end the reading of such a body.
		"upgrade": func(w http.ResponseWriter, _ *http.Request) bool {
			conn, _, err := w.(http.Hijacker).Hijack()
			if err != nil {
				return false
			}
			io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n")
			time.AfterFunc(30*time.Second, func() { conn.Close() })
			return true
		},
		"nosubject": func(w http.ResponseWriter, _ *http.Request) bool {
			w.WriteHeader(201)
			w.Write([]byte(`{"token":{"expires_at":"2099-01-01T00:00:00.000000Z"}}`))
			return true
		},
		"expired": func(w http.ResponseWriter, r *http.Request) bool {
			if r.Method != http.MethodPost {
				return false
			}
			w.Header().Set("X-Subject-Token", "gAAAAAold")
			w.WriteHeader(201)
			fmt.Fprintf(w, `{"token":{"expires_at":"2020-01-01T00:00:00.000000Z","issued_at":"2019-01-01T00:00:00.000000Z","project":{"id":%q,"name":"web"}}}`, theWorld(ts).vars["WEB"])
			return true
		},
		// Keystone's clock differs from this machine's: tokens of five minutes.
		"behind": clocked(ts, -10*time.Minute),
		"ahead":  clocked(ts, 2*time.Minute),
		// Keystone's tokens, which end after nine seconds.
		"short": func(w http.ResponseWriter, r *http.Request) bool {
			answer := httptest.NewRecorder()
			f.Next.ServeHTTP(answer, r)
			body := answer.Body.Bytes()
			if r.Method == http.MethodPost {
				end := time.Now().Add(9 * time.Second).UTC().Format(`"expires_at": "2006-01-02T15:04:05.000000Z"`)
				body = regexp.MustCompile(`"expires_at": ?"[^"]*"`).ReplaceAll(body, []byte(end))
			}
			maps.Copy(w.Header(), answer.Header())
			w.Header().Set("Content-Length", strconv.Itoa(len(body)))
			w.WriteHeader(answer.Code)
			w.Write(body)
			return true
		},
		"otherproject": func(w http.ResponseWriter, _ *http.Request) bool {
			w.Header().Set("X-Subject-Token", "gAAAAAother")
			w.WriteHeader(201)
			w.Write([]byte(`{"token":{"expires_at":"2099-01-01T00:00:00.000000Z","project":{"id":"other","name":"other"}}}`))
			return true
		},
		// A front end that repeats what it was sent, secret and all.
		"echo": func(w http.ResponseWriter, r *http.Request) bool {
			var b bytes.Buffer
			b.ReadFrom(r.Body)
			w.WriteHeader(400)
			json.NewEncoder(w).Encode(map[string]any{"error": map[string]any{"message": "cannot parse " + b.String()}})
			return true
		},
		"once500": onlyFirst(func(w http.ResponseWriter) { w.WriteHeader(500) }),
		// The catalogue and the project list of the answer live elsewhere.
		"slow": func(w http.ResponseWriter, r *http.Request) bool {
			select {
			case <-r.Context().Done():
			case <-time.After(30 * time.Second):
			}
			return true
		},
	}
	if args[0] == "token" { // the provider's answer, with NAME=VALUE in JSON
		doc := map[string]json.RawMessage{"access_token": json.RawMessage(`"opaque"`)}
		for _, pair := range args[1:] {
			name, value, _ := strings.Cut(pair, "=")
			if doc[name] = json.RawMessage(value); !json.Valid(doc[name]) {
				doc[name], _ = json.Marshal(value)
			}
		}
		f.SetFault(func(w http.ResponseWriter, _ *http.Request) bool {
			w.Header().Set("Content-Type", "application/json")
			json.NewEncoder(w).Encode(doc)
			return true
		})
		return
	}
	if fault, ok := faults[args[0]]; ok {
		f.SetFault(fault)
		return
	}
	method, path := "", ""
	if args[0] == "at" { // METHOD PATH STATUS…: only there
		method, path, args = args[1], args[2], args[3:]
	}
	status, err := strconv.Atoi(args[0])
	ts.Check(err)
	f.SetFault(func(w http.ResponseWriter, r *http.Request) bool {
		if path != "" && (r.Method != method || r.URL.Path != path) {
			return false
		}
		for _, header := range args[1:] {
			name, value, _ := strings.Cut(header, "=")
			w.Header().Set(name, value)
		}
		w.WriteHeader(status)
		return true
	})
}

// clocked answers as a Keystone whose clock is so much ahead of this machine's.
func clocked(ts *testscript.TestScript, ahead time.Duration) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodPost {
			return false
		}
		now := time.Now().UTC().Add(ahead)
		const keystone = "2006-01-02T15:04:05.000000Z"
		w.Header().Set("X-Subject-Token", "gAAAAAclock")
		w.WriteHeader(201)
		fmt.Fprintf(w, `{"token":{"issued_at":%q,"expires_at":%q,"project":{"id":%q,"name":"web"}}}`,
			now.Format(keystone), now.Add(5*time.Minute).Format(keystone), theWorld(ts).vars["WEB"])
		return true
	}
}

func onlyFirst(answer func(http.ResponseWriter)) func(http.ResponseWriter, *http.Request) bool {
	var once sync.Once
	return func(w http.ResponseWriter, _ *http.Request) bool {
		first := false
		once.Do(func() { answer(w); first = true })
		return first
	}
}

// newOutscale returns Outscale's API with one account, whose access key the
// scripts know.
func newOutscale() *embedded.Outscale {
	return &embedded.Outscale{
		Region: "eu-west-2", AccessKey: "AKACCOUNT00000000000", Secret: "CANARY-osc-secret",
		Login: "root@example.com", Password: "CANARY-osc-password/+", Users: []string{"eve"},
	}
}

// newCloudMC returns a portal that knows the user of cloud.ca's kind.
func newCloudMC() *embedded.CloudMC {
	return &embedded.CloudMC{APIKey: "CANARY-mc-key", Username: "system-demo-1", Password: "CANARY-demo-pw",
		Project: "system-demo"}
}
