package cli

import (
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"golang.org/x/term"

	"github.com/jeton-cli/jeton/formats"
	"github.com/jeton-cli/jeton/plugin"
)

// patience is how long a question waits for its answer.
const patience = 2 * time.Minute

// ask puts a question to the user at the terminal, where the answer is not
// shown. Standard input and output belong to the caller's tool. It returns
// plugin.ErrNobody if there is no terminal, or the tool has it.
func (a *app) ask(ctx context.Context, question string) (plugin.Secret, error) {
	defer plugin.Suspend(ctx)()
	if !plugin.Attended(ctx) || !formats.Interactive(a.getenv("KUBERNETES_EXEC_INFO")) {
		return plugin.Secret{}, plugin.ErrNobody
	}
	tty, err := openTerminal()
	if err != nil {
		return plugin.Secret{}, plugin.ErrNobody
	}
	defer tty.Close()
	return readHidden(ctx, tty, question)
}

// readHidden reads a line from tty without showing it. Whatever ends the
// reading, the terminal is left as it was.
func readHidden(ctx context.Context, tty *terminal, question string) (plugin.Secret, error) {
	state, err := term.GetState(int(tty.in.Fd()))
	if err != nil {
		return plugin.Secret{}, plugin.ErrNobody
	}
	restore := func() {
		term.Restore(int(tty.in.Fd()), state)
		io.WriteString(tty.out, "\n")
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer signal.Stop(signals)
	io.WriteString(tty.out, question)
	type line struct {
		text []byte
		err  error
	}
	read := make(chan line, 1)
	go func() {
		text, err := term.ReadPassword(int(tty.in.Fd()))
		read <- line{text, err}
	}()
	select {
	case l := <-read:
		io.WriteString(tty.out, "\n")
		text := strings.TrimSpace(string(l.text))
		if l.err != nil && !errors.Is(l.err, io.EOF) || text == "" {
			return plugin.Secret{}, plugin.Errorf(plugin.Denied, "nothing was entered")
		}
		return plugin.NewSecret(text), nil
	case s := <-signals:
		restore()
		number := 2
		if n, ok := s.(syscall.Signal); ok {
			number = int(n)
		}
		os.Exit(128 + number) // the kernel gives the locks back
	case <-time.After(patience):
		restore()
	case <-ctx.Done():
		restore()
	}
	return plugin.Secret{}, plugin.Errorf(plugin.Denied, "nothing was entered in %s", patience)
}

// A terminal is where the user sits.
type terminal struct{ in, out *os.File }

func (t *terminal) Close() {
	t.in.Close()
	if t.out != t.in {
		t.out.Close()
	}
}
