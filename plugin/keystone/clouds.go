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
	site := getenv("XDG_CONFIG_DIRS")
	switch {
	case runtime.GOOS == "darwin":
		site = "/Library/Application Support"
		add(filepath.Join(home, "Library", "Application Support", "openstack"))
	case getenv("XDG_CONFIG_HOME") != "":
		add(filepath.Join(getenv("XDG_CONFIG_HOME"), "openstack"))
	default:
		add(filepath.Join(home, ".config", "openstack"))
	}
	if real := getenv("SNAP_REAL_HOME"); real != "" {
		home = real
	}
	add(filepath.Join(home, ".config", "openstack"))
	if site == "" {
		site = "/etc/xdg"
	}
	if !strings.Contains(site, ":") { // openstacksdk looks in none of several
		add(filepath.Join(site, "openstack"))
	}
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
		doc, names, err := parseClouds(b, path)
		if err != nil {
			e := plugin.AsError(err)
			e.Text = path + ": " + e.Text
			return "", nil, nil, e
		}
		return path, doc, names, nil
	}
	return "", tree{}, nil, nil
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
	if o, unread := c.clouds[name].(odd); unread {
		return nil, o.err(name)
	}
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
	if auth, ok := settings["auth"]; ok && auth == nil {
		return nil, plugin.Errorf(plugin.Config, "%s: cloud %s: auth: has nothing below it", c.Path,
			plugin.Shorten(name))
	}
	cl := &cloud{name: name, path: c.Path, settings: settings, auth: settings.tree("auth"), regions: regions}
	cl.settle()
	if url := cl.auth.text("auth_url"); strings.ContainsAny(url, "{}") {
		filled, err := fill(url, settings)
		if err != nil {
			return nil, plugin.Errorf(plugin.Config, "%s: cloud %s: auth_url: %v", c.Path, plugin.Shorten(name), err)
		}
		cl.auth["auth_url"] = filled
	}
	return cl, nil
}

// settle moves the options that are written with dashes to their names with underscores,
// as the options of the login that openstacksdk takes them for.
func (c *cloud) settle() {
	for _, t := range []tree{c.settings, c.auth} {
		for _, key := range slices.Sorted(maps.Keys(t)) {
			name := strings.ReplaceAll(key, "-", "_")
			if name == key {
				continue
			}
			if _, inAuth := c.auth[key]; !inAuth {
				c.auth[key] = t[key]
			}
			c.auth[name] = c.auth[key]
		}
		maps.DeleteFunc(t, func(key string, _ any) bool { return strings.Contains(key, "-") })
	}
}

// chooseRegion merges the settings of one region into those of the cloud: the wanted
// region, or the first if wanted is empty. It returns the names of the others.
func chooseRegion(settings, own tree, wanted string) (others []string, err error) {
	regions, err := regionsOf(settings, own)
	if err != nil {
		return nil, err
	}
	delete(settings, "regions")
	chosen := false
	for _, r := range regions {
		name, values := r, tree{}
		if t, ok := r.(tree); ok {
			name, values = t["name"], t.tree("values")
		}
		text, _ := name.(string)
		if chosen || wanted != "" && text != wanted {
			others = append(others, text)
			continue
		}
		chosen = true
		settings.merge(values)
		settings["region_name"] = name
	}
	if !chosen && len(others) > 0 {
		return nil, plugin.Errorf(plugin.Config, "there is no region %q", plugin.Shorten(wanted)).
			WithHint("the regions are: %s", plugin.Shorten(strings.Join(others, ", ")))
	}
	switch {
	case !chosen && wanted != "":
		settings["region_name"] = wanted
	case !chosen:
		delete(settings, "region_name")
	}
	return others, nil
}

// regionsOf returns the regions of a cloud: its own, or those of its vendor. A vendor's
// region_name is one name, and a cloud's may be several.
func regionsOf(settings, own tree) (regions []any, err error) {
	for _, from := range []tree{own, settings} {
		if v, ok := from["regions"]; ok {
			list, ok := v.([]any)
			if !ok {
				return nil, plugin.Errorf(plugin.Config, "regions: must be a list")
			}
			return list, nil
		}
		switch name := from["region_name"].(type) {
		case nil:
			if _, ok := from["region_name"]; ok {
				return nil, plugin.Errorf(plugin.Config, "region_name: has no value").WithHint("leave it out")
			}
		case string:
			for word := range strings.SplitSeq(name, ",") {
				regions = append(regions, word)
			}
			return regions, nil
		case []any:
			return name, nil
		default:
			return []any{name}, nil
		}
	}
	return nil, nil
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
