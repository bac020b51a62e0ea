package cli

import (
	"bufio"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A seat is a process at a terminal of its own, with what that shows.
type seat struct {
	t     *testing.T
	cmd   *exec.Cmd
	main  *os.File
	shown chan string
	out   strings.Builder // of standard output
}

// sit starts the command at a terminal.
func sit(t *testing.T, cmd *exec.Cmd) *seat {
	t.Helper()
	main, tty := pty(t)
	s := &seat{t: t, cmd: cmd, main: main, shown: make(chan string, 1000)}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = tty, &s.out, tty
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	tty.Close()
	go func() {
		defer close(s.shown)
		b := make([]byte, 4096)
		for {
			n, err := main.Read(b)
			if n > 0 {
				s.shown <- string(b[:n])
			}
			if err != nil {
				return
			}
		}
	}()
	return s
}

// until returns what the terminal shows up to the pattern.
func (s *seat) until(pattern string) string {
	s.t.Helper()
	seen, limit := "", time.After(10*time.Second)
	for !regexp.MustCompile(pattern).MatchString(seen) {
		select {
		case text, ok := <-s.shown:
			if !ok {
				s.t.Fatalf("the terminal has shown %q, and not %s", seen, pattern)
			}
			seen += text
		case <-limit:
			s.t.Fatalf("the terminal shows %q, and not %s", seen, pattern)
		}
	}
	return seen
}

// types waits until the terminal does not show what is typed, and types a line.
func (s *seat) types(line string) {
	s.t.Helper()
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		state, err := unix.IoctlGetTermios(int(s.main.Fd()), unix.TCGETS)
		if err != nil {
			s.t.Fatal(err)
		}
		if state.Lflag&unix.ECHO == 0 {
			break
		}
		if time.Now().After(end) {
			s.t.Fatal("the terminal still shows what is typed")
		}
	}
	io.WriteString(s.main, line)
}

// ended returns the exit code, and the rest of what the terminal has shown.
func (s *seat) ended() (code int, rest string) {
	s.t.Helper()
	timer := time.AfterFunc(10*time.Second, func() { s.cmd.Process.Kill() })
	defer timer.Stop()
	s.cmd.Wait()
	for text := range s.shown {
		rest += text
	}
	return s.cmd.ProcessState.ExitCode(), rest
}

const inMind = `
  web: {plugin: keystone, auth_url: $KEYSTONE, username: alice, user_domain_id: $DOMAIN, project_id: $WEB}
  ops: {plugin: keystone, auth_url: $KEYSTONE, username: alice, user_domain_id: $DOMAIN, project_id: $OPS}
`

// A password that no profile has is asked for at one terminal, for all processes and all
// projects that need it. A caller without a terminal is told which command asks.
func TestPasswordInMind(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	u := newUser(t, w, inMind)
	first := sit(t, u.command("get", "web", "-f", "token"))
	first.until("Password of alice at ")
	second := sit(t, u.command("get", "ops", "-f", "token"))
	second.until(`Process \d+ asks: Password of alice at .*\. Ctrl-C leaves\.`)
	first.types("CANARY-alice-pw\n")
	for _, s := range []*seat{first, second} {
		code, rest := s.ended()
		if code != 0 || len(s.out.String()) < 10 || strings.Contains(rest, "CANARY") ||
			strings.Contains(rest, "Password") {
			t.Errorf("exit code %d, %q, the terminal shows %q", code, s.out.String(), rest)
		}
	}
	if first.out.String() == second.out.String() {
		t.Error("two projects have one token")
	}
	if n := w.front.Requests("POST /v3/auth/tokens"); n != 3 { // the login, and one for each project
		t.Errorf("%d requests", n)
	}
	out, err := u.command("get", "web", "--refresh").CombinedOutput()
	if err == nil || !strings.Contains(string(out), "the password of alice is needed") ||
		!strings.Contains(string(out), "jeton login web") {
		t.Errorf("%v: %s", err, out)
	}
}

// Who mistypes a password is told, and may type it again soon.
func TestPasswordMistyped(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	u := newUser(t, w, inMind)
	s := sit(t, u.command("login", "web"))
	s.until("Password of alice at ")
	s.types("CANARY-wrong\n")
	if code, rest := s.ended(); code != 77 || !strings.Contains(rest, "refused the login (HTTP 401)") ||
		strings.Contains(rest, "CANARY") {
		t.Errorf("exit code %d: %s", code, rest)
	}
	again := sit(t, u.command("login", "web"))
	again.until("Password of alice at ")
	again.types("CANARY-alice-pw\n")
	if code, rest := again.ended(); code != 0 || !strings.Contains(rest, "jeton: web: logged in as alice in web; ") {
		t.Errorf("exit code %d: %s", code, rest)
	}
}

// A tool that asks at a terminal has its person log in on demand, unless it keeps the
// terminal for itself.
func TestLoginOnDemand(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	u, opened := person(t, w, persons, "1s")
	info := `KUBERNETES_EXEC_INFO={"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential",` +
		`"spec":{"interactive":false}}`
	alone := u.command("get", "id")
	alone.Env = append(alone.Env, info)
	s := sit(t, alone)
	if code, rest := s.ended(); code != 77 || !strings.Contains(rest, "hint: jeton login id") || pages(t, opened) != 0 {
		t.Errorf("exit code %d: %s", code, rest)
	}
	asked := u.command("get", "id")
	asked.Env = append(asked.Env, strings.Replace(info, "false", "true", 1))
	s = sit(t, asked)
	s.until(`Waiting since .*\. Ctrl-C leaves, the login stays open\.`)
	if code, rest := s.ended(); code != 0 || !strings.Contains(s.out.String(), `"kind": "ExecCredential"`) ||
		pages(t, opened) != 1 {
		t.Errorf("exit code %d: %s%s", code, s.out.String(), rest)
	}
}

// A login outlives its caller: whoever asks next has the token.
func TestLoginOutlives(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	u, opened := person(t, w, persons, "1s")
	s := sit(t, u.command("get", "desk"))
	s.until("Waiting since ")
	s.cmd.Process.Kill()
	s.ended()
	out, err := u.command("get", "desk").CombinedOutput()
	if err != nil || pages(t, opened) != 1 {
		t.Errorf("%v, %d pages: %s", err, pages(t, opened), out)
	}
}

// Without a browser here, the address is shown, and the one that a browser elsewhere ends
// at is pasted. It is not shown: the code is in it.
func TestPastedAddress(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	u, opened := person(t, w, persons, "")
	s := sit(t, u.command("login", "desk", "--no-browser"))
	seen := s.until("paste it here, and press Enter")
	address := regexp.MustCompile(`http://[^\s]*/oauth2/authorize[^\s]*`).FindString(seen)
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	end := resp.Header.Get("Location")
	s.types("http://127.0.0.1:1/other?code=CANARY-x\r")
	s.until("That is not the address at the end of this login")
	io.WriteString(s.main, regexp.MustCompile(`state=[^&]*`).ReplaceAllString(end, "state=other")+"\r")
	s.until("That address belongs to another login")
	io.WriteString(s.main, end+"\r")
	code, rest := s.ended()
	if code != 0 || !strings.Contains(rest, "logged in as alice") || strings.Contains(rest, "CANARY") ||
		pages(t, opened) != 0 {
		t.Errorf("exit code %d: %s", code, rest)
	}
	// The same through a pipe, without a terminal.
	cmd := u.command("login", "desk", "--no-browser")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	stdin, _ := cmd.StdinPipe()
	stderr, _ := cmd.StderrPipe()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(stderr)
	for address = ""; address == ""; {
		line, err := lines.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		address = regexp.MustCompile(`http://.*/oauth2/authorize.*`).FindString(line)
	}
	if resp, err = client.Get(address); err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	io.WriteString(stdin, resp.Header.Get("Location")+"\n")
	text, _ := io.ReadAll(lines)
	if err := cmd.Wait(); err != nil || !strings.Contains(string(text), "logged in as alice") {
		t.Errorf("%v: %s", err, text)
	}
}

// Ctrl-C cancels the login of jeton login, also while an address is to be pasted, and the
// terminal is as it was.
func TestLoginCancelled(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, args := range [][]string{{"login", "desk"}, {"login", "desk", "--no-browser"}} {
		u, _ := person(t, w, persons, "8s")
		s := sit(t, u.command(args...))
		s.until("Waiting since |press Enter")
		io.WriteString(s.main, "\x03")
		if code, rest := s.ended(); code != 130 {
			t.Errorf("%v: exit code %d: %s", args, code, rest)
		}
		out, err := u.command("get", "desk").CombinedOutput()
		want := regexp.MustCompile(`^jeton: desk: the login was cancelled \(at \d\d:\d\d\)\nhint: jeton login desk\n$`)
		if err == nil || !want.Match(out) {
			t.Errorf("%v: %v: %s", args, err, out)
		}
	}
}
