package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"slices"
	"strings"

	"github.com/jeton-cli/jeton/formats"
	"github.com/jeton-cli/jeton/plugin"
)

type execCmd struct {
	Profile string   `arg:"" optional:"" help:"Profile; see jeton get --help."`
	Stray   []string `arg:"" optional:"" name:"-- COMMAND" help:"The command to run, with its arguments."`
	Refresh bool     `help:"Fetch a new credential, whatever is kept."`
}

func (e *execCmd) Help() string {
	return `Replaces itself with COMMAND, whose environment then holds the credential, and nothing of another login. A token there does not renew itself.

Examples:
  jeton exec prod -- openstack server list
  jeton exec s3 -- aws s3 ls
  jeton exec -- openstack token issue     with the default profile`
}

func (e *execCmd) Run(ctx context.Context, a *app) error {
	if len(e.Stray) > 0 || len(a.command) == 0 {
		return plugin.Errorf(plugin.Usage, "exec takes a command after --").
			WithHint("jeton exec PROFILE -- COMMAND")
	}
	p, err := a.profile(e.Profile)
	if err != nil {
		return err
	}
	path, err := exec.LookPath(a.command[0])
	if err != nil {
		return plugin.Errorf(plugin.Usage, "command %q: not found or not executable", plugin.Shorten(a.command[0]))
	}
	o := formats.Options{Profile: p.Name}
	f, err := formats.New("env", o)
	if err != nil {
		return err
	}
	a.open(ctx, true)
	n := need{minTTL: formats.MinTTL(f)}
	if e.Refresh {
		n.since = a.started
	}
	c, err := a.fetch(ctx, p, n)
	if err != nil {
		return about(p, err)
	}
	if formats.NeedsEndpoints(f, c) {
		if err := a.addEndpoints(ctx, p, c); err != nil {
			return about(p, err)
		}
	}
	set, unset, err := formats.Environment(c, o)
	if err != nil {
		return about(p, err)
	}
	if err := replace(path, a.command, environ(os.Environ(), set, unset)); err != nil {
		var status exitStatus
		if errors.As(err, &status) {
			return status
		}
		return plugin.Errorf(plugin.Usage, "command %q: %v", plugin.Shorten(a.command[0]), err)
	}
	return nil
}

// environ returns the environment env with the variables of set, and without
// those in unset.
func environ(env []string, set []formats.Variable, unset []string) []string {
	env = slices.DeleteFunc(slices.Clone(env), func(line string) bool {
		name, _, _ := strings.Cut(line, "=")
		return slices.Contains(unset, name) ||
			slices.ContainsFunc(set, func(v formats.Variable) bool { return v.Name == name })
	})
	for _, v := range set {
		env = append(env, v.Name+"="+v.Value)
	}
	return env
}
