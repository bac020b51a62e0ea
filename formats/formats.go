// Package formats writes credentials the way their readers expect them, one
// reader in each file.
package formats

import (
	"bytes"
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
}

// Kinds are all formats.
var Kinds = []Kind{
	{"aws", nil, "`credential_process` of the AWS tools and SDKs", newAWS},
	{"kubernetes", []string{"k8s"}, "exec plugin of kubectl and client-go (ExecCredential)", newKubernetes},
	{"openstack", nil, "a whole clouds.yaml with one cloud", newOpenStack},
	{"env", nil, "shell commands that set the environment (--shell sh, fish, powershell)", newEnv},
	{"header", nil, "one HTTP header", newHeader},
	{"token", nil, "the bare token", newToken},
	{"json", nil, "everything, for scripts", newJSON},
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
