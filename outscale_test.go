package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jeton-cli/jeton/testdata/embedded"
)

// An outscaleWorld is an account at Outscale, behind a front.
type outscaleWorld struct {
	*world
	account *embedded.Outscale
}

func newOutscaleWorld(t *testing.T) *outscaleWorld {
	account := newOutscale()
	return &outscaleWorld{front(t, account, map[string]string{}), account}
}

const outscaleProfile = `
  osc: {plugin: outscale, endpoint: "http://$KEYSTONE_HOST/api/v1", access_key: AKACCOUNT00000000000, secret_key: CANARY-osc-secret}
`

// However many processes want a key at once, one is made.
func TestOutscaleStorm(t *testing.T) {
	n := 40
	if os.Getenv("JETON_TEST_CLOUD") != "" {
		n = 300
	}
	w := newOutscaleWorld(t)
	u := newUser(t, w.world, outscaleProfile)
	for _, args := range [][]string{{"get", "osc", "-f", "aws"}, {"get", "osc", "-f", "aws"}, {"get", "osc", "-f", "env"}} {
		allEqual(t, u.storm(t, n, nil, args...))
	}
	if got := w.account.Created(); got != 1 {
		t.Errorf("%d keys for %d processes", got, n)
	}
}

// Wherever a process is killed while it makes, replaces or deletes a key, no key
// of jeton's is left but those in use, none of others is touched, and there is
// always room for another.
func TestOutscaleKilled(t *testing.T) {
	rounds := 60
	if os.Getenv("JETON_TEST_CLOUD") != "" {
		rounds = 500
	}
	for _, tagless := range []bool{false, true} {
		t.Run(fmt.Sprintf("tagless=%v", tagless), func(t *testing.T) { outscaleKilled(t, rounds/2, tagless) })
	}
}

func outscaleKilled(t *testing.T, rounds int, tagless bool) {
	w := newOutscaleWorld(t)
	w.account.NoTags = tagless
	foreign := map[string][]string{}
	for _, user := range []string{"", "eve"} {
		w.account.Plant(user, time.Time{})
		w.account.Plant(user, time.Now().Add(time.Hour))
		foreign[user] = w.account.Keys(user)
	}
	u := newUser(t, w.world, outscaleProfile+strings.Replace(outscaleProfile, "osc: {", "eve: {user_name: eve, ", 1))
	start := time.Now()
	if out, err := u.command("get", "osc").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	life := time.Since(start)

	var mu sync.Mutex
	var victim *os.Process
	left := -1        // requests before the victim is killed
	var answered bool // kill it when the request was carried out, and not before
	killed, tries := 0, 0
	w.front.SetFault(func(rw http.ResponseWriter, r *http.Request) bool {
		mu.Lock()
		defer mu.Unlock()
		left--
		if left != -1 || victim == nil {
			return false
		}
		if answered {
			w.account.ServeHTTP(httptest.NewRecorder(), r)
		}
		victim.Kill()
		return true
	})
	commands := [][]string{
		{"get", "PROFILE", "-f", "aws"}, {"get", "PROFILE", "-f", "aws", "--refresh"}, {"reject", "PROFILE"},
		{"get", "PROFILE", "-f", "aws", "--refresh"}, {"gc"}, {"logout", "PROFILE"}, {"get", "PROFILE", "-f", "aws"},
	}
	for killed < rounds {
		if tries++; tries > 30*rounds {
			t.Fatalf("only %d were killed", killed)
		}
		args := slices.Clone(commands[rand.N(len(commands))])
		if i := slices.Index(args, "PROFILE"); i >= 0 {
			args[i] = []string{"osc", "eve"}[rand.N(2)]
		}
		cmd := u.command(args...)
		mu.Lock() // so that no request is answered before we know whom to kill
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		victim, left, answered = cmd.Process, -1, rand.N(2) == 0
		if tries%2 == 0 {
			left = rand.N(6)
		}
		mu.Unlock()
		var timer *time.Timer
		if tries%2 == 1 {
			timer = time.AfterFunc(rand.N(life), func() { cmd.Process.Kill() })
		}
		out := cmd.Wait()
		if timer != nil {
			timer.Stop()
		}
		if exit, ok := out.(*exec.ExitError); ok {
			if exit.ExitCode() != -1 {
				t.Fatalf("%s: exit code %d", args, exit.ExitCode())
			}
			killed++
		}
	}
	w.front.SetFault(nil)
	inUse := map[string]string{}
	for profile, user := range map[string]string{"osc": "", "eve": "eve"} {
		out, err := u.command("get", profile, "-f", "aws").Output()
		var key struct {
			AccessKeyID string `json:"AccessKeyId"`
		}
		if err != nil || json.Unmarshal(out, &key) != nil {
			t.Fatalf("%v: %s", err, out)
		}
		inUse[user] = key.AccessKeyID
	}
	if out, err := u.command("gc").CombinedOutput(); err != nil {
		t.Fatalf("gc: %v: %s", err, out)
	}
	for user, former := range foreign {
		keys := w.account.Keys(user)
		for _, id := range former {
			if !slices.Contains(keys, id) {
				t.Errorf("key %s of others is gone", id)
			}
		}
		if want := append(slices.Clone(former), inUse[user]); len(keys) != len(want) || !slices.Contains(keys, inUse[user]) {
			status, _ := u.command("status").Output()
			t.Errorf("user %q has %v, not %v:\n%s", user, keys, want, status)
		}
		if got := w.account.Everlasting(user); len(got) != 1 {
			t.Errorf("keys without an end: %v", got)
		}
	}
	if peak := w.account.Peak(); peak >= 10 {
		t.Errorf("there were %d keys at once", peak)
	} else {
		t.Logf("%d killed in %d runs; at most %d keys at once, %d made", killed, tries, peak, w.account.Created())
	}
}

