package cli

import (
	"errors"
	"regexp"
	"strings"

	"github.com/alecthomas/kong"

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
// of commands and flags, and what looks like one of them.
func usage(err error) error {
	var pe *kong.ParseError
	if !errors.As(err, &pe) {
		return plugin.Errorf(plugin.Usage, "the command line cannot be read").WithHint("jeton --help")
	}
	at := pe.Context.Model.Node
	if selected := pe.Context.Selected(); selected != nil {
		at = selected
	}
	hint := at.FullPath() + " --help"
	takes, secret := at.Target.Addr().Interface().(receiver)
	text := err.Error()
	_, near, _ := strings.Cut(text, ", did you mean ")
	if near != "" {
		near = ", did you mean " + near
	}
	word, surplus := strings.CutPrefix(text, "unexpected argument ")
	flag, unknown := strings.CutPrefix(strings.TrimSuffix(text, near), "unknown flag ")
	switch {
	case surplus && len(at.Children) > 0 && near != "":
		text = "there is no command " + plugin.Shorten(word)
	case surplus && len(at.Children) > 0:
		text = "there is no such command"
	case surplus:
		text = plugin.Count(surplusWords(pe.Context, at), "argument") + " too many for " + at.FullPath()
	case unknown && !secret && plainFlag(flag):
		text = "there is no flag " + flag + near
	case unknown:
		text = "there is no such flag"
	case strings.HasPrefix(text, "unexpected "):
		text = "the command line cannot be read"
	case strings.Contains(text, ": bool value must be "):
		text, _, _ = strings.Cut(text, ": bool")
		text += " takes no value"
	default:
		// kong names the flag, what it takes, and then what it has.
		text, _, _ = strings.Cut(text, " but got ")
		text = strings.ReplaceAll(text, "expected string value", "needs a value")
		text = strings.ReplaceAll(text, "expected duration", "needs a duration, such as 2h")
	}
	if secret && (surplus || unknown) {
		hint = takes.valueHint()
	}
	return plugin.Errorf(plugin.Usage, "%s", plugin.Shorten(text)).WithHint("%s", hint)
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
