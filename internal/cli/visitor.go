package cli

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"golang.org/x/term"

	"github.com/jeton-cli/jeton/cache"
	"github.com/jeton-cli/jeton/formats"
	"github.com/jeton-cli/jeton/plugin"
)

// A visitor shows the person at the terminal how a login stands.
type visitor struct {
	*invocation
	t         *terminal
	ps        *profiles
	explicit  bool // the command is jeton login: it also talks without a terminal
	noBrowser bool
	started   *exec.Cmd    // the process of the login, if this one has started it
	said      bytes.Buffer // what that has warned of, when it has ended
}

func newVisitor(i *invocation, t *terminal, ps *profiles) *visitor {
	return &visitor{invocation: i, t: t, ps: ps}
}

// people returns what a session needs to reach the person.
func (v *visitor) people() *cache.People {
	return &cache.People{Present: v.present, Ask: v.t.ask, Start: v.start, Wait: v.wait, Open: v.open}
}

// present reports whether somebody is at the terminal who may be asked.
func (v *visitor) present() bool {
	if v.explicit {
		return true
	}
	if !formats.Interactive(v.env.get) {
		return false
	}
	tty, err := openTTY()
	if err != nil {
		return false
	}
	tty.Close()
	return true
}

// start starts the login of p in a process of its own.
func (v *visitor) start(p *plugin.Profile, anew bool) (<-chan struct{}, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, plugin.Errorf(plugin.Config, "where jeton itself is cannot be told: %v", err)
	}
	why, browser := "needed", "browser"
	if anew {
		why = "anew"
	}
	if v.noBrowser {
		browser = "no-browser"
	}
	cmd := exec.Command(program, loginCommand, p.Name, why, browser, *v.ps.path)
	detach(cmd)
	cmd.Stderr = &v.said
	if err := cmd.Start(); err != nil {
		return nil, plugin.Errorf(plugin.Config, "the login cannot be started: %v", err)
	}
	v.started = cmd
	ended := make(chan struct{})
	go plugin.Catch(func() error {
		defer close(ended)
		return cmd.Wait()
	})
	return ended, nil
}

// open starts a browser for a prompt that wants one on this machine.
func (v *visitor) open(ctx context.Context, profile *plugin.Profile, p plugin.Prompt) error {
	if v.noBrowser {
		return plugin.Errorf(plugin.Config, "no browser is wanted")
	}
	address := p.URL
	if p.Whole != "" {
		address = p.Whole
	}
	return profile.Browser(v.env.get).Open(ctx, address)
}

// A screen is where a waiting visitor writes.
type screen struct {
	io.Writer
	tty   *tty // nil if there is no terminal
	width int
	raw   bool   // lines end with a carriage return too
	line  string // the last line, which is written anew again and again
}

// print writes text on lines of its own.
func (s *screen) print(text string) {
	s.clear()
	if s.raw {
		text = strings.ReplaceAll(text, "\n", "\r\n")
	}
	io.WriteString(s.Writer, text)
}

// status replaces the last line. Without a terminal it writes nothing.
func (s *screen) status(line string) {
	if s.tty == nil || s.raw {
		return
	}
	if r := []rune(line); len(r) >= s.width {
		line = string(r[:s.width-1])
	}
	if line != s.line {
		io.WriteString(s.Writer, "\r\x1b[K"+line)
		s.line = line
	}
}

// clear removes the last line.
func (s *screen) clear() {
	if s.line != "" {
		io.WriteString(s.Writer, "\r\x1b[K")
		s.line = ""
	}
}

// screen returns the terminal, or standard error for a jeton login without one.
func (v *visitor) screen() *screen {
	s := &screen{Writer: v.t.err, width: 80}
	if tty, err := openTTY(); err == nil {
		s.tty, s.Writer = tty, tty.out
		if width, _, err := term.GetSize(int(tty.out.Fd())); err == nil && width > 20 {
			s.width = width
		}
	}
	return s
}

// wait shows how a login stands until ended is closed. A signal ends this process: the
// login goes on, unless the command was jeton login.
func (v *visitor) wait(ctx context.Context, ended <-chan struct{}, login func() *cache.Login) error {
	defer plugin.Suspend(ctx)()
	defer v.t.pause()()
	out := v.screen()
	if out.tty != nil {
		defer out.tty.Close()
	}
	interrupts, over := plugin.Interrupts(os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer over()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	begun := time.Now()
	shown := ""
	var pasted <-chan string
	stop := func() {}
	defer func() { stop(); out.clear() }()
	for {
		select {
		case <-ended:
			stop()
			out.clear()
			for line := range strings.Lines(v.said.String()) {
				v.t.warned = true
				v.t.say(strings.TrimSpace(line))
			}
			return nil
		case s := <-interrupts:
			stop()
			out.clear()
			return v.leave(s, ended)
		case address, ok := <-pasted:
			if !ok {
				stop()
				return v.leave(os.Interrupt, ended)
			}
			out.print(v.relay(ctx, login(), address))
		case <-tick.C:
			l := login()
			if text := v.told(l, out); text != shown && text != "" {
				out.print(text)
				if shown = text; pasted == nil && l.Prompt.Back != "" && l.Trouble != "" {
					pasted, stop = v.read(out)
				}
			}
			out.status(v.standing(l, begun))
		}
	}
}

// leave ends the wait because of a signal. For jeton login, it ends the login too.
func (v *visitor) leave(s os.Signal, ended <-chan struct{}) error {
	if v.explicit && v.started != nil && s == os.Interrupt {
		v.started.Process.Signal(syscall.SIGTERM)
		select {
		case <-ended:
		case <-time.After(2 * time.Second):
		}
		v.t.say("jeton: the login was cancelled")
	}
	os.Exit(signalStatus(s))
	return nil
}

// told returns what the person has to do for a login, or "" as long as that is not known.
func (v *visitor) told(l *cache.Login, out *screen) string {
	if l == nil || l.Prompt.URL == "" {
		return ""
	}
	p := l.Prompt
	p.URL, p.Code, p.Whole = plugin.Printable(p.URL), plugin.Printable(p.Code), plugin.Printable(p.Whole)
	intro := plugin.Printable("jeton: profile "+l.Profile+" needs a login at "+l.At+".") + "\n"
	switch {
	case p.Code != "":
		text := intro
		if l.Trouble == "" {
			text += "Your browser shows the page. Or else:\n"
		}
		text += "Open this address, on this machine or another, and enter the code:\n\n  " + p.URL +
			"\n\n  " + p.Code + "\n\n"
		if p.Whole != "" && out.tty != nil {
			text += qrCode(p.Whole, out.width, v.env.get)
		}
		return text
	case l.Trouble == "":
		return intro + "Your browser shows the page. If it does not, open this address:\n\n  " + p.URL + "\n\n" +
			noteOf(p)
	}
	return intro + "Open this address in a browser:\n\n  " + p.URL + "\n\n" +
		"If the browser is on another machine, it ends at a page that it cannot load.\n" +
		"Copy the address of that page, paste it here, and press Enter.\n" + noteOf(p) +
		"Waiting until " + clockTime(p.Until) + ". Ctrl-C leaves.\n"
}

// noteOf returns the remark of a prompt as a line, or "".
func noteOf(p plugin.Prompt) string {
	if p.Note == "" {
		return ""
	}
	return plugin.Printable(p.Note) + "\n\n"
}

// standing returns the line that says who is waited for, how long, and how to leave.
func (v *visitor) standing(l *cache.Login, begun time.Time) string {
	waited := time.Since(begun).Round(time.Second)
	if l == nil {
		if waited < time.Second {
			return ""
		}
		return fmt.Sprintf("Waiting for the login (%s).", waited)
	}
	if question, is := strings.CutSuffix(l.At, ": "); is {
		return fmt.Sprintf("Process %d asks: %s. Ctrl-C leaves.", l.PID, plugin.Printable(question))
	}
	if l.Prompt.URL == "" {
		return fmt.Sprintf("Waiting for the login at %s (%s).", plugin.Printable(l.At), waited)
	}
	leave := "Ctrl-C leaves, the login stays open."
	if v.explicit {
		leave = "Ctrl-C cancels."
	}
	return fmt.Sprintf("Waiting since %s, until %s. %s", l.Started.Local().Format("15:04:05"),
		clockTime(l.Prompt.Until), leave)
}

// maxPasted is the longest address in bytes that is taken: browsers allow 64 KiB.
const maxPasted = 64 << 10

// read returns a channel with the lines that the person pastes, and a function that
// restores the terminal. The lines are not shown, because they hold the code of the login.
// The channel is closed by Ctrl-C or at the end of the input.
func (v *visitor) read(out *screen) (lines <-chan string, stop func()) {
	var in io.Reader = os.Stdin
	stop = func() {}
	switch {
	case out.tty != nil:
		in = out.tty.in
		// A terminal cuts lines at 4096 bytes, or fewer, unless it is raw.
		if state, err := term.MakeRaw(int(out.tty.in.Fd())); err == nil {
			out.clear()
			out.raw = true
			stop = func() {
				if out.raw {
					out.raw = false
					term.Restore(int(out.tty.in.Fd()), state)
				}
			}
		}
	case term.IsTerminal(int(os.Stdin.Fd())):
		return nil, stop // in the background
	}
	read := make(chan string)
	go plugin.Catch(func() error {
		defer close(read)
		var line []byte
		b := make([]byte, 4<<10)
		for {
			n, err := in.Read(b)
			for _, c := range b[:n] {
				switch {
				case c == 3 || c == 4: // Ctrl-C, Ctrl-D
					return nil
				case c != '\r' && c != '\n':
					line = append(line, c)
				case len(line) > 0:
					read <- string(line)
					line = line[:0]
				}
			}
			if len(line) > maxPasted {
				line = nil // what no browser has for an address
			}
			if err != nil {
				if out.tty == nil {
					select {} // the end of a file is no wish to leave
				}
				return err
			}
		}
	})
	return read, stop
}

// relay takes the address that a browser on another machine has ended at to the login's
// listener on this one. It returns what to tell the person, if anything.
func (v *visitor) relay(ctx context.Context, l *cache.Login, address string) string {
	address = strings.TrimSpace(address)
	if l == nil || !strings.HasPrefix(address, l.Prompt.Back+"?") {
		back := ""
		if l != nil {
			back = l.Prompt.Back
		}
		return "That is not the address at the end of this login. It begins with\n" + back + "?\n"
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 20*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return "That is not an address.\n"
	}
	client := http.Client{Transport: &http.Transport{}} // never through a proxy
	resp, err := client.Do(req)
	if err != nil {
		return "" // the login has ended, which shows by itself
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusBadRequest {
		return "That address belongs to another login. Paste the one that this login ends at.\n"
	}
	return ""
}
