package cli

// The rules of what jeton says, and where:
//
//   - Standard output carries one whole document, or nothing. It is the caller's: what
//     is printed there is read by a program.
//   - Standard error is empty on success, unless a warning is due. A failure is one
//     line, "jeton: PROFILE: what: why", and at most one "hint: …" of what to do next.
//   - Questions go to the terminal itself, never to standard input or output, and only
//     if somebody is there to answer.
//   - No secret is ever on standard error, whatever the level.

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/jeton-cli/jeton/formats"
	"github.com/jeton-cli/jeton/plugin"
)

// A terminal is how jeton talks to its user.
type terminal struct {
	out, err io.Writer
	getenv   func(string) string
	verbose  *bool
	warned   bool // standard error is not empty
	// closed reports whether there is no standard output. It can be nil.
	closed func() bool
	// hold stops the command's budget until resume is called.
	hold func() (resume func())
	// color is the value of --color.
	color *string
	spin  spinner
}

// print writes a whole document to standard output, at once.
func (t *terminal) print(b []byte) error {
	_, err := t.write(b)
	return err
}

// write is print, and also returns how many bytes it wrote.
func (t *terminal) write(b []byte) (int, error) {
	defer t.spin.over(t.err)()
	defer t.hold()() // its reader may take its time
	if t.closed != nil && t.closed() {
		return 0, plugin.Errorf(plugin.Output, "standard output is closed").
			WithHint("to throw the output away: >/dev/null")
	}
	n, err := t.out.Write(b)
	if err != nil {
		return n, plugin.Errorf(plugin.Output, "standard output cannot be written")
	}
	return n, nil
}

// warn reports a problem that does not fail the command.
func (t *terminal) warn(format string, args ...any) {
	t.warned = true
	t.say("jeton: " + fmt.Sprintf(format, args...))
}

// say writes a line to standard error. Whatever is foreign in it is made printable.
func (t *terminal) say(line string) { t.tell("", line, breakText) }

// tell writes a line to standard error, behind a word that says what it is. At a terminal
// it breaks the line between words.
func (t *terminal) tell(what, line string, broken func(text string, width int) string) {
	line = plugin.Printable(what + line)
	if look := t.errLook(); look.width > 0 {
		line = broken(abbreviated(line), look.width)
	}
	defer t.spin.over(t.err)()
	io.WriteString(t.err, line+"\n")
}

// log reports a step under --verbose.
func (t *terminal) log(format string, args ...any) {
	if *t.verbose {
		t.warn(format, args...)
	}
}

// An exitStatus ends the run with a status and no message.
type exitStatus int

func (e exitStatus) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

// fail prints err, or each of the errors that it joins. It returns the exit code of the
// first.
func (t *terminal) fail(err error) (code plugin.Code) {
	var last *plugin.Error
	for _, err := range plugin.Each(err) {
		var named *plugin.ProfileError
		var status exitStatus
		prefix := ""
		if errors.As(err, &status) {
			code = first(code, plugin.Code(status))
			continue
		}
		if errors.As(err, &named) {
			prefix, err = named.Profile+": ", named.Err
		}
		for _, err := range plugin.Each(err) {
			e := plugin.AsError(err)
			code = first(code, e.Code)
			if last != nil && last.Hint != e.Hint {
				t.hint(last)
			}
			t.say("jeton: " + prefix + e.Text)
			last = e
		}
	}
	t.hint(last)
	return code
}

// first returns code if it is one, and else next.
func first(code, next plugin.Code) plugin.Code {
	if code != 0 {
		return code
	}
	return next
}

// hint prints the hint of e, if there is one. Errors that follow each other share a hint.
func (t *terminal) hint(e *plugin.Error) {
	switch {
	case e == nil || e.Hint == "":
	case e.Hint == e.Fix || strings.HasPrefix(e.Hint, "jeton "):
		t.tell("hint: ", e.Hint, breakCommand)
	case e.Fix != "" && strings.HasSuffix(e.Hint, e.Fix):
		t.tell("hint: ", e.Hint, func(text string, width int) string {
			what := strings.TrimSuffix(text, e.Fix)
			return breakText(strings.TrimSpace(what), width) + "\n  " + breakCommand(e.Fix, width-2)
		})
	default:
		t.say("hint: " + e.Hint)
	}
}

// patience is how long a question waits for an answer.
const patience = 2 * time.Minute

// ask asks the user at the terminal and does not show the answer. It returns
// plugin.ErrPerson if there is no terminal, or the calling tool keeps it for itself.
func (t *terminal) ask(ctx context.Context, question string) (plugin.Secret, error) {
	defer plugin.Suspend(ctx)()
	defer t.pause()()
	if !formats.Interactive(t.getenv) {
		return plugin.Secret{}, plugin.ErrPerson
	}
	tty, err := openTTY()
	if err != nil {
		return plugin.Secret{}, plugin.ErrPerson
	}
	defer tty.Close()
	return tty.readHidden(ctx, question)
}

// readSecret reads a secret from standard input. If that is a terminal, it asks there.
func (t *terminal) readSecret(ctx context.Context, question string) (plugin.Secret, error) {
	if !term.IsTerminal(int(os.Stdin.Fd())) {
		defer plugin.Suspend(ctx)()
		secret, err := plugin.ReadSecret(os.Stdin)
		if err != nil {
			e := plugin.AsError(err)
			e.Text = "standard input: " + e.Text
			return secret, e
		}
		return secret, nil
	}
	secret, err := t.ask(ctx, question)
	if errors.Is(err, plugin.ErrPerson) {
		return secret, plugin.Errorf(plugin.Usage, "the secret cannot be asked for in the background").
			WithHint("pass it on standard input")
	}
	return secret, err
}
