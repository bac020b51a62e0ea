// Package cli is the command line of jeton: a profile names a source of
// credentials, the cache keeps what the source yields, and a format writes it.
//
// Each command has a file of its own, which is the grammar, the checks, the call
// and the print. A command gets what it needs as values, and no more:
//
//	invocation    what was typed, and when
//	*terminal     where it prints, warns and asks
//	*profiles     the configuration file, and the profile that is meant
//	cache.World   what a session needs; a command opens it when it has checked the rest
package cli

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"reflect"
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

// globals are the flags of all commands.
type globals struct {
	Config  string `help:"Configuration file, instead of $JETON_CONFIG or config.yaml in the configuration directory." placeholder:"FILE"`
	Verbose bool   `help:"Log each request on stderr."`
	Color   string `help:"Use colours: auto (at a terminal, without NO_COLOR), always, never." enum:"auto,always,never" default:"auto" placeholder:"WHEN"`
}

// A verb is a command of jeton.
type verb struct {
	name, help string
	// grammar is the command's struct, or a function that makes it from the issuers. The
	// function is called only for a command line that has the command: it takes time.
	grammar any
}

// verbs returns all commands, in the order of --help.
func verbs() []verb {
	return []verb{
		{"get", "Print a credential.", &getCmd{}},
		{"exec", "Run a command with a credential in its environment.", &execCmd{}},
		{"init", "Make the first profile: find what there is, try the login, set callers up.", &initCmd{}},
		{"login", "Log in at the browser, with a code, or with a password.", &loginCmd{}},
		{"logout", "Revoke a credential and forget it.", &logoutCmd{}},
		{"reject", "Drop a credential that a service refused. The next call fetches a new one.", &rejectCmd{}},
		{"status", "Show the profiles and their cached credentials.", &statusCmd{}},
		{"doctor", "Find what is wrong, as each caller would meet it, and print the fix.", &doctorCmd{}},
		{"inspect", "Show whose a credential is, and what its issuer offers.", &inspectCmd{}},
		{"import", "Make profiles from the configuration of other tools.", newImportCmd},
		{"setup", "Set up aws, kubectl or openstack for a profile.", newSetupCmd},
		{"secret", "Keep a secret in the system keyring: set or rm.", &secretCmd{}},
		{"gc", "Remove expired credentials and unwanted access keys.", &gcCmd{}},
		{"completion", "Print a completion script for a shell.", &completionCmd{}},
		{"man", "Print the manual page, or that of a plugin's options.", &manCmd{}},
		{"schema", "Print the JSON schema of the configuration file.", &schemaCmd{}},
		{"version", "Print the version.", &versionCmd{}},
	}
}

// subcommand returns a struct with one command, as kong wants it.
func subcommand(name, help string, command any) any {
	tag := fmt.Sprintf(`cmd:"" name:%q help:%q`, name, help)
	field := reflect.StructField{Name: "Command", Type: reflect.TypeOf(command), Tag: reflect.StructTag(tag)}
	v := reflect.New(reflect.StructOf([]reflect.StructField{field}))
	v.Elem().Field(0).Set(reflect.ValueOf(command))
	return v.Interface()
}

const description = `Jeton fetches cloud credentials, caches them safely, and prints them in the format that aws, kubectl, openstack and other tools expect.

A profile in the configuration file says where a credential comes from. Without a profile, jeton uses the identity in the environment, such as a sourced openrc file.

To begin:
  jeton init                              the first profile, by questions
  jeton import clouds                     or take over what other tools have
  jeton login web                         log in at the browser, as a person

To use it:
  jeton setup kubernetes web --context c  kubectl asks jeton from now on
  jeton setup aws web                     and aws does too
  jeton exec web -- openstack server list for one command
  jeton get web -f header                 for scripts

When something is wrong:
  jeton doctor                            what is wrong, and the fix
  jeton status                            what is cached, for how long, errors
  jeton inspect web                       whose credential it is, its projects
  jeton get web --verbose                 each request that is sent
  jeton reject web                        the next call fetches a new one
  jeton logout web                        revoke and forget

Reference:
  jeton COMMAND --help                    a command
  jeton help keystone                     the options of a plugin`

// An invocation is what was typed, and when.
type invocation struct {
	issuers plugin.Issuers
	version string
	started time.Time
	args    []string // of the command line
	command []string // of exec: what stands behind "--"
	env     *environment
	globals globals
}

// An environment is the process environment. It records which variables were read.
type environment struct {
	mu   sync.Mutex
	read map[string]bool
}

func (e *environment) get(name string) string {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.read[name] = true
	return os.Getenv(name)
}

// names returns the names of the variables that were read.
func (e *environment) names() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Sorted(maps.Keys(e.read))
}

// Main carries out one command line with these issuers, and returns the exit code.
func Main(issuers plugin.Issuers, version string, args []string) int {
	started := time.Now()
	protect()
	return int(newInvocation(issuers, version, started, args).run())
}

func newInvocation(issuers plugin.Issuers, version string, started time.Time, args []string) *invocation {
	return &invocation{
		issuers: issuers, version: version, started: started, args: args, env: &environment{read: map[string]bool{}},
	}
}

// run carries out the command line, and returns the exit code.
func (i *invocation) run() (code plugin.Code) {
	t := &terminal{
		out: os.Stdout, err: os.Stderr, closed: outputClosed, getenv: i.env.get, verbose: &i.globals.Verbose,
		color: &i.globals.Color,
		hold:  func() func() { return func() {} },
	}
	defer func() {
		if r := recover(); r != nil {
			code = t.fail(plugin.PanicError(r))
		}
	}()
	if document, note := cache.LeftBehind(i.args, i.env.get); document != nil {
		n, err := t.write(document)
		switch {
		case err == nil:
			note.Write()
			return 0
		case n > 0:
			return t.fail(err)
		} // the ordinary path will fail the same way, and name the profile
	}
	endQuietly()
	ps := &profiles{issuers: i.issuers, getenv: i.env.get, warn: t.warn, path: &i.globals.Config}
	if len(i.args) > 0 && i.args[0] == completeCommand {
		return t.fail(complete(i, t, ps, i.args[1:]))
	}
	if len(i.args) > 0 && i.args[0] == loginCommand {
		return t.fail(authenticate(i, t, ps, i.args[1:]))
	}
	return t.fail(i.dispatch(t, ps))
}

// dispatch reads the command line, and runs its command.
func (i *invocation) dispatch(t *terminal, ps *profiles) error {
	args := i.args
	if n := slices.Index(args, "--"); n >= 0 {
		args, i.command = args[:n], args[n+1:]
	}
	switch {
	case len(args) == 0:
		args = []string{"--help"}
	case args[0] == "--version":
		args = append([]string{"version"}, args[1:]...)
	case args[0] == "help":
		args = slices.DeleteFunc(slices.Clone(args[1:]), func(word string) bool {
			return word == "--help" || word == "-h"
		})
		if len(args) == 1 && i.issuerNamed(args[0]) != nil {
			return t.print(issuerHelp(i.issuerNamed(args[0]), t.outLook()))
		}
		if len(args) == 1 && !slices.ContainsFunc(verbs(), func(v verb) bool { return v.name == args[0] }) {
			return noPlugin(args[0], i.issuers.Names())
		}
		args = append(args, "--help")
	}
	exited := false
	var help bytes.Buffer
	parser, err := i.parser(args, &help, func(int) { exited = true })
	if err != nil {
		return err
	}
	k, err := parser.Parse(args)
	switch {
	case exited:
		return t.print(help.Bytes())
	case err != nil:
		return usage(err, values(ps, "profile"), i.issuers)
	case i.command != nil && k.Selected().Name != "exec":
		return plugin.Errorf(plugin.Usage, "only exec takes a command after --").WithHint("jeton exec --help")
	}
	ctx, cancel := plugin.Limit(plugin.Watched(context.Background(), t.waiting), budget)
	defer cancel()
	defer watch(ctx, grace, func() { os.Exit(int(t.fail(errHangs()))) })()
	t.hold = func() (resume func()) { return plugin.Suspend(ctx) }
	k.BindTo(ctx, (*context.Context)(nil))
	return k.Run(i, t, ps, cache.World{Issuers: i.issuers, Getenv: i.env.get, Log: t.log, Warn: t.warn,
		People: newVisitor(i, t, ps).people(), Shared: ps.shared})
}

// parser returns the parser of a command line. The commands in names have their whole
// grammar, the others only a name. The parser calls exit after it has written help.
func (i *invocation) parser(names []string, help io.Writer, exit func(int)) (*kong.Kong, error) {
	options := []kong.Option{
		kong.Name("jeton"), kong.Description(description),
		kong.Vars{
			"formats": strings.Join(formats.Names(), ", "), "clouds": strings.Join(i.issuers.CloudNames(), ", "),
		},
		kong.Writers(help, io.Discard), // it writes nothing else: its errors are returned
		kong.Exit(exit),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100}),
	}
	for _, v := range verbs() {
		var grammar any = &struct{}{} // building every grammar would take too long
		if slices.Contains(names, v.name) {
			grammar = v.grammar
		}
		if make, ok := grammar.(func(plugin.Issuers) any); ok {
			grammar = make(i.issuers)
		}
		options = append(options, kong.DynamicCommand(v.name, v.help, "", grammar))
	}
	return kong.New(&i.globals, options...)
}

// about returns err as an error about the profile p, or nil.
func about(p *plugin.Profile, err error) error {
	if err == nil {
		return nil
	}
	return &plugin.ProfileError{Profile: p.Name, Err: err}
}
