package cli

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"golang.org/x/term"
)

// A look is how text looks best where it is written.
type look struct {
	width   int  // in columns; 0 for what is no terminal
	color   bool // with escape sequences of ECMA-48
	unicode bool // characters beyond ASCII can be shown
}

// narrowest is the width below which a terminal's own is not believed.
const narrowest = 20

// lookOf returns how text looks best on w. mode is the value of --color.
func lookOf(w io.Writer, getenv func(string) string, mode string) (l look) {
	f, ok := w.(*os.File)
	if ok && term.IsTerminal(int(f.Fd())) {
		l.width = 80
		if width, _, err := term.GetSize(int(f.Fd())); err == nil && width >= narrowest {
			l.width = width
		}
		// https://no-color.org
		l.color = getenv("NO_COLOR") == "" && getenv("TERM") != "dumb" && showsColor(f)
	}
	switch mode {
	case "always":
		l.color = true
	case "never":
		l.color = false
	}
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if locale := getenv(name); locale != "" {
			l.unicode = strings.Contains(strings.ToUpper(strings.ReplaceAll(locale, "-", "")), "UTF8")
			break
		}
	}
	return l
}

// outLook is how text looks best on standard output, and errLook on standard error.
func (t *terminal) outLook() look { return lookOf(t.out, t.getenv, t.colorMode()) }
func (t *terminal) errLook() look { return lookOf(t.err, t.getenv, t.colorMode()) }

func (t *terminal) colorMode() string {
	if t.color == nil {
		return ""
	}
	return *t.color
}

// The colours of states.
const (
	green  = "32"
	yellow = "33"
	red    = "31"
	bold   = "1"
	dim    = "2"
)

// paint returns text in a colour.
func (l look) paint(color, text string) string {
	if !l.color || color == "" || text == "" {
		return text
	}
	return "\x1b[" + color + "m" + text + "\x1b[0m"
}

// A cell is a text in a table, and its colour.
type cell struct{ text, color string }

// A grid is a table for people. Where it is too wide, it turns into a record for each row.
type grid struct {
	columns []string
	rows    [][]cell
	notes   []string // below each row, or empty
	bare    bool     // the names of the columns are left out where the rows fit
}

// add appends a row, and a note below it, which may be empty.
func (g *grid) add(note string, cells ...cell) {
	for len(cells) < len(g.columns) {
		cells = append(cells, cell{})
	}
	g.rows = append(g.rows, cells)
	g.notes = append(g.notes, note)
}

// write writes g, if it has rows.
func (g *grid) write(b *bytes.Buffer, l look) {
	if len(g.rows) == 0 {
		return
	}
	widths := make([]int, len(g.columns))
	total := 0
	for i, name := range g.columns {
		if !g.bare {
			widths[i] = columns(name)
		}
		for _, row := range g.rows {
			widths[i] = max(widths[i], columns(row[i].text))
		}
		total += widths[i] + 2
	}
	if l.width > 0 && total-2 > l.width {
		g.records(b, l)
		return
	}
	header := make([]cell, len(g.columns))
	for i, name := range g.columns {
		header[i] = cell{name, bold}
	}
	if !g.bare {
		writeRow(b, l, header, widths)
	}
	for n, row := range g.rows {
		writeRow(b, l, row, widths)
		writeNote(b, l, g.notes[n])
	}
}

func writeRow(b *bytes.Buffer, l look, row []cell, widths []int) {
	last := len(row) - 1
	for last > 0 && row[last].text == "" {
		last--
	}
	for i, c := range row[:last+1] {
		b.WriteString(l.paint(c.color, c.text))
		if i < last {
			b.WriteString(strings.Repeat(" ", widths[i]-columns(c.text)+2))
		}
	}
	b.WriteString("\n")
}

// records writes a block of lines for each row: the name of a column, and what is there.
func (g *grid) records(b *bytes.Buffer, l look) {
	label := 0
	for _, name := range g.columns {
		label = max(label, columns(name))
	}
	for n, row := range g.rows {
		if n > 0 {
			b.WriteString("\n")
		}
		for i, c := range row {
			if c.text == "" || c.text == "-" {
				continue
			}
			name := g.columns[i] + strings.Repeat(" ", label-columns(g.columns[i])+2)
			text := breakBehind(c.text, l.width, label+2)
			fmt.Fprintf(b, "%s%s\n", l.paint(bold, name), l.paint(c.color, text))
		}
		writeNote(b, l, g.notes[n])
	}
}

func writeNote(b *bytes.Buffer, l look, note string) {
	if note == "" {
		return
	}
	text := "  " + note
	if l.width > 0 {
		text = "  " + breakBehind(note, l.width, 2)
	}
	b.WriteString(l.paint(red, text) + "\n")
}

// fit breaks a sentence so that it fits.
func (l look) fit(text string) string {
	if l.width == 0 {
		return text
	}
	return breakText(abbreviated(text), l.width)
}

// paragraph is fit without an indent.
func (l look) paragraph(text string) string {
	return wrap(strings.Split(text, " "), l.width, 0, "", "")
}

// abbreviated returns text with the home directory as people and shells write it, at the
// beginning of words.
func abbreviated(text string) string {
	home, err := os.UserHomeDir()
	if err != nil || len(home) < 2 || filepath.Separator != '/' { // elsewhere nobody expands it
		return text
	}
	home += "/"
	text = strings.ReplaceAll(text, " "+home, " ~/")
	if rest, ok := strings.CutPrefix(text, home); ok {
		text = "~/" + rest
	}
	return strings.ReplaceAll(text, "\n"+home, "\n~/")
}

// columns returns how wide s is on a terminal. What jeton prints has no wide characters but
// in names, and a table may be uneven then.
func columns(s string) int { return utf8.RuneCountInString(s) }

// wrap breaks a text between its words, so that no line is wider than width. The first line
// begins behind start columns, the others begin with indent. end stands before each break. A
// word is never broken.
func wrap(words []string, width, start int, indent, end string) string {
	var b strings.Builder
	at := start
	for i, word := range words {
		switch {
		case i == 0:
		case at+1+columns(word)+columns(end) > width && at > columns(indent):
			b.WriteString(end + "\n" + indent)
			at = columns(indent)
		default:
			b.WriteString(" ")
			at++
		}
		b.WriteString(word)
		at += columns(word)
	}
	return b.String()
}

// breakText breaks a sentence. A command of jeton behind a colon is broken so that a shell
// still reads it as one.
func breakText(text string, width int) string {
	before, command, found := strings.Cut(text, ": jeton ")
	if !found { // what is indented stays so
		indent := strings.Repeat(" ", len(text)-len(strings.TrimLeft(text, " ")))
		return indent + wrap(strings.Split(text[len(indent):], " "), width, len(indent), indent+"  ", "")
	}
	lines := wrap(strings.Split(before+":", " "), width, 0, "  ", "")
	at := columns(lines[strings.LastIndex(lines, "\n")+1:])
	command = "jeton " + command
	words, behind := shellWords(command)
	if at+1+columns(command) > width { // on lines of its own
		return lines + "\n  " + wrap(words, width, 2, "    ", " \\") + behind
	}
	return lines + " " + wrap(words, width, at+1, "    ", " \\") + behind
}

// breakCommand breaks a command line, so that a shell still reads it as one. It breaks
// neither what is quoted nor a comment.
func breakCommand(text string, width int) string {
	words, behind := shellWords(text)
	return wrap(words, width, 0, "  ", " \\") + behind
}

// shellWords splits a command line at the blanks that are neither quoted nor escaped. behind
// is a comment at its end, with the blank before it.
func shellWords(text string) (words []string, behind string) {
	quote, escaped, start := byte(0), false, 0
	for i := range len(text) {
		c := text[i]
		switch {
		case escaped:
			escaped = false
		case c == '\\' && quote != '\'':
			escaped = true
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '\'' || c == '"':
			quote = c
		case c == ' ' && strings.HasPrefix(text[i:], " #"):
			return append(words, text[start:i]), text[i:]
		case c == ' ':
			words = append(words, text[start:i])
			start = i + 1
		}
	}
	return append(words, text[start:]), ""
}

// breakBehind breaks a sentence that stands behind another text of so many columns.
func breakBehind(text string, width, columns int) string {
	if width-columns < narrowest {
		return text
	}
	return wrap(strings.Split(text, " "), width, columns, strings.Repeat(" ", columns), "")
}
