package openrc

import (
	"maps"
	"slices"
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

// declarations are the words that declare variables.
var declarations = []string{"export", "declare", "typeset", "readonly", "local"}

// A declaration is one command of these.
type declaration struct {
	export bool
	after  map[string]Value
	doubt  string // why the values are not certain, or empty
}

// declare follows export and its like. A shell expands all of its words before it sets the
// first variable.
func (o *File) declare(c *syntax.DeclClause) status {
	variant := c.Variant.Value
	if !slices.Contains(declarations, variant) {
		o.taint(c, variant+" is not understood")
		return unknown
	}
	d := &declaration{export: variant == "export", after: map[string]Value{}}
	before := maps.Clone(o.Values)
	for _, a := range c.Args {
		switch {
		case a.Name == nil && a.Value != nil:
			d.word(o.word(a.Value), o.Values)
		case a.Naked:
			v, ok := o.Values[a.Name.Value]
			if !ok && d.export {
				v.Unknown = atLine(c, a.Name.Value+" is not set in the file")
			}
			d.set(a.Name.Value, v)
		default:
			if braces(a.Value) {
				d.doubt = "braces outside quotes" // which may become any names
			}
			o.assign(a)
			d.set(a.Name.Value, o.Values[a.Name.Value])
			o.Values = maps.Clone(before)
		}
	}
	if d.doubt != "" {
		why := variant + " of " + d.doubt
		o.note(c, "%s", why)
		for name, v := range o.Values {
			v.perhaps = v.perhaps || d.export
			o.Values[name] = v
		}
		for name, v := range d.after {
			d.after[name] = Value{Unknown: atLine(c, why), Exported: v.Exported}
		}
	}
	maps.Copy(o.Values, d.after)
	return succeeds
}

func (d *declaration) set(name string, v Value) {
	v.Exported = v.Exported || d.export
	d.after[name] = v
}

// word takes a word that is no plain assignment: an option, or a name in quotes.
func (d *declaration) word(w Value, values map[string]Value) {
	name, text, assigns := strings.Cut(w.Text, "=")
	switch {
	case !w.Known():
		d.doubt = "what is not a plain name"
	case strings.HasPrefix(w.Text, "-") && strings.Trim(w.Text, "-xrg") == "":
		d.export = d.export || strings.Contains(w.Text, "x")
	case !syntax.ValidName(name):
		d.doubt = "what is not a plain name"
	case assigns:
		d.set(name, Value{Text: text})
	default:
		d.set(name, values[name])
	}
}
