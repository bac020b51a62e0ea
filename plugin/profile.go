package plugin

import (
	"context"
	"fmt"
	"sort"
	"time"

	"go.yaml.in/yaml/v3"
)

// A Profile is one identity with one issuer.
type Profile struct {
	Name    string
	Issuer  *Issuer
	Options Options
	Common  Common
	Config  string                // the file that holds it
	places  map[string]*yaml.Node // where its options are in that file
	// withheld returns the variables that hold the secrets of profiles in that file, or is
	// nil.
	withheld func() []string
	// Base is the profile below this one: the profile that `from` names, or a level of
	// this one, or nil.
	Base *Profile
	// Level says that this is not a profile of its own, but a level of the profile above
	// it.
	Level bool
}

// Common are the options that profiles of every plugin have.
type Common struct {
	From       string        `yaml:"from" key:"-" help:"the profile whose credential this one is made from"`
	RenewAfter time.Duration `yaml:"renew_after" key:"-" help:"renew at this age, even if it would stay valid"`
	MaxTTL     time.Duration `yaml:"max_ttl" key:"-" help:"never use a kept credential beyond this age"`
	Format     string        `yaml:"format" key:"-" help:"format of jeton get without -f"`
	CAFile     Path          `yaml:"ca_file" help:"certificate authorities of the issuer, PEM"`
	CertFile   Path          `yaml:"cert_file" help:"client certificate, PEM"`
	KeyFile    Path          `yaml:"key_file" help:"key of the client certificate, PEM"`
	Proxy      string        `yaml:"proxy" help:"URL of an HTTP proxy; \"none\" for none"`
	Timeout    time.Duration `yaml:"timeout" key:"-" help:"for one request, at most 15s"`
	PlainHTTP  bool          `yaml:"plain_http" help:"allow http to hosts other than this one"`
}

// An Argv is a program with its arguments. A relative path is found from the folder of the
// configuration file.
type Argv []string

// Variables are the names of environment variables.
type Variables []string

// A Path is the name of a file whose content helps to decide the credential.
type Path string

// An Input is one option of a profile as it enters the cache key.
type Input struct{ Name, Value string }

// Inputs returns everything that decides which credential the profile gets. The same
// inputs give the same credential, and the order of the options in the file does not
// matter. The inputs hold secrets in clear text, so they are only ever hashed with a key.
// The inputs of the profile that `from` names are not included.
func (p *Profile) Inputs(getenv func(string) string) ([]Input, error) {
	inputs := []Input{{"plugin", p.Issuer.Name}}
	if p.Issuer.Mints {
		// Keys minted for one profile are deleted with it.
		inputs = append(inputs, Input{"minted for", p.Config + "\x00" + p.Name})
	}
	return appendInputs(p.ambient(inputs, getenv), keyInput(getenv), p.Options, &p.Common)
}

// ambient appends the variables that decide whose credential p gets.
func (p *Profile) ambient(inputs []Input, getenv func(string) string) []Input {
	if ambient, ok := p.Options.(Ambient); ok {
		for _, name := range ambient.Variables() {
			inputs = append(inputs, Input{"$" + name, getenv(name)})
		}
	}
	return inputs
}

// DocumentInputs returns everything that decides which document called name the profile
// gets: the options of its connections.
func (p *Profile) DocumentInputs(name string, getenv func(string) string) ([]Input, error) {
	return appendInputs([]Input{{"document", name}}, keyInput(getenv), &p.Common)
}

// keyInput returns the function that says how an option enters the key of this host's cache.
func keyInput(getenv func(string) string) func(field) (string, error) {
	return func(f field) (string, error) { return f.cacheInput(getenv) }
}

// appendInputs appends the options in the structs that blocks point to, as input gives them,
// and sorts all.
func appendInputs(inputs []Input, input func(field) (string, error), blocks ...any) ([]Input, error) {
	for _, block := range blocks {
		for _, f := range fields(block) {
			if f.skipKey || f.value.IsZero() {
				continue
			}
			v, err := input(f)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", f.name, err)
			}
			inputs = append(inputs, Input{f.name, v})
		}
	}
	sort.Slice(inputs, func(i, j int) bool { return inputs[i].Name < inputs[j].Name })
	return inputs, nil
}

// Chain returns p and the profiles below it, from top to bottom.
func (p *Profile) Chain() []*Profile {
	var chain []*Profile
	for ; p != nil; p = p.Base {
		chain = append(chain, p)
	}
	return chain
}

// Levels returns how many of the profiles below p are levels of p itself.
func (p *Profile) Levels() (n int) {
	for q := p.Base; q != nil && q.Level; q = q.Base {
		n++
	}
	return n
}

// Files returns the files that are read for the inputs of p and of the profiles below it.
func (p *Profile) Files() (paths []string) {
	for _, p := range p.Chain() {
		for _, block := range []any{p.Options, &p.Common} {
			for _, f := range fields(block) {
				switch v := f.value.Interface().(type) {
				case Path:
					if v != "" && !f.skipKey {
						paths = append(paths, string(v))
					}
				case SecretRef:
					if v.file != "" && !f.skipKey {
						paths = append(paths, v.file)
					}
				}
			}
		}
	}
	return paths
}

// SecretVariables returns the environment variables that hold the secrets of
// p and the profiles below it.
func (p *Profile) SecretVariables() []string {
	return p.references(func(r SecretRef) string { return r.env })
}

// KeyringNames returns the names, in the keyring, of the secrets of p and the profiles
// below it.
func (p *Profile) KeyringNames() []string {
	return p.references(func(r SecretRef) string { return r.keyring })
}

// Programs returns the programs that print the secrets of p and the profiles below it, or
// that print the credential itself.
func (p *Profile) Programs() []string {
	programs := p.references(func(r SecretRef) string {
		if len(r.command) == 0 {
			return ""
		}
		return r.command[0]
	})
	for _, p := range p.Chain() {
		for _, f := range fields(p.Options) {
			if argv, ok := f.value.Interface().(Argv); ok && len(argv) > 0 {
				programs = append(programs, argv[0])
			}
		}
	}
	return programs
}

// references calls name for each secret of p and the profiles below it, and returns the
// results that are not empty.
func (p *Profile) references(name func(SecretRef) string) (names []string) {
	for _, p := range p.Chain() {
		for _, f := range fields(p.Options) {
			if ref, ok := f.value.Interface().(SecretRef); ok && name(ref) != "" {
				names = append(names, name(ref))
			}
		}
	}
	return names
}

// Source returns the source of p's credentials. It fills in the fields of env that depend
// on p.
func (p *Profile) Source(env Env) Source {
	env.Profile, env.Config, env.Withheld = p.Name, p.Config, p.withheld
	env.HTTP = env.Clients.of(p.Common, env.Log)
	return p.Options.Source(&env)
}

// Run runs a program that has no need of p's secrets, and returns what it prints. It is as
// [Program.Run].
func (p *Profile) Run(ctx context.Context, argv []string, getenv func(string) string) ([]byte, error) {
	return Program{Argv: argv, Depends: []string{}}.Run(ctx, p.Env(getenv))
}

// Env returns what is needed to read the secrets of p.
func (p *Profile) Env(getenv func(string) string) *Env {
	return &Env{Profile: p.Name, Config: p.Config, Getenv: getenv, Withheld: p.withheld}
}

// Browser returns what opens web pages for a login of p.
func (p *Profile) Browser(getenv func(string) string) Browser { return Browser{getenv, p.withheld} }

// complete checks p after its options are set, and adds its level, if it has one.
func (p *Profile) complete() error {
	c := &p.Common
	if c.Timeout > maxFetch {
		return Errorf(Config, "timeout: at most %s", maxFetch)
	}
	if (c.CertFile == "") != (c.KeyFile == "") {
		return Errorf(Config, "cert_file and key_file belong together: set both or neither")
	}
	if err := p.Options.Complete(c); err != nil {
		return err
	}
	p.stack()
	return nil
}

// stack adds the levels below p, if it has any.
func (p *Profile) stack() {
	layered, ok := p.Options.(Layered)
	if !ok {
		return
	}
	below := layered.Below()
	if below == nil {
		return
	}
	level := *p
	level.Options, level.Level = below, true
	if own, ok := below.(OwnIssuer); ok {
		level.Issuer = own.LevelIssuer()
	}
	level.stack()
	p.Base = &level
}

// A Value is the value of an option as found in the environment.
type Value struct {
	Variable string // the environment variable that holds it, or empty
	Place    string // without a variable: where it is, in words
	Key      string // its name there
	Text     string
	List     []string // instead of Text, for an option that is a list
}

// From says where v comes from.
func (v Value) From() string {
	if v.Variable != "" {
		return v.Variable
	}
	return v.Place
}

// ReplaceSecret returns a POSIX shell command line by which the user replaces the secret that p
// logs in with, after a refusal. Where that is not to be told, it opens the configuration.
func (p *Profile) ReplaceSecret() string {
	for _, q := range p.Chain() {
		for _, f := range fields(q.Options) {
			ref, ok := f.value.Interface().(SecretRef)
			switch {
			case !ok:
			case ref.keyring != "":
				return ShellWords("jeton", "secret", "set", ref.keyring)
			case ref.env != "":
				return AskVariable(ref.env)
			case ref.file != "":
				return EditAt(ref.file)
			case !ref.literal.IsZero() && q.places[f.name] != nil:
				return EditAt(fmt.Sprintf("%s:%d", q.Config, q.places[f.name].Line))
			}
		}
	}
	return EditAt(p.Config)
}
