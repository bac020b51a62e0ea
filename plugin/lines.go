package plugin

import (
	"bytes"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Lines is a YAML file by its lines. The YAML library tells where things stand, and
// does not write: it would lay out the file anew.
type Lines struct {
	Text   []byte
	Root   *yaml.Node // nil if there is nothing in the file
	starts []int      // where each line begins; one more for the end
}

// ParseLines reads a YAML file. Of one with [OddBreaks] the lines cannot be told.
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

// OddBreaks reports whether text has line breaks of YAML's that nobody writes in earnest:
// by its count of lines no place is found then.
func OddBreaks(text []byte) bool {
	return bytes.ContainsAny(bytes.ReplaceAll(text, []byte("\r\n"), nil), "\r\u0085\u2028\u2029")
}

// ParseYAML returns the root of a YAML file, or nil if there is nothing in it.
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

// Get returns the key and the value of that name in the mapping m, or nil.
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

// Line returns where the line begins that is counted from 1.
func (l *Lines) Line(n int) int { return l.starts[n-1] }

// Last reports whether nothing follows the key at the top and what it has in it.
func (l *Lines) Last(key *yaml.Node) bool {
	for _, k := range Entries(l.Root) {
		if k.Line > key.Line {
			return false
		}
	}
	return true
}

// end returns the line, from 0, before which ends what the key at the top has in it.
func (l *Lines) end(key *yaml.Node) int {
	end := len(l.starts) - 1
	for _, k := range Entries(l.Root) {
		if k.Line > key.Line && k.Line-1 < end {
			end = k.Line - 1
		}
	}
	return l.content(key.Line, end)
}

// content returns end without the lines before it, down to first, that are empty or
// comments, which may be about what follows.
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

// Item returns where the entry of that name is, or where a new one goes, in what the
// key called list at the top has in it: a mapping, or a sequence of mappings which are
// told apart by the key called by. All is counted in bytes.
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

// Indent returns by what the entries of the list are indented, or "" if there are none.
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

// LineEnd returns the line end of a file.
func LineEnd(text []byte) string {
	if line, _, ok := bytes.Cut(text, []byte("\n")); ok && bytes.HasSuffix(line, []byte("\r")) {
		return "\r\n"
	}
	return "\n"
}

// Indented returns the block of lines with the indent before each, in the line ends
// of text.
func Indented(block, indent string, text []byte) []byte {
	var b bytes.Buffer
	for line := range strings.Lines(block) {
		b.WriteString(indent + strings.TrimSuffix(line, "\n") + LineEnd(text))
	}
	return b.Bytes()
}
