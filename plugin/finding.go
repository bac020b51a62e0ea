package plugin

import (
	"path/filepath"
	"strconv"
	"strings"
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

// Substitute returns the command line that replaces old by new, which begins in that line
// and column of a file, from 1. (POSIX has no sed -i, but both of its kinds take this.)
func Substitute(path string, line, column int, old, new string) string {
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target // sed would put a file in the place of a link
	}
	before := `\(.\{` + strconv.Itoa(column-1) + `\}["']\{0,1\}\)`
	return ShellWords("sed", "-i.bak", strconv.Itoa(line)+"s/^"+before+SedPattern(old)+`/\1`+strings.NewReplacer(`\`, `\\`, "/", `\/`, "&", `\&`).Replace(new)+"/", path)
}

// SedPattern returns a basic regular expression of POSIX, between slashes, that is text.
func SedPattern(text string) string {
	return strings.NewReplacer(`\`, `\\`, "/", `\/`, ".", `\.`, "*", `\*`, "[", `\[`, "]", `\]`, "^", `\^`, "$", `\$`).Replace(text)
}
