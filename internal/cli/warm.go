package cli

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/jeton-cli/jeton/cache"
	"github.com/jeton-cli/jeton/cache/hit"
	"github.com/jeton-cli/jeton/plugin"
)

// plain are variables of others that hold no secrets.
var plain = []string{"CREDENTIALS_DIRECTORY", "KUBERNETES_EXEC_INFO"}

// indirect are variables that make jeton read files which only it that reads them
// knows.
var indirect = []string{"OS_CLOUD", "OSC_PROFILE"}

// leftBehind returns the document that was left behind for the command line, if
// it depends on secrets in the environment or standard output would not take it at
// once: package hit has answered if not.
func (a *app) leftBehind() ([]byte, hit.Note) {
	dir, err := plugin.StateDir(a.getenv)
	if err != nil {
		return nil, hit.Note{}
	}
	var mac func(string) string
	return hit.Look(a.args, func(value string) string {
		if mac == nil {
			pepper, err := os.ReadFile(cache.PepperPath(dir))
			if err != nil {
				return ""
			}
			mac = cache.SecretMAC(pepper)
		}
		return mac(value)
	})
}

// leaveBehind has this command line answered with the document from now on, before
// jeton really begins, if all that the document depends on can be told.
func (a *app) leaveBehind(ctx context.Context, g *getCmd, p *plugin.Profile, told int64, document []byte) {
	switch {
	case a.state == nil, a.warned, a.cli.Verbose, a.args[0] != "get",
		a.cli.Config != "" && !filepath.IsAbs(a.cli.Config): // which another directory would change
		return
	}
	// What the libraries read of the environment is not in a.read.
	w := hit.Warm{Args: a.args, Document: document, Told: told, Env: []string{"HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"}}
	names := a.read()
	for _, name := range names {
		switch own := strings.HasPrefix(name, "JETON_") || strings.HasPrefix(name, "XDG_") || slices.Contains(plain, name); {
		case os.Getenv(name) != "" && slices.Contains(indirect, name):
			return
		case os.Getenv(name) != "" && (!own || slices.Contains(p.SecretVariables(), name)):
			w.Secret = append(w.Secret, name)
		default:
			w.Env = append(w.Env, name)
		}
	}
	slices.Sort(w.Secret)
	slices.Sort(w.Env)
	w.Env = slices.Compact(w.Env)
	w.MAC = cache.SecretMAC(a.cache.Pepper)
	w.Files = append(p.Files(), cache.PepperPath(a.state.Path()))
	if a.file.Exists {
		w.Files = append(w.Files, a.file.Path)
	} else {
		w.Absent = []string{a.file.Path}
	}
	for _, path := range w.Files {
		w.Dirs = append(w.Dirs, filepath.Dir(path))
	}
	if dir := filepath.Dir(a.file.Path); a.file.Exists || exists(dir) {
		w.Dirs = append(w.Dirs, dir)
	} else {
		w.Absent = append(w.Absent, dir)
	}
	slices.Sort(w.Dirs)
	w.Dirs = slices.Compact(w.Dirs)
	first, err := a.reading(g, p)
	if err != nil {
		return
	}
	a.cache.Warm(ctx, w, a.started, first, func() (cache.Reading, error) {
		f, err := plugin.ReadFile(a.file.Path, a.file.Exists, a.issuers, a.getenv)
		if err != nil {
			return cache.Reading{}, err
		}
		again, err := f.Profile(p.Name)
		if err != nil {
			return cache.Reading{}, err
		}
		second, err := a.reading(g, again)
		if err == nil && (!slices.Equal(again.Files(), p.Files()) || len(a.read()) != len(names)) {
			err = errors.New("the profile has changed meanwhile")
		}
		return second, err
	})
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// reading is what comes of p, as it was read, for a command line.
func (a *app) reading(g *getCmd, p *plugin.Profile) (r cache.Reading, err error) {
	f, err := g.format(a, p)
	if err != nil {
		return r, err
	}
	r.Policy = a.policy(p, g.need(a, f))
	r.Document = func(c *plugin.Credential) ([]byte, error) { return encode(f, c) }
	r.Key, err = a.cache.Key(p, a.getenv)
	return r, err
}
