package formats

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/jeton-cli/jeton/plugin"
)

// openStack writes a clouds.yaml with one cloud.
//
// https://docs.openstack.org/openstacksdk/latest/user/config/configuration.html
type openStack struct{ options Options }

const openStackFormat = "openstack"

var openStackKind = Kind{
	Name: openStackFormat, Serves: "a whole clouds.yaml with one cloud", New: newOpenStack,
	Words: []string{"clouds", "clouds.yaml", "osc", "openrc"},
	Flags: []string{"--for", "--as"},
	Setup: &Setup{
		Help:    "Have openstack, and what is made with keystoneauth, ask jeton for a profile's token.",
		New:     func() SetupCommand { return &openStackSetup{} },
		Make:    func(profile, as string) SetupCommand { return &openStackSetup{Profile: profile, As: as} },
		Entry:   freeCloud,
		Usual:   true,
		Program: "openstack",
		Writes:  "clouds.yaml, and a keystoneauth plugin in its Python",
		Fits:    func(_ plugin.Issuers, gives plugin.Kind) bool { return gives&plugin.KeystoneToken != 0 },
		File:    "OS_CLIENT_CONFIG_FILE",
		Regions: map[string]func(string) Finder{
			cloudPrefix: func(cloud string) Finder { return findItem("clouds", "", cloud) },
			wholePrefix: findWhole,
		},
	},
	Doctor: &Doctor{"OpenStack cloud", doctorOpenStack},
	Exec:   openStackExec{},
}

// The clients that read clouds.yaml, each in its own way.
const (
	openStackClient = "openstackclient" // and everything built on openstacksdk
	gophercloud     = "gophercloud"
	terraform       = "terraform" // and OpenTofu and Packer
	// cloudController is what cloud-provider-openstack has of controllers and drivers for
	// Kubernetes. They read a file of their own.
	cloudController = "cloud-controller"
)

// openStackProgram is the command of openstackclient.
const openStackProgram = "openstack"

// terraforms are the programs that log in as Terraform does.
var terraforms = []string{"terraform", "tofu", "terragrunt", "packer"}

// clientOf returns the OpenStack client that the program is, if jeton treats it
// specially, or "".
func clientOf(program string) string {
	switch program = strings.TrimSuffix(program, ".exe"); {
	case slices.Contains(terraforms, program):
		return terraform
	case slices.Contains(swiftClients, program):
		return program
	}
	return ""
}

// openStackClients are the clients that the openstack format is for, the default first.
var openStackClients = []string{openStackClient, terraform, gophercloud, cloudController}

func newOpenStack(o Options) (Format, error) {
	if o.Client == "" {
		o.Client = openStackClient
	}
	if !slices.Contains(openStackClients, o.Client) {
		return nil, plugin.Errorf(plugin.Usage, "--for %s is not known", plugin.Shorten(o.Client)).
			WithHint("there are: %s", strings.Join(openStackClients, ", "))
	}
	return &openStack{o}, nil
}

// openStackTTL is 150 s. With less than 120 s left, keystoneauth logs in again.
const openStackTTL = 150 * time.Second

func (*openStack) MinTTL() time.Duration { return openStackTTL }

func (f *openStack) Encode(w io.Writer, c *plugin.Credential) error {
	if c.Kind() == plugin.ApplicationCredential {
		return f.login(w, c)
	}
	if err := needKeystone(f.options, "openstack", c); err != nil {
		return err
	}
	if f.options.Client == cloudController {
		return plugin.Errorf(plugin.Config, "a cloud controller logs in again whenever its token ends, which it "+
			"cannot do with a token").
			WithHint("%s", f.options.Issuers.MakeOf(plugin.ApplicationCredential, plugin.KeystoneToken,
				f.options.Profile))
	}
	name := f.name()
	if f.options.Client != openStackClient {
		return f.asItIs(w, name, c)
	}
	if kind := c.Attrs[plugin.AttrDelegated]; kind != "" {
		return plugin.Errorf(plugin.Config,
			"openstackclient exchanges the token of a clouds.yaml for another, and Keystone "+
				"refuses that of one that stems from %s", delegations[kind]).
			WithHint("jeton exec %s -- openstack … works, as do --for terraform and --for gophercloud",
				f.options.Profile)
	}
	_, err := w.Write(scoped(name, c))
	return err
}

// name returns the name of the cloud.
func (f *openStack) name() string {
	if f.options.Name != "" {
		return f.options.Name
	}
	return f.options.Profile
}

// login writes an application credential. It is a login that all clients take alike.
func (f *openStack) login(w io.Writer, c *plugin.Credential) error {
	document := cloudConf(c)
	if f.options.Client != cloudController {
		document = cloud(f.name(), c, appCredType, [][2]string{
			{"auth_url", c.Attrs[plugin.AttrAuthURL]},
			{"application_credential_id", c.Attrs[plugin.AttrApplicationCredentialID]},
			{"application_credential_secret", c.SecretKey.Reveal()},
		}, nil)
	}
	_, err := w.Write(document)
	return err
}

// appCredType is keystoneauth's name for a login with an application credential.
const appCredType = "v3applicationcredential"

// cloudConf returns the section of cloud.conf with which cloud-provider-openstack logs in.
//
// https://github.com/kubernetes/cloud-provider-openstack/tree/master/docs/openstack-cloud-controller-manager
// (using-openstack-cloud-controller-manager.md, section Global)
func cloudConf(c *plugin.Credential) []byte {
	var b bytes.Buffer
	b.WriteString("[Global]\n")
	for _, pair := range [][2]string{
		{"auth-url", c.Attrs[plugin.AttrAuthURL]},
		{"application-credential-id", c.Attrs[plugin.AttrApplicationCredentialID]},
		{"application-credential-secret", c.SecretKey.Reveal()},
		{"region", c.Attrs[plugin.AttrRegionName]},
		{"os-endpoint-type", strings.TrimSuffix(c.Attrs[plugin.AttrInterface], "URL")},
		{"ca-file", c.Attrs[plugin.AttrCACert]},
	} {
		if pair[1] != "" {
			// In quotes, gcfg knows two escapes, and control characters do not get here.
			fmt.Fprintf(&b, "%s = \"%s\"\n", pair[0], strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(pair[1]))
		}
	}
	return b.Bytes()
}

// scoped returns a clouds.yaml with one cloud, for a client that exchanges its token.
func scoped(name string, c *plugin.Credential) []byte {
	_, authType := identityAPI(c)
	return cloud(name, c, authType, [][2]string{
		{"auth_url", c.Attrs[plugin.AttrAuthURL]},
		{"token", c.Token.Reveal()},
		// The client asks Keystone for this scope. Without one it would get the user's
		// default project.
		{"project_id", c.Attrs[plugin.AttrProjectID]},
		{"domain_id", c.Attrs[plugin.AttrDomainID]},
		{"system_scope", c.Attrs[plugin.AttrSystemScope]},
	}, nil)
}

// asItIs writes the cloud for gophercloud, which uses a token as it is if it is told no
// scope. It then makes no other token, so this works even where Keystone would refuse to
// make one.
func (f *openStack) asItIs(w io.Writer, name string, c *plugin.Credential) error {
	version, authType := identityAPI(c)
	if version == "2" {
		return plugin.Errorf(plugin.Config, "gophercloud cannot use a token of Keystone's API v2.0 as it is").
			WithHint("if the cloud has v3 too, its auth_url ends in /v3")
	}
	document := cloud(name, c, authType,
		[][2]string{{"auth_url", c.Attrs[plugin.AttrAuthURL]}, {"token", c.Token.Reveal()}}, nil)
	if f.options.Client == terraform {
		document = append([]byte("# Terraform's provider takes this with OS_ALLOW_REAUTH=false, or allow_reauth = "+
			"false in its block.\n"), document...)
	}
	_, err := w.Write(document)
	return err
}

// identityAPI returns the version of Keystone's API that c is a token of, and
// keystoneauth's name for a login with it. For v2.0 that is "token", which finds the
// version itself: openstackclient gives v2token options that v2token does not know.
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

func needKeystone(o Options, format string, c *plugin.Credential) error {
	if err := needToken(o, format, c); err != nil {
		return err
	}
	if c.Attrs[plugin.AttrAuthURL] == "" {
		return plugin.Errorf(plugin.Config, "format %s writes a Keystone token, and this profile gives another kind",
			format).
			WithHint("%s", o.Issuers.MakeOf(plugin.KeystoneToken, c.Kind(), o.Profile))
	}
	return nil
}

// yamlString returns s as a double-quoted scalar, so that no reader takes it for a
// number, a tag or an anchor. JSON strings are such scalars.
func yamlString(s string) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.Encode(s) // cannot fail: it is a string
	return strings.TrimSuffix(b.String(), "\n")
}
