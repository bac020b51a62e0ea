package cli

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/jeton-cli/jeton/formats"
	"github.com/jeton-cli/jeton/plugin"
)

type completionCmd struct {
	Shell string `arg:"" help:"bash, zsh or fish."`
}

func (*completionCmd) Help() string {
	return `Prints what has the shell complete jeton's commands, flags, profiles and formats.

  bash    echo 'eval "$(jeton completion bash)"' >>~/.bashrc
  zsh     echo 'eval "$(jeton completion zsh)"' >>~/.zshrc, below compinit
  fish    jeton completion fish >~/.config/fish/completions/jeton.fish`
}

// completions ask jeton itself, so that they need not be made anew for another
// version of it.
var completions = map[string]string{
	"bash": `_jeton() {
	local IFS=$'\n'
	COMPREPLY=($(jeton __complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null | cut -f 1))
}
complete -o default -F _jeton jeton
`,
	"zsh": `_jeton() {
	local line
	local -a words_
	for line in "${(@f)$(jeton __complete "${(@)words[2,CURRENT]}" 2>/dev/null)}"; do
		[[ -n $line ]] && words_+=("${${line%%$'\t'*}//:/\\:}:${line#*$'\t'}")
	done
	(( $#words_ )) && _describe jeton words_ || _files
}
compdef _jeton jeton
`,
	"fish": `complete -c jeton -f -a '(jeton __complete (commandline -opc)[2..-1] (commandline -ct) 2>/dev/null)'
`,
}

func (c *completionCmd) Run(t *terminal) error {
	script, ok := completions[c.Shell]
	if !ok {
		return plugin.Errorf(plugin.Usage, "there is no completion for %s", plugin.Shorten(c.Shell)).WithHint("there is for bash, zsh and fish")
	}
	return t.print([]byte(script))
}

// completeCommand is what the shells ask: the words up to the cursor follow it.
const completeCommand = "__complete"

// complete prints what the last of words can be, with what it means.
func complete(i *invocation, t *terminal, ps *profiles, words []string) error {
	if len(words) == 0 {
		return nil
	}
	model, err := i.model(t)
	if err != nil {
		return err
	}
	words, word := words[:len(words)-1], words[len(words)-1]
	node, position := model.Node, 0
	flags := slices.Clone(node.Flags)
	var wants *kong.Flag // whose value comes next
	for _, w := range words {
		name, value, whole := strings.Cut(w, "=")
		switch {
		case wants != nil:
			if wants.Name == "config" {
				i.globals.Config = w
			}
			wants = nil
		case w == "--":
			return nil // of exec: a command line of its own
		case strings.HasPrefix(w, "-"):
			f := flagNamed(flags, name)
			if f != nil && !f.IsBool() && !whole {
				wants = f
			}
			if f != nil && f.Name == "config" && whole {
				i.globals.Config = value
			}
		default:
			if i := slices.IndexFunc(node.Children, func(n *kong.Node) bool { return n.Name == w }); i >= 0 {
				node = node.Children[i]
				flags = append(flags, node.Flags...)
			} else {
				position++
			}
		}
	}
	var b bytes.Buffer
	add := func(prefix, name, help string) {
		if strings.HasPrefix(name, word[len(prefix):]) {
			help, _, _ = strings.Cut(help, "\n")
			fmt.Fprintf(&b, "%s%s\t%s\n", prefix, name, help)
		}
	}
	name, _, whole := strings.Cut(word, "=")
	switch {
	case wants != nil:
		for _, v := range values(ps, wants.Name) {
			add("", v, "")
		}
	case strings.HasPrefix(word, "--") && whole:
		for _, v := range values(ps, strings.TrimPrefix(name, "--")) {
			add(name+"=", v, "")
		}
	case strings.HasPrefix(word, "-"):
		for _, f := range flags {
			add("", "--"+f.Name, f.Help)
		}
	case len(node.Children) > 0:
		for _, n := range node.Children {
			add("", n.Name, n.Help)
		}
	case position < len(node.Positional):
		for _, v := range values(ps, node.Positional[position].Name) {
			add("", v, "")
		}
	}
	return t.print(b.Bytes())
}

func flagNamed(flags []*kong.Flag, name string) *kong.Flag {
	for _, f := range flags {
		if name == "--"+f.Name || f.Short != 0 && name == "-"+string(f.Short) {
			return f
		}
	}
	return nil
}

// values returns what an argument or a flag of that name can be, as far as that is
// known.
func values(ps *profiles, name string) []string {
	switch name {
	case "profile":
		f, err := ps.file()
		if err != nil {
			return nil
		}
		return f.Names()
	case "format":
		return formats.Names()
	case "for":
		return formats.OpenStackClients
	case "shell":
		return []string{"bash", "fish", "powershell", "sh", "zsh"}
	case "secret":
		return []string{"command", "env", "file", "keyring"}
	}
	return nil
}

// model returns the whole grammar.
func (i *invocation) model(t *terminal) (*kong.Application, error) {
	var names []string
	for _, v := range verbs {
		names = append(names, v.name)
	}
	parser, err := i.parser(names, t, func(int) {})
	if err != nil {
		return nil, err
	}
	return parser.Model, nil
}
