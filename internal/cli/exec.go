package cli

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/jeton-cli/jeton/cache"
	"github.com/jeton-cli/jeton/formats"
	"github.com/jeton-cli/jeton/plugin"
)

type execCmd struct {
	Profile string        `arg:"" optional:"" help:"Profile; see jeton get --help."`
	Stray   []string      `arg:"" optional:"" name:"command" help:"The command to run, with its arguments, after --."`
	MinTTL  time.Duration `name:"min-ttl" help:"Life that the credential must have left, such as 2h." placeholder:"D"`
	Refresh bool          `help:"Fetch a new credential, even if one is cached."`
}

func (e *execCmd) Help() string {
	return `jeton exec [PROFILE] -- COMMAND…

Runs COMMAND with the credential in its environment, and without the variables of other logins. JETON_PROFILE names the profile. A token in the environment does not renew itself: for a long run, ask for one with enough life (--min-ttl). kubectl and similar tools get a kubeconfig whose context asks jeton for as long as they run. swift, rclone, restic and duplicity get the token with the address of the project's object storage.

Examples:
  jeton exec prod -- openstack server list
  jeton exec s3 -- aws s3 ls
  jeton exec prod -- swift list
  jeton exec prod --min-ttl 2h -- restic -r swift:backup:/ backup ~/work
  jeton exec prod -- rclone lsd :swift,env_auth:
  jeton exec s3 -- s3cmd ls
  jeton exec prod -- kubectl get nodes    with the current context's cluster
  jeton exec -- openstack token issue     with the default profile`
}

func (e *execCmd) Run(ctx context.Context, i *invocation, t *terminal, ps *profiles, w cache.World) error {
	if len(e.Stray) > 0 || len(i.command) == 0 {
		return plugin.Errorf(plugin.Usage, "exec takes a command after --").
			WithHint("jeton exec PROFILE -- COMMAND")
	}
	if err := checkMinTTL(e.MinTTL); err != nil {
		return err
	}
	p, err := ps.named(e.Profile)
	if err != nil {
		return err
	}
	path, err := exec.LookPath(i.command[0])
	if err != nil {
		return plugin.Errorf(notFound, "command %q: not found or not executable", plugin.Shorten(i.command[0]))
	}
	cmd := &formats.Command{Argv: i.command, Path: path, Caller: execCaller(i, ps, p), Log: w.Log}
	if p, err = ps.serving(p, cmd.Needs()); err != nil {
		return err
	}
	cmd.Caller = execCaller(i, ps, p)
	if err := cmd.Check(p.Issuer); err != nil {
		return about(p, err)
	}
	s := cache.Open(ctx, w, true)
	cmd.Packages = s.Packages
	n := cache.Need{MinTTL: cmd.MinTTL(), AtLeast: e.MinTTL, Whole: cmd.Whole()}
	if e.Refresh {
		n.Since = i.started
	}
	c, err := s.Fetch(ctx, p, n)
	if err != nil {
		return about(p, err)
	}
	cmd.Catalog, _ = s.Source(p, cache.Need{}).(plugin.Cataloger)
	again := false
	_, err = whole(ctx, s, p, n, i.started, c, func(c *plugin.Credential) error { // up to the start of the command
		if n.Whole {
			body, err := s.Describe(ctx, p, c)
			cmd.Body = body
			if err != nil && plugin.AsError(err).Code == plugin.Denied && !again {
				again = true
				return err
			}
			if err != nil { // there are other ways to hand the token over
				w.Log("%s: the issuer does not describe the token: %v", p.Name, plugin.AsError(err))
			}
		}
		warnOfShortLife(t, p, c, e.MinTTL)
		return run(ctx, s, cmd, c)
	})
	return about(p, commandError(i.command[0], err))
}

// execCaller returns the caller that formats prepare the command for.
func execCaller(i *invocation, ps *profiles, p *plugin.Profile) *formats.Caller {
	home, _ := os.UserHomeDir() // only some commands need it, and they check
	config := ""
	if i.globals.Config != "" {
		config = p.Config
	}
	return &formats.Caller{
		Config: config,
		Name:   p.Name, Profile: p, Issuers: i.issuers, Getenv: i.env.get, Home: home, ReadFile: formats.ReadFile,
		ArgvFor: func(format string) ([]string, error) { return ps.argv(p, format) }, Profiles: ps.readable,
	}
}

// run runs the command with c. Where the command needs files, this process stays to remove
// them; otherwise the environment carries the credential and this process becomes the
// command.
func run(ctx context.Context, s *cache.Session, cmd *formats.Command, c *plugin.Credential) error {
	handover, err := cmd.Prepare(ctx, c)
	if err != nil {
		return err
	}
	if handover != nil {
		refused := func() {
			if err := s.Reject(context.WithoutCancel(ctx), nil, cmd.Caller.Profile, c.ID()); err != nil {
				cmd.Log("%s: %v", cmd.Caller.Name, plugin.AsError(err))
			}
		}
		if err := runWithFiles(ctx, s, cmd, handover, refused); err != formats.ErrEnvironment {
			return err
		}
	}
	set, unset, err := cmd.Environment(ctx, c)
	if err != nil {
		return err
	}
	shared, _ := s.Shared()
	unset = slices.Concat(unset, cmd.Caller.Profile.SecretVariables(), shared.Variables())
	return replace(ctx, cmd.Path, cmd.Argv, environ(cmd, set, unset))
}

// runWithFiles runs the command with the private files that make returns, and removes them
// afterwards. It calls refused if the command says that the credential was.
func runWithFiles(ctx context.Context, s *cache.Session, cmd *formats.Command, make formats.Handover,
	refused func()) error {
	dir, remove, err := s.Scratch(ctx)
	if err != nil {
		return plugin.Errorf(plugin.Output, "files for the command cannot be written: %v", err)
	}
	defer remove()
	with, err := make(dir)
	if err != nil {
		return err
	}
	if err := cache.WriteFiles(dir, with.Files); err != nil {
		return plugin.Errorf(plugin.Output, "files for the command cannot be written: %v", err)
	}
	err = runChild(ctx, cmd.Path, cmd.Argv, environ(cmd, with.Set, with.Unset))
	if with.Refused != "" && fileExists(filepath.Join(dir, with.Refused)) {
		refused()
	}
	return err
}

// commandError turns an error from starting a command into one for the user.
func commandError(command string, err error) error {
	var status exitStatus
	var own *plugin.Error
	if err == nil || errors.As(err, &status) || errors.As(err, &own) {
		return err
	}
	return plugin.Errorf(notRunnable, "command %q cannot be run: %v", plugin.Shorten(command), err)
}

// environ returns the environment of the command: that of this process with the variables
// in set, the profile's name and file, and without those in unset.
func environ(cmd *formats.Command, set []formats.Variable, unset []string) []string {
	set = append(slices.Clone(set), formats.Variable{Name: "JETON_PROFILE", Value: cmd.Caller.Name})
	if cmd.Caller.Config != "" {
		set = append(set, formats.Variable{Name: "JETON_CONFIG", Value: cmd.Caller.Config})
	}
	for _, v := range set {
		unset = append(unset, v.Name)
	}
	unset = slices.Clone(unset)
	for i, name := range unset {
		unset[i] = plugin.VariableName(name)
	}
	env := slices.DeleteFunc(os.Environ(), func(line string) bool {
		name, _, _ := strings.Cut(line, "=")
		return slices.Contains(unset, plugin.VariableName(name))
	})
	for _, v := range set {
		env = append(env, v.Name+"="+v.Value)
	}
	return env
}
