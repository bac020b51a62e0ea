package plugin

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// An Issuer is a kind of source: what `plugin:` in a profile names.
type Issuer struct {
	Name  string
	Gives Kind
	From  string // what it says of itself in the README's table
	Mints bool   // each profile's keys are its own, and recorded in a ledger
	// Takes are the kinds of credential that it makes its own of, by `from`. What is
	// made of the credential of one certain issuer is not in it.
	Takes []Taken
	// APIServer tells what an API server of Kubernetes needs before it takes
	// the credential, or is empty. PROFILE in it stands for the profile's name.
	APIServer string

	// New returns the options of a profile with their defaults.
	New func() Options
	// Aliases are other names of options, as existing configuration files
	// have them: other name → option.
	Aliases map[string]string

	// Doctor, if not nil, returns what is wrong, or soon will be, with a credential
	// of the profile, in the check's own words.
	Doctor func(profile string, c *Credential, now time.Time) []Finding
	// Imports are the files of the issuer's own tools that profiles can be made of.
	Imports []Import

	// EnvName is the reserved profile name for the identity in the
	// environment, such as "env-os", or empty if the issuer knows none.
	EnvName string
	// FileVariables are variables that lead to files which only Environment knows
	// of: what depends on one is read anew each time.
	FileVariables []string
	// Environment reports whether the environment holds a complete identity
	// of this issuer and returns it as raw option values.
	// It returns an error if the environment asks for what the issuer cannot.
	Environment func(getenv func(string) string) (values map[string]Value, complete bool, err error)
}

// Options are the options of one profile: a pointer to a struct whose fields
// have a `yaml` tag with the option's name and a `help` tag. Every field is
// part of the cache key unless it is tagged `key:"-"`.
type Options interface {
	// Complete checks the options and fills in what depends on others.
	Complete(common *Common) error
	// Source returns the source. It does no work yet.
	Source(env *Env) Source
}

// ObjectStore are [Options] of keys for S3, which know where that is.
type ObjectStore interface {
	// ObjectStore returns AWS's notion of a region and the address; either can be
	// empty.
	ObjectStore() (region, endpoint string)
}

// Layered are [Options] of which a profile makes its credential in two steps,
// the first of which others can share: an unscoped token, of which each project
// gets one.
type Layered interface {
	// Below returns the complete options of the first step, or nil.
	Below() Options
}

// Ambient are [Options] of which the environment decides whose the credential
// is.
type Ambient interface {
	// Variables returns the names of the variables that do.
	Variables() []string
}

// A Taken is a kind of credential of which an issuer makes its own.
type Taken struct {
	Kind    Kind
	Options string // what a profile has to say for it beside `from`, or empty
}

// takes reports whether the issuer makes its credential of one of the kinds, and the
// options that this takes.
func (i *Issuer) takes(kinds Kind) (options string, ok bool) {
	for _, t := range i.Takes {
		if t.Kind&kinds != 0 {
			return t.Options, true
		}
	}
	return "", false
}

// Issuers are the kinds of source that there are, in the order in which an
// identity in the environment is looked for.
type Issuers []Issuer

// names returns the names of the issuers of the kind.
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

// Makers returns the names of the issuers that make a credential of the kind want of one
// of those in from.
func (l Issuers) Makers(want, from Kind) []string {
	return l.names(func(i *Issuer) bool {
		_, ok := i.takes(from)
		return ok && i.Gives == want
	})
}

// Giving returns the names of the issuers that give this kind and no other.
func (l Issuers) Giving(kind Kind) []string {
	return l.names(func(i *Issuer) bool { return i.Gives == kind })
}

// MakeOf returns what to write to make a credential of the kind want of one of the
// kind have, which the profile gives, or "" if no issuer does.
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

// LeadsToFiles reports whether the variable leads to files that only the issuer's own
// reader knows of.
func (l Issuers) LeadsToFiles(variable string) bool {
	return l.names(func(i *Issuer) bool { return slices.Contains(i.FileVariables, variable) }) != nil
}

// Imports returns what profiles can be made of.
func (l Issuers) Imports() (imports []Import) {
	for i := range l {
		imports = append(imports, l[i].Imports...)
	}
	return imports
}

// FromEnvironment returns the profile of a reserved name, made from the
// environment variables of the issuers' own tools: "env" takes the first
// issuer with a complete identity, "env-os" and the like name one. It returns
// nil if the environment holds no complete identity. others are the names of
// further complete ones. What is wrong with one identity is an error only if
// there is no other.
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
		p = &Profile{Name: name, Issuer: issuer, Options: issuer.New()}
		targets := optionFields(p)
		for _, option := range slices.Sorted(maps.Keys(values)) {
			f, v := targets[option], values[option]
			if err := f.setText(v); err != nil {
				return nil, nil, fmt.Errorf("%s: %w", v.From(), err)
			}
		}
		if err := p.complete(); err != nil {
			return nil, nil, err
		}
	}
	if p != nil {
		return p, others, nil
	}
	return nil, nil, err
}

// Incomplete returns an error that says what the identity in the environment
// lacks, or nil if there is no beginning of one.
func (l Issuers) Incomplete(getenv func(string) string) error {
	for i := range l {
		issuer := &l[i]
		if issuer.EnvName == "" {
			continue
		}
		if values, complete, err := issuer.Environment(getenv); err == nil && !complete && len(values) > 0 {
			_, _, err := l.FromEnvironment(issuer.EnvName, getenv)
			return err
		}
	}
	return nil
}

// Reserved reports whether name is that of a profile made from the
// environment.
func (l Issuers) Reserved(name string) bool {
	return name == "env" || l.names(func(i *Issuer) bool { return i.EnvName == name }) != nil
}
