package plugin

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"
)

// An Import makes profiles from another tool's configuration: a file or the environment.
type Import struct {
	Name string // as in jeton import NAME
	Help string // one line
	// Words are what else people call it, for "did you mean".
	Words []string
	// New returns a new command line of the import.
	New func() Importer
	// Find, if not nil, returns what there is to take over, without a command line.
	Find func(env ImportEnv) []Found
	// Open, if not nil, returns the import of the file at path, or nil for a file of another
	// kind.
	Open func(path string) Importer
}

// An Importer is the command line of an import. It is a pointer to a struct whose fields
// have the tags of kong (https://github.com/alecthomas/kong) for arguments and flags.
type Importer interface {
	// Help returns a longer help text, or nothing.
	Help() string
	// Drafts returns the profiles. If it returns an error, it also returns the profiles
	// that could be made.
	Drafts(env ImportEnv) ([]Draft, error)
}

// An ImportEnv is what an [Importer] may use of the outside world besides files.
type ImportEnv struct {
	Getenv    func(string) string
	Variables []string // the names of all variables that are set
	Home      string   // the home directory, or empty
	Issuers   Issuers
	// Note tells the user what is of no profile. It may be nil.
	Note func(text string)
	// As is the name of the profile, if there is one and the user wants to give it a name.
	As string
}

// A Found is something that an import can take over.
type Found struct {
	What     string // where it is, in a few words
	Importer Importer
}

// Opens returns a function for [Import] that opens the files whose names end so.
func Opens(open func(path string) Importer, ends ...string) func(path string) Importer {
	return func(path string) Importer {
		for _, end := range ends {
			if strings.HasSuffix(path, end) {
				return open(path)
			}
		}
		return nil
	}
}

// FileFirst splits args into a file and names. The first argument is a file if it
// contains a directory and there is no such name, or if it ends in one of the suffixes.
func FileFirst(args []string, suffixes ...string) (path string, names []string) {
	return FileOrName(args, func(string) bool { return false }, suffixes...)
}

// FileOrName is FileFirst where names can have slashes in them. is reports whether there is
// such a name.
func FileOrName(args []string, is func(name string) bool, suffixes ...string) (path string, names []string) {
	if len(args) > 0 && !is(args[0]) && (strings.ContainsRune(args[0], filepath.Separator) ||
		slices.Contains(suffixes, filepath.Ext(args[0]))) {
		return args[0], args[1:]
	}
	return "", args
}

// DraftsOf returns the drafts of the profiles called names in the file at path, or of all
// profiles if names is empty. If there is only one, as renames it. With an error, it also
// returns the drafts that could be made.
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
		} else if err := CheckName(d.Name); err != nil {
			e := AsError(err)
			e.Hint = ShellWords("--as", NameLike(name)) + " gives it another one; take one at a time then"
			failures = errors.Join(failures, &ProfileError{Shorten(name), e})
			continue
		}
		drafts = append(drafts, d)
	}
	return drafts, failures
}

// NameLike returns a name for a profile that is like name.
func NameLike(name string) string {
	like := strings.Trim(strings.Map(func(r rune) rune {
		if r < 0x80 && Word(string(r), "_@-") {
			return r
		}
		return '-'
	}, name), "-@")
	if CheckName(like) != nil {
		return "NAME"
	}
	return like
}

// Tell tells the user what is of no profile.
func (e ImportEnv) Tell(notes []string) {
	for _, note := range notes {
		if e.Note != nil {
			e.Note(note)
		}
	}
}
