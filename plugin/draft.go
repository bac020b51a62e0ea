package plugin

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"
)

// A Draft is a profile that is made of the files of another tool, to be written
// into the configuration file.
type Draft struct {
	Name, Plugin string
	Options      []DraftOption
	// Left names what could not be taken over, and Notes tell why, where that
	// needs more than a name.
	Left, Notes []string
}

// A DraftOption is one option of a draft: plain text or a list, or a secret.
type DraftOption struct {
	Name   string
	Text   string
	List   []string
	Secret *DraftSecret
}

// A DraftSecret is a secret and what its source tells of it. One of Value,
// Asked and Command is set.
type DraftSecret struct {
	Value    Secret
	Asked    bool     // the source asks the user for it
	Command  []string // a program prints it
	Variable string   // the environment variable that it comes from, or empty
	// Momentary says that there is no use in keeping it: a passcode.
	Momentary bool
	// Ref is where it is kept in the end.
	Ref SecretRef
}

// NewDraft returns a draft of the issuer called plugin, with the options in
// values. Those of its options that are secret go by secret.
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
			case []string:
				o = DraftOption{Name: f.name, List: strings.Split(v.Text, ",")}
			}
			d.Options = append(d.Options, o)
		}
	}
	return d
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

// LiteralSecret is the secret itself, FileSecret refers to a file, KeyringSecret
// to a secret in the keyring, and CommandSecret to what a program prints.
func LiteralSecret(s Secret) SecretRef      { return SecretRef{literal: s} }
func FileSecret(path string) SecretRef      { return SecretRef{file: path} }
func KeyringSecret(name string) SecretRef   { return SecretRef{keyring: name} }
func CommandSecret(argv []string) SecretRef { return SecretRef{command: argv} }

// String says where the secret is, and nothing of it.
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

// Stored returns what is in the file that r refers to, be it of use or not.
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
	}
	return &yaml.Node{Kind: yaml.MappingNode, Style: yaml.FlowStyle, Content: []*yaml.Node{text(kind), value}}
}

// WithProfile returns the text of a configuration file with d in it, and all
// else in it byte for byte as it was. A profile of that name which says the
// same is left as it is; another one is an error, or with replace, makes way.
func WithProfile(config []byte, d Draft, replace bool) ([]byte, error) {
	e := &edit{text: config, lines: bytes.SplitAfter(config, []byte("\n"))}
	if err := e.parse(); err != nil {
		return nil, err
	}
	wanted := d.node()
	at := e.end() // the line before which the profile goes
	if former := e.profile(d.Name); former != nil {
		switch {
		case sameNode(former.value, wanted):
			return config, nil
		case !replace:
			return nil, Errorf(Config, "profile %s is already there (line %d), and it is another one", d.Name, former.key.Line).
				WithHint("take another name, or replace it: --force")
		}
		at = e.remove(former)
	}
	block, err := e.block(d.Name, wanted)
	if err != nil {
		return nil, err
	}
	result := bytes.Join(e.lines[:at], nil)
	if len(result) > 0 && !bytes.HasSuffix(result, []byte("\n")) {
		result = append(result, e.newline...)
	}
	result = append(append(result, block...), bytes.Join(e.lines[at:], nil)...)
	return result, e.verify(result, d.Name, wanted)
}

// An edit is a change of a configuration file by lines. The YAML library tells
// where things stand, and does not write: it would lay out the file anew.
type edit struct {
	text     []byte
	lines    [][]byte // with their ends
	newline  string
	indent   int // of the profiles' names
	root     *yaml.Node
	profiles *yaml.Node // or nil
	key      *yaml.Node // of profiles, or nil
}

// A place is a profile in the file.
type place struct {
	key, value *yaml.Node
	next       int // the line, from 0, of what follows
}

func (e *edit) parse() error {
	e.newline, e.indent = "\n", 2
	if bytes.HasSuffix(e.lines[0], []byte("\r\n")) {
		e.newline = "\r\n"
	}
	if OddBreaks(e.text) {
		return e.cannot("some of its lines end with neither LF nor CRLF")
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(e.text, &doc); err != nil {
		return YAMLError(err)
	}
	if doc.Kind == 0 {
		return nil
	}
	e.root = doc.Content[0]
	if e.root.Kind == yaml.ScalarNode && e.root.Tag == "!!null" && e.root.Value == "" {
		e.root = nil
		return nil
	}
	if e.root.Kind != yaml.MappingNode || e.root.Style&yaml.FlowStyle != 0 {
		return e.cannot("it is not written in lines, a setting each")
	}
	for i := 0; i < len(e.root.Content); i += 2 {
		if e.root.Content[i].Value == "profiles" {
			e.key, e.profiles = e.root.Content[i], e.root.Content[i+1]
		}
	}
	switch p := e.profiles; {
	case p == nil, p.Tag == "!!null" && p.Value == "":
	case p.Kind != yaml.MappingNode, p.Style&yaml.FlowStyle != 0 || len(p.Content) == 0:
		return e.cannot("\"profiles:\" is not written in lines, a profile each")
	default:
		e.indent = p.Content[0].Column - 1
	}
	return nil
}

// OddBreaks reports whether text has line breaks of YAML's that nobody writes in earnest:
// by its count of lines no place is found then.
func OddBreaks(text []byte) bool {
	return bytes.ContainsAny(bytes.ReplaceAll(text, []byte("\r\n"), nil), "\r\u0085\u2028\u2029")
}

func (e *edit) cannot(why string) *Error {
	return Errorf(Config, "the file cannot be edited without changing its layout: %s", why).
		WithHint("write it in lines, as the README does, and try again")
}

func (e *edit) profile(name string) *place {
	if e.profiles == nil || e.profiles.Kind != yaml.MappingNode {
		return nil
	}
	content := e.profiles.Content
	for i := 0; i < len(content); i += 2 {
		if content[i].Value != name {
			continue
		}
		next := e.sectionEnd()
		if i+2 < len(content) {
			next = content[i+2].Line - 1
		}
		return &place{content[i], content[i+1], e.content(content[i].Line, next)}
	}
	return nil
}

// sectionEnd returns the line, from 0, before which the profiles end.
func (e *edit) sectionEnd() int {
	for i := 0; e.root != nil && i < len(e.root.Content); i += 2 {
		if key := e.root.Content[i]; e.key != nil && key.Line > e.key.Line {
			return e.content(e.key.Line, key.Line-1)
		}
	}
	return len(e.lines)
}

// content returns the end of what stands in the lines from first to end,
// without the empty lines and comments behind it, which may be about what
// follows.
func (e *edit) content(first, end int) int {
	for end > first {
		line := bytes.TrimSpace(e.lines[end-1])
		if len(line) > 0 && line[0] != '#' {
			break
		}
		end--
	}
	return end
}

// end returns the line before which a new profile goes.
func (e *edit) end() int {
	if e.key == nil {
		return len(e.lines)
	}
	return e.sectionEnd()
}

// remove takes a profile out, and returns the line where it began.
func (e *edit) remove(p *place) int {
	first := p.key.Line - 1
	e.lines = append(append([][]byte{}, e.lines[:first]...), e.lines[p.next:]...)
	return first
}

// block returns the lines of a profile.
func (e *edit) block(name string, value *yaml.Node) ([]byte, error) {
	var b bytes.Buffer
	encoder := yaml.NewEncoder(&b)
	encoder.SetIndent(2)
	if err := encoder.Encode(&yaml.Node{Kind: yaml.MappingNode, Content: []*yaml.Node{text(name), value}}); err != nil {
		return nil, fmt.Errorf("profile %s: %w", name, err)
	}
	var block bytes.Buffer
	if e.key == nil {
		block.WriteString("profiles:" + e.newline)
	}
	for line := range strings.Lines(b.String()) {
		fmt.Fprintf(&block, "%*s%s%s", e.indent, "", strings.TrimSuffix(line, "\n"), e.newline)
	}
	return block.Bytes(), nil
}

// verify reports whether result has the profile, and nothing else has changed
// its meaning.
func (e *edit) verify(result []byte, name string, wanted *yaml.Node) error {
	after := &edit{text: result, lines: bytes.SplitAfter(result, []byte("\n"))}
	failed := e.cannot("it has what cannot be put right by lines")
	if after.parse() != nil {
		return failed
	}
	p := after.profile(name)
	if p == nil || !sameNode(p.value, wanted) {
		return failed
	}
	rest := func(e *edit) *yaml.Node {
		m := &yaml.Node{Kind: yaml.MappingNode}
		for i := 0; e.root != nil && i < len(e.root.Content); i += 2 {
			if e.root.Content[i] != e.key {
				m.Content = append(m.Content, e.root.Content[i:i+2]...)
			}
		}
		for i := 0; e.profiles != nil && i < len(e.profiles.Content); i += 2 {
			if e.profiles.Content[i].Value != name {
				m.Content = append(m.Content, text("profile "+e.profiles.Content[i].Value), e.profiles.Content[i+1])
			}
		}
		return m
	}
	if !sameNode(rest(e), rest(after)) {
		return failed
	}
	return nil
}

// sameNode reports whether a and b mean the same: mappings in any order.
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
