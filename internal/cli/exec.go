package cli

import (
	"context"
	"errors"
	"io"
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

Runs COMMAND in an environment that holds the credential, and nothing of another login. A token there does not renew itself. kubectl and its like get a kubeconfig in which the context logs in by asking jeton, for as long as they run.

Examples:
  jeton exec prod -- openstack server list
  jeton exec s3 -- aws s3 ls
  jeton exec prod -- kubectl get nodes    with the current context's cluster
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
	if formats.NeedsKubeconfig(&plugin.Credential{}, filepath.Base(a.command[0])) {
		if err := formats.CheckKubernetes(p.Issuer); err != nil {
			return about(p, err)
		}
	}
	o := formats.Options{Issuers: a.issuers, Profile: p.Name, Client: formats.ClientOf(filepath.Base(a.command[0]))}
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
	if formats.NeedsKubeconfig(c, filepath.Base(a.command[0])) {
		err := a.execWithKubeconfig(ctx, p, c, path)
		return about(p, commandError(a.command[0], err))
	}
	set, unset, err := formats.Environment(c, o)
	if err != nil {
		return about(p, err)
	}
	unset = append(unset, p.SecretVariables()...)
	err = errNoLogin
	switch {
	case formats.NeedsCloud(c, filepath.Base(a.command[0])):
		err = a.execWithCloud(ctx, p, c, path, append(unset, names(set)...))
	case formats.TakesLogin(c, a.command, path):
		err = a.execWithLogin(ctx, p, c, path, append(unset, names(set)...))
	}
	if err == errNoLogin {
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
	return a.runWithFiles(ctx, path, func(dir string) (map[string][]byte, []string, error) {
		document, set := formats.Cloud(c, endpoints, filepath.Join(dir, "clouds.yaml"))
		return map[string][]byte{"clouds.yaml": document}, environ(set, unset), nil
	})
}

// errNoLogin says that the environment has to do.
var errNoLogin = errors.New("no login can be handed over")

// execWithLogin runs the command as if it had logged in before, so that it makes no
// token, and stays to remove the files for that. It returns [errNoLogin] if it cannot.
func (a *app) execWithLogin(ctx context.Context, p *plugin.Profile, c *plugin.Credential, path string, unset []string) error {
	cataloger, ok := a.source(p, need{}).(plugin.Cataloger)
	if !ok {
		return errNoLogin
	}
	description, err := cataloger.Describe(ctx, c)
	if err != nil {
		a.log("%s: openstack is going to make another token: %v", p.Name, plugin.AsError(err))
		return errNoLogin
	}
	return a.runWithFiles(ctx, path, func(dir string) (map[string][]byte, []string, error) {
		if strings.ContainsRune(dir, filepath.ListSeparator) { // which cannot be on PYTHONPATH
			return nil, nil, errNoLogin
		}
		files, set, err := formats.Login(c, description, dir, a.getenv("PYTHONPATH"))
		return files, environ(set, unset), err
	})
}

// execWithKubeconfig runs the command with a kubeconfig that has it ask jeton, as long
// as it runs, and stays to remove that.
func (a *app) execWithKubeconfig(ctx context.Context, p *plugin.Profile, c *plugin.Credential, path string) error {
	f, err := formats.New("kubernetes", formats.Options{Issuers: a.issuers, Profile: p.Name})
	if err == nil {
		err = f.Encode(io.Discard, c) // or the client would tell, in its own words
	}
	if err != nil {
		return err
	}
	caller := &formats.Caller{Issuers: a.issuers, As: "jeton-" + p.Name, Getenv: a.getenv, ReadFile: readCallers}
	if caller.Home, err = os.UserHomeDir(); err != nil {
		return plugin.Errorf(plugin.Config, "HOME is not set")
	}
	if caller.Argv, err = a.argv(p, "kubernetes"); err != nil {
		return err
	}
	return a.runWithFiles(ctx, path, func(dir string) (map[string][]byte, []string, error) {
		document, variable, err := formats.Kubeconfig(caller, a.command, filepath.Join(dir, "kubeconfig"))
		// What the profile's secrets are in stays: jeton is asked in there again.
		return map[string][]byte{"kubeconfig": document}, environ([]formats.Variable{variable}, nil), err
	})
}

// runWithFiles runs the command at path with the private files that make returns, by
// their names in a directory, and the command's environment, and removes them in the end.
func (a *app) runWithFiles(ctx context.Context, path string, make func(dir string) (files map[string][]byte, env []string, err error)) error {
	dir, remove, err := a.cache.Scratch(ctx)
	if err != nil {
		return plugin.Errorf(plugin.Output, "files for the command cannot be written: %v", err)
	}
	defer remove()
	files, env, err := make(dir)
	if err != nil {
		return err
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			return plugin.Errorf(plugin.Output, "%s for the command cannot be written: %v", name, err)
		}
	}
	return runChild(path, a.command, env)
}

// argv returns the command line by which others get p's credential in a format.
func (a *app) argv(p *plugin.Profile, format string) ([]string, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, plugin.Errorf(plugin.Config, "where jeton itself is cannot be told: %v", err)
	}
	argv := []string{program, "get", p.Name, "-f", format}
	if a.cli.Config != "" || a.getenv("JETON_CONFIG") != "" { // which the others do not know of
		argv = append(argv, "--config", p.Config)
	}
	return argv, nil
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
