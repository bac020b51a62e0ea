package keystone

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"mvdan.cc/sh/v3/syntax"

	"github.com/jeton-cli/jeton/plugin"
)

// An Openrc is what an openrc file would put into the environment of the shell
// that sources it. It is read and never run.
type Openrc struct {
	text   []byte
	values map[string]word
	getenv func(string) string // what the file may refer to
	notes  []string            // what is not understood
	ended  bool                // by return or exit
}

// A word is the value of a variable of the shell.
type word struct {
	text    string
	asked   bool     // what the user types
	command []string // what a program prints
}

// ReadOpenrc reads an openrc file. getenv is the environment that it refers
// to.
func ReadOpenrc(b []byte, getenv func(string) string) (*Openrc, error) {
	file, err := syntax.NewParser().Parse(bytes.NewReader(b), "")
	if err != nil {
		var pe syntax.ParseError
		if errors.As(err, &pe) {
			return nil, plugin.Errorf(plugin.Config, "line %d:%d: is not a shell's: %s", pe.Pos.Line(), pe.Pos.Col(), plugin.Shorten(pe.Text))
		}
		return nil, plugin.Errorf(plugin.Config, "is not a file for a shell")
	}
	o := &Openrc{text: b, values: map[string]word{}, getenv: getenv}
	o.statements(file.Stmts)
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
func (o *Openrc) note(n syntax.Node, format string, args ...any) {
	o.notes = append(o.notes, fmt.Sprintf("line %d: ", n.Pos().Line())+plugin.Shorten(fmt.Sprintf(format, args...)))
}

func (o *Openrc) statements(list []*syntax.Stmt) {
	for _, s := range list {
		if !o.ended {
			o.run(s)
		}
	}
}

// run follows one statement, and reports whether the shell would find that it
// succeeded, if that is known.
func (o *Openrc) run(s *syntax.Stmt) (succeeded, known bool) {
	if holds, ok := o.holds(s); ok {
		return holds, true
	}
	if b, ok := s.Cmd.(*syntax.BinaryCmd); ok && (b.Op == syntax.AndStmt || b.Op == syntax.OrStmt) {
		left, known := o.run(b.X)
		switch {
		case !known:
			o.note(b, "what follows %s depends on more than variables", b.Op)
			return false, false
		case left == (b.Op == syntax.AndStmt) && !o.ended:
			return o.run(b.Y)
		}
		return left, true
	}
	o.command(s.Cmd)
	switch c := s.Cmd.(type) {
	case *syntax.DeclClause:
		return true, !s.Negated
	case *syntax.CallExpr:
		plain := len(c.Args) == 0 || slices.Contains(append([]string{"unset", "read"}, harmless...), c.Args[0].Lit())
		return true, plain && !s.Negated
	}
	return false, false
}

// harmless are commands that have no part in a login.
var harmless = []string{"echo", "printf", "set", ":", "true", "shopt"}

func (o *Openrc) command(c syntax.Command) {
	switch c := c.(type) {
	case nil: // redirections alone
	case *syntax.DeclClause:
		o.declare(c.Args)
	case *syntax.CallExpr:
		o.call(c)
	case *syntax.Block:
		o.statements(c.Stmts)
	case *syntax.IfClause:
		o.branch(c)
	case *syntax.BinaryCmd:
		o.note(c, "%s is not understood", c.Op)
	case *syntax.TestClause:
	case *syntax.FuncDecl:
		o.note(c, "functions are not called")
	default:
		o.note(c, "loops and the like are not followed")
	}
}

// declare is export and its like: a shell expands all its words before it sets
// the first.
func (o *Openrc) declare(list []*syntax.Assign) {
	before := maps.Clone(o.values)
	after := map[string]word{}
	for _, a := range list {
		if a.Name == nil { // an option, or a name in quotes
			w, err := o.expand(a.Value)
			if name, value, ok := strings.Cut(w.text, "="); ok && syntax.ValidName(name) {
				after[name] = word{text: value}
			} else if err != nil || !strings.HasPrefix(w.text, "-") && !syntax.ValidName(w.text) {
				o.note(a, "export of what is not a plain name")
			}
			continue
		}
		if a.Naked { // export NAME
			continue
		}
		o.assign([]*syntax.Assign{a})
		after[a.Name.Value] = o.values[a.Name.Value]
		o.values = maps.Clone(before)
	}
	maps.Copy(o.values, after)
}

func (o *Openrc) assign(list []*syntax.Assign) {
	for _, a := range list {
		switch {
		case a.Array != nil || a.Index != nil || a.Append:
			o.note(a, "%s is more than a plain value", a.Name.Value)
			o.values[a.Name.Value] = word{}
		default:
			w, err := o.expand(a.Value)
			if err != nil {
				o.note(a, "%s: %v", a.Name.Value, err)
			}
			o.values[a.Name.Value] = w
		}
	}
}

func (o *Openrc) call(c *syntax.CallExpr) {
	if len(c.Args) == 0 {
		o.assign(c.Assigns)
		return
	}
	switch name := c.Args[0].Lit(); {
	case name == "unset":
		for _, arg := range c.Args[1:] {
			o.values[arg.Lit()] = word{} // also in the environment below
		}
	case name == "return", name == "exit":
		o.ended = true
	case name == "read":
		for i := 1; i < len(c.Args); i++ {
			arg := c.Args[i].Lit()
			if strings.HasPrefix(arg, "-") {
				if strings.ContainsAny(arg[len(arg)-1:], "pdintuaN") {
					i++ // the option's value
				}
				continue
			}
			o.values[arg] = word{asked: true}
		}
	case name == "export", name == "declare", name == "typeset": // with names that are not plain
		o.note(c, "%s of what is not a plain name", name)
	case slices.Contains(harmless, name):
	case name == "":
		o.note(c, "a command is not run")
	default:
		o.note(c, "the command %s is not run", name)
	}
}

func (o *Openrc) branch(c *syntax.IfClause) {
	for ; c != nil; c = c.Else {
		if len(c.Cond) == 0 { // else
			o.statements(c.Then)
			return
		}
		holds, ok := false, len(c.Cond) == 1
		if ok {
			holds, ok = o.holds(c.Cond[0])
		}
		if !ok {
			o.note(c, "what this if decides depends on more than variables")
			return
		}
		if holds {
			o.statements(c.Then)
			return
		}
	}
}

// holds evaluates a condition on variables: [ -z "$X" ] and its like.
func (o *Openrc) holds(s *syntax.Stmt) (holds, ok bool) {
	var args []string
	add := func(w *syntax.Word) bool {
		value, err := o.expand(w)
		if value.asked || value.command != nil {
			value.text = "x" // something
		}
		args = append(args, value.text)
		return err == nil
	}
	switch c := s.Cmd.(type) {
	case *syntax.CallExpr:
		if len(c.Args) < 3 {
			return false, false
		}
		for _, arg := range c.Args[1:] {
			if !add(arg) {
				return false, false
			}
		}
		switch c.Args[0].Lit() {
		case "[":
			args = args[:len(args)-1]
		case "test":
		default:
			return false, false
		}
	case *syntax.TestClause:
		switch x := c.X.(type) {
		case *syntax.UnaryTest:
			w, isWord := x.X.(*syntax.Word)
			args = []string{x.Op.String()}
			if !isWord || !add(w) {
				return false, false
			}
		case *syntax.BinaryTest:
			left, isWord := x.X.(*syntax.Word)
			right, too := x.Y.(*syntax.Word)
			if !isWord || !too || !add(left) {
				return false, false
			}
			args = append(args, x.Op.String())
			if !add(right) {
				return false, false
			}
		}
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
	return holds != s.Negated, true
}

// expand returns the value of a word.
func (o *Openrc) expand(w *syntax.Word) (word, error) {
	if w == nil {
		return word{}, nil
	}
	return o.parts(w.Parts, false)
}

func (o *Openrc) parts(parts []syntax.WordPart, quoted bool) (word, error) {
	var b strings.Builder
	for i, part := range parts {
		var piece word
		var err error
		switch p := part.(type) {
		case *syntax.Lit:
			piece.text = unescape(p.Value, quoted)
			if rest, ok := strings.CutPrefix(p.Value, "~"); ok && !quoted && i == 0 && (rest == "" || rest[0] == '/') {
				piece.text = o.getenv("HOME") + unescape(rest, false)
			}
		case *syntax.SglQuoted:
			if piece.text = p.Value; p.Dollar && strings.Contains(p.Value, `\`) {
				err = errors.New("$'…' with escapes is not understood")
			}
		case *syntax.DblQuoted:
			piece, err = o.parts(p.Parts, true)
		case *syntax.ParamExp:
			piece, err = o.parameter(p)
		case *syntax.CmdSubst:
			piece.command, err = o.argv(p)
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
func (o *Openrc) parameter(p *syntax.ParamExp) (word, error) {
	if p.Param == nil || p.Excl || p.Length || p.Width || p.Index != nil || p.Slice != nil || p.Repl != nil || p.Names != 0 {
		return word{}, errors.New("${…} with more than a name is not understood")
	}
	w, set := o.values[p.Param.Value]
	if !set {
		w.text = o.getenv(p.Param.Value)
		set = w.text != ""
	}
	if p.Exp == nil {
		return w, nil
	}
	empty := w.text == "" && !w.asked && w.command == nil
	switch p.Exp.Op {
	case syntax.DefaultUnset:
		empty = !set
	case syntax.DefaultUnsetOrNull:
	default:
		return word{}, fmt.Errorf("${%s%s…} is not understood", p.Param.Value, p.Exp.Op)
	}
	if empty {
		return o.expand(p.Exp.Word)
	}
	return w, nil
}

// argv returns the program that $(…) would run: its words, if they are plain,
// and else a shell with the text.
func (o *Openrc) argv(c *syntax.CmdSubst) ([]string, error) {
	refers := false
	syntax.Walk(c, func(n syntax.Node) bool {
		if _, ok := n.(*syntax.ParamExp); ok {
			refers = true
		}
		return true
	})
	if refers {
		return nil, errors.New("its command refers to variables, which it would not have")
	}
	if len(c.Stmts) == 1 {
		s := c.Stmts[0]
		if call, ok := s.Cmd.(*syntax.CallExpr); ok && len(call.Assigns) == 0 && len(s.Redirs) == 0 && !s.Negated && !s.Background {
			words, plain := []string{}, len(call.Args) > 0
			for _, arg := range call.Args {
				text, ok := literal(arg)
				words, plain = append(words, text), plain && ok
			}
			if plain {
				return words, nil
			}
		}
	}
	if len(c.Stmts) == 0 {
		return nil, errors.New("its command is empty")
	}
	if s := c.Stmts[0]; s.Cmd == nil && len(c.Stmts) == 1 && len(s.Redirs) == 1 && s.Redirs[0].Op == syntax.RdrIn {
		// $(<FILE) is what only a substitution understands.
		if path, ok := literal(s.Redirs[0].Word); ok {
			return []string{"cat", path}, nil
		}
		word := s.Redirs[0].Word
		return []string{"sh", "-c", "cat " + string(o.text[word.Pos().Offset():word.End().Offset()])}, nil
	}
	if c.Backquotes && bytes.Contains(o.text[c.Pos().Offset():c.End().Offset()], []byte("\\")) {
		return nil, errors.New("backquotes with backslashes in them are not understood: write $(…)")
	}
	text := o.text[c.Stmts[0].Pos().Offset():c.Stmts[len(c.Stmts)-1].End().Offset()]
	return []string{"sh", "-c", string(text)}, nil
}

// literal returns the text of a word that refers to nothing.
func literal(w *syntax.Word) (string, bool) {
	var b strings.Builder
	for i, part := range w.Parts {
		switch p := part.(type) {
		case *syntax.Lit:
			if i == 0 && strings.HasPrefix(p.Value, "~") || strings.ContainsAny(p.Value, "*?[{") {
				return "", false
			}
			b.WriteString(unescape(p.Value, false))
		case *syntax.SglQuoted:
			if p.Dollar {
				return "", false
			}
			b.WriteString(p.Value)
		case *syntax.DblQuoted:
			for _, q := range p.Parts {
				lit, ok := q.(*syntax.Lit)
				if !ok {
					return "", false
				}
				b.WriteString(unescape(lit.Value, true))
			}
		default:
			return "", false
		}
	}
	return b.String(), true
}
