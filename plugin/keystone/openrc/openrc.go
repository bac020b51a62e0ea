// Package openrc reads openrc files: shell scripts that put the settings of a login
// into the environment. It reads a file and never runs it.
//
// Known is what the file itself assigns, HOME and USER, and the file's own place: PWD
// is its folder, BASH_SOURCE its path. All else is unknown, and so is what depends on
// it: another shell, another day or another machine would give another value.
package openrc

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"mvdan.cc/sh/v3/syntax"

	"github.com/jeton-cli/jeton/plugin"
)

// A File is what an openrc file puts into the environment of the shell that sources it.
type File struct {
	// Values are the variables that the file sets or unsets.
	Values map[string]Value
	// Notes say what is not understood, with its line.
	Notes []string
	// Elsewhere says why any variable may be set or changed by what the file only refers
	// to, such as another file, with the line. It is empty if the file is all there is.
	// Otherwise no value is known.
	Elsewhere string

	functions map[string]*syntax.Stmt
	depth     int    // of calls and of eval
	inside    int    // how many functions are being called
	ended     bool   // by return or exit
	exited    bool   // by exit
	unsure    string // why the commands to come may not be run, or empty
	allexport bool   // set -a
	perhaps   bool   // set -a, or not
}

// A Value is the value of a shell variable. At most one of Text, Asked, Command and
// Unknown is set.
type Value struct {
	Text     string
	Asked    bool     // the user types it
	Command  []string // a program prints it
	Unknown  string   // why it cannot be known, with the line
	Default  string   // of an unknown value: the text that an empty environment gives
	Unset    bool     // the file unsets it
	Exported bool

	perhaps bool // exported, or not
}

// Known reports whether the text is the whole value.
func (v Value) Known() bool { return !v.Asked && v.Command == nil && v.Unknown == "" }

// maxDepth is how deep functions and eval are followed.
const maxDepth = 8

// Read reads an openrc file that is at path. Of the environment it takes HOME and USER.
// It returns an error for a file that is no shell's.
func Read(b []byte, path string, getenv func(string) string) (*File, error) {
	b = bytes.TrimPrefix(b, []byte("\ufeff"))
	if i := bytes.Index(b, []byte("\r\n")); i >= 0 {
		e := plugin.Errorf(plugin.Config, "line %d ends with a carriage return, which a shell takes as a part of the "+
			"value", 1+bytes.Count(b[:i], []byte("\n")))
		e.Fix = plugin.Sed(`s/\r$//`, path)
		e.Hint = e.Fix
		return nil, e
	}
	list, err := parse(b)
	if err != nil {
		return nil, err
	}
	if path, err = filepath.Abs(path); err != nil {
		return nil, plugin.Errorf(plugin.Config, "%v", err)
	}
	o := &File{Values: map[string]Value{}, functions: map[string]*syntax.Stmt{}}
	for i, text := range []string{getenv("HOME"), getenv("USER"), filepath.Dir(path), path} {
		if text != "" {
			o.Values[given[i]] = Value{Text: text}
		}
	}
	o.statements(list)
	for _, name := range given {
		delete(o.Values, name)
	}
	o.keepExported()
	for name := range o.Values {
		if o.Elsewhere != "" {
			o.Values[name] = Value{Unknown: o.Elsewhere}
		}
	}
	return o, nil
}

func parse(b []byte) ([]*syntax.Stmt, error) {
	f, err := syntax.NewParser(syntax.Variant(syntax.LangBash), syntax.KeepComments(true)).Parse(bytes.NewReader(b), "")
	var wrong syntax.ParseError
	var other syntax.LangError
	switch {
	case err == nil:
		return f.Stmts, checkComments(f, b)
	case errors.As(err, &wrong):
		return nil, notShell(wrong.Pos, wrong.Text)
	case errors.As(err, &other):
		return nil, notShell(other.Pos, "not for bash")
	}
	return nil, plugin.Errorf(plugin.Config, "is not a shell's: %s", plugin.Shorten(err.Error()))
}

// checkComments returns an error if the parser has taken a # within a word for a comment,
// as it does after quotes in a case.
func checkComments(f *syntax.File, b []byte) (err error) {
	syntax.Walk(f, func(n syntax.Node) bool {
		c, ok := n.(*syntax.Comment)
		if !ok || c.Hash.Offset() == 0 || err != nil {
			return true
		}
		if !bytes.ContainsRune([]byte(" \t\n;&|()`"), rune(b[c.Hash.Offset()-1])) {
			err = plugin.Errorf(plugin.Config, "line %d:%d: this # is not understood: put quotes around it",
				c.Hash.Line(), c.Hash.Col())
		}
		return true
	})
	return err
}

func notShell(at syntax.Pos, why string) error {
	return plugin.Errorf(plugin.Config, "line %d:%d: is not a shell's: %s", at.Line(), at.Col(), plugin.Shorten(why))
}

// keepExported drops variables that programs do not see. A file that exports nothing is
// a list of settings, all of which count.
func (o *File) keepExported() {
	exports, perhaps := false, false
	for _, v := range o.Values {
		exports = exports || v.Exported && !v.Unset && v.Unknown == ""
		perhaps = perhaps || v.perhaps || v.Exported && v.Unknown != ""
	}
	for name, v := range o.Values {
		switch {
		case v.Exported, v.Unset, !exports && !perhaps:
		case v.perhaps || !exports:
			if v.Known() {
				o.Values[name] = Value{Unknown: "nobody can tell whether it is exported"}
			}
		default:
			if strings.HasPrefix(name, "OS_") && v.Known() {
				o.Notes = append(o.Notes, name+" is set and not exported, so programs do not see it")
			}
			delete(o.Values, name)
		}
	}
}

// Get returns the text of a variable, or "" if it has none or is not known.
func (o *File) Get(name string) string { return o.Values[name].Text }

// Names returns the sorted names of the variables that the file sets.
func (o *File) Names() []string {
	var names []string
	for name, v := range o.Values {
		if v.Text != "" || !v.Known() {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// note adds a note about a place in the file.
func (o *File) note(at syntax.Node, format string, args ...any) {
	text := atLine(at, plugin.Shorten(fmt.Sprintf(format, args...)))
	if !slices.Contains(o.Notes, text) {
		o.Notes = append(o.Notes, text)
	}
}

func atLine(at syntax.Node, text string) string {
	return fmt.Sprintf("line %d: %s", at.Pos().Line(), text)
}
