package cache

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jeton-cli/jeton/plugin"
)

// issuer is an issuer with keys, the first of which belong to somebody else. It can fail,
// or kill its caller.
type issuer struct {
	keys   []string
	n      int
	limit  int
	before func(op string) // may panic: the caller is killed before the request
	after  func(op string) // may panic: the caller is killed after the request
	err    error
}

func newIssuer() *issuer { return &issuer{keys: []string{"foreign-1", "foreign-2"}, limit: 100} }

var errKilled = errors.New("killed")

func (i *issuer) step(op string, do func()) error {
	if i.before != nil {
		i.before(op)
	}
	if i.err != nil {
		return i.err
	}
	do()
	if i.after != nil {
		i.after(op)
	}
	return nil
}

func (i *issuer) List(context.Context) (map[string]plugin.Mark, error) {
	keys := map[string]plugin.Mark{}
	return keys, i.step("list", func() {
		for _, id := range i.keys {
			keys[id] = plugin.Mark{Scope: testAccount.Scope}
		}
	})
}

func (i *issuer) Create(context.Context, plugin.Mark) (*plugin.Credential, error) {
	if len(i.keys) >= i.limit {
		return nil, plugin.Errorf(plugin.Denied, "the quota is used up").RememberFor(time.Minute)
	}
	id := ""
	err := i.step("create", func() {
		i.n++
		id = fmt.Sprintf("key-%d", i.n)
		i.keys = append(i.keys, id)
	})
	if err != nil {
		return nil, err
	}
	return i.credential(id), nil
}

func (i *issuer) Read(_ context.Context, id string) (*plugin.Credential, error) {
	if !slices.Contains(i.keys, id) {
		return nil, fs.ErrNotExist
	}
	return i.credential(id), i.step("read", func() {})
}

func (i *issuer) credential(id string) *plugin.Credential {
	return &plugin.Credential{AccessKey: id, SecretKey: plugin.NewSecret("secret of " + id)}
}

func (i *issuer) Delete(_ context.Context, id string) error {
	return i.step("delete", func() {
		i.keys = slices.DeleteFunc(i.keys, func(k string) bool { return k == id })
	})
}

func newLedger(t *testing.T, d *Dir, profile string) *Ledger {
	if d == nil {
		var err error
		if d, err = OpenDir(filepath.Join(t.TempDir(), "state")); err != nil {
			t.Fatal(err)
		}
	}
	return &Ledger{State: d, Config: "/config.yaml", Profile: profile}
}

var testAccount = plugin.Order{Issuer: "https://keystone/v3", Subject: "alice", Scope: "web"}

func mint(t *testing.T, l *Ledger, i *issuer, replace bool) string {
	t.Helper()
	c, err := l.Mint(t.Context(), testAccount, i, replace)
	if err != nil {
		t.Fatal(err)
	}
	return c.AccessKey
}

func wantKeys(t *testing.T, i *issuer, want ...string) {
	t.Helper()
	if want = append([]string{"foreign-1", "foreign-2"}, want...); !slices.Equal(i.keys, want) {
		t.Errorf("the issuer has %v, not %v", i.keys, want)
	}
}

func TestMint(t *testing.T) {
	i := newIssuer()
	l := newLedger(t, nil, "s3")
	for _, step := range []struct {
		replace bool
		want    string
	}{{false, "key-1"}, {false, "key-1"}, {true, "key-2"}, {false, "key-2"}} {
		if got := mint(t, l, i, step.replace); got != step.want {
			t.Errorf("got %s, not %s", got, step.want)
		}
	}
	wantKeys(t, i, "key-1", "key-2") // somebody may hold key-1
	other := newLedger(t, l.State.(*Dir), "other")
	mint(t, other, i, false)
	if err := l.Unwant(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	if got := mint(t, l, i, false); got != "key-4" {
		t.Error(got)
	}
	wantKeys(t, i, "key-3", "key-4")
	i.keys = slices.DeleteFunc(i.keys, func(k string) bool { return k == "key-4" }) // by hand
	if got := mint(t, l, i, false); got != "key-5" {
		t.Error(got)
	}
	if err := l.Orphan(t.Context(), func(profile string) bool { return profile == "s3" }); err != nil {
		t.Fatal(err)
	}
	if ids, err := l.Collect(t.Context(), testAccount, i, false); err != nil || !slices.Equal(ids, []string{"key-3"}) {
		t.Errorf("Collect = %v, %v", ids, err)
	}
	if ids, err := l.Collect(t.Context(), testAccount, i, true); err != nil || !slices.Equal(ids, []string{"key-5"}) {
		t.Errorf("Collect of all = %v, %v", ids, err)
	}
	wantKeys(t, i)
	if accounts, err := Accounts(t.Context(), l.State); err != nil || len(accounts) != 0 {
		t.Errorf("the ledger still has %v, %v", accounts, err)
	}
}

// A key that rotates by age is deleted once the expiry that its last holder was told has
// passed, and not before.
func TestRotation(t *testing.T) {
	i := newIssuer()
	l := newLedger(t, nil, "s3")
	account := testAccount
	account.MaxAge = time.Hour
	c, err := l.Mint(t.Context(), account, i, false)
	if err != nil {
		t.Fatal(err)
	}
	if c.Expires.Sub(c.Issued) != 2*time.Hour || c.Renew.Sub(c.Issued) != time.Hour {
		t.Errorf("issued %s, renew %s, expires %s", c.Issued, c.Renew, c.Expires)
	}
	aged := func(by time.Duration) {
		a, unlock, err := l.open(t.Context(), account.Issuer, account.Subject)
		if err != nil {
			t.Fatal(err)
		}
		defer unlock()
		for n := range a.Keys {
			m := &a.Keys[n]
			m.Created, m.Expires = m.Created.Add(-by), m.Expires.Add(-by)
			if !m.DeleteAfter.IsZero() {
				m.DeleteAfter = m.DeleteAfter.Add(-by)
			}
		}
		if err := l.save(t.Context(), a); err != nil {
			t.Fatal(err)
		}
	}
	step := func(want ...string) {
		t.Helper()
		if _, err := l.Mint(t.Context(), account, i, false); err != nil {
			t.Fatal(err)
		}
		if _, err := l.Collect(t.Context(), account, i, false); err != nil {
			t.Fatal(err)
		}
		wantKeys(t, i, want...)
	}
	aged(59 * time.Minute)
	step("key-1")
	aged(2 * time.Minute)
	step("key-1", "key-2")
	aged(58 * time.Minute)
	step("key-1", "key-2")
	aged(2 * time.Minute)
	step("key-2", "key-3")
}

// Whenever a process is killed, the next one loses no key, makes no second one, and
// touches no key that is not jeton's.
func TestMintKilled(t *testing.T) {
	type moment struct{ when, op string }
	for _, replace := range []bool{false, true} {
		for _, m := range []moment{
			{"before", "list"}, {"after", "list"}, {"before", "create"}, {"after", "create"},
			{"before", "read"}, {"after", "read"}, {"before", "delete"}, {"after", "delete"},
		} {
			i := newIssuer()
			l := newLedger(t, nil, "s3")
			mint(t, l, i, false)
			mint(t, l, i, true) // key-1 is unwanted, key-2 is in use
			kill := func(op string) {
				if op == m.op {
					panic(errKilled)
				}
			}
			if m.when == "before" {
				i.before = kill
			} else {
				i.after = kill
			}
			func() {
				defer func() {
					if r := recover(); r != nil && r != errKilled {
						panic(r)
					}
				}()
				l.Mint(t.Context(), testAccount, i, replace)
			}()
			i.before, i.after = nil, nil
			// With a real process, the lock would have ended too.
			next := newLedger(t, nil, "s3")
			copyDir(t, l.State.Path(), next.State.Path())
			got := mint(t, next, i, false)
			if _, err := next.Collect(t.Context(), testAccount, i, false); err != nil {
				t.Fatal(err)
			}
			if len(i.keys) != 3 || i.keys[2] != got {
				t.Errorf("killed %s %s, replace %v: the issuer has %v, and %s is in use", m.when, m.op, replace, i.keys,
					got)
			}
		}
	}
}

func copyDir(t *testing.T, from, to string) {
	files, err := filepath.Glob(filepath.Join(from, ledgerPrefix+"*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err == nil {
			err = os.WriteFile(filepath.Join(to, filepath.Base(f)), b, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// If several keys appeared at once, none is claimed.
func TestStrays(t *testing.T) {
	i := newIssuer()
	l := newLedger(t, nil, "s3")
	i.err = plugin.Errorf(plugin.Network, "the connection broke")
	i.before = func(op string) {
		if op != "create" {
			i.err = nil
		} else {
			i.err = plugin.Errorf(plugin.Network, "the connection broke")
		}
	}
	if _, err := l.Mint(t.Context(), testAccount, i, false); err == nil {
		t.Fatal("no error")
	}
	i.before, i.err = nil, nil
	// A key in another project cannot be jeton's, whoever made it.
	i.keys = append(i.keys, "mine or not", "not mine or mine")
	if got := mint(t, l, i, false); got != "key-1" {
		t.Error(got)
	}
	accounts, err := Accounts(t.Context(), l.State)
	if err != nil || !slices.Equal(accounts[0].Strays, []string{"mine or not", "not mine or mine"}) {
		t.Errorf("%+v, %v", accounts, err)
	}
	l.Collect(t.Context(), testAccount, i, true)
	wantKeys(t, i, "mine or not", "not mine or mine")
}

// When the quota is used up, keys that are due make room, but keys that their holders
// were promised do not. A refusal leaves no trace.
func TestQuota(t *testing.T) {
	i := newIssuer()
	i.limit = 4
	l := newLedger(t, nil, "s3")
	for n := range 4 {
		if got := mint(t, l, i, true); got != fmt.Sprintf("key-%d", n+1) {
			t.Error(got)
		}
	}
	wantKeys(t, i, "key-3", "key-4")
	i = newIssuer()
	i.limit = 4
	l = newLedger(t, nil, "s3")
	account := testAccount
	account.MaxAge = time.Hour
	for range 2 {
		if _, err := l.Mint(t.Context(), account, i, true); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := l.Mint(t.Context(), account, i, true); plugin.AsError(err).Code != plugin.Denied {
		t.Error(err)
	}
	wantKeys(t, i, "key-1", "key-2")
	accounts, err := Accounts(t.Context(), l.State)
	if err != nil || len(accounts) != 1 || accounts[0].Intents != nil || len(accounts[0].Keys) != 2 {
		t.Errorf("%+v, %v", accounts, err)
	}
}

// A key that cannot be deleted does not block the profile.
func TestUndeletable(t *testing.T) {
	i := newIssuer()
	l := newLedger(t, nil, "s3")
	mint(t, l, i, false)
	mint(t, l, i, true)
	i.before = func(op string) {
		i.err = nil
		if op == "delete" {
			i.err = plugin.Errorf(plugin.Denied, "not allowed")
		}
	}
	if got := mint(t, l, i, true); got != "key-3" {
		t.Error(got)
	}
	if _, err := l.Collect(t.Context(), testAccount, i, false); err == nil ||
		!strings.Contains(err.Error(), "access key key-1: not allowed") {
		t.Error(err)
	}
	i.before, i.err = nil, nil
	if _, err := l.Collect(t.Context(), testAccount, i, false); err != nil {
		t.Error(err)
	}
	wantKeys(t, i, "key-3")
}

// The cache no longer hands out a key that is deleted or replaced, whichever process did
// so.
func TestGone(t *testing.T) {
	i := newIssuer()
	l := newLedger(t, nil, "s3")
	l.Cache = &Cache{Store: openTest(t), Warn: t.Logf}
	mint(t, l, i, false)
	keep(t, l.Cache, "key-1")
	func() {
		defer func() { recover() }()
		i.after = func(op string) {
			if op == "create" {
				panic(errKilled)
			}
		}
		l.Mint(t.Context(), testAccount, i, true) // key-2 is made, but nobody receives it
	}()
	i.after = nil
	next := newLedger(t, nil, "other")
	copyDir(t, l.State.Path(), next.State.Path())
	next.Cache = l.Cache
	mint(t, next, i, false)
	if l.Cache.holds(t.Context(), "key-1") {
		t.Error("key-1 was replaced, but is still handed out")
	}
	owner := newLedger(t, next.State.(*Dir), "s3")
	if got := mint(t, owner, i, false); got != "key-2" {
		t.Errorf("the owner gets %s", got)
	}
}

// keep puts the access key with this id into c.
func keep(t *testing.T, c *Cache, id string) {
	key := newKey(c.Pepper, []plugin.Input{{Name: "id", Value: id}}, nil)
	cred := &plugin.Credential{AccessKey: id, SecretKey: plugin.NewSecret("secret of " + id)}
	if err := c.put(t.Context(), key, "", newEntry(Policy{}, key, cred, time.Now())); err != nil {
		t.Fatal(err)
	}
}

// onceTold is an issuer that lets keys expire and reveals a secret only once.
type onceTold struct {
	*issuer
	tags bool
	all  map[string]plugin.Mark
}

func newOnceTold(tags bool) *onceTold {
	return &onceTold{issuer: newIssuer(), tags: tags, all: map[string]plugin.Mark{}}
}

func (o *onceTold) List(ctx context.Context) (map[string]plugin.Mark, error) {
	keys, err := o.issuer.List(ctx)
	for id := range keys {
		keys[id] = o.all[id]
	}
	return keys, err
}

func (o *onceTold) Create(ctx context.Context, mark plugin.Mark) (*plugin.Credential, error) {
	id := fmt.Sprintf("key-%d", o.n+1)
	o.all[id] = plugin.Mark{Expires: mark.Expires}
	if o.tags {
		o.all[id] = mark
	}
	return o.issuer.Create(ctx, mark)
}

// Read hides issuer's method of that name, so that onceTold is not a [plugin.KeyReader].
func (o *onceTold) Read() {}

var expiring = plugin.Order{Issuer: "https://api/v1", Subject: "alice", Life: time.Hour, Tag: "jeton:"}

func mintExpiring(t *testing.T, l *Ledger, o *onceTold, replace bool) *plugin.Credential {
	t.Helper()
	c, err := l.Mint(t.Context(), expiring, o, replace)
	if err != nil {
		t.Fatal(err)
	}
	if l.Cache != nil {
		keep(t, l.Cache, c.AccessKey)
	}
	if err := l.Stored(t.Context(), c, nil); err != nil {
		t.Fatal(err)
	}
	return c
}

// A key that expires is replaced by each call. It is deleted when it has expired, or at
// once if it was replaced on purpose.
func TestExpiring(t *testing.T) {
	o := newOnceTold(true)
	l := newLedger(t, nil, "osc")
	c := mintExpiring(t, l, o, false)
	if c.AccessKey != "key-1" || c.Expires.Sub(c.Issued) > time.Hour || c.Expires.Sub(c.Issued) < 59*time.Minute ||
		c.Expires.Nanosecond() != 0 || !c.Expires.Equal(o.all["key-1"].Expires) ||
		!strings.HasPrefix(o.all["key-1"].Tag, "jeton:") {
		t.Errorf("%+v, marked %+v", c, o.all["key-1"])
	}
	mintExpiring(t, l, o, false)
	mintExpiring(t, l, o, true)
	wantKeys(t, o.issuer, "key-1", "key-2", "key-3")
	mintExpiring(t, l, o, false) // key-2 goes; holders of key-1 and key-3 were promised an hour
	wantKeys(t, o.issuer, "key-1", "key-3", "key-4")
	l.each(t.Context(), func(m *Minted) bool {
		m.Expires = m.Expires.Add(-2 * time.Hour)
		m.DeleteAfter = m.Expires
		return true
	})
	if ids, err := l.Collect(t.Context(), expiring, o, false); err != nil || len(ids) != 3 {
		t.Errorf("%v, %v", ids, err)
	}
	wantKeys(t, o.issuer)
	l.Unkept = true
	if _, err := l.Mint(t.Context(), expiring, o, false); plugin.AsError(err).Code != plugin.Config {
		t.Error(err)
	}
	wantKeys(t, o.issuer)
}

// A key made by a killed process is found by its tag, or by its expiry if the issuer
// knows no tags, and deleted. Somebody else's key with neither is left alone, even if it
// appeared at the same time.
func TestExpiringKilled(t *testing.T) {
	for _, tags := range []bool{true, false} {
		o := newOnceTold(tags)
		l := newLedger(t, nil, "osc")
		l.Cache = &Cache{Store: openTest(t), Warn: t.Logf}
		mintExpiring(t, l, o, false)
		func() {
			defer func() { recover() }()
			o.after = func(op string) {
				if op == "create" {
					panic(errKilled)
				}
			}
			l.Mint(t.Context(), expiring, o, false)
		}()
		o.after = nil
		o.keys = append(o.keys, "theirs", "tagged")
		o.all["theirs"] = plugin.Mark{Expires: o.all["key-2"].Expires.Add(time.Second)}
		o.all["tagged"] = plugin.Mark{Expires: o.all["key-2"].Expires, Tag: "jeton:other"}
		next := newLedger(t, nil, "osc")
		next.Cache = l.Cache
		copyDir(t, l.State.Path(), next.State.Path())
		if c := mintExpiring(t, next, o, false); c.AccessKey != "key-3" {
			t.Error(c)
		}
		wantKeys(t, o.issuer, "key-1", "theirs", "tagged", "key-3")
	}
}

// A user who logs in with a new key still finds the keys made with the former login.
func TestOtherLogin(t *testing.T) {
	o := newOnceTold(true)
	l := newLedger(t, nil, "osc")
	mintExpiring(t, l, o, false)
	mint(t, newLedger(t, l.State.(*Dir), "other"), newIssuer(), false) // another issuer's key-1
	again := expiring
	again.Subject = "alice's other key"
	if _, err := l.Mint(t.Context(), again, o, true); err != nil {
		t.Fatal(err)
	}
	if ids, err := l.Collect(t.Context(), again, o, true); err != nil ||
		!slices.Equal(ids, []string{"key-1", "key-2"}) {
		t.Errorf("%v, %v", ids, err)
	}
	wantKeys(t, o.issuer)
	if accounts, err := Accounts(t.Context(), l.State); err != nil || len(accounts) != 1 {
		t.Errorf("%+v, %v", accounts, err)
	}
}

// A key that was made and recorded, but never handed out, belongs to nobody.
func TestLostKey(t *testing.T) {
	o := newOnceTold(true)
	l := newLedger(t, nil, "osc")
	l.Cache = &Cache{Store: openTest(t), Warn: t.Logf}
	if _, err := l.Mint(t.Context(), expiring, o, false); err != nil { // killed before the key was kept
		t.Fatal(err)
	}
	mintExpiring(t, l, o, false)
	if _, err := l.Collect(t.Context(), expiring, o, false); err != nil {
		t.Fatal(err)
	}
	wantKeys(t, o.issuer, "key-2")
	if _, err := l.Mint(t.Context(), expiring, o, true); err != nil {
		t.Fatal(err)
	}
	l.Collect(t.Context(), expiring, o, false)
	wantKeys(t, o.issuer, "key-3") // its maker may be about to keep it
	l.each(t.Context(), func(m *Minted) bool { m.Created = m.Created.Add(-2 * settleAfter); return true })
	l.Collect(t.Context(), expiring, o, false)
	wantKeys(t, o.issuer)
}

// A request that was given up may still be carried out. Its key is found later, and
// nobody has it.
func TestLateKey(t *testing.T) {
	i := newIssuer()
	l := newLedger(t, nil, "s3")
	i.before = func(op string) {
		i.err = nil
		if op == "create" {
			i.err = plugin.Errorf(plugin.Network, "no answer in time")
		}
	}
	if _, err := l.Mint(t.Context(), testAccount, i, false); err == nil {
		t.Fatal("no error")
	}
	i.before, i.err = nil, nil
	if got := mint(t, l, i, false); got != "key-1" {
		t.Error(got)
	}
	i.keys = append(i.keys, "late")
	if got := mint(t, l, i, false); got != "key-1" && got != "late" {
		t.Error(got)
	}
	if _, err := l.Collect(t.Context(), testAccount, i, false); err != nil {
		t.Fatal(err)
	}
	if len(i.keys) != 3 {
		t.Errorf("the issuer has %v", i.keys)
	}
	if _, err := l.Collect(t.Context(), testAccount, i, true); err != nil {
		t.Fatal(err)
	}
	wantKeys(t, i)
}

// A key that is due is no longer handed out. That holds even if the process is killed
// before the new key, or the news that there is none, reaches the cache.
func TestDueIsForgotten(t *testing.T) {
	for name, step := range map[string]func(l *Ledger, i *issuer) error{
		"replaced": func(l *Ledger, i *issuer) error {
			_, err := l.Mint(t.Context(), testAccount, i, true)
			return err
		},
		"rejected": func(l *Ledger, _ *issuer) error { return l.Unwant(t.Context(), "") },
		"logged out": func(l *Ledger, i *issuer) error {
			i.err = errors.New("unreachable")
			if _, err := l.Collect(t.Context(), testAccount, i, true); err == nil {
				return errors.New("it was deleted")
			}
			return nil
		},
	} {
		i, l := newIssuer(), newLedger(t, nil, "p")
		l.Cache = &Cache{Store: openTest(t), Warn: t.Logf}
		keep(t, l.Cache, mint(t, l, i, false))
		if err := step(l, i); err != nil {
			t.Fatal(err)
		}
		if l.Cache.holds(t.Context(), "key-1") {
			t.Errorf("%s, but still handed out", name)
		}
	}
}

// A key that was leaving when a process was killed stays if the cache has not yet removed
// it, and is deleted otherwise. There is no third case.
func TestLeaving(t *testing.T) {
	for _, forgotten := range []bool{false, true} {
		o, l := newOnceTold(true), newLedger(t, nil, "osc")
		l.Cache = &Cache{Store: openTest(t), Warn: t.Logf}
		mintExpiring(t, l, o, false)
		func() {
			defer func() { recover() }()
			o.before = func(op string) {
				if op == "create" {
					panic(errKilled)
				}
			}
			l.Mint(t.Context(), expiring, o, true)
		}()
		o.before = nil
		if forgotten {
			l.gone(t.Context(), []string{"key-1"})
		}
		next := newLedger(t, nil, "osc")
		copyDir(t, l.State.Path(), next.State.Path())
		next.Cache = l.Cache
		if due, err := next.Has(t.Context(), true); err != nil || !due {
			t.Errorf("gc would not visit the account: %v", err)
		}
		if _, err := next.Collect(t.Context(), expiring, o, false); err != nil {
			t.Fatal(err)
		}
		if forgotten {
			wantKeys(t, o.issuer)
		} else {
			wantKeys(t, o.issuer, "key-1")
			mintExpiring(t, next, o, false)
			wantKeys(t, o.issuer, "key-1", "key-2") // replaced like any other key that somebody holds
		}
	}
}

// A cache does not settle the keys that another cache was about to remove. If no new key
// could be made, no key is leaving.
func TestLeavingElsewhere(t *testing.T) {
	for _, test := range []string{"killed", "full"} {
		o, l := newOnceTold(true), newLedger(t, nil, "osc")
		l.Cache = &Cache{Store: openTest(t), Warn: t.Logf}
		mintExpiring(t, l, o, false)
		func() {
			defer func() { recover() }()
			if test == "full" {
				o.limit = len(o.keys)
			} else {
				o.before = func(op string) {
					if op == "create" {
						panic(errKilled)
					}
				}
			}
			if _, err := l.Mint(t.Context(), expiring, o, true); err == nil {
				t.Error("a key was made")
			}
		}()
		o.before, o.limit = nil, 100
		next := newLedger(t, nil, "osc")
		copyDir(t, l.State.Path(), next.State.Path())
		next.Cache = &Cache{Store: openTest(t), Warn: t.Logf}
		if _, err := next.Collect(t.Context(), expiring, o, false); err != nil {
			t.Fatal(err)
		}
		wantKeys(t, o.issuer, "key-1")
	}
}

// No two users of an issuer have keys that expire in the same second. Without tags, a key
// that one of them was about to make would be taken for the other's.
func TestOwnExpiry(t *testing.T) {
	l := newLedger(t, nil, "osc")
	seen := map[time.Time]bool{}
	for n := range 20 {
		o, at := newOnceTold(false), expiring
		at.Subject, at.Life = fmt.Sprint(n), time.Minute // a choice of two seconds
		o.before = func(op string) {
			if o.err = nil; op == "create" && n%2 == 0 {
				o.err = plugin.Errorf(plugin.Network, "no answer in time")
			}
		}
		l.Mint(t.Context(), at, o, false)
		expires := o.all["key-1"].Expires
		if expires.IsZero() || seen[expires] {
			t.Errorf("user %d: another key also expires at %s", n, expires)
		}
		seen[expires] = true
	}
}

// A profile that was edited to another project leaves no key behind, unless it stands for
// whatever is in the environment.
func TestMoved(t *testing.T) {
	for _, roaming := range []bool{false, true} {
		i := newIssuer()
		l := newLedger(t, nil, "s3")
		l.Roaming = roaming
		mint(t, l, i, false)
		elsewhere := testAccount
		elsewhere.Scope = "ops"
		if _, err := l.Mint(t.Context(), elsewhere, i, false); err != nil {
			t.Fatal(err)
		}
		if _, err := l.Collect(t.Context(), elsewhere, i, false); err != nil {
			t.Fatal(err)
		}
		wantKeys(t, i, "key-1", "key-2") // a user of the former key has an hour
		accounts, err := Accounts(t.Context(), l.State)
		if err != nil {
			t.Fatal(err)
		}
		former := accounts[0].Keys[0]
		if former.Unwanted == roaming || !roaming && time.Until(former.DeleteAfter) < 59*time.Minute {
			t.Errorf("roaming %v: the former key is %+v", roaming, former)
		}
	}
}

// Without a ledger, the issuer is asked for nothing.
func TestNoLedger(t *testing.T) {
	i := newIssuer()
	l := &Ledger{Why: errors.New("read-only")}
	if _, err := l.Mint(t.Context(), testAccount, i, false); plugin.AsError(err).Code != plugin.Config {
		t.Error(err)
	}
	l = newLedger(t, nil, "s3")
	mint(t, l, i, false)
	if err := os.WriteFile(filepath.Join(l.State.Path(), accountName(testAccount.Issuer, testAccount.Subject)),
		[]byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Mint(t.Context(), testAccount, i, true); plugin.AsError(err).Code != plugin.Config {
		t.Error(err)
	}
	wantKeys(t, i, "key-1")
}
