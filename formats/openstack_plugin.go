package formats

import (
	"bytes"
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/jeton-cli/jeton/plugin"
)

// keystoneAuth is the plugin of keystoneauth, with which everything that is made with that
// library asks jeton by itself.
//
// https://docs.openstack.org/keystoneauth/latest/authentication-plugins.html
//
//go:embed openstack_plugin.py
var keystoneAuth string

// The names of the plugin as a package of Python. The version changes with the plugin.
const (
	keystoneAuthModule  = "keystoneauth_jeton"
	keystoneAuthVersion = "1.0"
)

// A python is an installation of Python, as it describes itself.
type python struct {
	Version string `json:"version"`
	// Purelib is where an environment of its own (venv) has its packages, User is where the
	// user has some for this version.
	Venv          bool
	Purelib, User string
	// UserSite says that the user's packages are used.
	UserSite bool `json:"user_site"`
	// KeystoneAuth is the version of the library, or empty.
	KeystoneAuth string `json:"keystoneauth"`
}

// describePython is what a Python runs to describe itself. With -I, nothing of the current
// directory or the environment takes part.
const describePython = `import json, site, sys, sysconfig
try:
    from importlib.metadata import version
    keystoneauth = version('keystoneauth1')
except Exception:
    keystoneauth = ''
print(json.dumps({'version': sysconfig.get_python_version(), 'venv': sys.prefix != sys.base_prefix,
                  'purelib': sysconfig.get_path('purelib'), 'user': site.getusersitepackages(),
                  'user_site': site.check_enableusersite() is not None, 'keystoneauth': keystoneauth}))`

// python returns what the Python at path says of itself.
func (c *Caller) python(ctx context.Context, path string) (*python, error) {
	out, err := c.Profile.Run(ctx, []string{path, "-I", "-c", describePython}, c.Getenv)
	if err != nil {
		return nil, fmt.Errorf("--python: %w", err)
	}
	p := &python{}
	if json.Unmarshal(out, p) != nil || p.Version == "" || !filepath.IsAbs(p.Purelib) || !filepath.IsAbs(p.User) {
		return nil, plugin.Errorf(plugin.Config, "--python %s: is no Python", path)
	}
	return p, nil
}

// place returns the directory for the plugin. It returns an error if others could change
// what lies there: it is run with the user's tokens.
func (p *python) place(home string) (string, error) {
	dir := p.User
	if p.Venv {
		dir = p.Purelib
	}
	for at := dir; ; at = filepath.Dir(at) {
		info, err := os.Lstat(at)
		if errors.Is(err, fs.ErrNotExist) && at != filepath.Dir(at) {
			continue
		}
		real, e := filepath.EvalSymlinks(at)
		switch {
		case err != nil || e != nil || !info.IsDir() || real != at:
			return "", plugin.Errorf(plugin.Config, "--python: %s is reached through a link", at).
				WithHint("name the Python of a virtual environment: --python VENV/bin/python")
		case plugin.CheckOwn(info) != nil, !ownUpTo(home, at):
			return "", plugin.Errorf(plugin.Config, "--python: %s, or a folder above it, is not yours alone", at).
				WithHint("name the Python of a virtual environment of yours: --python VENV/bin/python")
		}
		return dir, nil
	}
}

// ownUpTo reports whether the folders between home and the one at path are the user's alone.
func ownUpTo(home, path string) bool {
	for at := path; at != home && strings.HasPrefix(at, home+string(filepath.Separator)); at = filepath.Dir(at) {
		if info, err := os.Lstat(at); err != nil || plugin.CheckOwn(info) != nil {
			return false
		}
	}
	return true
}

// keystoneAuthFiles returns the files of the package by their names below the directory of packages.
//
// https://packaging.python.org/en/latest/specifications/recording-installed-packages/
func keystoneAuthFiles(jeton string) map[string]string {
	program, _ := json.Marshal(jeton) // which is a text of Python, too
	info := keystoneAuthModule + "-" + keystoneAuthVersion + ".dist-info/"
	files := map[string]string{
		keystoneAuthModule + ".py": strings.Replace(keystoneAuth, "JETON = None", "JETON = "+string(program), 1),
		info + "METADATA": "Metadata-Version: 2.1\nName: " + strings.ReplaceAll(keystoneAuthModule, "_", "-") +
			"\nVersion: " + keystoneAuthVersion + "\nSummary: The auth_type jeton of keystoneauth\n" +
			"License: Apache-2.0\nRequires-Dist: keystoneauth1\n",
		info + "entry_points.txt": "[keystoneauth1.plugin]\njeton = " + keystoneAuthModule + ":Loader\n",
		info + "INSTALLER":        "jeton\n",
	}
	var record strings.Builder
	for _, name := range slices.Sorted(maps.Keys(files)) {
		sum := sha256.Sum256([]byte(files[name]))
		fmt.Fprintf(&record, "%s,sha256=%s,%d\n", name, base64.RawURLEncoding.EncodeToString(sum[:]),
			len(files[name]))
	}
	files[info+"RECORD"] = record.String() + info + "RECORD,,\n"
	return files
}

// wholePrefix begins the names of regions that are whole files.
const wholePrefix = "the whole of "

// findWhole finds a whole file.
func findWhole(string) Finder {
	return func(text []byte) (int, int, bool, error) { return 0, len(text), len(text) > 0, nil }
}

// whole returns the edit that makes the file at path this text.
func whole(path, text string) *Edit {
	return &Edit{Path: path, Regions: []Region{{
		Name: wholePrefix + filepath.Base(path), Find: findWhole(""),
		Make: func(_, old []byte, ok bool) (lead, region []byte, err error) {
			if ok && !bytes.Contains(old, []byte("jeton")) {
				return nil, nil, plugin.Errorf(plugin.Config, "it is there already, and not jeton's")
			}
			return nil, []byte(text), nil
		},
	}}}
}

// planPlugin returns the edits that install the plugin for a Python, and that make a cloud
// which names the profile. The cloud holds no token.
func (c *Caller) planPlugin(ctx context.Context, path string) ([]*Edit, []string, error) {
	if slices.Contains(c.Argv, "--config") {
		return nil, nil, plugin.Errorf(plugin.Config, "--python: the plugin asks for profiles of the usual "+
			"configuration file alone").WithHint("unset JETON_CONFIG, and put the profile into the usual file")
	}
	p, err := c.python(ctx, path)
	if err != nil {
		return nil, nil, err
	}
	dir, err := p.place(c.Home)
	if err != nil {
		return nil, nil, err
	}
	cred, err := c.Fetch(ctx, openStackTTL)
	if err == nil {
		err = needKeystone(Options{Issuers: c.Issuers, Profile: c.Name}, "openstack-token", cred)
	}
	if err != nil {
		return nil, nil, &plugin.ProfileError{Profile: c.Name, Err: err}
	}
	clouds, err := c.openStackFile("clouds", "OS_CLIENT_CONFIG_FILE")
	if err != nil {
		return nil, nil, err
	}
	lines := cloud(c.As, cred, "jeton", [][2]string{{"auth_url", cred.Attrs[plugin.AttrAuthURL]},
		{"jeton_profile", c.Name}}, nil)
	_, lines, _ = bytes.Cut(lines, []byte("\n")) // without the line "clouds:"
	edits := []*Edit{{Path: clouds, Regions: []Region{head("clouds"), c.cloudRegion(lines, false)},
		Verify: c.sameBesideCloud}}
	files := keystoneAuthFiles(c.Argv[0])
	for _, name := range slices.Sorted(maps.Keys(files)) {
		edits = append(edits, whole(filepath.Join(dir, filepath.FromSlash(name)), files[name]))
	}
	var notes []string
	if p.KeystoneAuth == "" && p.Venv {
		notes = append(notes, "this Python has no keystoneauth1 yet: "+path+" -m pip install python-openstackclient")
	}
	return edits, append(notes, c.openStackNotes(clouds, &plugin.Credential{})...), nil
}
