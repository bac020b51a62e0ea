package cache

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/zalando/go-keyring"

	"github.com/jeton-cli/jeton/plugin"
)

// personOptions are those of a profile without options.
type personOptions struct {
	Account string `yaml:"account"`
}

func (*personOptions) Complete(*plugin.Common) error    { return nil }
func (*personOptions) Source(*plugin.Env) plugin.Source { return nil }

// A wallet is where the tests keep grants: one state directory with one keyring.
type wallet struct {
	t      *testing.T
	path   string
	warned bytes.Buffer
}

// newWallet returns an empty wallet, and an empty keyring for it.
func newWallet(t *testing.T) *wallet {
	keyring.MockInit()
	return &wallet{t: t, path: filepath.Join(t.TempDir(), "state")}
}

// of returns the grants of an account as a process of its own sees them.
func (w *wallet) of(account string) *grants {
	w.t.Helper()
	d, err := OpenDir(w.path)
	if err != nil {
		w.t.Fatal(err)
	}
	c, _ := newCache(&Memory{})
	world := World{
		Getenv: func(name string) string {
			if name == "DBUS_SESSION_BUS_ADDRESS" {
				return "unix:path=/nowhere" // the keyring is in memory
			}
			return ""
		},
		Warn: func(format string, args ...any) { fmt.Fprintf(&w.warned, format+"\n", args...) },
	}
	return &grants{session: &Session{Cache: c, World: world, State: d}, used: new(bool),
		profile: &plugin.Profile{Name: "p", Issuer: &plugin.Issuer{Name: "x"}, Options: &personOptions{account}}}
}

const canary = "CANARYabcdefgh0123456789-refresh/token+xyz"

func refreshing(token string) *plugin.Grant {
	return &plugin.Grant{RefreshToken: plugin.NewSecret(token), Subject: "alice",
		ProofKey: plugin.NewSecret("PROOFKEY-of-alice")}
}

// keep keeps a grant.
func (g *grants) keep(t *testing.T, where string, kept *plugin.Grant) {
	t.Helper()
	err := g.Update(t.Context(), where, func(*plugin.Grant) (*plugin.Grant, error) { return kept, nil })
	if err != nil {
		t.Fatal(err)
	}
}

// kept returns the grant that is kept.
func (g *grants) kept(t *testing.T) (kept *plugin.Grant) {
	t.Helper()
	if err := g.Update(t.Context(), "sealed", func(g *plugin.Grant) (*plugin.Grant, error) {
		kept = g
		return g, nil
	}); err != nil {
		t.Fatal(err)
	}
	return kept
}

// files returns the paths of the grants on disk.
func (w *wallet) files() (paths []string) {
	all, _ := filepath.Glob(filepath.Join(w.path, grantPrefix+"*"))
	return slices.DeleteFunc(all, func(path string) bool { return strings.HasSuffix(path, lockSuffix) })
}

// encodings returns a text as it is, in hex, and in base64 wherever it begins.
func encodings(text string) (all []string) {
	all = []string{text, hex.EncodeToString([]byte(text))}
	for shift := range 3 {
		b := base64.RawStdEncoding.EncodeToString([]byte(strings.Repeat("_", shift) + text))
		all = append(all, b[(shift*8+5)/6:len(b)-1]) // what the neighbours do not change
	}
	return all
}

// A sealed grant shows no part of a secret on disk. Only with refresh_store: file does it.
func TestGrantSealed(t *testing.T) {
	for where, sealed := range map[string]bool{"sealed": true, "": true, "file": false} {
		w := newWallet(t)
		g := w.of("a")
		g.keep(t, where, refreshing(canary))
		if kept := w.of("a").kept(t); kept == nil || kept.RefreshToken.Reveal() != canary || kept.Subject != "alice" ||
			kept.ProofKey.Reveal() != "PROOFKEY-of-alice" {
			t.Errorf("%q: %+v", where, kept)
		}
		if len(w.files()) != 1 {
			t.Fatalf("%q: %v", where, w.files())
		}
		b, err := os.ReadFile(w.files()[0])
		if err != nil {
			t.Fatal(err)
		}
		text, seen := string(b), 0
		if _, body, ok := strings.Cut(text, `"body":"`); ok { // what its base64 stands for
			decoded, _ := base64.StdEncoding.DecodeString(strings.TrimRight(body, "\"}\n"))
			text += string(decoded)
		}
		for _, secret := range []string{canary, "PROOFKEY-of-alice"} {
			for i := range len(secret) - 7 {
				for _, part := range encodings(secret[i : i+8]) {
					if strings.Contains(text, part) {
						seen++
					}
				}
			}
		}
		if sealed && seen > 0 || !sealed && seen < len(canary)-7 {
			t.Errorf("%q: %d parts of the secrets are in %s", where, seen, b)
		}
		if info, err := os.Stat(w.files()[0]); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%q: %v, %v", where, info.Mode(), err)
		}
	}
}

// Two grants are never sealed alike.
func TestGrantNonce(t *testing.T) {
	w := newWallet(t)
	g := w.of("a")
	seen := map[string]bool{}
	for range 3 {
		g.keep(t, "sealed", refreshing(canary))
		b, _ := os.ReadFile(w.files()[0])
		seen[string(b)] = true
	}
	if len(seen) != 3 {
		t.Errorf("%d of 3 differ", len(seen))
	}
}

// A grant that was moved or altered is not read. The person logs in again, and nothing
// fails.
func TestGrantDamaged(t *testing.T) {
	w := newWallet(t)
	g, other := w.of("a"), w.of("b")
	g.keep(t, "sealed", refreshing(canary))
	path := w.files()[0]
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	key, err := other.session.Key(other.profile)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(w.path, grantPrefix+key.Name), whole, 0o600); err != nil {
		t.Fatal(err)
	}
	if kept := other.kept(t); kept != nil {
		t.Errorf("the grant of another was read: %+v", kept)
	}
	start := bytes.Index(whole, []byte(`"body":"`)) + len(`"body":"`)
	for i := start; i < len(whole)-4; i++ {
		changed := bytes.Clone(whole)
		if changed[i] == 'A' {
			changed[i] = 'B'
		} else {
			changed[i] = 'A'
		}
		if err := os.WriteFile(path, changed, 0o600); err != nil {
			t.Fatal(err)
		}
		if kept := g.kept(t); kept != nil {
			t.Errorf("read in spite of its byte %d: %+v", i, kept)
		}
	}
	if err := os.WriteFile(path, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	if g.kept(t) == nil {
		t.Error("the whole grant is not read")
	}
}

// Without its key, a grant is as if it were not there, until the next login.
func TestGrantKeyLost(t *testing.T) {
	w := newWallet(t)
	g := w.of("a")
	g.keep(t, "sealed", refreshing(canary))
	keyring.MockInit() // empty
	if kept := g.kept(t); kept != nil {
		t.Errorf("%+v", kept)
	}
	other := w.of("b")
	other.keep(t, "sealed", refreshing("other")) // makes another key
	if kept := g.kept(t); kept != nil {
		t.Errorf("%+v", kept)
	}
	g.keep(t, "sealed", refreshing("new"))
	if kept := g.kept(t); kept == nil || kept.RefreshToken.Reveal() != "new" {
		t.Errorf("%+v", kept)
	}
	if kept := other.kept(t); kept == nil {
		t.Error("the key of another grant was replaced")
	}
}

// A keyring that is locked is an error, and nobody asks the person for a login. Its key is
// not replaced.
func TestGrantKeyringLocked(t *testing.T) {
	w := newWallet(t)
	g := w.of("a")
	g.keep(t, "sealed", refreshing(canary))
	before, _ := os.ReadFile(w.files()[0])
	keyring.MockInitWithError(errors.New("it is locked"))
	defer keyring.MockInit()
	err := g.Update(t.Context(), "sealed", func(*plugin.Grant) (*plugin.Grant, error) {
		t.Error("it was used")
		return nil, nil
	})
	if err == nil || errors.Is(err, plugin.ErrPerson) || plugin.AsError(err).Remember != 0 {
		t.Error(err)
	}
	if after, _ := os.ReadFile(w.files()[0]); !bytes.Equal(before, after) {
		t.Error("the grant was changed")
	}
}

// refresh_store: none keeps nothing, and forgets what was kept. So does the end of a
// session.
func TestGrantForgotten(t *testing.T) {
	for name, forget := range map[string]func(g *grants){
		"none":   func(g *grants) { g.keep(t, "none", refreshing("new")) },
		"nil":    func(g *grants) { g.keep(t, "sealed", nil) },
		"absent": func(g *grants) { g.keep(t, "sealed", nil); g.keep(t, "none", refreshing("new")) },
	} {
		w := newWallet(t)
		g := w.of("a")
		g.keep(t, "file", refreshing(canary))
		forget(g)
		if kept := g.kept(t); kept != nil || len(w.files()) != 0 {
			t.Errorf("%s: %+v, %v", name, kept, w.files())
		}
	}
}

// The error of a use is returned, and what it wants kept is kept all the same.
func TestGrantWithError(t *testing.T) {
	w := newWallet(t)
	g := w.of("a")
	why := errors.New("why")
	if err := g.Update(t.Context(), "file", func(*plugin.Grant) (*plugin.Grant, error) {
		return refreshing("new"), why
	}); err != why {
		t.Error(err)
	}
	if kept := g.kept(t); kept == nil {
		t.Error("nothing is kept")
	}
}

// A grant that cannot be written does not leave its predecessor behind, whose refresh token
// may have been used up.
func TestGrantNotWritten(t *testing.T) {
	w := newWallet(t)
	g := w.of("a")
	g.keep(t, "file", refreshing("old"))
	path := w.files()[0]
	if err := os.MkdirAll(filepath.Join(path+tmpSuffix, "full"), 0o700); err != nil { // in the way of the new one
		t.Fatal(err)
	}
	g.keep(t, "file", refreshing("new"))
	if kept := g.kept(t); kept != nil {
		t.Errorf("%+v", kept)
	}
	if said := w.warned.String(); strings.Count(said, "\n") != 1 || !strings.Contains(said, "session is not kept") {
		t.Error(said)
	}
}

// However many processes refresh at once, each shows the token that the one before it has
// kept: none is shown twice.
func TestGrantExclusive(t *testing.T) {
	w := newWallet(t)
	w.of("a").keep(t, "sealed", refreshing("0"))
	const processes, each = 8, 5
	var wg sync.WaitGroup
	var mu sync.Mutex
	shown := map[string]int{}
	for range processes {
		g := w.of("a")
		wg.Go(func() {
			for range each {
				if err := g.Update(t.Context(), "sealed", func(old *plugin.Grant) (*plugin.Grant, error) {
					if old == nil {
						t.Error("nothing is kept")
						return nil, nil
					}
					mu.Lock()
					defer mu.Unlock()
					shown[old.RefreshToken.Reveal()]++
					return refreshing(fmt.Sprint(len(shown))), nil
				}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if kept := w.of("a").kept(t); len(shown) != processes*each || kept.RefreshToken.Reveal() != fmt.Sprint(len(shown)) {
		t.Errorf("%d tokens were shown, and %v is kept", len(shown), kept)
	}
}

// Who cannot get the lock does not use the session.
func TestGrantBusy(t *testing.T) {
	w := newWallet(t)
	g := w.of("a")
	g.keep(t, "file", refreshing(canary))
	entered, leave, left := make(chan struct{}), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(left)
		w.of("a").Update(context.Background(), "file", func(g *plugin.Grant) (*plugin.Grant, error) {
			close(entered)
			<-leave
			return g, nil
		})
	}()
	<-entered
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := g.Update(ctx, "file", func(*plugin.Grant) (*plugin.Grant, error) {
		t.Error("it was used by two")
		return nil, nil
	})
	if err == nil || plugin.AsError(err).Code != plugin.Later {
		t.Error(err)
	}
	close(leave)
	<-left
	if kept := g.kept(t); kept == nil {
		t.Error("the grant is gone")
	}
}

// Without a state directory, nothing is kept.
func TestGrantStateless(t *testing.T) {
	g := newWallet(t).of("a")
	g.session.State = nil
	g.keep(t, "file", refreshing(canary))
	if kept := g.kept(t); kept != nil {
		t.Errorf("%+v", kept)
	}
}
