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
// it: where its files are, and what is to be in them.
type Caller struct {
	Name     string          // of the profile
	Profile  *plugin.Profile // or nil, if there is none
	Issuers  plugin.Issuers
	Getenv   func(string) string
	Home     string
	Argv     []string // that prints the credential: the program's absolute path, and what follows
	As       string   // name of the entry, if it is not the profile's
	Context  string   // where a caller has contexts: the one that is to log in so
	User     string   // and users: the one to make
	ReadFile func(path string) ([]byte, error)
	// ArgvFor returns what prints the credential in a format.
	ArgvFor func(format string) ([]string, error)
	// Fetch returns the profile's credential, with that life if it can be had.
	Fetch func(ctx context.Context, minTTL time.Duration) (*plugin.Credential, error)

	// What doctor needs beside: a profile by its name, or the one that is meant without,
	// and the token that is kept for a profile, or "".
	Find  func(name string) (*plugin.Profile, error)
	Token func(profile string) string
}

// maxFile is the largest file of a caller in bytes, 16 MiB.
const maxFile = 16 << 20

// ReadFile returns a file of a caller; one that is not there is empty.
func ReadFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	switch {
	case err != nil:
		return nil, plugin.Errorf(plugin.Config, "%v", err)
	case !info.Mode().IsRegular(): // such as a pipe, which nobody writes to
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

// path returns the file that the variable names, or the usual one below home.
func (c *Caller) path(variable string, usual ...string) string {
	if path := c.Getenv(variable); path != "" {
		return absolute(plugin.ExpandHome(path))
	}
	return filepath.Join(append([]string{c.Home}, usual...)...)
}

// absolute is path as it is called from everywhere.
func absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}
