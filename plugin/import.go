package plugin

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"
)

// An Import makes profiles of what another tool is configured with: a file, or the
// environment.
type Import struct {
	Name string // as in jeton import NAME
	Help string // one line
	// New returns what a command line says of the import.
	New func() Importer
}

// An Importer is the command line of an import: a pointer to a struct whose fields
// have the tags of kong (https://github.com/alecthomas/kong) for arguments and flags.
type Importer interface {
	// Help says more than one line, or nothing.
	Help() string
	// Drafts returns the profiles. With an error it returns those that could be
	// made all the same.
	Drafts(env ImportEnv) ([]Draft, error)
}

// An ImportEnv is what an [Importer] may use of the outside world beside files.
type ImportEnv struct {
	Getenv    func(string) string
	Variables []string // the names of all variables that are set
}

// FileFirst splits arguments of which the first may be a file: it has a directory, or
// ends in one of the suffixes. The others are names.
func FileFirst(args []string, suffixes ...string) (path string, names []string) {
	if len(args) > 0 && (strings.ContainsRune(args[0], filepath.Separator) ||
		slices.Contains(suffixes, filepath.Ext(args[0]))) {
		return args[0], args[1:]
	}
	return "", args
}

// DraftsOf returns the drafts of those called names in the file at path, or of all. If
// there is one only, it can be called as.
func DraftsOf(path, as string, names, all []string, draft func(string) (Draft, error)) (drafts []Draft,
	failures error) {
	if len(names) == 0 {
		names = all
	}
	if len(names) == 0 {
		return nil, Errorf(Config, "%s: there is nothing in it to take over", path)
	}
	if as != "" && len(names) > 1 {
		return nil, Errorf(Usage, "--as names one profile, and there are %d: %s", len(names),
			Shorten(strings.Join(names, ", "))).
			WithHint("say which")
	}
	for _, name := range names {
		d, err := draft(name)
		if err != nil {
			failures = errors.Join(failures, &ProfileError{Shorten(name), err})
			continue
		}
		if as != "" {
			d.Name = as
		}
		drafts = append(drafts, d)
	}
	return drafts, failures
}
