package plugin

import (
	"bytes"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Lines is a YAML file split into lines. The YAML library only says where things are. It
// does not write the file, because it would change the layout.
type Lines struct {
	Text   []byte
	Root   *yaml.Node // nil if there is nothing in the file
	starts []int      // the offset of each line, and one more for the end
}

// ParseLines parses a YAML file. The lines are wrong if the text has [OddBreaks].
func ParseLines(text []byte) (*Lines, error) {
	l := &Lines{Text: text}
	for at := 0; at < len(text); {
		l.starts = append(l.starts, at)
		i := bytes.IndexByte(text[at:], '\n')
		if i < 0 {
			break
		}
		at += i + 1
	}
	l.starts = append(l.starts, len(text))
	var err error
	l.Root, err = ParseYAML(text)
	return l, err
}

// OddBreaks reports whether text has YAML line breaks that hardly anybody uses. The YAML
// library counts them as lines, so its line numbers would lead to the wrong places.
func OddBreaks(text []byte) bool {
	return bytes.ContainsAny(bytes.ReplaceAll(text, []byte("\r\n"), nil), "\r\u0085\u2028\u2029")
}

// ParseYAML returns the root of a YAML file, or nil if the file is empty.
func ParseYAML(text []byte) (*yaml.Node, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return nil, YAMLError(err)
	}
	if doc.Kind == 0 || doc.Content[0].Tag == "!!null" {
		return nil, nil
	}
	return doc.Content[0], nil
}

// Flow reports whether n is written with braces or brackets.
func Flow(n *yaml.Node) bool { return n.Style&yaml.FlowStyle != 0 }

// Get returns the key called name and its value in the mapping m, or nil.
func Get(m *yaml.Node, name string) (key, value *yaml.Node) {
	if m == nil || m.Kind != yaml.MappingNode {
		return nil, nil
	}
	for i := 0; i+1 < len(m.Content); i += 2 {
		if m.Content[i].Value == name {
			return m.Content[i], m.Content[i+1]
		}
	}
	return nil, nil
}

// Entries returns the elements of a sequence, or the keys of a mapping.
func Entries(value *yaml.Node) (entries []*yaml.Node) {
	switch {
	case value == nil:
	case value.Kind == yaml.SequenceNode:
		return value.Content
	case value.Kind == yaml.MappingNode:
		for i := 0; i < len(value.Content); i += 2 {
			entries = append(entries, value.Content[i])
		}
	}
	return entries
}

// Line returns the offset at which line n begins, in bytes. n counts from 1.
func (l *Lines) Line(n int) int { return l.starts[n-1] }

// Last reports whether nothing follows the top-level key and its content.
func (l *Lines) Last(key *yaml.Node) bool {
	for _, k := range Entries(l.Root) {
		if k.Line > key.Line {
			return false
		}
	}
	return true
}

// end returns the line, counted from 0, just after the content of the top-level key.
func (l *Lines) end(key *yaml.Node) int {
	end := len(l.starts) - 1
	for _, k := range Entries(l.Root) {
		if k.Line > key.Line && k.Line-1 < end {
			end = k.Line - 1
		}
	}
	return l.content(key.Line, end)
}

// content returns end less the empty and comment lines before it, down to first. Such
// comments may be about what follows.
func (l *Lines) content(first, end int) int {
	for end > first {
		line := bytes.TrimSpace(l.Text[l.starts[end-1]:l.starts[end]])
		if len(line) > 0 && line[0] != '#' && !bytes.Equal(line, []byte("---")) && !bytes.Equal(line, []byte("...")) {
			break
		}
		end--
	}
	return end
}

// Item returns where the entry called name is in the top-level list, or where a new entry
// goes if ok is false. The list is a mapping, or a sequence of mappings in which the key
// by tells them apart. start and end are offsets in bytes.
func (l *Lines) Item(list, by, name string) (start, end int, ok bool, err error) {
	key, value := Get(l.Root, list)
	if key == nil {
		return len(l.Text), len(l.Text), false, nil
	}
	entries := Entries(value)
	if len(entries) == 0 {
		return l.starts[key.Line], l.starts[key.Line], false, nil
	}
	if Flow(value) {
		return 0, 0, false, Errorf(Config, "line %d: %s is not written in lines, an entry each", key.Line, list)
	}
	last := l.end(key)
	for i, entry := range entries {
		line := entry.Line - 1
		before := l.Text[l.starts[line]:min(len(l.Text), l.starts[line]+entry.Column-1)]
		dash := string(bytes.TrimSpace(before))
		if value.Kind == yaml.SequenceNode && dash != "-" || value.Kind == yaml.MappingNode && dash != "" {
			return 0, 0, false, Errorf(Config, "line %d: an entry of %s does not begin a line", entry.Line, list)
		}
		next := last
		if i+1 < len(entries) {
			next = entries[i+1].Line - 1
		}
		who := entry
		if value.Kind == yaml.SequenceNode {
			_, who = Get(entry, by)
		}
		if who != nil && who.Value == name {
			return l.starts[line], l.starts[l.content(line, next)], true, nil
		}
	}
	return l.starts[last], l.starts[last], false, nil
}

// Indent returns the indentation of the entries of the list, or "" if there are none.
func (l *Lines) Indent(list string) string {
	_, value := Get(l.Root, list)
	entries := Entries(value)
	if len(entries) == 0 {
		return ""
	}
	line := entries[0].Line - 1
	text := l.Text[l.starts[line]:l.starts[line+1]]
	return string(text[:len(text)-len(bytes.TrimLeft(text, " "))])
}

// LineEnd returns the line ending that a file uses.
func LineEnd(text []byte) string {
	if line, _, ok := bytes.Cut(text, []byte("\n")); ok && bytes.HasSuffix(line, []byte("\r")) {
		return "\r\n"
	}
	return "\n"
}

// Indented returns the lines of block, each with indent before it, and with the line
// ending of text.
func Indented(block, indent string, text []byte) []byte {
	var b bytes.Buffer
	for line := range strings.Lines(block) {
		b.WriteString(indent + strings.TrimSuffix(line, "\n") + LineEnd(text))
	}
	return b.Bytes()
}
