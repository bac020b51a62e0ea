package formats

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"go.yaml.in/yaml/v3"

	"github.com/jeton-cli/jeton/plugin"
)

// An Edit is what setup changes in one file of a caller.
type Edit struct {
	Path string
	// Private says that the file holds secrets, so that its content is not shown.
	Private bool
	// Public says that others may run what the file is a part of: they can read a new one.
	Public bool
	// Regions are the places in the file. Each is found by what it is about, not by its
	// position, so that it is found again when the file has changed.
	Regions []Region
	// Verify returns an error if after does not mean what was wanted, or if the meaning
	// of anything else has changed.
	Verify func(before, after []byte) error
}

// A Region is one place in a file.
type Region struct {
	Name string // for the user, such as "profile prod"
	// Secret says that the region is jeton's own and no copy of its content is kept.
	Secret bool
	Of     ownership
	Find   Finder
	// Make returns the new content of the region, given the old one. For a new region,
	// lead is what must come before it.
	Make func(text, old []byte, ok bool) (lead, region []byte, err error)
}

// An ownership says what becomes of what somebody else changes in a region.
type ownership int

const (
	rewritten ownership = iota // a setup writes it anew
	kept                       // a setup leaves it
	guarded                    // a setup refuses to lose lines that were added
)

// Apply returns text with the edit, and the changes. There are no changes if there is
// nothing to do.
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
		c := Change{Region: r.Name, Is: region, New: !ok, made: !ok}
		switch {
		case !ok:
			c.Lead = lead
		case r.Secret: // it was jeton's own, or Make would have refused
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

// open lets others read the file of a package, and look into its directory, as far as they
// can come there.
func (e *Edit) open() {
	os.Chmod(e.Path, 0o644)
	if dir := filepath.Dir(e.Path); filepath.Ext(dir) == ".dist-info" {
		os.Chmod(dir, 0o755)
	}
}

// A Finder returns where a region starts and ends, in bytes. If ok is false, there is no
// such region, and start and end are where a new one goes.
type Finder func(text []byte) (start, end int, ok bool, err error)

// headPrefix begins the names of the regions that [head] makes.
const headPrefix = "the line of "

// findItem finds the entry called name in a list. The key by tells the entries apart.
func findItem(list, by, name string) Finder {
	return func(text []byte) (int, int, bool, error) {
		d, err := parseLines(text)
		if err != nil {
			return 0, 0, false, err
		}
		return d.Item(list, by, name)
	}
}

// behind returns what must come between text and something new at its end. With blank, it
// includes an empty line.
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

// parseLines parses a caller's YAML file that is to be edited line by line.
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

// aliased reports whether n contains a YAML alias.
func aliased(n *yaml.Node) bool {
	return n.Kind == yaml.AliasNode || slices.ContainsFunc(n.Content, aliased)
}

// head returns the region of the line "list:". This line must be there, with nothing
// after the colon, before an entry can go below it.
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

// empty reports whether the list has no entries.
func empty(text []byte, list string) bool {
	d, err := parseLines(text)
	if err != nil {
		return false
	}
	_, value := plugin.Get(d.Root, list)
	return value == nil || len(value.Content) == 0
}
