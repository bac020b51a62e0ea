// Package cli is the command line of jeton: a profile names a source of
// credentials, the cache keeps what the source yields, and a format writes it.
// Each command has a file of its own beside this one.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/alecthomas/kong"

	"github.com/jeton-cli/jeton/cache"
	"github.com/jeton-cli/jeton/formats"
	"github.com/jeton-cli/jeton/plugin"
)

// budget is the time that a whole command may take. The shortest limit of a
// caller is a minute.
const budget = 20 * time.Second

type cli struct {
	Config  string `help:"Configuration file, instead of $JETON_CONFIG or config.yaml in the configuration directory." placeholder:"FILE"`
	Verbose bool   `help:"Tell on stderr what is asked of whom."`
}

// A verb is a command of jeton. Its grammar is built only for a command line that
// has it: to look through all of them would take longer than most commands do.
type verb struct {
	name, help string
	grammar    func(plugin.Issuers) any
}

var verbs = []verb{
	{"get", "Print a credential.", func(plugin.Issuers) any { return &getCmd{} }},
	{"exec", "Run a command with a credential in its environment.", func(plugin.Issuers) any { return &execCmd{} }},
	{"logout", "Revoke a credential and forget it.", func(plugin.Issuers) any { return &logoutCmd{} }},
	{"reject", "Drop a credential that was refused, so that the next call fetches a new one.", func(plugin.Issuers) any { return &rejectCmd{} }},
	{"status", "Show the profiles and what is kept for them.", func(plugin.Issuers) any { return &statusCmd{} }},
	{"doctor", "Look for what is wrong, as each caller would, and say what puts it right.", func(plugin.Issuers) any { return &doctorCmd{} }},
	{"inspect", "Show who a credential is, and what its issuer offers.", func(plugin.Issuers) any { return &inspectCmd{} }},
	{"import", "Make profiles of what other tools are configured with.", func(l plugin.Issuers) any { return newImportCmd(l) }},
	{"setup", "Set up aws, kubectl or openstack for a profile.", func(plugin.Issuers) any { return &setupCmd{} }},
	{"secret", "Keep a secret in the system's keyring: set or rm.", func(plugin.Issuers) any { return &secretCmd{} }},
	{"gc", "Remove what has expired, and keys that nobody wants.", func(plugin.Issuers) any { return &gcCmd{} }},
	{"completion", "Print what has a shell complete jeton's words.", func(plugin.Issuers) any { return &completionCmd{} }},
	{"man", "Print the manual page.", func(plugin.Issuers) any { return &manCmd{} }},
	{"version", "Print the version.", func(plugin.Issuers) any { return &versionCmd{} }},
}

// grammar returns the commands as kong wants them, those in args whole.
func grammar(args []string, issuers plugin.Issuers) (options []kong.Option) {
	for _, c := range verbs {
		var g any = &struct{}{}
		if slices.Contains(args, c.name) {
			g = c.grammar(issuers)
		}
		options = append(options, kong.DynamicCommand(c.name, c.help, "", g))
	}
	return options
}

const description = `Jeton fetches cloud credentials, keeps them safely, and prints them the way aws, kubectl, openstack and others want them.

A profile in the configuration file says where a credential comes from. Without one, jeton uses the identity in the environment, as a sourced openrc file leaves it.

To begin:
  jeton import env web                         make a profile of a sourced openrc file
  jeton import clouds                          make profiles of clouds.yaml

To use it:
  jeton setup kubernetes web --context NAME    from now on, kubectl asks jeton
  jeton setup aws s3                           and so does aws
  jeton exec web -- openstack server list      for one command
  jeton get web -f header                      for scripts

When something is wrong:
  jeton doctor                                 what is wrong, and what puts it right
  jeton status                                 what is kept, until when, the last error
  jeton inspect web                            who that is, and what it may use
  jeton get web --verbose                      what is asked of whom
  jeton reject web                             the next call fetches anew
  jeton logout web                             revoke and forget`

// app is one run of jeton and all that it knows of the world.
type app struct {
	issuers        plugin.Issuers
	version        string
	stdout, stderr io.Writer
	getenv         func(string) string
	started        time.Time
	cli            cli
	args           []string        // of the command line
	command        []string        // of exec: what stands behind "--"
	read           func() []string // returns the variables that were read
	warned         bool            // the user was told something
	exited         bool            // by kong: --help was printed

	file    *plugin.File
	cache   *cache.Cache
	clients plugin.Clients
	state   *cache.Dir // nil if there is none
	why     error      // why there is none
}

// Main carries out one command line with these issuers, and returns the exit code.
func Main(issuers plugin.Issuers, version string, args []string) int {
	started := time.Now()
	debug.SetTraceback("none") // arguments of functions can be secrets
	protect()
	a := newApp(issuers, started)
	a.version = version
	return int(a.run(args))
}

// newApp returns the run of a process that began at started.
func newApp(issuers plugin.Issuers, started time.Time) *app {
	a := &app{stdout: os.Stdout, stderr: os.Stderr, issuers: issuers, started: started}
	var mu sync.Mutex
	read := map[string]bool{}
	a.getenv = func(name string) string {
		mu.Lock()
		defer mu.Unlock()
		read[name] = true
		return os.Getenv(name)
	}
	a.read = func() []string {
		mu.Lock()
		defer mu.Unlock()
		return slices.Sorted(maps.Keys(read))
	}
	return a
}

// run carries out one command line and returns the exit code.
func (a *app) run(args []string) (code plugin.Code) {
	a.args = args
	defer func() {
		if r := recover(); r != nil {
			// What was thrown can hold anything, so its type must do.
			code = a.fail("", plugin.Errorf(plugin.Bug, "internal error (panic: %T)", r).
				WithHint("please report this, with the command that you ran"))
		}
	}()
	if document, note := a.leftBehind(); document != nil {
		n, err := a.stdout.Write(document)
		switch {
		case err == nil:
			note.Write()
			return 0
		case n > 0:
			return a.failAll(errOutput())
		} // or the ordinary path will meet the same, and tell whom it is about
	}
	if len(args) > 0 && args[0] == completeCommand {
		return a.failAll(a.complete(args[1:]))
	}
	if i := slices.Index(args, "--"); i >= 0 {
		args, a.command = args[:i], args[i+1:]
	}
	switch {
	case len(args) == 0:
		args = []string{"--help"}
	case args[0] == "--version":
		args[0] = "version"
	case args[0] == "help":
		args = append(args[1:], "--help")
	}
	parser, err := a.parser(args)
	if err != nil {
		return a.fail("", err)
	}
	k, err := parser.Parse(args)
	if a.exited {
		return 0 // --help was asked for, and is printed
	}
	if err != nil {
		hint := "jeton"
		if pe := (*kong.ParseError)(nil); errors.As(err, &pe) && pe.Context.Selected() != nil {
			hint = pe.Context.Selected().FullPath()
		}
		// kong's word for the end of the command line
		text := strings.ReplaceAll(err.Error(), `expected string value but got "EOL" (<EOL>)`, "needs a value")
		return a.fail("", plugin.Errorf(plugin.Usage, "%s", plugin.Shorten(text)).WithHint("%s --help", hint))
	}
	if a.command != nil && k.Selected().Name != "exec" {
		return a.fail("", plugin.Errorf(plugin.Usage, "only exec takes a command after --").WithHint("jeton exec --help"))
	}
	ctx, cancel := plugin.Limit(context.Background(), budget)
	defer cancel()
	k.BindTo(ctx, (*context.Context)(nil))
	return a.failAll(k.Run(a))
}

// parser returns what reads a command line: the commands in names whole, and the
// others by name.
func (a *app) parser(names []string) (*kong.Kong, error) {
	return kong.New(&a.cli, append(grammar(names, a.issuers),
		kong.Name("jeton"), kong.Description(description),
		kong.Vars{"formats": strings.Join(formats.Names(), ", ")},
		kong.Writers(a.stdout, a.stderr),
		kong.Exit(func(int) { a.exited = true }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100}),
	)...)
}

// failAll prints err, or each of the errors that it joins, and returns the
// exit code of the first.
func (a *app) failAll(err error) (code plugin.Code) {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, err := range joined.Unwrap() {
			if c := a.failAll(err); code == 0 {
				code = c
			}
		}
		return code
	}
	var named *plugin.ProfileError
	var status exitStatus
	switch {
	case err == nil:
		return 0
	case errors.As(err, &status):
		return plugin.Code(status)
	case errors.As(err, &named):
		return a.fail(named.Profile, named.Err)
	}
	return a.fail("", err)
}

// fail prints err the way every failure is printed: one line of what and why,
// and at most one of what to do next.
func (a *app) fail(profile string, err error) plugin.Code {
	e := plugin.AsError(err)
	if profile != "" {
		profile += ": "
	}
	fmt.Fprintf(a.stderr, "jeton: %s%s\n", profile, e.Text)
	if e.Hint != "" {
		fmt.Fprintf(a.stderr, "hint: %s\n", e.Hint)
	}
	return e.Code
}

// about returns err as one of the profile p.
func about(p *plugin.Profile, err error) error {
	if err == nil {
		return nil
	}
	return &plugin.ProfileError{Profile: p.Name, Err: err}
}

// An exitStatus ends the run with a status and no message.
type exitStatus int

func (e exitStatus) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

// print writes a whole document to standard output, at once.
func (a *app) print(b []byte) error {
	if _, err := a.stdout.Write(b); err != nil {
		return errOutput()
	}
	return nil
}

func errOutput() error {
	return plugin.Errorf(plugin.Output, "standard output cannot be written")
}

func (a *app) warn(format string, args ...any) {
	a.warned = true
	fmt.Fprintf(a.stderr, "jeton: "+format+"\n", args...)
}

func (a *app) log(format string, args ...any) {
	if a.cli.Verbose {
		a.warn(format, args...)
	}
}

// config returns the configuration file.
func (a *app) config() (*plugin.File, error) {
	if a.file != nil {
		return a.file, nil
	}
	return a.readConfig(true)
}

// readConfig reads the configuration file. One that is named has to be there,
// if it is required.
func (a *app) readConfig(required bool) (*plugin.File, error) {
	path, given := a.cli.Config, a.cli.Config != ""
	if !given {
		if path = a.getenv("JETON_CONFIG"); path != "" {
			given = true
			if !filepath.IsAbs(path) {
				return nil, plugin.Errorf(plugin.Config, "JETON_CONFIG: %s is not an absolute path", plugin.Shorten(path)).
					WithHint("a relative one would let every directory you enter choose your profiles")
			}
		} else {
			var err error
			if path, err = plugin.ConfigDir(a.getenv); err != nil {
				return nil, plugin.Errorf(plugin.Config, "%v, so that there is no configuration file", err).
					WithHint("set HOME, or name the file: --config FILE")
			}
			path = filepath.Join(path, "config.yaml")
		}
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, plugin.Errorf(plugin.Config, "--config: %v", err)
	}
	a.file, err = plugin.ReadFile(path, given && required, a.issuers, a.getenv)
	return a.file, err
}

// profile returns the profile called name. Without a name it is $JETON_PROFILE,
// else the identity in the environment, else the one called default.
func (a *app) profile(name string) (*plugin.Profile, error) {
	f, err := a.config()
	if err != nil {
		return nil, err
	}
	if name == "" {
		name = a.getenv("JETON_PROFILE")
	}
	if name == "" {
		p, others, err := a.issuers.FromEnvironment("env", a.getenv)
		if err != nil {
			return nil, &plugin.ProfileError{Profile: "env", Err: err}
		}
		incomplete := ""
		if p == nil {
			if err := a.issuers.Incomplete(a.getenv); err != nil {
				incomplete = "the identity in the environment is not complete: " + err.Error()
			}
		}
		if len(others) > 0 {
			a.warn("the environment holds several identities; %s is taken (others: %s)", p.Issuer.EnvName, strings.Join(others, ", "))
		}
		switch {
		case p != nil:
			name = "env"
		case f.Has("default"):
			name = "default"
			if incomplete != "" {
				a.warn("%s; profile default is used", incomplete)
			}
		case incomplete != "":
			return nil, plugin.Errorf(plugin.Config, "%s", incomplete).
				WithHint("set what is missing, or name a profile")
		case len(f.Names()) == 0:
			has := "has none"
			if !f.Exists {
				has = "does not exist"
			}
			return nil, plugin.Errorf(plugin.Config, "there is no profile: %s %s, and the environment holds no identity", f.Path, has).
				WithHint("source an openrc file, take over what other tools have (jeton import --help), or write a profile; the README begins with one")
		default:
			return nil, plugin.Errorf(plugin.Config, "which profile? there are: %s", strings.Join(f.Names(), ", ")).
				WithHint("name one, set JETON_PROFILE, or call one of them default")
		}
	}
	p, err := f.Profile(name)
	if err != nil {
		return nil, err
	}
	for _, q := range p.Chain() {
		if slices.Contains(strings.Fields(a.getenv(plugin.WithinVariable)), q.Name) {
			return nil, about(p, plugin.Errorf(plugin.Config, "the program that supplies the secret of profile %s asks jeton for this very profile", q.Name).
				WithHint("let it use another source"))
		}
	}
	return p, about(p, checkFormat(p))
}

// checkFormat returns an error if the profile names a format that there is not.
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

// open opens the cache and the state directory. Nothing that is wrong with
// them fails a command.
func (a *app) open(ctx context.Context, keep bool) {
	a.cache = &cache.Cache{Store: cache.None{}, Pepper: []byte{}, Warn: a.warn}
	if !keep {
		a.why = cache.ErrNoCache
		return
	}
	path, err := plugin.StateDir(a.getenv)
	if err == nil {
		a.state, err = cache.OpenDir(path)
	}
	if err != nil {
		a.state, a.why = nil, err
	}
	var dir *cache.Dir
	if path, err = plugin.CacheDir(a.getenv); err == nil {
		dir, err = cache.OpenDir(path)
	}
	if err == nil {
		pepperIn := a.state
		if pepperIn == nil {
			pepperIn = dir
		}
		var pepper []byte
		if pepper, err = cache.Pepper(ctx, pepperIn); err != nil && pepperIn != dir {
			pepper, err = cache.Pepper(ctx, dir)
		}
		if err == nil {
			a.cache.Store, a.cache.Pepper = dir, pepper
		}
	}
	if err != nil {
		a.warn("nothing is kept: %v; JETON_CACHE_DIR can name another directory", err)
	}
}

// need is what a command asks of a credential beyond what its profile says.
type need struct {
	minTTL, atLeast time.Duration
	since           time.Time
}

// fetch returns p's credential from the cache or its source.
func (a *app) fetch(ctx context.Context, p *plugin.Profile, n need) (*plugin.Credential, error) {
	key, err := a.cache.Key(p, a.getenv)
	if err != nil {
		return nil, err
	}
	return a.cache.Fetch(ctx, key, a.source(p, n), a.policy(p, n))
}

// policy returns what n and p ask of a credential together.
func (a *app) policy(p *plugin.Profile, n need) cache.Policy {
	policy := cache.Policy{
		Profile: p.Name, Config: p.Config, MinTTL: n.minTTL, AtLeast: n.atLeast, Since: n.since,
		RenewAfter: p.Common.RenewAfter, MaxTTL: p.Common.MaxTTL, Level: p.Level,
	}
	if p.Issuer.Mints {
		policy.Kept = a.ledger(p).Kept
	}
	return policy
}

// source returns the source of p's credentials, connected to that of the
// profile below it.
func (a *app) source(p *plugin.Profile, n need) plugin.Source {
	env := plugin.Env{Clients: &a.clients, Getenv: a.getenv, Log: a.log, Warn: a.warn, Ask: a.ask, Refresh: !n.since.IsZero(), Ledger: a.ledger(p)}
	if p.Base != nil {
		env.From = func(ctx context.Context, renew bool) (*plugin.Credential, error) {
			n := n
			if renew {
				n.since = time.Now()
			}
			c, err := a.fetch(ctx, p.Base, n)
			if err != nil && p.Base.Level {
				return nil, err
			}
			if err != nil {
				return nil, fmt.Errorf("from %s: %w", p.Base.Name, err)
			}
			return c, nil
		}
	}
	env.Keep = func(ctx context.Context, name string, life time.Duration, anew bool, fetch func(context.Context) ([]byte, error)) ([]byte, error) {
		since := n.since
		if anew {
			since = time.Now()
		}
		key, err := a.cache.DocumentKey(p, name, a.getenv)
		if err != nil {
			return nil, err
		}
		return a.cache.Document(ctx, key, life, since, fetch)
	}
	return p.Source(env)
}

func (a *app) ledger(p *plugin.Profile) *cache.Ledger {
	_, unkept := a.cache.Store.(cache.None)
	return &cache.Ledger{
		Dir: a.state, Why: a.why, Config: p.Config, Profile: p.Name, Roaming: a.roaming(p), Unkept: unkept, Cache: a.cache,
	}
}

// mints reports whether a login of p's can make a key.
func mints(p *plugin.Profile) bool {
	return slices.ContainsFunc(p.Chain(), func(q *plugin.Profile) bool { return q.Issuer.Mints })
}

// roaming reports whether p stands for whatever identity is in the
// environment.
func (a *app) roaming(p *plugin.Profile) bool {
	chain := p.Chain()
	return a.issuers.Reserved(chain[len(chain)-1].Name)
}
