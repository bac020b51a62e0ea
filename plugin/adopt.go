package plugin

import (
	"path/filepath"
	"slices"
	"strings"
)

// A Helper is what gets a credential for a caller today: a program, or settings in the
// caller's own words.
type Helper struct {
	Argv     []string          // the program and its arguments, or nil
	Env      map[string]string // variables for the program
	Settings map[string]string // such as role_arn in a section of an AWS configuration
	Place    string            // where it is written, in words
}

// Program returns the name of the helper's program without a folder or a suffix, or "".
func (h Helper) Program() string {
	if len(h.Argv) == 0 {
		return ""
	}
	return strings.TrimSuffix(filepath.Base(h.Argv[0]), ".exe")
}

// Flags returns the flags on the helper's command line, each with its values. booleans are
// the flags without a value. rest are the other arguments.
func (h Helper) Flags(booleans ...string) (flags map[string][]string, rest []string) {
	flags = map[string][]string{}
	for i := 1; i < len(h.Argv); i++ {
		word := h.Argv[i]
		name, value, whole := strings.Cut(strings.TrimLeft(word, "-"), "=")
		switch {
		case !strings.HasPrefix(word, "-"):
			rest = append(rest, word)
			continue
		case whole, !strings.HasPrefix(word, "--") && len(name) > 1: // such as -v1
		case slices.Contains(booleans, name):
			value = "true"
		case i+1 < len(h.Argv):
			i++
			value = h.Argv[i]
		}
		if !strings.HasPrefix(word, "--") {
			name = name[:min(1, len(name))]
		}
		flags[name] = append(flags[name], value)
	}
	return flags, rest
}

// Adopted are the options of a profile that does what a helper does.
type Adopted struct {
	Values map[string]Value
	// Left names what could not be taken over. Notes explain why, where the name alone does
	// not.
	Left, Notes []string
}

// Set sets an option, if text is not empty.
func (a *Adopted) Set(h Helper, option, text string) {
	if text == "" {
		return
	}
	if a.Values == nil {
		a.Values = map[string]Value{}
	}
	a.Values[option] = Value{Place: h.Place, Key: option, Text: text}
}

// Adopt returns a draft of a profile that does what the helper does. It returns a [Config]
// error if no issuer knows the helper.
func (l Issuers) Adopt(name string, h Helper) (Draft, error) {
	for i := range l {
		if l[i].Adopt == nil {
			continue
		}
		a, err := l[i].Adopt(h)
		if err != nil {
			return Draft{}, err
		}
		if a != nil {
			d := NewDraft(name, &l[i], a.Values, func(v Value) DraftSecret {
				return DraftSecret{Value: NewSecret(v.Text)}
			})
			d.Left, d.Notes = a.Left, a.Notes
			return d, nil
		}
	}
	return Draft{}, Errorf(Config, "nothing there logs in")
}

// DraftOfEnvironment returns a draft of the issuer's identity in the environment, called like
// the issuer. ok is false if there is none that is complete.
func (i *Issuer) DraftOfEnvironment(getenv func(string) string) (d Draft, ok bool) {
	if i.Environment == nil {
		return d, false
	}
	values, complete, err := i.Environment(getenv)
	if err != nil || !complete {
		return d, false
	}
	return NewDraft(i.Name, i, values, func(v Value) DraftSecret {
		return DraftSecret{Value: NewSecret(v.Text), Variable: v.Variable}
	}), true
}
