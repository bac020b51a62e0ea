package cli

import (
	"bytes"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gofrs/flock"
	"go.yaml.in/yaml/v3"

	"github.com/jeton-cli/jeton/cache"
	"github.com/jeton-cli/jeton/plugin"
	"github.com/jeton-cli/jeton/testdata/embedded"
)

// startRedis starts a real server of the shared cache, or skips the test.
func startRedis(t testing.TB, options ...string) *embedded.Redis {
	t.Helper()
	return startRedisWith(t, t.TempDir(), "127.0.0.1:"+freePort(t), options...)
}

// redisCLI runs a command at the server.
func redisCLI(t testing.TB, address string, words ...string) string {
	t.Helper()
	host, port, _ := strings.Cut(address, ":")
	words = append([]string{"-h", host, "-p", port, "--no-raw"}, words...)
	out, err := exec.Command("redis-cli", words...).CombinedOutput()
	if err != nil {
		t.Fatalf("redis-cli %v: %v: %s", words, err, out)
	}
	return string(out)
}

func newSharedKey() string {
	key := make([]byte, 32)
	rand.Read(key)
	return base64.StdEncoding.EncodeToString(key)
}

// fleet returns n hosts, each a home of its own, that share through the server at this url.
func fleet(t testing.TB, w *world, n int, url, profiles string) (hosts []*user) {
	t.Helper()
	key := newSharedKey()
	for range n {
		u := newUser(t, w, profiles)
		u.env = []string{"JETON_SHARED_CACHE=" + url, "JETON_SHARED_CACHE_KEY=" + key}
		hosts = append(hosts, u)
	}
	return hosts
}

// fleetStorm has processes on all hosts wait for their turn, and begin at once. It returns
// how they ended. The hosts have no credential, but have had one.
func fleetStorm(t *testing.T, hosts []*user, processes int, args ...string) (all []result) {
	t.Helper()
	var mu sync.Mutex
	var wg sync.WaitGroup
	var begin []func()
	for _, u := range hosts {
		begin = append(begin, u.holdLocks(t))
	}
	for _, u := range hosts {
		wg.Go(func() {
			results := u.storm(t, processes, nil, args...)
			mu.Lock()
			defer mu.Unlock()
			all = append(all, results...)
		})
	}
	for _, u := range hosts {
		u.untilWaiting(t, processes)
	}
	for _, release := range begin {
		release()
	}
	wg.Wait()
	return all
}

// forget has the hosts and the server forget what was shared.
func forget(t *testing.T, hosts []*user, r *embedded.Redis) {
	t.Helper()
	for _, u := range hosts {
		values, err := filepath.Glob(filepath.Join(u.home, ".cache", "jeton", "*"))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range values {
			if !strings.HasSuffix(path, ".lock") {
				os.RemoveAll(path)
			}
		}
	}
	redisCLI(t, r.Address, "FLUSHALL")
}

// holdLocks takes all locks of u's cache.
func (u *user) holdLocks(t *testing.T) (release func()) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(u.home, ".cache", "jeton", "*.lock"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("%v: there are %d locks", err, len(paths))
	}
	var locks []*flock.Flock
	for _, path := range paths {
		l := flock.New(path, flock.SetFlag(os.O_RDWR))
		if err := l.Lock(); err != nil {
			t.Fatal(err)
		}
		locks = append(locks, l)
	}
	return func() {
		for _, l := range locks {
			l.Close()
		}
	}
}

// slowly has the issuer take a while.
func slowly(w *world) {
	w.front.SetFault(func(http.ResponseWriter, *http.Request) bool {
		time.Sleep(200 * time.Millisecond)
		return false
	})
}

// count is a count, or a twentieth of it but in make torture.
func count(n int) int {
	if os.Getenv("JETON_TEST_TORTURE") != "" {
		return n
	}
	return n / 20
}

// Ten hosts with five processes each (with fifty in make torture) send one request, and all
// get the same. What the server has then tells nothing, and ends by itself.
func TestFleetHosts(t *testing.T) {
	inMakeTest(t)
	w := newWorld(t)
	r := startRedis(t)
	hosts := fleet(t, w, 10, "redis://"+r.Address, prodAndAppCred)
	for _, u := range hosts { // so that there are locks
		for _, profile := range []string{"prod", "ci"} {
			if out, err := u.command("get", profile).CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
		}
	}
	slowly(w)
	for _, profile := range []string{"prod", "ci"} {
		forget(t, hosts, r)
		w.front.Forget()
		made, _ := w.keystone.ApplicationCredentialsMade()
		processes := 5
		if profile == "prod" && os.Getenv("JETON_TEST_TORTURE") != "" {
			processes = 50
		}
		allEqual(t, fleetStorm(t, hosts, processes, "get", profile))
		if n := w.front.Requests("POST /v3/auth/tokens"); n != 1 {
			t.Errorf("%s: %d requests", profile, n)
		}
		if after, _ := w.keystone.ApplicationCredentialsMade(); profile == "ci" && after != made+1 {
			t.Errorf("%d application credentials were made", after-made)
		}
	}
	wrong := fleet(t, w, 10, "redis://"+r.Address,
		strings.ReplaceAll(prodAndAppCred, "CANARY-alice-pw", "CANARY-wrong"))
	w.front.Forget()
	for i, u := range wrong {
		result := u.storm(t, 1, nil, "get", "prod")[0]
		if result.code != 77 || !strings.Contains(result.stderr, "refused the login") {
			t.Fatalf("host %d: %+v", i, result)
		}
	}
	if n := w.front.Requests(""); n != 1 {
		t.Errorf("%d requests with a wrong password", n)
	}
	checkServer(t, w, r)
}

// checkServer checks that what lies at the server tells nothing, and ends by itself.
func checkServer(t *testing.T, w *world, r *embedded.Redis) {
	t.Helper()
	redisCLI(t, r.Address, "CONFIG", "SET", "rdbcompression", "no")
	redisCLI(t, r.Address, "SAVE")
	dump, err := os.ReadFile(filepath.Join(r.Dir, "dump.rdb"))
	if err != nil || !bytes.Contains(dump, []byte("jeton:{")) {
		t.Fatalf("%v, %d bytes", err, len(dump))
	}
	host, _ := os.Hostname()
	for _, text := range []string{"CANARY", "gAAAA", "prod", "alice", w.vars["WEB"], w.vars["KEYSTONE_HOST"], "/v3",
		"keystone", host} {
		if text != "" && bytes.Contains(dump, []byte(text)) {
			t.Errorf("the server knows %s", text)
		}
	}
	list, err := exec.Command("redis-cli", "-p", strings.TrimPrefix(r.Address, "127.0.0.1:"), "KEYS", "*").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range strings.Fields(string(list)) {
		left := redisCLI(t, r.Address, "PTTL", key)
		if strings.Contains(left, "-1") || !strings.HasPrefix(key, "jeton:{") {
			t.Errorf("%s stays: %s", key, left)
		}
	}
}

// A leader that is paused for longer than its lease, and goes on when another has fetched,
// does not replace what that has shared.
func TestFleetPausedLeader(t *testing.T) {
	inMakeTest(t)
	t.Parallel()
	w := newWorld(t)
	r := startRedis(t)
	hosts := fleet(t, w, 3, "redis://"+r.Address, prodAndS3)
	asked, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	w.front.SetFault(func(http.ResponseWriter, *http.Request) bool {
		first := false
		once.Do(func() { first = true; close(asked) })
		if first {
			<-release
		}
		return false
	})
	var stdout bytes.Buffer
	leader := hosts[0].command("get", "prod", "-f", "token")
	leader.Stdout = &stdout
	if err := leader.Start(); err != nil {
		t.Fatal(err)
	}
	<-asked
	embedded.Pause(leader.Process)
	time.Sleep(5500 * time.Millisecond) // its lease ends
	second, err := hosts[1].command("get", "prod", "-f", "token").Output()
	if err != nil {
		t.Fatal(err)
	}
	close(release)
	embedded.Resume(leader.Process)
	if err := leader.Wait(); err != nil {
		t.Fatal(err)
	}
	third, err := hosts[2].command("get", "prod", "-f", "token").Output()
	if err != nil || string(third) != string(second) || string(third) == stdout.String() {
		t.Errorf("%v: the leader has %q, the second %q, the third %q", err, stdout.String(), second, third)
	}
}

// Wherever leaders are killed, the hosts that come next get a credential, and no application
// credential is left that no record tells of.
func TestFleetKilledLeaders(t *testing.T) {
	inMakeTest(t)
	t.Parallel()
	w := newWorld(t)
	w.keystone.AppCredLimit = 1 << 20
	r := startRedis(t)
	hosts := fleet(t, w, 3, "redis://"+r.Address, strings.Replace(prodAndAppCred, "roles:", "lifetime: 1m, roles:", 1))
	start := time.Now()
	if out, err := hosts[0].command("get", "ci").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	life := time.Since(start)
	killed := 0
	for i := 0; killed < count(1000); i++ {
		u := hosts[i%3]
		profile := []string{"prod", "ci"}[i%2]
		cmd := u.command("get", profile, "--refresh")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		timer := time.AfterFunc(randomPart(life), func() { cmd.Process.Kill() })
		if cmd.Wait() != nil {
			killed++
		}
		timer.Stop()
		if i%20 == 19 {
			next := hosts[(i+1)%3]
			if out, err := next.command("get", profile, "-f", "json", "--min-ttl", "1s").CombinedOutput(); err != nil {
				t.Fatalf("after %d kills: %v: %s", killed, err, out)
			}
			noBrokenEntries(t, filepath.Join(u.home, ".cache", "jeton"))
		}
	}
	// Two of the hosts are gone for good. When the keys have ended, the third deletes all that
	// they have shared.
	var alone []string
	for _, u := range hosts[:2] {
		ledgers, _ := filepath.Glob(filepath.Join(u.home, ".local", "state", "jeton", "ledger-*.*"))
		for _, path := range ledgers {
			text, _ := os.ReadFile(path)
			var account cache.Account
			if strings.HasSuffix(path, ".lock") || json.Unmarshal(text, &account) != nil {
				continue
			}
			for _, m := range account.Keys {
				if !m.Shared {
					alone = append(alone, m.Tag)
				}
			}
		}
		os.RemoveAll(filepath.Join(u.home, ".local"))
		os.RemoveAll(filepath.Join(u.home, ".cache"))
	}
	time.Sleep(72 * time.Second)
	if out, err := hosts[2].command("gc").CombinedOutput(); err != nil {
		t.Fatalf("gc: %v: %s", err, out)
	}
	left := ownAppCreds(t, w, hosts[2])
	if left = slices.DeleteFunc(left, func(name string) bool { return slices.Contains(alone, name) }); len(left) > 0 {
		t.Errorf("%v are left, but for %d that were not shared", left, len(alone))
	}
}

// ownAppCreds returns the names of those that the profile ci has made.
func ownAppCreds(t *testing.T, w *world, u *user) []string {
	return slices.DeleteFunc(appCreds(t, w, u), func(name string) bool { return !strings.HasPrefix(name, "mine-") })
}

func randomPart(d time.Duration) time.Duration {
	var b [1]byte
	rand.Read(b[:])
	return d * time.Duration(b[0]) / 256
}

// A server with TLS, certificates for clients and a user that may do only what docs/fleet.md
// lists.
func TestFleetTLS(t *testing.T) {
	inMakeTest(t)
	t.Parallel()
	w := newWorld(t)
	dir := t.TempDir()
	certify(t, dir)
	port := freePort(t)
	in := func(name string) string { return filepath.Join(dir, name) }
	r := startRedisWith(t, dir, "127.0.0.1:"+freePort(t), "--tls-port", port, "--tls-cert-file", in("server.pem"),
		"--tls-key-file", in("server.key"), "--tls-ca-cert-file", in("ca.pem"))
	acl := documented(t, "../../docs/fleet.md", "ACL SETUSER")
	redisCLI(t, r.Address, strings.Fields(strings.Replace(acl, ">PASSWORD", ">CANARY-redis-pw", 1))...)
	redisCLI(t, r.Address, "ACL", "SETUSER", "default", "off")
	other, _, _ := (*authority)(nil).sign(t, x509.Certificate{})
	if err := os.WriteFile(filepath.Join(dir, "other.pem"), other, 0o600); err != nil {
		t.Fatal(err)
	}
	key := newSharedKey()
	files := fmt.Sprintf(", cert_file: %s, key_file: %s", in("client.pem"), in("client.key"))
	shared := fmt.Sprintf("shared_cache: {url: 'rediss://localhost:%s', username: jeton, password: CANARY-redis-pw, "+
		"key: %s, ca_file: %s%s}\n", port, key, in("ca.pem"), files)
	var hosts []*user
	for range 3 {
		u := newUser(t, w, prodAndAppCred)
		u.append(t, shared)
		hosts = append(hosts, u)
	}
	for _, profile := range []string{"prod", "ci"} {
		var results []result
		for _, u := range hosts {
			results = append(results, u.storm(t, 1, nil, "get", profile)...)
		}
		allEqual(t, results)
	}
	if n := w.front.Requests("POST /v3/auth/tokens"); n != 1 {
		t.Errorf("%d requests", n)
	}
	hosts[0].env = append(hosts[0].env, "PATH="+filepath.Dir(hosts[0].jeton)+":"+os.Getenv("PATH"))
	out, err := hosts[0].command("doctor", "--fleet").CombinedOutput()
	if !strings.Contains(string(out), "nothing is wrong") ||
		!strings.Contains(string(out), "shared cache rediss://localhost:"+port) {
		t.Errorf("%v: %s", err, out)
	}
	if out, err := hosts[0].command("logout", "ci", "--fleet").CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	if left := ownAppCreds(t, w, hosts[1]); len(left) > 0 {
		t.Errorf("%v are left", left)
	}
	for name, change := range map[string][2]string{
		"another authority":   {in("ca.pem"), in("other.pem")},
		"another name":        {"localhost", "127.0.0.1"},
		"no certificate":      {files, ""},
		"another password":    {"CANARY-redis-pw", "CANARY-other-pw"},
		"plain text over TLS": {"rediss:", "redis:"},
	} {
		u := newUser(t, w, prodAndS3)
		text := strings.Replace(shared, change[0], change[1], 1)
		if name == "plain text over TLS" {
			text = text[:strings.Index(text, ", ca_file")] + "}\n"
		}
		u.append(t, text)
		cmd := u.command("get", "prod", "-f", "token")
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		if out, err := cmd.Output(); err != nil || len(out) == 0 {
			t.Errorf("%s: %v: %s", name, err, stderr.String())
		}
		// Of a certificate that is missing the server tells before or after it has hung up.
		told := name != "plain text over TLS" && name != "no certificate"
		if told && !strings.Contains(stderr.String(), "the shared cache is not used") ||
			strings.Contains(stderr.String(), "CANARY") {
			t.Errorf("%s: stderr %q", name, stderr.String())
		}
	}
}

// A server that fails is replaced by its sentinels, and meanwhile everybody fetches for
// himself.
func TestFleetSentinel(t *testing.T) {
	inMakeTest(t)
	t.Parallel()
	w := newWorld(t)
	dir := t.TempDir()
	master := startRedis(t)
	_, port, _ := strings.Cut(master.Address, ":")
	startRedis(t, "--replicaof", "127.0.0.1", port)
	var sentinels []string
	for i := range 3 {
		conf := filepath.Join(dir, fmt.Sprintf("sentinel-%d.conf", i))
		text := fmt.Sprintf("sentinel monitor main 127.0.0.1 %s 2\nsentinel down-after-milliseconds main 500\n"+
			"sentinel failover-timeout main 3000\n", port)
		if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		sentinels = append(sentinels, startRedisWith(t, dir, "127.0.0.1:"+freePort(t), conf).Address)
	}
	key := newSharedKey()
	shared := fmt.Sprintf("shared_cache: {url: 'redis:///0', key: %s, sentinels: ['127.0.0.1:1', '%s'], "+
		"master: main}\n", key, strings.Join(sentinels, "', '"))
	host := func() *user {
		u := newUser(t, w, prodAndS3)
		u.append(t, shared)
		return u
	}
	get := func(u *user, args ...string) string {
		t.Helper()
		out, err := u.command(append([]string{"get", "prod", "-f", "token", "--verbose"}, args...)...).Output()
		if err != nil {
			t.Fatal(err)
		}
		return string(out)
	}
	first := get(host())
	if second := get(host()); second != first {
		t.Errorf("two hosts got %q and %q", first, second)
	}
	// All sentinels have to know each other and the replica before it fails.
	for _, s := range sentinels {
		until(t, func() bool {
			return strings.Contains(redisCLI(t, s, "SENTINEL", "ckquorum", "main"), "OK 3") &&
				strings.Contains(redisCLI(t, s, "SENTINEL", "replicas", "main"), "\"master-link-status\"\n") &&
				strings.Contains(redisCLI(t, s, "INFO", "sentinel"), "slaves=1,sentinels=3")
		})
	}
	master.Stop()
	get(host()) // nobody fails
	until(t, func() bool {
		return !strings.Contains(redisCLI(t, sentinels[0], "SENTINEL", "get-master-addr-by-name", "main"), port)
	})
	until(t, func() bool {
		a, b := get(host()), get(host())
		return a == b
	})
}

// startRedisWith is startRedis with files in dir.
func startRedisWith(t testing.TB, dir, address string, options ...string) *embedded.Redis {
	t.Helper()
	r, err := embedded.StartRedisAt(dir, address, options...)
	if errors.Is(err, exec.ErrNotFound) {
		skip(t, "redis-server is not installed")
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Stop)
	return r
}

// until waits until what is true.
func until(t *testing.T, what func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !what(); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it does not come")
		}
	}
}

// The servers of a cluster each have a part of the names, and send jeton to each other.
func TestFleetCluster(t *testing.T) {
	inMakeTest(t)
	t.Parallel()
	w := newWorld(t)
	var nodes []*embedded.Redis
	for range 2 {
		nodes = append(nodes, startRedis(t, "--cluster-enabled", "yes", "--cluster-port", freePort(t)))
	}
	redisCLI(t, nodes[0].Address, "CLUSTER", "ADDSLOTSRANGE", "0", "8191")
	redisCLI(t, nodes[1].Address, "CLUSTER", "ADDSLOTSRANGE", "8192", "16383")
	host, port, _ := strings.Cut(nodes[1].Address, ":")
	bus := redisCLI(t, nodes[1].Address, "CONFIG", "GET", "cluster-port")
	redisCLI(t, nodes[0].Address, "CLUSTER", "MEET", host, port, strings.Split(bus, "\"")[3])
	for _, node := range nodes {
		until(t, func() bool {
			return strings.Contains(redisCLI(t, node.Address, "CLUSTER", "INFO"), "cluster_state:ok")
		})
	}
	profiles := ""
	for i := range 8 {
		profiles += fmt.Sprintf("  p%d: {plugin: keystone, auth_url: $KEYSTONE, username: alice, "+
			"user_domain_id: $DOMAIN, password: CANARY-alice-pw, project_id: $WEB, region_name: r%d}\n", i, i)
	}
	hosts := fleet(t, w, 2, "redis://"+nodes[0].Address, profiles)
	moved := 0
	for i := range 8 {
		var tokens []string
		for _, u := range hosts {
			out, err := u.command("get", fmt.Sprint("p", i), "-f", "token").CombinedOutput()
			if err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			tokens = append(tokens, string(out))
		}
		if tokens[0] != tokens[1] {
			t.Errorf("p%d: two hosts have two tokens", i)
		}
	}
	for _, node := range nodes {
		if !strings.Contains(redisCLI(t, node.Address, "DBSIZE"), "(integer) 0") {
			moved++
		}
	}
	if moved != 2 {
		t.Errorf("%d of 2 servers have something", moved)
	}
}

// Hosts in network namespaces of their own reach the server over a network, with TLS. One
// whose packets go nowhere fetches for itself.
func TestFleetNamespaces(t *testing.T) {
	inMakeTest(t)
	t.Parallel()
	probe := exec.Command("ip", "link", "add", "jetontest", "type", "bridge")
	if os.Geteuid() != 0 || client("ip") == "" || probe.Run() != nil {
		skip(t, "networks cannot be made here")
	}
	exec.Command("ip", "link", "del", "jetontest").Run()
	n := newNetwork(t, 4)
	w := newWorld(t)
	dir := t.TempDir()
	certify(t, dir, n.gateway)
	port := freePort(t)
	in := func(name string) string { return filepath.Join(dir, name) }
	startRedisWith(t, dir, "127.0.0.1:"+freePort(t), "--bind", "127.0.0.1", n.gateway, "--protected-mode", "no",
		"--tls-port", port, "--tls-cert-file", in("server.pem"), "--tls-key-file", in("server.key"),
		"--tls-ca-cert-file", filepath.Join(dir, "ca.pem"), "--tls-auth-clients", "no")
	key := newSharedKey()
	keystone := n.forward(t, w.vars["KEYSTONE_HOST"])
	var commands []*exec.Cmd
	for i, space := range n.spaces {
		u := newUser(t, w, strings.NewReplacer("$KEYSTONE", "http://"+keystone+"/v3", "plugin: keystone,",
			"plugin: keystone, plain_http: true,").Replace(prodAndS3))
		at := n.gateway
		if i == 3 {
			at = n.nowhere
		}
		u.append(t, fmt.Sprintf("shared_cache: {url: 'rediss://%s:%s', key: %s, ca_file: %s}\n", at, port, key,
			filepath.Join(dir, "ca.pem")))
		cmd := u.command("get", "prod", "-f", "token")
		cmd.Args = append([]string{"ip", "netns", "exec", space}, cmd.Args...)
		cmd.Path, _ = exec.LookPath("ip")
		commands = append(commands, cmd)
	}
	tokens := make([]string, len(commands))
	var wg sync.WaitGroup
	for i, cmd := range commands {
		wg.Go(func() {
			var stderr bytes.Buffer
			cmd.Stderr = &stderr
			out, err := cmd.Output()
			if err != nil {
				t.Errorf("host %d: %v: %s", i, err, stderr.String())
			}
			tokens[i] = string(out)
		})
	}
	wg.Wait()
	if tokens[0] == "" || tokens[0] != tokens[1] || tokens[0] != tokens[2] || tokens[0] == tokens[3] {
		t.Errorf("the hosts have %q", tokens)
	}
	if got := w.front.Requests("POST"); got != 2 {
		t.Errorf("%d requests", got)
	}
}

// An Outscale key with a tag is one for the fleet. A logout of one host leaves it; one of the
// fleet does not. A region that refuses tags has a key for each host.
func TestFleetOutscale(t *testing.T) {
	inMakeTest(t)
	t.Parallel()
	r := startRedis(t)
	for _, region := range []struct {
		path   string
		shared bool
	}{{"api/v1", true}, {"strict/api/v1", false}} {
		w := newWorld(t)
		hosts := fleet(t, w, 3, "redis://"+r.Address, `  osc: {plugin: outscale, endpoint: "http://$KEYSTONE_HOST/`+
			region.path+`", access_key: AKACCOUNT00000000000, secret_key: CANARY-osc-secret, lifetime: 9m}`+"\n")
		keys := map[string]int{}
		for _, u := range hosts {
			result := u.storm(t, 1, nil, "get", "osc", "-f", "aws")[0]
			if result.code != 0 {
				t.Fatalf("%s: %+v", region.path, result)
			}
			keys[result.stdout]++
		}
		if (len(keys) == 1) != region.shared {
			t.Errorf("%s: the hosts have %d keys", region.path, len(keys))
		}
		if !region.shared {
			continue
		}
		get := func(u *user) string {
			t.Helper()
			out, err := u.command("get", "osc", "-f", "aws").CombinedOutput()
			if err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			return string(out)
		}
		if out, err := hosts[0].command("logout", "osc").CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		if first := get(hosts[0]); keys[first] == 0 {
			t.Errorf("after a logout the host has another key: %s", first)
		}
		if got := w.front.Requests("POST /api/v1/DeleteAccessKey"); got != 0 {
			t.Errorf("a logout of one host deleted %d keys", got)
		}
		if out, err := hosts[1].command("reject", "osc").CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		if next := get(hosts[1]); keys[next] != 0 {
			t.Errorf("a key that was refused is handed out again")
		}
		if out, err := hosts[2].command("logout", "osc", "--fleet").CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		if got := w.front.Requests("POST /api/v1/DeleteAccessKey"); got != 2 {
			t.Errorf("a logout of the fleet deleted %d of 2 keys", got)
		}
		checkServer(t, w, r)
	}
}

// append adds text to u's configuration.
func (u *user) append(t testing.TB, text string) {
	t.Helper()
	f, err := os.OpenFile(filepath.Join(u.home, ".config", "jeton", "config.yaml"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
}

// certify writes to dir the certificates of an authority, of a server on this machine or at
// the addresses, and of a client.
func certify(t *testing.T, dir string, addresses ...string) {
	t.Helper()
	write := func(name string, text []byte) {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	caPEM, _, ca := (*authority)(nil).sign(t, x509.Certificate{})
	write("ca.pem", caPEM)
	names := x509.Certificate{DNSNames: []string{"localhost"}, Subject: pkix.Name{CommonName: "a server"}}
	for _, address := range addresses {
		names.IPAddresses = append(names.IPAddresses, net.ParseIP(address))
	}
	cert, key, _ := ca.sign(t, names)
	write("server.pem", cert)
	write("server.key", key)
	cert, key, _ = ca.sign(t, x509.Certificate{Subject: pkix.Name{CommonName: "a client"}})
	write("client.pem", cert)
	write("client.key", key)
}

// documented returns the text of a code block that begins with these words, in one line.
func documented(t *testing.T, path, begin string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	_, block, found := strings.Cut(string(text), "```text\n"+begin)
	block, _, ended := strings.Cut(block, "```")
	if !found || !ended {
		t.Fatalf("%s has no block %s", path, begin)
	}
	return begin + " " + strings.Join(strings.Fields(block), " ")
}

// The examples of docs/fleet.md work as they stand, with another host and other places of the
// secrets.
func TestFleetDocument(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/fleet.md")
	if err != nil {
		t.Fatal(err)
	}
	r, w := startRedis(t, "--requirepass", "CANARY-redis-pw"), newWorld(t)
	dir := t.TempDir()
	secrets := map[string]string{"redis-password": "CANARY-redis-pw", "jeton-fleet-key": newSharedKey()}
	for name, secret := range secrets {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(secret+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	hosts := strings.NewReplacer("rediss://redis.example:6379", "redis://"+r.Address, "/run/secrets", dir,
		"username: jeton", "username: default",
		"jeton:PASSWORD@redis.example:6379", "default:CANARY-redis-pw@"+r.Address,
		"BASE64", newSharedKey(), "rediss://", "redis://")
	blocks := map[string][]string{}
	for _, block := range regexp.MustCompile("(?s)```(yaml|sh)\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
		blocks[block[1]] = append(blocks[block[1]], block[2])
	}
	u := newUser(t, w, prodAndS3)
	u.append(t, hosts.Replace(blocks["yaml"][0]))
	run := func(u *user, script string) string {
		t.Helper()
		cmd := exec.Command("bash", "-ec", hosts.Replace(script))
		cmd.Env = []string{"HOME=" + u.home, "PATH=" + filepath.Dir(u.jeton) + ":" + os.Getenv("PATH")}
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Errorf("%v: %s\n%s", err, script, out)
		}
		return string(out)
	}
	if client("openssl") != "" {
		if key := run(u, blocks["sh"][0]); len(key) != 45 {
			t.Errorf("the key is %q", key)
		}
	}
	for _, u := range []*user{u, newUser(t, w, prodAndS3)} {
		out := run(u, blocks["sh"][1]+"jeton get prod -f token\n"+blocks["sh"][2])
		if !strings.Contains(out, "nothing is wrong") || !strings.Contains(out, "shared cache redis://"+r.Address) {
			t.Error(out)
		}
	}
	if out := run(u, blocks["sh"][2]); !strings.Contains(out, "shared cache redis://"+r.Address) {
		t.Error(out)
	}
	for _, block := range blocks["yaml"] {
		var document map[string]any
		if err := yaml.Unmarshal([]byte(block), &document); err != nil {
			t.Errorf("%v: %s", err, block)
		}
		for _, name := range regexp.MustCompile(`JETON_\w+`).FindAllString(block, -1) {
			if name != plugin.SharedVariable && name != plugin.SharedKeyVariable {
				t.Errorf("there is no %s", name)
			}
		}
	}
}

// A network connects namespaces with this machine.
type network struct {
	spaces  []string
	gateway string // this machine's address
	nowhere string // an address whose packets get lost
}

// newNetwork makes a network of n namespaces.
func newNetwork(t *testing.T, n int) *network {
	name := fmt.Sprintf("jt%d", os.Getpid()%100000)
	ip := func(words ...string) {
		t.Helper()
		if out, err := exec.Command("ip", words...).CombinedOutput(); err != nil {
			t.Fatalf("ip %v: %v: %s", words, err, out)
		}
	}
	net := &network{gateway: "10.213.77.1", nowhere: "10.213.77.250"}
	ip("link", "add", name, "type", "bridge")
	t.Cleanup(func() { exec.Command("ip", "link", "del", name).Run() })
	ip("addr", "add", net.gateway+"/24", "dev", name)
	ip("link", "set", name, "up")
	for i := range n {
		space, inner := fmt.Sprintf("%sn%d", name, i), fmt.Sprintf("%si%d", name, i)
		outer := fmt.Sprintf("%so%d", name, i)
		ip("netns", "add", space)
		t.Cleanup(func() { exec.Command("ip", "netns", "del", space).Run() })
		ip("link", "add", outer, "type", "veth", "peer", "name", inner)
		ip("link", "set", inner, "netns", space)
		ip("link", "set", outer, "master", name)
		ip("link", "set", outer, "up")
		ip("-n", space, "addr", "add", fmt.Sprintf("10.213.77.%d/24", i+2), "dev", inner)
		ip("-n", space, "link", "set", inner, "up")
		ip("-n", space, "link", "set", "lo", "up")
		ip("-n", space, "neigh", "add", net.nowhere, "lladdr", "02:00:00:00:00:99", "dev", inner)
		net.spaces = append(net.spaces, space)
	}
	return net
}

// forward returns an address in the network that leads to a server of this machine.
func (n *network) forward(t *testing.T, to string) string {
	l, err := net.Listen("tcp", n.gateway+":0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				server, err := net.Dial("tcp", to)
				if err != nil {
					return
				}
				defer server.Close()
				go io.Copy(server, conn)
				io.Copy(conn, server)
			}()
		}
	}()
	return l.Addr().String()
}
