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
	// Check returns an error if the command can take nothing that the issuer gives:
	// before it is asked, which might make a key.
	Check(cmd *Command, i *plugin.Issuer) error
	// Prepare returns what hands c over to the command, or nil if the environment
	// does, or another format.
	Prepare(ctx context.Context, cmd *Command, c *plugin.Credential) (Handover, error)
}

// A Handover makes the files for a command in a private directory, which is removed when
// the command has ended. It returns [ErrEnvironment] if they would be of no use there.
type Handover func(dir string) (*Surroundings, error)

// Surroundings are what a command finds a credential by.
type Surroundings struct {
	Files map[string][]byte // by their names in the directory
	Set   []Variable
	Unset []string // the names of variables that would lead elsewhere
}

// ErrEnvironment says that the environment has to do.
var ErrEnvironment = errors.New("the environment has to do")

// A Command is a program that is to run with a credential.
type Command struct {
	Argv    []string
	Path    string // of the program
	Caller  *Caller
	Catalog plugin.Cataloger // of the credential's issuer, or nil
	Log     func(format string, args ...any)
}

// program returns the name of the program.
func (cmd *Command) program() string { return strings.TrimSuffix(filepath.Base(cmd.Argv[0]), ".exe") }

// Check returns an error if the command can take nothing that the issuer gives.
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

// MinTTL is the life that a credential should have for a command.
func (cmd *Command) MinTTL() time.Duration { return openStackTTL }

// Prepare returns what hands c over to the command by files, or nil if the environment
// does.
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

// Environment returns the variables that carry c to the command, and those to take out.
func (cmd *Command) Environment(c *plugin.Credential) (set []Variable, unset []string, err error) {
	return Environment(c, Options{Issuers: cmd.Caller.Issuers, Profile: cmd.Caller.Name,
		Client: clientOf(cmd.program())})
}
