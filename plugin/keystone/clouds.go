package keystone

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/jeton-cli/jeton/plugin"
)

// This file reads clouds.yaml as openstacksdk does (openstack/config/loader.py). It takes
// the first clouds.yaml that it finds, and merges secure.yaml over it. Each cloud is
// merged over the vendor profile that it names, from clouds-public.yaml or from those
// that openstacksdk knows.
//
// https://docs.openstack.org/openstacksdk/latest/user/config/configuration.html

// maxClouds is the largest size of a clouds.yaml in bytes, 1 MiB.
const maxClouds = 1 << 20

// A tree is a YAML mapping. Its leaves are lists and strings, and strings are kept as
// they were written. A key without a value is left out.
type tree map[string]any

// Clouds are the clouds in a user's files.
type Clouds struct {
	Path   string   // of clouds.yaml
	Names  []string // of the clouds in it, in its order
	clouds tree
	public tree // the vendor profiles of clouds-public.yaml
}

// ReadClouds reads the clouds.yaml at path. If path is empty, it looks where openstacksdk
// does.
func ReadClouds(path string, getenv func(string) string) (*Clouds, error) {
	where := searchPath(getenv)
	first, secureFile := getenv("OS_CLIENT_CONFIG_FILE"), getenv("OS_CLIENT_SECURE_FILE")
	if path != "" {
		// Read only this file. The files that belong to it are in the same folder.
		if _, err := plugin.ReadOwnFile(path, maxClouds); err != nil {
			return nil, err
		}
		first, secureFile, where = path, "", []string{filepath.Dir(path)}
	}
	found, doc, names, err := readFirst(first, where, "clouds")
	if err != nil {
		return nil, err
	}
	if found == "" {
		return nil, plugin.Errorf(plugin.Config, "there is no clouds.yaml in %s", strings.Join(where, ", ")).
			WithHint("name the file, or set OS_CLIENT_CONFIG_FILE")
	}
	_, secure, more, err := readFirst(secureFile, where, "secure")
	if err != nil {
		return nil, err
	}
	_, public, _, err := readFirst("", where, "clouds-public")
	if err != nil {
		return nil, err
	}
	doc.merge(secure)
	c := &Clouds{Path: found, clouds: doc.tree("clouds"), public: public.tree("public-clouds")}
	for _, name := range append(names, more...) {
		if _, ok := c.clouds[name].(tree); ok && !slices.Contains(c.Names, name) {
			c.Names = append(c.Names, name)
		}
	}
	return c, nil
}

// searchPath returns the directories that openstacksdk searches.
func searchPath(getenv func(string) string) []string {
	var dirs []string
	add := func(dir string) {
		if filepath.IsAbs(dir) && !slices.Contains(dirs, dir) {
			dirs = append(dirs, dir)
		}
	}
	if cwd, err := os.Getwd(); err == nil {
		add(cwd)
	}
	home, _ := os.UserHomeDir()
	switch {
	case runtime.GOOS == "darwin":
		add(filepath.Join(home, "Library", "Application Support", "openstack"))
	case getenv("XDG_CONFIG_HOME") != "":
		add(filepath.Join(getenv("XDG_CONFIG_HOME"), "openstack"))
	}
	if real := getenv("SNAP_REAL_HOME"); real != "" {
		home = real
	}
	add(filepath.Join(home, ".config", "openstack"))
	add("/etc/openstack")
	return dirs
}

// readFirst reads the file called first. If first is empty or cannot be read, it reads
// the first file with that base name in dirs. Like openstacksdk, it skips files that do
// not exist or may not be read. names are the names of the clouds in the file, in its
// order.
func readFirst(first string, dirs []string, base string) (path string, doc tree, names []string, err error) {
	paths := []string{}
	if first != "" {
		abs, err := filepath.Abs(first)
		if err != nil {
			return "", nil, nil, plugin.Errorf(plugin.Config, "%s: %v", first, err)
		}
		paths = append(paths, abs)
	}
	for _, dir := range dirs {
		for _, suffix := range []string{".yaml", ".yml", ".json"} {
			paths = append(paths, filepath.Join(dir, base+suffix))
		}
	}
	for _, path := range paths {
		b, err := plugin.ReadOwnFile(path, maxClouds)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
			continue
		}
		if err != nil {
			return "", nil, nil, err
		}
		doc, names, err := parseClouds(b)
		if err != nil {
			e := plugin.AsError(err)
			e.Text = path + ": " + e.Text
			return "", nil, nil, e
		}
		return path, doc, names, nil
	}
	return "", tree{}, nil, nil
}

// parseClouds parses one file. It returns the whole document, and the names of the clouds
// in their order.
func parseClouds(b []byte) (tree, []string, error) {
	var node yaml.Node
	if err := yaml.Unmarshal(b, &node); err != nil {
		return nil, nil, plugin.YAMLError(err)
	}
	if node.Kind == 0 {
		return tree{}, nil, nil
	}
	r := reader{left: 100000}
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
				doc.tree(key)[name] = t.underscored()
			}
		}
	}
	return doc, names, nil
}

// underscored returns t with the dashes in its keys replaced by underscores. Like
// openstacksdk, it accepts both, and prefers the key with dashes if both are there.
func (t tree) underscored() tree {
	result := tree{}
	for _, key := range slices.Sorted(maps.Keys(t)) {
		v := t[key]
		if below, ok := v.(tree); ok {
			v = below.underscored()
		}
		name := strings.ReplaceAll(key, "-", "_")
		if _, dashed := t[strings.ReplaceAll(key, "_", "-")]; name == key && strings.Contains(key, "_") && dashed {
			continue
		}
		result[name] = v
	}
	return result
}

// A reader turns YAML into a tree, with aliases and merge keys resolved. Aliases of
// aliases can make a small file huge, so the reader stops when it has read left values.
type reader struct{ left int }

func (r *reader) mapping(n *yaml.Node, depth int) (tree, error) {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if n.Kind != yaml.MappingNode {
		return nil, plugin.Errorf(plugin.Config, "line %d: must be a mapping of names to values", n.Line)
	}
	t := tree{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		v, err := r.value(value, depth+1)
		switch {
		case err != nil:
			return nil, err
		case key.Tag == "!!merge":
			merged, ok := v.([]any)
			if !ok {
				merged = []any{v}
			}
			for _, m := range merged {
				m, _ := m.(tree)
				for name, v := range m {
					if _, ok := t[name]; !ok {
						t[name] = v
					}
				}
			}
		case v == nil:
			delete(t, key.Value)
		default:
			t[key.Value] = v
		}
	}
	return t, nil
}

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
		for _, item := range n.Content {
			v, err := r.value(item, depth+1)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		return list, nil
	}
	if n.Tag == "!!null" || n.Value == "" {
		return nil, nil
	}
	return n.Value, nil
}

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
		if s, ok := t[key].(string); ok {
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

// A cloud is a cloud of clouds.yaml, merged with its vendor profile and its region.
type cloud struct {
	name, path string
	settings   tree
	auth       tree
	regions    []string // except the chosen one
}

// cloud returns the cloud called name, in the given region unless that is empty. The
// cloud may have no auth_url even if the error is nil: other sources may supply it.
func (c *Clouds) cloud(name, region string) (*cloud, error) {
	own, ok := c.clouds[name].(tree)
	if !ok {
		e := plugin.Errorf(plugin.Config, "there is no cloud %q in %s", plugin.Shorten(name), c.Path)
		if nearest := plugin.Nearest(name, c.Names); nearest != "" {
			return nil, e.WithMeant(name, nearest)
		}
		return nil, e.WithHint("the clouds are: %s", plugin.Shorten(strings.Join(c.Names, ", ")))
	}
	settings := tree{}
	if profile := own.text("profile", "cloud"); profile != "" {
		vendor, err := c.vendor(profile)
		if err != nil && own.tree("auth").text("auth_url") == "" {
			e := plugin.AsError(err)
			e.Text = c.Path + ": cloud " + plugin.Shorten(name) + ": " + e.Text
			return nil, e
		}
		settings.merge(vendor)
	}
	settings.merge(own)
	regions, err := chooseRegion(settings, own, region)
	if err != nil {
		e := plugin.AsError(err)
		e.Text = c.Path + ": cloud " + plugin.Shorten(name) + ": " + e.Text
		return nil, e
	}
	cl := &cloud{name: name, path: c.Path, settings: settings, auth: settings.tree("auth"), regions: regions}
	if url := cl.auth.text("auth_url"); strings.ContainsAny(url, "{}") {
		filled, err := fill(url, settings)
		if err != nil {
			return nil, plugin.Errorf(plugin.Config, "%s: cloud %s: auth_url: %v", c.Path, plugin.Shorten(name), err)
		}
		cl.auth["auth_url"] = filled
	}
	return cl, nil
}

// chooseRegion merges the settings of one region into those of the cloud: the wanted
// region, or the first if wanted is empty. It returns the names of the others.
func chooseRegion(settings, own tree, wanted string) (others []string, err error) {
	from := settings
	if _, ok := own["regions"]; ok || own.text("region_name") != "" {
		from = own // the cloud has its own regions, not the vendor's
	}
	regions, _ := from["regions"].([]any)
	if regions == nil {
		switch name := from["region_name"].(type) {
		case string:
			for _, r := range strings.Split(name, ",") {
				regions = append(regions, r)
			}
		case []any:
			regions = name
		}
	}
	delete(settings, "regions")
	chosen := false
	for _, r := range regions {
		name, values := "", tree{}
		switch r := r.(type) {
		case string:
			name = r
		case tree:
			name, values = r.text("name"), r.tree("values")
		}
		if chosen || wanted != "" && name != wanted {
			others = append(others, name)
			continue
		}
		chosen = true
		settings["region_name"] = name
		settings.merge(values)
	}
	if !chosen && len(others) > 0 {
		return nil, plugin.Errorf(plugin.Config, "there is no region %q", plugin.Shorten(wanted)).
			WithHint("the regions are: %s", plugin.Shorten(strings.Join(others, ", ")))
	}
	if !chosen && wanted != "" {
		settings["region_name"] = wanted
	}
	return others, nil
}

// fill puts the settings into a template such as https://{region_name}.example. It
// returns an error if a name in the template has no setting.
func fill(template string, settings tree) (string, error) {
	var b strings.Builder
	for {
		text, rest, found := strings.Cut(template, "{")
		b.WriteString(text)
		if !found {
			return b.String(), nil
		}
		name, after, closed := strings.Cut(rest, "}")
		value := settings.text(name)
		if !closed || value == "" {
			return "", plugin.Errorf(plugin.Config, "{%s} stands for nothing", plugin.Shorten(name))
		}
		b.WriteString(value)
		template = after
	}
}
