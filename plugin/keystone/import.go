package keystone

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/jeton-cli/jeton/plugin"
	"github.com/jeton-cli/jeton/plugin/keystone/openrc"
)

// imports are the sources from which a Keystone login can be imported.
var imports = []plugin.Import{
	{Name: "openrc", Help: "Take over an openrc file.", New: func() plugin.Importer { return &importOpenrc{} }},
	{Name: "clouds", Help: "Take over clouds of a clouds.yaml.",
		New: func() plugin.Importer { return &importClouds{} }},
	{Name: "env", Help: "Take over the identity in the environment.",
		New: func() plugin.Importer { return &importEnv{} }},
}

type importOpenrc struct {
	File string `arg:"" help:"The file that a shell would source."`
	Name string `arg:"" optional:"" help:"Name of the profile; by default that of the file."`
}

func (*importOpenrc) Help() string {
	return "The file is read and never run: what it would ask for, or have a program print, is left to --secret."
}

// Drafts returns the profile made from the file.
func (i *importOpenrc) Drafts(env plugin.ImportEnv) ([]plugin.Draft, error) {
	b, err := plugin.ReadOwnFile(i.File, 1<<20)
	if err != nil {
		return nil, err
	}
	rc, err := openrc.Read(b, env.Getenv)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", i.File, err)
	}
	name := i.Name
	if name == "" {
		name = profileNameOf(i.File)
	}
	d, err := openrcDraft(rc, name, env.Getenv)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", i.File, err)
	}
	return []plugin.Draft{d}, nil
}

// profileNameOf derives a profile's name from that of an openrc file: "web" from
// web-openrc.sh, "openstack" from openrc.
func profileNameOf(path string) string {
	name := filepath.Base(path)
	name = strings.TrimSuffix(name, filepath.Ext(name))
	name = strings.Trim(strings.Replace(name, "openrc", "", 1), "-_. ")
	if plugin.CheckName(name) != nil {
		return "openstack"
	}
	return name
}

type importClouds struct {
	Args []string `arg:"" optional:"" name:"file-or-cloud" help:"A clouds.yaml, and names of clouds in it; by default the one that openstack finds, and all clouds."`
	As   string   `help:"Name of the profile, if there is one cloud." placeholder:"NAME"`
}

func (*importClouds) Help() string {
	return "secure.yaml and clouds-public.yaml are merged as openstack does it."
}

// Drafts returns the profiles made from the clouds.
func (i *importClouds) Drafts(env plugin.ImportEnv) ([]plugin.Draft, error) {
	path, names := plugin.FileFirst(i.Args, ".yaml", ".yml", ".json")
	clouds, err := ReadClouds(path, env.Getenv)
	if err != nil {
		return nil, err
	}
	return plugin.DraftsOf(clouds.Path, i.As, names, clouds.Names, clouds.Draft)
}

type importEnv struct {
	Name string `arg:"" help:"Name of the profile."`
}

func (*importEnv) Help() string {
	return "Makes a profile of the OS_ variables, as a sourced openrc file leaves them, or of the cloud that " +
		"OS_CLOUD names."
}

// Drafts returns the profile made from the identity in the environment.
func (i *importEnv) Drafts(env plugin.ImportEnv) ([]plugin.Draft, error) {
	l := &login{getenv: env.Getenv, values: map[string]plugin.Value{}}
	if err := l.openCloud(); err != nil {
		return nil, err
	}
	d, err := l.draft(i.Name, env.Variables, given)
	if err != nil {
		return nil, err
	}
	return []plugin.Draft{d}, nil
}

// openrcDraft returns the profile made from an openrc file. getenv reads the environment,
// which is used only to find other files.
func openrcDraft(rc *openrc.File, name string, getenv func(string) string) (plugin.Draft, error) {
	l := &login{values: map[string]plugin.Value{}, getenv: func(name string) string {
		w, set := rc.Values[name]
		switch {
		case w.Asked, w.Command != nil:
			return unknown
		case !set && (!strings.HasPrefix(name, "OS_") || strings.HasPrefix(name, "OS_CLIENT_")):
			return getenv(name) // it says where files are
		}
		return w.Text
	}}
	if err := l.openCloud(); err != nil {
		return plugin.Draft{}, noted(rc, err)
	}
	d, err := l.draft(name, rc.Names(), func(v plugin.Value) plugin.DraftSecret {
		w, ok := rc.Values[v.Variable]
		if !ok {
			w.Text = v.Text // from the cloud that the file chooses
		}
		return plugin.DraftSecret{Value: plugin.NewSecret(w.Text), Asked: w.Asked, Command: w.Command,
			Variable: v.Variable}
	})
	// A variable that was asked for but not imported was a step towards another variable.
	d.Left = slices.DeleteFunc(d.Left, func(name string) bool { return rc.Values[name].Asked })
	d.Notes = append(d.Notes, rc.Notes...)
	return d, noted(rc, err)
}

// noted adds to err what jeton does not understand in the file, since that may be the
// reason.
func noted(rc *openrc.File, err error) error {
	if err == nil || len(rc.Notes) == 0 {
		return err
	}
	e := plugin.AsError(err)
	e.Text += " (" + plugin.Shorten(strings.Join(rc.Notes, "; ")) + ")"
	return e
}

// unknown stands for a value that the user types or a program prints.
const unknown = "?"

// Draft returns the profile made from the cloud called name.
func (c *Clouds) Draft(name string) (plugin.Draft, error) {
	found, err := c.cloud(name, "")
	if err != nil {
		return plugin.Draft{}, err
	}
	l := &login{cloud: found, values: map[string]plugin.Value{}, getenv: func(string) string { return "" }}
	return l.draft(name, nil, given)
}

// given returns a secret with a known value.
func given(v plugin.Value) plugin.DraftSecret {
	return plugin.DraftSecret{Value: plugin.NewSecret(v.Text), Variable: v.Variable}
}

// selectors are variables that lead to a login but are not part of it.
var selectors = []string{"OS_CLOUD", "OS_CLOUD_NAME", "OS_CLIENT_CONFIG_FILE", "OS_CLIENT_SECURE_FILE"}

// draft returns the profile made from the login. variables are the names of the variables
// that could be part of it.
func (l *login) draft(name string, variables []string, secret func(plugin.Value) plugin.DraftSecret) (plugin.Draft,
	error) {
	if _, err := l.read(); err != nil {
		return plugin.Draft{}, err
	}
	if l.values["auth_url"].Text == "" {
		return plugin.Draft{}, plugin.Errorf(plugin.Config,
			"auth_url is missing (OS_AUTH_URL), without which there is no login")
	}
	taken := map[string]bool{}
	for _, v := range l.values {
		taken[v.Key] = true
	}
	notes := l.leaveOut(secret)
	d := plugin.NewDraft(name, &Issuer, l.values, l.asked(secret))
	d.Notes = notes
	for _, o := range d.Options {
		if o.Name == "passcode" {
			o.Secret.Momentary = true
		}
	}
	d.Left = l.left(taken, variables)
	if l.cloud != nil && len(l.cloud.regions) > 0 {
		d.Notes = append(d.Notes, "the region is "+plugin.Shorten(l.values["region_name"].Text)+
			"; there are also "+plugin.Shorten(strings.Join(l.cloud.regions, ", ")))
	}
	return d, nil
}

// leaveOut removes from l what a profile must not or cannot have, and returns notes about
// it for the user.
func (l *login) leaveOut(secret func(plugin.Value) plugin.DraftSecret) (notes []string) {
	if _, insecure := l.values["verify"]; insecure {
		notes = append(notes, "verify: false (OS_INSECURE) is not taken over: name the cloud's certificate "+
			"authority, ca_file")
		delete(l.values, "verify")
	}
	if v, ok := l.values["passcode"]; ok && secret(v).Command == nil {
		notes = append(notes, "the passcode is not taken over, as it is good for a moment: "+
			"the terminal is asked, or name a program, passcode: {command: [ARGV…]}")
		delete(l.values, "passcode")
	}
	for _, option := range slices.Sorted(maps.Keys(l.values)) {
		v := l.values[option]
		isSecret := strings.HasPrefix(option, "pass") || strings.HasSuffix(option, "secret") ||
			strings.HasSuffix(option, "token")
		if v.Text == unknown && !isSecret {
			notes = append(notes, option+" ("+v.Variable+") is only known when the file is run: write it into "+
				"the profile")
			delete(l.values, option)
		}
	}
	return notes
}

// asked returns secret, adapted to a login without the password that it needs.
// openstackclient asks for it each time.
func (l *login) asked(secret func(plugin.Value) plugin.DraftSecret) func(plugin.Value) plugin.DraftSecret {
	kind := l.values["auth_type"].Text
	if _, ok := l.values["password"]; ok ||
		!slices.Contains([]string{"v3password", "v2password", "v3multifactor"}, kind) {
		return secret
	}
	l.values["password"] = plugin.Value{Variable: "OS_PASSWORD"}
	return func(v plugin.Value) plugin.DraftSecret {
		if v.Text == "" {
			return plugin.DraftSecret{Asked: true, Variable: v.Variable}
		}
		return secret(v)
	}
}

// left returns the names of the variables and cloud settings that are not imported.
func (l *login) left(taken map[string]bool, variables []string) (names []string) {
	for _, name := range variables {
		if strings.HasPrefix(name, "OS_") && !taken[name] && !slices.Contains(selectors, name) {
			names = append(names, name)
		}
	}
	if l.cloud != nil {
		for block, t := range map[string]tree{"": l.cloud.settings, "auth.": l.cloud.auth} {
			for key := range t {
				if !taken[block+key] && block+key != "auth" && key != "profile" && key != "cloud" {
					names = append(names, block+key)
				}
			}
		}
	}
	slices.Sort(names)
	return names
}
