package cache

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jeton-cli/jeton/plugin"
)

// eachStore runs a test with a new store of each kind.
func eachStore(t *testing.T, test func(t *testing.T, s Store)) {
	for _, kind := range stores {
		t.Run(kind.name, func(t *testing.T) {
			s, err := kind.open(filepath.Join(t.TempDir(), "store"))
			if err != nil {
				t.Fatal(err)
			}
			test(t, s)
		})
	}
}

// Every kind of store keeps its contract.
func TestStores(t *testing.T) {
	ctx := t.Context()
	eachStore(t, func(t *testing.T, s Store) {
		if _, err := s.Get(ctx, "a"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Get of a missing value: %v", err)
		}
		if err := s.Delete(ctx, "a"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Delete of a missing value: %v", err)
		}
		for _, value := range []string{"long value", "short", ""} {
			if err := s.Put(ctx, "a", []byte(value)); err != nil {
				t.Errorf("Put: %v", err)
			}
			if b, err := s.Get(ctx, "a"); string(b) != value || err != nil {
				t.Errorf("Get = %q, %v; not %q", b, err, value)
			}
		}
		changed := []byte("value")
		if err := s.Put(ctx, "b.suffix", changed); err != nil {
			t.Error(err)
		}
		changed[0] = 'V' // the store has a copy of its own
		if b, err := s.Get(ctx, "b.suffix"); string(b) != "value" || err != nil {
			t.Errorf("Get = %q, %v", b, err)
		}
		if lister, ok := s.(Lister); ok {
			names, err := lister.List(ctx)
			slices.Sort(names)
			if err != nil || !slices.Equal(names, []string{"a", "b.suffix"}) {
				t.Errorf("List = %q, %v", names, err)
			}
		}
		if err := s.Delete(ctx, "a"); err != nil {
			t.Errorf("Delete: %v", err)
		}
	})
}

// A lock has one holder and is not a value. A wait for it ends with the context.
func TestStoreLocks(t *testing.T) {
	eachStore(t, func(t *testing.T, s Store) {
		locker, ok := s.(Locker)
		if !ok {
			t.Skip("it has no locks")
		}
		unlock, err := locker.Lock(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		if again, err := locker.TryLock("a"); again != nil || err != nil {
			t.Errorf("TryLock of a held lock: %v", err)
		}
		if other, err := locker.TryLock("b"); other == nil || err != nil {
			t.Errorf("TryLock of another lock: %v", err)
		} else {
			other()
		}
		if names, err := s.(Lister).List(t.Context()); err != nil || len(names) != 0 {
			t.Errorf("a lock is listed: %q, %v", names, err)
		}
		unlock()
		if free, err := locker.TryLock("a"); free == nil || err != nil {
			t.Errorf("TryLock of a free lock: %v", err)
		} else {
			free()
		}
		// This comes last: a Dir's wait that was given up may hold the lock for a moment.
		if unlock, err = locker.Lock(t.Context(), "a"); err != nil {
			t.Fatal(err)
		}
		defer unlock()
		short, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		if _, err := locker.Lock(short, "a"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Lock of a held lock: %v", err)
		}
	})
}

// A cache can do everything with every kind of store.
func TestStoresInACache(t *testing.T) {
	ctx := t.Context()
	eachStore(t, func(t *testing.T, s Store) {
		c, stderr := newCache(s)
		src := &counter{life: time.Hour}
		policy := Policy{Profile: "p", Config: "/config.yaml"}
		first := get(t, c, src, policy)
		if again := get(t, c, src, policy); again != first {
			t.Errorf("%s was not kept: the next call returned %s", first, again)
		}
		items, err := c.List(ctx)
		if err != nil || len(items) != 1 || items[0].Profile != "p" || items[0].Credential == nil {
			t.Fatalf("List = %+v, %v", items, err)
		}
		body, err := c.Document(ctx, testKey, time.Hour, time.Time{},
			func(context.Context) ([]byte, error) { return []byte("x"), nil })
		if err != nil || string(body) != "x" {
			t.Errorf("Document = %q, %v", body, err)
		}
		if n, err := c.Collect(ctx); n != 0 || err != nil {
			t.Errorf("Collect = %d, %v", n, err)
		}
		if n, err := c.Drop(ctx, testKey.Name); n != 1 || err != nil {
			t.Errorf("Drop = %d, %v", n, err)
		}
		second := get(t, c, src, policy)
		if second == first {
			t.Error("Drop did not remove the credential")
		}
		if err := c.Clear(ctx); err != nil {
			t.Error(err)
		}
		if items, err := c.List(ctx); err != nil || len(items) != 0 {
			t.Errorf("after Clear there are %+v, %v", items, err)
		}
		path, remove, err := c.Scratch(ctx)
		if err != nil || path == "" {
			t.Error(err)
		} else {
			remove()
		}
		if text := stderr.String(); text != "" {
			t.Error(text)
		}
	})
}

// blind is a store with nothing but the methods that every store must have.
type blind struct{ Store }

// If a store lacks an ability, the cache says so, and everything else works.
func TestBlindStore(t *testing.T) {
	ctx := t.Context()
	c, _ := newCache(blind{&Memory{}})
	src := &counter{life: time.Hour}
	first := get(t, c, src, Policy{})
	if again := get(t, c, src, Policy{}); again != first {
		t.Errorf("%s was not kept: the next call returned %s", first, again)
	}
	const text = "this cache cannot tell what is in it"
	_, listed := c.List(ctx)
	_, collected := c.Collect(ctx)
	for what, err := range map[string]error{"List": listed, "Collect": collected, "Clear": c.Clear(ctx)} {
		if e := plugin.AsError(err); err == nil || e.Code != plugin.Config ||
			!bytes.Contains([]byte(e.Text), []byte(text)) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := c.Drop(ctx, testKey.Name); err == nil {
		t.Error("Drop does not say that credentials made from this one may be left")
	}
	if c.load(ctx, testKey) != nil {
		t.Error("the dropped credential is still kept")
	}
	if c.AskedPath(testKey) != "" {
		t.Error("a store without files has a file for the note")
	}
}

// Every credential that is taken is kept, whatever its characters cost in JSON. What is
// too large is refused, and not asked for again at once.
func TestLargeCredentials(t *testing.T) {
	const part = plugin.MaxCredential / 2
	for name, test := range map[string]struct {
		cred plugin.Credential
		code plugin.Code
	}{
		"markup": {plugin.Credential{Token: plugin.NewSecret(strings.Repeat("<", part)),
			SessionToken: plugin.NewSecret(strings.Repeat("&", part-100))}, 0},
		"quotes": {plugin.Credential{Token: plugin.NewSecret(strings.Repeat(`"`, part)),
			Attrs: map[string]string{"fields": strings.Repeat("\u2028", (part-100)/3)}}, 0},
		"token": {plugin.Credential{Token: plugin.NewSecret(strings.Repeat("t", part+1))}, plugin.Unusable},
		"whole": {plugin.Credential{Token: plugin.NewSecret("t"),
			Attrs: map[string]string{"fields": strings.Repeat("f", 2*part)}}, plugin.Unusable},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := openStore(filepath.Join(t.TempDir(), "store"))
			if err != nil {
				t.Fatal(err)
			}
			c, stderr := newCache(s)
			requests := 0
			src := sourceFunc(func(context.Context, *plugin.Credential) (*plugin.Credential, error) {
				requests++
				cred := test.cred
				cred.Issued, cred.Expires = time.Now(), time.Now().Add(time.Hour)
				return &cred, nil
			})
			for range 2 {
				_, err := c.Fetch(t.Context(), testKey, src, Policy{Profile: "p"})
				if (err == nil) != (test.code == 0) || err != nil && plugin.AsError(err).Code != test.code {
					t.Errorf("%v", err)
				}
			}
			if requests != 1 || stderr.Len() > 0 {
				t.Errorf("%d requests, %q", requests, stderr.String())
			}
		})
	}
}
