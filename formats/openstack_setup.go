package formats

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"reflect"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/jeton-cli/jeton/plugin"
)

// cloudPrefix begins the region names of clouds.
const cloudPrefix = "cloud "

// openStackSetup is the command line of jeton setup openstack.
type openStackSetup struct {
	Profile string `arg:"" help:"Profile; one that gives Keystone tokens."`
	As      string `help:"Name of the cloud, instead of the profile's." placeholder:"NAME"`
	Python  string `help:"The Python to install jeton's plugin for, such as VENV/bin/python, instead of openstack's." placeholder:"PATH"`
	Token   bool   `help:"Install nothing, and write a token, which ends."`
}

func (*openStackSetup) Help() string {
	return `Installs a plugin of keystoneauth for the Python that openstack runs on, and writes a cloud with auth_type: jeton into clouds.yaml, below ~/.config/openstack or where $OS_CLIENT_CONFIG_FILE says. Everything on that Python that is made with keystoneauth (openstack, openstacksdk, Ansible) then asks jeton by itself, gets a new token when one ends or is refused, and never asks Keystone for one.

With --token it installs nothing and puts a token into secure.yaml. Run it again when that has expired.

Examples:
  jeton setup openstack prod      then: openstack --os-cloud prod server list
  jeton setup openstack prod --python ~/venv/bin/python`
}

// Fill copies the command line into c.
func (s *openStackSetup) Fill(c *Caller) error {
	if s.Token && s.Python != "" {
		return plugin.Errorf(plugin.Usage, "--token and --python exclude each other").
			WithHint("with --token nothing is installed for a Python")
	}
	c.Name = s.Profile
	if c.As = s.As; c.As == "" {
		c.As = c.Name
	}
	return nil
}

// Plan fetches a token and returns the edits for it.
func (s *openStackSetup) Plan(ctx context.Context, c *Caller) ([]*Edit, []string, error) {
	switch gives := c.Profile.Issuer.Gives; gives { // a fetch might make a key
	case plugin.ApplicationCredential:
		return nil, nil, plugin.Errorf(plugin.Config, "setup openstack writes a Keystone token, and plugin %s gives "+
			"an %s", c.Profile.Issuer.Name, gives).
			WithHint("jeton exec %s -- openstack … works, and jeton get %s -f openstack prints a clouds.yaml",
				c.Name, c.Name)
	case plugin.AccessKey:
		return nil, nil, plugin.Errorf(plugin.Config, "openstack needs a Keystone token, and plugin %s gives an %s",
			c.Profile.Issuer.Name, gives)
	}
	if !s.Token {
		return c.planPlugin(ctx, s.Python)
	}
	cred, err := c.Fetch(ctx, openStackTTL)
	if err != nil {
		return nil, nil, &plugin.ProfileError{Profile: c.Name, Err: err}
	}
	edits, notes, err := setupOpenStack(c, cred)
	if err != nil {
		return nil, nil, &plugin.ProfileError{Profile: c.Name, Err: err}
	}
	return edits, notes, nil
}

// Try returns an openstack command to try next.
func (*openStackSetup) Try(c *Caller) string { return "openstack --os-cloud " + c.As + " token issue" }

// openStackSetupOf returns the command line that sets up a cloud for a profile.
func openStackSetupOf(profile, cloud string) []string {
	argv := []string{"jeton", "setup", "openstack", profile}
	if cloud != profile {
		argv = append(argv, "--as", cloud)
	}
	return argv
}

// setupOpenStack returns the edits that let openstacksdk find the cloud c.As with the
// token of cred, and notes for the user. The token goes into secure.yaml, and everything
// that is not secret into clouds.yaml.
//
// https://docs.openstack.org/openstacksdk/latest/user/config/configuration.html
func setupOpenStack(c *Caller, cred *plugin.Credential) ([]*Edit, []string, error) {
	f := &openStack{Options{Issuers: c.Issuers, Profile: c.Profile.Name, Name: c.As, Client: openStackClient}}
	settings, secret, err := f.split(cred)
	if err != nil {
		return nil, nil, err
	}
	if plugin.CheckName(c.As) != nil {
		return nil, nil, plugin.Errorf(plugin.Usage, "--as %s cannot be the name of a cloud", plugin.Shorten(c.As))
	}
	clouds, err := c.openStackFile("clouds", "OS_CLIENT_CONFIG_FILE")
	if err != nil {
		return nil, nil, err
	}
	secure, err := c.openStackFile("secure", "OS_CLIENT_SECURE_FILE")
	if err != nil {
		return nil, nil, err
	}
	edits := []*Edit{
		{Path: clouds, Regions: []Region{head("clouds"), c.cloudRegion(settings, false)}},
		{Path: secure, Regions: []Region{head("clouds"), c.cloudRegion(secret, true)}, Private: true},
	}
	for _, e := range edits {
		e.Verify = c.sameBesideCloud
	}
	return edits, c.openStackNotes(clouds, cred), nil
}

// openStackFile returns the file called name that openstacksdk reads: the first that
// exists or, if none does, the one that it would read.
func (c *Caller) openStackFile(name, variable string) (string, error) {
	if path := c.Getenv(variable); path != "" {
		return filepath.Abs(path)
	}
	dirs := []string{filepath.Join(c.Home, ".config", "openstack")}
	if config := c.Getenv("XDG_CONFIG_HOME"); filepath.IsAbs(config) {
		dirs = append([]string{filepath.Join(config, "openstack")}, dirs...)
	}
	for _, dir := range dirs {
		for _, suffix := range []string{".yaml", ".yml", ".json"} {
			path := filepath.Join(dir, name+suffix)
			if text, err := c.ReadFile(path); err != nil || text != nil {
				return path, err
			}
		}
	}
	return filepath.Join(dirs[0], name+".yaml"), nil
}

// marker returns the comment that marks what jeton has written.
func (c *Caller) marker() string {
	return markerText + c.Profile.Name
}

const markerText = "# by jeton setup openstack "

// cloudRegion returns the region of a cloud's entry. lines are indented by two spaces.
func (c *Caller) cloudRegion(lines []byte, secret bool) Region {
	find := findItem("clouds", "", c.As)
	of := guarded
	if secret {
		of = rewritten
	}
	return Region{
		Name:   cloudPrefix + c.As,
		Secret: secret,
		Of:     of,
		Find:   find,
		Make: func(text, old []byte, ok bool) (lead, region []byte, err error) {
			d, err := parseLines(text)
			if err != nil {
				return nil, nil, err
			}
			start, _, _, err := find(text)
			if err != nil {
				return nil, nil, err
			}
			if by, jeton := strings.CutPrefix(secondLine(old), markerText); jeton && by != c.Profile.Name {
				return nil, nil, plugin.Errorf(plugin.Config, "cloud %s is already there, for profile %s",
					plugin.Shorten(c.As), plugin.Shorten(by)).
					WithHint("take another name, --as NAME, or take that one out: %s",
						plugin.ShellWords(append(openStackSetupOf(by, c.As), "--remove")...))
			}
			if ok && secondLine(old) != c.marker() {
				return nil, nil, plugin.Errorf(plugin.Config, "cloud %s is already there, and not jeton's",
					plugin.Shorten(c.As)).
					WithHint("take another name: --as NAME")
			}
			indent := d.Indent("clouds")
			if indent == "" {
				indent = "  "
			}
			var b strings.Builder
			for line := range strings.Lines(string(lines)) {
				b.WriteString(strings.TrimPrefix(line, "  "))
				if b.Len() == len(line)-2 { // after the first line
					fmt.Fprintf(&b, "  %s\n", c.marker())
				}
			}
			region = plugin.Indented(b.String(), indent, text)
			if ok && within(region, old) {
				return nil, old, nil // the user has added lines, which stay
			}
			return behind(text[:start], false), region, nil
		},
	}
}

// within reports whether all lines of part are lines of text, in the same order.
func within(part, text []byte) bool {
	next, stop := iter.Pull(bytes.Lines(text))
	defer stop()
	for line := range bytes.Lines(part) {
		for {
			other, ok := next()
			if !ok {
				return false
			}
			if bytes.Equal(bytes.TrimRight(other, "\r\n"), bytes.TrimRight(line, "\r\n")) {
				break
			}
		}
	}
	return true
}

func secondLine(text []byte) string {
	lines := strings.SplitN(string(text), "\n", 3)
	if len(lines) < 2 {
		return ""
	}
	return strings.TrimSpace(lines[1])
}

// sameBesideCloud returns an error if anything except the cloud has changed.
func (c *Caller) sameBesideCloud(before, after []byte) error {
	type file struct {
		Clouds map[string]any `yaml:"clouds"`
		Rest   map[string]any `yaml:",inline"`
	}
	var b, a file
	if yaml.Unmarshal(before, &b) != nil || yaml.Unmarshal(after, &a) != nil || a.Clouds[c.As] == nil {
		return errLayout()
	}
	delete(b.Clouds, c.As)
	delete(a.Clouds, c.As)
	if len(b.Clouds)+len(a.Clouds) > 0 && !reflect.DeepEqual(b.Clouds, a.Clouds) || len(b.Rest)+len(a.Rest) > 0 &&
		!reflect.DeepEqual(b.Rest, a.Rest) {
		return errLayout()
	}
	return nil
}

// openStackNotes returns notes on what else openstackclient would read, and on how long
// the token lives.
func (c *Caller) openStackNotes(clouds string, cred *plugin.Credential) (notes []string) {
	if !cred.Expires.IsZero() {
		notes = append(notes, "the token is valid until "+rfc3339(cred.Expires)+": run this again then, or use "+
			"jeton exec "+c.Profile.Name+" -- openstack …")
	}
	if c.Getenv("OS_CLIENT_CONFIG_FILE") == "" {
		if here := c.cloudsHere(); here != "" && here != clouds {
			notes = append(notes, here+" is what openstackclient reads in this directory, and no other")
		}
		if text, err := c.ReadFile(clouds); err == nil && text == nil {
			if _, err := os.Stat(systemClouds); err == nil {
				notes = append(notes, clouds+" is new, and read instead of "+systemClouds)
			}
		}
	}
	for _, variable := range []string{"OS_CLOUD", "OS_AUTH_URL", "OS_USERNAME", "OS_PASSWORD", "OS_TOKEN",
		"OS_AUTH_TYPE", "OS_PROJECT_ID", "OS_PROJECT_NAME"} {
		if value := c.Getenv(variable); value != "" && value != c.As {
			notes = append(notes, variable+" is set, and would be mixed with the cloud: unset it")
		}
	}
	return notes
}

const systemClouds = "/etc/openstack/clouds.yaml"

// split returns the lines of the cloud without its secret, and the lines of the secret.
func (f *openStack) split(c *plugin.Credential) (settings, secret []byte, err error) {
	var b bytes.Buffer
	if err := f.Encode(&b, c); err != nil {
		return nil, nil, err
	}
	_, lines, _ := bytes.Cut(b.Bytes(), []byte("\n")) // without the line "clouds:"
	name, _, _ := bytes.Cut(lines, []byte("\n"))
	secret = append(append(secret, name...), "\n    auth:\n"...)
	for line := range bytes.Lines(lines) {
		if bytes.HasPrefix(line, []byte("      token: ")) {
			secret = append(secret, line...)
		} else {
			settings = append(settings, line...)
		}
	}
	return settings, secret, nil
}

// freeCloud returns a name for a profile's cloud that no cloud of somebody else has.
func freeCloud(c *Caller, profile string) string {
	path, err := c.openStackFile("clouds", "OS_CLIENT_CONFIG_FILE")
	if err != nil {
		return profile
	}
	text, err := c.ReadFile(path)
	if err != nil {
		return profile
	}
	root, err := plugin.ParseYAML(text)
	if err != nil {
		return profile
	}
	_, clouds := plugin.Get(root, "clouds")
	for _, name := range []string{profile, profile + "-jeton"} {
		_, cloud := plugin.Get(clouds, name)
		_, kind := plugin.Get(cloud, "auth_type")
		if cloud == nil || kind != nil && kind.Value == "jeton" {
			return name
		}
	}
	return profile
}
