package cli

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jeton-cli/jeton/testdata/embedded"
)

// An outscaleWorld is an account at Outscale, behind a front.
type outscaleWorld struct {
	*world
	account *embedded.Outscale
}

func newOutscaleWorld(t *testing.T) *outscaleWorld {
	account := newOutscale()
	return &outscaleWorld{front(t, account, map[string]string{}), account}
}

const outscaleProfile = `
  osc: {plugin: outscale, endpoint: "http://$KEYSTONE_HOST/api/v1", access_key: AKACCOUNT00000000000, secret_key: CANARY-osc-secret}
`

// However many processes want a key at once, one is made.
func TestOutscaleStorm(t *testing.T) {
	n := 40
	if os.Getenv("JETON_TEST_CLOUD") != "" {
		n = 300
	}
	w := newOutscaleWorld(t)
	u := newUser(t, w.world, outscaleProfile)
	for _, args := range [][]string{{"get", "osc", "-f", "aws"}, {"get", "osc", "-f", "aws"},
		{"get", "osc", "-f", "env"}} {
		allEqual(t, u.storm(t, n, nil, args...))
	}
	if got := w.account.Created(); got != 1 {
		t.Errorf("%d keys for %d processes", got, n)
	}
}

// Wherever a process is killed while it makes, replaces or deletes a key, no key
// of jeton's is left but those in use, none of others is touched, and there is
// always room for another.
func TestOutscaleKilled(t *testing.T) {
	t.Parallel()
	rounds := 30
	if os.Getenv("JETON_TEST_CLOUD") != "" {
		rounds = 500
	}
	for _, tagless := range []bool{false, true} {
		t.Run(fmt.Sprintf("tagless=%v", tagless), func(t *testing.T) { outscaleKilled(t, rounds/2, tagless) })
	}
}

func outscaleKilled(t *testing.T, rounds int, tagless bool) {
	w := newOutscaleWorld(t)
	w.account.NoTags = tagless
	foreign := map[string][]string{}
	for _, user := range []string{"", "eve"} {
		w.account.Plant(user, time.Time{})
		w.account.Plant(user, time.Now().Add(time.Hour))
		foreign[user] = w.account.Keys(user)
	}
	u := newUser(t, w.world, outscaleProfile+strings.Replace(outscaleProfile, "osc: {", "eve: {user_name: eve, ", 1))
	start := time.Now()
	if out, err := u.command("get", "osc").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	life := time.Since(start)

	killed, tries := u.killed(t, w.world, rounds, life, func() []string {
		args := slices.Clone(keyCommands[rand.N(len(keyCommands))])
		if i := slices.Index(args, "PROFILE"); i >= 0 {
			args[i] = []string{"osc", "eve"}[rand.N(2)]
		}
		return args
	})
	inUse := map[string]string{}
	for profile, user := range map[string]string{"osc": "", "eve": "eve"} {
		out, err := u.command("get", profile, "-f", "aws").Output()
		var key struct {
			AccessKeyID string `json:"AccessKeyId"`
		}
		if err != nil || json.Unmarshal(out, &key) != nil {
			t.Fatalf("%v: %s", err, out)
		}
		inUse[user] = key.AccessKeyID
	}
	if out, err := u.command("gc").CombinedOutput(); err != nil {
		t.Fatalf("gc: %v: %s", err, out)
	}
	for user, former := range foreign {
		keys := w.account.Keys(user)
		for _, id := range former {
			if !slices.Contains(keys, id) {
				t.Errorf("key %s of others is gone", id)
			}
		}
		if want := append(slices.Clone(former), inUse[user]); len(keys) != len(want) ||
			!slices.Contains(keys, inUse[user]) {
			status, _ := u.command("status").Output()
			t.Errorf("user %q has %v, not %v:\n%s", user, keys, want, status)
		}
		if got := w.account.Everlasting(user); len(got) != 1 {
			t.Errorf("keys without an end: %v", got)
		}
	}
	if peak := w.account.Peak(); peak >= 10 {
		t.Errorf("there were %d keys at once", peak)
	} else {
		t.Logf("%d killed in %d runs; at most %d keys at once, %d made", killed, tries, peak, w.account.Created())
	}
}

// keyCommands are those that make, replace or delete a key, for some profile.
var keyCommands = [][]string{
	{"get", "PROFILE"}, {"get", "PROFILE", "--refresh"}, {"reject", "PROFILE"}, {"get", "PROFILE", "--refresh"}, {"gc"},
	{"logout", "PROFILE"}, {"get", "PROFILE"},
}

// killed runs commands of pick until so many have been killed: at any time up to life, or at
// one of their requests, before or after w has carried it out. It returns the number of the
// killed ones, and that of all.
func (u *user) killed(t *testing.T, w *world, rounds int, life time.Duration, pick func() []string) (
	killed, tries int) {
	var mu sync.Mutex
	var victim *os.Process
	left := -1        // requests before the victim is killed
	var answered bool // kill it when the request was carried out, and not before
	w.front.SetFault(func(rw http.ResponseWriter, r *http.Request) bool {
		mu.Lock()
		defer mu.Unlock()
		left--
		if left != -1 || victim == nil {
			return false
		}
		if answered {
			w.front.Next.ServeHTTP(httptest.NewRecorder(), r)
		}
		victim.Kill()
		return true
	})
	defer w.front.SetFault(nil)
	for killed < rounds {
		if tries++; tries > 30*rounds {
			t.Fatalf("only %d were killed", killed)
		}
		args := pick()
		cmd := u.command(args...)
		mu.Lock() // so that no request is answered before we know whom to kill
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		victim, left, answered = cmd.Process, -1, rand.N(2) == 0
		if tries%2 == 0 {
			left = rand.N(6)
		}
		mu.Unlock()
		var timer *time.Timer
		if tries%2 == 1 {
			timer = time.AfterFunc(rand.N(life), func() { cmd.Process.Kill() })
		}
		out := cmd.Wait()
		if timer != nil {
			timer.Stop()
		}
		if exit, ok := out.(*exec.ExitError); ok {
			if exit.ExitCode() != -1 {
				t.Fatalf("%s: exit code %d", args, exit.ExitCode())
			}
			killed++
		}
	}
	return killed, tries
}

// Two logins of one account, at the same time and in turns: neither leaves a key
// behind.
func TestOutscaleTwoLogins(t *testing.T) {
	t.Parallel()
	w := newOutscaleWorld(t)
	u := newUser(t, w.world, outscaleProfile+`
  login: {plugin: outscale, endpoint: "http://$KEYSTONE_HOST/api/v1", login: root@example.com, password: CANARY-osc-password/+}
`)
	for range 10 {
		var both sync.WaitGroup
		for _, profile := range []string{"osc", "login"} {
			both.Go(func() {
				if out, err := u.command("get", profile, "-f", "aws", "--refresh").CombinedOutput(); err != nil {
					t.Errorf("%v: %s", err, out)
				}
			})
		}
		both.Wait()
	}
	if out, err := u.command("gc").CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	if keys := w.account.Keys(""); len(keys) != 2 || w.account.Peak() > 5 {
		status, _ := u.command("status").Output()
		t.Errorf("%d keys, %d at once:\n%s", len(keys), w.account.Peak(), status)
	}
	if out, err := u.command("logout", "--all").CombinedOutput(); err != nil || len(w.account.Keys("")) != 0 {
		t.Errorf("%v: %s; left are %v", err, out, w.account.Keys(""))
	}
}

// A key whose answer was lost is found by whoever logs in to the account next, by
// another login too, and told of as long as nobody does.
func TestOutscaleLostAnswer(t *testing.T) {
	t.Parallel()
	w := newOutscaleWorld(t)
	u := newUser(t, w.world, outscaleProfile)
	w.front.SetFault(func(rw http.ResponseWriter, r *http.Request) bool {
		if !strings.HasSuffix(r.URL.Path, "/CreateAccessKey") {
			return false
		}
		w.account.ServeHTTP(httptest.NewRecorder(), r)
		panic(http.ErrAbortHandler)
	})
	if out, err := u.command("get", "osc").CombinedOutput(); err == nil || len(w.account.Keys("")) != 1 {
		t.Fatalf("%v: %s, %v", err, out, w.account.Keys(""))
	}
	w.front.SetFault(nil)
	u.configure(t, w.world, `
  login: {plugin: outscale, endpoint: "http://$KEYSTONE_HOST/api/v1", login: root@example.com, password: CANARY-osc-password/+}
`)
	if out, err := u.command("get", "login").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if keys := w.account.Keys(""); len(keys) != 1 || w.account.Created() != 2 {
		t.Errorf("%v of %d", keys, w.account.Created())
	}
}

// A key that cannot be kept is not handed out, as each call would make another.
func TestOutscaleFullDisk(t *testing.T) {
	t.Parallel()
	w := newOutscaleWorld(t)
	u := newUser(t, w.world, outscaleProfile)
	for n := range 12 {
		cmd := u.command("get", "osc")
		if n > 0 { // once the directories are there
			cmd = exec.Command("sh", "-c", `ulimit -f 0; exec "$0" get osc --refresh`, u.jeton)
			cmd.Env = u.command().Env
		}
		out, err := cmd.CombinedOutput()
		if n > 0 && (err == nil || strings.Contains(string(out), `"secret_key"`)) {
			t.Fatalf("%v: %s", err, out)
		}
	}
	if peak := w.account.Peak(); peak > 3 {
		t.Errorf("%d keys at once", peak)
	}
}

// Where the account's API access rules ask for a client certificate, the profile's
// is shown.
func TestOutscaleCertificate(t *testing.T) {
	t.Parallel()
	account := newOutscale()
	account.RequireCertificate = true
	caPEM, _, ca := (*authority)(nil).sign(t, x509.Certificate{})
	certPEM, keyPEM, _ := ca.sign(t, x509.Certificate{IPAddresses: []net.IP{net.ParseIP("127.0.0.1")}})
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(account)
	pool := x509.NewCertPool()
	pool.AddCert(ca.cert)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, ClientAuth: tls.VerifyClientCertIfGiven,
		ClientCAs: pool}
	server.StartTLS()
	t.Cleanup(server.Close)
	u := newUser(t, &world{}, "")
	certPEM, keyPEM, _ = ca.sign(t, x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	vars := map[string]string{"URL": server.URL}
	for name, b := range map[string][]byte{"CA": caPEM, "CERT": certPEM, "KEY": keyPEM} {
		vars[name] = filepath.Join(u.home, name)
		if err := os.WriteFile(vars[name], b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const without = `  osc: {plugin: outscale, endpoint: "$URL", access_key: AKACCOUNT00000000000, secret_key: CANARY-osc-secret, ca_file: $CA}`
	u.configure(t, &world{vars: vars}, without)
	out, err := u.command("get", "osc").CombinedOutput()
	if err == nil || !strings.Contains(string(out),
		"API access rules ask for a client certificate: cert_file and key_file") {
		t.Errorf("without a certificate: %v: %s", err, out)
	}
	u.configure(t, &world{vars: vars}, strings.Replace(without, "}", ", cert_file: $CERT, key_file: $KEY}", 1))
	if out, err := u.command("get", "osc", "-f", "aws").CombinedOutput(); err != nil {
		t.Errorf("with a certificate: %v: %s", err, out)
	}
}

// TestOutscaleRenewals has long-lived clients and a loop of commands work with
// keys that live for a minute. It takes as many seconds as the variable says:
// five minutes in make test, beside the other tests.
func TestOutscaleRenewals(t *testing.T) {
	seconds := os.Getenv("JETON_TEST_RENEWALS")
	if seconds == "" {
		t.Skip("JETON_TEST_RENEWALS, a number of seconds, is not set")
	}
	life, err := time.ParseDuration(seconds + "s")
	if err != nil {
		t.Fatal(err)
	}
	python := withBoto3()
	for _, name := range []string{"aws", "aws-sdk"} {
		if client(name) == "" {
			skip(t, name+" is not installed")
		}
	}
	if python == "" {
		skip(t, "there is no Python with boto3")
	}
	w := newOutscaleWorld(t)
	u := newUser(t, w.world, strings.Replace(outscaleProfile, "osc: {", "osc: {lifetime: 1m, ", 1))
	address := "http://" + w.vars["KEYSTONE_HOST"]
	config := filepath.Join(u.home, "aws-config")
	process := u.jeton + " get osc -f aws"
	if err := os.WriteFile(config, []byte("[default]\nregion = eu-west-2\ncredential_process = "+process+"\n"),
		0o600); err != nil {
		t.Fatal(err)
	}
	run := func(name string, args ...string) string {
		cmd := exec.Command(name, args...)
		cmd.Env = []string{"HOME=" + u.home, "PATH=" + os.Getenv("PATH"), "AWS_CONFIG_FILE=" + config,
			"AWS_EC2_METADATA_DISABLED=true"}
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Errorf("%s: %v: %s", name, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	var clients sync.WaitGroup
	clients.Go(func() { t.Logf("boto3: %s", run(python, "-c", boto3Loop, address, seconds)) })
	clients.Go(func() { t.Logf("aws-sdk-go-v2: %s", run(client("aws-sdk"), process, address, seconds)) })
	calls := 0
	for end := time.Now().Add(life); time.Now().Before(end); time.Sleep(2 * time.Second) {
		run(client("aws"), "--endpoint-url", address, "s3", "ls")
		calls++
	}
	clients.Wait()
	want := int(life/(40*time.Second)) + 2 // renewed at two thirds
	if made, peak := w.account.Created(), w.account.Peak(); peak > 3 || made > want || made < int(life/time.Minute) {
		t.Errorf("%d keys were made, at most %d of them at once", made, peak)
	} else {
		t.Logf("aws: %d calls; %d keys made, at most %d at once", calls, made, peak)
	}
}

const boto3Loop = `
import sys, time, boto3
address, seconds = sys.argv[1], float(sys.argv[2])
session = boto3.Session()
s3 = session.client("s3", endpoint_url=address, config=boto3.session.Config(retries={"total_max_attempts": 1}))
ids, requests, end = set(), 0, time.monotonic() + seconds
while time.monotonic() < end:
    s3.list_buckets()
    ids.add(session.get_credentials().get_frozen_credentials().access_key)
    requests += 1
    time.sleep(1)
print(requests, "requests with", len(ids), "keys")
`

// withBoto3 returns a Python that has boto3, or "".
func withBoto3() string {
	for _, python := range []string{"python3", "/usr/bin/python3"} {
		if exec.Command(python, "-c", "import boto3").Run() == nil {
			return python
		}
	}
	return ""
}
