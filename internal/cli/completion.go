package cli

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/jeton-cli/jeton/formats"
	"github.com/jeton-cli/jeton/plugin"
)

type completionCmd struct {
	Shell string `arg:"" help:"bash, zsh, fish or powershell."`
}

func (*completionCmd) Help() string {
	return `Prints a script that completes jeton's commands, flags, profiles and formats.

  bash    echo 'eval "$(jeton completion bash)"' >>~/.bashrc
  zsh     echo 'eval "$(jeton completion zsh)"' >>~/.zshrc, below compinit
  fish    jeton completion fish >~/.config/fish/completions/jeton.fish
  powershell, in $PROFILE
          jeton completion powershell | Out-String | Invoke-Expression`
}

// completions are the scripts. They ask jeton for the words, so one script serves every
// version.
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
	"powershell": `Register-ArgumentCompleter -Native -CommandName jeton -ScriptBlock {
	param($wordToComplete, $commandAst, $cursorPosition)
	$words = @($commandAst.CommandElements | Select-Object -Skip 1 |
		Where-Object { $_.Extent.EndOffset -lt $cursorPosition } | ForEach-Object { $_.ToString() })
	# An empty argument is lost on the way to a native command of Windows PowerShell: a blank is not.
	$last = if ($wordToComplete) { $wordToComplete } else { ' ' }
	jeton __complete @words $last 2>$null | ForEach-Object {
		$word, $help = $_ -split "` + "`" + `t", 2
		if (-not $help) { $help = $word }
		[System.Management.Automation.CompletionResult]::new($word, $word, 'ParameterValue', $help)
	}
}
`,
	"fish": `complete -c jeton -f -a '(jeton __complete (commandline -opc)[2..-1] (commandline -ct) 2>/dev/null)'
`,
}

func (c *completionCmd) Run(t *terminal) error {
	script, ok := completions[c.Shell]
	if !ok {
		return plugin.Errorf(plugin.Usage, "there is no completion for %s", plugin.Shorten(c.Shell)).
			WithHint("there is for bash, zsh, fish and powershell")
	}
	return t.print([]byte(script))
}

// completeCommand is the hidden command that the shells run, followed by the words up to
// the cursor.
const completeCommand = "__complete"

// complete prints the possible completions of the last word, each with its help.
func complete(i *invocation, t *terminal, ps *profiles, words []string) error {
	if len(words) == 0 {
		return nil
	}
	model, err := i.model()
	if err != nil {
		return err
	}
	last := len(words) - 1
	words[last] = strings.TrimPrefix(words[last], " ") // PowerShell's
	at := cursor{node: model.Node, flags: slices.Clone(model.Node.Flags)}
	for _, w := range words[:last] {
		if w == "--" && at.wants == nil {
			return nil // what follows is exec's command
		}
		at.pass(w, &i.globals.Config)
	}
	return t.print(at.offers(ps, words[last]))
}

// A cursor is the position of a word in the grammar.
type cursor struct {
	node     *kong.Node
	position int          // of the next argument
	flags    []*kong.Flag // allowed here
	wants    *kong.Flag   // the flag that the next word is the value of, or nil
}

// pass moves the cursor past a word. It sets config if the word names the configuration
// file.
func (at *cursor) pass(w string, config *string) {
	name, value, whole := strings.Cut(w, "=")
	switch {
	case at.wants != nil:
		if at.wants.Name == "config" {
			*config = w
		}
		at.wants = nil
	case strings.HasPrefix(w, "-"):
		f := flagNamed(at.flags, name)
		if f != nil && !f.IsBool() && !whole {
			at.wants = f
		}
		if f != nil && f.Name == "config" && whole {
			*config = value
		}
	default:
		if i := slices.IndexFunc(at.node.Children, func(n *kong.Node) bool { return n.Name == w }); i >= 0 {
			at.node = at.node.Children[i]
			at.flags = append(at.flags, at.node.Flags...)
		} else {
			at.position++
		}
	}
}

// offers returns the possible completions of word, one per line.
func (at *cursor) offers(ps *profiles, word string) []byte {
	var b bytes.Buffer
	add := func(prefix, name, help string) {
		if strings.HasPrefix(name, word[len(prefix):]) {
			help, _, _ = strings.Cut(help, "\n")
			fmt.Fprintf(&b, "%s%s\t%s\n", prefix, name, help)
		}
	}
	addAll := func(prefix, of string) {
		for _, v := range values(ps, of) {
			add(prefix, v, "")
		}
	}
	name, _, whole := strings.Cut(word, "=")
	switch {
	case at.wants != nil:
		addAll("", at.wants.Name)
	case strings.HasPrefix(word, "--") && whole:
		addAll(name+"=", strings.TrimPrefix(name, "--"))
	case strings.HasPrefix(word, "-"):
		for _, f := range at.flags {
			add("", "--"+f.Name, f.Help)
		}
	case len(at.node.Children) > 0:
		for _, n := range at.node.Children {
			add("", n.Name, n.Help)
		}
	case at.position < len(at.node.Positional):
		addAll("", at.node.Positional[at.position].Name)
	}
	return b.Bytes()
}

func flagNamed(flags []*kong.Flag, name string) *kong.Flag {
	for _, f := range flags {
		if name == "--"+f.Name || f.Short != 0 && name == "-"+string(f.Short) {
			return f
		}
	}
	return nil
}

// values returns the known values of an argument or a flag.
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
		return formats.Clients()
	case "shell":
		return []string{"bash", "cmd", "fish", "powershell", "sh", "zsh"}
	case "plugin":
		return ps.issuers.Names()
	case "cloud", "way":
		var names []string
		for _, way := range ps.issuers.Ways() {
			names = append(names, map[string]string{"cloud": way.Cloud.Name, "way": way.Name}[name])
		}
		slices.Sort(names)
		return slices.Compact(names)
	case "setup":
		names := []string{"none"}
		for _, k := range formats.Kinds {
			if k.Setup != nil {
				names = append(names, k.Name)
			}
		}
		return names
	case "color":
		return []string{"always", "auto", "never"}
	case "secret":
		return []string{"command", "env", "file", "keyring"}
	}
	return nil
}

// model returns the whole grammar.
func (i *invocation) model() (*kong.Application, error) {
	var names []string
	for _, v := range verbs() {
		names = append(names, v.name)
	}
	parser, err := i.parser(names, io.Discard, func(int) {})
	if err != nil {
		return nil, err
	}
	return parser.Model, nil
}
