package cli

import (
	"encoding/json"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

const prodAndAppCred = `
  prod: {plugin: keystone, auth_url: $KEYSTONE, username: alice, user_domain_id: $DOMAIN, password: CANARY-alice-pw, project_id: $WEB}
  ci: {plugin: keystone-appcred, from: prod, roles: [member], tag: mine}
`

// appCreds returns the names of alice's application credentials, as Keystone lists them,
// without those that the scripts make at the same time.
func appCreds(t *testing.T, w *world, u *user) (names []string) {
	t.Helper()
	token, err := u.command("get", "prod", "-f", "token").Output()
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequest(http.MethodGet, w.vars["KEYSTONE"]+"/users/"+w.vars["ALICE"]+"/application_credentials",
		nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Auth-Token", strings.TrimSpace(string(token)))
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var list struct {
		ApplicationCredentials []struct{ Name string } `json:"application_credentials"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&list); err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("HTTP %d, %v", resp.StatusCode, err)
	}
	for _, c := range list.ApplicationCredentials {
		if !strings.HasPrefix(c.Name, "jeton-") && !strings.HasPrefix(c.Name, "build-") {
			names = append(names, c.Name)
		}
	}
	slices.Sort(names)
	return names
}

// appCred returns the name of the one that the profile has.
func (u *user) appCred(t *testing.T, args ...string) string {
	t.Helper()
	out, err := u.command(append([]string{"get", "ci"}, args...)...).CombinedOutput()
	var c struct{ Attributes map[string]string }
	if err != nil || json.Unmarshal(out, &c) != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return c.Attributes["application_credential_name"]
}

// However many processes want an application credential at once, one is made.
func TestAppCredStorm(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	u := newUser(t, w, prodAndAppCred)
	allEqual(t, u.storm(t, 40, nil, "get", "ci"))
	if made, _ := w.keystone.ApplicationCredentialsMade(); made != 2 { // the other is there from the beginning
		t.Errorf("%d were made", made)
	}
}

// Wherever a process is killed while it makes, replaces or deletes an application
// credential, none of jeton's is left but the one in use, and those of others are not
// touched. JETON_TEST_KILLS is the number of kills, if it is set.
func TestAppCredKilled(t *testing.T) {
	inMakeTest(t)
	t.Parallel()
	t.Run("embedded", func(t *testing.T) {
		w := newWorld(t)
		w.keystone.AppCredLimit = 10 // with which no command may meet
		appCredKilled(t, w, 500)
		if made, peak := w.keystone.ApplicationCredentialsMade(); peak >= 10 {
			t.Errorf("there were %d at once", peak)
		} else {
			t.Logf("at most %d at once, %d made", peak, made)
		}
	})
	t.Run("real", func(t *testing.T) { appCredKilled(t, realWorld(t), 40) })
}

func appCredKilled(t *testing.T, w *world, rounds int) {
	if n, err := strconv.Atoi(os.Getenv("JETON_TEST_KILLS")); err == nil {
		rounds = n
	}
	u := newUser(t, w, prodAndAppCred)
	before := appCreds(t, w, u)
	start := time.Now()
	u.appCred(t)
	life := time.Since(start)
	killed, tries := u.killed(t, w, rounds, life, func() []string {
		args := slices.Clone(keyCommands[rand.N(len(keyCommands))])
		if i := slices.Index(args, "PROFILE"); i >= 0 {
			args[i] = "ci"
		}
		return args
	})
	inUse := u.appCred(t)
	if out, err := u.command("gc").CombinedOutput(); err != nil {
		t.Fatalf("gc: %v: %s", err, out)
	}
	want := append(slices.Clone(before), inUse)
	slices.Sort(want)
	if got := appCreds(t, w, u); !slices.Equal(got, want) {
		status, _ := u.command("status").Output()
		t.Errorf("alice has %v, not %v:\n%s", got, want, status)
	}
	if out, err := u.command("logout", "ci").CombinedOutput(); err != nil {
		t.Errorf("logout: %v: %s", err, out)
	}
	if got := appCreds(t, w, u); !slices.Equal(got, before) {
		t.Errorf("after logout alice has %v, not %v", got, before)
	}
	t.Logf("%d killed in %d runs", killed, tries)
}

// One whose answer was lost is found by its name and deleted: nobody can have its secret.
func TestAppCredLostAnswer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	u := newUser(t, w, prodAndAppCred)
	before := w.keystone.ApplicationCredentials("alice")
	w.front.SetFault(func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodPost || !strings.HasSuffix(r.URL.Path, "/application_credentials") {
			return false
		}
		w.front.Next.ServeHTTP(httptest.NewRecorder(), r)
		panic(http.ErrAbortHandler)
	})
	if out, err := u.command("get", "ci").CombinedOutput(); err == nil {
		t.Fatalf("no error: %s", out)
	}
	lost := w.keystone.ApplicationCredentials("alice")
	if len(lost) != len(before)+1 {
		t.Fatalf("there are %v", lost)
	}
	w.front.SetFault(nil)
	inUse := u.appCred(t, "--refresh") // the failure is remembered
	if slices.Contains(lost, inUse) {
		t.Errorf("%s was adopted", inUse)
	}
	want := append(before, inUse)
	slices.Sort(want)
	if got := w.keystone.ApplicationCredentials("alice"); !slices.Equal(got, want) {
		t.Errorf("there are %v, not %v", got, want)
	}
}

// A user who has as many as Keystone allows is told which. What jeton no longer needs
// makes room first.
func TestAppCredQuota(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.keystone.AppCredLimit = 3
	one := strings.Split(prodAndAppCred, "\n")[2] + "\n"
	u := newUser(t, w, prodAndAppCred+strings.Replace(one, " ci:", " second:", 1)+
		strings.Replace(one, " ci:", " third:", 1))
	for range 5 { // the former one of each goes, or the fourth would fail
		u.appCred(t, "--refresh")
	}
	if out, err := u.command("get", "second").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	out, err := u.command("get", "third").CombinedOutput()
	text := string(out)
	if err == nil || !strings.Contains(text, "maximum of 10 already exceeded for user; there are: ci, mine-") ||
		!strings.Contains(text, "hint: delete one that nobody uses: openstack application credential delete NAME") {
		t.Errorf("%v: %s", err, text)
	}
	if status, _ := u.command("status").Output(); strings.Contains(string(status), "interrupted") {
		t.Errorf("a refusal left a trace:\n%s", status)
	}
}
