package plugin

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"unicode"
)

// A Finding is something that is wrong, or soon will be.
type Finding struct {
	Check   string `json:"check"` // what was looked at, such as "config"
	Level   string `json:"level"` // [Wrong] or [Doubtful]
	Profile string `json:"profile,omitempty"`
	Where   string `json:"where,omitempty"` // a file, with its line, or a variable
	What    string `json:"what"`
	Fix     string `json:"fix,omitempty"` // a command line for a POSIX shell that puts it right
}

// The levels of a [Finding].
const (
	Wrong    = "error"   // something does not work
	Doubtful = "warning" // it does, and may not be what is meant, or not for long
)

// ThoseSet returns those of the variables that are set.
func ThoseSet(getenv func(string) string, names ...string) (set []string) {
	for _, name := range names {
		if getenv(name) != "" {
			set = append(set, name)
		}
	}
	return set
}

// EditAt returns the command line that opens a place, a file with a line or without, in
// an editor.
func EditAt(place string) string {
	if i := strings.LastIndex(place, ":"); i >= 0 {
		if line, err := strconv.Atoi(place[i+1:]); err == nil {
			return "${EDITOR:-vi} +" + strconv.Itoa(line) + " " + ShellWords(place[:i])
		}
	}
	return "${EDITOR:-vi} " + ShellWords(place)
}

// Substitute returns the command line that replaces old by new, which stands in that line
// of a file and in that column or behind it, all from 1; or that opens the place in an
// editor, if it cannot be told which of several is meant.
func Substitute(path string, line, column int, old, new string) string {
	place := path + ":" + strconv.Itoa(line)
	text, err := os.ReadFile(path)
	lines := strings.Split(string(text), "\n")
	if err != nil || line > len(lines) || column > len(lines[line-1]) {
		return EditAt(place)
	}
	before, rest := lines[line-1][:column-1], lines[line-1][column-1:]
	if !strings.HasPrefix(strings.TrimLeft(rest, `"'`), old) && strings.Count(rest, old) != 1 {
		return EditAt(place)
	}
	before += rest[:strings.Index(rest, old)]
	// which sed counts as the locale says
	if strings.ContainsFunc(before, func(r rune) bool { return r > unicode.MaxASCII }) {
		return EditAt(place)
	}
	by := strings.NewReplacer(`\`, `\\`, "/", `\/`, "&", `\&`).Replace(new)
	return Sed(fmt.Sprintf(`%ds/^\(.\{%d\}\)%s/\1%s/`, line, len(before), SedPattern(old), by), path)
}

// Sed returns the command line that has sed edit a file, of which a copy is kept. (POSIX
// has no sed -i, but both of its kinds take this.)
func Sed(script, path string) string {
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target // sed would put a file in the place of a link
	}
	return "sed -i.$(date +%s).bak " + ShellWords(script, path)
}

// SedPattern returns a basic regular expression of POSIX, between slashes, that is text.
func SedPattern(text string) string {
	return strings.NewReplacer(`\`, `\\`, "/", `\/`, ".", `\.`, "*", `\*`, "[", `\[`, "]", `\]`, "^", `\^`, "$", `\$`).Replace(text)
}
