package cli

import (
	"bytes"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// persons are profiles of a person at the embedded provider.
const persons = `
  desk: {plugin: oidc, issuer: "http://$KEYSTONE_HOST", flow: authorization_code, client_id: desk}
  id: {plugin: oidc, issuer: "http://$KEYSTONE_HOST", flow: authorization_code, client_id: desk, token: id_token}
`

// person returns a user with a browser, which takes that long for a login, and the file
// with a line for each page that it has opened.
func person(t *testing.T, w *world, profiles, takes string) (u *user, opened string) {
	u = newUser(t, w, profiles)
	opened = filepath.Join(u.home, "opened")
	program, err := exec.LookPath("browse")
	if err != nil {
		t.Fatal(err)
	}
	u.env = []string{"BROWSER=" + program, "BROWSE_LOG=" + opened, "BROWSE_WAIT=" + takes}
	return u, opened
}

// pages returns how many pages were opened.
func pages(t *testing.T, opened string) int {
	b, err := os.ReadFile(opened)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return bytes.Count(b, []byte("\n"))
}

// While one login is under way, callers without a terminal wait for it: there is one page,
// and all have the same token.
func TestLoginStorm(t *testing.T) {
	inMakeTest(t)
	t.Parallel()
	w := newWorld(t)
	u, opened := person(t, w, persons, "2s")
	login := u.command("login", "desk")
	if err := login.Start(); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(10 * time.Second); pages(t, opened) == 0; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("no page was opened")
		}
	}
	n := 25
	if os.Getenv("JETON_TEST_TORTURE") != "" {
		n = 200
	}
	results := u.storm(t, n, nil, "get", "desk", "-f", "token")
	if err := login.Wait(); err != nil {
		t.Error(err)
	}
	allEqual(t, results)
	if pages(t, opened) != 1 || w.front.Requests("POST /oauth2/token") != 1 {
		t.Errorf("%d pages and %d requests for tokens", pages(t, opened), w.front.Requests("POST /oauth2/token"))
	}
}

// However many need a new token at once, the issuer sees one refresh token once. It
// would end the session otherwise.
func TestRefreshStorm(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	u, opened := person(t, w, persons, "")
	if out, err := u.command("login", "desk").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	rounds, n := 2, 25
	if os.Getenv("JETON_TEST_TORTURE") != "" {
		rounds, n = 200, 50
	}
	for round := range rounds {
		if out, err := u.command("reject", "desk").CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		w.front.Forget()
		allEqual(t, u.storm(t, n, nil, "get", "desk", "-f", "token"))
		if asked := w.front.Requests("POST /oauth2/token"); asked != 1 || pages(t, opened) != 1 ||
			w.keystone.Provider.Sessions() != 1 {
			t.Fatalf("round %d: %d requests, %d pages, %d sessions", round, asked, pages(t, opened),
				w.keystone.Provider.Sessions())
		}
	}
}

// Whenever a login or a refresh is killed, the next call has a right token or says that a
// login is needed, and a new login works.
func TestPersonKilled(t *testing.T) {
	inMakeTest(t)
	t.Parallel()
	w := newWorld(t)
	u, _ := person(t, w, persons, "20ms")
	kills, lost := 10, 0
	if os.Getenv("JETON_TEST_TORTURE") != "" {
		kills = 500
	}
	for i := range kills {
		args := []string{"get", "desk", "--refresh"}
		if i%2 == 0 {
			args = []string{loginCommand, "desk", "anew", "browser", ""}
		}
		cmd := u.command(args...)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(rand.Int64N(int64(120 * time.Millisecond))))
		cmd.Process.Kill()
		cmd.Wait()
		out, err := u.command("get", "desk").CombinedOutput()
		if err == nil {
			continue
		}
		lost++
		exit, ok := err.(*exec.ExitError)
		if !ok || exit.ExitCode() != 77 || !strings.Contains(string(out), "jeton login desk") {
			t.Fatalf("after kill %d of %v: %v: %s", i, args, err, out)
		}
		if out, err := u.command("login", "desk").CombinedOutput(); err != nil {
			t.Fatalf("after kill %d: %v: %s", i, err, out)
		}
	}
	t.Logf("%d kills, after %d of which a login was needed", kills, lost)
	left, _ := filepath.Glob(filepath.Join(u.home, ".local", "state", "jeton", "*.tmp"))
	if len(left) > 2 {
		t.Error("left behind: ", left)
	}
}

// Ctrl-C in the middle of a refresh loses nothing: what the issuer has put in the place of
// the refresh token is kept first.
func TestRefreshInterrupted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	u, _ := person(t, w, persons, "")
	if out, err := u.command("login", "desk").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	asked := make(chan bool, 100)
	w.front.SetFault(func(_ http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/oauth2/token" {
			asked <- true
			time.Sleep(30 * time.Millisecond)
		}
		return false
	})
	for range 5 {
		cmd := u.command("get", "desk", "--refresh")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		<-asked
		cmd.Process.Signal(os.Interrupt)
		if err := cmd.Wait(); err == nil {
			t.Error("the signal had no effect")
		}
		if out, err := u.command("get", "desk", "--refresh").CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		<-asked
	}
}

// A session that the issuer has ended is told as that, and what is still valid serves.
func TestSessionEnded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	u, opened := person(t, w, persons, "")
	if out, err := u.command("login", "desk").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	w.keystone.Provider.EndSessions()
	if out, err := u.command("get", "desk").CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	for range 2 { // the second time, the issuer is not asked
		out, err := u.command("get", "desk", "--refresh").CombinedOutput()
		if err == nil || !strings.HasPrefix(string(out), "jeton: desk: ") ||
			!strings.Contains(string(out), "hint: jeton login desk\n") {
			t.Errorf("%v: %s", err, out)
		}
	}
	if asked := w.front.Requests("POST /oauth2/token"); asked != 2 || pages(t, opened) != 1 {
		t.Errorf("%d requests, %d pages", asked, pages(t, opened))
	}
}

// A login waits for another at the issuer, even if what is kept is still good, and takes
// its result.
func TestLoginWaitsForAnother(t *testing.T) {
	inMakeTest(t)
	t.Parallel()
	w := newWorld(t)
	u, opened := person(t, w, persons, "1s")
	if out, err := u.command("login", "desk").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	former, err := u.command("get", "desk", "-f", "token").Output()
	if err != nil {
		t.Fatal(err)
	}
	first := u.command("login", "desk")
	if err := first.Start(); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(10 * time.Second); pages(t, opened) < 2; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("no page was opened")
		}
	}
	if out, err := u.command("login", "desk").CombinedOutput(); err != nil ||
		!strings.Contains(string(out), "logged in as alice") {
		t.Errorf("%v: %s", err, out)
	}
	if token, err := u.command("get", "desk", "-f", "token").Output(); err != nil || string(token) == string(former) {
		t.Errorf("%v: the second has not waited for the first", err)
	}
	if err := first.Wait(); err != nil || pages(t, opened) != 2 {
		t.Errorf("%v, %d pages", err, pages(t, opened))
	}
}

// A login that is denied while a session goes on does not stop that for long.
func TestDeniedWhileLoggedIn(t *testing.T) {
	inMakeTest(t)
	t.Parallel()
	w := newWorld(t)
	u, opened := person(t, w, persons, "")
	if out, err := u.command("login", "desk").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	former, err := u.command("get", "desk", "-f", "token").Output()
	if err != nil {
		t.Fatal(err)
	}
	denied := u.command("login", "desk")
	denied.Env = append(denied.Env, "BROWSE_ADD=&deny=1")
	if out, err := denied.CombinedOutput(); err == nil || !strings.Contains(string(out), "(access_denied)") {
		t.Errorf("%v: %s", err, out)
	}
	time.Sleep(10 * time.Second)
	token, err := u.command("get", "desk", "-f", "token", "--min-ttl", "9m52s").Output()
	if err != nil || string(token) == string(former) || pages(t, opened) != 2 {
		t.Errorf("%v, %d pages; the token is %s, and was %s", err, pages(t, opened), token, former)
	}
}

// inMakeTest skips a test that takes long, except in make test and make torture.
func inMakeTest(t *testing.T) {
	t.Helper()
	if os.Getenv("JETON_TEST_CLOUD") == "" && os.Getenv("JETON_TEST_TORTURE") == "" {
		t.Skip("it takes long: make test has it")
	}
}

// A code lets a person log in at the browser of another machine. A profile that logs in at
// this one's shares the session. (The pace of the questions, refusals and the end of the
// code are tested in plugin/login.)
func TestDeviceLogin(t *testing.T) {
	inMakeTest(t)
	t.Parallel()
	w := newWorld(t)
	u, opened := person(t, w, persons+`
  device: {plugin: oidc, issuer: "http://$KEYSTONE_HOST", flow: device_code, client_id: desk}
`, "")
	out, err := u.command("login", "device").CombinedOutput()
	shown := regexp.MustCompile(`Or else:
Open this address, on this machine or another, and enter the code:

  http://[^ ]*/oauth2/activate

  [A-Z0-9_-]{8}

jeton: device: logged in as alice; the token lasts until `)
	if err != nil || !shown.Match(out) {
		t.Fatalf("%v: %s", err, out)
	}
	for _, args := range [][]string{{"get", "device"}, {"get", "desk"}, {"get", "id", "--refresh"}} {
		if out, err := u.command(args...).CombinedOutput(); err != nil {
			t.Errorf("%v: %v: %s", args, err, out)
		}
	}
	if pages(t, opened) != 1 {
		t.Errorf("%d pages were opened", pages(t, opened))
	}
}
