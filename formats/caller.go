package formats

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/jeton-cli/jeton/plugin"
)

// A Caller is a program that asks jeton for a credential, as setup, doctor and exec see
// it: where its files are, and what belongs in them.
type Caller struct {
	Name     string          // of the profile
	Config   string          // the profile's file, if it is not the usual one; only exec needs it
	Profile  *plugin.Profile // nil if there is none
	Issuers  plugin.Issuers
	Getenv   func(string) string
	Home     string
	Argv     []string // prints the credential: the program's absolute path and its arguments
	As       string   // name of the entry, if not the profile's
	Context  string   // for callers with contexts: the one that is to log in this way
	User     string   // for callers with users: the one to make
	ReadFile func(path string) ([]byte, error)
	// Key is what setup writes into the clouds that the plugin of keystoneauth may serve. A
	// clouds.yaml of somebody else does not have it.
	Key string
	// ArgvFor returns the command line that prints the credential in a format.
	ArgvFor func(format string) ([]string, error)
	// Fetch returns the profile's credential, with at least this life left if possible.
	Fetch func(ctx context.Context, minTTL time.Duration) (*plugin.Credential, error)
	// Store returns where the object store of the profile's keys is, if the profile does not
	// say it.
	Store func(ctx context.Context) (region, endpoint string, err error)

	// Profiles returns the profiles of the configuration that can be read. Only exec needs
	// it, for hints.
	Profiles func() []*plugin.Profile

	// Only doctor needs these. Find returns the profile called name, or the default one
	// if name is empty. Serving returns the profile that serves it with a credential of the
	// kind. Token returns the token that is kept for a profile, or "". Wrote returns the files
	// that the setup of an entry for a format has written.
	Find    func(name string) (*plugin.Profile, error)
	Serving func(p *plugin.Profile, kind plugin.Kind) (*plugin.Profile, error)
	Token   func(profile string) string
	Wrote   func(format, profile, entry string) []string
}

// maxFile is the largest file of a caller that jeton reads, in bytes: 16 MiB.
const maxFile = 16 << 20

// ReadFile returns the content of a caller's file, or nil if the file does not exist. Its
// errors are [plugin.Config] errors.
func ReadFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	switch {
	case err != nil:
		return nil, plugin.Errorf(plugin.Config, "%v", err)
	case !info.Mode().IsRegular(): // such as a pipe that nobody writes to
		return nil, plugin.Errorf(plugin.Config, "%s is not a regular file", path)
	case info.Size() > maxFile:
		return nil, plugin.Errorf(plugin.Config, "%s is larger than 16 MiB", path)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, plugin.Errorf(plugin.Config, "%v", err)
	}
	return text, nil
}

// CheckGiven returns a [plugin.Config] error if the user gives the path of a file that is not
// there or that cannot be looked for.
func CheckGiven(path string) error {
	_, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return plugin.Errorf(plugin.Config, "%s: no such file", plugin.Shorten(path))
	case err != nil:
		return plugin.Errorf(plugin.Config, "%v", err)
	}
	return nil
}

// path returns the file that the variable names, or the usual file below the home
// directory.
func (c *Caller) path(variable string, usual ...string) string {
	if path := c.Getenv(variable); path != "" {
		return absolute(plugin.ExpandHome(path))
	}
	return filepath.Join(append([]string{c.Home}, usual...)...)
}

// absolute returns path as an absolute path, if it can.
func absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}
