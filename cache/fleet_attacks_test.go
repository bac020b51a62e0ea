package cache

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jeton-cli/jeton/plugin"
)

// namedOptions are those of a profile whose token says with what secret, and from what, it
// was obtained.
type namedOptions struct {
	Name    string           `yaml:"name"`
	Secret  plugin.SecretRef `yaml:"secret"`
	CA      plugin.Path      `yaml:"ca"`
	made    *int
	revoked *[]string
}

func (*namedOptions) Complete(*plugin.Common) error          { return nil }
func (o *namedOptions) Source(env *plugin.Env) plugin.Source { return namedSource{o, env} }

type namedSource struct {
	o   *namedOptions
	env *plugin.Env
}

func (s namedSource) Fetch(ctx context.Context, _ *plugin.Credential) (*plugin.Credential, error) {
	text := ""
	if s.env.From != nil {
		c, err := s.env.From(ctx, false)
		if err != nil {
			return nil, err
		}
		text = "of-" + c.Token.Reveal()
	} else {
		secret, err := s.o.Secret.ResolveAs(ctx, "secret", s.env)
		if err != nil {
			return nil, err
		}
		text = secret.Reveal()
	}
	if s.o.made != nil {
		*s.o.made++
		text += fmt.Sprint("-", *s.o.made)
	}
	now := time.Now()
	c := &plugin.Credential{Token: plugin.NewSecret(text), Issued: now, Expires: now.Add(time.Hour),
		Attrs: map[string]string{}}
	if s.o.CA != "" {
		c.Attrs["cacert"] = string(s.o.CA)
	}
	return c, nil
}

func (s namedSource) Revoke(_ context.Context, c *plugin.Credential) error {
	if c != nil && s.o.revoked != nil {
		*s.o.revoked = append(*s.o.revoked, c.Token.Reveal())
	}
	return nil
}

func named(name string, o *namedOptions, below *plugin.Profile) *plugin.Profile {
	o.Name = name
	return &plugin.Profile{Name: name, Issuer: officeIssuer, Options: o, Base: below}
}

// printed is a secret that a program prints, and a function that changes it.
func printed(t *testing.T, text string) (plugin.SecretRef, func(string)) {
	t.Helper()
	value, program := filepath.Join(t.TempDir(), "value"), filepath.Join(t.TempDir(), "program")
	set := func(text string) {
		if err := os.WriteFile(value, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	set(text)
	if err := os.WriteFile(program, []byte("#!/bin/sh\ncat "+value+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	return plugin.CommandSecret([]string{program}), set
}

func literal(s string) plugin.SecretRef { return plugin.LiteralSecret(plugin.NewSecret(s)) }

// What is kept of a profile below can be of a secret that has changed since. What is made of
// it is not shared as that of the new secret.
func TestFleetOutdatedBelow(t *testing.T) {
	t.Parallel()
	config := sharedAt(startRedis(t).Address)
	secret, set := printed(t, "alice")
	lower := named("lower", &namedOptions{Secret: secret}, nil)
	upper := named("upper", &namedOptions{}, lower)
	a := newDirHost(t, config)
	token(t, a, lower, Need{})
	set("bob")
	if got := token(t, a.process(), upper, Need{}); got != "of-alice" {
		t.Errorf("the host itself got %s", got)
	}
	another, _ := printed(t, "bob")
	b := newDirHost(t, config)
	if got := token(t, b, named("upper", &namedOptions{}, named("lower", &namedOptions{Secret: another}, nil)),
		Need{}); got != "of-bob" {
		t.Errorf("a host that has had only bob got %s", got)
	}
}

// answers has a host's calls answered by the model, as change changes the answers.
func answers(h *host, m *model, change func(words []string, list []any, err error) ([]any, error)) {
	h.fleet().send = func(ctx context.Context, words ...string) (any, error) {
		answer, err := m.do(ctx, words...)
		list, ok := answer.([]any)
		if !ok {
			list = []any{answer}
		}
		list, err = change(words, slices.Clone(list), err)
		if err != nil {
			return nil, err
		}
		if ok {
			return list, nil
		}
		return list[0], nil
	}
}

// A hostile server can say what it likes: no command fails by it, and nothing that has ended
// is handed out.
func TestFleetHostileServer(t *testing.T) {
	t.Parallel()
	for name, lie := range map[string]func() func(words []string, list []any, err error) ([]any, error){
		"another generation each time": func() func([]string, []any, error) ([]any, error) {
			n := 0
			return func(words []string, list []any, err error) ([]any, error) {
				if n++; words[1] == scriptLook {
					list[0], list[1], list[2] = "0", fmt.Sprint(n), "garbage"
				}
				return list, err
			}
		},
		"always led": func() func([]string, []any, error) ([]any, error) {
			return func(words []string, list []any, err error) ([]any, error) {
				if words[1] == scriptLook {
					list[0], list[4] = "0", "somebody"
				}
				return list, err
			}
		},
		"no number": func() func([]string, []any, error) ([]any, error) {
			return func(words []string, list []any, err error) ([]any, error) {
				if words[1] == scriptLook {
					list[0] = "0"
				}
				return list, err
			}
		},
		"too short": func() func([]string, []any, error) ([]any, error) {
			return func(_ []string, list []any, err error) ([]any, error) { return list[:0], err }
		},
		"other types": func() func([]string, []any, error) ([]any, error) {
			return func(_ []string, list []any, err error) ([]any, error) {
				for i := range list {
					list[i] = []any{int64(i), nil}
				}
				return list, err
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := &office{life: time.Hour}
			h := newDirHost(t, sharedAt("127.0.0.1:1"))
			change := lie()
			answers(h, newModel(), func(words []string, list []any, err error) (l []any, e error) {
				defer func() { // a list that is too short for the lie
					if recover() != nil {
						l, e = list, err
					}
				}()
				return change(words, list, err)
			})
			begun := time.Now()
			token(t, h, o.profile("a"), Need{})
			if took := time.Since(begun); took > followLimit+time.Second {
				t.Errorf("it took %s", took)
			}
		})
	}
}

// A server that lies about the time cannot have an old value or an old refusal taken.
func TestFleetLyingClock(t *testing.T) {
	t.Parallel()
	m, config := newModel(), sharedAt("127.0.0.1:1")
	o := &office{life: 2 * time.Second}
	lie, old, refusal := time.Duration(0), []any(nil), ""
	fetch := func() (string, error) {
		h := newDirHost(t, config)
		answers(h, m, func(words []string, list []any, err error) ([]any, error) {
			if words[1] == scriptEnd && words[9] != "" {
				refusal = words[9]
			}
			if words[1] != scriptLook {
				return list, err
			}
			if old == nil && list[2] != "" {
				old = list
			}
			if lie != 0 {
				list[5] = formatNumber(time.Now().Add(lie).Unix())
				if old != nil {
					list[0], list[1], list[2] = "0", old[1], old[2]
				}
				if refusal != "" {
					list[0], list[3] = "0", refusal
				}
			}
			return list, err
		})
		c, err := h.FetchAlone(t.Context(), o.profile("a"), Need{})
		if err != nil {
			return "", err
		}
		return c.Token.Reveal(), nil
	}
	first, _ := fetch()
	fetch() // sees it
	time.Sleep(o.life + 100*time.Millisecond)
	for _, lie = range lies(-3*time.Second, 3*time.Second, -time.Hour) {
		if got, err := fetch(); err != nil || got == first {
			t.Errorf("%s: got %s, %v", lie, got, err)
		}
	}
	lie, old = 0, []any{"0", "0", "", "", "", "", ""}
	o.err = func() error { return plugin.Errorf(plugin.Later, "too many").RememberFor(time.Second) }
	m.slots = map[string]*modelSlot{}
	fetch()
	o.err = nil
	time.Sleep(2 * time.Second)
	for _, lie = range lies(-2*time.Second, 2*time.Second) {
		if _, err := fetch(); err != nil {
			t.Errorf("an old refusal, %s: %v", lie, err)
		}
	}
}

// --refresh does not take what another host has fetched before, even if that host's clock is
// ahead by less than a second.
func TestFleetRefreshIsExact(t *testing.T) {
	m, config := newModel(), sharedAt("127.0.0.1:1")
	o := &office{life: time.Hour}
	host := func(ahead time.Duration) *host {
		h := newDirHost(t, config)
		answers(h, m, func(words []string, list []any, err error) ([]any, error) {
			if words[1] == scriptLook {
				now := time.Now().Add(ahead)
				list[5], list[6] = formatNumber(now.Unix()), formatNumber(int64(now.Nanosecond()/1000))
			}
			return list, err
		})
		return h
	}
	first := token(t, host(-600*time.Millisecond), o.profile("a"), Need{})
	if got := token(t, host(0), o.profile("a"), Need{Since: time.Now().Add(-300 * time.Millisecond)}); got == first {
		t.Error("it was fetched before")
	}
	second := token(t, host(0), o.profile("a"), Need{})
	if got := token(t, host(0), o.profile("a"), Need{Since: time.Now().Add(-time.Second)}); got != second {
		t.Errorf("what was fetched since is fetched again: %s, %s", second, got)
	}
}

// lies returns all of them in make test, and else the first.
func lies(all ...time.Duration) []time.Duration {
	if os.Getenv("JETON_TEST_CLOUD") == "" {
		return all[:1]
	}
	return all
}

// What was rejected on a host does not come back to it by another way.
func TestFleetRejectedStays(t *testing.T) {
	t.Parallel()
	server := startRedis(t)
	o := &office{life: time.Hour}
	former := sharedAt(server.Address)
	both := *former
	both.Key, both.OldKey = newSharedKey(), former.Key
	a := newDirHost(t, former)
	bad := token(t, a, o.profile("a"), Need{})
	if err := a.process().Reject(t.Context(), nil, o.profile("a"), ""); err != nil {
		t.Fatal(err)
	}
	token(t, newDirHost(t, &both), o.profile("a"), Need{}) // moves it below the new key
	if got := token(t, newHost(a.Store, &both, string(a.Pepper)), o.profile("a"), Need{}); got == bad {
		t.Error("it is back by way of the former key")
	}
	b := newDirHost(t, former)
	bad = token(t, b, o.profile("b"), Need{})
	if err := errors.Join(b.process().Reject(t.Context(), nil, o.profile("b"), ""),
		b.process().Clear(t.Context())); err != nil {
		t.Fatal(err)
	}
	if got := token(t, b.process(), o.profile("b"), Need{}); got == bad {
		t.Error("it is back after all was cleared")
	}
}

// A logout of the fleet revokes what the fleet has, whoever does it; a host that does not
// know whether its value was put leaves it to the others.
func TestFleetRevokes(t *testing.T) {
	t.Parallel()
	config := sharedAt(startRedis(t).Address)
	made, revoked := 0, []string{}
	lower := named("lower", &namedOptions{Secret: literal("x"), made: &made, revoked: &revoked}, nil)
	upper := named("upper", &namedOptions{revoked: &revoked}, lower)
	a := newDirHost(t, config)
	had := token(t, a, lower, Need{})
	cold := newDirHost(t, config)
	if err := errors.Join(cold.ForFleet(), cold.Logout(t.Context(), &plugin.File{}, lower)); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(revoked, []string{had}) {
		t.Errorf("revoked were %v, not %s", revoked, had)
	}
	above := token(t, a.process(), upper, Need{Since: time.Now()})
	if err := a.process().Logout(t.Context(), &plugin.File{}, upper); err != nil {
		t.Fatal(err)
	}
	if slices.Contains(revoked, above) {
		t.Error("a logout of one host revoked what others have")
	}

	m, elsewhere := newModel(), sharedAt("127.0.0.1:1")
	lost := newDirHost(t, elsewhere)
	answers(lost, m, func(words []string, list []any, err error) ([]any, error) {
		if words[1] == scriptPut {
			return nil, errors.New("the answer is lost")
		}
		return list, err
	})
	token(t, lost, lower, Need{})
	b := newDirHost(t, elsewhere)
	b.fleet().send = m.do
	got := token(t, b, lower, Need{})
	if err := lost.process().Logout(t.Context(), &plugin.File{}, lower); err != nil {
		t.Fatal(err)
	}
	if slices.Contains(revoked, got) {
		t.Error("a logout of one host revoked what another had taken")
	}
}

// A path is the host's own, also if the hosts have a secret in different places.
func TestFleetPaths(t *testing.T) {
	t.Parallel()
	config := sharedAt(startRedis(t).Address)
	write := func(text string) string {
		path := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	secret, _ := printed(t, "password")
	for _, ref := range []plugin.SecretRef{secret, plugin.FileSecret(write("password")), literal("password")} {
		ca := write("authorities")
		p := named("p", &namedOptions{Secret: ref, CA: plugin.Path(ca)}, nil)
		c, err := newDirHost(t, config).FetchAlone(t.Context(), p, Need{})
		if err != nil || c.Attrs["cacert"] != ca {
			t.Errorf("%v: %v, not %s", err, c.Attrs, ca)
		}
	}
}

// tagged are the keys of an issuer, by id.
type tagged map[string]plugin.Mark

func (k tagged) List(context.Context) (map[string]plugin.Mark, error) { return k, nil }
func (k tagged) Delete(_ context.Context, id string) error            { delete(k, id); return nil }
func (k tagged) Create(_ context.Context, m plugin.Mark) (*plugin.Credential, error) {
	id := fmt.Sprint("AK", len(m.Tag), m.Expires.UnixNano(), len(k))
	k[id] = m
	return &plugin.Credential{AccessKey: id, SecretKey: plugin.NewSecret("s"), Expires: m.Expires}, nil
}

// A host whose clock is ahead does not take the keys of others for ended.
func TestFleetKeysOfOthers(t *testing.T) {
	t.Parallel()
	config := sharedAt(startRedis(t).Address)
	p := (&office{}).profile("m")
	p.Issuer = &plugin.Issuer{Name: "office", Mints: true, Marks: true}
	keys := tagged{}
	order := plugin.Order{Issuer: "i", Subject: "s", Life: time.Hour, Tag: "jeton-"}
	host := func() *host {
		h := newDirHost(t, config)
		d, err := OpenDir(filepath.Join(t.TempDir(), "state"))
		if err != nil {
			t.Fatal(err)
		}
		h.State = d
		return h
	}
	a := host()
	c, err := a.ledger(p).Mint(t.Context(), order, keys, false)
	if err != nil {
		t.Fatal(err)
	}
	account := &Account{Issuer: "i", Subject: "s"}
	l := host().ledger(p)
	due := l.adopt(t.Context(), account, time.Now().Add(2*time.Hour), true)
	if len(account.Keys) > 0 || time.Until(due) > time.Minute {
		t.Errorf("a host whose clock is ahead adopts %v, by %s", account.Keys, due)
	}
	// When it has ended by both clocks, any host deletes it.
	ended := Minted{ID: "gone", Tag: "jeton-gone", Expires: time.Now().Add(-time.Hour), Profile: "m"}
	keys["gone"] = plugin.Mark{Tag: ended.Tag}
	if !a.records(p).keep(t.Context(), account, ended) {
		t.Fatal("it was not recorded")
	}
	if ids, err := l.Collect(t.Context(), order, keys, false); err != nil || !slices.Equal(ids, []string{"gone"}) {
		t.Errorf("deleted were %v, %v", ids, err)
	}
	if _, ok := keys[c.AccessKey]; !ok {
		t.Error("the key of another host was deleted")
	}
	known, _ := a.records(p).all(t.Context(), account, true)
	if len(known) != 1 || known[0].ID != c.AccessKey {
		t.Errorf("recorded is %v", known)
	}
	// The fleet logs out.
	all := host()
	if err := all.ForFleet(); err != nil {
		t.Fatal(err)
	}
	ids, err := all.ledger(p).Collect(t.Context(), order, keys, true)
	if err != nil || len(ids) != 1 || len(keys) != 0 {
		t.Errorf("deleted were %v, %v", ids, err)
	}
}

// Programs that hang do not make a command fail that has no need of them.
func TestFleetHangingPrograms(t *testing.T) {
	t.Parallel()
	server := startRedis(t)
	o := &office{life: time.Hour}
	hang := plugin.CommandSecret([]string{"sleep", "60"})
	config := sharedAt(server.Address)
	config.Key = hang
	h := newDirHost(t, config)
	for i, limit := range []time.Duration{secretsLimit + time.Second, time.Second} {
		begun := time.Now()
		token(t, h.process(), o.profile(fmt.Sprint(i)), Need{})
		if took := time.Since(begun); took > limit {
			t.Errorf("%d: it took %s", i, took)
		}
	}
	if s := h.process().FleetState(t.Context()); !strings.Contains(s.Trouble, "sleep") {
		t.Errorf("%+v", s)
	}
}
