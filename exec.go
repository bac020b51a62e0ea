package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"

	"github.com/jeton-cli/jeton/formats"
	"github.com/jeton-cli/jeton/plugin"
)

// What env, nice and their like return for a command that they cannot run.
const (
	notRunnable plugin.Code = 126
	notFound    plugin.Code = 127
)

type execCmd struct {
	Profile string   `arg:"" optional:"" help:"Profile; see jeton get --help."`
	Stray   []string `arg:"" optional:"" name:"command" help:"The command to run, with its arguments, after --."`
	Refresh bool     `help:"Fetch a new credential, whatever is kept."`
}

func (e *execCmd) Help() string {
	return `jeton exec [PROFILE] -- COMMAND…

Runs COMMAND in an environment that holds the credential, and nothing of another login. A token there does not renew itself.

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
		return plugin.Errorf(notFound, "command %q: not found or not executable", plugin.Shorten(a.command[0]))
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
	set, unset, err := formats.Environment(c, o)
	if err != nil {
		return about(p, err)
	}
	unset = append(unset, p.SecretVariables()...)
	if formats.NeedsCloud(c, filepath.Base(a.command[0])) {
		err = a.execWithCloud(ctx, p, c, path, append(unset, names(set)...))
	} else {
		err = replace(path, a.command, environ(set, unset))
	}
	return about(p, commandError(a.command[0], err))
}

// execWithCloud runs the command with a clouds.yaml of its own, and stays to
// remove it.
func (a *app) execWithCloud(ctx context.Context, p *plugin.Profile, c *plugin.Credential, path string, unset []string) error {
	cataloger, ok := a.source(p, need{}).(plugin.Cataloger)
	if !ok {
		return plugin.Errorf(plugin.Bug, "plugin %s has no catalogue", p.Issuer.Name)
	}
	endpoints, err := cataloger.Endpoints(ctx, c)
	if err != nil {
		return err
	}
	dir, remove, err := a.cache.Scratch(ctx)
	if err != nil {
		return plugin.Errorf(plugin.Output, "a clouds.yaml for the command cannot be written: %v", err)
	}
	defer remove()
	file := filepath.Join(dir, "clouds.yaml")
	document, set := formats.Cloud(c, endpoints, file)
	if err := os.WriteFile(file, document, 0o600); err != nil {
		return plugin.Errorf(plugin.Output, "a clouds.yaml for the command cannot be written: %v", err)
	}
	return runChild(path, a.command, environ(set, unset))
}

// runChild runs a command, passes on the signals that are sent to this
// process alone, and returns the command's status.
func runChild(path string, argv, env []string) error {
	cmd := &exec.Cmd{Path: path, Args: argv, Env: env, Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr}
	signals := make(chan os.Signal, 8)
	for _, s := range slices.Concat(passedOn, leftTo) {
		if !signal.Ignored(s) { // by nohup, say: the child must ignore it too
			signal.Notify(signals, s)
		}
	}
	defer signal.Stop(signals)
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for {
		select {
		case s := <-signals:
			if slices.Contains(passedOn, s) {
				cmd.Process.Signal(s)
			}
		case err := <-ended:
			if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
				return exitStatus(statusOf(exit.ProcessState))
			}
			return err
		}
	}
}

// commandError is err, which the start of a command returned.
func commandError(command string, err error) error {
	var status exitStatus
	var own *plugin.Error
	if err == nil || errors.As(err, &status) || errors.As(err, &own) {
		return err
	}
	return plugin.Errorf(notRunnable, "command %q cannot be run: %v", plugin.Shorten(command), err)
}

func names(set []formats.Variable) []string {
	var list []string
	for _, v := range set {
		list = append(list, v.Name)
	}
	return list
}

// environ returns this process's environment with the variables of set, and
// without those in unset.
func environ(set []formats.Variable, unset []string) []string {
	unset = append(names(set), unset...)
	env := slices.DeleteFunc(os.Environ(), func(line string) bool {
		name, _, _ := strings.Cut(line, "=")
		return slices.Contains(unset, name)
	})
	for _, v := range set {
		env = append(env, v.Name+"="+v.Value)
	}
	return env
}
