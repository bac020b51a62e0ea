package formats

import (
	"bytes"
	"fmt"
	"slices"

	"go.yaml.in/yaml/v3"

	"github.com/jeton-cli/jeton/plugin"
)

// An Edit is what setup changes in one file of a caller.
type Edit struct {
	Path string
	// Private files hold secrets, and are not shown.
	Private bool
	// Regions find the places in the file, each by what it is about and not by
	// where it is, so that they are found again when the file has changed.
	Regions []Region
	// Verify returns an error if after does not mean what was wanted, or something
	// else than before beside it.
	Verify func(before, after []byte) error
}

// A Region is one place in a file.
type Region struct {
	Name string // for the user, such as "profile prod"
	// Secret ones are jeton's alone, and kept nowhere else.
	Secret bool
	Find   Finder
	// Make returns what the region has to be, given what it is; and, for a new one,
	// what has to stand before it.
	Make func(text, old []byte, ok bool) (lead, region []byte, err error)
}

// Apply returns text with the edit, and the changes; none if there is nothing to
// do.
func (e *Edit) Apply(text []byte) (after []byte, changes []Change, err error) {
	after = text
	for _, r := range e.Regions {
		start, end, ok, err := r.Find(after)
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", e.Path, err)
		}
		old := after[start:end]
		lead, region, err := r.Make(after, old, ok)
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", e.Path, err)
		}
		if ok && bytes.Equal(old, region) {
			continue
		}
		c := Change{Region: r.Name, Is: region, New: !ok}
		switch {
		case !ok:
			c.Lead = lead
		case r.Secret: // it was jeton's own, or Make had refused
			c.New = true
		default:
			c.Was = bytes.Clone(old)
		}
		if r.Secret {
			c.Is = digest(region)
		}
		changes = append(changes, c)
		after = bytes.Join([][]byte{after[:start], c.Lead, region, after[end:]}, nil)
	}
	for _, r := range e.Regions {
		if _, _, ok, err := r.Find(after); !ok || err != nil {
			return nil, nil, fmt.Errorf("%s: %w", e.Path, errLayout())
		}
	}
	if e.Verify != nil && len(changes) > 0 {
		if err := e.Verify(text, after); err != nil {
			return nil, nil, fmt.Errorf("%s: %w", e.Path, err)
		}
	}
	return after, changes, nil
}

func errLayout() error {
	return plugin.Errorf(plugin.Config, "it is laid out so that it cannot be edited by lines").
		WithHint("write it in lines, without braces, brackets and anchors, and try again")
}

// A Finder returns the bytes from start to end that are a region, or none and where a
// new one goes.
type Finder func(text []byte) (start, end int, ok bool, err error)

// headPrefix is what the names of regions begin with that [head] makes.
const headPrefix = "the line of "

// findItem finds the entry of that name in a list whose entries are told apart by the
// key called by.
func findItem(list, by, name string) Finder {
	return func(text []byte) (int, int, bool, error) {
		d, err := parseLines(text)
		if err != nil {
			return 0, 0, false, err
		}
		return d.Item(list, by, name)
	}
}

// behind returns what has to stand between text and something new at its end.
func behind(text []byte, blank bool) []byte {
	end := plugin.LineEnd(text)
	switch {
	case len(text) == 0:
		return nil
	case !bytes.HasSuffix(text, []byte("\n")):
		if blank {
			return []byte(end + end)
		}
		return []byte(end)
	case blank && !bytes.HasSuffix(text, []byte(end+end)):
		return []byte(end)
	}
	return nil
}

// parseLines reads a YAML file of a caller that is to be edited by lines.
func parseLines(text []byte) (*plugin.Lines, error) {
	if plugin.OddBreaks(text) {
		return nil, errLayout()
	}
	d, err := plugin.ParseLines(text)
	if err != nil {
		return nil, err
	}
	if d.Root != nil && (d.Root.Kind != yaml.MappingNode || plugin.Flow(d.Root) || aliased(d.Root)) {
		return nil, errLayout()
	}
	return d, nil
}

// aliased reports whether something in n stands for what is written elsewhere.
func aliased(n *yaml.Node) bool {
	return n.Kind == yaml.AliasNode || slices.ContainsFunc(n.Content, aliased)
}

// head is the region of the line "list:", which has to be there, with nothing
// behind it, before there can be an entry below it.
func head(list string) Region {
	return Region{
		Name: headPrefix + list,
		Find: func(text []byte) (int, int, bool, error) {
			d, err := parseLines(text)
			if err != nil {
				return 0, 0, false, err
			}
			key, _ := plugin.Get(d.Root, list)
			if key == nil {
				return len(text), len(text), false, nil
			}
			return d.Line(key.Line), d.Line(key.Line + 1), true, nil
		},
		Make: func(text, old []byte, ok bool) (lead, region []byte, err error) {
			d, err := parseLines(text)
			if err != nil {
				return nil, nil, err
			}
			if _, value := plugin.Get(d.Root, list); ok &&
				(len(value.Content) > 0 || value.Value != "" && value.Tag != "!!null") {
				return nil, old, nil
			}
			if ok && bytes.Equal(bytes.TrimSpace(old), []byte(list+":")) {
				return nil, old, nil
			}
			return behind(text, false), []byte(list + ":" + plugin.LineEnd(text)), nil
		},
	}
}

// empty reports whether there is nothing in the list.
func empty(text []byte, list string) bool {
	d, err := parseLines(text)
	if err != nil {
		return false
	}
	_, value := plugin.Get(d.Root, list)
	return value == nil || len(value.Content) == 0
}
