// Package openrc reads openrc files: scripts for a shell that put the settings of a
// login into its environment. A file is read and never run.
package openrc

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/jeton-cli/jeton/plugin"
)

// A File is what an openrc file would put into the environment of the shell that
// sources it.
type File struct {
	// Values are those of the variables that the file sets.
	Values map[string]Value
	// Notes tell what is not understood, with its line.
	Notes []string

	getenv func(string) string // what the file may refer to
	ended  bool                // by return or exit
}

// A Value is that of a variable of the shell.
type Value struct {
	Text    string
	Unset   bool     // although the environment may have one
	Asked   bool     // what the user types
	Command []string // what a program prints
}

// Read reads an openrc file. getenv is the environment that it refers to.
func Read(b []byte, getenv func(string) string) (*File, error) {
	list, err := parseShell(string(b))
	if err != nil {
		return nil, err
	}
	o := &File{Values: map[string]Value{}, getenv: getenv}
	o.statements(list)
	return o, nil
}

// Get returns a variable, which is empty if it is not text.
func (o *File) Get(name string) string { return o.Values[name].Text }

// Names returns the names of the variables that the file sets, sorted.
func (o *File) Names() []string {
	var names []string
	for name, w := range o.Values {
		if w.Text != "" || w.Asked || w.Command != nil {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// note tells of a place that is not understood.
func (o *File) note(line int, format string, args ...any) {
	o.Notes = append(o.Notes, fmt.Sprintf("line %d: ", line)+plugin.Shorten(fmt.Sprintf(format, args...)))
}

func (o *File) statements(list []statement) {
	for i := range list {
		if !o.ended {
			o.run(&list[i])
		}
	}
}

// run follows one statement, and reports whether the shell would find that it
// succeeded, if that is known.
func (o *File) run(s *statement) (succeeded, known bool) {
	if holds, ok := o.holds(s); ok {
		return holds, true
	}
	if s.kind == pair && s.operator != "|" {
		left, known := o.run(s.left)
		switch {
		case !known:
			o.note(s.line, "what follows %s depends on more than variables", s.operator)
			return false, false
		case left == (s.operator == "&&") && !o.ended:
			return o.run(s.right)
		}
		return left, true
	}
	o.command(s)
	switch s.kind {
	case declaration:
		return true, !s.negated
	case plainCommand:
		plain := len(s.words) == 0 || slices.Contains(append([]string{"unset", "read"}, harmless...),
			s.words[0].literal())
		return true, plain && !s.negated
	}
	return false, false
}

// harmless are commands that have no part in a login.
var harmless = []string{"echo", "printf", "set", ":", "true", "shopt"}

func (o *File) command(s *statement) {
	switch s.kind {
	case declaration:
		o.declare(s.assigns)
	case plainCommand:
		o.call(s)
	case block:
		o.statements(s.body)
	case ifClause:
		o.branch(s)
	case pair:
		o.note(s.line, "%s is not understood", s.operator)
	case testClause:
	case function:
		o.note(s.line, "functions are not called")
	default:
		o.note(s.line, "loops and the like are not followed")
	}
}

// declare is export and its like: a shell expands all its words before it sets
// the first.
func (o *File) declare(list []assignment) {
	before := maps.Clone(o.Values)
	after := map[string]Value{}
	for _, a := range list {
		if a.name == "" { // an option, or a name in quotes
			w, err := o.parts(a.value, false)
			if name, value, ok := strings.Cut(w.Text, "="); ok && validName(name) {
				after[name] = Value{Text: value}
			} else if err != nil || !strings.HasPrefix(w.Text, "-") && !validName(w.Text) {
				o.note(a.line, "export of what is not a plain name")
			}
			continue
		}
		if a.naked { // export NAME
			continue
		}
		o.assign([]assignment{a})
		after[a.name] = o.Values[a.name]
		o.Values = maps.Clone(before)
	}
	maps.Copy(o.Values, after)
}

func (o *File) assign(list []assignment) {
	for _, a := range list {
		if a.more {
			o.note(a.line, "%s is more than a plain value", a.name)
			o.Values[a.name] = Value{}
			continue
		}
		w, err := o.parts(a.value, false)
		if err != nil {
			o.note(a.line, "%s: %v", a.name, err)
		}
		o.Values[a.name] = w
	}
}

func (o *File) call(s *statement) {
	if len(s.words) == 0 {
		o.assign(s.assigns)
		return
	}
	switch name := s.words[0].literal(); {
	case name == "unset":
		for _, arg := range s.words[1:] {
			o.Values[arg.literal()] = Value{Unset: true}
		}
	case name == "return", name == "exit":
		o.ended = true
	case name == "read":
		for i := 1; i < len(s.words); i++ {
			arg := s.words[i].literal()
			if strings.HasPrefix(arg, "-") {
				if strings.ContainsAny(arg[len(arg)-1:], "pdintuaN") {
					i++ // the option's value
				}
				continue
			}
			o.Values[arg] = Value{Asked: true}
		}
	case slices.Contains(declarations, name): // behind an assignment
		o.note(s.line, "%s of what is not a plain name", name)
	case slices.Contains(harmless, name):
	case name == "":
		o.note(s.line, "a command is not run")
	default:
		o.note(s.line, "the command %s is not run", name)
	}
}

func (o *File) branch(s *statement) {
	for _, a := range s.arms {
		if len(a.condition) == 0 { // else
			o.statements(a.then)
			return
		}
		holds, ok := false, len(a.condition) == 1
		if ok {
			holds, ok = o.holds(&a.condition[0])
		}
		if !ok {
			o.note(s.line, "what this if decides depends on more than variables")
			return
		}
		if holds {
			o.statements(a.then)
			return
		}
	}
}

// holds evaluates a condition on variables: [ -z "$X" ] and its like.
// It is one function because the forms of test are one list.
func (o *File) holds(s *statement) (holds, ok bool) {
	words := s.words
	switch {
	case s.kind == plainCommand && len(words) > 2 && words[0].literal() == "[" && words[len(words)-1].literal() == "]":
		words = words[1 : len(words)-1]
	case s.kind == plainCommand && len(words) > 2 && words[0].literal() == "test":
		words = words[1:]
	case s.kind == testClause:
		if n := len(words); n == 3 && words[2].pattern() {
			return false, false
		}
	default:
		return false, false
	}
	var args []string
	for _, w := range words {
		value, err := o.parts(w, false)
		if err != nil {
			return false, false
		}
		if value.Asked || value.Command != nil {
			value.Text = "x" // something
		}
		args = append(args, value.Text)
	}
	switch {
	case len(args) == 2 && args[0] == "-z":
		holds = args[1] == ""
	case len(args) == 2 && args[0] == "-n":
		holds = args[1] != ""
	case len(args) == 3 && (args[1] == "=" || args[1] == "=="):
		holds = args[0] == args[2]
	case len(args) == 3 && args[1] == "!=":
		holds = args[0] != args[2]
	default:
		return false, false
	}
	return holds != s.negated, true
}

// pattern reports whether the word, to the right of a comparison in [[ ]], is one.
func (w shellWord) pattern() bool {
	return slices.ContainsFunc(w, func(q part) bool {
		return q.kind == parameter || q.kind == otherPart || q.kind == literalPart && strings.ContainsAny(q.text, `*?[\`)
	})
}

func (o *File) parts(parts shellWord, quoted bool) (Value, error) {
	var b strings.Builder
	for i, q := range parts {
		var piece Value
		var err error
		switch q.kind {
		case literalPart:
			piece.Text = unescape(q.text, quoted)
			if rest, ok := strings.CutPrefix(q.text, "~"); ok && !quoted && i == 0 &&
				(rest == "" && len(parts) == 1 || strings.HasPrefix(rest, "/")) {
				piece.Text = o.getenv("HOME") + unescape(rest, false)
			}
		case singleQuoted, dollarQuoted:
			if piece.Text = q.text; q.kind == dollarQuoted && strings.Contains(q.text, `\`) {
				err = errors.New("$'…' with escapes is not understood")
			}
		case doubleQuoted:
			piece, err = o.parts(q.inner, true)
		case parameter:
			piece, err = o.parameter(q, quoted)
		case substitution:
			piece.Command, err = argv(q)
		default:
			err = errors.New("it is more than text and variables")
		}
		if err != nil {
			return Value{}, err
		}
		if piece.Asked || piece.Command != nil {
			if len(parts) > 1 {
				return Value{}, errors.New("it is put together of what is not known yet")
			}
			return piece, nil
		}
		b.WriteString(piece.Text)
	}
	return Value{Text: b.String()}, nil
}

// unescape takes the backslashes out of text.
func unescape(s string, quoted bool) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) && (!quoted || strings.IndexByte("$`\"\\\n", s[i+1]) >= 0) {
			if i++; s[i] == '\n' {
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// parameter returns the value of $NAME, ${NAME} or ${NAME:-default}.
func (o *File) parameter(q part, quoted bool) (Value, error) {
	if q.complex {
		return Value{}, errors.New("${…} with more than a name is not understood")
	}
	w, set := o.Values[q.text]
	if !set {
		w.Text = o.getenv(q.text)
		set = w.Text != ""
	}
	set = set && !w.Unset
	if q.operator == "" {
		return w, nil
	}
	empty := w.Text == "" && !w.Asked && w.Command == nil
	switch q.operator {
	case "-":
		empty = !set
	case ":-":
	default:
		return Value{}, fmt.Errorf("${%s%s…} is not understood", q.text, q.operator)
	}
	if empty {
		return o.parts(q.inner, quoted)
	}
	return w, nil
}

// argv returns the program that $(…) would run: its words, if they are plain,
// and else a shell with the text.
func argv(q part) ([]string, error) {
	switch {
	case q.backquoted && strings.Contains(q.text, `\`):
		return nil, errors.New("backquotes with backslashes in them are not understood: write $(…)")
	case refers(q.text):
		return nil, errors.New("its command refers to variables, which it would not have")
	case len(q.commands) == 0:
		return nil, errors.New("its command is empty")
	}
	if s := q.commands[0]; len(q.commands) == 1 && s.kind == plainCommand && len(s.assigns) == 0 && !s.negated {
		words, plain := []string{}, len(s.words) > 0 && len(s.redirections) == 0
		for _, w := range s.words {
			text, ok := w.plain()
			words, plain = append(words, text), plain && ok
		}
		if plain && !strings.HasSuffix(q.text, "&") {
			return words, nil
		}
		if len(s.words) == 0 && len(s.redirections) == 1 && s.redirections[0].operator == "<" {
			// $(<FILE) is what only a substitution understands.
			if path, ok := s.redirections[0].word.plain(); ok {
				return []string{"cat", path}, nil
			}
			return []string{"sh", "-c", "cat " + strings.TrimLeft(q.text, "< \t")}, nil
		}
	}
	return []string{"sh", "-c", q.text}, nil
}

// refers reports whether the text of a command has a variable in it, outside of
// single quotes.
func refers(text string) bool {
	single, double := false, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\\' && !single:
			i++
		case c == '\'' && !double:
			single = !single
		case c == '"' && !single:
			double = !double
		case c == '$' && !single && i+1 < len(text) &&
			(text[i+1] == '{' || nameByte(text[i+1], true) || strings.IndexByte("@*#?$!-", text[i+1]) >= 0):
			return true
		}
	}
	return false
}

// plain returns the text of a word that refers to nothing.
func (w shellWord) plain() (string, bool) {
	var b strings.Builder
	for i, q := range w {
		switch q.kind {
		case literalPart:
			if i == 0 && strings.HasPrefix(q.text, "~") || strings.ContainsAny(q.text, "*?[{") {
				return "", false
			}
			b.WriteString(unescape(q.text, false))
		case singleQuoted:
			b.WriteString(q.text)
		case doubleQuoted:
			for _, inner := range q.inner {
				if inner.kind != literalPart {
					return "", false
				}
				b.WriteString(unescape(inner.text, true))
			}
		default:
			return "", false
		}
	}
	return b.String(), true
}
