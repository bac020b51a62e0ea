package formats

import (
	"bytes"
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
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
	// KeystoneAuthWheel is the name of its wheel.
	KeystoneAuthWheel = keystoneAuthModule + "-" + keystoneAuthVersion + "-py3-none-any.whl"
)

// KeystoneAuth returns the files of the plugin, as a package of Python, by their names below
// the directory of packages. jeton is the path of the program, and key what its clouds have
// (see [Caller.Key]). Without a path they are those of
// a wheel, whose plugin finds jeton on the PATH.
//
// https://packaging.python.org/en/latest/specifications/recording-installed-packages/
// https://packaging.python.org/en/latest/specifications/binary-distribution-format/
func KeystoneAuth(jeton, key string) map[string]string {
	info := keystoneAuthModule + "-" + keystoneAuthVersion + ".dist-info/"
	files := map[string]string{
		keystoneAuthModule + ".py": keystoneAuth,
		info + "WHEEL":             "Wheel-Version: 1.0\nGenerator: jeton\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
		info + "METADATA": "Metadata-Version: 2.1\nName: " + strings.ReplaceAll(keystoneAuthModule, "_", "-") +
			"\nVersion: " + keystoneAuthVersion + "\nSummary: The auth_type jeton of keystoneauth\n" +
			"License: Apache-2.0\nRequires-Dist: keystoneauth1\n",
		info + "entry_points.txt": "[keystoneauth1.plugin]\njeton = " + keystoneAuthModule + ":Loader\n",
	}
	if jeton != "" {
		program, _ := json.Marshal(jeton) // which is a text of Python, too
		module := strings.Replace(keystoneAuth, "JETON = None", "JETON = "+string(program), 1)
		if key != "" {
			module = strings.Replace(module, "KEY = None", fmt.Sprintf("KEY = '%x'", sha256.Sum256([]byte(key))), 1)
		}
		files[keystoneAuthModule+".py"] = module
		files[info+"INSTALLER"] = "jeton\n"
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
	return &Edit{Path: path, Public: true, Regions: []Region{{
		Name: wholePrefix + filepath.Base(path), Find: findWhole(""),
		Make: func(_, old []byte, ok bool) (lead, region []byte, err error) {
			if ok && !bytes.Contains(old, []byte("jeton")) {
				return nil, nil, plugin.Errorf(plugin.Config, "it is there already, and not jeton's")
			}
			return nil, []byte(text), nil
		},
	}}}
}

// keystoneAuthType is the plugin's name in a clouds.yaml.
const keystoneAuthType = "jeton"

// planPlugin returns the edits that install the plugin for a Python, and that make a cloud
// which names the profile. The cloud holds no token. path is that of the Python; without it,
// openstack's is taken.
func (c *Caller) planPlugin(ctx context.Context, path string) ([]*Edit, []string, error) {
	if slices.Contains(c.Argv, "--config") {
		return nil, nil, plugin.Errorf(plugin.Config, "the plugin of keystoneauth asks for profiles of the usual "+
			"configuration file alone").
			WithHint("unset JETON_CONFIG, and put the profile into the usual file; or write a token: --token")
	}
	p, err := c.python(ctx, c.Profile, path)
	if err != nil {
		return nil, nil, err
	}
	dir, err := p.place(c.Home)
	if err != nil {
		return nil, nil, err
	}
	cred, err := c.Fetch(ctx, openStackTTL)
	if err == nil {
		err = needKeystone(Options{Issuers: c.Issuers, Profile: c.Name}, openStackTokenKind.Name, cred)
	}
	if err != nil {
		return nil, nil, &plugin.ProfileError{Profile: c.Name, Err: err}
	}
	clouds, err := c.openStackFile("clouds", "OS_CLIENT_CONFIG_FILE")
	if err == nil {
		err = c.noLogin()
	}
	if err != nil {
		return nil, nil, err
	}
	_, lines, _ := bytes.Cut(keystoneAuthCloud(c.As, c.Name, c.Key, cred), []byte("\n")) // without the line "clouds:"
	edits := []*Edit{{Path: clouds, Regions: []Region{head("clouds"), c.cloudRegion(lines, false)},
		Verify: c.sameBesideCloud}}
	notes := append(p.notes(c.Getenv), c.openStackNotes(clouds, &plugin.Credential{})...)
	if c.wheel(dir) {
		return edits, append(notes, "the plugin in "+dir+" is a wheel's, and is left as it is"), nil
	}
	files := KeystoneAuth(c.Argv[0], c.Key)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		edits = append(edits, whole(filepath.Join(dir, filepath.FromSlash(name)), files[name]))
	}
	return edits, notes, nil
}

// wheel reports whether another program, such as pip, has installed the plugin in the
// directory of packages.
func (c *Caller) wheel(dir string) bool {
	entries, _ := os.ReadDir(dir)
	return slices.ContainsFunc(entries, func(e os.DirEntry) bool {
		if !strings.HasPrefix(e.Name(), keystoneAuthModule+"-") {
			return false
		}
		text, err := c.ReadFile(filepath.Join(dir, e.Name(), "INSTALLER"))
		return err == nil && text != nil && strings.TrimSpace(string(text)) != "jeton"
	})
}

// keystoneAuthCloud returns a clouds.yaml with a cloud that names the profile, whose
// credential is c. It holds no token. key, which can be empty, is [Caller.Key].
func keystoneAuthCloud(name, profile, key string, c *plugin.Credential) []byte {
	auth := [][2]string{{"auth_url", c.Attrs[plugin.AttrAuthURL]}, {"jeton_profile", profile}}
	if key != "" {
		auth = append(auth, [2]string{cloudKey, key})
	}
	return cloud(name, c, keystoneAuthType, auth, nil)
}

// noLogin returns an error if secure.yaml has a login for the cloud c.As: keystoneauth would
// pass it to the plugin.
func (c *Caller) noLogin() error {
	secure, err := c.openStackFile("secure", "OS_CLIENT_SECURE_FILE")
	if err != nil {
		return err
	}
	clouds, err := c.secureClouds(secure)
	if err != nil {
		return fmt.Errorf("%s: %w", secure, err)
	}
	login := clouds[c.As]
	if what := login.what(); what == "" {
		return nil
	} else if login.token() == "" {
		return plugin.Errorf(plugin.Config, "%s: cloud %s has %s there, which would be mixed with jeton's login",
			secure, plugin.Shorten(c.As), what).
			WithHint("take it out, or take another name: --as NAME")
	}
	setup := openStackSetupOf(c.Name, c.As)
	return plugin.Errorf(plugin.Config, "%s: cloud %s has a token there, which would be mixed with jeton's", secure,
		plugin.Shorten(c.As)).
		WithHint("take it out first, if it is jeton's: %s", plugin.ShellWords(append(setup, "--remove")...))
}

// plugged says what is wrong with the plugin for a cloud in the Python p of openstack, or
// returns "". p is nil if it cannot be told. If the cloud was set up for the Python of a
// virtual environment, plugged looks there, and returns its path.
func (c *Caller) plugged(p *python, cloud markedCloud) (what, venv string) {
	if len(c.Argv) == 0 {
		return "", ""
	}
	if c.Wrote != nil {
		for _, path := range c.Wrote(openStackFormat, cloud.profile, cloud.name) {
			dir, name := filepath.Dir(path), filepath.Base(path)
			env := filepath.Join(dir, "..", "..", "..")
			if text, err := c.ReadFile(filepath.Join(env, "pyvenv.cfg")); err != nil || text == nil ||
				name != keystoneAuthModule+".py" {
				continue
			}
			return c.holds(dir, "the environment of Python"), filepath.Join(env, "bin", "python")
		}
	}
	if p == nil {
		return "", "" // it may be there for another program
	}
	dir, err := p.place(c.Home)
	if err != nil {
		return plugin.AsError(err).Text, ""
	}
	return c.holds(dir, "openstack runs on "+p.Program+" ("+p.Version+"), which"), ""
}

// holds says what is wrong with the plugin in a directory of packages, which is that of the
// Python who, or returns "".
func (c *Caller) holds(dir, who string) string {
	if c.wheel(dir) {
		return "" // which jeton it runs is up to the PATH
	}
	files := KeystoneAuth(c.Argv[0], c.Key)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		switch is, err := c.ReadFile(filepath.Join(dir, filepath.FromSlash(name))); {
		case err != nil:
			return plugin.AsError(err).Text
		case is == nil:
			return who + " does not have jeton's plugin in " + dir
		case string(is) != files[name]:
			return "the plugin in " + dir + " is of another jeton than " + c.Argv[0]
		}
	}
	return ""
}

// cloudKey is the setting of a cloud that shows that setup has written it.
const cloudKey = "jeton_key"
