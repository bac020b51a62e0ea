package cli

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"syscall"
	"time"

	"golang.org/x/term"

	"github.com/jeton-cli/jeton/plugin"
)

// A tty is the user's terminal.
type tty struct{ in, out *os.File }

// Close closes both of its ends.
func (t *tty) Close() {
	t.in.Close()
	if t.out != t.in {
		t.out.Close()
	}
}

// readHidden asks a question and reads a line without echo. It restores the terminal
// however the reading ends.
func (t *tty) readHidden(ctx context.Context, question string) (plugin.Secret, error) {
	state, err := term.GetState(int(t.in.Fd()))
	if err != nil {
		return plugin.Secret{}, plugin.ErrPerson
	}
	restore := func() {
		term.Restore(int(t.in.Fd()), state)
		io.WriteString(t.out, "\n")
	}
	interrupts, over := plugin.Interrupts(os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT)
	defer over()
	defer holdQuit()()
	io.WriteString(t.out, question)
	type line struct {
		text []byte
		err  error
	}
	read := make(chan line, 1)
	go func() {
		var l line
		l.err = plugin.Catch(func() (err error) {
			l.text, err = term.ReadPassword(int(t.in.Fd()))
			return err
		})
		read <- l
	}()
	select {
	case l := <-read:
		io.WriteString(t.out, "\n")
		text := strings.TrimSpace(string(l.text))
		switch {
		case l.err == nil && text == "":
			return plugin.Secret{}, plugin.Because(errNoAnswer(), errEmpty)
		case l.err != nil && !errors.Is(l.err, io.EOF) || text == "":
			return plugin.Secret{}, errNoAnswer()
		}
		return plugin.NewSecret(text), nil
	case s := <-interrupts:
		restore()
		os.Exit(signalStatus(s)) // the kernel releases the locks
	case <-time.After(patience):
		restore()
	case <-ctx.Done():
		restore()
	}
	return plugin.Secret{}, plugin.Errorf(plugin.Denied, "nothing was entered in %s", patience)
}
