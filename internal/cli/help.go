package cli

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/jeton-cli/jeton/plugin"
)

// helpWidth is the width of help where there is no terminal.
const helpWidth = 80

// issuerHelp returns the reference of an issuer's options.
func issuerHelp(issuer *plugin.Issuer, l look) []byte {
	if l.width == 0 {
		l.width = helpWidth
	}
	l.width = min(l.width, 100)
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s\n\n", l.paragraph(fmt.Sprintf("Plugin %s gives: %s. Source: %s.", issuer.Name, issuer.Gives,
		issuer.From)))
	fmt.Fprintf(&b, "%s\n", l.paint(bold, "Example:"))
	for line := range strings.Lines(issuer.Example) {
		b.WriteString("  " + line)
	}
	for _, block := range optionBlocks(issuer) {
		fmt.Fprintf(&b, "\n%s\n", l.paint(bold, block.title+":"))
		width := 0
		for _, o := range block.options {
			width = max(width, columns(o.Name))
		}
		for _, o := range block.options {
			name := "  " + o.Name + strings.Repeat(" ", width-columns(o.Name)+2)
			b.WriteString(name + breakBehind(o.Help, l.width, columns(name)) + "\n")
		}
	}
	if others := otherNames(issuer); others != "" {
		fmt.Fprintf(&b, "\n%s\n", l.paragraph("Other names that are taken: "+others+"."))
	}
	fmt.Fprintf(&b, "\n%s\n", l.paragraph(
		"A secret is {env: NAME}, {file: PATH}, {command: [ARGV…]}, {keyring: NAME}, "+
			"or the value itself. The same as a manual page: jeton man "+issuer.Name))
	return b.Bytes()
}

// A block is a list of options with a title.
type optionBlock struct {
	title   string
	options []plugin.Option
}

func optionBlocks(issuer *plugin.Issuer) []optionBlock {
	return []optionBlock{
		{"Options of " + issuer.Name, plugin.Documentation(issuer.New())},
		{"Options of every plugin", plugin.Documentation(&plugin.Common{})},
	}
}

// otherNames returns the other names of the issuer's options in words, or "".
func otherNames(issuer *plugin.Issuer) string {
	var list []string
	for other, option := range issuer.Aliases {
		list = append(list, other+" for "+option)
	}
	slices.Sort(list)
	return strings.Join(list, ", ")
}

// issuerNamed returns the issuer called name, or nil.
func (i *invocation) issuerNamed(name string) *plugin.Issuer {
	for n := range i.issuers {
		if i.issuers[n].Name == name {
			return &i.issuers[n]
		}
	}
	return nil
}

// issuerPage returns the manual page of an issuer's options.
func issuerPage(issuer *plugin.Issuer) []byte {
	var b bytes.Buffer
	name := roffEscape(issuer.Name)
	fmt.Fprintf(&b, ".TH JETON-%s 5\n.SH NAME\njeton-%s \\- options of profiles with plugin: %s\n",
		strings.ToUpper(name), name, name)
	b.WriteString(".SH DESCRIPTION\n")
	roffText(&b, "Gives: "+issuer.Gives.String()+". Source: "+issuer.From+".")
	b.WriteString(".SH EXAMPLE\n")
	roffText(&b, "  "+strings.ReplaceAll(strings.TrimSpace(issuer.Example), "\n", "\n  "))
	for _, block := range optionBlocks(issuer) {
		fmt.Fprintf(&b, ".SH %s\n", roffEscape(strings.ToUpper(block.title)))
		for _, o := range block.options {
			fmt.Fprintf(&b, ".TP\n.B %s\n", roffEscape(o.Name))
			roffText(&b, o.Help)
		}
	}
	if others := otherNames(issuer); others != "" {
		b.WriteString(".PP\n")
		roffText(&b, "Other names that are taken: "+others+".")
	}
	b.WriteString(".SH SEE ALSO\n.BR jeton (1)\n")
	return b.Bytes()
}
