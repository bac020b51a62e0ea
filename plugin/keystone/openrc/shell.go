package openrc

import (
	"fmt"
	"strings"

	"github.com/jeton-cli/jeton/plugin"
)

// This file parses as much of the shell's language (POSIX.1-2024, XCU chapter 2,
// and what bash adds) as it takes to follow an openrc file: plain commands,
// assignments, if, && and ||, with all kinds of quotes. Of everything else it
// knows where it ends. A parser of the whole language is at hand as a library,
// but made the binary so much larger that every start paid for it.

// A statement is one command, with what belongs to it.
type statement struct {
	line    int
	negated bool
	kind    kindOfStatement

	name    string       // of a declaration: export and its like
	assigns []assignment // of a plain command or a declaration
	words   []shellWord  // of a plain command, or between [[ and ]]
	body    []statement  // of a block
	arms    []arm        // of an if

	operator    string // of a pair: &&, || or |
	left, right *statement

	redirections []redirection
}

type kindOfStatement int

const (
	plainCommand kindOfStatement = iota
	declaration
	block
	ifClause
	testClause
	pair
	function
	otherCompound // loops, case, subshells and arithmetic
)

// An arm of an if. The last one can have no condition: else.
type arm struct{ condition, then []statement }

// An assignment is NAME=VALUE. In a declaration it can be a name alone, or a word
// that is neither.
type assignment struct {
	line  int
	name  string // empty: value is the whole word
	naked bool   // without =
	more  bool   // an array, or +=
	value shellWord
}

type redirection struct {
	operator string
	word     shellWord
}

// A shellWord is what stands between blanks.
type shellWord []part

// A part of a word.
type part struct {
	kind kindOfPart
	text string // as written, without its quotes; of a parameter, its name

	inner shellWord // in double quotes; or behind the operator of a parameter

	operator string // of a parameter: that of ${NAME:-…}
	complex  bool   // of a parameter: ${…} with more than that

	commands   []statement // of a substitution
	backquoted bool
}

type kindOfPart int

const (
	literalPart kindOfPart = iota
	singleQuoted
	dollarQuoted
	doubleQuoted
	parameter
	substitution
	otherPart // arithmetic and the like
)

// literal returns the text of a word without quotes and the like, or "".
func (w shellWord) literal() string {
	if len(w) == 1 && w[0].kind == literalPart {
		return w[0].text
	}
	return ""
}

// maxNesting bounds the recursion in a file that nobody has written by hand.
const maxNesting = 100

// parseShell returns the statements of a file for a shell, or an error with the
// place.
func parseShell(text string) (list []statement, err error) {
	p := &shellParser{s: text}
	defer func() {
		if r := recover(); r != nil {
			e, ok := r.(syntaxError)
			if !ok {
				panic(r)
			}
			list, err = nil, plugin.Errorf(plugin.Config, "line %d:%d: is not a shell's: %s", p.line(),
				p.i-strings.LastIndex(p.s[:p.i], "\n"), string(e))
		}
	}()
	list = p.statements()
	if p.i < len(p.s) {
		p.fail("nothing is open that %q would end", p.ahead())
	}
	return list, nil
}

type shellParser struct {
	s       string
	i       int
	depth   int
	heredoc []string // delimiters of those that begin behind this line
}

// A syntaxError is thrown from wherever it is found; only parseShell catches it.
type syntaxError string

func (p *shellParser) fail(format string, args ...any) {
	panic(syntaxError(plugin.Shorten(fmt.Sprintf(format, args...))))
}

func (p *shellParser) line() int { return 1 + strings.Count(p.s[:min(p.i, len(p.s))], "\n") }

// ahead is what comes next, for an error.
func (p *shellParser) ahead() string {
	rest, _, _ := strings.Cut(p.s[p.i:], "\n")
	return rest[:min(len(rest), 10)]
}

func (p *shellParser) at(prefix string) bool { return strings.HasPrefix(p.s[p.i:], prefix) }

func (p *shellParser) take(prefix string) bool {
	if !p.at(prefix) {
		return false
	}
	p.i += len(prefix)
	return true
}

// blanks skips what separates words, and comments.
func (p *shellParser) blanks() {
	for p.i < len(p.s) {
		switch {
		case p.s[p.i] == ' ', p.s[p.i] == '\t', p.s[p.i] == '\r' && p.i+1 < len(p.s) && p.s[p.i+1] == '\n':
			p.i++
		case p.at("\\\n"):
			p.i += 2
		case p.s[p.i] == '#' && (p.i == 0 || strings.IndexByte(" \t\n;&|()", p.s[p.i-1]) >= 0):
			for p.i < len(p.s) && p.s[p.i] != '\n' {
				p.i++
			}
		default:
			return
		}
	}
}

// newline takes the end of a line, and the here-documents behind it.
func (p *shellParser) newline() {
	p.i++
	for _, delimiter := range p.heredoc {
		for {
			if p.i >= len(p.s) {
				break // as bash, which only warns
			}
			line, _, _ := strings.Cut(p.s[p.i:], "\n")
			p.i = min(p.i+len(line)+1, len(p.s))
			if strings.TrimLeft(line, "\t") == delimiter {
				break
			}
		}
	}
	p.heredoc = nil
}

// separators skips what can stand between statements.
func (p *shellParser) separators() {
	for {
		p.blanks()
		switch {
		case p.at("\n"):
			p.newline()
		case p.at(";;"):
			return
		case p.at(";"), p.at("&") && !p.at("&&"):
			p.i++
		default:
			return
		}
	}
}

func (p *shellParser) lines() {
	for p.blanks(); p.at("\n"); p.blanks() {
		p.newline()
	}
}

// closers are the words that end a list of statements.
var closers = []string{"then", "elif", "else", "fi", "do", "done", "esac", "}"}

// reserved reports whether the word comes next, on its own.
func (p *shellParser) reserved(word string) bool {
	if !p.at(word) {
		return false
	}
	end := p.i + len(word)
	return end == len(p.s) || strings.IndexByte(" \t\r\n;&|()<>", p.s[end]) >= 0
}

func (p *shellParser) takeReserved(word string) bool {
	if !p.reserved(word) {
		return false
	}
	p.i += len(word)
	return true
}

func (p *shellParser) expect(word string) {
	p.separators()
	if !p.takeReserved(word) {
		p.fail("%s is missing", word)
	}
}

func (p *shellParser) statements() (list []statement) {
	if p.depth++; p.depth > maxNesting {
		p.fail("it is nested too deeply")
	}
	defer func() { p.depth-- }()
	for {
		p.separators()
		if p.i >= len(p.s) || p.at(")") || p.at(";;") {
			return list
		}
		for _, word := range closers {
			if p.reserved(word) {
				return list
			}
		}
		list = append(list, p.list())
	}
}

// list parses pipelines with && and || between them.
func (p *shellParser) list() statement {
	left := p.pipeline()
	for {
		p.blanks()
		operator := "&&"
		if !p.at(operator) {
			operator = "||"
		}
		if !p.take(operator) {
			return left
		}
		p.lines()
		right, first := p.pipeline(), left
		left = statement{line: first.line, kind: pair, operator: operator, left: &first, right: &right}
	}
}

func (p *shellParser) pipeline() statement {
	negated := false
	for p.blanks(); p.takeReserved("!"); p.blanks() {
		negated = !negated
	}
	left := p.command()
	for {
		p.blanks()
		if p.at("||") || !p.take("|") {
			break
		}
		p.take("&")
		p.lines()
		right, first := p.command(), left
		left = statement{line: first.line, kind: pair, operator: "|", left: &first, right: &right}
	}
	left.negated = negated
	return left
}

// command parses one command. It is one function because the words that begin a command are one list.
func (p *shellParser) command() statement {
	if p.depth++; p.depth > maxNesting {
		p.fail("it is nested too deeply")
	}
	defer func() { p.depth-- }()
	p.blanks()
	s := statement{line: p.line(), kind: otherCompound}
	switch {
	case p.takeReserved("{"):
		s.kind, s.body = block, p.some()
		p.expect("}")
	case p.at("(("):
		p.balanced('(', ')')
	case p.take("("):
		p.some()
		if !p.take(")") {
			p.fail(") is missing")
		}
	case p.takeReserved("if"):
		s.kind = ifClause
		for {
			a := arm{condition: p.some()}
			p.expect("then")
			a.then = p.some()
			s.arms = append(s.arms, a)
			if p.takeReserved("else") {
				s.arms = append(s.arms, arm{then: p.some()})
			} else if p.takeReserved("elif") {
				continue
			}
			break
		}
		p.expect("fi")
	case p.reserved("for"), p.reserved("select"):
		for p.lines(); p.i < len(p.s) && !p.reserved("do") && !p.reserved("{"); p.lines() { // the head is words
			p.anything()
		}
		p.loop()
	case p.takeReserved("while"), p.takeReserved("until"):
		p.some()
		p.loop()
	case p.takeReserved("case"):
		for depth := 1; depth > 0; {
			switch p.lines(); {
			case p.i >= len(p.s):
				p.fail("esac is missing")
			case p.takeReserved("case"):
				depth++
			case p.takeReserved("esac"):
				depth--
			default:
				p.anything()
			}
		}
	case p.takeReserved("function"):
		s.kind = function
		p.blanks()
		p.word()
		p.blanks()
		if p.take("(") {
			p.blanks()
			p.take(")")
		}
		p.lines()
		p.command()
	case p.takeReserved("[["):
		s.kind = testClause
		for {
			switch p.lines(); {
			case p.i >= len(p.s):
				p.fail("]] is missing")
			case p.takeReserved("]]"):
				p.redirections(&s)
				return s
			case strings.IndexByte("&|<>();", p.s[p.i]) >= 0:
				s.words = append(s.words, shellWord{{kind: otherPart}})
				p.i++
			default:
				s.words = append(s.words, p.word())
			}
		}
	default:
		return p.plain()
	}
	p.redirections(&s)
	return s
}

// some parses statements of which there must be one at least.
func (p *shellParser) some() []statement {
	list := p.statements()
	if len(list) == 0 {
		p.fail("a command is missing before %q", p.ahead())
	}
	return list
}

func (p *shellParser) loop() {
	if p.separators(); p.takeReserved("{") { // bash's for (( … )) { … }
		p.some()
		p.expect("}")
		return
	}
	p.expect("do")
	p.some()
	p.expect("done")
}

// anything skips a word or a sign.
func (p *shellParser) anything() {
	switch p.lines(); {
	case p.i >= len(p.s):
	case p.at("(("):
		p.balanced('(', ')')
	case strings.IndexByte("&|<>();", p.s[p.i]) >= 0:
		p.i++
	default:
		p.word()
	}
}

// declarations are the commands whose arguments are assignments.
var declarations = []string{"export", "declare", "typeset", "readonly", "local"}

// plain parses a command with its assignments, words and redirections.
func (p *shellParser) plain() statement {
	s := statement{line: p.line()}
	start := p.i
	for {
		p.redirections(&s)
		if p.i >= len(p.s) || strings.IndexByte("\n;&|)", p.s[p.i]) >= 0 {
			break
		}
		if p.at("(") {
			if len(s.words) != 1 || len(s.assigns) > 0 {
				p.fail("( is out of place")
			}
			p.i++
			if p.blanks(); !p.take(")") {
				p.fail("( is out of place")
			}
			p.lines()
			p.command()
			return statement{line: s.line, kind: function}
		}
		if s.kind == declaration || len(s.words) == 0 {
			if a, ok := p.assignment(s.kind == declaration); ok {
				s.assigns = append(s.assigns, a)
				continue
			}
		}
		w := p.word()
		if len(s.words) == 0 && len(s.assigns) == 0 {
			for _, name := range declarations {
				if w.literal() == name {
					s.kind, s.name = declaration, name
				}
			}
			if s.kind == declaration {
				continue
			}
		}
		s.words = append(s.words, w)
	}
	if p.i == start {
		p.fail("a command is missing before %q", p.ahead())
	}
	return s
}

// assignment parses one, if it is one. Of a declaration every word is.
// It is one function because a word is read from left to right, once.
func (p *shellParser) assignment(declared bool) (a assignment, ok bool) {
	a.line = p.line()
	end := p.i
	for end < len(p.s) && nameByte(p.s[end], end > p.i) {
		end++
	}
	name := p.s[p.i:end]
	rest := p.s[end:]
	switch {
	case name != "" && (strings.HasPrefix(rest, "=") || strings.HasPrefix(rest, "+=")):
		a.name, a.more = name, rest[0] == '+'
		p.i = end + len("=")
		if a.more {
			p.i++
		}
		if p.at("(") {
			p.balanced('(', ')')
			a.more = true
			return a, true
		}
		if p.i < len(p.s) && (strings.IndexByte(" \t\r\n;&|)<>", p.s[p.i]) < 0 || p.at("<(") || p.at(">(")) {
			a.value = p.word()
		}
		return a, true
	case name != "" && strings.HasPrefix(rest, "["):
		if i := strings.IndexAny(rest, "]\n"); i > 0 && strings.HasPrefix(rest[i:], "]=") {
			a.name, a.more = name, true
			p.i = end + i + len("]=")
			if p.i < len(p.s) && strings.IndexByte(" \t\r\n;&|()<>", p.s[p.i]) < 0 {
				p.word()
			}
			return a, true
		}
	}
	if !declared {
		return a, false
	}
	if a.value = p.word(); name != "" && a.value.literal() == name {
		a.name, a.naked, a.value = name, true, nil
	}
	return a, true
}

func nameByte(c byte, further bool) bool {
	return c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || further && c >= '0' && c <= '9'
}

func validName(name string) bool {
	for i := range len(name) {
		if !nameByte(name[i], i > 0) {
			return false
		}
	}
	return name != ""
}

// redirections parses those that come next, and skips blanks.
func (p *shellParser) redirections(s *statement) {
	for {
		p.blanks()
		start := p.i
		for p.i < len(p.s) && p.s[p.i] >= '0' && p.s[p.i] <= '9' {
			p.i++
		}
		operator := ""
		for _, o := range []string{"<<<", "<<-", "<<", "<>", "<&", ">>", ">&", ">|", "&>>", "&>", "<", ">"} {
			if p.at(o) && !p.at("<(") && !p.at(">(") {
				operator = o
				break
			}
		}
		if operator == "" {
			p.i = start
			return
		}
		p.i += len(operator)
		p.blanks()
		if p.i >= len(p.s) || p.s[p.i] == '\n' {
			p.fail("%s is followed by nothing", operator)
		}
		w := p.word()
		if operator == "<<" || operator == "<<-" {
			p.heredoc = append(p.heredoc, w.unquoted())
		}
		s.redirections = append(s.redirections, redirection{operator, w})
	}
}

// unquoted returns the text of a here-document's delimiter.
func (w shellWord) unquoted() string {
	var b strings.Builder
	for _, q := range w {
		switch q.kind {
		case literalPart:
			b.WriteString(unescape(q.text, false))
		case doubleQuoted:
			b.WriteString(q.inner.unquoted())
		default:
			b.WriteString(q.text)
		}
	}
	return b.String()
}

// word parses one word, which must come next.
func (p *shellParser) word() shellWord {
	start := p.i
	w := p.parts(func(c byte) bool { return strings.IndexByte(" \t\n;&|()<>", c) >= 0 })
	if p.i == start {
		p.fail("%q is out of place", p.ahead())
	}
	return w
}

// parts parses the parts of a word, up to a byte that ends it.
func (p *shellParser) parts(ends func(byte) bool) (w shellWord) {
	literal := p.i
	flush := func() {
		if text := strings.TrimSuffix(p.s[literal:p.i], "\r"); text != "" {
			w = append(w, part{kind: literalPart, text: text})
		}
	}
	for p.i < len(p.s) {
		c := p.s[p.i]
		if c == '\\' && p.i+1 < len(p.s) {
			p.i += 2
			continue
		}
		extended := c == '(' && p.i > literal && strings.IndexByte("?*+@!", p.s[p.i-1]) >= 0
		process := p.at("<(") || p.at(">(")
		if ends(c) && !extended && !process {
			break
		}
		if !extended && !process && strings.IndexByte("'\"`$", c) < 0 || c == '$' && !p.expansion() {
			p.i++
			continue
		}
		flush()
		if extended || process {
			if process {
				p.i++
			}
			p.balanced('(', ')')
			w = append(w, part{kind: otherPart})
		} else {
			w = append(w, p.special(c))
		}
		literal = p.i
	}
	flush()
	return w
}

// expansion reports whether the $ that comes next begins something.
func (p *shellParser) expansion() bool {
	if p.i+1 >= len(p.s) {
		return false
	}
	c := p.s[p.i+1]
	return nameByte(c, true) || strings.IndexByte("{('\"@*#?$!-", c) >= 0
}

// special parses a part that begins with a quote or a dollar sign.
func (p *shellParser) special(c byte) part {
	if p.depth++; p.depth > maxNesting {
		p.fail("it is nested too deeply")
	}
	defer func() { p.depth-- }()
	switch {
	case c == '\'':
		return part{kind: singleQuoted, text: p.until('\'', false)}
	case c == '"':
		return p.double()
	case c == '`':
		start := p.i
		text := p.until('`', true)
		inner := &shellParser{s: text, depth: p.depth}
		q := part{kind: substitution, text: text, backquoted: true}
		if strings.Contains(text, `\`) {
			return q // which is not understood anyway
		}
		q.commands = inner.statements()
		if inner.i < len(text) {
			p.i = start
			p.fail("%q is out of place", inner.ahead())
		}
		return q
	case p.at("$'"):
		p.i++
		return part{kind: dollarQuoted, text: p.until('\'', true)}
	case p.at(`$"`):
		p.i++
		return p.double()
	case p.at("$(("):
		p.i++
		p.balanced('(', ')')
		return part{kind: otherPart}
	case p.take("$("):
		start := p.i
		commands := p.statements()
		text := p.s[start:p.i]
		if !p.take(")") {
			p.fail(") is missing")
		}
		return part{kind: substitution, text: strings.Trim(text, " \t\r\n;"), commands: commands}
	case p.take("${"):
		return p.braces()
	}
	p.i++ // $
	start := p.i
	if p.i++; nameByte(p.s[start], false) {
		for p.i < len(p.s) && nameByte(p.s[p.i], true) {
			p.i++
		}
	}
	return part{kind: parameter, text: p.s[start:p.i]}
}

// until returns the text in a pair of quotes. With escapes, a backslash keeps the
// byte behind it from ending it.
func (p *shellParser) until(quote byte, escapes bool) string {
	p.i++
	start := p.i
	for ; p.i < len(p.s); p.i++ {
		switch {
		case escapes && p.s[p.i] == '\\':
			p.i++
		case p.s[p.i] == quote:
			p.i++
			return p.s[start : p.i-1]
		}
	}
	p.i = start - 1
	p.fail("%c is not closed", quote)
	return ""
}

func (p *shellParser) double() part {
	start := p.i
	p.i++
	q := part{kind: doubleQuoted}
	literal := p.i
	flush := func() {
		if p.i > literal {
			q.inner = append(q.inner, part{kind: literalPart, text: p.s[literal:p.i]})
		}
	}
	for p.i < len(p.s) {
		c := p.s[p.i]
		switch {
		case c == '"':
			flush()
			p.i++
			return q
		case c == '\\' && p.i+1 < len(p.s):
			p.i += 2
		case c == '`', c == '$' && p.expansion() && !p.at("$'") && !p.at(`$"`):
			flush()
			q.inner = append(q.inner, p.special(c))
			literal = p.i
		default:
			p.i++
		}
	}
	p.i = start
	p.fail("\" is not closed")
	return q
}

// braces parses what follows ${.
func (p *shellParser) braces() part {
	q := part{kind: parameter}
	start := p.i
	for p.i < len(p.s) && nameByte(p.s[p.i], p.i > start) {
		p.i++
	}
	q.text = p.s[start:p.i]
	if q.text == "" {
		q.complex = true
	}
	for _, o := range []string{":-", ":=", ":?", ":+", "##", "%%", "^^", ",,", "-", "=", "?", "+", "#", "%", "^", ",",
		"@"} {
		if !q.complex && p.take(o) {
			q.operator = o
			break
		}
	}
	q.complex = q.complex || q.operator == "" && !p.at("}")
	q.inner = p.parts(func(c byte) bool { return c == '}' })
	if !p.take("}") {
		p.i = start
		p.fail("${ is not closed")
	}
	return q
}

// balanced skips what stands between a pair of brackets, quotes and all.
func (p *shellParser) balanced(open, shut byte) {
	start := p.i
	for depth := 0; p.i < len(p.s); {
		switch c := p.s[p.i]; {
		case c == '\\':
			p.i++
		case c == '\'':
			p.until('\'', false)
			continue
		case c == '"':
			p.double()
			continue
		case c == open:
			depth++
		case c == shut:
			if depth--; depth == 0 {
				p.i++
				return
			}
		}
		p.i++
	}
	p.i = min(start, len(p.s))
	p.fail("%c is not closed", open)
}
