package cache

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jeton-cli/jeton/plugin"
	"github.com/jeton-cli/jeton/testdata/embedded"
)

// An office issues numbered tokens to all hosts, and counts its requests.
type office struct {
	requests atomic.Int32
	life     time.Duration
	takes    time.Duration // for a request
	err      func() error  // why it refuses, or nil
}

// memberOptions are those of a profile at an office.
type memberOptions struct {
	office *office
	Name   string           `yaml:"name"`
	Secret plugin.SecretRef `yaml:"secret"`
	File   plugin.Path      `yaml:"file"`
	Argv   plugin.Argv      `yaml:"argv"`
	asks   bool
}

func (*memberOptions) Complete(*plugin.Common) error { return nil }
func (o *memberOptions) Source(env *plugin.Env) plugin.Source {
	return sourceFunc(func(ctx context.Context, _ *plugin.Credential) (*plugin.Credential, error) {
		if o.asks {
			if _, err := env.Ask("the question"); err != nil {
				return nil, err
			}
		}
		if env.From != nil {
			if _, err := env.From(ctx, false); err != nil {
				return nil, err
			}
		}
		n := o.office.requests.Add(1)
		if o.office.takes > 0 {
			select {
			case <-time.After(o.office.takes):
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
		if o.office.err != nil {
			if err := o.office.err(); err != nil {
				return nil, err
			}
		}
		now := time.Now()
		return &plugin.Credential{Token: plugin.NewSecret(fmt.Sprintf("CANARY-token-%s-%d", o.Name, n)), Issued: now,
			Expires: now.Add(o.office.life)}, nil
	})
}

// A host is one host of a fleet: a cache of its own.
type host struct {
	*Session
	log bytes.Buffer
	mu  sync.Mutex
}

func (h *host) say(format string, args ...any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	fmt.Fprintf(&h.log, format+"\n", args...)
}

func (h *host) said() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.log.String()
}

// newHost returns a process of a host that keeps what it has in store. A host has a pepper of its
// own.
func newHost(store Store, config *plugin.SharedCache, pepper string) *host {
	h := &host{}
	h.Session = &Session{
		Cache: &Cache{Store: store, Pepper: []byte(pepper), Warn: h.say},
		World: World{Getenv: func(string) string { return "" }, Log: h.say, Warn: h.say,
			Shared: func() (*plugin.SharedCache, func() []string) { return config, nil }},
	}
	return h
}

// process returns another process of the same host.
func (h *host) process() *host {
	config, _ := h.Shared()
	return newHost(h.Store, config, string(h.Pepper))
}

// newDirHost returns a host with a directory.
func newDirHost(t testing.TB, config *plugin.SharedCache) *host {
	t.Helper()
	dir := t.TempDir()
	d, err := OpenDir(filepath.Join(dir, "cache"))
	if err != nil {
		t.Fatal(err)
	}
	return newHost(d, config, dir)
}

func newSharedKey() plugin.SecretRef {
	key := make([]byte, 32)
	rand.Read(key)
	return plugin.LiteralSecret(plugin.NewSecret(base64.StdEncoding.EncodeToString(key)))
}

// sharedAt returns the options for a server at this address.
func sharedAt(address string) *plugin.SharedCache {
	return &plugin.SharedCache{URL: plugin.LiteralSecret(plugin.NewSecret("redis://" + address)), Key: newSharedKey()}
}

var officeIssuer = &plugin.Issuer{Name: "office"}

func (o *office) profile(name string) *plugin.Profile {
	return &plugin.Profile{Name: "p", Issuer: officeIssuer, Options: &memberOptions{office: o, Name: name}}
}

// startRedis starts a real server, or skips the test.
func startRedis(t testing.TB, options ...string) *embedded.Redis {
	t.Helper()
	r, err := embedded.StartRedis(t.TempDir(), options...)
	if errors.Is(err, exec.ErrNotFound) {
		if os.Getenv("JETON_TEST_NOSKIP") != "" {
			t.Fatal("must not be skipped: redis-server is not installed")
		}
		t.Skip("redis-server is not installed")
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Stop)
	return r
}

func token(t testing.TB, h *host, p *plugin.Profile, n Need) string {
	t.Helper()
	c, err := h.FetchAlone(t.Context(), p, n)
	if err != nil {
		t.Fatalf("%v\n%s", err, h.said())
	}
	return c.Token.Reveal()
}

// Ten hosts that ask at once cost one request, and all get the same.
func TestFleet(t *testing.T) {
	t.Parallel()
	config := sharedAt(startRedis(t).Address)
	o := &office{life: time.Hour, takes: 300 * time.Millisecond}
	var wg sync.WaitGroup
	tokens := make([]string, 100)
	for i := range 10 {
		h := newDirHost(t, config)
		for j := range 10 {
			wg.Go(func() { tokens[10*i+j] = token(t, h.process(), o.profile("a"), Need{}) })
		}
	}
	wg.Wait()
	for _, got := range tokens {
		if got != "CANARY-token-a-1" {
			t.Errorf("got %q", got)
		}
	}
	if n := o.requests.Load(); n != 1 {
		t.Errorf("%d requests", n)
	}
	h := newDirHost(t, config)
	if got := token(t, h, o.profile("b"), Need{}); got != "CANARY-token-b-2" {
		t.Errorf("another identity got %s", got)
	}
	if !strings.Contains(h.said(), "shared with the other hosts") {
		t.Error(h.said())
	}
}

// The hosts of a fleet agree on when a credential is renewed ahead of need, up to a tenth
// before renew_after. Fleets do not.
func TestFleetRenewAfter(t *testing.T) {
	o := &office{life: 24 * time.Hour}
	p := o.profile("a")
	p.Common.RenewAfter = 10 * time.Hour
	config := sharedAt("127.0.0.1:1")
	at := map[time.Duration]bool{}
	for i := range 20 {
		now := time.Now()
		c := &plugin.Credential{Token: plugin.NewSecret(fmt.Sprint(i)), Issued: now, Expires: now.Add(24 * time.Hour)}
		a := newDirHost(t, config).Policy(p, Need{}).Schedule(c, now).Renew.Sub(now)
		b := newDirHost(t, config).Policy(p, Need{MinTTL: time.Minute}).Schedule(c, now).Renew.Sub(now)
		if a != b || a < 9*time.Hour || a > 10*time.Hour {
			t.Errorf("renewed after %s on one host, and %s on another", a, b)
		}
		at[a] = true
		if alone := newDirHost(t, nil).Policy(p, Need{}).Schedule(c, now).Renew.Sub(now); alone != 10*time.Hour {
			t.Errorf("a host alone renews after %s", alone)
		}
	}
	if len(at) < 15 {
		t.Errorf("20 credentials are renewed at %d times", len(at))
	}
}

func TestMain(m *testing.M) {
	// Many tests wait for something, so that more of them fit than there are processors.
	flag.Parse()
	flag.Lookup("test.parallel").Value.Set(strconv.Itoa(8 * runtime.GOMAXPROCS(0)))
	os.Exit(m.Run())
}
