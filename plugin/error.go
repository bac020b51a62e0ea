package plugin

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"time"
)

// A Code is an exit code of jeton, after sysexits(3).
type Code int

const (
	Usage    Code = 64 // the command line, or an unusable KUBERNETES_EXEC_INFO
	Unusable Code = 65 // the issuer's answer makes no sense
	Network  Code = 69 // the issuer cannot be reached or has failed
	Bug      Code = 70 // a bug in jeton
	Output   Code = 74 // standard output could not be written
	Later    Code = 75 // throttled, failed recently, or locked
	Denied   Code = 77 // refused, or a login is needed
	Config   Code = 78 // wrong configuration file, profile or option, or the format cannot write the credential
)

// An Error is a failure with everything the user needs to know about it. Only the text of
// an Error is meant for the user. The text of a library's error is not, because many
// libraries print whole answers and addresses.
type Error struct {
	Code Code
	Text string
	Hint string // what to do next, in one line, or empty
	Fix  string // a POSIX shell command line that does it, or empty
	// Path, Line and Column say where the error is, as far as that is known. Line and
	// Column count from 1. Unknown fields are empty or 0. Text says the same.
	Path         string
	Line, Column int
	// Variable is the environment variable at fault, or empty.
	Variable string
	// Proxy says that a proxy is at fault, not the server behind it.
	Proxy bool
	// Written is a misspelt name, and Meant is what the user probably meant. Both are
	// empty if no name is misspelt.
	Written, Meant string
	// Remember is how long nobody should ask the issuer again. It is 0 if the issuer was
	// not asked at all.
	Remember time.Duration
	// Invalid says that the issuer refused the credential it was shown, not the thing it
	// was asked for. The credential may have been revoked.
	Invalid bool
	// Actions are the actions that the issuer's policies did not allow.
	Actions []string
	// Unsent says that the request cannot have reached the issuer.
	Unsent bool
}

// A ProfileError is an error together with the profile it is about.
type ProfileError struct {
	Profile string
	Err     error
}

func (e *ProfileError) Error() string { return e.Profile + ": " + e.Err.Error() }
func (e *ProfileError) Unwrap() error { return e.Err }

// Errorf returns an Error with the code and the formatted text.
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Text: fmt.Sprintf(format, args...)}
}

// WithHint sets e's hint and returns e.
func (e *Error) WithHint(format string, args ...any) *Error {
	e.Hint = fmt.Sprintf(format, args...)
	return e
}

// WithFix sets e's fix to a POSIX shell command line of these words, uses it as the hint
// too, and returns e.
func (e *Error) WithFix(words ...string) *Error {
	e.Fix = ShellWords(words...)
	e.Hint = e.Fix
	return e
}

// WithMeant records in e that a misspelt name was written and which one was probably
// meant. It returns e.
func (e *Error) WithMeant(written, meant string) *Error {
	e.Written, e.Meant = written, meant
	return e.WithHint("did you mean %q?", meant)
}

// ShellWords returns a command line that a POSIX shell splits into these words, and cmd on Windows.
func ShellWords(words ...string) string {
	var line []string
	for _, word := range words {
		if word == "" || !Word(word, "_./:@%+,=-") {
			word = shellWord(word)
		}
		line = append(line, word)
	}
	return strings.Join(line, " ")
}

// shellWord returns s quoted for the shell of this system.
func shellWord(s string) string {
	if runtime.GOOS == "windows" {
		if s != "" && !strings.ContainsAny(s, " \t\"&|<>^();'") {
			return s
		}
		return `"` + strings.ReplaceAll(s, `"`, `""`) + `"`
	}
	return ShellQuote(s)
}

// ShellQuote returns s quoted as one word for a POSIX shell.
func ShellQuote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// RememberFor sets how long e is remembered, and returns e.
func (e *Error) RememberFor(d time.Duration) *Error {
	e.Remember = d
	return e
}

func (e *Error) Error() string { return e.Text }

// AsError returns the [Error] in err's chain, with the text of the whole chain. An err
// without one is a bug in jeton, and its text is withheld.
func AsError(err error) *Error {
	var e *Error
	if !errors.As(err, &e) {
		return Errorf(Bug, "internal error (%T)", err).
			WithHint("please report this, with the command that you ran")
	}
	whole := *e
	whole.Text = strings.ReplaceAll(err.Error(), "\n", "; ") // from errors.Join
	return &whole
}

// InOneLine returns the text and the hint of err, in one line.
func InOneLine(err error) string {
	e := AsError(err)
	if e.Hint == "" {
		return e.Text
	}
	return e.Text + " (" + e.Hint + ")"
}

// ErrFull says that an issuer has no room for another key.
var ErrFull = errors.New("there is no room for another key")

// ErrNotRevoked is returned by [Revoker] if there was nothing to revoke, or if the issuer
// revokes nothing.
var ErrNotRevoked = errors.New("nothing was revoked")

// Because returns e as an error that also matches why in [errors.Is].
func Because(e *Error, why error) error { return &because{e, why} }

// because is an Error that also matches another error.
type because struct {
	err *Error
	why error
}

func (b *because) Error() string        { return b.err.Error() }
func (b *because) Unwrap() error        { return b.err }
func (b *because) Is(target error) bool { return errors.Is(b.why, target) }
func (b *because) As(target any) bool   { return errors.As(b.why, target) }

// Count returns the number and the noun, such as "1 key" or "2 keys".
func Count(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}

// Each returns the errors that err joins, or err alone, or nothing if it is nil. It looks
// through the joins in joins, and not into other errors.
func Each(err error) (list []error) {
	joined, ok := err.(interface{ Unwrap() []error })
	switch {
	case err == nil:
		return nil
	case !ok:
		return []error{err}
	}
	for _, err := range joined.Unwrap() {
		list = append(list, Each(err)...)
	}
	return list
}

// forEach returns what about makes of each of the errors that err joins, joined again.
func forEach(err error, about func(error) error) error {
	list := Each(err)
	for i, err := range list {
		list[i] = about(err)
	}
	if len(list) == 1 {
		return list[0]
	}
	return errors.Join(list...)
}

// Nearest returns the name that misspelt was probably meant to be, or "". That is one that
// is spelt alike, else one of which it is a part.
func Nearest(misspelt string, names []string) string {
	best, found := max(2, len(misspelt)/4+1), ""
	for _, name := range names {
		if d := distance(misspelt, name); d < best {
			best, found = d, name
		}
	}
	if found != "" {
		return found
	}
	return whole(misspelt, names)
}

// whole returns the name that part is a part of: the one that ends in "name", as with user
// and username, or region and region_name, else the only one. It returns "" if there is none.
func whole(part string, names []string) string {
	if len(part) < 3 {
		return ""
	}
	var found []string
	for _, name := range names {
		words := strings.FieldsFunc(name, func(r rune) bool { return r == '_' || r == '-' || r == '.' })
		switch {
		case name == part+"name", name == part+"_name":
			return name
		case slices.Contains(words, part), strings.HasPrefix(name, part):
			found = append(found, name)
		}
	}
	if len(found) == 1 {
		return found[0]
	}
	return ""
}

// distance returns the Levenshtein distance, in bytes.
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
