package cli

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/jeton-cli/jeton/plugin"
)

type manCmd struct {
	Plugin string `arg:"" optional:"" help:"A plugin: the page with its options."`
}

func (*manCmd) Help() string {
	return `Prints the manual page, made of the same grammar as --help.

Examples:
  jeton man | man -l -
  jeton man keystone | man -l -
  jeton man >~/.local/share/man/man1/jeton.1`
}

func (m *manCmd) Run(i *invocation, t *terminal) error {
	if m.Plugin != "" {
		issuer := i.issuerNamed(m.Plugin)
		if issuer == nil {
			return noPlugin(m.Plugin, i.issuers.Names())
		}
		return t.print(issuerPage(issuer))
	}
	model, err := i.model()
	if err != nil {
		return err
	}
	var b bytes.Buffer
	b.WriteString(".TH JETON 1\n.SH NAME\njeton \\- cloud credentials for aws, kubectl, openstack and others\n.SH " +
		"SYNOPSIS\n.B jeton\n.I command\n[flags]\n.SH DESCRIPTION\n")
	roffText(&b, description)
	b.WriteString(".SH OPTIONS\n")
	roffFlags(&b, model.Flags)
	b.WriteString(".SH COMMANDS\n")
	for _, n := range model.Children {
		roffCommand(&b, n)
	}
	fmt.Fprintf(&b, ".SH ENVIRONMENT\n.TP\n.B JETON_PROFILE\nthe profile, if none is named\n.TP\n.B %s\nwhere hosts "+
		"share what they fetch, as the url of shared_cache; none for nowhere\n.TP\n.B %s\nits key\n",
		plugin.SharedVariable, plugin.SharedKeyVariable)
	b.WriteString(".SH FILES\n.TP\n.I $XDG_CONFIG_HOME/jeton/config.yaml\nprofiles; or $JETON_CONFIG, or " +
		"\\-\\-config\n.TP\n.I $XDG_CACHE_HOME/jeton\nwhat is kept; or $JETON_CACHE_DIR\n.TP\n.I " +
		"$XDG_STATE_HOME/jeton\nthe ledger of access keys, imported secrets, what setup has replaced\n")
	b.WriteString(".SH EXIT STATUS\n")
	for _, c := range exitCodes {
		fmt.Fprintf(&b, ".TP\n.B %d\n", c.code)
		roffText(&b, c.meaning)
	}
	return t.print(b.Bytes())
}

// noPlugin returns the error for a plugin that there is not.
func noPlugin(name string, names []string) error {
	e := plugin.Errorf(plugin.Usage, "there is no plugin %s", plugin.Shorten(name))
	meant := slices.Clone(names)
	for _, v := range verbs() {
		meant = append(meant, v.name)
	}
	if nearest := plugin.Nearest(name, meant); nearest != "" {
		return e.WithMeant(name, nearest)
	}
	return e.WithHint("the plugins are: %s", strings.Join(names, ", "))
}

// exitCodes are the exit codes of all commands but exec, which returns its command's.
var exitCodes = []struct {
	code    plugin.Code
	meaning string
}{
	{0, "fine"},
	{plugin.Usage, "wrong use, or a KUBERNETES_EXEC_INFO that jeton cannot answer"},
	{plugin.Unusable, "the issuer's answer makes no sense"},
	{plugin.Network, "the issuer cannot be reached, or has failed"},
	{plugin.Bug, "a bug in jeton"},
	{plugin.Output, "standard output could not be written"},
	{plugin.Later, "try later: throttled, or another jeton takes too long"},
	{plugin.Denied, "refused, or a login is needed"},
	{plugin.Config, "the configuration: a file, a profile, an option, or a format that the credential cannot serve"},
}

func roffCommand(b *bytes.Buffer, n *kong.Node) {
	if n.Leaf() {
		words := []string{n.FullPath()}
		for _, p := range n.Positional {
			words = append(words, p.Summary())
		}
		fmt.Fprintf(b, ".SS %s\n", roffEscape(strings.Join(words, " ")))
	} else {
		fmt.Fprintf(b, ".SS %s\n", roffEscape(n.FullPath()))
	}
	roffText(b, n.Help)
	if n.Detail != "" {
		b.WriteString(".PP\n")
		roffText(b, n.Detail)
	}
	for _, p := range n.Positional {
		fmt.Fprintf(b, ".TP\n.I %s\n", roffEscape(p.Summary()))
		roffText(b, p.Help)
	}
	roffFlags(b, n.Flags)
	for _, c := range n.Children {
		roffCommand(b, c)
	}
}

func roffFlags(b *bytes.Buffer, flags []*kong.Flag) {
	for _, f := range flags {
		if f.Name == "help" {
			continue
		}
		name := "--" + f.Name
		if f.Short != 0 {
			name = "-" + string(f.Short) + ", " + name
		}
		if !f.IsBool() {
			name += "=" + f.FormatPlaceHolder()
		}
		fmt.Fprintf(b, ".TP\n.B %s\n", roffEscape(name))
		roffText(b, f.Help)
	}
}

// roffText writes paragraphs. Lines that begin with blanks keep their layout: they are
// examples.
func roffText(b *bytes.Buffer, text string) {
	literal := false
	set := func(on bool) {
		if on != literal {
			b.WriteString(map[bool]string{true: ".PP\n.RS 4\n.nf\n", false: ".fi\n.RE\n"}[on])
			literal = on
		}
	}
	for line := range strings.Lines(strings.TrimRight(text, "\n") + "\n") {
		line = strings.TrimRight(line, "\n")
		set(strings.HasPrefix(line, " "))
		switch {
		case line == "":
			b.WriteString(".PP\n")
		case literal:
			b.WriteString(roffEscape(strings.TrimPrefix(line, "  ")) + "\n")
		default:
			b.WriteString(roffEscape(line) + "\n")
		}
	}
	set(false)
}

// roffEscape escapes roff's special characters.
func roffEscape(s string) string {
	s = strings.NewReplacer(`\`, `\e`, "-", `\-`, "…", "...", "'", `\(aq`, "`", `\(ga`).Replace(s)
	if strings.HasPrefix(s, ".") {
		s = `\&` + s
	}
	return s
}
