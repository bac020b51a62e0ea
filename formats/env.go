package formats

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/jeton-cli/jeton/plugin"
)

// env writes shell commands that set the credential in the environment and unset what
// would contradict it.
type env struct {
	shell   shell
	options Options
}

// A shell says how one kind of shell sets and unsets a variable.
type shell struct {
	set, unset string // format strings
	quote      func(string) string
	// strange, if it is set, reports whether a character cannot be quoted. longest, if it is not
	// 0, is the length of a line that the shell reads whole, in bytes.
	strange func(rune) bool
	longest int
}

// refuses says why the shell would not read the line that sets this value, or "".
func (s shell) refuses(value, line string) string {
	switch {
	case s.strange != nil && strings.ContainsFunc(value, s.strange):
		return "its value has a character that cannot be quoted"
	case s.longest > 0 && len(line) > s.longest:
		return "its value is too long"
	}
	return ""
}

var shells = map[string]shell{
	"sh": {"export %s=%s\n", "unset %s\n", plugin.ShellQuote, nil, 0},
	"fish": {"set -gx %s %s\n", "set -e %s\n", func(s string) string {
		return "'" + strings.NewReplacer(`\`, `\\`, "'", `\'`).Replace(s) + "'"
	}, nil, 0},
	// PowerShell treats four typographic quotes like the plain one.
	"powershell": {"$Env:%s = %s\n", "Remove-Item Env:%s -ErrorAction SilentlyContinue\n", func(s string) string {
		return "'" + strings.NewReplacer("'", "''", "‘", "‘‘", "’", "’’", "‚", "‚‚", "‛", "‛‛").Replace(s) + "'"
	}, nil, 0},
	// A line means the same in a file and in for /f. Each of the two has its own rules for these
	// characters, and for those of other code pages.
	"cmd": {"set \"%s=%s\"\r\n", "set \"%s=\"\r\n", func(s string) string { return s }, func(r rune) bool {
		return r < ' ' || r > '~' || strings.ContainsRune(`"%!`, r)
	}, 8000},
}

var envKind = Kind{
	Name: "env", Serves: "shell commands that set the environment (--shell sh, fish, powershell, cmd)", New: newEnv,
	Words: []string{"export", "shell", "environment", "sh", "bash", "dotenv"},
	Flags: []string{"--shell", "--for"},
	Exec:  storageExec{},
}

// envClients are the clients whose environment is not like that of the others.
var envClients = append([]string{terraform}, swiftClients...)

func newEnv(o Options) (Format, error) {
	switch o.Shell {
	case "", "bash", "dash", "zsh", "ksh":
		o.Shell = "sh"
	case "pwsh":
		o.Shell = "powershell"
	}
	s, ok := shells[o.Shell]
	if !ok {
		return nil, plugin.Errorf(plugin.Usage, "--shell %s is not known", plugin.Shorten(o.Shell)).
			WithHint("the shells are: %s", strings.Join(slices.Sorted(maps.Keys(shells)), ", "))
	}
	if o.Client != "" && !slices.Contains(envClients, o.Client) {
		return nil, plugin.Errorf(plugin.Usage, "--for %s is not known to format env", plugin.Shorten(o.Client)).
			WithHint("there are: %s; the others need no --for", strings.Join(envClients, ", "))
	}
	return &env{s, o}, nil
}

// MinTTL is the longest life that a reader of the environment needs.
func (*env) MinTTL() time.Duration { return openStackTTL }

// Asks reports whether the client wants an endpoint of the project.
func (f *env) Asks() bool { return slices.Contains(swiftClients, f.options.Client) }

func (f *env) Encode(w io.Writer, c *plugin.Credential) error {
	set, unset, err := Environment(c, f.options)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	for _, name := range unset {
		fmt.Fprintf(&b, f.shell.unset, name)
	}
	for _, v := range set {
		line := fmt.Sprintf(f.shell.set, v.Name, f.shell.quote(v.Value))
		if why := f.shell.refuses(v.Value, line); why != "" {
			return plugin.Errorf(plugin.Config, "--shell %s cannot set %s: %s", f.options.Shell, v.Name, why).
				WithHint("jeton exec %s -- COMMAND sets it without a shell", plugin.ShellQuote(f.options.Profile))
		}
		b.WriteString(line)
	}
	_, err = b.WriteTo(w)
	return err
}

// A Variable is an environment variable.
type Variable struct{ Name, Value string }

// openStackVariables are all login variables that openstackclient, gophercloud and
// Terraform read. Those left over from another login would mislead them.
var openStackVariables = []string{
	"OS_ACCESS_TOKEN", "OS_ALLOW_REAUTH", "OS_APPLICATION_CREDENTIAL_ID", "OS_APPLICATION_CREDENTIAL_NAME",
	"OS_APPLICATION_CREDENTIAL_SECRET",
	"OS_AUTH_PLUGIN", "OS_AUTH_TOKEN", "OS_AUTH_TYPE", "OS_AUTH_URL", "OS_CACERT", "OS_CERT", "OS_CLIENT_CONFIG_FILE",
	"OS_CLIENT_ID", "OS_CLIENT_SECRET", "OS_CLIENT_SECURE_FILE", "OS_CLOUD",
	"OS_DEFAULT_DOMAIN", "OS_DISCOVERY_ENDPOINT", "OS_DOMAIN_ID", "OS_DOMAIN_NAME", "OS_ENDPOINT", "OS_ENDPOINT_TYPE",
	"OS_IDENTITY_API_VERSION", "OS_IDENTITY_PROVIDER", "OS_INTERFACE", "OS_KEY", "OS_PASSCODE", "OS_PASSWORD",
	"OS_PROJECT_DOMAIN_ID",
	"OS_PROJECT_DOMAIN_NAME", "OS_PROJECT_ID", "OS_PROJECT_NAME", "OS_PROTOCOL", "OS_REGION_NAME", "OS_STORAGE_URL",
	"OS_SYSTEM_SCOPE",
	"OS_TENANT_ID",
	"OS_TENANT_NAME", "OS_TOKEN", "OS_TRUST_ID", "OS_URL", "OS_USERID", "OS_USERNAME", "OS_USER_DOMAIN_ID",
	"OS_USER_DOMAIN_NAME", "OS_USER_ID",
}

// awsVariables are the variables that would make AWS tools find another credential first.
var awsVariables = []string{
	"AWS_ACCESS_KEY_ID", "AWS_CONTAINER_AUTHORIZATION_TOKEN", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
	"AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CREDENTIAL_EXPIRATION",
	"AWS_DEFAULT_PROFILE", "AWS_PROFILE", "AWS_ROLE_ARN", "AWS_ROLE_SESSION_NAME", "AWS_SECRET_ACCESS_KEY",
	"AWS_SECURITY_TOKEN", "AWS_SESSION_TOKEN", "AWS_WEB_IDENTITY_TOKEN_FILE",
}

// ovhVariables are the login variables that go-ovh, and so Terraform's provider, reads.
// It refuses the variables of two logins at once.
var ovhVariables = []string{
	"OVH_ACCESS_TOKEN", "OVH_APPLICATION_KEY", "OVH_APPLICATION_SECRET", "OVH_CLIENT_ID", "OVH_CLIENT_SECRET",
	"OVH_CONSUMER_KEY", "OVH_ENDPOINT", "OVH_PROFILE",
}

// outscaleVariables are the login variables that Outscale's tools read.
var outscaleVariables = []string{
	"OSC_ACCESS_KEY", "OSC_AUTH_METHOD", "OSC_ENDPOINT_API", "OSC_LOGIN", "OSC_PASSWORD", "OSC_PROFILE", "OSC_REGION",
	"OSC_SECRET_KEY",
}

// Environment returns the variables that carry c to a program, and the names of those to
// unset. It returns a [plugin.Config] error if no program reads this kind of credential
// from its environment.
func Environment(c *plugin.Credential, o Options) (set []Variable, unset []string, err error) {
	var family []string
	switch a := c.Attrs; {
	case c.AccessKey != "" && o.Client == swift:
		return nil, nil, plugin.Errorf(plugin.Config, "swift needs a Keystone token, and this profile gives an "+
			"access key").WithHint("%s", o.use("tokens", plugin.KeystoneToken))
	case c.AccessKey != "":
		set, family = keyVariables(c)
	case c.Kind() == plugin.ApplicationCredential:
		set, family = appCredVariables(c), openStackVariables
	case a[plugin.AttrAuthURL] != "":
		if slices.Contains(swiftClients, o.Client) {
			set, err = swiftVariables(c, o)
			family = slices.Concat(openStackVariables, swiftVariableNames)
		} else {
			set, family = keystoneVariables(c, o), openStackVariables
		}
	case a[plugin.AttrOVHEndpoint] != "":
		// With a profile of its own, ovhcloud-cli would look for another login there.
		set = []Variable{{"OVH_ENDPOINT", a[plugin.AttrOVHEndpoint]}, {"OVH_ACCESS_TOKEN", c.Token.Reveal()},
			{"OVH_PROFILE", "default"}}
		family = ovhVariables
	case c.Token.IsZero():
		return nil, nil, plugin.Errorf(plugin.Config, "no program is known to read %s from its environment", kind(c)).
			WithHint("use -f json")
	default:
		return nil, nil, plugin.Errorf(plugin.Config,
			"no program is known to read this kind of token from its environment").
			WithHint("use -f token, header or json, or make a Keystone token of it: plugin: %s, from: %s",
				alternatives(o.Issuers.Makers(plugin.KeystoneToken, plugin.BearerToken)), o.Profile)
	}
	if err != nil {
		return nil, nil, err
	}
	given := set[:0]
	for _, v := range set {
		if v.Value != "" {
			given = append(given, v)
		}
	}
	set = given
	for _, name := range family {
		if !slices.ContainsFunc(set, func(v Variable) bool { return v.Name == name }) {
			unset = append(unset, name)
		}
	}
	return set, unset, nil
}

// keyVariables returns the variables of an access key, and the family of variables that
// they belong to. Some values can be empty.
func keyVariables(c *plugin.Credential) (set []Variable, family []string) {
	a := c.Attrs
	set = []Variable{
		{"AWS_ACCESS_KEY_ID", c.AccessKey},
		{"AWS_SECRET_ACCESS_KEY", c.SecretKey.Reveal()},
		{"AWS_SESSION_TOKEN", c.SessionToken.Reveal()},
		{"AWS_CREDENTIAL_EXPIRATION", rfc3339(c.Expires)},
		{"AWS_REGION", a[plugin.AttrRegion]},
		{"AWS_DEFAULT_REGION", a[plugin.AttrRegion]},
		{"AWS_ENDPOINT_URL_S3", a[plugin.AttrEndpoint]},
	}
	if a[plugin.AttrOSCRegion] == "" {
		return set, awsVariables
	}
	return append(set, []Variable{
		{"OSC_ACCESS_KEY", c.AccessKey},
		{"OSC_SECRET_KEY", c.SecretKey.Reveal()},
		{"OSC_REGION", a[plugin.AttrOSCRegion]},
		{"OSC_ENDPOINT_API", a[plugin.AttrOSCEndpoint]},
	}...), slices.Concat(awsVariables, outscaleVariables)
}

// keystoneVariables returns the variables of a Keystone token for a client. Some values
// can be empty.
func keystoneVariables(c *plugin.Credential, o Options) []Variable {
	a := c.Attrs
	version, authType := identityAPI(c)
	set := []Variable{{"OS_AUTH_TYPE", authType}, {"OS_AUTH_URL", a[plugin.AttrAuthURL]},
		{"OS_TOKEN", c.Token.Reveal()}}
	// Without a project, gophercloud and Terraform use the token as it is and do not make
	// another one. It is also the only way in which Keystone accepts a delegated token.
	switch {
	case a[plugin.AttrDelegated] != "" || o.Client == terraform:
		set = append(set, Variable{"OS_ALLOW_REAUTH", "false"}) // otherwise Terraform's provider wants a scope
	case o.OtherScope: // the token's would win over it
		if !o.OtherDomain {
			set = append(set, Variable{"OS_PROJECT_DOMAIN_ID", a[plugin.AttrProjectDomainID]})
		}
	default:
		set = append(set, Variable{"OS_PROJECT_ID", a[plugin.AttrProjectID]},
			Variable{"OS_DOMAIN_ID", a[plugin.AttrDomainID]},
			Variable{"OS_SYSTEM_SCOPE", a[plugin.AttrSystemScope]})
	}
	return append(set, Variable{"OS_IDENTITY_API_VERSION", version},
		Variable{"OS_REGION_NAME", a[plugin.AttrRegionName]},
		Variable{"OS_INTERFACE", a[plugin.AttrInterface]}, Variable{"OS_CACERT", a[plugin.AttrCACert]})
}

// appCredVariables returns the variables of an application credential, which all clients
// read alike. Some values can be empty.
func appCredVariables(c *plugin.Credential) []Variable {
	a := c.Attrs
	return []Variable{
		{"OS_AUTH_TYPE", appCredType}, {"OS_AUTH_URL", a[plugin.AttrAuthURL]},
		{"OS_APPLICATION_CREDENTIAL_ID", a[plugin.AttrApplicationCredentialID]},
		{"OS_APPLICATION_CREDENTIAL_SECRET", c.SecretKey.Reveal()},
		{"OS_IDENTITY_API_VERSION", "3"},
		{"OS_REGION_NAME", a[plugin.AttrRegionName]},
		{"OS_INTERFACE", a[plugin.AttrInterface]}, {"OS_CACERT", a[plugin.AttrCACert]},
	}
}
