// Package formats writes credentials the way their readers expect them. Each reader has
// its own files.
package formats

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/jeton-cli/jeton/plugin"
)

// A Format writes a credential for one kind of reader.
type Format interface {
	// Encode writes c to w. If c lacks what the reader needs, it returns an error and
	// writes nothing.
	Encode(w io.Writer, c *plugin.Credential) error
}

// Options are what the command line and the caller say about the document.
type Options struct {
	Profile string // the profile that the credential belongs to
	Issuers plugin.Issuers
	Name    string // what to call the credential, if not like the profile
	Shell   string // for the env format: sh, fish or powershell
	Client  string // for the openstack format and the environment: who reads it
	// For the environment: whether the command names another scope than the token's, or
	// another domain of a project.
	OtherScope, OtherDomain bool
	// Endpoints returns the endpoints of a token's project, as [plugin.Cataloger] does. It
	// is nil if the issuer has no catalogue.
	Endpoints func(*plugin.Credential) (map[string]string, error)
	ExecInfo  string // the caller's KUBERNETES_EXEC_INFO
	// Describe returns what the issuer says about a token, as JSON. Only a [Kind] with Whole
	// calls it.
	Describe func(*plugin.Credential) ([]byte, error)
}

// A Kind is a format and what jeton knows about it.
type Kind struct {
	Name    string
	Aliases []string
	Words   []string // what else people call it, for "did you mean"
	Serves  string   // what it is for, in the tables of --help and README
	New     func(Options) (Format, error)
	// Whole says that the document holds all that the issuer says about the token.
	Whole bool
	// Needs is the kind of credential that it is written for, or 0. A profile that gives
	// another kind may have one from it that gives this one.
	Needs plugin.Kind
	// Flags are the flags of jeton get that not every format uses.
	Flags []string

	// What the format knows about its caller's own files. Each of them can be nil.
	Import *plugin.Import
	Setup  *Setup
	Doctor *Doctor
	Exec   Exec
}

// A Setup is how a caller is made to ask jeton.
type Setup struct {
	Help string // one line
	// New returns a new command line of the setup.
	New func() SetupCommand
	// Make returns the command line for a profile, or for one of Choices.
	Make func(profile, choice string) SetupCommand
	// Program is the caller, which is set up only where it is installed.
	Program string
	// Entry, if not nil, returns a name for the profile's entry in the caller's file that is
	// free, or that setup has written.
	Entry func(c *Caller, profile string) string
	// Usual says that the caller knows profiles of the usual configuration file alone.
	Usual bool
	// Writes says in a few words what it changes.
	Writes string
	// Fits reports whether the caller can use what a profile gives.
	Fits func(l plugin.Issuers, gives plugin.Kind) bool
	// Choices, if not nil, returns what in the caller's files can be set up. There is nothing
	// to set up without one of them.
	Choices func(c *Caller) []string
	// File is the environment variable that names the caller's file.
	File string
	// Regions find the regions that the setup made. A key is the beginning of region
	// names; its function finds the region with the rest of the name.
	Regions map[string]func(rest string) Finder
}

// A SetupCommand is the command line of a setup. It is a pointer to a struct whose fields
// have the tags of kong (https://github.com/alecthomas/kong) for flags.
type SetupCommand interface {
	// Help returns a longer help text.
	Help() string
	// Fill checks the command line and copies it into c. It sets at least the profile's
	// name.
	Fill(c *Caller) error
	// Plan returns the edits that make the caller ask jeton, and notes for the user.
	Plan(ctx context.Context, c *Caller) (edits []*Edit, notes []string, err error)
	// Try returns a command line for the user to try next.
	Try(c *Caller) string
}

// A Doctor looks for problems in a caller's files.
type Doctor struct {
	What string // what is counted, such as "AWS profile"
	// Look returns what is wrong, and how many entries ask jeton.
	Look func(ctx context.Context, c *Caller) (findings []plugin.Finding, seen int)
}

// Kinds are all formats.
var Kinds = []*Kind{
	&awsKind,
	&kubernetesKind,
	&openStackKind,
	&openStackTokenKind,
	&envKind,
	{Name: "header", Serves: "one HTTP header", New: newHeader},
	{Name: "token", Serves: "the bare token", New: newToken},
	{Name: "json", Serves: "everything, for scripts", New: newJSON},
}

// Imports returns the imports of all formats.
func Imports() (imports []plugin.Import) {
	for _, k := range Kinds {
		if k.Import != nil {
			imports = append(imports, *k.Import)
		}
	}
	return imports
}

// regions returns the finders of the regions of k's setup.
func (k *Kind) regions() map[string]func(string) Finder {
	if k.Setup == nil {
		return nil
	}
	return k.Setup.Regions
}

// Asks reports whether the document depends on more than the credential, such as the
// catalogue of a project.
func Asks(f Format) bool {
	a, ok := f.(interface{ Asks() bool })
	return ok && a.Asks()
}

// Whole reports whether the format called name describes the token.
func Whole(name string) bool {
	return slices.ContainsFunc(Kinds, func(k *Kind) bool { return k.Name == name && k.Whole })
}

// Needs returns the kind of credential that the format called name is written for, or 0.
func Needs(name string) plugin.Kind {
	for _, k := range Kinds {
		if k.Name == name {
			return k.Needs
		}
	}
	return 0
}

// Flag returns the names of the formats that use this flag of jeton get.
func Flag(name string) (formats []string) {
	for _, k := range Kinds {
		if slices.Contains(k.Flags, name) {
			formats = append(formats, k.Name)
		}
	}
	return formats
}

// Clients returns the names of all clients that a format can be written for.
func Clients() []string {
	names := slices.Concat(openStackClients, envClients)
	slices.Sort(names)
	return slices.Compact(names)
}

// Names returns the names of all formats.
func Names() []string {
	var names []string
	for _, k := range Kinds {
		names = append(names, k.Name)
	}
	return names
}

// Spellings returns the names of all formats, and their other names.
func Spellings() (names []string) {
	for _, k := range Kinds {
		names = append(append(names, k.Name), k.Aliases...)
	}
	return names
}

// New returns the format called name, or a [plugin.Usage] error if there is none.
func New(name string, o Options) (Format, error) {
	for _, k := range Kinds {
		if k.Name == name || slices.Contains(k.Aliases, name) {
			return k.New(o)
		}
	}
	e := plugin.Errorf(plugin.Usage, "there is no format %q", plugin.Shorten(name))
	for _, k := range Kinds {
		if slices.Contains(k.Words, name) {
			return nil, e.WithMeant(name, k.Name)
		}
	}
	if nearest := plugin.Nearest(name, Spellings()); nearest != "" {
		return nil, e.WithMeant(name, nearest)
	}
	return nil, e.WithHint("the formats are: %s", strings.Join(Names(), ", "))
}

// Asked returns the format that the environment asks for, and what the environment says
// about the document. Both are "" if it asks for none.
func Asked(getenv func(string) string) (format, info string) {
	if info = getenv(execInfo); info != "" {
		return kubernetesKind.Name, info
	}
	return "", ""
}

// ValidUntil returns the time until which f's reader was told that c is valid, in
// nanoseconds since 1970. It returns 0 if the reader may ask for another credential
// before that.
func ValidUntil(f Format, c *plugin.Credential) int64 {
	if v, ok := f.(interface {
		ValidUntil(*plugin.Credential) int64
	}); ok {
		return v.ValidUntil(c)
	}
	return 0
}

// MinTTL returns the remaining life below which f's reader would come back for another
// credential. The reader should get one that lives longer.
func MinTTL(f Format) time.Duration {
	if m, ok := f.(interface{ MinTTL() time.Duration }); ok {
		return m.MinTTL()
	}
	return time.Minute
}

// needToken returns an error if c is not a token, the only kind that format writes.
func needToken(o Options, format string, c *plugin.Credential) error {
	if !c.Token.IsZero() {
		return nil
	}
	e := plugin.Errorf(plugin.Config, "format %s writes a token, and this profile gives %s", format, kind(c))
	switch c.Kind() {
	case plugin.ClientCertificate:
		return e.WithHint("kubernetes and json write client certificates")
	case plugin.AccessKey:
		return e.WithHint("%s; aws, env and json write access keys", o.use("tokens", plugin.KeystoneToken))
	case plugin.ApplicationCredential:
		return e.WithHint("use the profile that it is made from, or %s; openstack, env and json write application "+
			"credentials", o.Issuers.MakeOf(plugin.KeystoneToken, plugin.ApplicationCredential, o.Profile))
	}
	return e.WithHint("%s", o.Issuers.MakeOf(plugin.KeystoneToken, plugin.Login, o.Profile))
}

// use returns a hint for a user whose profile gives something other than kind. what names
// that kind in words.
func (o Options) use(what string, kind plugin.Kind) string {
	return "use a profile that gives " + what + ", such as one of plugin " + alternatives(o.Issuers.Giving(kind))
}

// alternatives joins names in a list, with "or" before the last.
func alternatives(names []string) string {
	if n := len(names); n > 1 {
		return strings.Join(names[:n-1], ", ") + " or " + names[n-1]
	}
	return strings.Join(names, "")
}

// kind returns the kind of c in words.
func kind(c *plugin.Credential) string {
	switch c.Kind() {
	case plugin.KeystoneToken, plugin.BearerToken:
		return "a token"
	case plugin.AccessKey:
		return "an access key"
	case plugin.ClientCertificate:
		return "a client certificate"
	case plugin.ApplicationCredential:
		return "an application credential"
	}
	return "a name and a password"
}

// rfc3339 returns t in the form that every reader accepts: UTC, whole seconds, Z. Some
// readers fail on fractions, and on offsets without a colon.
func rfc3339(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Truncate(time.Second).Format(time.RFC3339)
}

// writeJSON writes v as one document. If v cannot be encoded, it writes nothing.
func writeJSON(w io.Writer, v any) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		return err
	}
	_, err := b.WriteTo(w)
	return err
}
