package openrc

import (
	"slices"
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

// test evaluates [[ … ]].
func (o *File) test(x syntax.TestExpr) status {
	switch x := x.(type) {
	case *syntax.ParenTest:
		return o.test(x.X)
	case *syntax.UnaryTest:
		if x.Op == syntax.TsNot {
			return o.test(x.X).not()
		}
		if w, ok := x.X.(*syntax.Word); ok {
			return o.unary(x.Op.String(), o.word(w))
		}
	case *syntax.BinaryTest:
		return o.binaryTest(x)
	case *syntax.Word:
		return o.unary("-n", o.word(x))
	}
	return unknown
}

func (o *File) binaryTest(x *syntax.BinaryTest) status {
	switch x.Op {
	case syntax.AndTest, syntax.OrTest:
		left, right := o.test(x.X), o.test(x.Y)
		decides := fails
		if x.Op == syntax.OrTest {
			decides = succeeds
		}
		switch {
		case left == decides || right == decides:
			return decides
		case left == unknown || right == unknown:
			return unknown
		}
		return decides.not()
	}
	a, ok := x.X.(*syntax.Word)
	b, is := x.Y.(*syntax.Word)
	if !ok || !is {
		return unknown
	}
	if isSource(a, b) {
		return compare(x.Op.String(), Value{Text: "the file"}, Value{Text: "the shell"})
	}
	text, plain := plainText(b)
	if !plain { // a pattern, unless it stands in quotes
		if !quoted(b) {
			return unknown
		}
		w := o.word(b)
		if !w.Known() {
			return unknown
		}
		text = w.Text
	}
	return compare(x.Op.String(), o.word(a), Value{Text: text})
}

// testCommand evaluates [ … ] and test.
func (o *File) testCommand(name string, words []*syntax.Word) status {
	if name == "[" {
		if len(words) == 0 || words[len(words)-1].Lit() != "]" {
			return unknown
		}
		words = words[:len(words)-1]
	}
	if len(words) == 3 && isSource(words[0], words[2]) {
		return compare(words[1].Lit(), Value{Text: "the file"}, Value{Text: "the shell"})
	}
	var args []Value
	for _, w := range words {
		v := o.word(w)
		if splits(w, v) {
			return unknown
		}
		args = append(args, v)
	}
	return o.arguments(args)
}

// arguments evaluates the arguments of test, as POSIX says for each number of them.
func (o *File) arguments(args []Value) status {
	switch len(args) {
	case 0:
		return fails
	case 1:
		return o.unary("-n", args[0])
	case 2:
		if args[0].Text != "!" {
			return o.unary(args[0].Text, args[1])
		}
	case 3:
		if result := compare(args[1].Text, args[0], args[2]); result != unknown || args[0].Text != "!" {
			return result
		}
	}
	if len(args) > 4 || args[0].Text != "!" {
		return unknown
	}
	return o.arguments(args[1:]).not()
}

// isSource reports whether one word is $0 and the other one BASH_SOURCE. These differ in
// a file that is sourced.
func isSource(a, b *syntax.Word) bool {
	names := []string{variable(a), variable(b)}
	return slices.Contains(names, "0") && slices.Contains(names, "BASH_SOURCE")
}

// variable returns the name of the variable that is all of a word, or "".
func variable(w *syntax.Word) string {
	if p, ok := part(w).(*syntax.ParamExp); ok && p.Param != nil && p.Exp == nil && !p.Length && !p.Excl {
		return p.Param.Value
	}
	return ""
}

// splits reports whether an unquoted word of a command may be more than one, or none.
func splits(w *syntax.Word, v Value) bool {
	bare := false
	for _, p := range w.Parts {
		switch p := p.(type) {
		case *syntax.ParamExp, *syntax.CmdSubst, *syntax.ArithmExp:
			bare = true
		case *syntax.Lit:
			bare = bare || strings.ContainsAny(p.Value, "*?[") && p.Value != "[" && len(w.Parts) > 0 && p.Value != "]"
		}
	}
	return bare && (!v.Known() || v.Text == "" || strings.ContainsAny(v.Text, " \t\n*?["))
}

// unary evaluates one of the tests of a string. Those of files are unknown.
func (o *File) unary(op string, v Value) status {
	if v.Unknown != "" {
		return unknown
	}
	empty := v.Text == "" && v.Known() // what is typed or printed is something
	switch op {
	case "-z":
		return statusOf(empty)
	case "-n":
		return statusOf(!empty)
	}
	return unknown
}

// compare evaluates a comparison of strings.
func compare(op string, a, b Value) status {
	if !a.Known() || !b.Known() {
		return unknown
	}
	switch op {
	case "=", "==":
		return statusOf(a.Text == b.Text)
	case "!=":
		return statusOf(a.Text != b.Text)
	}
	return unknown
}
