// Package screen runs commands in a terminal of 80 columns and 24 lines, which is tmux's, and
// tells what a person sees there.
package screen

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// The size of the terminal.
const (
	Columns = 80
	Lines   = 24
)

// A Screen is a terminal with a shell in it.
type Screen struct {
	dir    string // of tmux's socket
	socket string
	home   string
}

// Installed reports whether there is a tmux.
func Installed() bool {
	_, err := exec.LookPath("tmux")
	return err == nil
}

// Open opens a terminal for a user with this home directory and these variables, NAME=VALUE
// each. The shell's prompt is a dollar and a blank.
func Open(home string, env ...string) (*Screen, error) {
	dir, err := os.MkdirTemp("", "screen")
	if err != nil {
		return nil, err
	}
	s := &Screen{dir: dir, socket: filepath.Join(dir, "s"), home: home}
	shell := []string{"env", "-i", "HOME=" + home, "TERM=screen-256color", "LANG=C.UTF-8", "PS1=$ "}
	shell = append(append(shell, env...), "sh")
	args := []string{"-f", "/dev/null", "new-session", "-d", "-x", strconv.Itoa(Columns), "-y", strconv.Itoa(Lines),
		"-c", home}
	if _, err := s.tmux(append(args, shell...)...); err != nil {
		s.Close()
		return nil, err
	}
	if _, err := s.tmux("set-option", "-g", "history-limit", "5000"); err != nil {
		s.Close()
		return nil, err
	}
	return s, s.Wait("$")
}

// Close ends the terminal and what runs in it.
func (s *Screen) Close() {
	s.tmux("kill-server")
	os.RemoveAll(s.dir)
}

func (s *Screen) tmux(args ...string) (string, error) {
	cmd := exec.Command("tmux", append([]string{"-S", s.socket}, args...)...)
	cmd.Env = append(os.Environ(), "LANG=C.UTF-8", "TMUX=")
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("tmux %s: %v: %s", args[0], err, out)
	}
	return string(out), nil
}

// Answer types a line, and waits until what is shown has changed and its last line, without
// blanks at its end, ends with text.
func (s *Screen) Answer(line, text string) error {
	before, err := s.history()
	if err != nil {
		return err
	}
	if line != "" {
		if _, err := s.tmux("send-keys", "-l", "--", line); err != nil {
			return err
		}
	}
	if err := s.Press("Enter"); err != nil {
		return err
	}
	return s.wait(text, func(now string) bool { return now != before })
}

// Run runs a command of the shell, and waits for its end.
func (s *Screen) Run(command string) error {
	before, err := s.history()
	if err != nil {
		return err
	}
	if _, err := s.tmux("send-keys", "-l", "--", command); err != nil {
		return err
	}
	if err := s.Press("Enter"); err != nil {
		return err
	}
	return s.wait("\n$", func(now string) bool { return prompts(now) > prompts(before) })
}

// prompts counts the shell's prompts.
func prompts(text string) int { return strings.Count("\n"+text, "\n$") }

// Press presses a key, by its name for tmux, such as C-c.
func (s *Screen) Press(key string) error {
	_, err := s.tmux("send-keys", key)
	return err
}

// Wait waits until the last line ends with text, without blanks at its end.
func (s *Screen) Wait(text string) error { return s.wait(text, func(string) bool { return true }) }

// history returns everything that was shown.
func (s *Screen) history() (string, error) {
	text, err := s.tmux("capture-pane", "-p", "-S", "-")
	return strings.TrimRight(text, " \n"), err
}

// patience is how long a program may take.
const patience = 30 * time.Second

func (s *Screen) wait(text string, also func(now string) bool) error {
	now := ""
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(30 * time.Millisecond) {
		var err error
		if now, err = s.history(); err != nil {
			return err
		}
		if strings.HasSuffix("\n"+now, text) && also(now) {
			return nil
		}
	}
	return fmt.Errorf("the terminal does not come to %q:\n%s", text, now)
}

// Shown returns everything that was shown, with what differs from run to run made alike. With
// colours, it has the escape sequences of ECMA-48.
func (s *Screen) Shown(colours bool) (string, error) {
	args := []string{"capture-pane", "-p", "-S", "-"}
	if colours {
		args = append(args, "-e")
	}
	text, err := s.tmux(args...)
	if err != nil {
		return "", err
	}
	return Alike(strings.ReplaceAll(strings.TrimRight(text, "\n")+"\n", s.home, "~")), nil
}

// What differs from run to run, and what stands for it.
var differing = []struct {
	pattern *regexp.Regexp
	alike   string
}{
	{regexp.MustCompile(`127\.0\.0\.1:\d{5}`), "127.0.0.1:35357"},
	{regexp.MustCompile(`\b[0-9a-f]{32}\b`), "0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f"},
	{regexp.MustCompile(`\b[0-9a-f]{8}…`), "0f0f0f0f…"},
	{regexp.MustCompile(`\b\d+s ago`), "1s ago"},
	{regexp.MustCompile(`\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ`), "2026-11-27T12:00:00Z"},
	{regexp.MustCompile(`\b(at|since|until) \d\d:\d\d\b`), "$1 12:00"},
	{regexp.MustCompile(`remembered for \d+ s more`), "remembered for 2 s more"},
}

// Alike returns text with what differs from run to run made alike.
func Alike(text string) string {
	for _, d := range differing {
		text = d.pattern.ReplaceAllString(text, d.alike)
	}
	return text
}
