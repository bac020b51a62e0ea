package openrc

import (
	"fmt"
	"os/exec"
	"slices"
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

// A status is how a command ends, as far as that can be told.
type status int

const (
	unknown status = iota
	succeeds
	fails
)

func statusOf(ok bool) status {
	if ok {
		return succeeds
	}
	return fails
}

func (s status) not() status {
	switch s {
	case succeeds:
		return fails
	case fails:
		return succeeds
	}
	return unknown
}

// statements follows a list, and returns the status of its last command.
func (o *File) statements(list []*syntax.Stmt) status {
	last := succeeds
	for _, s := range list {
		if o.ended || o.Elsewhere != "" {
			break
		}
		last = o.statement(s)
	}
	return last
}

func (o *File) statement(s *syntax.Stmt) status {
	if o.unsure != "" {
		o.taintEach(s, o.unsure)
		return unknown
	}
	if s.Background || s.Coprocess {
		o.note(s, "a command in the background is not run")
		return succeeds
	}
	switch s.Cmd.(type) {
	case *syntax.CallExpr, *syntax.DeclClause, *syntax.TestClause:
		o.assigned(s)
	}
	result := o.command(s)
	if s.Negated {
		return result.not()
	}
	return result
}

// assigned makes unknown what the words of a command set besides: ${NAME:=TEXT}, and
// arithmetic.
func (o *File) assigned(s *syntax.Stmt) {
	syntax.Walk(s, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.CmdSubst, *syntax.ProcSubst:
			return false // it changes nothing here
		case *syntax.ParamExp:
			o.taintDefault(n, "it has this value only if it has none")
		case *syntax.ArithmExp:
			if assigns(n) {
				o.taintAll(n, "arithmetic that sets variables is not understood")
			}
		}
		return true
	})
}

// assigns reports whether arithmetic sets variables.
func assigns(n syntax.Node) (found bool) {
	syntax.Walk(n, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.BinaryArithm:
			found = found || strings.HasSuffix(n.Op.String(), "=") && n.Op != syntax.Eql && n.Op != syntax.Neq &&
				n.Op != syntax.Leq && n.Op != syntax.Geq
		case *syntax.UnaryArithm:
			found = found || n.Op == syntax.Inc || n.Op == syntax.Dec
		}
		return true
	})
	return found
}

// taintDefault makes the variable of ${NAME:=TEXT} or ${NAME=TEXT} unknown.
func (o *File) taintDefault(p *syntax.ParamExp, why string) {
	if p.Param != nil && p.Exp != nil && (p.Exp.Op == syntax.AssignUnset || p.Exp.Op == syntax.AssignUnsetOrNull) {
		o.note(p, "%s", "${"+p.Param.Value+p.Exp.Op.String()+"…} is not understood")
		o.taintName(p, p.Param.Value, why)
	}
}

// command follows one command.
func (o *File) command(s *syntax.Stmt) status {
	switch c := s.Cmd.(type) {
	case nil:
		return succeeds // redirections alone
	case *syntax.CallExpr:
		return o.call(c)
	case *syntax.DeclClause:
		return o.declare(c)
	case *syntax.Block:
		return o.statements(c.Stmts)
	case *syntax.Subshell:
		return unknown // it changes nothing here
	case *syntax.IfClause:
		return o.branch(c)
	case *syntax.BinaryCmd:
		return o.pair(c)
	case *syntax.TestClause:
		return o.test(c.X)
	case *syntax.FuncDecl:
		if c.Name != nil {
			o.functions[c.Name.Value] = c.Body
		}
		return succeeds
	case *syntax.CaseClause:
		return o.choose(c)
	}
	o.taint(s, "loops and the like are not followed")
	return unknown
}

// pair follows X && Y and X || Y. The parts of a pipe change nothing here.
func (o *File) pair(c *syntax.BinaryCmd) status {
	if c.Op != syntax.AndStmt && c.Op != syntax.OrStmt {
		return unknown
	}
	left := o.statement(c.X)
	switch {
	case o.ended:
		return left
	case left == unknown:
		o.taint(c.Y, "what follows "+c.Op.String()+" depends on more than variables")
		return unknown
	case (left == succeeds) == (c.Op == syntax.AndStmt):
		return o.statement(c.Y)
	}
	return left
}

// branch follows an if.
func (o *File) branch(c *syntax.IfClause) status {
	for ; c != nil; c = c.Else {
		holds := succeeds // else
		if len(c.Cond) > 0 {
			holds = o.statements(c.Cond)
		}
		switch {
		case o.ended:
			return unknown
		case holds == succeeds:
			return o.statements(c.Then)
		case holds == unknown:
			o.taint(c, "what this if decides depends on more than variables")
			return unknown
		}
	}
	return succeeds
}

// choose follows a case whose word is known, and whose patterns are plain text or *.
func (o *File) choose(c *syntax.CaseClause) status {
	word := o.word(c.Word)
	for _, item := range c.Items {
		for _, pattern := range item.Patterns {
			text, plain := plainText(pattern)
			if pattern.Lit() == "*" {
				text, plain = word.Text, true
			}
			if !word.Known() || !plain || item.Op != syntax.Break {
				o.taint(c, "what this case decides depends on more than variables")
				return unknown
			}
			if text == word.Text {
				return o.statements(item.Stmts)
			}
		}
	}
	return succeeds
}

// assign sets a variable.
func (o *File) assign(a *syntax.Assign) {
	name := a.Name.Value
	former := o.Values[name]
	v := Value{}
	switch {
	case a.Array != nil || a.Index != nil:
		v.Unknown = atLine(a, "it is an array")
	case a.Append:
		v = o.appended(a, former)
	case a.Value != nil:
		v = o.word(a.Value)
	}
	v.Exported = former.Exported || o.allexport
	v.perhaps = former.perhaps || o.perhaps
	if line, why, ok := strings.Cut(v.Unknown, ": "); ok && v.Default == "" {
		o.Notes = append(o.Notes, line+": "+name+": "+why)
	}
	o.Values[name] = v
}

// appended returns the value of NAME+=VALUE.
func (o *File) appended(a *syntax.Assign, former Value) Value {
	if _, ok := o.Values[a.Name.Value]; !ok {
		return Value{Unknown: atLine(a, "it is appended to a value from elsewhere")}
	}
	if a.Value == nil {
		return former
	}
	more := o.word(a.Value)
	switch {
	case former.Known() && more.Known():
		return Value{Text: former.Text + more.Text}
	case former.Unknown != "":
		return Value{Unknown: former.Unknown}
	case more.Unknown != "":
		return more
	}
	return Value{Unknown: atLine(a, "it is put together of what is not known yet")}
}

// harmless are commands that have no part in a login, and succeed.
var harmless = []string{"echo", "printf", ":", "true", "shopt", "umask", "hash", "clear"}

// call follows a simple command.
func (o *File) call(c *syntax.CallExpr) status {
	if len(c.Args) == 0 {
		for _, a := range c.Assigns {
			o.assign(a)
		}
		return o.substituted(c.Assigns)
	}
	first := o.word(c.Args[0])
	if !first.Known() {
		o.taintAll(c, "a command is not run")
		return unknown
	}
	args := c.Args[1:]
	switch name := first.Text; name {
	case "unset":
		o.unset(args)
		return succeeds
	case "return", "exit":
		o.ended, o.exited = true, o.exited || name == "exit" || o.inside == 0
		return succeeds
	case "read":
		o.read(args)
		return succeeds
	case "false":
		return fails
	case "cd", "pushd", "popd":
		o.taintName(c, "PWD", "the command "+name+" is not run")
		return unknown
	case "[", "test":
		return o.testCommand(name, args)
	case "eval":
		return o.eval(c, args)
	case "set":
		return o.set(c, args)
	case "builtin", "command":
		return o.direct(c, name, args)
	case "source", ".", "mapfile", "readarray", "getopts", "let":
		o.taintAll(c, "the command "+name+" is not run")
		return unknown
	default:
		if body, ok := o.functions[name]; ok {
			return o.function(c, name, body, args)
		}
	}
	return o.program(c, first.Text)
}

// direct follows builtin and command, which call what their arguments say.
func (o *File) direct(c *syntax.CallExpr, name string, args []*syntax.Word) status {
	if len(args) == 0 {
		return succeeds
	}
	option := args[0].Lit()
	switch {
	case !strings.HasPrefix(option, "-"):
		return o.call(&syntax.CallExpr{Assigns: c.Assigns, Args: args})
	case option != "-v" && option != "-V": // which only look for a program
		o.taintAll(c, "the command "+name+" "+option+" is not run")
	}
	return unknown
}

// program notes a command that is not run. It can set no variable, but for printf -v.
func (o *File) program(c *syntax.CallExpr, name string) status {
	switch {
	case name == "printf" && len(c.Args) > 2 && c.Args[1].Lit() == "-v":
		o.note(c, "the command printf is not run")
		o.taintName(c, c.Args[2].Lit(), "printf -v is not run")
	case slices.Contains(declarations, name):
		o.taintAll(c, name+" is not written as a plain word") // it may set any variable
	case slices.Contains(harmless, name):
		return succeeds
	default:
		o.note(c, "%s is not run", called(name))
	}
	return unknown
}

// called names a command, if there is a program of that name. What is not quoted in a
// password looks like a command, and is not repeated.
func called(name string) string {
	if _, err := exec.LookPath(name); err != nil {
		return "a command"
	}
	return "the command " + name
}

// substituted is the status of assignments: that of the last program in them, if there is
// one.
func (o *File) substituted(list []*syntax.Assign) status {
	result := succeeds
	for _, a := range list {
		syntax.Walk(a, func(n syntax.Node) bool {
			if _, ok := n.(*syntax.CmdSubst); ok {
				result = unknown
			}
			return true
		})
	}
	return result
}

func (o *File) unset(args []*syntax.Word) {
	for _, arg := range args {
		name := o.word(arg)
		switch {
		case !name.Known():
			o.taintOthers(arg, "a name is not known")
		case name.Text == "-v" || name.Text == "-f":
		default:
			o.Values[name.Text] = Value{Unset: true}
		}
	}
}

// read follows the builtin: the user types the values.
func (o *File) read(args []*syntax.Word) {
	for i := 0; i < len(args); i++ {
		arg := args[i].Lit()
		if strings.HasPrefix(arg, "-") {
			if strings.ContainsAny(arg[len(arg)-1:], "pdintuaN") {
				i++ // the option's value
			}
			continue
		}
		o.Values[arg] = Value{Asked: true, Exported: o.Values[arg].Exported || o.allexport}
	}
}

// set follows the builtin: set -a exports what comes.
func (o *File) set(c *syntax.CallExpr, args []*syntax.Word) status {
	for i, arg := range args {
		switch text := arg.Lit(); {
		case text == "-a", text == "-o" && i+1 < len(args) && args[i+1].Lit() == "allexport":
			o.allexport = true
		case text == "+a", text == "+o" && i+1 < len(args) && args[i+1].Lit() == "allexport":
			o.allexport = false
		case strings.HasPrefix(text, "-") && strings.Contains(text, "e"):
			// A command that is not run could end the file then.
			o.note(c, "set -e may end the file early")
		}
	}
	return succeeds
}

// eval follows the builtin, if its words are known.
func (o *File) eval(c *syntax.CallExpr, args []*syntax.Word) status {
	var words []string
	for _, arg := range args {
		w := o.word(arg)
		if !w.Known() {
			o.taintAll(c, "the command eval is not run")
			return unknown
		}
		words = append(words, w.Text)
	}
	list, err := parse([]byte(strings.Join(words, " ")))
	if err != nil || o.depth >= maxDepth {
		o.taintAll(c, "the command eval is not run")
		return unknown
	}
	o.depth++
	defer func() { o.depth-- }()
	return o.statements(list)
}

// function follows a call of a function of the file. What is returned from it ends the
// function alone.
func (o *File) function(c *syntax.CallExpr, name string, body *syntax.Stmt, args []*syntax.Word) status {
	if o.depth >= maxDepth || len(args) > 0 || uses(body, "local", "declare", "typeset") {
		o.taint(body, "the function "+name+" is not called")
		o.note(c, "the function %s is not called", name)
		return unknown
	}
	before := o.unsure
	o.depth, o.inside = o.depth+1, o.inside+1
	result := o.statement(body)
	o.depth, o.inside = o.depth-1, o.inside-1
	switch {
	case o.exited:
	case o.ended:
		o.ended, result = false, unknown
	case o.unsure != "" && !uses(body, "exit"):
		o.unsure, result = before, unknown
	}
	return result
}

// uses reports whether one of the words is a command in n.
func uses(n syntax.Node, words ...string) (found bool) {
	syntax.Walk(n, func(n syntax.Node) bool {
		switch c := n.(type) {
		case *syntax.CallExpr:
			found = found || len(c.Args) > 0 && slices.Contains(words, c.Args[0].Lit())
		case *syntax.DeclClause:
			found = found || slices.Contains(words, c.Variant.Value)
		}
		return true
	})
	return found
}

// taint makes unknown what n could change, since nobody can tell whether it would.
func (o *File) taint(n syntax.Node, why string) {
	o.note(n, "%s", why)
	o.taintEach(n, why)
}

func (o *File) taintEach(n syntax.Node, why string) {
	syntax.Walk(n, func(n syntax.Node) bool {
		switch c := n.(type) {
		case *syntax.Assign:
			if c.Name != nil {
				o.taintName(c, c.Name.Value, why)
			}
		case *syntax.DeclClause:
			o.taintDeclared(c, why)
		case *syntax.ForClause:
			if iter, ok := c.Loop.(*syntax.WordIter); ok {
				o.taintName(c, iter.Name.Value, why)
			} else {
				o.taintAll(c, why)
			}
		case *syntax.CallExpr:
			o.taintCall(c, why)
		case *syntax.ParamExp:
			o.taintDefault(c, why)
		case *syntax.ArithmExp:
			if assigns(c) {
				o.taintAll(c, why)
			}
		case *syntax.ArithmCmd, *syntax.LetClause:
			o.taintAll(c, why)
		}
		return true
	})
}

// taintCall makes unknown what a command could change.
func (o *File) taintCall(c *syntax.CallExpr, why string) {
	if len(c.Args) == 0 {
		return
	}
	switch name := c.Args[0].Lit(); {
	case name == "unset" || name == "read":
		for _, arg := range c.Args[1:] {
			switch text := arg.Lit(); {
			case syntax.ValidName(text):
				o.taintName(c, text, why)
			case !strings.HasPrefix(text, "-"):
				o.taintOthers(c, why)
			}
		}
	case name == "cd" || name == "pushd" || name == "popd":
		o.taintName(c, "PWD", why)
	case name == "return" || name == "exit":
		if o.unsure == "" {
			o.unsure = fmt.Sprintf("%s in line %d, or not: %s", name, c.Pos().Line(), why)
		}
	case name == "set":
		o.perhaps = true
	case slices.Contains([]string{"eval", "source", ".", "mapfile", "readarray", "getopts"}, name),
		name == "printf" && len(c.Args) > 1 && c.Args[1].Lit() == "-v":
		o.taintAll(c, why)
	default:
		if body, ok := o.functions[name]; ok && o.depth < maxDepth {
			o.depth++
			o.taint(body, why)
			o.depth--
		}
	}
}

// taintDeclared makes unknown whether variables are exported.
func (o *File) taintDeclared(c *syntax.DeclClause, why string) {
	for _, a := range c.Args {
		if a.Name == nil {
			if w := o.word(a.Value); w.Known() {
				name, _, _ := strings.Cut(w.Text, "=")
				if syntax.ValidName(name) {
					o.taintName(c, name, why)
				}
			}
			continue
		}
		v := o.Values[a.Name.Value]
		v.perhaps = true
		o.Values[a.Name.Value] = v
	}
}

func (o *File) taintName(at syntax.Node, name, why string) {
	if !syntax.ValidName(name) {
		o.taintAll(at, why)
		return
	}
	former := o.Values[name]
	o.Values[name] = o.uncertain(former, atLine(at, why))
}

// uncertain returns a value that is not known, in place of v. It may be exported or not.
func (o *File) uncertain(v Value, why string) Value {
	return Value{Unknown: why, perhaps: v.Exported || v.perhaps || o.perhaps || o.allexport}
}

// given are the variables that a file knows without setting them.
var given = []string{"HOME", "USER", "PWD", "BASH_SOURCE"}

// taintAll records that any variable may be set from here on, by what is not followed.
func (o *File) taintAll(at syntax.Node, why string) {
	o.note(at, "%s", why)
	if o.Elsewhere == "" {
		o.Elsewhere = atLine(at, why)
	}
}

// taintOthers makes everything unknown that the file has set so far. No file means one of
// the given variables when it goes through a list of names.
func (o *File) taintOthers(at syntax.Node, why string) {
	o.note(at, "%s", why)
	for name, v := range o.Values {
		if slices.Contains(given, name) {
			continue
		}
		o.Values[name] = o.uncertain(v, atLine(at, why))
	}
}
