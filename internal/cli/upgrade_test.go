package cli

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// buildOther builds a jeton with changes of its source: OLD is NEW in FILE. It is what another
// version may be.
func buildOther(t *testing.T, changes map[string][2]string) string {
	t.Helper()
	dir := t.TempDir()
	overlay := struct{ Replace map[string]string }{map[string]string{}}
	for file, change := range changes {
		path, err := filepath.Abs(filepath.Join("../..", file))
		if err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		changed := strings.ReplaceAll(string(text), change[0], change[1])
		if changed == string(text) {
			t.Fatalf("there is no %s in %s", change[0], file)
		}
		overlay.Replace[path] = filepath.Join(dir, filepath.Base(file))
		if err := os.WriteFile(overlay.Replace[path], []byte(changed), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	list, err := json.Marshal(overlay)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "overlay"), list, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "jeton")
	args := []string{"build", "-overlay", filepath.Join(dir, "overlay"), "-o", path, "../.."}
	if out, err := exec.Command("go", args...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return path
}

// Two versions whose caches differ may take turns, as in an upgrade, a downgrade, or a home
// that two machines share. Each answers, a version that goes on needs no new login, and no key
// is lost.
func TestUpgradeAndDowngrade(t *testing.T) {
	inMakeTest(t)
	t.Parallel()
	warm := [2]string{"jeton warm 3 ", "jeton warm 4 "}
	for name, changes := range map[string]map[string][2]string{
		"another seal": {"cache/key.go": {"jeton entry 1", "jeton entry 2"}, "cache/hit/hit.go": warm},
		"other names":  {"cache/key.go": {"jeton key 1", "jeton key 2"}, "cache/hit/hit.go": warm},
		"more fields": {"cache/entry.go": {"type entry struct {", "type entry struct {\nMore []string `json:\"more\"`"},
			"cache/account.go": {"type Account struct {", "type Account struct {\nMore []string `json:\"more\"`"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			u := newUser(t, w, prodAndS3)
			one, other := u.jeton, buildOther(t, changes)
			get := func(program string, args ...string) string {
				t.Helper()
				u.jeton = program
				cmd := u.command(args...)
				var said strings.Builder
				cmd.Stderr = &said
				out, err := cmd.Output()
				if err != nil || said.Len() > 0 {
					t.Fatalf("%v: %v: %s", args, err, said.String())
				}
				return string(out)
			}
			for turn, program := range []string{one, other, one, other} {
				token := get(program, "get", "prod", "-f", "token")
				get(program, "get", "s3", "-f", "aws")
				sent := w.front.Requests("POST ")
				if again := get(program, "get", "prod", "-f", "token"); again != token {
					t.Errorf("turn %d: the second token is another", turn)
				}
				get(program, "get", "s3", "-f", "aws")
				get(program, "status")
				get(program, "gc")
				if n := w.front.Requests("POST "); n != sent {
					t.Errorf("turn %d: what is kept is not used: %d requests", turn, n-sent)
				}
			}
			get(one, "logout", "--all")
			if made, deleted := w.front.Requests("POST /v3/users/"), w.front.Requests("DELETE /v3/users/"); made == 0 ||
				made != deleted {
				t.Errorf("%d keys were made, and %d deleted", made, deleted)
			}
		})
	}
}
