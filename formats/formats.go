// Package formats writes credentials the way their readers expect them, one
// reader in each file.
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
	// Encode writes c to w. It returns an error, and writes nothing, if c
	// lacks what the reader needs.
	Encode(w io.Writer, c *plugin.Credential) error
}

// Options are what the command line and the caller say of the document.
type Options struct {
	Profile  string // the profile that the credential is of
	Issuers  plugin.Issuers
	Name     string // what to call the credential, if not like the profile
	Shell    string // of the env format: sh, fish or powershell
	Client   string // of the openstack format, and of the environment: who reads it
	ExecInfo string // the caller's KUBERNETES_EXEC_INFO
}

// A Kind is a format by its name.
type Kind struct {
	Name    string
	Aliases []string
	Serves  string // what it is for, in the tables of --help and README
	New     func(Options) (Format, error)
	// Flags are those of jeton get that go with this format alone.
	Flags []string

	// What the format knows of its caller's own files, as far as it has any.
	Setup  *Setup
	Doctor *Doctor
	Exec   Exec
}

// A Setup is how a caller is told to ask jeton.
type Setup struct {
	Help string // one line
	// New returns what a command line says of the setup.
	New func() SetupCommand
	// File is the variable that names the caller's file.
	File string
	// Regions are how the regions are found again that the setup makes, by what their
	// names begin with: each finds the one with the rest of the name.
	Regions map[string]func(rest string) Finder
}

// A SetupCommand is the command line of a setup: a pointer to a struct whose fields have
// the tags of kong (https://github.com/alecthomas/kong) for flags.
type SetupCommand interface {
	// Help says more than one line.
	Help() string
	// Fill checks the command line, and puts into c what it says: the profile's name
	// at least.
	Fill(c *Caller) error
	// Plan returns what has the caller ask jeton, and what the user should know of it.
	Plan(ctx context.Context, c *Caller) (edits []*Edit, notes []string, err error)
	// Try returns the command line to try next.
	Try(c *Caller) string
}

// A Doctor looks for what is wrong in a caller's files.
type Doctor struct {
	What string // is counted, such as "AWS profile"
	// Look returns what is wrong, and how many there are that ask jeton.
	Look func(c *Caller) (findings []plugin.Finding, seen int)
}

// Kinds are all formats.
var Kinds = []*Kind{
	&awsKind,
	&kubernetesKind,
	&openStackKind,
	&envKind,
	{Name: "header", Serves: "one HTTP header", New: newHeader},
	{Name: "token", Serves: "the bare token", New: newToken},
	{Name: "json", Serves: "everything, for scripts", New: newJSON},
}

// regions returns how the regions of k's setup are found.
func (k *Kind) regions() map[string]func(string) Finder {
	if k.Setup == nil {
		return nil
	}
	return k.Setup.Regions
}

// Flag returns the name of the format that the flag of jeton get goes with alone, or "".
func Flag(name string) string {
	for _, k := range Kinds {
		if slices.Contains(k.Flags, name) {
			return k.Name
		}
	}
	return ""
}

// Names returns the names of all formats.
func Names() []string {
	var names []string
	for _, k := range Kinds {
		names = append(names, k.Name)
	}
	return names
}

// New returns the format of that name.
func New(name string, o Options) (Format, error) {
	for _, k := range Kinds {
		if k.Name == name || slices.Contains(k.Aliases, name) {
			return k.New(o)
		}
	}
	e := plugin.Errorf(plugin.Usage, "there is no format %q", plugin.Shorten(name))
	if nearest := plugin.Nearest(name, Names()); nearest != "" {
		return nil, e.WithMeant(name, nearest)
	}
	return nil, e.WithHint("the formats are: %s", strings.Join(Names(), ", "))
}

// Asked returns the name of the format that the environment asks for, and what it says of
// the document; or "".
func Asked(getenv func(string) string) (format, info string) {
	if info = getenv(execInfo); info != "" {
		return kubernetesKind.Name, info
	}
	return "", ""
}

// ValidUntil returns until when f's reader was told that c is good, in nanoseconds since
// 1970, if it has no reason to ask for another before that; or else 0.
func ValidUntil(f Format, c *plugin.Credential) int64 {
	if v, ok := f.(interface {
		ValidUntil(*plugin.Credential) int64
	}); ok {
		return v.ValidUntil(c)
	}
	return 0
}

// MinTTL returns the life in which f's reader would come back for another
// credential, so that it should be given a longer one.
func MinTTL(f Format) time.Duration {
	if m, ok := f.(interface{ MinTTL() time.Duration }); ok {
		return m.MinTTL()
	}
	return time.Minute
}

// needToken returns an error if c is no token, which format writes.
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
	}
	return e.WithHint("%s", o.Issuers.MakeOf(plugin.KeystoneToken, plugin.Login, o.Profile))
}

// use returns what to say to a user whose profile gives something else than the
// kind, which is called what.
func (o Options) use(what string, kind plugin.Kind) string {
	return "use a profile that gives " + what + ", such as one of plugin " + alternatives(o.Issuers.Giving(kind))
}

// alternatives lists names, one of which will do.
func alternatives(names []string) string {
	if n := len(names); n > 1 {
		return strings.Join(names[:n-1], ", ") + " or " + names[n-1]
	}
	return strings.Join(names, "")
}

// kind says what c is.
func kind(c *plugin.Credential) string {
	switch c.Kind() {
	case plugin.KeystoneToken, plugin.BearerToken:
		return "a token"
	case plugin.AccessKey:
		return "an access key"
	case plugin.ClientCertificate:
		return "a client certificate"
	}
	return "a name and a password"
}

// rfc3339 is t as every reader takes it: UTC, whole seconds, Z. Some fail on
// fractions, and on offsets without a colon.
func rfc3339(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Truncate(time.Second).Format(time.RFC3339)
}

// writeJSON writes v as one document. A failure writes nothing.
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
