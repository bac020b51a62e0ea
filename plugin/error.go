package plugin

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
)

// A Code is an exit code of jeton, after sysexits(3).
type Code int

const (
	Usage    Code = 64 // the command line, or an unusable KUBERNETES_EXEC_INFO
	Unusable Code = 65 // the issuer's answer makes no sense
	Network  Code = 69 // the issuer cannot be reached, or has failed
	Bug      Code = 70 // ours
	Output   Code = 74 // standard output could not be written
	Later    Code = 75 // throttled, failing lately, or locked
	Denied   Code = 77 // refused, or a login is needed
	Config   Code = 78 // configuration file, profile, option, or what the format cannot serve
)

// An Error is a failure with all that the user needs to know of it. Only an
// Error's text is made for the user; an error of a library is not, since many
// print answers and addresses whole.
type Error struct {
	Code Code
	Text string
	Hint string // what to do next, one line, or empty
	Fix  string // a command line for a POSIX shell that does it, or empty
	// Path, Line and Column say where in which file the error is, as far as that is
	// known: counted from 1, and 0 or empty if it is not. The text says it too.
	Path         string
	Line, Column int
	// Variable is the environment variable that is at fault, or empty.
	Variable string
	// Proxy says that a proxy is at fault, and not the server behind it.
	Proxy bool
	// Meant is what was probably meant by Written, if that is a misspelt name.
	Written, Meant string
	// Remember is for how long nobody should ask the issuer again; 0 if the
	// issuer was not asked at all.
	Remember time.Duration
	// Invalid says that the issuer refused what was shown to it, and not what
	// was asked for: it may have been revoked.
	Invalid bool
	// Unsent says that the request cannot have reached the issuer.
	Unsent bool
}

// A ProfileError is an error with the profile that it is about.
type ProfileError struct {
	Profile string
	Err     error
}

func (e *ProfileError) Error() string { return e.Profile + ": " + e.Err.Error() }
func (e *ProfileError) Unwrap() error { return e.Err }

// Errorf returns an Error.
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Text: fmt.Sprintf(format, args...)}
}

// WithHint returns e with a hint.
func (e *Error) WithHint(format string, args ...any) *Error {
	e.Hint = fmt.Sprintf(format, args...)
	return e
}

// WithFix returns e with a command line for a POSIX shell that puts it right, which is
// the hint too.
func (e *Error) WithFix(words ...string) *Error {
	e.Fix = ShellWords(words...)
	e.Hint = e.Fix
	return e
}

// WithMeant returns e, about the misspelt name, with the one that was probably meant.
func (e *Error) WithMeant(written, meant string) *Error {
	e.Written, e.Meant = written, meant
	return e.WithHint("did you mean %q?", meant)
}

// ShellWords returns a command line that a POSIX shell takes for these words.
func ShellWords(words ...string) string {
	var line []string
	for _, word := range words {
		if word == "" || !Word(word, "_./:@%+,=-") {
			word = ShellQuote(word)
		}
		line = append(line, word)
	}
	return strings.Join(line, " ")
}

// ShellQuote returns s in quotes, as one word for a POSIX shell.
func ShellQuote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// RememberFor returns e as one that is remembered for d.
func (e *Error) RememberFor(d time.Duration) *Error {
	e.Remember = d
	return e
}

func (e *Error) Error() string { return e.Text }

// AsError returns the [Error] in err's chain with the text of the whole chain.
// An err without one is a bug of ours, whose text is withheld.
func AsError(err error) *Error {
	var e *Error
	if !errors.As(err, &e) {
		return Errorf(Bug, "internal error (%T)", err).
			WithHint("please report this, with the command that you ran")
	}
	whole := *e
	whole.Text = strings.ReplaceAll(err.Error(), "\n", "; ") // of errors.Join
	return &whole
}

// Printable returns text in which whatever cannot be seen is a blank, or it could make
// itself seem what it is not.
func Printable(text string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "?"))
}

// Shorten makes foreign text fit for one line of an error: what is printable of it, at
// most 200 characters.
func Shorten(s string) string {
	s = Printable(s)
	if r := []rune(s); len(r) > 200 {
		s = string(r[:199]) + "…"
	}
	return strings.TrimSpace(s)
}

// Count says how many there are of what.
func Count(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}

// Nearest returns the name that was probably meant by the misspelt one, or "".
func Nearest(misspelt string, names []string) string {
	best, found := max(2, len(misspelt)/4+1), ""
	for _, name := range names {
		if d := distance(misspelt, name); d < best {
			best, found = d, name
		}
	}
	return found
}

// distance is Levenshtein's, in bytes.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
