package plugin

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// An Issuer is a kind of credential source. A profile names it in `plugin:`.
type Issuer struct {
	Name  string
	Gives Kind
	From  string // its description in tables
	// Example is a profile of it, as it stands below "profiles:".
	Example string
	Mints   bool // each profile has its own keys, recorded in a ledger
	// Marks says that its keys carry a tag and an end, by which any host can find and delete
	// them. Only such keys are shared by hosts.
	Marks bool
	// Takes are the kinds of credential from which it makes its own, through `from`. It
	// leaves out credentials that must come from one particular issuer.
	Takes []Taken
	// Implied, if not nil, is a profile that nobody has to write: one stands on each profile
	// that gives what the issuer takes.
	Implied *Implied
	// APIServer says what a Kubernetes API server needs before it accepts the credential,
	// or is empty. PROFILE in it stands for the profile's name.
	APIServer string

	// New returns a profile's options with their defaults.
	New func() Options
	// Aliases are other names that existing configuration files use for options: other
	// name → option.
	Aliases map[string]string

	// Doctor, if not nil, returns what is wrong, or soon will be, with a credential of
	// the profile. Each finding names its own check.
	Doctor func(profile string, c *Credential, now time.Time) []Finding
	// Imports are the ways to make profiles from files of the issuer's own tools.
	Imports []Import

	// Ways are the ways to begin with it.
	Ways []Way
	// Prompts are the secrets that a profile can leave out: the person is asked for them.
	Prompts []string
	// Adopt, if not nil, returns the options of a profile that does what a caller's helper
	// does. It returns nil for a helper that is not the issuer's.
	Adopt func(h Helper) (*Adopted, error)

	// EnvName is the reserved name of the profile made from the environment, such as
	// "env-os". It is empty if the issuer has no such profile.
	EnvName string
	// FileVariables are variables that lead to files which only Environment knows. What
	// depends on such a variable is read again each time.
	FileVariables []string
	// Environment returns the issuer's identity in the environment as raw option values,
	// and reports whether it is complete. It returns an error if the environment asks for
	// something that the issuer cannot do.
	Environment func(getenv func(string) string) (values map[string]Value, complete bool, err error)
}

// An Implied profile is called like the profile that it stands on, a colon, and its own name.
type Implied struct {
	Name string
	New  func() Options // its options
}

// Options are the options of one profile: a pointer to a struct. Each field has a `yaml`
// tag with the option's name and a `help` tag. Every field is part of the cache key
// unless it is tagged `key:"-"`.
type Options interface {
	// Complete checks the options and fills in those that depend on others.
	Complete(common *Common) error
	// Source returns the source. It does no work yet.
	Source(env *Env) Source
}

// ObjectStore is implemented by [Options] for S3 keys that know where the object store
// is.
type ObjectStore interface {
	// ObjectStore returns the region, as AWS understands the word, and the address.
	// Either can be empty.
	ObjectStore() (region, endpoint string)
}

// A StoreFinder is a [Source] of S3 keys that can find the object store that takes them.
type StoreFinder interface {
	// FindStore returns what [ObjectStore] does. It makes no key. It returns a [Config]
	// error if nothing tells where the store is.
	FindStore(ctx context.Context) (region, endpoint string, err error)
}

// Layered is implemented by [Options] whose credential is made in two steps. Other
// profiles can share the first step. For example, several projects can get their tokens
// from one unscoped token.
type Layered interface {
	// Below returns the complete options of the first step, or nil.
	Below() Options
}

// Sessioned is implemented by the [Options] of a person's login that can share its session
// at the server with logins for other things there.
type Sessioned interface {
	// Session returns the options that identify the session.
	Session() Options
}

// OwnIssuer is implemented by the [Options] of a level that is the same below the profiles
// of several issuers. Such profiles share it.
type OwnIssuer interface {
	// LevelIssuer returns the issuer of the level.
	LevelIssuer() *Issuer
}

// Ambient is implemented by [Options] where the environment decides whose credential it
// is.
type Ambient interface {
	// Variables returns the names of the environment variables that decide this.
	Variables() []string
}

// A Taken is a kind of credential from which an issuer makes its own.
type Taken struct {
	Kind    Kind
	Options string // the options that a profile needs for it besides `from`, or empty
}

// takes reports whether the issuer makes its credential from one of the kinds, and
// returns the options needed for that.
func (i *Issuer) takes(kinds Kind) (options string, ok bool) {
	for _, t := range i.Takes {
		if t.Kind&kinds != 0 {
			return t.Options, true
		}
	}
	return "", false
}

// Issuers are all kinds of source. Their order is the order in which the environment is
// searched for an identity.
type Issuers []Issuer

// names returns the names of the issuers for which kind returns true.
func (l Issuers) names(kind func(*Issuer) bool) (names []string) {
	for i := range l {
		if kind(&l[i]) {
			names = append(names, l[i].Name)
		}
	}
	return names
}

// Names returns the names of the issuers, sorted.
func (l Issuers) Names() []string {
	names := l.names(func(*Issuer) bool { return true })
	slices.Sort(names)
	return names
}

// Makers returns the names of the issuers that make a credential of kind want from one of
// the kinds in from.
func (l Issuers) Makers(want, from Kind) []string {
	return l.names(func(i *Issuer) bool {
		_, ok := i.takes(from)
		return ok && i.Gives == want
	})
}

// Giving returns the names of the issuers that give exactly this kind.
func (l Issuers) Giving(kind Kind) []string {
	return l.names(func(i *Issuer) bool { return i.Gives == kind })
}

// MakeOf says what to write to turn the credential of kind have, which the profile gives,
// into one of kind want. It returns "" if no issuer can do that.
func (l Issuers) MakeOf(want, have Kind, profile string) string {
	for i := range l {
		options, ok := l[i].takes(have)
		if !ok || l[i].Gives != want {
			continue
		}
		if options != "" {
			options = ", " + options
		}
		return "make one of it: a profile with plugin: " + l[i].Name + options + " and from: " + profile
	}
	return ""
}

// Implied returns the issuer whose implied profile makes a credential of kind want from one
// of kind have, or nil.
func (l Issuers) Implied(want, have Kind) *Issuer {
	for i := range l {
		if _, ok := l[i].takes(have); ok && l[i].Implied != nil && l[i].Gives == want {
			return &l[i]
		}
	}
	return nil
}

// LeadsToFiles reports whether the variable leads to files that only the issuer's own
// reader knows.
func (l Issuers) LeadsToFiles(variable string) bool {
	return l.names(func(i *Issuer) bool { return slices.Contains(i.FileVariables, variable) }) != nil
}

// Imports returns the imports of all issuers.
func (l Issuers) Imports() (imports []Import) {
	for i := range l {
		imports = append(imports, l[i].Imports...)
	}
	return imports
}

// FromEnvironment returns the profile with a reserved name, made from the environment
// variables of the issuers' own tools. The name "env" takes the first issuer with a
// complete identity; a name such as "env-os" selects one issuer. It returns nil if the
// environment holds no complete identity. others are the reserved names of further
// complete identities. A faulty identity is an error only if there is no other.
func (l Issuers) FromEnvironment(name string, getenv func(string) string) (p *Profile, others []string, err error) {
	for i := range l {
		issuer := &l[i]
		if issuer.EnvName == "" || name != "env" && name != issuer.EnvName {
			continue
		}
		values, complete, e := issuer.Environment(getenv)
		if e != nil {
			err = errors.Join(err, e)
			continue
		}
		if !complete && name == "env" {
			continue
		}
		if p != nil {
			others = append(others, issuer.EnvName)
			continue
		}
		if p, e = issuer.fromValues(name, values, false); e != nil {
			_, allowed := issuer.fromValues(name, values, true)
			if http := without(e, allowed); http != nil {
				e = AsError(http).WithHint("use https; if the network is your own: jeton import env NAME --plain-http")
			}
			return nil, nil, e
		}
	}
	if p != nil {
		return p, others, nil
	}
	return nil, nil, err
}

// fromValues returns a profile with these options.
func (i *Issuer) fromValues(name string, values map[string]Value, plainHTTP bool) (*Profile, error) {
	p := &Profile{Name: name, Issuer: i, Options: i.New()}
	p.Common.PlainHTTP = plainHTTP
	targets := optionFields(p)
	for _, option := range slices.Sorted(maps.Keys(values)) {
		f, v := targets[option], values[option]
		if err := f.setText(v); err != nil {
			return nil, fmt.Errorf("%s: %w", v.From(), err)
		}
	}
	return p, p.complete()
}

// Incomplete returns the reserved name of an identity in the environment that is not
// complete, and an error that says what it lacks: nil, if a person can supply that. The
// name is empty if there is no such identity.
func (l Issuers) Incomplete(getenv func(string) string) (name string, err error) {
	for i := range l {
		issuer := &l[i]
		if issuer.EnvName == "" {
			continue
		}
		if values, complete, err := issuer.Environment(getenv); err == nil && !complete && len(values) > 0 {
			_, _, err := l.FromEnvironment(issuer.EnvName, getenv)
			return issuer.EnvName, err
		}
	}
	return "", nil
}

// Reserved reports whether name is the reserved name of a profile made from the
// environment.
func (l Issuers) Reserved(name string) bool {
	return slices.Contains(l.reservedNames(), name)
}

func (l Issuers) reservedNames() []string {
	names := []string{"env"}
	for i := range l {
		if l[i].EnvName != "" {
			names = append(names, l[i].EnvName)
		}
	}
	return names
}
