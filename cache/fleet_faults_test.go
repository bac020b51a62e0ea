package cache

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jeton-cli/jeton/plugin"
	"github.com/jeton-cli/jeton/testdata/embedded"
)

// A proxy stands between hosts and a server, and does not always let them through.
type proxy struct {
	address     string
	connections atomic.Int32
	mu          sync.Mutex
	seen        sync.Map // the addresses that they came from
	mode        string   // see serve
	open        []net.Conn
}

// newProxy returns a proxy before the server at to.
func newProxy(t testing.TB, to string) *proxy {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{address: l.Addr().String()}
	t.Cleanup(func() {
		l.Close()
		p.set("reset")
	})
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			p.connections.Add(1)
			p.seen.Store(conn.RemoteAddr().String(), true)
			go p.serve(conn.(*net.TCPConn), to)
		}
	}()
	return p
}

// count returns how many connections were made until now. One that waits to be accepted is one.
func (p *proxy) count(t testing.TB) int32 {
	t.Helper()
	last, err := net.Dial("tcp", p.address)
	if err != nil {
		t.Fatal(err)
	}
	defer last.Close()
	for accepted := false; !accepted; _, accepted = p.seen.Load(last.LocalAddr().String()) {
		time.Sleep(time.Millisecond)
	}
	return p.connections.Add(-1)
}

// set changes what the proxy does, also for the connections that there are.
func (p *proxy) set(mode string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mode = mode
	if mode == "reset" {
		for _, conn := range p.open {
			conn.(*net.TCPConn).SetLinger(0)
			conn.Close()
		}
		p.open = nil
	}
}

func (p *proxy) now() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.mode
}

// serve serves one connection: it lets it through, or holds everything back ("silent"), or
// lets it through slowly ("slow"), or resets it at once ("reset"), or in the middle of the
// first reply ("half"), or answers with something else ("http").
func (p *proxy) serve(conn *net.TCPConn, to string) {
	defer conn.Close()
	p.mu.Lock()
	p.open = append(p.open, conn)
	p.mu.Unlock()
	server, err := net.Dial("tcp", to)
	if err != nil {
		return
	}
	defer server.Close()
	go func() {
		defer server.Close()
		p.copy(server, conn, nil)
	}()
	p.copy(conn, server, conn)
}

func (p *proxy) copy(to io.Writer, from io.Reader, reply *net.TCPConn) {
	b := make([]byte, 64<<10)
	for {
		n, err := from.Read(b)
		if err != nil {
			return
		}
		switch mode := p.now(); {
		case mode == "silent":
			time.Sleep(3 * time.Second)
			return
		case mode == "slow" && reply != nil:
			time.Sleep(400 * time.Millisecond)
		case mode == "reset" || mode == "half" && reply != nil:
			if mode == "half" {
				to.Write(b[:n/2])
			}
			if reply != nil {
				reply.SetLinger(0)
			}
			return
		case mode == "http" && reply != nil:
			io.WriteString(to, "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
			return
		case mode == "huge" && reply != nil:
			io.WriteString(to, "*2147483647\r\n$2147483647\r\n")
			return
		}
		if _, err := to.Write(b[:n]); err != nil {
			return
		}
	}
}

// herd has processes of hosts fetch at once, and returns what they got.
func herd(t *testing.T, hosts []*host, processes int, p *plugin.Profile) (tokens map[string]int) {
	t.Helper()
	var wg sync.WaitGroup
	var mu sync.Mutex
	tokens = map[string]int{}
	for _, h := range hosts {
		for range processes {
			wg.Go(func() {
				one := h.process()
				c, err := one.FetchAlone(t.Context(), p, Need{})
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					t.Errorf("%v\n%s", err, one.said())
					return
				}
				tokens[c.Token.Reveal()]++
				if f := one.fleet(); f.spent > sharedLimit+sharedLimit/2 {
					t.Errorf("the shared cache took %s", f.spent)
				}
			})
		}
	}
	wg.Wait()
	return tokens
}

// faults are what a server can do.
var faults = map[string]func(t *testing.T, r *embedded.Redis, p *proxy){
	"refuses connections":      func(_ *testing.T, r *embedded.Redis, p *proxy) { r.Stop() },
	"does not answer":          func(_ *testing.T, _ *embedded.Redis, p *proxy) { p.set("silent") },
	"is stopped":               func(_ *testing.T, r *embedded.Redis, _ *proxy) { r.Pause() },
	"is slow":                  func(_ *testing.T, _ *embedded.Redis, p *proxy) { p.set("slow") },
	"resets connections":       func(_ *testing.T, _ *embedded.Redis, p *proxy) { p.set("reset") },
	"breaks off in the middle": func(_ *testing.T, _ *embedded.Redis, p *proxy) { p.set("half") },
	"is no Redis":              func(_ *testing.T, _ *embedded.Redis, p *proxy) { p.set("http") },
	"sends too much":           func(_ *testing.T, _ *embedded.Redis, p *proxy) { p.set("huge") },
	"has no memory left": func(t *testing.T, r *embedded.Redis, _ *proxy) {
		tell(t, r, "CONFIG", "SET", "maxmemory", "1")
	},
	"wants a password": func(t *testing.T, r *embedded.Redis, _ *proxy) {
		tell(t, r, "CONFIG", "SET", "requirepass", "x")
	},
	"forbids a command": func(t *testing.T, r *embedded.Redis, _ *proxy) {
		tell(t, r, "ACL", "SETUSER", "default", "-eval")
	},
	"is a replica": func(t *testing.T, r *embedded.Redis, _ *proxy) {
		tell(t, r, "REPLICAOF", "127.0.0.1", "1")
	},
}

// Whatever becomes of the server, nobody fails, each host asks at most once, and then leaves
// the server alone.
func TestFleetFaults(t *testing.T) {
	t.Parallel()
	document, err := os.ReadFile(dayDocument)
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(document), "<!-- faults: checked by fleet_faults_test.go -->\n")
	table, _, _ = strings.Cut(table, "\n\n")
	if rows := strings.Count(table, "\n") - 1; rows != len(faults) {
		t.Errorf("%s tells of %d faults, and there are %d", dayDocument, rows, len(faults))
	}
	for name, fault := range faults {
		if !strings.Contains(table, "\n| "+name+" | ") {
			t.Errorf("%s does not tell that the server %s", dayDocument, name)
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := startRedis(t)
			p := newProxy(t, r.Address)
			config := sharedAt(p.address)
			o := &office{life: time.Hour}
			var hosts []*host
			for range 5 {
				hosts = append(hosts, newDirHost(t, config))
			}
			fault(t, r, p)
			defer r.Resume()
			herd(t, hosts, 5, o.profile("a"))
			if n := o.requests.Load(); n > 5 {
				t.Errorf("%d requests by 5 hosts", n)
			}
			before := p.count(t)
			for _, h := range hosts {
				one := h.process()
				token(t, one, o.profile("b"), Need{})
				if !strings.Contains(one.said(), "left alone") {
					t.Error(one.said())
				}
			}
			if after := p.count(t); after != before {
				t.Errorf("a server that had failed got %d connections", after-before)
			}
		})
	}
}

// tell has the server do something.
func tell(t testing.TB, r *embedded.Redis, words ...string) any {
	t.Helper()
	opened, err := sharedAt(r.Address).Open(t.Context(), &plugin.Env{Getenv: func(string) string { return "" }})
	if err != nil {
		t.Fatal(err)
	}
	c := &redis{server: opened}
	defer c.close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	answer, err := c.do(ctx, words...)
	if err != nil {
		t.Fatalf("%v: %v", words, err)
	}
	return answer
}

// The connection breaks when the leader has fetched: the others fetch for themselves, and
// nobody fails.
func TestFleetBreaksInTheMiddle(t *testing.T) {
	t.Parallel()
	p := newProxy(t, startRedis(t).Address)
	o := &office{life: time.Hour, takes: 100 * time.Millisecond}
	o.err = func() error { p.set("reset"); return nil }
	config := sharedAt(p.address)
	var hosts []*host
	for range 5 {
		hosts = append(hosts, newDirHost(t, config))
	}
	herd(t, hosts, 3, o.profile("a"))
	if n := o.requests.Load(); n > 5 {
		t.Errorf("%d requests by 5 hosts", n)
	}
}

// A leader that died without a word holds the others up for as long as its lease lasts, and
// at most for the time in which they wait.
func TestFleetDeadLeader(t *testing.T) {
	t.Parallel()
	config := sharedAt(startRedis(t).Address)
	o := &office{life: time.Hour}
	first := newDirHost(t, config)
	m := first.member(o.profile("a"), Need{})
	slot, _, err := m.slot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	lease, err := slot.lease()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := slot.call(t.Context(), false, scriptLook, lease, milliseconds(leaseTime), "-1", "", "", "1",
		milliseconds(fenceTime)); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	token(t, newDirHost(t, config), o.profile("a"), Need{})
	if took := time.Since(start); took < followLimit || took > 2*followLimit {
		t.Errorf("it took %s", took)
	}
	if got := token(t, newDirHost(t, config), o.profile("a"), Need{}); got != "CANARY-token-a-1" {
		t.Errorf("a third host got %s", got)
	}
}

// What an issuer refuses one host, the others do not ask for. A host with another secret
// does.
func TestFleetRefusal(t *testing.T) {
	t.Parallel()
	server := startRedis(t)
	config := sharedAt(server.Address)
	for name, test := range map[string]struct {
		err    *plugin.Error
		shared bool
	}{
		"refused": {plugin.Errorf(plugin.Denied, "wrong password").WithHint("check it").RememberFor(time.Minute),
			true},
		"retry after": {plugin.Errorf(plugin.Later, "too many").RememberFor(30 * time.Second), true},
		"no network":  {plugin.Errorf(plugin.Network, "no route").RememberFor(2 * time.Second), false},
		"unasked":     {plugin.Errorf(plugin.Denied, "no"), false},
		"a person": {plugin.AsError(plugin.Because(plugin.Errorf(plugin.Denied, "log in").RememberFor(time.Minute),
			plugin.ErrPerson)), true},
	} {
		o := &office{life: time.Hour, err: func() error { return test.err }}
		if name == "a person" {
			o.err = func() error { return plugin.Because(test.err, plugin.ErrPerson) }
			test.shared = false
		}
		for i := range 3 {
			_, err := newDirHost(t, config).FetchAlone(t.Context(), o.profile(slug(name)), Need{})
			text := test.err.Text
			if test.shared && i > 0 {
				text += " (another host of the fleet was told so)"
			}
			if e := plugin.AsError(err); e.Code != test.err.Code || e.Text != text {
				t.Errorf("%s: %v", name, err)
			} else if test.shared && (e.Hint != test.err.Hint || e.Remember <= 0 || e.Remember > test.err.Remember) {
				t.Errorf("%s: %+v", name, e)
			}
		}
		want := int32(3)
		if test.shared {
			want = 1
		}
		if n := o.requests.Load(); n != want {
			t.Errorf("%s: %d requests, not %d", name, n, want)
		}
		// A refusal does not outlive a success, and --refresh does not heed it.
		o.err = nil
		if test.shared {
			token(t, newDirHost(t, config), o.profile(slug(name)), Need{Since: time.Now()})
			token(t, newDirHost(t, config), o.profile(slug(name)), Need{})
		}
	}
}

func slug(name string) string { return strings.ReplaceAll(name, " ", "-") }

// Nothing that lies at the server makes a host take what another has not put there for this
// very profile.
func TestFleetTampered(t *testing.T) {
	server := startRedis(t)
	config := sharedAt(server.Address)
	o := &office{life: time.Hour}
	key := func(c *plugin.SharedCache, name string) string {
		h := newDirHost(t, c)
		slot, _, err := h.member(o.profile(name), Need{}).slot(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return "jeton:{" + slot.name + "}"
	}
	value := func(k string) (generation, text string) {
		r, err := list(tell(t, server, "HMGET", k, "g", "v"), 2)
		if err != nil {
			t.Fatal(err)
		}
		return r.text(0), r.text(1)
	}
	for i, tamper := range []func(k string){
		func(k string) { g, v := value(k); tell(t, server, "HSET", k, "g", g, "v", v[:len(v)-1]) },
		func(k string) { _, v := value(k); tell(t, server, "HSET", k, "v", v[:len(v)-1]+string(v[len(v)-1]^1)) },
		func(k string) { tell(t, server, "HSET", k, "v", "") },
		func(k string) { tell(t, server, "HSET", k, "v", strings.Repeat("x", 100000)) },
		func(k string) { tell(t, server, "HSET", k, "g", "1") }, // the same value as an older one
		func(k string) { tell(t, server, "HSET", k, "g", "9007199254740000") },
		func(k string) { // another profile's
			token(t, newDirHost(t, config), o.profile("other"), Need{})
			g, v := value(key(config, "other"))
			tell(t, server, "HSET", k, "g", g, "v", v)
		},
		func(k string) { // another fleet's
			theirs := sharedAt(server.Address)
			token(t, newDirHost(t, theirs), o.profile("a"), Need{})
			g, v := value(key(theirs, "a"))
			tell(t, server, "HSET", k, "g", g, "v", v)
		},
		func(k string) { // a lease in the place of a value
			tell(t, server, "HSET", k, "v", fmt.Sprint(tell(t, server, "GET", k+":lease")))
		},
	} {
		name := fmt.Sprint("tampered", i)
		token(t, newDirHost(t, config), o.profile(name), Need{})
		k := key(config, name)
		tamper(k)
		before := o.requests.Load()
		got := token(t, newDirHost(t, config), o.profile(name), Need{})
		if want := fmt.Sprintf("CANARY-token-%s-%d", name, before+1); got != want {
			t.Errorf("%d: got %s, not %s", i, got, want)
		}
	}
	// A host that has seen a newer value does not take an older one, which another host does.
	k := key(config, "replayed")
	h := newDirHost(t, config)
	token(t, h, o.profile("replayed"), Need{})
	g, v := value(k)
	newer := token(t, h, o.profile("replayed"), Need{Since: time.Now()})
	tell(t, server, "HSET", k, "g", g, "v", v)
	for name := range must(h.List(t.Context())) {
		h.Store.Delete(t.Context(), must(h.List(t.Context()))[name].Name)
	}
	if got := token(t, h.process(), o.profile("replayed"), Need{}); got == newer || got == "CANARY-token-replayed-1" {
		t.Errorf("got %s", got)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// Hosts never share with each other what is not the same, nor anything that a person, a
// program or one host alone gives.
func TestFleetNeverShares(t *testing.T) {
	server := startRedis(t)
	config := sharedAt(server.Address)
	o := &office{life: time.Hour}
	write := func(text string) plugin.Path {
		path := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return plugin.Path(path)
	}
	secret := func(s string) plugin.SecretRef { return plugin.LiteralSecret(plugin.NewSecret(s)) }
	program := func(text string) plugin.SecretRef {
		path := filepath.Join(t.TempDir(), "program")
		if err := os.WriteFile(path, []byte("#!/bin/sh\necho "+text+"\n"), 0o700); err != nil {
			t.Fatal(err)
		}
		return plugin.CommandSecret([]string{path})
	}
	of := func(change func(*memberOptions)) *plugin.Profile {
		p := o.profile("x")
		change(p.Options.(*memberOptions))
		return p
	}
	asks := of(func(o *memberOptions) { o.asks = true })
	above := o.profile("above")
	above.Base = asks
	aboveProgram := o.profile("above")
	aboveProgram.Base = of(func(o *memberOptions) { o.Argv = plugin.Argv{"true"} })
	minted := o.profile("minted")
	minted.Issuer = &plugin.Issuer{Name: "mint", Mints: true}
	withSecret := func(ref plugin.SecretRef) *plugin.Profile {
		return of(func(o *memberOptions) { o.Secret = ref })
	}
	withFile := func(path plugin.Path) *plugin.Profile {
		return of(func(o *memberOptions) { o.File = path })
	}
	printed := of(func(o *memberOptions) { o.Argv = plugin.Argv{"true"} })
	failing := withSecret(plugin.CommandSecret([]string{"false"}))
	for name, test := range map[string]struct {
		a, b   *plugin.Profile
		shared bool
	}{
		"the same":             {o.profile("same"), o.profile("same"), true},
		"two names":            {o.profile("n1"), o.profile("n2"), false},
		"two secrets":          {withSecret(secret("one")), withSecret(secret("two")), false},
		"one secret, two ways": {withSecret(secret("same")), withSecret(program("same")), true},
		"two programs":         {withSecret(program("one")), withSecret(program("two")), false},
		"one file, two paths":  {withFile(write("content")), withFile(write("content")), true},
		"two files":            {withFile(write("one")), withFile(write("two")), false},
		"a program prints it":  {printed, printed, false},
		"a person answers":     {asks, asks, false},
		"above a person":       {above, above, false},
		"above a program":      {aboveProgram, aboveProgram, false},
		"a key without a tag":  {minted, minted, false},
		"a program that fails": {failing, failing, false},
	} {
		t.Run(name, func(t *testing.T) {
			tell(t, server, "FLUSHALL")
			fetch := func(p *plugin.Profile) string {
				h := newDirHost(t, config)
				h.answers = map[string]plugin.Secret{"the question": plugin.NewSecret("CANARY-answer")}
				got := token(t, h, p, Need{})
				// What a person took part in stays that, even if the next process asks nobody.
				for _, q := range p.Chain() {
					if o := q.Options.(*memberOptions); o.asks {
						again := h.process()
						again.answers = h.answers
						if got := token(t, again, p, Need{Since: time.Now()}); got == "" {
							t.Error("nothing")
						}
					}
				}
				return got
			}
			if a, b := fetch(test.a), fetch(test.b); (a == b) != test.shared {
				t.Errorf("one host got %s, another %s", a, b)
			}
			if !test.shared && test.a == test.b && tell(t, server, "KEYS", "*") != nil {
				for _, k := range tell(t, server, "KEYS", "*").([]any) {
					if k := k.(string); !strings.Contains(k, ":") || strings.HasSuffix(k, "}") {
						t.Errorf("the server has %s", k)
					}
				}
			}
		})
	}
}

// While a fleet changes its key, it asks no issuer.
func TestFleetKeyRotation(t *testing.T) {
	t.Parallel()
	server := startRedis(t)
	o := &office{life: time.Hour}
	former := sharedAt(server.Address)
	both := *former
	both.Key, both.OldKey = newSharedKey(), former.Key
	last := both
	last.OldKey = plugin.SecretRef{}
	for _, config := range []*plugin.SharedCache{former, &both, &both, &last, &last} {
		if got := token(t, newDirHost(t, config), o.profile("a"), Need{}); got != "CANARY-token-a-1" {
			t.Errorf("got %s", got)
		}
	}
	if got := token(t, newDirHost(t, sharedAt(server.Address)), o.profile("a"), Need{}); got != "CANARY-token-a-2" {
		t.Errorf("another fleet got %s", got)
	}
}

// Fifty hosts whose token was refused cost one request; none of them gets it again.
func TestFleetReject(t *testing.T) {
	t.Parallel()
	config := sharedAt(startRedis(t).Address)
	o := &office{life: time.Hour, takes: 50 * time.Millisecond}
	var hosts []*host
	for range 10 {
		h := newDirHost(t, config)
		token(t, h, o.profile("a"), Need{})
		hosts = append(hosts, h)
	}
	for _, h := range hosts {
		if err := h.process().Reject(t.Context(), nil, o.profile("a"), ""); err != nil {
			t.Fatal(err)
		}
	}
	tokens := herd(t, hosts, 3, o.profile("a"))
	if len(tokens) != 1 || tokens["CANARY-token-a-2"] != 30 {
		t.Errorf("the hosts got %v", tokens)
	}
	// A logout forgets here, and the next get takes what the others have.
	h := hosts[0].process()
	f := &plugin.File{}
	if err := h.Logout(t.Context(), f, o.profile("a")); err != nil {
		t.Fatal(err)
	}
	if got := token(t, h.process(), o.profile("a"), Need{}); got != "CANARY-token-a-2" {
		t.Errorf("after a logout: %s", got)
	}
	all := hosts[1].process()
	if err := all.ForFleet(); err != nil {
		t.Fatal(err)
	}
	if err := all.Logout(t.Context(), f, o.profile("a")); err != nil {
		t.Fatal(err)
	}
	if got := token(t, newDirHost(t, config), o.profile("a"), Need{}); got != "CANARY-token-a-3" {
		t.Errorf("after a logout of all: %s", got)
	}
	failing := sharedAt("127.0.0.1:1")
	alone := newDirHost(t, failing)
	if err := alone.ForFleet(); err != nil {
		t.Fatal(err)
	}
	err := alone.Logout(t.Context(), f, o.profile("a"))
	if err == nil || !strings.Contains(err.Error(), "shared cache") {
		t.Errorf("a logout of all without the server: %v", err)
	}
}

// A host whose clock is wrong takes a credential for as long as it lives.
func TestFleetClocks(t *testing.T) {
	t.Parallel()
	m := newModel()
	config := sharedAt("127.0.0.1:1")
	o := &office{life: time.Hour}
	fetch := func(ahead time.Duration) *plugin.Credential {
		h := newDirHost(t, config)
		h.fleet().send = func(ctx context.Context, words ...string) (any, error) {
			answer, err := m.do(ctx, words...)
			if list, ok := answer.([]any); ok && len(list) == 7 { // the server's clock as this host sees it
				list[5] = formatNumber(time.Now().Add(ahead).Unix())
			}
			return answer, err
		}
		c, err := h.FetchAlone(t.Context(), o.profile("a"), Need{})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	first := fetch(0)
	if got := fetch(0); !got.Expires.Equal(first.Expires) {
		t.Errorf("%s, and %s on a host with the same clock", first.Expires, got.Expires)
	}
	slow := fetch(10 * time.Minute)
	if d := slow.Expires.Sub(first.Expires); d > -9*time.Minute || d < -11*time.Minute {
		t.Errorf("on a host whose clock is ten minutes behind it ends %s later", d)
	}
	// The server can lie about its clock: nothing gets longer by that.
	if fast := fetch(-10 * time.Minute); fast.Expires.After(first.Expires) {
		t.Errorf("on a host whose clock is ten minutes ahead it ends %s later", fast.Expires.Sub(first.Expires))
	}
	if n := o.requests.Load(); n != 1 {
		t.Errorf("%d requests", n)
	}
}

// Nothing that a server says costs more than it sends, or stops jeton.
func FuzzReply(f *testing.F) {
	for _, seed := range []string{"+OK\r\n", "-ERR no\r\n", ":1\r\n", "$3\r\nabc\r\n", "$-1\r\n", "*-1\r\n",
		"*2\r\n$1\r\na\r\n*1\r\n:2\r\n", "*3\r\n", "$2147483647\r\n", "*2147483647\r\n", "$3\r\nabcde", "\r\n", "+\n"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		left := maxReply
		answer, err := readReply(bufio.NewReader(strings.NewReader(text)), &left, 0)
		if err != nil {
			return
		}
		if size := sizeOf(answer); size > len(text) {
			t.Errorf("%d bytes of %d", size, len(text))
		}
	})
}

func sizeOf(answer any) (n int) {
	switch v := answer.(type) {
	case string:
		return len(v)
	case []any:
		for _, e := range v {
			n += sizeOf(e)
		}
	}
	return n
}
