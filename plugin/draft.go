package plugin

import (
	"bytes"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// A Draft is a profile made from another tool's files, ready to be written to the
// configuration file.
type Draft struct {
	Name, Plugin string
	Options      []DraftOption
	// Left names what could not be taken over. Notes explain why, where the name alone
	// does not.
	Left, Notes []string
}

// A DraftOption is one option of a draft: text, a list or a secret.
type DraftOption struct {
	Name   string
	Text   string
	List   []string
	Secret *DraftSecret
	Truth  string // true or false, for an option that is one
}

// A DraftSecret is a secret and what its source says about it. One of Value, Asked and
// Command is set.
type DraftSecret struct {
	Value    Secret
	Asked    bool     // the source asks the user for it
	Command  []string // a program prints it
	Variable string   // the environment variable it comes from, or empty
	// Momentary says that the secret is not worth keeping, such as a passcode.
	Momentary bool
	// Person says that a profile without the secret asks the person for it.
	Person bool
	// Ref says where the secret is kept in the end.
	Ref SecretRef
}

// NewDraft returns a draft for the issuer, with the options in values. It calls secret
// for each option that is a secret.
func NewDraft(name string, issuer *Issuer, values map[string]Value, secret func(Value) DraftSecret) Draft {
	d := Draft{Name: name, Plugin: issuer.Name}
	for _, block := range []any{issuer.New(), &Common{}} {
		for _, f := range fields(block) {
			v, ok := values[f.name]
			if !ok {
				continue
			}
			o := DraftOption{Name: f.name, Text: v.Text}
			switch f.value.Interface().(type) {
			case Path:
				if abs, err := filepath.Abs(ExpandHome(v.Text)); err == nil {
					o.Text = abs
				}
			case SecretRef:
				s := secret(v)
				o = DraftOption{Name: f.name, Secret: &s}
			case bool:
				o = DraftOption{Name: f.name, Truth: v.Text}
			case []string, Argv:
				if o = (DraftOption{Name: f.name, List: v.List}); v.List == nil {
					o.List = strings.Split(v.Text, ",")
				}
			}
			d.Options = append(d.Options, o)
		}
	}
	return d
}

// With returns d with these options too, by name. A value of "true" is the truth value for
// an option that has one.
func (d Draft) With(options map[string]string) Draft {
	d.Options = slices.Clone(d.Options)
	for _, name := range slices.Sorted(maps.Keys(options)) {
		d.Options = slices.DeleteFunc(d.Options, func(o DraftOption) bool { return o.Name == name })
		o := DraftOption{Name: name, Text: options[name]}
		if o.Text == "true" {
			o = DraftOption{Name: name, Truth: "true"}
		}
		d.Options = append(d.Options, o)
	}
	return d
}

// WithPlainHTTP returns d as a profile that may send secrets over http.
func (d Draft) WithPlainHTTP() Draft {
	return d.With(map[string]string{"plain_http": "true"})
}

// node returns the options of d as YAML.
func (d Draft) node() *yaml.Node {
	m := &yaml.Node{Kind: yaml.MappingNode}
	add := func(name string, value *yaml.Node) {
		m.Content = append(m.Content, text(name), value)
	}
	add("plugin", text(d.Plugin))
	for _, o := range d.Options {
		switch {
		case o.Secret != nil:
			add(o.Name, o.Secret.Ref.node())
		case o.List != nil:
			add(o.Name, sequence(o.List))
		case o.Truth == "true" || o.Truth == "false":
			add(o.Name, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!bool", Value: o.Truth})
		case o.Truth != "":
			add(o.Name, text(o.Truth))
		default:
			add(o.Name, text(o.Text))
		}
	}
	return m
}

func text(s string) *yaml.Node {
	n := &yaml.Node{}
	n.SetString(s)
	return n
}

func sequence(list []string) *yaml.Node {
	n := &yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle}
	for _, s := range list {
		n.Content = append(n.Content, text(s))
	}
	return n
}

// LiteralSecret returns a reference that is the secret itself. FileSecret refers to a
// file, KeyringSecret to a secret in the keyring, and CommandSecret to what a program
// prints.
func LiteralSecret(s Secret) SecretRef      { return SecretRef{literal: s} }
func FileSecret(path string) SecretRef      { return SecretRef{file: path} }
func KeyringSecret(name string) SecretRef   { return SecretRef{keyring: name} }
func CommandSecret(argv []string) SecretRef { return SecretRef{command: argv} }

// String says where the secret is, and shows nothing of the secret itself.
func (r SecretRef) String() string {
	switch {
	case r.env != "":
		return "{env: " + r.env + "}"
	case r.file != "":
		return "{file: " + r.file + "}"
	case r.command != nil:
		return "{command: [" + Shorten(strings.Join(r.command, ", ")) + "]}"
	case r.keyring != "":
		return "{keyring: " + r.keyring + "}"
	}
	return redacted
}

// Stored returns the content of the file that r refers to, whether or not it is a usable
// secret.
func (r SecretRef) Stored() (Secret, error) {
	b, err := readOwnFile(r.file, maxSecret, private)
	return NewSecret(strings.TrimSuffix(string(b), "\n")), err
}

// node returns r as YAML.
func (r SecretRef) node() *yaml.Node {
	kind, value := "", &yaml.Node{}
	switch {
	case r.env != "":
		kind, value = "env", text(r.env)
	case r.file != "":
		kind, value = "file", text(r.file)
	case r.command != nil:
		kind, value = "command", sequence(r.command)
	case r.keyring != "":
		kind, value = "keyring", text(r.keyring)
	case !r.literal.IsZero():
		return text(r.literal.Reveal()) // of a trial
	}
	return &yaml.Node{Kind: yaml.MappingNode, Style: yaml.FlowStyle, Content: []*yaml.Node{text(kind), value}}
}

// WithProfile returns the text of a configuration file with d added. Everything else
// stays byte for byte the same. If the file already has this profile with the same
// options, the text is unchanged. If the options differ, WithProfile returns an error or,
// with replace, replaces the profile.
func WithProfile(config []byte, d Draft, replace bool) ([]byte, error) {
	config, err := opened(config)
	if err != nil {
		return nil, err
	}
	l, err := profileLines(config)
	if err != nil {
		return nil, err
	}
	wanted := d.node()
	key, profiles := Get(l.Root, "profiles")
	start, end, there, err := l.Item("profiles", "", d.Name)
	switch {
	case err != nil:
		return nil, cannotEdit("it has what cannot be put right by lines")
	case there:
		name, former := Get(profiles, d.Name)
		if sameNode(former, wanted) {
			return config, nil
		}
		if !replace {
			return nil, Errorf(Config, "profile %s is already there (line %d), and it is another one", d.Name,
				name.Line).
				WithHint("take another name, or replace it: --force")
		}
	case key == nil || l.Last(key):
		start, end = len(config), len(config)
	}
	block, err := l.profile(d.Name, wanted)
	if err != nil {
		return nil, err
	}
	before := bytes.Clone(config[:start])
	if len(before) > 0 && !bytes.HasSuffix(before, []byte("\n")) {
		before = append(before, LineEnd(config)...)
	}
	result := bytes.Join([][]byte{before, block, config[end:]}, nil)
	return result, verify(l, result, d.Name, wanted)
}

// opened returns a configuration without the braces of an empty mapping, {} or profiles: {},
// so that profiles can be added in lines.
func opened(config []byte) ([]byte, error) {
	l, err := ParseLines(config)
	if err != nil || OddBreaks(config) {
		return config, err
	}
	_, profiles := Get(l.Root, "profiles")
	for _, n := range []*yaml.Node{l.Root, profiles} {
		if n == nil || n.Kind != yaml.MappingNode || !Flow(n) || len(n.Content) > 0 {
			continue
		}
		start := min(l.Line(n.Line)+n.Column-1, len(config))
		inside, rest, ok := bytes.Cut(config[start:], []byte("}"))
		if !ok || len(inside) == 0 || inside[0] != '{' || len(bytes.TrimSpace(inside[1:])) > 0 {
			continue
		}
		before := bytes.TrimRight(config[:start], " \t")
		if len(before) == 0 {
			rest = bytes.TrimLeft(rest, " \t\r\n")
		}
		return slices.Concat(before, rest), nil
	}
	return config, nil
}

// profileLines parses a configuration file that is to be edited line by line.
func profileLines(text []byte) (*Lines, error) {
	if OddBreaks(text) {
		return nil, cannotEdit("some of its lines end with neither LF nor CRLF")
	}
	l, err := ParseLines(text)
	if err != nil {
		return nil, err
	}
	if l.Root != nil && (l.Root.Kind != yaml.MappingNode || Flow(l.Root)) {
		return nil, cannotEdit("it is not written in lines, a setting each")
	}
	if _, p := Get(l.Root, "profiles"); p != nil && (p.Tag != "!!null" || p.Value != "") &&
		(p.Kind != yaml.MappingNode || Flow(p) || len(p.Content) == 0) {
		return nil, cannotEdit("\"profiles:\" is not written in lines, a profile each")
	}
	return l, nil
}

func cannotEdit(why string) *Error {
	return Errorf(Config, "the file cannot be edited without changing its layout: %s", why).
		WithHint("write it in lines, as the README does, and try again")
}

// profile returns the lines of a profile in the layout of l.
func (l *Lines) profile(name string, value *yaml.Node) ([]byte, error) {
	var b bytes.Buffer
	encoder := yaml.NewEncoder(&b)
	encoder.SetIndent(2)
	if err := encoder.Encode(&yaml.Node{Kind: yaml.MappingNode, Content: []*yaml.Node{text(name), value}}); err != nil {
		return nil, fmt.Errorf("profile %s: %w", name, err)
	}
	indent := l.Indent("profiles")
	if indent == "" {
		indent = "  "
	}
	block := Indented(b.String(), indent, l.Text)
	if key, _ := Get(l.Root, "profiles"); key == nil {
		block = append([]byte("profiles:"+LineEnd(l.Text)), block...)
	}
	return block, nil
}

// verify returns an error unless result is l with the profile, and the meaning of
// everything else is unchanged.
func verify(l *Lines, result []byte, name string, wanted *yaml.Node) error {
	after, err := profileLines(result)
	if err == nil {
		_, profiles := Get(after.Root, "profiles")
		if _, p := Get(profiles, name); p != nil && sameNode(p, wanted) &&
			sameNode(l.without(name), after.without(name)) {
			return nil
		}
	}
	return cannotEdit("it has what cannot be put right by lines")
}

// without returns the content of a configuration file without the profile called name.
func (l *Lines) without(name string) *yaml.Node {
	m := &yaml.Node{Kind: yaml.MappingNode}
	key, profiles := Get(l.Root, "profiles")
	for i := 0; l.Root != nil && i < len(l.Root.Content); i += 2 {
		if l.Root.Content[i] != key {
			m.Content = append(m.Content, l.Root.Content[i:i+2]...)
		}
	}
	for i := 0; profiles != nil && i < len(profiles.Content); i += 2 {
		if profiles.Content[i].Value != name {
			m.Content = append(m.Content, text("profile "+profiles.Content[i].Value), profiles.Content[i+1])
		}
	}
	return m
}

// sameNode reports whether a and b mean the same. The order of keys in a mapping does not
// matter.
func sameNode(a, b *yaml.Node) bool {
	if a.Kind == yaml.AliasNode && b.Kind == yaml.AliasNode {
		return a.Value == b.Value
	}
	if a.Kind != b.Kind || len(a.Content) != len(b.Content) {
		return false
	}
	switch a.Kind {
	case yaml.MappingNode:
		values := map[string]*yaml.Node{}
		for i := 0; i < len(b.Content); i += 2 {
			values[b.Content[i].Value] = b.Content[i+1]
		}
		for i := 0; i < len(a.Content); i += 2 {
			if other := values[a.Content[i].Value]; other == nil || !sameNode(a.Content[i+1], other) {
				return false
			}
		}
		return true
	case yaml.ScalarNode:
		return a.Value == b.Value && (a.Tag == "!!null") == (b.Tag == "!!null")
	}
	for i := range a.Content {
		if !sameNode(a.Content[i], b.Content[i]) {
			return false
		}
	}
	return true
}

// Words says in words where the secret will be.
func (r SecretRef) Words() string {
	switch {
	case r.env != "":
		return "in the variable " + r.env + ", which you set"
	case r.file != "":
		return "in " + r.file + ", which only you can read"
	case r.command != nil:
		return "printed by " + Shorten(strings.Join(r.command, " "))
	case r.keyring != "":
		return "in the system keyring, as " + r.keyring
	}
	return "asked for when it is needed"
}
