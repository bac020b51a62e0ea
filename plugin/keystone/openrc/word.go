package openrc

import (
	"fmt"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/syntax"

	"github.com/jeton-cli/jeton/plugin"
)

// word returns the value of a word, as it is assigned.
func (o *File) word(w *syntax.Word) Value {
	if w == nil {
		return Value{}
	}
	if v, ok := o.alone(w); ok {
		return v
	}
	if name, text := o.fallback(w); text != "" {
		why := fmt.Sprintf("it is %q, unless the environment has %s", plugin.Shorten(text), name)
		return Value{Unknown: atLine(w, why), Default: text}
	}
	if why := o.doubt(w); why != "" {
		return Value{Unknown: atLine(w, why)}
	}
	text, err := expand.Literal(&expand.Config{Env: environ{o}, CmdSubst: o.substitute}, unescaped(w))
	if err != nil {
		return Value{Unknown: atLine(w, "it is more than text and variables")}
	}
	return Value{Text: text}
}

// unescaped returns w with backslashes outside quotes turned into quotes, because package
// expand leaves such backslashes in the text.
func unescaped(w *syntax.Word) *syntax.Word {
	out := &syntax.Word{}
	for _, p := range w.Parts {
		lit, ok := p.(*syntax.Lit)
		if !ok {
			out.Parts = append(out.Parts, p)
			continue
		}
		for rest := lit.Value; rest != ""; {
			plain, escaped, found := strings.Cut(rest, `\`)
			if plain != "" {
				out.Parts = append(out.Parts, &syntax.Lit{Value: plain})
			}
			if rest = ""; !found || escaped == "" {
				continue
			}
			_, size := utf8.DecodeRuneInString(escaped)
			if char := escaped[:size]; char != "\n" {
				out.Parts = append(out.Parts, &syntax.SglQuoted{Value: char})
			}
			rest = escaped[size:]
		}
	}
	return out
}

// alone returns the value of a word that is one variable or one program and nothing else:
// it is what the variable is, or what the program prints.
func (o *File) alone(w *syntax.Word) (Value, bool) {
	switch p := part(w).(type) {
	case *syntax.ParamExp:
		if p.Param == nil {
			return Value{}, false
		}
		v := o.Values[p.Param.Value]
		// What is typed or printed is not empty, so that no default comes in its place.
		byDefault := p.Exp != nil && (p.Exp.Op == syntax.DefaultUnsetOrNull || p.Exp.Op == syntax.DefaultUnset)
		if (v.Asked || v.Command != nil) && (plainParam(p) || byDefault) {
			return Value{Asked: v.Asked, Command: v.Command}, true
		}
	case *syntax.CmdSubst:
		if _, ok := o.builtin(p); !ok {
			return o.printed(p), true
		}
	}
	return Value{}, false
}

// fallback returns the name and the text of ${NAME:-TEXT} or ${NAME-TEXT} where the file
// does not set NAME.
func (o *File) fallback(w *syntax.Word) (name, text string) {
	p, ok := part(w).(*syntax.ParamExp)
	if !ok || p.Param == nil || p.Exp == nil || p.Exp.Word == nil ||
		p.Exp.Op != syntax.DefaultUnset && p.Exp.Op != syntax.DefaultUnsetOrNull {
		return "", ""
	}
	if _, set := o.Values[p.Param.Value]; set {
		return "", ""
	}
	text, _ = plainText(p.Exp.Word)
	return p.Param.Value, text
}

// part returns the one part that a word has, in double quotes or not, or nil.
func part(w *syntax.Word) syntax.WordPart {
	if len(w.Parts) != 1 {
		return nil
	}
	if q, ok := w.Parts[0].(*syntax.DblQuoted); ok && len(q.Parts) == 1 && !q.Dollar {
		return q.Parts[0]
	}
	return w.Parts[0]
}

// plainParam reports whether p is $NAME or ${NAME}.
func plainParam(p *syntax.ParamExp) bool {
	return p.Param != nil && !p.Excl && !p.Length && !p.Width && !p.IsSet && p.Index == nil && p.Slice == nil &&
		p.Repl == nil && p.Names == 0 && p.Exp == nil && p.NestedParam == nil
}

// doubt returns why the value of a word cannot be known, or "".
func (o *File) doubt(w *syntax.Word) (why string) {
	doubt := func(text string) {
		if why == "" {
			why = text
		}
	}
	for i, p := range w.Parts {
		if lit, ok := p.(*syntax.Lit); ok {
			doubtLit(lit.Value, i == 0, i == len(w.Parts)-1, doubt)
		}
	}
	if braces(w) {
		doubt("braces are not understood")
	}
	syntax.Walk(w, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.ParamExp:
			o.doubtParam(n, doubt)
		case *syntax.CmdSubst:
			if _, ok := o.builtin(n); !ok {
				doubt("it is put together of what is not known yet")
			}
			return false
		case *syntax.ProcSubst, *syntax.ExtGlob, *syntax.BraceExp, *syntax.ArithmExp:
			doubt("it is more than text and variables")
			return false
		case *syntax.DblQuoted:
			if n.Dollar {
				doubt(`$"…" is translated, which is not understood`)
			}
		case *syntax.SglQuoted:
			if n.Dollar && strings.Contains(n.Value, `\`) && !simpleEscapes(n.Value) {
				doubt("$'…' with such escapes is not understood")
			}
		}
		return true
	})
	return why
}

// simpleEscapes reports whether the backslashes in $'…' are those that everybody reads
// alike.
func simpleEscapes(text string) bool {
	for i := 0; i < len(text); i++ {
		if text[i] == '\\' {
			if i++; i == len(text) || !strings.ContainsRune(`nt\'"`, rune(text[i])) {
				return false
			}
		}
	}
	return true
}

// doubtLit looks at plain text for what a shell expands.
func doubtLit(text string, first, last bool, doubt func(string)) {
	home := strings.HasPrefix(text, "~/") || text == "~" && last
	if first && strings.HasPrefix(text, "~") && !home || strings.Contains(text, ":~") || strings.Contains(text, "=~") {
		doubt("this ~ is not understood")
	}
}

// braces reports whether a shell may make more than one word of w because of its braces.
func braces(w *syntax.Word) bool {
	if w == nil {
		return false
	}
	var text strings.Builder // a comma may be a part of another piece
	for _, p := range w.Parts {
		if lit, ok := p.(*syntax.Lit); ok {
			text.WriteString(lit.Value)
		}
	}
	_, rest, found := strings.Cut(text.String(), "{")
	return found && (strings.Contains(rest, ",") || strings.Contains(rest, ".."))
}

// operators are the expansions that are followed for a variable whose value is known.
var operators = map[syntax.ParExpOperator]bool{
	syntax.AlternateUnset: true, syntax.AlternateUnsetOrNull: true, syntax.DefaultUnset: true,
	syntax.DefaultUnsetOrNull: true,
	syntax.RemSmallPrefix:     true, syntax.RemLargePrefix: true, syntax.RemSmallSuffix: true,
	syntax.RemLargeSuffix: true,
}

// doubtParam looks at ${…}.
func (o *File) doubtParam(p *syntax.ParamExp, doubt func(string)) {
	if p.Param == nil || p.Excl || p.Width || p.IsSet || p.Names != 0 || p.NestedParam != nil || p.Slice != nil ||
		p.Repl != nil {
		doubt("${…} with more than a name is not understood")
		return
	}
	name := p.Param.Value
	if w, ok := p.Index.(*syntax.Word); p.Index != nil && !(ok && w.Lit() == "0" && name == "BASH_SOURCE") {
		doubt("${" + name + "[…]} is an array")
	}
	v, ok := o.Values[name]
	switch {
	case !ok:
		doubt(shownName(name) + " is not set in the file")
	case v.Unknown != "":
		doubt(name + " is not known (" + v.Unknown + ")")
	case !v.Known():
		doubt("it is put together of what is not known yet")
	case p.Length && len(v.Text) != utf8.RuneCountInString(v.Text):
		doubt("${#" + name + "} depends on the language")
	case p.Exp != nil && !understood(p.Exp, v.Text):
		doubt("${" + name + p.Exp.Op.String() + "…} is not understood")
	}
}

// understood reports whether the operator of an expansion of text is followed: those of
// POSIX are, with plain patterns and without escapes.
func understood(e *syntax.Expansion, text string) bool {
	if !operators[e.Op] || escapes(e.Word) {
		return false
	}
	if e.Word == nil || e.Op < syntax.RemSmallPrefix || e.Op > syntax.RemLargeSuffix {
		return true
	}
	pattern, plain := plainText(e.Word)
	return !strings.Contains(text, "\n") && (plain && pattern != "" || simplePattern(e.Word.Lit()))
}

// escapes reports whether there are backslashes outside quotes, or quotes inside quotes,
// which shells read in different ways within ${…}.
func escapes(w *syntax.Word) bool {
	if w == nil {
		return false
	}
	for _, p := range w.Parts {
		if lit, ok := p.(*syntax.Lit); ok && strings.Contains(lit.Value, `\`) {
			return true
		}
	}
	return false
}

// simplePattern reports whether text is a pattern with stars, and nothing else special.
func simplePattern(text string) bool {
	return text != "" && !strings.ContainsAny(text, `?[]\()|+@!{}~`)
}

// An environ is how package expand sees the variables.
type environ struct{ file *File }

// Get returns a variable.
func (e environ) Get(name string) expand.Variable {
	v, ok := e.file.Values[name]
	if !ok || v.Unset {
		return expand.Variable{}
	}
	return expand.Variable{Set: true, Kind: expand.String, Str: v.Text}
}

// Each is for programs, and none is run.
func (environ) Each(func(string, expand.Variable) bool) {}

// plainText returns the text of a word that refers to nothing, and has no pattern in it.
func plainText(w *syntax.Word) (string, bool) {
	var b strings.Builder
	ok := true
	var parts func(list []syntax.WordPart, inQuotes bool)
	parts = func(list []syntax.WordPart, inQuotes bool) {
		for i, p := range list {
			switch p := p.(type) {
			case *syntax.Lit:
				ok = ok && (inQuotes || !strings.ContainsAny(p.Value, `*?[{\`) && !(i == 0 && strings.HasPrefix(p.Value, "~")))
				ok = ok && !strings.Contains(p.Value, `\`)
				b.WriteString(p.Value)
			case *syntax.SglQuoted:
				ok = ok && !p.Dollar
				b.WriteString(p.Value)
			case *syntax.DblQuoted:
				ok = ok && !p.Dollar
				parts(p.Parts, true)
			default:
				ok = false
			}
		}
	}
	parts(w.Parts, false)
	return b.String(), ok
}

// quoted reports whether all of a word stands in double quotes.
func quoted(w *syntax.Word) bool {
	if len(w.Parts) != 1 {
		return false
	}
	_, ok := w.Parts[0].(*syntax.DblQuoted)
	return ok
}

// dirname returns the folder of a path, as dirname prints it.
func dirname(path string) string {
	if path == "" {
		return "."
	}
	return filepath.Dir(path)
}

// shownName names a variable, if it has a name as variables of the environment have. Others
// can be a part of a password with a dollar in it.
func shownName(name string) string {
	if name != strings.ToUpper(name) {
		return "a variable"
	}
	return name
}
