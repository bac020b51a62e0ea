package cli

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/jeton-cli/jeton/testdata/embedded"
)

// What is typed at the terminal is not shown, and an interrupted question
// leaves the terminal as it was.
func TestHiddenInput(t *testing.T) {
	w := newWorld(t)
	u := newUser(t, w, "  p: {plugin: keystone, auth_url: $KEYSTONE, username: erin, user_domain_id: default, "+
		"password: CANARY-erin-pw, project_id: $WEB}\n")
	echo := func(tty *os.File) bool {
		state, err := unix.IoctlGetTermios(int(tty.Fd()), unix.TCGETS)
		if err != nil {
			t.Fatal(err)
		}
		return state.Lflag&unix.ECHO != 0
	}
	for _, interrupted := range []bool{false, true} {
		main, tty := pty(t)
		cmd := u.command("get", "p", "--refresh")
		cmd.Stdin = tty
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		for end := time.Now().Add(10 * time.Second); echo(tty); time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatal("the terminal still shows what is typed")
			}
		}
		typed := "CANARY-typed\n"
		if interrupted {
			typed = "CANARY\x03"
		}
		io.WriteString(main, typed)
		err := cmd.Wait()
		want := 77
		if interrupted {
			want = 130
		}
		if exit, ok := err.(*exec.ExitError); !ok || exit.ExitCode() != want {
			t.Errorf("interrupted %v: %v", interrupted, err)
		}
		if !echo(tty) {
			t.Error("the terminal is left without echo")
		}
		tty.Close()
		shown, _ := io.ReadAll(main)
		if strings.Contains(string(shown), "CANARY") ||
			!strings.Contains(string(shown), "Passcode of erin at 127.0.0.1:") {
			t.Errorf("the terminal shows %q", shown)
		}
	}
}

// While a credential is at hand, nothing is asked to renew it ahead.
func TestNoQuestionAhead(t *testing.T) {
	w := newWorld(t)
	u := newUser(t, w, "  p: {plugin: keystone, auth_url: $KEYSTONE, username: erin, user_domain_id: default, "+
		"password: CANARY-erin-pw, project_id: $WEB, renew_after: 1ns, passcode: {env: CODE}}\n")
	cmd := u.command("get", "p", "-f", "token")
	cmd.Env = append(cmd.Env, "CODE="+embedded.TOTP(totpErin, time.Now()))
	first, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	u.configure(t, w, "  p: {plugin: keystone, auth_url: $KEYSTONE, username: erin, user_domain_id: default, "+
		"password: CANARY-erin-pw, project_id: $WEB, renew_after: 1ns}\n")
	_, tty := pty(t)
	defer tty.Close()
	cmd = u.command("get", "p", "-f", "token")
	var out, complaint strings.Builder
	cmd.Stdin, cmd.Stdout, cmd.Stderr = tty, &out, &complaint
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	timer := time.AfterFunc(10*time.Second, func() { cmd.Process.Kill() })
	defer timer.Stop()
	if err := cmd.Run(); err != nil || out.String() != string(first) || complaint.String() != "" {
		t.Errorf("%v: %s%s", err, out.String(), complaint.String())
	}
}

// pty returns the two ends of a new terminal.
func pty(t *testing.T) (main, tty *os.File) {
	main, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { main.Close() })
	if err := unix.IoctlSetPointerInt(int(main.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(main.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	tty, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	return main, tty
}

// At a terminal jeton says what it waits for, and leaves nothing of that. Elsewhere it says
// nothing.
func TestSpinner(t *testing.T) {
	t.Parallel()
	slow := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(1500 * time.Millisecond)
		w.WriteHeader(http.StatusUnauthorized)
	}))
	t.Cleanup(slow.Close)
	u := newUser(t, &world{}, "  p: {plugin: keystone, auth_url: "+slow.URL+", username: alice, "+
		"password: CANARY-alice-pw, project_id: a}\n  q: {plugin: command, argv: [sleep, '1.5']}\n")
	host := strings.TrimPrefix(slow.URL, "http://")
	for profile, what := range map[string]string{"p": host, "q": "the program sleep"} {
		t.Run(profile, func(t *testing.T) {
			t.Parallel()
			main, tty := pty(t)
			cmd := u.command("get", profile, "--refresh")
			cmd.Env = append(cmd.Env, "TERM=xterm")
			cmd.Stdout, cmd.Stderr = tty, tty
			if err := cmd.Run(); err == nil {
				t.Error("no error")
			}
			tty.Close()
			shown, _ := io.ReadAll(main)
			text := string(shown)
			last := text[strings.LastIndex(text, "Waiting")+1:]
			if !strings.Contains(text, "Waiting for "+what+" (1 s). Ctrl-C stops.") ||
				!strings.Contains(last, "\r\x1b[K") {
				t.Errorf("the terminal shows %q", text)
			}
			if out, err := u.command("get", profile, "--refresh").CombinedOutput(); err == nil ||
				strings.Contains(string(out), "Waiting") {
				t.Errorf("without a terminal: %v, %q", err, out)
			}
		})
	}
}
