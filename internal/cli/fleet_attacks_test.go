package cli

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

const oscProfile = `  osc: {plugin: outscale, endpoint: "http://$KEYSTONE_HOST/api/v1", ` +
	`access_key: AKACCOUNT00000000000, secret_key: CANARY-osc-secret, lifetime: 1h}` + "\n"

// must runs jeton, which has to succeed, and returns what it prints.
func (u *user) must(t *testing.T, args ...string) string {
	t.Helper()
	out, err := u.command(args...).CombinedOutput()
	if err != nil {
		t.Fatalf("jeton %s: %v: %s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// However often a host refreshes and rejects, the quota is not used up.
func TestFleetQuota(t *testing.T) {
	inMakeTest(t)
	t.Parallel()
	w, r := newWorld(t), startRedis(t)
	u := fleet(t, w, 1, "redis://"+r.Address, oscProfile)[0]
	for range 12 {
		u.must(t, "get", "osc", "-f", "aws", "--refresh")
		u.must(t, "reject", "osc")
	}
	u.must(t, "get", "osc", "-f", "aws")
	u.must(t, "logout", "osc", "--fleet")
	if left := u.must(t, "inspect", "osc"); strings.Contains(left, "jeton:") {
		t.Errorf("left are %s", left)
	}
}

// A host that asks in the middle of a logout of the fleet does not keep a key that is deleted.
func TestFleetLogoutRace(t *testing.T) {
	inMakeTest(t)
	t.Parallel()
	w, r := newWorld(t), startRedis(t)
	hosts := fleet(t, w, 3, "redis://"+r.Address, oscProfile)
	first := hosts[0].must(t, "get", "osc", "-f", "aws")
	var once sync.Once
	between := ""
	w.front.SetFault(func(_ http.ResponseWriter, q *http.Request) bool {
		if strings.HasSuffix(q.URL.Path, "DeleteAccessKey") {
			once.Do(func() {
				w.front.SetFault(nil)
				between = hosts[2].must(t, "get", "osc", "-f", "aws")
			})
		}
		return false
	})
	hosts[1].must(t, "logout", "osc", "--fleet")
	if between == "" || between == first {
		t.Errorf("in between, a host got %q", between)
	}
}

// What one host has made with other options is found and deleted by any that logs in as the
// same user, after it is gone.
func TestFleetEditedProfile(t *testing.T) {
	inMakeTest(t)
	t.Parallel()
	w, r := newWorld(t), startRedis(t)
	hosts := fleet(t, w, 2, "redis://"+r.Address, oscProfile)
	hosts[0].must(t, "get", "osc", "-f", "aws")
	for _, dir := range []string{".local", ".cache"} {
		os.RemoveAll(filepath.Join(hosts[0].home, dir))
	}
	hosts[1].configure(t, w, strings.Replace(oscProfile, "1h", "2h", 1))
	hosts[1].must(t, "logout", "osc", "--fleet")
	if left := hosts[1].must(t, "inspect", "osc"); strings.Contains(left, "jeton:") {
		t.Errorf("left are %s", left)
	}
}

// No secret of the shared cache gets anywhere: not into the environment of a command, not
// into what a warm answer is made from, not into an error, whatever the server says.
func TestFleetLeaks(t *testing.T) {
	t.Parallel()
	w, r := newWorld(t), startRedis(t, "--requirepass", "CANARY-redis-pw")
	key := newSharedKey()
	u := newUser(t, w, prodAndS3)
	u.env = []string{"JETON_SHARED_CACHE=redis://:CANARY-redis-pw@" + r.Address, "JETON_SHARED_CACHE_KEY=" + key}
	u.must(t, "get", "prod", "-f", "token")
	time.Sleep(50 * time.Millisecond) // files must be that old to be relied on
	u.must(t, "get", "prod", "-f", "token")
	kept := 0
	err := filepath.WalkDir(u.home, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		if strings.Contains(string(text), "CANARY-redis") || strings.Contains(string(text), key) {
			t.Errorf("a secret is in %s", path)
		}
		if strings.Contains(path, string(filepath.Separator)+"hit"+string(filepath.Separator)) {
			kept++
		}
		return err
	})
	if err != nil || kept == 0 {
		t.Errorf("%v, %d warm answers", err, kept)
	}
	if out := u.must(t, "exec", "prod", "--", "env"); strings.Contains(out, "JETON_SHARED") {
		t.Errorf("a command gets %s", out)
	}

	echo := startRedis(t, "--rename-command", "AUTH", "")
	for name, shared := range map[string]string{
		"a server that repeats it": "url: 'redis://" + echo.Address + "', username: jeton, password: CANARY-pw",
		"a slash in the password":  "url: 'redis://user:1/CANARY-pw@127.0.0.1:1/0'",
		"an at and a slash":        "url: 'redis://user:p@ss/CANARY-pw@127.0.0.1:1/0'",
		"a sentinel with a login":  "url: 'redis:///0', master: m, sentinels: ['x:CANARY-pw@127.0.0.1:1']",
		"a key that is none":       "url: 'redis://127.0.0.1:1', old_key: CANARY-pw",
	} {
		u := newUser(t, w, prodAndS3)
		u.append(t, "shared_cache: {"+shared+", key: '"+key+"'}\n")
		for _, args := range [][]string{{"get", "prod", "-f", "header", "--verbose"}, {"status"}, {"doctor", "--fleet"},
			{"logout", "prod", "--fleet"}} {
			if out, _ := u.command(args...).CombinedOutput(); strings.Contains(string(out), "CANARY") {
				t.Errorf("%s: %v prints %s", name, args, out)
			}
		}
	}
}

// A logout of the fleet asks a server that failed lately.
func TestFleetLogoutAfterFailure(t *testing.T) {
	inMakeTest(t)
	t.Parallel()
	w, r := newWorld(t), startRedis(t)
	u := fleet(t, w, 1, "redis://"+r.Address, prodAndAppCred)[0]
	u.must(t, "get", "ci")
	r.Pause()
	u.must(t, "get", "prod", "-f", "token", "--refresh")
	r.Resume()
	u.must(t, "logout", "ci", "--fleet")
	if left := ownAppCreds(t, w, u); len(left) > 0 {
		t.Errorf("%v are left", left)
	}
	if out, err := u.command("doctor", "--fleet").CombinedOutput(); !strings.Contains(string(out), "answers in") {
		t.Errorf("%v: %s", err, out)
	}
	if out := u.must(t, "status"); !strings.Contains(out, "no failure is known") {
		t.Errorf("after doctor has found that it answers: %s", out)
	}
}

// The program of a profile below that hangs holds up what has no need of it for some seconds,
// once.
func TestFleetHangingBelow(t *testing.T) {
	inMakeTest(t)
	t.Parallel()
	w, r := newWorld(t), startRedis(t)
	dir := t.TempDir()
	program := filepath.Join(dir, "password")
	text := "#!/bin/sh\nif [ -e " + dir + "/hang ]; then sleep 60; fi\necho CANARY-alice-pw\n"
	if err := os.WriteFile(program, []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
	profiles := strings.Replace(prodAndAppCred, "CANARY-alice-pw", "{command: ["+program+"]}", 1)
	u := fleet(t, w, 1, "redis://"+r.Address, profiles)[0]
	u.must(t, "get", "prod", "-f", "token")
	if err := os.WriteFile(filepath.Join(dir, "hang"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	u.must(t, "get", "ci")
	u.must(t, "reject", "ci")
	begun := time.Now()
	u.must(t, "get", "ci")
	if took := time.Since(begun); took > 5*time.Second {
		t.Errorf("the second time it took %s", took)
	}
}
