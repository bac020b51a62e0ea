package cache

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/jeton-cli/jeton/cache/hit"
	"github.com/jeton-cli/jeton/plugin"
)

// A document is only kept with the very files that it came from, and not if one of them
// was replaced while it was read.
func TestWarmReadings(t *testing.T) {
	ctx := context.Background()
	for name, change := range map[string]func(t *testing.T, c *Cache, dir string, r *Reading){
		"nothing": nil,
		"another file by the same name": func(t *testing.T, c *Cache, dir string, _ *Reading) {
			other := filepath.Join(dir, "other") // of the same age
			if err := os.Remove(filepath.Join(dir, "config")); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(other, filepath.Join(dir, "config")); err != nil {
				t.Fatal(err)
			}
		},
		"another profile": func(t *testing.T, c *Cache, _ string, r *Reading) {
			r.Key = Key{Name: "fedcba9876543210fedcba9876543210",
				seal: sealFor(c.Pepper, "fedcba9876543210fedcba9876543210")}
		},
		"another document": func(_ *testing.T, _ *Cache, _ string, r *Reading) {
			r.Document = func(*plugin.Credential) ([]byte, error) { return []byte("other"), nil }
		},
		"another life": func(_ *testing.T, _ *Cache, _ string, r *Reading) { r.Policy.MaxTTL = 30 * time.Minute },
		"another credential": func(t *testing.T, c *Cache, _ string, r *Reading) {
			if err := c.put(ctx, r.Key, "",
				newEntry(Policy{}, r.Key, &plugin.Credential{Token: plugin.NewSecret("token-2")},
					time.Now())); err != nil {
				t.Fatal(err)
			}
		},
		"dropped": func(t *testing.T, c *Cache, _ string, r *Reading) {
			if _, err := c.Drop(ctx, r.Key.Name); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := openTest(t)
			c, _ := newCache(d)
			dir := t.TempDir()
			for file, text := range map[string]string{"one": "one", "other": "two"} {
				if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.Symlink(filepath.Join(dir, "one"), filepath.Join(dir, "config")); err != nil {
				t.Fatal(err)
			}
			r := Reading{
				Key: Key{Name: "0123456789abcdef0123456789abcdef",
					seal: sealFor(c.Pepper, "0123456789abcdef0123456789abcdef")},
				Policy:   Policy{Profile: "p"},
				Document: func(c *plugin.Credential) ([]byte, error) { return []byte(c.Token.Reveal()), nil },
			}
			now := time.Now()
			err := c.put(ctx, r.Key, "",
				newEntry(r.Policy, r.Key,
					&plugin.Credential{Token: plugin.NewSecret("token-1"), Issued: now, Expires: now.Add(time.Hour)},
					now))
			if err != nil {
				t.Fatal(err)
			}
			w := hit.Warm{Args: []string{"get", "p"}, Files: []string{filepath.Join(dir, "config")},
				Document: []byte("token-1")}
			c.Warm(ctx, w, now.Add(time.Minute), r, func() (Reading, error) { // the files are a minute old by then
				again := r
				if change != nil {
					change(t, c, dir, &again)
				}
				return again, nil
			})
			left, err := filepath.Glob(filepath.Join(d.path, hit.Dir, "*"))
			if err != nil || len(left) == 1 != (change == nil) {
				t.Errorf("the warm answers are %v, %v", left, err)
			}
		})
	}
}
