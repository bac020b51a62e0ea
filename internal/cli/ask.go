package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/term"

	"github.com/jeton-cli/jeton/plugin"
)

// An asker asks the person at the terminal. Ctrl-C ends the process.
type asker struct {
	ctx context.Context
	tty *tty
	look
}

// newAsker returns an asker, or nil if nobody is there to answer: the terminal is another
// program's, or standard input is not one.
func newAsker(ctx context.Context, t *terminal) *asker {
	if !term.IsTerminal(int(os.Stdin.Fd())) {
		return nil
	}
	tty, err := openTTY()
	if err != nil {
		return nil
	}
	return &asker{ctx, tty, lookOf(tty.out, t.getenv, t.colorMode())}
}

// errEnd says that there will be no answer.
var errEnd = errors.New("the end of the answers")

// errEmpty says that the answer was an empty line.
var errEmpty = errors.New("an empty line")

// errNoAnswer is what the end of the input means.
func errNoAnswer() *plugin.Error { return plugin.Errorf(plugin.Denied, "nothing was entered") }

// say writes a paragraph.
func (a *asker) say(format string, args ...any) {
	fmt.Fprintln(a.tty.out, a.paragraph(abbreviated(plugin.Printable(fmt.Sprintf(format, args...)))))
}

// praise writes a paragraph about what went well.
func (a *asker) praise(format string, args ...any) {
	fmt.Fprintln(a.tty.out, a.paint(green, a.paragraph(plugin.Printable(fmt.Sprintf(format, args...)))))
}

// line asks for a line. An empty answer is def. Unless optional is set, a question without
// def is asked until there is an answer.
func (a *asker) line(question, def string, optional bool) (string, error) {
	prompt := question
	switch {
	case def != "":
		prompt += " [" + def + "]"
	case optional:
		prompt += " [none]"
	}
	for {
		io.WriteString(a.tty.out, a.paint(bold, plugin.Printable(prompt)+": "))
		text, err := a.read()
		if err != nil {
			return "", err
		}
		if text = strings.TrimSpace(text); text == "" {
			text = def
		}
		if text != "" || optional {
			return text, nil
		}
		a.say("An answer is needed; Ctrl-C leaves.")
	}
}

// read reads a line of the terminal, byte by byte: what comes after it belongs to the next
// question.
func (a *asker) read() (string, error) {
	var line []byte
	b := make([]byte, 1)
	for {
		n, err := a.tty.in.Read(b)
		switch {
		case n == 1 && b[0] == '\n':
			return string(line), nil
		case n == 1:
			line = append(line, b[0])
		case err != nil && !errors.Is(err, io.EOF):
			return "", plugin.Errorf(plugin.Denied, "the terminal cannot be read")
		default:
			fmt.Fprintln(a.tty.out)
			return "", plugin.Because(errNoAnswer(), errEnd)
		}
	}
}

// choose asks for one of the options, and returns its index. def is the index of the one for
// an empty answer.
func (a *asker) choose(question string, options []string, def int) (int, error) {
	a.say("%s", question)
	for i, option := range options {
		number := fmt.Sprintf("  %2d  ", i+1)
		fmt.Fprintln(a.tty.out, number+breakBehind(abbreviated(plugin.Printable(option)), a.width, len(number)))
	}
	for {
		answer, err := a.line("Number", strconv.Itoa(def+1), false)
		if err != nil {
			return 0, err
		}
		if n := chosen(answer, options); n >= 0 {
			return n, nil
		}
		a.say("Enter a number from 1 to %d.", len(options))
	}
}

// chosen returns the index of the option that an answer means, or -1: by its number, by its
// text, or by its first word, if no other option has that.
func chosen(answer string, options []string) int {
	if n, err := strconv.Atoi(answer); err == nil && n >= 1 && n <= len(options) {
		return n - 1
	}
	if n := slices.Index(options, answer); n >= 0 {
		return n
	}
	found := -1
	for i, option := range options {
		first, _, _ := strings.Cut(option, " ")
		switch {
		case answer == "" || strings.TrimSuffix(first, ":") != answer:
		case found >= 0:
			return -1
		default:
			found = i
		}
	}
	return found
}

// yes asks a question that is answered by yes or no.
func (a *asker) yes(question string, def bool) (bool, error) {
	choice := map[bool]string{true: "Y/n", false: "y/N"}[def]
	for {
		io.WriteString(a.tty.out, a.paint(bold, plugin.Printable(question)+" ["+choice+"] "))
		answer, err := a.read()
		if err != nil {
			return false, err
		}
		switch strings.ToLower(strings.TrimSpace(answer)) {
		case "":
			return def, nil
		case "y", "yes", "o", "oui":
			return true, nil
		case "n", "no", "non":
			return false, nil
		}
		a.say("Answer y or n.")
	}
}

// secret asks for a line that is not shown, until it is not empty.
func (a *asker) secret(question string) (plugin.Secret, error) {
	for {
		s, err := a.tty.readHidden(a.ctx, a.paint(bold, plugin.Printable(question)+" (not shown): "))
		if !errors.Is(err, errEmpty) {
			return s, err
		}
	}
}
