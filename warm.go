package main

import (
	"context"
	"path/filepath"
	"slices"
	"strings"

	"github.com/jeton-cli/jeton/cache/hit"
	"github.com/jeton-cli/jeton/plugin"
)

// plain are variables of others that hold no secrets.
var plain = []string{"CREDENTIALS_DIRECTORY", "KUBERNETES_EXEC_INFO"}

// leaveBehind has package hit answer this command line with the document from now
// on, if all that the document depends on can be told.
func (a *app) leaveBehind(ctx context.Context, p *plugin.Profile, n need, document []byte) {
	switch {
	case a.state == nil, a.warned, a.cli.Verbose,
		a.cli.Config != "" && !filepath.IsAbs(a.cli.Config), // which another directory would change
		len(p.SecretVariables()) > 0:                        // to be kept out of files
		return
	}
	// What the libraries read of the environment is not in a.read.
	w := hit.Warm{Args: a.args, Document: document, Env: []string{"HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"}}
	for name := range a.read {
		if !strings.HasPrefix(name, "JETON_") && !strings.HasPrefix(name, "XDG_") && !slices.Contains(plain, name) {
			return // somebody else's, and may be secret
		}
		w.Env = append(w.Env, name)
	}
	slices.Sort(w.Env)
	w.Env = slices.Compact(w.Env)
	w.Files = append(p.Files(), p.Config, a.state.PepperPath())
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
