package formats

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/jeton-cli/jeton/plugin"
)

// openStack is a clouds.yaml with one cloud.
//
// https://docs.openstack.org/openstacksdk/latest/user/config/configuration.html
type openStack struct{ options Options }

func newOpenStack(o Options) (Format, error) {
	if o.Client != "" && o.Client != "openstackclient" {
		return nil, plugin.Errorf(plugin.Usage, "--for %s is not known", plugin.Shorten(o.Client)).
			WithHint("there is: openstackclient")
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
	if kind := c.Attrs[plugin.AttrDelegated]; kind != "" {
		return plugin.Errorf(plugin.Config, "openstackclient exchanges the token of a clouds.yaml for another, and Keystone "+
			"refuses that of one that stems from an %s", strings.ReplaceAll(kind, "_", " ")).
			WithHint("jeton exec %s -- openstack … works, as do the formats kubernetes and header", f.options.Profile)
	}
	name := f.options.Name
	if name == "" {
		name = f.options.Profile
	}
	var b bytes.Buffer
	line := func(indent int, key, value string) {
		if value != "" {
			fmt.Fprintf(&b, "%*s%s: %s\n", indent, "", key, yamlString(value))
		}
	}
	b.WriteString("clouds:\n")
	fmt.Fprintf(&b, "  %s:\n", yamlString(name))
	line(4, "auth_type", "v3token")
	b.WriteString("    auth:\n")
	line(6, "auth_url", c.Attrs[plugin.AttrAuthURL])
	line(6, "token", c.Token.Reveal())
	// The client asks Keystone for this project; without one it would get the
	// user's default project.
	line(6, "project_id", c.Attrs[plugin.AttrProjectID])
	line(4, "region_name", c.Attrs[plugin.AttrRegionName])
	line(4, "interface", c.Attrs[plugin.AttrInterface])
	line(4, "cacert", c.Attrs[plugin.AttrCACert])
	line(4, "identity_api_version", "3")
	_, err := b.WriteTo(w)
	return err
}

func needKeystone(o Options, format string, c *plugin.Credential) error {
	if err := needToken(o, format, c); err != nil {
		return err
	}
	if c.Attrs[plugin.AttrAuthURL] == "" {
		return plugin.Errorf(plugin.Config, "format %s writes a Keystone token, and this profile gives another kind", format).
			WithHint("make one of it: a profile with plugin: keystone and from: %s", o.Profile)
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
