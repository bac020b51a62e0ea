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
	Check   string `json:"check"` // what was checked, such as "config"
	Level   string `json:"level"` // [Wrong] or [Doubtful]
	Profile string `json:"profile,omitempty"`
	Where   string `json:"where,omitempty"` // a file, with its line, or a variable
	What    string `json:"what"`
	Fix     string `json:"fix,omitempty"` // a POSIX shell command line that puts it right
}

// The levels of a [Finding].
const (
	Wrong    = "error"   // something does not work
	Doubtful = "warning" // it works, but perhaps not as intended, or not for long
)

// ThoseSet returns the names of the variables that are set.
func ThoseSet(getenv func(string) string, names ...string) (set []string) {
	for _, name := range names {
		if getenv(name) != "" {
			set = append(set, name)
		}
	}
	return set
}

// EditAt returns the command line that opens place in an editor. A place is a file, with
// or without a line.
func EditAt(place string) string {
	if i := strings.LastIndex(place, ":"); i >= 0 {
		if line, err := strconv.Atoi(place[i+1:]); err == nil {
			return "${EDITOR:-vi} +" + strconv.Itoa(line) + " " + ShellWords(place[:i])
		}
	}
	return "${EDITOR:-vi} " + ShellWords(place)
}

// WriteFile returns the command line that writes a file which nobody else can read, from
// standard input.
func WriteFile(path string) string {
	return "(umask 077; mkdir -p " + ShellWords(filepath.Dir(path)) + "; cat >" + ShellWords(path) + ")"
}

// Substitute returns the command line that replaces old with new in a file. old is on the
// given line, at or after the given column; both count from 1. If several places could be
// meant, the command line opens the file in an editor instead.
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
	// How sed counts these characters depends on the locale.
	if strings.ContainsFunc(before, func(r rune) bool { return r > unicode.MaxASCII }) {
		return EditAt(place)
	}
	by := strings.NewReplacer(`\`, `\\`, "/", `\/`, "&", `\&`).Replace(new)
	return Sed(fmt.Sprintf(`%ds/^\(.\{%d\}\)%s/\1%s/`, line, len(before), SedPattern(old), by), path)
}

// Sed returns the command line that edits a file with sed and keeps a copy of it. (POSIX
// has no sed -i, but GNU and BSD sed both take this form.)
func Sed(script, path string) string {
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target // sed would replace a link with a file
	}
	return "sed -i.$(date +%s).bak " + ShellWords(script, path)
}

// SedPattern returns a POSIX basic regular expression that matches text, for use between
// slashes.
func SedPattern(text string) string {
	return strings.NewReplacer(`\`, `\\`, "/", `\/`, ".", `\.`, "*", `\*`, "[", `\[`, "]", `\]`, "^", `\^`, "$", `\$`).Replace(text)
}
