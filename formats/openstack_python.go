package formats

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/jeton-cli/jeton/plugin"
)

// A python is an installation of Python, as it describes itself.
type python struct {
	Program string `json:"-"` // its path
	Version string `json:"version"`
	// Purelib is where an environment of its own (venv) has its packages, User is where the
	// user has some for this version.
	Venv          bool
	Purelib, User string
	// KeystoneAuth is the version of the library, or empty.
	KeystoneAuth string `json:"keystoneauth"`

	what    string   // names it in errors
	options []string // with which openstack runs it
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
                  'keystoneauth': keystoneauth}))`

// python returns what the Python at path says of itself. Without a path that is the Python
// which runs openstack.
func (c *Caller) python(ctx context.Context, profile *plugin.Profile, path string) (*python, error) {
	p := &python{Program: path, what: "--python"}
	if path == "" {
		openstack, argv := "openstack", []string(nil)
		if found, err := exec.LookPath(openStackProgram); err == nil {
			openstack, argv = found, shebang(found)
		}
		if len(argv) == 0 || !strings.HasPrefix(filepath.Base(argv[0]), "python") {
			return nil, plugin.Errorf(plugin.Config, "which Python reads clouds.yaml? %s on the PATH would tell",
				openstack).
				WithHint("name it: --python PATH; or write a token, which ends: --token")
		}
		p.Program, p.options, p.what = argv[0], argv[1:], "the Python of "+openstack
	}
	out, err := profile.Run(ctx, []string{p.Program, "-I", "-c", describePython}, c.Getenv)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p.what, err)
	}
	if json.Unmarshal(out, p) != nil || p.Version == "" || !filepath.IsAbs(p.Purelib) || !filepath.IsAbs(p.User) {
		return nil, plugin.Errorf(plugin.Config, "%s: %s is no Python", p.what, p.Program)
	}
	return p, nil
}

// place returns the directory for the plugin. It returns an error if others could change
// what lies there: it is run with the user's tokens.
func (p *python) place(home string) (string, error) {
	const own = "name the Python of a virtual environment of yours: --python VENV/bin/python"
	dir := p.User
	if real, err := filepath.EvalSymlinks(home); err == nil { // such as /home, which may be a link
		if rest, ok := strings.CutPrefix(p.Purelib, home+string(filepath.Separator)); ok {
			p.Purelib = filepath.Join(real, rest)
		}
		if rest, ok := strings.CutPrefix(p.User, home+string(filepath.Separator)); ok {
			p.User = filepath.Join(real, rest)
		}
		dir, home = p.User, real
	}
	if p.Venv {
		dir = p.Purelib
	} else if slices.ContainsFunc(p.options, func(o string) bool { return strings.ContainsAny(o, "sI") }) {
		return "", plugin.Errorf(plugin.Config, "%s leaves out your own packages (%s)", p.what,
			strings.Join(p.options, " ")).WithHint("%s", own)
	}
	for at := dir; ; at = filepath.Dir(at) {
		info, err := os.Lstat(at)
		if errors.Is(err, fs.ErrNotExist) && at != filepath.Dir(at) {
			continue
		}
		real, e := filepath.EvalSymlinks(at)
		switch {
		case err != nil || e != nil || !info.IsDir() || real != at:
			return "", plugin.Errorf(plugin.Config, "%s: %s is reached through a link", p.what, at).WithHint("%s", own)
		case plugin.CheckOwn(info) != nil, !ownUpTo(home, at):
			return "", plugin.Errorf(plugin.Config, "%s: %s, or a folder above it, is not yours alone", p.what, at).
				WithHint("%s", own)
		}
		return dir, nil
	}
}

// notes returns notes on what keeps the plugin from being found.
func (p *python) notes(getenv func(string) string) (notes []string) {
	if p.KeystoneAuth == "" && p.Venv {
		notes = append(notes, "this Python has no keystoneauth1 yet: "+p.Program+
			" -m pip install python-openstackclient")
	}
	if !p.Venv && getenv("PYTHONNOUSERSITE") != "" {
		notes = append(notes, "PYTHONNOUSERSITE is set, with which Python leaves out your own packages: unset it")
	}
	return notes
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

// shebang returns the program that the script at path is run by, with its options, or nil.
// Where pip has to write a path that is too long for a first line, it has the shell run it.
func shebang(path string) []string {
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	b, _ := io.ReadAll(io.LimitReader(f, 8192)) // a path has at most 4096
	line, rest, _ := bytes.Cut(b, []byte("\n"))
	text, ok := bytes.CutPrefix(line, []byte("#!"))
	second, _, _ := bytes.Cut(rest, []byte("\n"))
	if program, ok := bytes.CutPrefix(second, []byte(`'''exec' `)); ok && string(line) == "#!/bin/sh" {
		program = bytes.TrimSuffix(program, []byte(` "$0" "$@"`))
		return []string{strings.Trim(string(program), `"`)}
	}
	words := strings.Fields(string(text))
	if !ok || len(words) == 0 {
		return nil
	}
	if filepath.Base(words[0]) != "env" {
		return words
	}
	if words = words[1:]; len(words) > 0 && words[0] == "-S" {
		words = words[1:]
	}
	if len(words) > 0 {
		if found, err := exec.LookPath(words[0]); err == nil {
			words[0] = found
		}
	}
	return words
}
