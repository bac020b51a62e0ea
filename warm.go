package main

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/adrg/xdg"

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
// it depends on secrets in the environment: package hit has answered if not.
func (a *app) leftBehind() []byte {
	dir, err := a.directory("XDG_STATE_HOME", xdg.StateHome)
	if err != nil {
		return nil
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
func (a *app) leaveBehind(ctx context.Context, p *plugin.Profile, n need, document []byte) {
	switch {
	case a.state == nil, a.warned, a.cli.Verbose, a.args[0] != "get",
		a.cli.Config != "" && !filepath.IsAbs(a.cli.Config): // which another directory would change
		return
	}
	// What the libraries read of the environment is not in a.read.
	w := hit.Warm{Args: a.args, Document: document, Env: []string{"HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"}}
	for name := range a.read {
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
	slices.Sort(w.Dirs)
	w.Dirs = slices.Compact(w.Dirs)
	key, err := a.cache.Key(p, a.getenv)
	if err == nil {
		a.cache.Warm(ctx, key, a.policy(p, n), w, a.started)
	}
}
