package keystone

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/jeton-cli/jeton/plugin"
)

// An Openrc is what an openrc file would put into the environment of the shell
// that sources it. It is read and never run.
type Openrc struct {
	values map[string]word
	getenv func(string) string // what the file may refer to
	notes  []string            // what is not understood
	ended  bool                // by return or exit
}

// A word is the value of a variable of the shell.
type word struct {
	text    string
	unset   bool     // although the environment may have one
	asked   bool     // what the user types
	command []string // what a program prints
}

// ReadOpenrc reads an openrc file. getenv is the environment that it refers
// to.
func ReadOpenrc(b []byte, getenv func(string) string) (*Openrc, error) {
	list, err := parseShell(string(b))
	if err != nil {
		return nil, err
	}
	o := &Openrc{values: map[string]word{}, getenv: getenv}
	o.statements(list)
	return o, nil
}

// get returns a variable, which is empty if it is not text.
func (o *Openrc) get(name string) string { return o.values[name].text }

// Names returns the names of the variables that the file sets, sorted.
func (o *Openrc) names() []string {
	var names []string
	for name, w := range o.values {
		if w.text != "" || w.asked || w.command != nil {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// note tells of a place that is not understood.
func (o *Openrc) note(line int, format string, args ...any) {
	o.notes = append(o.notes, fmt.Sprintf("line %d: ", line)+plugin.Shorten(fmt.Sprintf(format, args...)))
}

func (o *Openrc) statements(list []statement) {
	for i := range list {
		if !o.ended {
			o.run(&list[i])
		}
	}
}

// run follows one statement, and reports whether the shell would find that it
// succeeded, if that is known.
func (o *Openrc) run(s *statement) (succeeded, known bool) {
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
		plain := len(s.words) == 0 || slices.Contains(append([]string{"unset", "read"}, harmless...), s.words[0].literal())
		return true, plain && !s.negated
	}
	return false, false
}

// harmless are commands that have no part in a login.
var harmless = []string{"echo", "printf", "set", ":", "true", "shopt"}

func (o *Openrc) command(s *statement) {
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
func (o *Openrc) declare(list []assignment) {
	before := maps.Clone(o.values)
	after := map[string]word{}
	for _, a := range list {
		if a.name == "" { // an option, or a name in quotes
			w, err := o.parts(a.value, false)
			if name, value, ok := strings.Cut(w.text, "="); ok && validName(name) {
				after[name] = word{text: value}
			} else if err != nil || !strings.HasPrefix(w.text, "-") && !validName(w.text) {
				o.note(a.line, "export of what is not a plain name")
			}
			continue
		}
		if a.naked { // export NAME
			continue
		}
		o.assign([]assignment{a})
		after[a.name] = o.values[a.name]
		o.values = maps.Clone(before)
	}
	maps.Copy(o.values, after)
}

func (o *Openrc) assign(list []assignment) {
	for _, a := range list {
		if a.more {
			o.note(a.line, "%s is more than a plain value", a.name)
			o.values[a.name] = word{}
			continue
		}
		w, err := o.parts(a.value, false)
		if err != nil {
			o.note(a.line, "%s: %v", a.name, err)
		}
		o.values[a.name] = w
	}
}

func (o *Openrc) call(s *statement) {
	if len(s.words) == 0 {
		o.assign(s.assigns)
		return
	}
	switch name := s.words[0].literal(); {
	case name == "unset":
		for _, arg := range s.words[1:] {
			o.values[arg.literal()] = word{unset: true}
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
			o.values[arg] = word{asked: true}
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

func (o *Openrc) branch(s *statement) {
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
func (o *Openrc) holds(s *statement) (holds, ok bool) {
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
		if value.asked || value.command != nil {
			value.text = "x" // something
		}
		args = append(args, value.text)
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

func (o *Openrc) parts(parts shellWord, quoted bool) (word, error) {
	var b strings.Builder
	for i, q := range parts {
		var piece word
		var err error
		switch q.kind {
		case literalPart:
			piece.text = unescape(q.text, quoted)
			if rest, ok := strings.CutPrefix(q.text, "~"); ok && !quoted && i == 0 && (rest == "" && len(parts) == 1 || strings.HasPrefix(rest, "/")) {
				piece.text = o.getenv("HOME") + unescape(rest, false)
			}
		case singleQuoted, dollarQuoted:
			if piece.text = q.text; q.kind == dollarQuoted && strings.Contains(q.text, `\`) {
				err = errors.New("$'…' with escapes is not understood")
			}
		case doubleQuoted:
			piece, err = o.parts(q.inner, true)
		case parameter:
			piece, err = o.parameter(q, quoted)
		case substitution:
			piece.command, err = argv(q)
		default:
			err = errors.New("it is more than text and variables")
		}
		if err != nil {
			return word{}, err
		}
		if piece.asked || piece.command != nil {
			if len(parts) > 1 {
				return word{}, errors.New("it is put together of what is not known yet")
			}
			return piece, nil
		}
		b.WriteString(piece.text)
	}
	return word{text: b.String()}, nil
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
func (o *Openrc) parameter(q part, quoted bool) (word, error) {
	if q.complex {
		return word{}, errors.New("${…} with more than a name is not understood")
	}
	w, set := o.values[q.text]
	if !set {
		w.text = o.getenv(q.text)
		set = w.text != ""
	}
	set = set && !w.unset
	if q.operator == "" {
		return w, nil
	}
	empty := w.text == "" && !w.asked && w.command == nil
	switch q.operator {
	case "-":
		empty = !set
	case ":-":
	default:
		return word{}, fmt.Errorf("${%s%s…} is not understood", q.text, q.operator)
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
		case c == '$' && !single && i+1 < len(text) && (text[i+1] == '{' || nameByte(text[i+1], true) || strings.IndexByte("@*#?$!-", text[i+1]) >= 0):
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
