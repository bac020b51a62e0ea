package cli

import (
	"errors"
	"regexp"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/jeton-cli/jeton/formats"
	"github.com/jeton-cli/jeton/plugin"
)

// A receiver is a command with a value that does not stand on the command line. Its hint
// says where the value goes.
type receiver interface{ valueHint() string }

// plainFlag reports whether a word has the form of a flag's name. What has another form
// can be a secret that begins with a dash.
func plainFlag(word string) bool {
	return regexp.MustCompile(`^--?[a-z][a-z-]{0,19}$`).MatchString(word)
}

// usage turns kong's error about a command line into jeton's words. kong repeats what was
// typed. usage repeats nothing that can be a secret: of the command line only the names
// of commands and flags, and what looks like one of them. profiles are the names of the
// profiles that there are.
func usage(err error, profiles []string, issuers plugin.Issuers) error {
	var pe *kong.ParseError
	if !errors.As(err, &pe) {
		return plugin.Errorf(plugin.Usage, "the command line cannot be read").WithHint("jeton --help")
	}
	m := mistake{at: pe.Context.Model.Node, text: err.Error()}
	if selected := pe.Context.Selected(); selected != nil {
		m.at = selected
	}
	hint := m.at.FullPath() + " --help"
	takes, secret := m.at.Target.Addr().Interface().(receiver)
	m.read()
	if command := m.likely(profiles, issuers); command != "" && !secret {
		m.near, hint = ", did you mean this?", command
	} else if m.surplus && m.near == "" {
		m.near = nearestCommand(m.at, m.word)
	}
	if secret && (m.surplus || m.unknown) {
		hint = takes.valueHint()
	}
	return plugin.Errorf(plugin.Usage, "%s", plugin.Shorten(m.words(pe.Context, secret))).WithHint("%s", hint)
}

// A mistake on a command line is a word that is surplus, a flag that is unknown, or something
// else.
type mistake struct {
	at               *kong.Node // the command
	text             string     // kong's
	word, flag       string
	surplus, unknown bool
	near             string // ", did you mean …?", or empty
}

// read takes kong's text apart.
func (m *mistake) read() {
	text, near, found := strings.Cut(m.text, ", did you mean ")
	if found {
		m.near = ", did you mean " + near
	}
	m.text = text
	m.word, m.surplus = strings.CutPrefix(text, "unexpected argument ")
	m.flag, m.unknown = strings.CutPrefix(text, "unknown flag ")
	if m.surplus || len(m.flag) == 2 { // kong finds something near to everything
		m.near = ""
	}
}

// words says what is wrong. With secret, what was typed can be one.
func (m *mistake) words(c *kong.Context, secret bool) string {
	switch {
	case m.surplus && len(m.at.Children) > 0 && m.near != "":
		return "there is no command " + plugin.Shorten(m.word) + m.near
	case m.surplus && len(m.at.Children) > 0:
		return "there is no such command"
	case m.surplus:
		return plugin.Count(surplusWords(c, m.at), "argument") + " too many for " + m.at.FullPath()
	case m.unknown && !secret && plainFlag(m.flag):
		return "there is no flag " + m.flag + m.near
	case m.unknown:
		return "there is no such flag"
	case strings.HasPrefix(m.text, "unexpected "):
		return "the command line cannot be read"
	case strings.Contains(m.text, ": bool value must be "):
		text, _, _ := strings.Cut(m.text, ": bool")
		return text + " takes no value"
	}
	// kong names the flag, what it takes, and then what it has.
	text, _, _ := strings.Cut(m.text, " but got ")
	text = strings.ReplaceAll(text, "expected string value", "needs a value")
	return strings.ReplaceAll(text, "expected duration", "needs a duration, such as 2h")
}

// meant are command lines for words that people type where jeton has another one, by the
// command at which they type them. Those for callers come from the formats.
var meant = map[string]map[string]string{
	"jeton": {
		"ls": "jeton status", "list": "jeton status", "profiles": "jeton status", "show": "jeton status",
		"signin": "jeton login PROFILE", "auth": "jeton login PROFILE", "sso": "jeton login PROFILE",
		"signout": "jeton logout PROFILE", "revoke": "jeton logout PROFILE",
		"token": "jeton get PROFILE -f token", "print": "jeton get PROFILE", "fetch": "jeton get PROFILE",
		"refresh": "jeton get PROFILE --refresh", "renew": "jeton get PROFILE --refresh",
		"run": "jeton exec PROFILE -- COMMAND", "with": "jeton exec PROFILE -- COMMAND",
		"new": "jeton init", "add": "jeton init", "create": "jeton init", "start": "jeton init",
		"config": "jeton init", "configure": "jeton init", "wizard": "jeton init",
		"whoami": "jeton inspect PROFILE", "who": "jeton inspect PROFILE", "projects": "jeton inspect PROFILE",
		"check": "jeton doctor", "diagnose": "jeton doctor", "test": "jeton doctor", "debug": "jeton doctor",
		"clean": "jeton gc", "clear": "jeton logout --all", "purge": "jeton logout --all",
		"rm": "jeton logout PROFILE", "remove": "jeton logout PROFILE", "delete": "jeton logout PROFILE",
		"plugins": "jeton help", "formats": "jeton get --help", "password": "jeton secret set NAME",
		"keyring": "jeton secret set NAME",
	},
	"jeton get": {
		"--profile": "jeton get PROFILE", "--output": "jeton get PROFILE -f FORMAT",
		"-o":      "jeton get PROFILE -f FORMAT",
		"--debug": "jeton get PROFILE --verbose", "-v": "jeton get PROFILE --verbose",
		"--force": "jeton get PROFILE --refresh", "--token": "jeton get PROFILE -f token",
	},
	"jeton init":   {"--as": "jeton init --name NAME"},
	"jeton import": {"--name": "jeton import KIND --as NAME"},
	"jeton exec":   {"--profile": "jeton exec PROFILE -- COMMAND", "-f": "jeton get PROFILE -f FORMAT"},
	"jeton login":  {"--profile": "jeton login PROFILE", "--headless": "jeton login PROFILE --no-browser"},
}

// likely returns the command line that the word or the flag probably stands for, or "".
func (m *mistake) likely(profiles []string, issuers plugin.Issuers) string {
	at, word := m.at, m.word
	if line := wordFor(at.FullPath(), word, issuers); line != "" {
		return line
	}
	if at.Parent == nil && slices.Contains(profiles, word) {
		return plugin.ShellWords("jeton", "get", word)
	}
	for _, typed := range []string{word, m.flag} {
		if line := meant[at.FullPath()][typed]; line != "" && typed != "" {
			return line
		}
	}
	for _, k := range formats.Kinds {
		if word == "" || word != k.Name && !slices.Contains(k.Words, word) && !slices.Contains(k.Aliases, word) {
			continue
		}
		switch {
		case k.Setup != nil && (at.FullPath() == "jeton" || at.FullPath() == "jeton setup"):
			return "jeton setup " + k.Name + " --help"
		case at.FullPath() == "jeton":
			return "jeton get PROFILE -f " + k.Name
		}
	}
	return ""
}

// wordFor returns the command line for a word that the issuers and formats know, typed behind
// a command, or "".
func wordFor(command, word string, issuers plugin.Issuers) string {
	switch command {
	case "jeton init":
		for _, way := range issuers.Ways() {
			if word != "" && (strings.EqualFold(word, way.Cloud.Name) || strings.EqualFold(word, way.Cloud.Title)) {
				return "jeton init --cloud " + way.Cloud.Name
			}
		}
	case "jeton import":
		for _, i := range imports(issuers) {
			if slices.Contains(i.Words, word) {
				return "jeton import " + i.Name
			}
		}
	}
	return ""
}

// nearestCommand returns a question about the command that word was probably meant to be, or
// "".
func nearestCommand(at *kong.Node, word string) string {
	var names []string
	for _, n := range at.Children {
		names = append(names, n.Name)
	}
	if nearest := plugin.Nearest(word, names); nearest != "" {
		return `, did you mean "` + nearest + `"?`
	}
	return ""
}

// surplusWords counts the arguments that no argument of the command at takes.
func surplusWords(c *kong.Context, at *kong.Node) int {
	words := cursor{node: at, flags: c.Flags()}
	config := ""
	for _, w := range c.Path[len(c.Path)-1].Remainder() {
		words.pass(w, &config)
	}
	return max(words.position, 1)
}
