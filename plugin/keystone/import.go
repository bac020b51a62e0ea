package keystone

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/jeton-cli/jeton/plugin"
	"github.com/jeton-cli/jeton/plugin/keystone/openrc"
)

// imports are the sources from which a Keystone login can be imported.
var imports = []plugin.Import{
	{Name: "openrc", Help: "Take over an openrc file.", New: func() plugin.Importer { return &importOpenrc{} },
		Find: findOpenrc, Open: plugin.Opens(func(path string) plugin.Importer { return &importOpenrc{File: path} },
			".sh", "openrc", ".rc")},
	{Name: "clouds", Help: "Take over clouds of a clouds.yaml.", Words: []string{"openstack", "clouds.yaml", "cloud"},
		New: func() plugin.Importer { return &importClouds{} }, Find: findClouds,
		Open: plugin.Opens(func(path string) plugin.Importer { return &importClouds{Args: []string{path}} },
			".yaml", ".yml")},
	{Name: "env", Help: "Take over the identity in the environment.",
		New: func() plugin.Importer { return &importEnv{} }, Find: findEnv},
}

// findOpenrc returns the openrc files where people have them: here, in the home directory,
// and where browsers put what they load.
func findOpenrc(env plugin.ImportEnv) (found []plugin.Found) {
	for _, dir := range []string{".", env.Home, filepath.Join(env.Home, "Downloads")} {
		paths, _ := filepath.Glob(filepath.Join(dir, "*openrc*")) // an error is one of the pattern
		for _, path := range paths {
			info, err := os.Stat(path)
			abs, e := filepath.Abs(path)
			if err != nil || e != nil || !info.Mode().IsRegular() || info.Size() > 64<<10 ||
				slices.ContainsFunc(found, func(f plugin.Found) bool { return f.What == abs }) {
				continue
			}
			found = append(found, plugin.Found{What: abs, Importer: &importOpenrc{File: abs}})
		}
	}
	return found
}

func findClouds(env plugin.ImportEnv) []plugin.Found {
	clouds, err := ReadClouds("", env.Getenv)
	if err != nil || len(clouds.others()) == 0 {
		return nil
	}
	return []plugin.Found{{What: clouds.Path, Importer: &importClouds{}}}
}

func findEnv(env plugin.ImportEnv) []plugin.Found {
	p, _, err := env.Issuers.FromEnvironment("env", env.Getenv)
	if p == nil || err != nil {
		return nil
	}
	family := strings.ToUpper(strings.TrimPrefix(p.Issuer.EnvName, "env-")) + "_"
	return []plugin.Found{{What: "the " + family + " variables of this shell", Importer: &importEnv{}}}
}

type importOpenrc struct {
	File string `arg:"" help:"The file that a shell would source."`
	Name string `arg:"" optional:"" help:"Name of the profile; by default that of the file."`
}

func (*importOpenrc) Help() string {
	return "The file is read and never run. A password that it asks for, or that a program prints, is asked for at " +
		"the terminal when it is needed, unless --secret says where it is."
}

// Drafts returns the profile made from the file.
func (i *importOpenrc) Drafts(env plugin.ImportEnv) ([]plugin.Draft, error) {
	b, err := plugin.ReadOwnFile(i.File, 1<<20)
	if err != nil {
		return nil, err
	}
	name := i.Name
	if name == "" {
		name = profileNameOf(i.File)
	}
	rc, err := openrc.Read(b, i.File, env.Getenv)
	var d plugin.Draft
	if err == nil {
		d, err = openrcDraft(rc, name, env.Getenv)
	}
	if err != nil {
		return nil, bySourcing(fmt.Errorf("%s: %w", i.File, err), name)
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
	return plugin.DraftsOf(clouds.Path, env.As, names, clouds.others(), clouds.Draft)
}

// others returns the names of the clouds that are not of a profile already.
func (c *Clouds) others() []string {
	return slices.DeleteFunc(slices.Clone(c.Names), func(name string) bool {
		own, _ := c.clouds[name].(tree)
		return own.text("auth_type") == ownType
	})
}

type importEnv struct {
	Name string `arg:"" optional:"" help:"Name of the profile; by default that of the cloud's kind."`
}

func (*importEnv) Help() string {
	return "Makes a profile of the OS_ variables, as a sourced openrc file leaves them, or of the cloud that " +
		"OS_CLOUD names. Without them it takes the variables of another cloud's own tools, such as OVH_ or OSC_."
}

// Drafts returns the profile made from the identity in the environment.
func (i *importEnv) Drafts(env plugin.ImportEnv) ([]plugin.Draft, error) {
	name := i.Name
	// The identity that jeton would use, if one is complete.
	if p, others, err := env.Issuers.FromEnvironment("env", env.Getenv); err == nil && p != nil &&
		p.Issuer.Name != Issuer.Name {
		d, _ := p.Issuer.DraftOfEnvironment(env.Getenv)
		if name != "" {
			d.Name = name
		}
		if len(others) > 0 {
			d.Notes = append(d.Notes, "the environment holds other identities too: "+strings.Join(others, ", "))
		}
		return []plugin.Draft{d}, nil
	}
	if name == "" {
		name = "openstack"
	}
	l := &identity{getenv: env.Getenv, values: map[string]plugin.Value{}}
	if err := l.openCloud(); err != nil {
		return nil, err
	}
	if err := l.readLogin(); err != nil {
		return nil, err
	}
	return []plugin.Draft{l.draft(name, env.Variables, given)}, nil
}

// openrcDraft returns the profile made from an openrc file. getenv reads the environment,
// which is used only to find other files.
func openrcDraft(rc *openrc.File, name string, getenv func(string) string) (plugin.Draft, error) {
	l := &identity{values: map[string]plugin.Value{}, getenv: func(name string) string {
		w, set := rc.Values[name]
		switch {
		case !w.Known():
			return unknown
		case !set && (!strings.HasPrefix(name, "OS_") || strings.HasPrefix(name, "OS_CLIENT_")):
			return getenv(name) // it says where files are
		}
		return w.Text
	}}
	if rc.Elsewhere != "" {
		return plugin.Draft{}, plugin.Errorf(plugin.Config, "the login may be put together elsewhere: %s", rc.Elsewhere)
	}
	for _, name := range selectors {
		if w := rc.Values[name]; !w.Known() {
			return plugin.Draft{}, lost(name, w)
		}
	}
	if err := l.openCloud(); err != nil {
		return plugin.Draft{}, noted(rc, err)
	}
	if err := l.readLogin(); err != nil {
		return plugin.Draft{}, noted(rc, err)
	}
	notes, err := l.leaveUnknown(rc)
	if err != nil {
		return plugin.Draft{}, err
	}
	d := l.draft(name, rc.Names(), func(v plugin.Value) plugin.DraftSecret {
		w, ok := rc.Values[v.Variable]
		if !ok {
			w.Text = v.Text // from the cloud that the file chooses
		}
		return plugin.DraftSecret{Value: plugin.NewSecret(w.Text), Asked: w.Asked ||
			w.Unknown != "", Command: w.Command,
			Variable: v.Variable}
	})
	// Notes tell of what is unknown. A variable that is asked for but not imported is a step
	// towards another variable.
	d.Left = slices.DeleteFunc(d.Left, func(name string) bool { return !rc.Values[name].Known() })
	d.Notes = append(append(d.Notes, notes...), rc.Notes...)
	return d, nil
}

// unknown stands for a value that only the shell knows: the user types it, a program
// prints it, or it depends on another variable.
const unknown = "?"

// convenient are the options whose loss leaves the login what it is.
var convenient = []string{"region_name", "interface", "ca_file"}

// leaveUnknown removes from l the options whose values only a shell knows, and returns
// notes about them. A secret stays: the profile asks for it. It returns an error if the
// login would be another one without the option.
func (l *identity) leaveUnknown(rc *openrc.File) (notes []string, err error) {
	for _, option := range slices.Sorted(maps.Keys(l.values)) {
		v := l.values[option]
		w := rc.Values[v.Variable]
		asDefault := strings.Contains(option, "domain_") && strings.EqualFold(w.Default, "default")
		switch {
		case w.Known(), isSecret(option):
			continue
		case !slices.Contains(convenient, option) && !asDefault:
			return nil, lost(v.Variable, w)
		case w.Unknown == "": // it is typed or printed, and no note of the file says so
			notes = append(notes, option+" ("+v.Variable+") is only known when the file is run: write it into "+
				"the profile")
		case w.Default != "":
			notes = append(notes, option+" ("+v.Variable+") is left out: "+w.Unknown)
		}
		delete(l.values, option)
	}
	return notes, nil
}

// isSecret reports whether the value of an option is a secret.
func isSecret(option string) bool {
	return strings.HasPrefix(option, "pass") || strings.HasSuffix(option, "secret") ||
		strings.HasSuffix(option, "token")
}

// lost returns the error about a variable without which the login would be another one.
func lost(name string, w openrc.Value) error {
	why := w.Unknown
	switch {
	case w.Asked:
		why = "the file asks for it"
	case w.Command != nil:
		why = "a program prints it, and nothing is run"
	}
	return plugin.Errorf(plugin.Config, "%s is not known: %s", name, why)
}

// bySourcing adds to err the way out for a file that only a shell understands.
func bySourcing(err error, name string) error {
	if e := plugin.AsError(err); e.Hint == "" {
		return e.WithHint("source the file in your shell, and then run: %s",
			plugin.ShellWords("jeton", "import", "env", name))
	}
	return err
}

// noted adds to err what jeton does not understand in the file, since that may be the
// reason.
func noted(rc *openrc.File, err error) error {
	if len(rc.Notes) == 0 {
		return err
	}
	e := plugin.AsError(err)
	e.Text += " (" + plugin.Shorten(strings.Join(rc.Notes, "; ")) + ")"
	return e
}

// Draft returns the profile made from the cloud called name.
func (c *Clouds) Draft(name string) (plugin.Draft, error) {
	found, err := c.cloud(name, "")
	if err != nil {
		return plugin.Draft{}, err
	}
	l := &identity{cloud: found, values: map[string]plugin.Value{}, getenv: func(string) string { return "" }}
	if err := l.readLogin(); err != nil {
		return plugin.Draft{}, err
	}
	return l.draft(name, nil, given), nil
}

// given returns a secret with a known value.
func given(v plugin.Value) plugin.DraftSecret {
	return plugin.DraftSecret{Value: plugin.NewSecret(v.Text), Variable: v.Variable}
}

// selectors are variables that lead to a login but are not part of it.
var selectors = []string{"OS_CLOUD", "OS_CLOUD_NAME", "OS_CLIENT_CONFIG_FILE", "OS_CLIENT_SECURE_FILE"}

// readLogin records the options of the login, complete or not.
func (l *identity) readLogin() error {
	if _, err := l.read(); err != nil {
		return err
	}
	if l.values["auth_url"].Text == "" {
		return plugin.Errorf(plugin.Config, "auth_url is missing (OS_AUTH_URL), without which there is no login")
	}
	return nil
}

// draft returns the profile made from the login that was read. variables are the names of
// the variables that could be part of it.
func (l *identity) draft(name string, variables []string, secret func(plugin.Value) plugin.DraftSecret) plugin.Draft {
	taken := map[string]bool{}
	for _, v := range l.values {
		taken[v.Key] = true
	}
	notes := l.leaveOut(secret)
	d := plugin.NewDraft(name, &Issuer, l.values, l.asked(secret))
	d.Notes = notes
	for _, o := range d.Options {
		switch o.Name {
		case "passcode":
			o.Secret.Momentary = true
		case "password":
			o.Secret.Person = true
		}
	}
	d.Left = l.left(taken, variables)
	if l.cloud != nil && len(l.cloud.regions) > 0 {
		d.Notes = append(d.Notes, "the region is "+plugin.Shorten(l.values["region_name"].Text)+
			"; there are also "+plugin.Shorten(strings.Join(l.cloud.regions, ", ")))
	}
	return d
}

// leaveOut removes from l what a profile must not or cannot have, and returns notes about
// it for the user.
func (l *identity) leaveOut(secret func(plugin.Value) plugin.DraftSecret) (notes []string) {
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
	return notes
}

// asked returns secret, adapted to a login without the password that it needs.
// openstackclient asks for it each time.
func (l *identity) asked(secret func(plugin.Value) plugin.DraftSecret) func(plugin.Value) plugin.DraftSecret {
	kind := l.values["auth_type"].Text
	needed := slices.Contains([]string{"v3password", "v2password"}, kind) ||
		kind == "v3multifactor" && slices.Contains(factorNames(l.values["auth_methods"].Text), "v3password")
	if _, ok := l.values["password"]; ok || !needed {
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
func (l *identity) left(taken map[string]bool, variables []string) (names []string) {
	for _, name := range variables {
		if strings.HasPrefix(name, "OS_") && !taken[name] && !slices.Contains(selectors, name) {
			names = append(names, name)
		}
	}
	if l.cloud != nil {
		for block, t := range map[string]tree{"": l.cloud.settings, "auth.": l.cloud.auth} {
			for key := range t {
				empty := t[key] == nil || t[key] == ""
				if !empty && !taken[block+key] && block+key != "auth" && key != "profile" && key != "cloud" {
					names = append(names, block+key)
				}
			}
		}
	}
	slices.Sort(names)
	return names
}
