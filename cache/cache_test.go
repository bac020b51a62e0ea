package cache

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jeton-cli/jeton/plugin"
)

// A sourceFunc is a function that serves as a source.
type sourceFunc func(ctx context.Context, prev *plugin.Credential) (*plugin.Credential, error)

func (f sourceFunc) Fetch(ctx context.Context, prev *plugin.Credential) (*plugin.Credential, error) {
	return f(ctx, prev)
}

// counter issues numbered tokens with a fixed life, or fails with err.
type counter struct {
	life  time.Duration
	n     atomic.Int32
	err   error
	fixed bool
}

func (c *counter) Fetch(context.Context, *plugin.Credential) (*plugin.Credential, error) {
	n := c.n.Add(1)
	if c.err != nil {
		return nil, c.err
	}
	now := time.Now()
	return &plugin.Credential{Token: plugin.NewSecret(fmt.Sprintf("token-%d", n)), Issued: now,
		Expires: now.Add(c.life), Fixed: c.fixed}, nil
}

var testKey = newKey([]byte("pepper"), []plugin.Input{{Name: "a", Value: "b"}}, nil)

func newCache(s Store) (*Cache, *bytes.Buffer) {
	var stderr bytes.Buffer
	return &Cache{Store: s, Pepper: []byte("pepper"), Warn: func(format string, args ...any) {
		fmt.Fprintf(&stderr, format+"\n", args...)
	}}, &stderr
}

func get(t *testing.T, c *Cache, src plugin.Source, p Policy) string {
	t.Helper()
	cred, err := c.Fetch(t.Context(), testKey, src, p)
	if err != nil {
		t.Fatal(err)
	}
	return cred.Token.Reveal()
}

// TestRenewal checks, for each kind of caller, how long after the issue of a credential
// its first renewal happens.
func TestRenewal(t *testing.T) {
	for _, test := range []struct {
		life, minTTL time.Duration
		policy       Policy
		want         time.Duration
	}{
		{time.Hour, time.Minute, Policy{}, 59 * time.Minute},
		{time.Hour, 17 * time.Minute, Policy{}, 43 * time.Minute},
		{24 * time.Hour, 17 * time.Minute, Policy{}, 24*time.Hour - 17*time.Minute},
		{30 * time.Minute, 17 * time.Minute, Policy{}, 20 * time.Minute}, // a third of its life
		{time.Minute, 17 * time.Minute, Policy{}, 40 * time.Second},
		{20 * time.Second, time.Minute, Policy{}, 14 * time.Second},
		{24 * time.Hour, time.Minute, Policy{RenewAfter: 8 * time.Hour}, 8 * time.Hour},
		{24 * time.Hour, time.Minute, Policy{MaxTTL: 2 * time.Hour}, 2 * time.Hour},
		{time.Hour, time.Minute, Policy{AtLeast: 58 * time.Minute}, 2 * time.Minute},
		{time.Hour, time.Minute, Policy{AtLeast: 2 * time.Hour}, 6 * time.Minute}, // a tenth of its life
	} {
		synctest.Test(t, func(t *testing.T) {
			c, _ := newCache(&Memory{})
			src := &counter{life: test.life}
			test.policy.MinTTL = test.minTTL
			start := time.Now()
			step := test.life / 3600
			if step < time.Second {
				step = time.Second
			}
			for get(t, c, src, test.policy) == "token-1" {
				time.Sleep(step)
			}
			if got := time.Since(start); got < test.want || got > test.want+2*step {
				t.Errorf("%s life, %s needed, %+v: renewed after %s, not %s", test.life, test.minTTL, test.policy, got,
					test.want)
			}
		})
	}
}

// A credential that cannot get a longer life is served until its end without asking
// again, and never after that.
func TestFixed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := newCache(&Memory{})
		src := &counter{life: time.Hour, fixed: true}
		get(t, c, src, Policy{MinTTL: 17 * time.Minute})
		time.Sleep(time.Hour - time.Second)
		if got := get(t, c, src, Policy{MinTTL: 17 * time.Minute}); got != "token-1" {
			t.Errorf("got %s after 59:59", got)
		}
		time.Sleep(time.Second)
		if got := get(t, c, src, Policy{MinTTL: 17 * time.Minute}); got != "token-2" {
			t.Errorf("got %s after an hour", got)
		}
	})
}

// While the issuer fails, a valid credential is served and an expired one never is.
func TestServeWhileIssuerFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, stderr := newCache(&Memory{})
		src := &counter{life: time.Hour}
		get(t, c, src, Policy{Profile: "p", MinTTL: time.Minute})
		src.err = plugin.Errorf(plugin.Network, "it is down").RememberFor(2 * time.Second)
		time.Sleep(time.Hour - 40*time.Second)
		for range 39 {
			if got := get(t, c, src, Policy{Profile: "p", MinTTL: time.Minute}); got != "token-1" {
				t.Fatal(got)
			}
			time.Sleep(time.Second)
		}
		if n := src.n.Load(); n < 4 || n > 8 {
			t.Errorf("asked %d times in 39 s of an outage", n)
		}
		if n := strings.Count(stderr.String(), "could not renew: it is down"); n != int(src.n.Load())-1 {
			t.Errorf("%d warnings for %d requests:\n%s", n, src.n.Load(), stderr)
		}
		time.Sleep(2 * time.Second)
		if cred, err := c.Fetch(t.Context(), testKey, src, Policy{}); err == nil {
			t.Errorf("served %s after its expiry", cred.Token.Reveal())
		}
	})
}

// A failure is remembered for as long as it says. Network failures are remembered for
// longer and longer. Neither --refresh nor a clock set back leaves a failure remembered.
func TestRememberedFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := newCache(&Memory{})
		src := &counter{err: plugin.Errorf(plugin.Denied, "no").WithHint("do this").RememberFor(time.Minute)}
		fetch := func(p Policy) *plugin.Error {
			_, err := c.Fetch(t.Context(), testKey, src, p)
			if err == nil {
				t.Fatal("no error")
			}
			return plugin.AsError(err)
		}
		fetch(Policy{Profile: "prod"})
		time.Sleep(20 * time.Second)
		e := fetch(Policy{})
		const hint = "do this (remembered for 40 s more)"
		if e.Code != plugin.Denied || e.Text != "no" || e.Hint != hint || src.n.Load() != 1 {
			t.Errorf("%+v after %d requests", e, src.n.Load())
		}
		fetch(Policy{Since: time.Now()})
		if src.n.Load() != 2 {
			t.Errorf("--refresh: %d requests", src.n.Load())
		}
		time.Sleep(time.Minute)
		src.err = nil
		src.life = time.Hour
		if got := get(t, c, src, Policy{}); got != "token-3" {
			t.Error(got)
		}
		src.err = plugin.Errorf(plugin.Network, "down").RememberFor(2 * time.Second)
		c.Store.Delete(t.Context(), testKey.Name)
		src.n.Store(0)
		for range 120 {
			fetch(Policy{})
			time.Sleep(time.Second)
		}
		if n := src.n.Load(); n < 6 || n > 8 { // at 0, 2, 6, 14, 30, 60, 90 s
			t.Errorf("%d requests in two minutes of an outage", n)
		}
	})
}

// An error that does not say how long to remember it is not remembered: the issuer was
// not asked.
func TestOwnFailureIsNotRemembered(t *testing.T) {
	c, _ := newCache(&Memory{})
	src := &counter{err: plugin.Errorf(plugin.Config, "no such program")}
	for range 3 {
		c.Fetch(t.Context(), testKey, src, Policy{})
	}
	if src.n.Load() != 3 {
		t.Errorf("%d attempts", src.n.Load())
	}
}

// Setting the clock back makes nothing last for ever.
func TestClockSetBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := newCache(&Memory{})
		src := &counter{life: time.Hour}
		e := newEntry(Policy{Profile: "p"}, testKey,
			&plugin.Credential{Token: plugin.NewSecret("future"), Issued: time.Now(),
				Expires: time.Now().Add(1e6 * time.Hour)}, time.Now().Add(time.Hour))
		if err := c.put(t.Context(), testKey, "", e); err != nil {
			t.Fatal(err)
		}
		if got := get(t, c, src, Policy{}); got != "token-1" {
			t.Error(got)
		}
	})
}

func openTest(t *testing.T) *Dir {
	d, err := OpenDir(filepath.Join(t.TempDir(), "cache"))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// Any damage to an entry makes it a miss, and the next fetch repairs it.
func TestBrokenEntries(t *testing.T) {
	d := openTest(t)
	c, stderr := newCache(d)
	src := &counter{life: time.Hour}
	get(t, c, src, Policy{})
	path := filepath.Join(d.Path(), testKey.Name)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	damaged := func(what string, b []byte) {
		t.Helper()
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		if e := c.load(t.Context(), testKey); e != nil {
			t.Errorf("%s is accepted as an entry", what)
		}
	}
	for n := range whole {
		damaged(fmt.Sprintf("an entry cut to %d bytes", n), whole[:n])
		for bit := range 8 {
			flipped := bytes.Clone(whole)
			flipped[n] ^= 1 << bit
			damaged(fmt.Sprintf("an entry with bit %d of byte %d flipped", bit, n), flipped)
		}
	}
	damaged("null", []byte("null"))
	damaged("a newline", []byte("\n{}"))
	other := newKey([]byte("pepper"), []plugin.Input{{Name: "a", Value: "c"}}, nil)
	if err := os.Rename(path, filepath.Join(d.Path(), other.Name)); err != nil {
		t.Fatal(err)
	}
	os.WriteFile(filepath.Join(d.Path(), other.Name), whole, 0o600)
	if c.load(t.Context(), other) != nil {
		t.Error("an entry moved to another name is accepted")
	}
	if err := os.WriteFile(path, whole, 0o644); err != nil {
		t.Fatal(err)
	}
	os.Chmod(path, 0o644)
	if c.load(t.Context(), testKey) != nil {
		t.Error("an entry that others can read is accepted")
	}
	os.Truncate(path, 500<<20)
	if got := get(t, c, src, Policy{}); got != "token-2" {
		t.Error(got)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 || info.Size() > 4096 {
		t.Errorf("the repaired entry: %v, %v", info, err)
	}
	if stderr.Len() > 0 {
		t.Errorf("stderr: %s", stderr)
	}
}

// One of many callers fetches, and all receive its result, whether a credential or a
// failure.
func TestSingleFlight(t *testing.T) {
	for _, err := range []error{nil, plugin.Errorf(plugin.Later, "wait").RememberFor(time.Minute)} {
		d := openTest(t)
		src := &counter{life: time.Hour, err: err}
		var wg, begun sync.WaitGroup
		begun.Add(50)
		slow := sourceFunc(func(ctx context.Context, prev *plugin.Credential) (*plugin.Credential, error) {
			begun.Wait()
			return src.Fetch(ctx, prev)
		})
		for range 50 {
			wg.Go(func() {
				// Each caller opens the directory itself, as a process would.
				mine, e := OpenDir(d.Path())
				if e != nil {
					t.Error(e)
					begun.Done()
					return
				}
				c := &Cache{Store: mine, Pepper: []byte("pepper"), Warn: t.Logf}
				begun.Done()
				cred, e := c.Fetch(t.Context(), testKey, slow, Policy{})
				if err == nil && (e != nil || cred.Token.Reveal() != "token-1") {
					t.Errorf("%v, %v", cred, e)
				}
				if err != nil && (e == nil || plugin.AsError(e).Code != plugin.Later) {
					t.Errorf("%v, %v", cred, e)
				}
			})
		}
		wg.Wait()
		if n := src.n.Load(); n != 1 {
			t.Errorf("%d requests", n)
		}
	}
}

// A wait for the lock ends with the caller's context.
func TestLockWaitEnds(t *testing.T) {
	d := openTest(t)
	unlock, err := d.Lock(t.Context(), testKey.Name)
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	c, _ := newCache(d)
	if _, err := c.Fetch(ctx, testKey, &counter{life: time.Hour}, Policy{}); plugin.AsError(err).Code != plugin.Later {
		t.Error(err)
	}
	if unlock, err := d.TryLock(testKey.Name); unlock != nil || err != nil {
		t.Errorf("TryLock of a held lock: %v", err)
	}
}

// A store that cannot be written, read or locked costs a warning and nothing more.
func TestStoreTrouble(t *testing.T) {
	c, stderr := newCache(broken{})
	src := &counter{life: time.Hour}
	for i := range 3 {
		if got, want := get(t, c, src, Policy{Profile: "p"}), fmt.Sprintf("token-%d", i+1); got != want {
			t.Errorf("got %s, not %s", got, want)
		}
	}
	if !strings.Contains(stderr.String(), "p: could not keep the credential: disk full\n") {
		t.Errorf("stderr: %s", stderr)
	}
}

type broken struct{}

func (broken) Get(context.Context, string) ([]byte, error)  { return nil, errors.New("unreadable") }
func (broken) Put(context.Context, string, []byte) error    { return errors.New("disk full") }
func (broken) Delete(context.Context, string) error         { return errors.New("read-only") }
func (broken) Lock(context.Context, string) (func(), error) { return nil, errors.New("no locks") }
func (broken) TryLock(string) (func(), error)               { return nil, errors.New("no locks") }

// Everything made from a credential is dropped with it, and nothing else is.
func TestDrop(t *testing.T) {
	c, _ := newCache(openTest(t))
	ctx := t.Context()
	below := newKey(c.Pepper, []plugin.Input{{Name: "below"}}, nil)
	middle := newKey(c.Pepper, []plugin.Input{{Name: "middle"}}, &below)
	above := newKey(c.Pepper, []plugin.Input{{Name: "above"}}, &middle)
	other := newKey(c.Pepper, []plugin.Input{{Name: "other"}}, nil)
	for _, k := range []Key{below, middle, above, other} {
		if _, err := c.Fetch(ctx, k, &counter{life: time.Hour}, Policy{}); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := c.Drop(ctx, middle.Name); n != 2 || err != nil {
		t.Errorf("Drop = %d, %v", n, err)
	}
	for name, k := range map[string]Key{"below": below, "other": other} {
		if c.load(ctx, k) == nil {
			t.Errorf("%s is gone", name)
		}
	}
	if n, err := c.Drop(ctx, below.Name); n != 1 || err != nil {
		t.Errorf("Drop = %d, %v", n, err)
	}
	if c.load(ctx, above) != nil {
		t.Error("a credential made from the dropped one is still there")
	}
}

// Names reveal nothing about the inputs that they are made from, and differ whenever the
// inputs do.
func TestKeys(t *testing.T) {
	pepper := []byte("pepper")
	in := func(pairs ...string) (list []plugin.Input) {
		for i := 0; i < len(pairs); i += 2 {
			list = append(list, plugin.Input{Name: pairs[i], Value: pairs[i+1]})
		}
		return list
	}
	below := newKey(pepper, in("a", "b"), nil)
	keys := map[string]bool{}
	for _, k := range []Key{
		below,
		newKey(pepper, in("a", "c"), nil),
		newKey(pepper, in("ab", ""), nil),
		newKey(pepper, in("", "ab"), nil),
		newKey(pepper, in("a", "b", "c", "d"), nil),
		newKey(pepper, in("a", "bcd"), nil),
		newKey(pepper, in("a", "b", "from", below.Name), nil),
		newKey(pepper, nil, nil),
		newKey(pepper, in("a", "b"), &below),
		newKey([]byte("other"), in("a", "b"), nil),
	} {
		keys[k.Name] = true
	}
	if len(keys) != 10 {
		t.Errorf("only %d of 10 names differ", len(keys))
	}
}

// gc removes what has expired, and nothing that is in use.
func TestCollect(t *testing.T) {
	d := openTest(t)
	c, _ := newCache(d)
	ctx := t.Context()
	kept := newKey(c.Pepper, []plugin.Input{{Name: "kept"}}, nil)
	expired := newKey(c.Pepper, []plugin.Input{{Name: "expired"}}, nil)
	busy := newKey(c.Pepper, []plugin.Input{{Name: "busy"}}, nil)
	now := time.Now()
	for key, expires := range map[string]time.Time{kept.Name: now.Add(time.Hour), expired.Name: now.Add(-time.Second),
		busy.Name: now.Add(-time.Second)} {
		k := Key{Name: key, seal: sealFor(c.Pepper, key)}
		unlock, err := d.Lock(ctx, key)
		if err != nil {
			t.Fatal(err)
		}
		e := newEntry(Policy{Profile: "p"}, k,
			&plugin.Credential{Token: plugin.NewSecret("x"), Issued: now.Add(-time.Hour), Expires: expires}, now)
		if err := c.put(ctx, k, "", e); err != nil {
			t.Fatal(err)
		}
		unlock()
	}
	unlock, err := d.Lock(ctx, busy.Name)
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	old := filepath.Join(d.Path(), expired.Name+".123.tmp")
	os.WriteFile(old, nil, 0o600)
	os.Chtimes(old, now.Add(-time.Hour), now.Add(-time.Hour))
	os.WriteFile(filepath.Join(d.Path(), kept.Name+".tmp"), nil, 0o600)
	// The cache does not own other files in its directory.
	for _, name := range []string{"id_rsa", "config", ".hidden", ledgerPrefix + strings.Repeat("0", 32), pepperName} {
		os.WriteFile(filepath.Join(d.Path(), name), []byte("x"), 0o600)
	}
	if n, err := c.Collect(ctx); n != 1 || err != nil {
		t.Errorf("Collect = %d, %v", n, err)
	}
	files, _ := os.ReadDir(d.Path())
	var names []string
	for _, f := range files {
		names = append(names, f.Name())
	}
	got := strings.Join(names, " ")
	for _, want := range []string{kept.Name, kept.Name + ".lock", busy.Name, kept.Name + ".tmp", "id_rsa", "config",
		".hidden", ledgerPrefix + strings.Repeat("0", 32), pepperName} {
		if !strings.Contains(got+" ", want+" ") {
			t.Errorf("%s is gone", want)
		}
	}
	for _, gone := range []string{expired.Name} {
		if strings.Contains(got, gone) {
			t.Errorf("%s is still there", gone)
		}
	}
}

// A directory that holds other files is refused, and is not closed to others.
func TestForeignDirectory(t *testing.T) {
	path := t.TempDir()
	os.Chmod(path, 0o755)
	os.WriteFile(filepath.Join(path, "id_rsa"), nil, 0o600)
	if _, err := OpenDir(path); err == nil || !strings.Contains(err.Error(), `holds "id_rsa", which is not jeton's`) {
		t.Error(err)
	}
	if info, _ := os.Stat(path); info.Mode().Perm() != 0o755 {
		t.Errorf("the mode of the refused directory is now %04o", info.Mode().Perm())
	}
	os.Remove(filepath.Join(path, "id_rsa"))
	if _, err := OpenDir(path); err != nil {
		t.Error(err)
	}
	if info, _ := os.Stat(path); info.Mode().Perm() != 0o700 {
		t.Errorf("the mode of the accepted directory is %04o", info.Mode().Perm())
	}
}

// A credential that was dropped just before its renewal is neither served nor passed to
// the source.
func TestDroppedBeforeRenewal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := newCache(&Memory{})
		src := &counter{life: time.Hour}
		get(t, c, src, Policy{})
		e := c.load(t.Context(), testKey)
		c.Store.Delete(t.Context(), testKey.Name)
		failing := sourceFunc(func(_ context.Context, prev *plugin.Credential) (*plugin.Credential, error) {
			if prev != nil {
				t.Error("the source is given the dropped credential")
			}
			return nil, plugin.Errorf(plugin.Network, "down")
		})
		if cred, err := c.ahead(t.Context(), testKey, failing, Policy{}, e); err == nil {
			t.Errorf("%s was served", cred.Token.Reveal())
		}
	})
}

// A credential that the source returns unchanged keeps its age, and max_ttl ends it.
func TestUnchangedKeepsItsAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := newCache(&Memory{})
		n := 0
		src := sourceFunc(func(_ context.Context, prev *plugin.Credential) (*plugin.Credential, error) {
			if prev != nil {
				return prev, nil
			}
			n++
			return &plugin.Credential{Token: plugin.NewSecret(fmt.Sprintf("token-%d", n)), Issued: time.Now(),
				Expires: time.Now().Add(time.Hour), Renew: time.Now()}, nil
		})
		p := Policy{MaxTTL: 10 * time.Second}
		for range 9 {
			if got := get(t, c, src, p); got != "token-1" {
				t.Fatal(got)
			}
			time.Sleep(time.Second)
		}
		time.Sleep(time.Second)
		if got := get(t, c, src, p); got != "token-2" {
			t.Error(got)
		}
	})
}

func FuzzUnseal(f *testing.F) {
	good, err := sealed(testKey.seal, "",
		newEntry(Policy{Profile: "p"}, testKey, &plugin.Credential{Token: plugin.NewSecret("x")},
			time.Unix(0, 0).UTC()))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte("\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var e entry
		if unseal(testKey.seal, "", b, &e) == nil && !bytes.Equal(b, good) {
			t.Errorf("%q was accepted", b)
		}
	})
}

// The end of the time in which an entry is good is the first time at which the verdict
// changes.
func TestGoodUntil(t *testing.T) {
	now := time.Now()
	some := func(most time.Duration) time.Duration { // zero half of the time
		if rand.N(2) == 0 {
			return 0
		}
		return rand.N(most)
	}
	for range 20_000 {
		e := &entry{Created: now.Add(-some(time.Hour)), Fixed: rand.N(4) == 0}
		e.Issued = e.Created.Add(-some(time.Minute))
		if life := some(2 * time.Hour); life > 0 {
			e.Expires = e.Issued.Add(life)
		}
		if renew := some(2 * time.Hour); renew > 0 {
			e.Renew = e.Created.Add(renew)
		}
		p := Policy{MinTTL: some(20 * time.Minute), RenewAfter: some(2 * time.Hour), MaxTTL: some(2 * time.Hour)}
		if p.judge(e, now) != good {
			continue
		}
		end := p.goodUntil(e)
		if !end.After(now) {
			t.Fatalf("%+v, %+v: good now, but goodUntil is %s from now", p, e, end.Sub(now))
		}
		if never := end.Equal(time.Unix(0, 1<<63-1)); never {
			if p.judge(e, now.Add(1000*time.Hour)) != good {
				t.Fatalf("%+v, %+v: not good for ever", p, e)
			}
			continue
		}
		if p.judge(e, end.Add(-1)) != good || p.judge(e, end) == good {
			t.Fatalf("%+v, %+v: the verdict does not change at goodUntil, %s from now", p, e, end.Sub(now))
		}
		if earliest := e.Created.Add(-clockSlack); p.judge(e, earliest) != good ||
			p.judge(e, earliest.Add(-1)) == good {
			t.Fatalf("%+v, %+v: the verdict does not change at Begin, %s from now", p, e, earliest.Sub(now))
		}
	}
}
