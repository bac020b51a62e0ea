package formats

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/jeton-cli/jeton/plugin"
)

// openStack is a clouds.yaml with one cloud.
//
// https://docs.openstack.org/openstacksdk/latest/user/config/configuration.html
type openStack struct{ options Options }

// The clients that read it, each in its own way.
const (
	openStackClient = "openstackclient" // and all that is made with openstacksdk
	gophercloud     = "gophercloud"
	terraform       = "terraform" // and OpenTofu and Packer
)

// terraforms are the programs that log in as Terraform does.
var terraforms = []string{"terraform", "tofu", "terragrunt", "packer"}

// ClientOf returns which client of OpenStack's the program of that name is, if jeton
// does something special for it.
func ClientOf(program string) string {
	if slices.Contains(terraforms, strings.TrimSuffix(program, ".exe")) {
		return terraform
	}
	return ""
}

// OpenStackClients are all of them, the default first.
var OpenStackClients = []string{openStackClient, terraform, gophercloud}

func newOpenStack(o Options) (Format, error) {
	if o.Client == "" {
		o.Client = openStackClient
	}
	if !slices.Contains(OpenStackClients, o.Client) {
		return nil, plugin.Errorf(plugin.Usage, "--for %s is not known", plugin.Shorten(o.Client)).
			WithHint("there are: %s", strings.Join(OpenStackClients, ", "))
	}
	return &openStack{o}, nil
}

// openStackTTL is 150 s: with less than 120 left keystoneauth logs in again.
const openStackTTL = 150 * time.Second

func (*openStack) MinTTL() time.Duration { return openStackTTL }

func (f *openStack) Encode(w io.Writer, c *plugin.Credential) error {
	if err := needKeystone(f.options, "openstack", c); err != nil {
		return err
	}
	name := f.options.Name
	if name == "" {
		name = f.options.Profile
	}
	if f.options.Client != openStackClient {
		return f.asItIs(w, name, c)
	}
	if kind := c.Attrs[plugin.AttrDelegated]; kind != "" {
		return plugin.Errorf(plugin.Config, "openstackclient exchanges the token of a clouds.yaml for another, and Keystone "+
			"refuses that of one that stems from %s", delegations[kind]).
			WithHint("jeton exec %s -- openstack … works, as do --for terraform and --for gophercloud", f.options.Profile)
	}
	_, err := w.Write(scoped(name, c))
	return err
}

// scoped returns a clouds.yaml with one cloud, for a client that exchanges its token.
func scoped(name string, c *plugin.Credential) []byte {
	_, authType := identityAPI(c)
	return cloud(name, c, authType, [][2]string{
		{"auth_url", c.Attrs[plugin.AttrAuthURL]},
		{"token", c.Token.Reveal()},
		// The client asks Keystone for this scope; without one it would get
		// the user's default project.
		{"project_id", c.Attrs[plugin.AttrProjectID]},
		{"domain_id", c.Attrs[plugin.AttrDomainID]},
		{"system_scope", c.Attrs[plugin.AttrSystemScope]},
	}, nil)
}

// asItIs writes the cloud for gophercloud, which uses a token as it is if it is told
// no scope: without making another one, and also if Keystone would not let it.
func (f *openStack) asItIs(w io.Writer, name string, c *plugin.Credential) error {
	version, authType := identityAPI(c)
	if version == "2" {
		return plugin.Errorf(plugin.Config, "gophercloud cannot use a token of Keystone's API v2.0 as it is").
			WithHint("if the cloud has v3 too, its auth_url ends in /v3")
	}
	document := cloud(name, c, authType, [][2]string{{"auth_url", c.Attrs[plugin.AttrAuthURL]}, {"token", c.Token.Reveal()}}, nil)
	if f.options.Client == terraform {
		document = append([]byte("# Terraform's provider takes this with OS_ALLOW_REAUTH=false, or allow_reauth = false in its block.\n"), document...)
	}
	_, err := w.Write(document)
	return err
}

// identityAPI returns the version of Keystone's API that c is a token of, and
// keystoneauth's name for a login with it. For v2.0 that is the one which looks
// for the version itself: openstackclient gives v2token options that it does
// not know.
func identityAPI(c *plugin.Credential) (version, authType string) {
	if c.Attrs[plugin.AttrIdentityAPIVersion] == "2" {
		return "2", "token"
	}
	return "3", "v3token"
}

// delegations are the values of [plugin.AttrDelegated] in words.
var delegations = map[string]string{"application_credential": "an application credential", "trust": "a trust"}

// cloud returns a clouds.yaml with one cloud.
func cloud(name string, c *plugin.Credential, authType string, auth, settings [][2]string) []byte {
	var b bytes.Buffer
	lines := func(indent int, pairs [][2]string) {
		for _, pair := range pairs {
			if pair[1] != "" {
				fmt.Fprintf(&b, "%*s%s: %s\n", indent, "", pair[0], yamlString(pair[1]))
			}
		}
	}
	version, _ := identityAPI(c)
	b.WriteString("clouds:\n")
	fmt.Fprintf(&b, "  %s:\n", yamlString(name))
	lines(4, [][2]string{{"auth_type", authType}})
	b.WriteString("    auth:\n")
	lines(6, auth)
	lines(4, [][2]string{
		{"region_name", c.Attrs[plugin.AttrRegionName]},
		{"interface", c.Attrs[plugin.AttrInterface]},
		{"cacert", c.Attrs[plugin.AttrCACert]},
		{"identity_api_version", version},
	})
	lines(4, settings)
	return b.Bytes()
}

// NeedsCloud reports whether the program of that name should get c through a
// clouds.yaml that [Cloud] makes: openstackclient, which a script may call too,
// would exchange a delegated token, which Keystone refuses. Those that are
// written with gophercloud use it as it is, but know no such cloud.
func NeedsCloud(c *plugin.Credential, program string) bool {
	return c.Attrs[plugin.AttrDelegated] != "" && ClientOf(program) != terraform
}

// TakesLogin reports whether the command, whose program is at path, can be given c as a
// login that was made already, by [Login]: openstackclient itself, as a script of Python's
// without options that say otherwise.
func TakesLogin(c *plugin.Credential, command []string, path string) bool {
	version, _ := identityAPI(c)
	return strings.TrimSuffix(filepath.Base(command[0]), ".exe") == "openstack" && version == "3" && c.Attrs[plugin.AttrAuthURL] != "" &&
		c.Attrs[plugin.AttrSystemScope] == "" && // which its notion of a login leaves out
		!slices.ContainsFunc(command, func(arg string) bool { return strings.HasPrefix(arg, "--os-") && !strings.Contains(arg, "api-version") }) &&
		isPython(path)
}

// isPython reports whether the file is a script for Python, which looks at its variables.
func isPython(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	b := make([]byte, 256)
	n, _ := f.Read(b)
	line, _, _ := bytes.Cut(b[:n], []byte("\n"))
	rest, ok := bytes.CutPrefix(line, []byte("#!"))
	words := strings.Fields(string(rest))
	if !ok || len(words) == 0 {
		return false
	}
	if filepath.Base(words[0]) == "env" {
		words = words[1:]
	}
	return len(words) == 1 && strings.HasPrefix(filepath.Base(words[0]), "python") // and no option
}

// Login returns the files of a private directory by which openstackclient finds c and
// what Keystone says of it, as if it had made that login before, and makes no other: its
// setting cache.auth has it keep logins in Python's keyring, and one that holds this
// login alone is among the files. Where Python has no package keyring, or asks for
// another login, it logs in with the token, as ever. set are the variables that lead it
// there; pythonPath is what PYTHONPATH is.
//
// https://docs.openstack.org/openstacksdk/latest/user/config/configuration.html#cache-settings
// https://keyring.readthedocs.io/en/latest/#configuring
func Login(c *plugin.Credential, description []byte, dir, pythonPath string) (files map[string][]byte, set []Variable, err error) {
	state, err := json.Marshal(map[string]any{"auth_token": c.Token.Reveal(), "body": json.RawMessage(description)})
	if err != nil {
		return nil, nil, plugin.Errorf(plugin.Unusable, "what Keystone says of its token makes no sense")
	}
	document := scoped("jeton", c)
	keyring := strings.Replace(loginKeyring, "LOGIN", loginID(c), 1)
	if pythonPath != "" {
		pythonPath = string(filepath.ListSeparator) + pythonPath
	}
	return map[string][]byte{
			"clouds.yaml": append(document, "cache:\n  auth: true\n"...), "login.json": state, "jeton_keyring.py": []byte(keyring),
		}, []Variable{
			{"OS_CLIENT_CONFIG_FILE", filepath.Join(dir, "clouds.yaml")}, {"OS_CLOUD", "jeton"},
			{"PYTHON_KEYRING_BACKEND", "jeton_keyring.Keyring"}, {"PYTHONPATH", dir + pythonPath},
		}, nil
}

// loginID is keystoneauth's name for a login with c, which BaseIdentityPlugin.get_cache_id
// makes of its parameters.
func loginID(c *plugin.Credential) string {
	sum := sha256.New()
	for _, pair := range [][2]string{ // by name
		{"auth_url", c.Attrs[plugin.AttrAuthURL]}, {"domain_id", c.Attrs[plugin.AttrDomainID]},
		{"project_id", c.Attrs[plugin.AttrProjectID]}, {"token_token", c.Token.Reveal()},
	} {
		if pair[1] != "" {
			io.WriteString(sum, pair[0]+pair[1])
		}
	}
	return base64.StdEncoding.EncodeToString(sum.Sum(nil))
}

// loginKeyring is a keyring that holds one login, and keeps none.
const loginKeyring = `import os
import keyring.backend


class Keyring(keyring.backend.KeyringBackend):
    priority = 1

    def get_password(self, service, username):
        if service == "openstacksdk" and username == "LOGIN":
            with open(os.path.join(os.path.dirname(__file__), "login.json")) as f:
                return f.read()

    def set_password(self, service, username, password):
        pass
`

// Cloud returns a clouds.yaml by which openstackclient uses the token as it is
// (keystoneauth's admin_token), for a project with these endpoints by service
// type; and the variables that select it. path is where the file will be.
func Cloud(c *plugin.Credential, endpoints map[string]string, path string) ([]byte, []Variable) {
	var overrides [][2]string
	for _, service := range slices.Sorted(maps.Keys(endpoints)) {
		if service != "" && plugin.Word(service, "-") {
			overrides = append(overrides, [2]string{strings.ReplaceAll(service, "-", "_") + "_endpoint_override", endpoints[service]})
		}
	}
	document := cloud("jeton", c, "admin_token", [][2]string{
		{"endpoint", c.Attrs[plugin.AttrAuthURL]},
		{"token", c.Token.Reveal()},
	}, overrides)
	return document, []Variable{
		{"OS_CLIENT_CONFIG_FILE", path}, {"OS_CLOUD", "jeton"},
		{"OS_AUTH_URL", c.Attrs[plugin.AttrAuthURL]}, {"OS_TOKEN", c.Token.Reveal()}, // for scripts
	}
}

func needKeystone(o Options, format string, c *plugin.Credential) error {
	if err := needToken(o, format, c); err != nil {
		return err
	}
	if c.Attrs[plugin.AttrAuthURL] == "" {
		return plugin.Errorf(plugin.Config, "format %s writes a Keystone token, and this profile gives another kind", format).
			WithHint("%s", o.Issuers.MakeOf(plugin.KeystoneToken, c.Kind(), o.Profile))
	}
	return nil
}

// yamlString is s as a double-quoted scalar, which no reader takes for a
// number, a tag or an anchor. JSON's strings are such scalars.
func yamlString(s string) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.Encode(s) // cannot fail: it is a string
	return strings.TrimSuffix(b.String(), "\n")
}
