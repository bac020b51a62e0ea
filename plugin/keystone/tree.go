package keystone

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/jeton-cli/jeton/plugin"
)

// This file reads YAML as openstacksdk does, with PyYAML's safe_load. PyYAML follows YAML
// 1.1: it takes yes, 0123 and 12:30 for a truth value and numbers, and openstacksdk turns
// them into other text than is written.

// A tree is a YAML mapping. Its leaves are strings, lists, odd values, and nil for null.
type tree map[string]any

// An odd value is one that openstacksdk does not take for the text that is written. It is
// an error only if it is used.
type odd struct {
	path      string
	line      int // 0 if it is not known
	why, hint string
	truth     bool // whether it is a truth value
	yes       bool // its value
}

// err returns the error about the value of the setting.
func (o odd) err(setting string) error {
	where := o.path
	if o.line > 0 {
		where += ": line " + strconv.Itoa(o.line)
	}
	return plugin.Errorf(plugin.Config, "%s: %s %s", where, plugin.Shorten(setting), o.why).WithHint("%s", o.hint)
}

// A reader turns YAML into a tree, with aliases and merge keys resolved. Aliases of
// aliases can make a small file huge, so the reader stops when it has read left values.
type reader struct {
	path  string
	json  bool
	lines []string
	left  int
}

// parseClouds parses the file at path. It returns the whole document, and the names of
// the clouds in their order.
func parseClouds(b []byte, path string) (tree, []string, error) {
	r := &reader{path: path, json: strings.HasSuffix(path, "json"), left: 100000}
	if r.json && !json.Valid(b) {
		return nil, nil, plugin.Errorf(plugin.Config, "is not valid JSON")
	}
	if !plugin.OddBreaks(b) {
		r.lines = strings.Split(strings.TrimPrefix(string(b), "\ufeff"), "\n")
	}
	var node, second yaml.Node
	decoder := yaml.NewDecoder(bytes.NewReader(b))
	if err := decoder.Decode(&node); errors.Is(err, io.EOF) {
		return tree{}, nil, nil
	} else if err != nil {
		return nil, nil, plugin.YAMLError(err)
	}
	if err := decoder.Decode(&second); err == nil {
		return nil, nil, plugin.Errorf(plugin.Config, "line %d: this is a second YAML document, and openstack "+
			"reads no such file", second.Line).WithHint("leave one document in the file")
	} else if !errors.Is(err, io.EOF) {
		return nil, nil, plugin.YAMLError(err)
	}
	if node.Content[0].Tag == "!!null" {
		return tree{}, nil, nil
	}
	doc, err := r.mapping(node.Content[0], 0)
	if err != nil {
		return nil, nil, err
	}
	var names []string
	for i, root := 0, node.Content[0]; i+1 < len(root.Content); i += 2 {
		clouds := root.Content[i+1]
		if clouds.Kind == yaml.AliasNode {
			clouds = clouds.Alias
		}
		if root.Content[i].Value == "clouds" && clouds.Kind == yaml.MappingNode {
			for j := 0; j+1 < len(clouds.Content); j += 2 {
				names = append(names, clouds.Content[j].Value)
			}
		}
	}
	for _, key := range []string{"clouds", "public-clouds"} {
		for name, v := range doc.tree(key) {
			if t, ok := v.(tree); ok {
				doc.tree(key)[name] = r.underscored(t)
			}
		}
	}
	return doc, names, nil
}

// undashed are settings that openstacksdk does not find if they are written with a dash.
var undashed = []string{"auth-type", "auth-plugin", "endpoint-type"}

// underscored returns t with the dashes in its keys replaced by underscores. openstacksdk
// accepts both. Of the options that have old names it prefers the dashes, whichever file
// they are in, so those are left to [cloud.settle].
func (r *reader) underscored(t tree) tree {
	result := tree{}
	for key, v := range t {
		switch below := v.(type) {
		case tree:
			v = r.underscored(below)
		case []any:
			for i := range below {
				if t, ok := below[i].(tree); ok {
					below[i] = r.underscored(t)
				}
			}
		}
		name := strings.ReplaceAll(key, "-", "_")
		text, isText := v.(string)
		several := !isText || strings.Contains(text, ",")
		_, twice := result[name]
		switch {
		case fileFirst(name):
			name = key
		case twice:
			v = odd{path: r.path, why: "is there twice, with dashes and with underscores",
				hint: "leave one of them out"}
		case slices.Contains(undashed, key), key == "auth-url" && strings.ContainsAny(text, "{}"),
			key == "region-name" && several:
			v = odd{path: r.path, why: "is written with a dash, which openstack does not understand there",
				hint: "write " + name}
		}
		result[name] = v
	}
	return result
}

// mapping returns the mapping n as a tree.
func (r *reader) mapping(n *yaml.Node, depth int) (tree, error) {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if n.Kind != yaml.MappingNode {
		return nil, plugin.Errorf(plugin.Config, "line %d: must be a mapping of names to values", n.Line)
	}
	if err := r.check(n); err != nil {
		return nil, err
	}
	t, merged := tree{}, tree{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		v, err := r.value(value, depth+1)
		if err != nil {
			return nil, err
		}
		if key.Tag == "!!merge" && !r.json {
			// Of several merge keys, PyYAML prefers the last; of a list, the first.
			if err := r.mergeKey(merged, v, key); err != nil {
				return nil, err
			}
			continue
		}
		name, err := r.key(key)
		if err != nil {
			return nil, err
		}
		if o, ok := name.(odd); ok {
			name, v = key.Value, o
		}
		t[name.(string)] = v
	}
	for name, v := range merged {
		if _, ok := t[name]; !ok {
			t[name] = v
		}
	}
	return t, nil
}

// key returns the name that a key is: text, or an odd value.
func (r *reader) key(key *yaml.Node) (any, error) {
	if key.Kind == yaml.AliasNode {
		key = key.Alias
	}
	if key.Kind != yaml.ScalarNode {
		return nil, plugin.Errorf(plugin.Config, "line %d: a name must be text", key.Line)
	}
	name, err := r.value(key, 0)
	if err != nil {
		return nil, err
	}
	if text, ok := name.(string); ok && (key.Style != 0 || !pyYAML().number.MatchString(text)) {
		return text, nil
	}
	return odd{path: r.path, line: key.Line, why: "is a name that openstack does not take for text",
		hint: "write the name in quotes"}, nil
}

// mergeKey adds the value of a merge key to merged.
func (r *reader) mergeKey(merged tree, v any, key *yaml.Node) error {
	list, ok := v.([]any)
	if !ok {
		list = []any{v}
	}
	for _, one := range slices.Backward(list) {
		t, ok := one.(tree)
		if !ok {
			return plugin.Errorf(plugin.Config, "line %d: << must be followed by a mapping", key.Line)
		}
		maps.Copy(merged, t)
	}
	return nil
}

// value returns a value of any kind.
func (r *reader) value(n *yaml.Node, depth int) (any, error) {
	if r.left--; r.left < 0 || depth > 100 {
		return nil, plugin.Errorf(plugin.Config, "line %d: too much is nested here", n.Line)
	}
	switch n.Kind {
	case yaml.AliasNode:
		return r.value(n.Alias, depth+1)
	case yaml.MappingNode:
		return r.mapping(n, depth)
	case yaml.SequenceNode:
		list := []any{}
		if err := r.check(n); err != nil {
			return nil, err
		}
		for _, item := range n.Content {
			v, err := r.value(item, depth+1)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		return list, nil
	}
	if err := r.check(n); err != nil {
		return nil, err
	}
	return r.scalar(n)
}

// check returns an error if n has a tag that is not YAML's own, or follows a tab.
func (r *reader) check(n *yaml.Node) error {
	own := map[yaml.Kind]string{yaml.MappingNode: "!!map", yaml.SequenceNode: "!!seq", yaml.ScalarNode: "!!str"}
	foreign := strings.HasPrefix(n.Tag, "!") && !strings.HasPrefix(n.Tag, "!!") || n.Style&yaml.TaggedStyle != 0
	if foreign && n.Tag != own[n.Kind] {
		return plugin.Errorf(plugin.Config, "line %d: the tag %s is unknown here, and to openstack too", n.Line,
			plugin.Shorten(n.Tag)).
			WithHint("write the value itself, or expand the file first by the tool that the tag belongs to")
	}
	if r.json || n.Line > len(r.lines) || n.Line < 1 {
		return nil
	}
	before := []rune(r.lines[n.Line-1])
	before = before[:min(n.Column-1, len(before))]
	blank := string(before[len([]rune(strings.TrimRight(string(before), " \t"))):])
	plain := n.Kind == yaml.ScalarNode && n.Style&^yaml.TaggedStyle == 0
	if strings.Contains(blank, "\t") || plain && strings.Contains(n.Value, "\t") {
		return plugin.Errorf(plugin.Config, "line %d: there is a tab outside quotes, and openstack "+
			"reads no such file", n.Line).WithHint("write blanks instead of the tab")
	}
	return nil
}

// scalar returns what PyYAML and openstacksdk make of a single value.
func (r *reader) scalar(n *yaml.Node) (any, error) {
	text := n.Value
	if n.Style&^(yaml.TaggedStyle|yaml.FlowStyle) != 0 || n.Tag == "!!str" && n.Style&yaml.TaggedStyle != 0 {
		return text, nil // in quotes, or a block of text
	}
	o := odd{path: r.path, line: n.Line, why: "has a value without quotes that openstack takes for a number or " +
		"a date, and not for this text", hint: "write the value in quotes"}
	p := pyYAML()
	switch {
	case p.null.MatchString(text):
		return nil, nil
	case p.truth.MatchString(text):
		o.truth, o.yes = true, slices.Contains([]string{"yes", "on", "true"}, strings.ToLower(text))
		o.why = "has a value without quotes that openstack takes for true or false, and not for text"
		return o, nil
	case text == "=", p.broken.MatchString(text), p.day.MatchString(text) && !isDay(text):
		return nil, plugin.Errorf(plugin.Config, "line %d: there is a value without quotes that openstack cannot read",
			n.Line).WithHint("write it in quotes")
	case p.date.MatchString(text), p.number.MatchString(text) && !asPython(text):
		return o, nil
	}
	return text, nil
}

// isDay reports whether Python's calendar has the day.
func isDay(text string) bool {
	day, err := time.Parse(time.DateOnly, text)
	return err == nil && day.Year() > 0
}

// asPython reports whether Python writes the number in text in the same way.
func asPython(text string) bool {
	digits := strings.TrimPrefix(text, "-")
	if text == "0" || digits[0] != '0' && strings.Trim(digits, "0123456789") == "" {
		return true
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || math.Abs(f) >= 1e16 || math.Abs(f) < 1e-4 {
		return text == "0.0"
	}
	canonical := strconv.FormatFloat(f, 'f', -1, 64)
	if !strings.Contains(canonical, ".") {
		canonical += ".0"
	}
	return text == canonical
}

// pyYAML returns the forms of values without quotes that PyYAML takes for something else
// than text.
var pyYAML = sync.OnceValue(func() (forms struct{ null, truth, number, date, day, broken *regexp.Regexp }) {
	forms.null = regexp.MustCompile(`^(~|null|Null|NULL|)$`)
	forms.truth = regexp.MustCompile(`^(yes|Yes|YES|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|` +
		`off|Off|OFF)$`)
	forms.number = regexp.MustCompile(`^([-+]?0b[01_]+|[-+]?0[0-7_]+|[-+]?(0|[1-9][0-9_]*)|[-+]?0x[0-9a-fA-F_]+|` +
		`[-+]?[1-9][0-9_]*(:[0-5]?[0-9])+|[-+]?[0-9][0-9_]*\.[0-9_]*([eE][-+][0-9]+)?|` +
		`\.[0-9][0-9_]*([eE][-+][0-9]+)?|[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+\.[0-9_]*|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN))$`)
	forms.date = regexp.MustCompile(`^[0-9]{4}-[0-9]{2}-[0-9]{2}$|` +
		`^[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([Tt]|[ \t]+)[0-9]{1,2}:`)
	forms.day = regexp.MustCompile(`^[0-9]{4}-[0-9]{2}-[0-9]{2}$`)
	forms.broken = regexp.MustCompile(`^[-+]?0[bx]_+$`)
	return forms
})

// tree returns the mapping under key, or an empty one.
func (t tree) tree(key string) tree {
	if sub, ok := t[key].(tree); ok {
		return sub
	}
	return tree{}
}

// text returns the string under the first of keys that has one, or "".
func (t tree) text(keys ...string) string {
	for _, key := range keys {
		if s, ok := t[key].(string); ok && s != "" {
			return s
		}
	}
	return ""
}

// merge copies other into t, mapping by mapping. Where both have a value, other's wins.
func (t tree) merge(other tree) {
	for key, v := range other {
		below, ok := v.(tree)
		if mine, both := t[key].(tree); ok && both {
			mine.merge(below)
			continue
		}
		if ok {
			v = tree{}
			v.(tree).merge(below)
		}
		t[key] = v
	}
}
