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

// Flags returns the flags on the helper's command line, each with its values, as pflag reads
// them: "_" in a name counts as "-". booleans are the flags without a value. rest are the
// other arguments.
func (h Helper) Flags(booleans ...string) (flags map[string][]string, rest []string) {
	flags = map[string][]string{}
	for i := 1; i < len(h.Argv); i++ {
		word := h.Argv[i]
		if word == "--" {
			return flags, append(rest, h.Argv[i+1:]...)
		}
		if !strings.HasPrefix(word, "-") || word == "-" {
			rest = append(rest, word)
			continue
		}
		name, value, whole := strings.Cut(strings.TrimLeft(word, "-"), "=")
		name = strings.ReplaceAll(name, "_", "-")
		short := !strings.HasPrefix(word, "--")
		switch {
		case whole:
		case slices.Contains(booleans, name):
			value = "true"
		case short && len(name) > 1: // such as -v1
			name, value = name[:1], name[1:]
		case i+1 < len(h.Argv):
			i++
			value = h.Argv[i]
		}
		flags[name] = append(flags[name], value)
	}
	return flags, rest
}

// KlogFlags are the flags without a value that programs made with k8s.io/klog have.
var KlogFlags = []string{"logtostderr", "alsologtostderr", "one-output", "skip-headers", "skip-log-headers",
	"add-dir-header"}

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

// Secrets returns the flags and variables of the helper that hold secrets, by their names.
func (h Helper) Secrets() (names []string) {
	flags, _ := h.Flags()
	for flag, values := range flags {
		if secretName(flag) && strings.Join(values, "") != "" {
			names = append(names, "--"+flag)
		}
	}
	for name, value := range h.Env {
		if secretName(name) && value != "" {
			names = append(names, name)
		}
	}
	if len(names) == 0 && slices.ContainsFunc(h.Argv, assignsSecret) {
		names = append(names, "what it is told to run")
	}
	slices.Sort(names)
	return names
}

// assignsSecret reports whether a word has something in it that is called like a secret and
// has a value, as in a line for a shell.
func assignsSecret(word string) bool {
	at := strings.IndexAny(word, "=:")
	for ; at >= 0; at = strings.IndexAny(word, "=:") {
		before := strings.TrimRight(word[:at], "\"'\\ ")
		name := before[strings.LastIndexFunc(before, func(r rune) bool {
			return r != '_' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
		})+1:]
		lower := strings.ToLower(name)
		for _, secret := range []string{"secret", "password", "passwd", "token", "accesskey"} {
			place := strings.HasSuffix(lower, "file") || strings.HasSuffix(lower, "url")
			if strings.Contains(lower, secret) && !place {
				return true
			}
		}
		word = word[at+1:]
	}
	return false
}

// secretName reports whether a flag or a variable is called like a secret, and not like the
// place or the name of one.
func secretName(name string) bool {
	words := strings.FieldsFunc(strings.ToLower(name), func(r rune) bool { return r == '-' || r == '_' || r == '.' })
	if len(words) == 0 || slices.Contains([]string{"file", "path", "id", "name", "type", "url", "uri", "dir",
		"storage"}, words[len(words)-1]) {
		return false
	}
	return slices.ContainsFunc(words, func(word string) bool {
		return slices.Contains([]string{"secret", "secrets", "password", "passwd", "passphrase", "passcode", "pwd",
			"pin", "token", "key", "apikey", "credential", "credentials", "assertion"}, word)
	})
}
