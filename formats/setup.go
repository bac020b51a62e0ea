package formats

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

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
	// Find returns the bytes from start to end that are the region, or none and
	// where a new one goes.
	Find func(text []byte) (start, end int, ok bool, err error)
	// Make returns what the region has to be, given what it is; and, for a new one,
	// what has to stand before it.
	Make func(text, old []byte, ok bool) (lead, region []byte, err error)
}

// A Change is what setup has done to a region, by which it can be undone.
type Change struct {
	Region string `json:"region"`
	Was    []byte `json:"was,omitempty"` // what it was, if it was there
	Lead   []byte `json:"lead,omitempty"`
	Is     []byte `json:"is"`  // or its digest
	New    bool   `json:"new"` // it was not there
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

const digestPrefix = "sha256:"

// digest stands for what must not be kept.
func digest(region []byte) []byte {
	return fmt.Appendf(nil, "%s%x", digestPrefix, sha256.Sum256(region))
}

// wrote reports whether the text is what jeton has written.
func (c Change) wrote(text []byte) bool {
	return bytes.Equal(text, c.Is) || bytes.HasPrefix(c.Is, []byte(digestPrefix)) && bytes.Equal(digest(text), c.Is)
}

func errLayout() error {
	return plugin.Errorf(plugin.Config, "it is laid out so that it cannot be edited by lines").
		WithHint("write it in lines, without braces, brackets and anchors, and try again")
}

// Undo returns text, of the file at path, as it was before the changes: byte for
// byte, or not at all if somebody else has changed one of these places since.
func Undo(path string, text []byte, changes []Change) ([]byte, error) {
	for _, c := range slices.Backward(changes) {
		start, end, ok, err := find(c.Region)(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		if list, is := strings.CutPrefix(c.Region, headPrefix); is && !empty(text, list) {
			continue // others have come below it
		}
		switch {
		case ok && c.wrote(text[start:end]) && bytes.HasSuffix(text[:start], c.Lead):
			text = bytes.Join([][]byte{text[:start-len(c.Lead)], c.Was, text[end:]}, nil)
		case !ok && c.New, ok && !c.New && bytes.Equal(text[start:end], c.Was):
			// It was never written, or taken out by hand.
		default:
			return nil, plugin.Errorf(plugin.Config, "%s: %s is no longer as jeton has written it, and is left alone", path, c.Region).
				WithHint("take out by hand what you do not want")
		}
	}
	return text, nil
}

// What the names of regions begin with.
const (
	userPrefix    = "user "
	contextPrefix = "the user of context "
	headPrefix    = "the line of "
	awsPrefix     = "section "
	cloudPrefix   = "cloud "
	allowPrefix   = "permission for "
)

// find returns how the region of that name is found.
func find(name string) func(text []byte) (int, int, bool, error) {
	rest := func(prefix string) (string, bool) { return strings.CutPrefix(name, prefix) }
	if context, ok := rest(contextPrefix); ok {
		return findContextUser(context)
	}
	if list, ok := rest(headPrefix); ok {
		return head(list).Find
	}
	if user, ok := rest(userPrefix); ok {
		return findItem("users", user)
	}
	if program, ok := rest(allowPrefix); ok {
		return findItem(allowlist, program)
	}
	if cloud, ok := rest(cloudPrefix); ok {
		return findItem("clouds", cloud)
	}
	if section, ok := rest(awsPrefix); ok {
		return findSection(strings.Trim(section, "[]"))
	}
	return nil
}

// findItem finds the entry of that name in a list; in the list of programs, by its command.
func findItem(list, name string) func(text []byte) (int, int, bool, error) {
	return func(text []byte) (int, int, bool, error) {
		d, err := parseLines(text)
		if err != nil {
			return 0, 0, false, err
		}
		return d.Item(list, entryKey(list), name)
	}
}

// entryKey returns what tells the entries of a list apart.
func entryKey(list string) string {
	if list == allowlist {
		return "command"
	}
	return "name"
}

// A Caller is what setup knows of who runs it.
type Caller struct {
	Profile  *plugin.Profile
	Issuers  plugin.Issuers
	Getenv   func(string) string
	Home     string
	Argv     []string // that prints the credential: the program's absolute path, and what follows
	As       string   // name of the entry, if it is not the profile's
	Context  string   // of kubernetes
	User     string   // of kubernetes
	ReadFile func(path string) ([]byte, error)

	// What doctor needs beside: a profile by its name, or the one that is meant without,
	// and the token that is kept for a profile, or "".
	Find func(name string) (*plugin.Profile, error)
	Kept func(profile string) string
}

// path returns the file that the variable names, or the usual one below home.
func (c *Caller) path(variable string, usual ...string) string {
	if path := c.Getenv(variable); path != "" {
		return absolute(plugin.ExpandHome(path))
	}
	return filepath.Join(append([]string{c.Home}, usual...)...)
}

// absolute is path as it is called from everywhere.
func absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
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
			if _, value := plugin.Get(d.Root, list); ok && (len(value.Content) > 0 || value.Value != "" && value.Tag != "!!null") {
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
