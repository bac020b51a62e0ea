package cli

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/jeton-cli/jeton/formats"
	"github.com/jeton-cli/jeton/plugin"
)

// profiles are the profiles of the configuration file and of the environment.
type profiles struct {
	issuers plugin.Issuers
	getenv  func(string) string
	warn    func(format string, args ...any)
	path    *string      // the configuration file that the command line names, or empty
	read    *plugin.File // the file, once it has been read
}

// file returns the configuration file. It reads the file once. A file that the user names
// must exist. A complete identity in the environment needs no place for one.
func (ps *profiles) file() (*plugin.File, error) {
	if ps.read != nil {
		return ps.read, nil
	}
	if _, named, err := ps.where(); err != nil && !named {
		if p, _, _ := ps.issuers.FromEnvironment("env", ps.getenv); p == nil {
			return nil, err
		}
		ps.read = plugin.NoFile(err, ps.issuers, ps.getenv)
		return ps.read, nil
	}
	return ps.reread(true)
}

// shared is as in [cache.World].
func (ps *profiles) shared() (*plugin.SharedCache, func() []string) {
	f, err := ps.file()
	if err != nil {
		return nil, nil
	}
	return f.Shared()
}

// reread reads the configuration file. With required, a file that the user names must
// exist.
func (ps *profiles) reread(required bool) (*plugin.File, error) {
	path, named, err := ps.where()
	if err != nil {
		return nil, err
	}
	ps.read, err = plugin.ReadFile(path, named && required, ps.issuers, ps.getenv)
	return ps.read, err
}

// where returns the path of the configuration file, and whether the user named it.
func (ps *profiles) where() (path string, named bool, err error) {
	if path = *ps.path; path != "" {
		if path, err = filepath.Abs(path); err != nil {
			return "", true, plugin.Errorf(plugin.Config, "--config: %v", err)
		}
		return path, true, nil
	}
	if path = ps.getenv("JETON_CONFIG"); path != "" {
		if !filepath.IsAbs(path) {
			return "", true, plugin.Errorf(plugin.Config, "JETON_CONFIG: %s is not an absolute path",
				plugin.Shorten(path)).
				WithHint("a relative one would let every directory you enter choose your profiles")
		}
		return path, true, nil
	}
	if path, err = plugin.UsualConfig(ps.getenv); err != nil {
		return "", false, plugin.Errorf(plugin.Config, "%v, so that there is no configuration file", err).
			WithHint("set HOME, or name the file: --config FILE")
	}
	return path, false, nil
}

// named returns the profile called name. Without a name it returns the first of these that
// there is: $JETON_PROFILE, the identity in the environment, the profile called default.
func (ps *profiles) named(name string) (*plugin.Profile, error) {
	f, err := ps.file()
	if err != nil {
		return nil, err
	}
	if name == "" {
		name = ps.getenv("JETON_PROFILE")
	}
	if name == "" {
		if name, err = ps.choose(f); err != nil {
			return nil, err
		}
	}
	p, err := f.Profile(name)
	if err != nil {
		return nil, err
	}
	for _, q := range p.Chain() {
		if slices.Contains(strings.Fields(ps.getenv(plugin.WithinVariable)), q.Name) {
			return nil, about(p, plugin.Errorf(plugin.Config,
				"the program that supplies the secret of profile %s asks jeton for this very profile", q.Name).
				WithHint("let it use another source"))
		}
	}
	return p, about(p, checkFormat(p))
}

// serving returns the profile that gives a credential of kind want to the user of p.
func (ps *profiles) serving(p *plugin.Profile, want plugin.Kind) (*plugin.Profile, error) {
	q, err := ps.read.For(p, want)
	return q, about(p, err)
}

// readable returns the profiles of the configuration that can be read.
func (ps *profiles) readable() (list []*plugin.Profile) {
	f, err := ps.file()
	if err != nil {
		return nil
	}
	for _, name := range f.Names() {
		if p, err := f.Profile(name); err == nil {
			list = append(list, p)
		}
	}
	return list
}

// choose returns the name of the profile to use when none is named.
func (ps *profiles) choose(f *plugin.File) (string, error) {
	p, others, err := ps.issuers.FromEnvironment("env", ps.getenv)
	if err != nil {
		return "", &plugin.ProfileError{Profile: "env", Err: err}
	}
	if len(others) > 0 {
		ps.warn("the environment holds several identities; %s is taken (others: %s)", p.Issuer.EnvName,
			strings.Join(others, ", "))
	}
	if p != nil {
		return "env", nil
	}
	incomplete := ""
	partial, err := ps.issuers.Incomplete(ps.getenv)
	if err != nil {
		incomplete = "the identity in the environment is not complete: " + err.Error()
	}
	switch {
	case f.Has("default"):
		if incomplete != "" {
			ps.warn("%s; profile default is used", incomplete)
		}
		return "default", nil
	case partial != "" && err == nil:
		return partial, nil // a person supplies the rest
	case incomplete != "":
		return "", plugin.Errorf(plugin.Config, "%s", incomplete).
			WithHint("set what is missing, or name a profile")
	case len(f.Names()) == 0:
		has := "has none"
		if !f.Exists {
			has = "does not exist"
		}
		return "", plugin.Errorf(plugin.Config, "there is no profile: %s %s, and the environment holds no identity",
			f.Path, has).
			WithHint("jeton init")
	}
	return "", plugin.Errorf(plugin.Config, "which profile? there are: %s", strings.Join(f.Names(), ", ")).
		WithHint("name one, such as %s; or set JETON_PROFILE; or call one of them default", f.Names()[0])
}

// checkFormat returns an error if the profile names an unknown format.
func checkFormat(p *plugin.Profile) error {
	if p.Common.Format == "" {
		return nil
	}
	_, err := formats.New(p.Common.Format, formats.Options{})
	if err == nil {
		return nil
	}
	e := plugin.AsError(err)
	e.Code, e.Text = plugin.Config, "format: "+e.Text
	return e
}

// argv returns the command line that prints p's credential in a format.
func (ps *profiles) argv(p *plugin.Profile, format string) ([]string, error) {
	program, err := programPath()
	if err != nil {
		return nil, plugin.Errorf(plugin.Config, "where jeton itself is cannot be told: %v", err)
	}
	argv := []string{program, "get", p.Name, "-f", format}
	if *ps.path != "" || ps.getenv("JETON_CONFIG") != "" { // a caller does not have these settings
		argv = append(argv, "--config", p.Config)
	}
	return argv, nil
}

// programPath returns the absolute path by which others find this program. The system
// tells where the file is. That can be a folder of this version alone, to which a link
// leads, as with Homebrew and nix. So a path that the user goes by is better: the one on
// the PATH, or the one that was typed, if it leads to this very file.
func programPath() (string, error) {
	program, err := os.Executable()
	if err != nil {
		return "", err
	}
	itself, err := os.Stat(program)
	if err != nil {
		return program, nil
	}
	found, _ := exec.LookPath("jeton")
	typed := ""
	if strings.ContainsRune(os.Args[0], filepath.Separator) {
		typed, _ = filepath.Abs(os.Args[0])
	}
	for _, path := range []string{found, typed} {
		if info, err := os.Stat(path); err == nil && filepath.IsAbs(path) && os.SameFile(info, itself) {
			return path, nil
		}
	}
	return program, nil
}
