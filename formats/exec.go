package formats

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"time"

	"github.com/jeton-cli/jeton/plugin"
)

// An Exec is how a format's caller, run by exec, gets a credential through files that are
// made for it.
type Exec interface {
	// Check returns an error if the command can use nothing that the issuer gives. It is
	// called before the issuer is asked, because that might make a key.
	Check(cmd *Command, i *plugin.Issuer) error
	// Prepare returns what hands c over to the command, or nil if the environment or
	// another format does that.
	Prepare(ctx context.Context, cmd *Command, c *plugin.Credential) (Handover, error)
}

// A Handover makes the files for a command in dir, a private directory that is removed
// when the command has ended. It returns [ErrEnvironment] if the files would be of no use
// there.
type Handover func(dir string) (*Surroundings, error)

// Surroundings are the files and variables through which a command finds a credential.
type Surroundings struct {
	Files map[string][]byte // by name in the directory, with slashes
	Set   []Variable
	Unset []string // the names of variables that would mislead the command
	// Refused is the name of a file that is there afterwards if the credential was refused.
	Refused string
}

// ErrEnvironment says that files are of no use and the environment must carry the
// credential.
var ErrEnvironment = errors.New("the environment has to do")

// A Command is a program to be run with a credential.
type Command struct {
	Argv    []string
	Path    string // of the program
	Caller  *Caller
	Catalog plugin.Cataloger // of the credential's issuer, or nil
	Log     func(format string, args ...any)
	// Body is what the issuer says about the token, if it is known.
	Body []byte
	// Packages puts files, by their names with slashes, into a directory for packages of
	// Python that stays, and returns its path.
	Packages func(files map[string]string) (dir string, err error)
}

// program returns the name of the program.
func (cmd *Command) program() string { return strings.TrimSuffix(filepath.Base(cmd.Argv[0]), ".exe") }

// Check returns an error if the command can use nothing that the issuer gives.
func (cmd *Command) Check(i *plugin.Issuer) error {
	for _, k := range Kinds {
		if k.Exec != nil {
			if err := k.Exec.Check(cmd, i); err != nil {
				return err
			}
		}
	}
	return nil
}

// Needs returns the kinds of credential of which the command has to have one, or 0.
func (cmd *Command) Needs() plugin.Kind {
	kinds, _ := storageNeeds(cmd)
	return kinds
}

// Whole reports whether the command needs all that the issuer says about a token when it
// makes it.
func (cmd *Command) Whole() bool { return takesPlugin(cmd) }

// MinTTL returns the life that a credential should have left for a command.
func (cmd *Command) MinTTL() time.Duration { return openStackTTL }

// Prepare returns what hands c over to the command through files, or nil if the
// environment does that.
func (cmd *Command) Prepare(ctx context.Context, c *plugin.Credential) (Handover, error) {
	for _, k := range Kinds {
		if k.Exec == nil {
			continue
		}
		if h, err := k.Exec.Prepare(ctx, cmd, c); h != nil || err != nil {
			return h, err
		}
	}
	return nil, nil
}

// Environment returns the variables that carry c to the command, and the names of those
// to unset.
func (cmd *Command) Environment(ctx context.Context, c *plugin.Credential) (set []Variable, unset []string,
	err error) {
	o := Options{Issuers: cmd.Caller.Issuers, Profile: cmd.Caller.Name, Client: clientOf(cmd.program())}
	if cmd.Catalog != nil {
		o.Endpoints = func(c *plugin.Credential) (map[string]string, error) { return cmd.Catalog.Endpoints(ctx, c) }
	}
	o.OtherScope, o.OtherDomain = cmd.rescopes(), cmd.option("--os-project-domain-") != ""
	return Environment(c, o)
}
