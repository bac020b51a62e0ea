package openrc

import (
	"bytes"
	"errors"
	"io"
	"path/filepath"
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

// builtin returns what $(…) prints, if it is one of the few commands that only look at
// text: pwd, dirname, and cd FOLDER && pwd, by which a file finds its own folder.
func (o *File) builtin(c *syntax.CmdSubst) (string, bool) {
	if len(c.Stmts) != 1 {
		return "", false
	}
	return o.prints(c.Stmts[0], o.Values["PWD"])
}

// prints returns what a command prints in the folder pwd.
func (o *File) prints(s *syntax.Stmt, pwd Value) (string, bool) {
	if s.Negated || s.Background || len(s.Redirs) > 0 {
		return "", false
	}
	switch c := s.Cmd.(type) {
	case *syntax.BinaryCmd:
		if dir, ok := o.changed(c.X, pwd); ok && c.Op == syntax.AndStmt {
			return o.prints(c.Y, Value{Text: dir})
		}
	case *syntax.CallExpr:
		if len(c.Assigns) > 0 || len(c.Args) == 0 {
			return "", false
		}
		switch name := c.Args[0].Lit(); {
		case name == "pwd" && len(c.Args) == 1:
			return pwd.Text, pwd.Known() && pwd.Text != ""
		case name == "dirname" && len(c.Args) == 2:
			path := o.word(c.Args[1])
			ok := path.Known() && !strings.HasPrefix(path.Text, "-") && !splits(c.Args[1], path)
			return dirname(path.Text), ok
		}
	}
	return "", false
}

// changed returns the folder in which cd FOLDER ends, from the folder pwd.
func (o *File) changed(s *syntax.Stmt, pwd Value) (string, bool) {
	c, ok := s.Cmd.(*syntax.CallExpr)
	if !ok || s.Negated || len(c.Args) != 2 || c.Args[0].Lit() != "cd" {
		return "", false
	}
	dir := o.word(c.Args[1])
	if !dir.Known() || dir.Text == "" || dir.Text == "-" || !pwd.Known() || splits(c.Args[1], dir) {
		return "", false
	}
	if !filepath.IsAbs(dir.Text) {
		dir.Text = filepath.Join(pwd.Text, dir.Text)
	}
	return filepath.Clean(dir.Text), true
}

// substitute is how package expand gets what $(…) prints.
func (o *File) substitute(w io.Writer, c *syntax.CmdSubst) error {
	text, ok := o.builtin(c)
	if !ok {
		return errors.New("nothing is run")
	}
	_, err := io.WriteString(w, text+"\n")
	return err
}

// printed returns the program that $(…) would run: its words, if they are plain, or else
// a shell with the text.
func (o *File) printed(c *syntax.CmdSubst) Value {
	if len(c.Stmts) == 0 {
		return Value{Unknown: atLine(c, "its command is empty")}
	}
	refers := false
	syntax.Walk(c, func(n syntax.Node) bool {
		if _, ok := n.(*syntax.ParamExp); ok {
			refers = true
		}
		return true
	})
	if refers {
		return Value{Unknown: atLine(c, "its command refers to variables, which it would not have")}
	}
	if argv := plainArgv(c); argv != nil {
		return Value{Command: argv}
	}
	var text bytes.Buffer
	printer := syntax.NewPrinter(syntax.SingleLine(true))
	for i, s := range c.Stmts {
		if i > 0 {
			text.WriteString("; ")
		}
		if printer.Print(&text, s) != nil {
			return Value{Unknown: atLine(c, "its command is not understood")}
		}
	}
	line := strings.TrimSpace(text.String())
	if rest, ok := strings.CutPrefix(line, "<"); ok { // $(<FILE) is what only a substitution understands
		line = "cat " + strings.TrimSpace(rest)
	}
	return Value{Command: []string{"sh", "-c", line}}
}

// plainArgv returns the words of a single command without redirections, or of $(<FILE).
func plainArgv(c *syntax.CmdSubst) []string {
	s := c.Stmts[0]
	if len(c.Stmts) != 1 || s.Negated || s.Background {
		return nil
	}
	call, ok := s.Cmd.(*syntax.CallExpr)
	if s.Cmd == nil && len(s.Redirs) == 1 && s.Redirs[0].Op == syntax.RdrIn {
		if path, plain := plainText(s.Redirs[0].Word); plain {
			return []string{"cat", path}
		}
		return nil
	}
	if !ok || len(call.Assigns) > 0 || len(s.Redirs) > 0 {
		return nil
	}
	var argv []string
	for _, w := range call.Args {
		text, plain := plainText(w)
		if !plain {
			return nil
		}
		argv = append(argv, text)
	}
	return argv
}
