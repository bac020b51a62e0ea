package cli

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/adrg/xdg"

	"github.com/jeton-cli/jeton/cache"
	"github.com/jeton-cli/jeton/plugin"
	"github.com/jeton-cli/jeton/plugin/keystone"
	"github.com/jeton-cli/jeton/plugin/outscale"
	"github.com/jeton-cli/jeton/plugin/ovhcloud"
)

type importCmd struct {
	Openrc importOpenrcCmd `cmd:"" help:"Take over an openrc file."`
	Clouds importCloudsCmd `cmd:"" help:"Take over clouds of a clouds.yaml."`
	Env    importEnvCmd    `cmd:"" help:"Take over the identity in the environment."`
	OVH    importOVHCmd    `cmd:"" name:"ovh" help:"Take over the service account of an ovh.conf."`

	Outscale importOutscaleCmd `cmd:"" help:"Take over profiles of Outscale's config.json, or what OSC_ variables say."`
}

func (*importCmd) Help() string {
	return `Writes profiles into the configuration file. What is there stays byte for byte as it is; what cannot be taken over is named.

--secret says where a password goes: file (the default: a file below the state directory, for you alone), keyring (the system's), env (it stays in its environment variable), or command (it is printed by a program: the one in the openrc file, or the one that is named). A place can be given: keyring:NAME, file:PATH, env:NAME, 'command:pass show x'.`
}

// importFlags say where secrets go.
type importFlags struct {
	Secret string `help:"Where secrets go: env, file, command or keyring; with :NAME, :PATH or :COMMAND to say which." placeholder:"KIND[:WHERE]"`
	Force  bool   `help:"Replace a profile of that name, and its secrets."`
}

type importOpenrcCmd struct {
	File string `arg:"" help:"The file that a shell would source."`
	Name string `arg:"" optional:"" help:"Name of the profile; by default that of the file."`
	importFlags
}

func (*importOpenrcCmd) Help() string {
	return "The file is read and never run: what it would ask for, or have a program print, is left to --secret."
}

func (i *importOpenrcCmd) Run(ctx context.Context, a *app) error {
	b, err := plugin.ReadOwnFile(i.File, 1<<20)
	if err != nil {
		return err
	}
	openrc, err := keystone.ReadOpenrc(b, a.getenv)
	if err != nil {
		return fmt.Errorf("%s: %w", i.File, err)
	}
	name := i.Name
	if name == "" {
		name = profileNameOf(i.File)
	}
	d, err := openrc.Draft(name)
	if err != nil {
		return fmt.Errorf("%s: %w", i.File, err)
	}
	return a.writeDrafts(ctx, i.importFlags, []plugin.Draft{d})
}

// profileNameOf makes a name of that of an openrc file: "web" of
// web-openrc.sh, "openstack" of openrc.
func profileNameOf(path string) string {
	name := filepath.Base(path)
	name = strings.TrimSuffix(name, filepath.Ext(name))
	name = strings.Trim(strings.Replace(name, "openrc", "", 1), "-_. ")
	if plugin.CheckName(name) != nil {
		return "openstack"
	}
	return name
}

type importCloudsCmd struct {
	Args []string `arg:"" optional:"" name:"file-or-cloud" help:"A clouds.yaml, and names of clouds in it; by default the one that openstack finds, and all clouds."`
	As   string   `help:"Name of the profile, if there is one cloud." placeholder:"NAME"`
	importFlags
}

func (*importCloudsCmd) Help() string {
	return "secure.yaml and clouds-public.yaml are merged as openstack does it."
}

func (i *importCloudsCmd) Run(ctx context.Context, a *app) error {
	path, names := "", i.Args
	if len(names) > 0 && (strings.ContainsRune(names[0], filepath.Separator) || slices.Contains([]string{".yaml", ".yml", ".json"}, filepath.Ext(names[0]))) {
		path, names = names[0], names[1:]
	}
	clouds, err := keystone.ReadClouds(path, a.getenv)
	if err != nil {
		return err
	}
	return a.importAll(ctx, i.importFlags, i.As, names, clouds.Names, clouds.Path, clouds.Draft)
}

type importEnvCmd struct {
	Name string `arg:"" help:"Name of the profile."`
	importFlags
}

func (*importEnvCmd) Help() string {
	return "Makes a profile of the OS_ variables, as a sourced openrc file leaves them, or of the cloud that OS_CLOUD names."
}

func (i *importEnvCmd) Run(ctx context.Context, a *app) error {
	var names []string
	for _, variable := range os.Environ() {
		name, value, _ := strings.Cut(variable, "=")
		if value != "" {
			names = append(names, name)
		}
	}
	d, err := keystone.EnvironmentDraft(i.Name, names, a.getenv)
	if err != nil {
		return err
	}
	return a.writeDrafts(ctx, i.importFlags, []plugin.Draft{d})
}

type importOVHCmd struct {
	Args []string `arg:"" optional:"" name:"file-or-name" help:"An ovh.conf, by default ~/.ovh.conf or /etc/ovh.conf, and a name for the profile (ovh)."`
	importFlags
}

func (*importOVHCmd) Help() string {
	return "An ovh.conf in the working directory is read only if it is named."
}

func (i *importOVHCmd) Run(ctx context.Context, a *app) error {
	path, names := "", i.Args
	if len(names) > 0 && (strings.ContainsRune(names[0], filepath.Separator) || filepath.Ext(names[0]) == ".conf") {
		path, names = names[0], names[1:]
	}
	if len(names) > 1 {
		return plugin.Errorf(plugin.Usage, "one name is enough for one profile")
	}
	name := "ovh"
	if len(names) == 1 {
		name = names[0]
	}
	given := path != ""
	if !given {
		for _, path = range []string{plugin.ExpandHome("~/.ovh.conf"), "/etc/ovh.conf"} {
			if _, err := os.Stat(path); err == nil {
				break
			}
		}
	}
	d, err := ovhcloud.Draft(name, path)
	if errors.Is(err, fs.ErrNotExist) && !given {
		return plugin.Errorf(plugin.Config, "there is no ovh.conf: neither ~/.ovh.conf nor /etc/ovh.conf").
			WithHint("name the file: jeton import ovh PATH")
	}
	if err != nil {
		return err
	}
	return a.writeDrafts(ctx, i.importFlags, []plugin.Draft{d})
}

type importOutscaleCmd struct {
	Args []string `arg:"" optional:"" name:"file-or-profile" help:"A config.json, by default ~/.osc/config.json, and names of profiles in it; by default all."`
	As   string   `help:"Name of the profile, if there is one." placeholder:"NAME"`
	importFlags
}

func (*importOutscaleCmd) Help() string {
	return "Without a file or a profile, an identity in OSC_ variables is taken, as Outscale's tools do it, and else the file. The profile default becomes one called outscale."
}

func (i *importOutscaleCmd) Run(ctx context.Context, a *app) error {
	path, names := "", i.Args
	if len(names) > 0 && (strings.ContainsRune(names[0], filepath.Separator) || filepath.Ext(names[0]) == ".json") {
		path, names = names[0], names[1:]
	}
	if len(i.Args) == 0 {
		d, err := outscale.EnvironmentDraft("outscale", a.getenv)
		if err != nil {
			return err
		}
		if d != nil {
			return a.writeDrafts(ctx, i.importFlags, named([]plugin.Draft{*d}, i.As))
		}
	}
	if path == "" {
		path = a.getenv("OSC_CONFIG_FILE")
	}
	f, err := outscale.ReadConfig(path)
	if errors.Is(err, fs.ErrNotExist) && path == "" {
		return plugin.Errorf(plugin.Config, "there is no ~/.osc/config.json, and no access key in OSC_ACCESS_KEY and OSC_SECRET_KEY").
			WithHint("name the file: jeton import outscale PATH")
	}
	if err != nil {
		return err
	}
	return a.importAll(ctx, i.importFlags, i.As, names, f.Names, f.Path, f.Draft)
}

// importAll takes over those of a file that are named, or all.
func (a *app) importAll(ctx context.Context, flags importFlags, as string, names, all []string, path string, draft func(string) (plugin.Draft, error)) error {
	if len(names) == 0 {
		names = all
	}
	if len(names) == 0 {
		return plugin.Errorf(plugin.Config, "%s: there is nothing in it to take over", path)
	}
	if as != "" && len(names) > 1 {
		return plugin.Errorf(plugin.Usage, "--as names one profile, and there are %d: %s", len(names), plugin.Shorten(strings.Join(names, ", "))).
			WithHint("say which")
	}
	var drafts []plugin.Draft
	var failures error
	for _, name := range names {
		d, err := draft(name)
		if err != nil {
			failures = errors.Join(failures, &profileError{plugin.Shorten(name), err})
			continue
		}
		drafts = append(drafts, d)
	}
	return errors.Join(failures, a.writeDrafts(ctx, flags, named(drafts, as)))
}

// named returns drafts with the name, if there is one.
func named(drafts []plugin.Draft, name string) []plugin.Draft {
	for n := range drafts {
		if name != "" {
			drafts[n].Name = name
		}
	}
	return drafts
}

// An outcome tells what became of a draft.
type outcome struct {
	draft plugin.Draft
	done  string
}

// writeDrafts puts drafts into the configuration file, and their secrets where
// they go. What is wrong with one of them does not keep the others.
func (a *app) writeDrafts(ctx context.Context, flags importFlags, drafts []plugin.Draft) error {
	keeper, err := a.newKeeper(flags, drafts)
	if err != nil {
		return err
	}
	a.open(ctx, true)
	if a.state != nil {
		unlock, err := a.state.Lock(ctx, cache.ConfigLock)
		if err != nil {
			return plugin.Errorf(plugin.Later, "another jeton is editing the configuration file")
		}
		defer unlock()
	}
	f, err := a.readConfig(false)
	if err != nil {
		return err
	}
	keeper.config = f.Path
	original := f.Text
	var outcomes []outcome
	var failures error
	for _, d := range drafts {
		edited, done, err := a.addDraft(ctx, f, keeper, &d)
		if err != nil {
			failures = errors.Join(failures, &profileError{plugin.Shorten(d.Name), err})
			continue
		}
		f = edited
		outcomes = append(outcomes, outcome{d, done})
	}
	if len(outcomes) == 0 {
		return failures
	}
	_, err = cache.Edit(f.Path, func(now []byte) ([]byte, error) {
		if !bytes.Equal(now, original) {
			return nil, errors.New(f.Path + ": somebody else has changed it meanwhile")
		}
		return f.Text, nil
	})
	if err != nil {
		// A secret must not be where a former profile would send it elsewhere.
		return errors.Join(failures, plugin.Errorf(plugin.Output, "%v", err), keeper.undo(0))
	}
	for _, o := range outcomes {
		keeper.tidy(o.draft, f.Text)
	}
	for _, name := range keeper.replaced {
		failures = errors.Join(failures, a.dropStandingOn(ctx, name))
	}
	return errors.Join(failures, a.print(tell(outcomes, f.Path)))
}

// addDraft returns the configuration with d in it, whose secrets are stored,
// and what became of it.
func (a *app) addDraft(ctx context.Context, f *plugin.File, keeper *keeper, d *plugin.Draft) (*plugin.File, string, error) {
	if err := plugin.CheckName(d.Name); err != nil {
		return nil, "", err
	}
	for i := range d.Options {
		if s := d.Options[i].Secret; s != nil {
			ref, err := keeper.place(d, d.Options[i].Name, s)
			if err != nil {
				return nil, "", err
			}
			s.Ref = ref
		}
	}
	if err := f.Check(*d); err != nil {
		return nil, "", err
	}
	text, err := plugin.WithProfile(f.Text, *d, keeper.force)
	if err != nil {
		return nil, "", err
	}
	edited, err := f.With(text)
	if err == nil {
		_, err = edited.Profile(d.Name)
	}
	if err != nil {
		return nil, "", err
	}
	same := bytes.Equal(text, f.Text) && f.Has(d.Name)
	done := "written to"
	switch {
	case same:
		done = "is already in"
	case f.Has(d.Name):
		done = "replaced in"
	}
	stored := len(keeper.undos)
	for _, o := range d.Options {
		if o.Secret == nil {
			continue
		}
		if err := keeper.store(ctx, d, o.Name, o.Secret, same); err != nil {
			// All secrets of a profile, or none.
			return nil, "", errors.Join(fmt.Errorf("%s: %w", o.Name, err), keeper.undo(stored))
		}
	}
	return edited, done, nil
}

func tell(outcomes []outcome, path string) []byte {
	var b bytes.Buffer
	for _, o := range outcomes {
		fmt.Fprintf(&b, "%s: %s %s\n", o.draft.Name, o.done, path)
		for _, option := range o.draft.Options {
			if option.Secret != nil {
				fmt.Fprintf(&b, "%s: %s is in %s\n", o.draft.Name, option.Name, option.Secret.Ref)
			}
		}
		if len(o.draft.Left) > 0 {
			fmt.Fprintf(&b, "%s: not taken over: %s\n", o.draft.Name, strings.Join(o.draft.Left, ", "))
		}
		for _, note := range o.draft.Notes {
			fmt.Fprintf(&b, "%s: %s\n", o.draft.Name, note)
		}
	}
	return b.Bytes()
}

// A keeper puts secrets where --secret says.
type keeper struct {
	app         *app
	kind, where string
	given       bool // --secret was
	force       bool
	config      string            // the file that is edited
	used        map[string]string // the places of this run, and whose they are
	replaced    []string          // in the keyring
	undos       []func() error
}

func (a *app) newKeeper(flags importFlags, drafts []plugin.Draft) (*keeper, error) {
	k := &keeper{app: a, given: flags.Secret != "", force: flags.Force, used: map[string]string{}}
	k.kind, k.where, _ = strings.Cut(flags.Secret, ":")
	if !k.given {
		k.kind = "file"
	}
	if !slices.Contains([]string{"env", "file", "command", "keyring"}, k.kind) {
		return nil, plugin.Errorf(plugin.Usage, "--secret %s is not known", plugin.Shorten(k.kind)).
			WithHint("there are: env, file, command, keyring")
	}
	if strings.HasSuffix(flags.Secret, ":") {
		return nil, plugin.Errorf(plugin.Usage, "--secret %s says nothing behind the colon", plugin.Shorten(flags.Secret))
	}
	secrets := 0
	for _, d := range drafts {
		for _, o := range d.Options {
			if o.Secret != nil && !o.Secret.Momentary {
				secrets++
			}
		}
	}
	if k.where != "" && secrets > 1 {
		return nil, plugin.Errorf(plugin.Usage, "--secret names one place, and there are %d secrets", secrets).
			WithHint("leave out what is behind the colon, or take over one at a time")
	}
	return k, nil
}

// undo takes back what was stored, but for the first n secrets.
func (k *keeper) undo(n int) (failures error) {
	for _, undo := range slices.Backward(k.undos[n:]) {
		failures = errors.Join(failures, undo())
	}
	k.undos = k.undos[:n]
	return failures
}

// tidy removes the files in which import has put the secrets of d before, if
// nothing in the configuration, however it is written, names them any more.
func (k *keeper) tidy(d plugin.Draft, config []byte) {
	for _, o := range d.Options {
		path, err := k.own(d.Name + "-" + o.Name)
		if err == nil && o.Secret != nil && !bytes.Contains(config, []byte(filepath.Base(path))) {
			os.Remove(path)
		}
	}
}

// place says where a secret of d will be.
func (k *keeper) place(d *plugin.Draft, option string, s *plugin.DraftSecret) (plugin.SecretRef, error) {
	switch {
	case s.Momentary:
		return plugin.CommandSecret(s.Command), nil
	case k.given:
	case s.Command != nil:
		return plugin.SecretRef{}, plugin.Errorf(plugin.Config, "%s is what a program prints (%s), and jeton has not run it", option, plugin.Shorten(strings.Join(s.Command, " "))).
			WithHint("--secret command leaves it to that program; --secret file and --secret keyring ask for it now")
	case s.Asked:
		e := plugin.Errorf(plugin.Config, "%s is not written there: it is asked for each time", option).
			WithHint("say where to keep it: --secret keyring or file (asked for now), --secret env (%s), --secret 'command:pass show …'", s.Variable)
		if len(d.Notes) > 0 { // one of which may be why
			e.Text += " (" + plugin.Shorten(strings.Join(d.Notes, "; ")) + ")"
		}
		return plugin.SecretRef{}, e
	}
	ref, err := k.choose(d, option, s)
	if err != nil {
		return ref, err
	}
	owner := d.Name + ": " + option
	if other, ok := k.used[ref.String()]; ok && other != owner && k.kind != "command" {
		return ref, plugin.Errorf(plugin.Config, "%s would be in %s, where that of %s is", option, ref, other).
			WithHint("take over one at a time, and say where: --secret %s:…", k.kind)
	}
	k.used[ref.String()] = owner
	return ref, nil
}

func (k *keeper) choose(d *plugin.Draft, option string, s *plugin.DraftSecret) (plugin.SecretRef, error) {
	name := d.Name + "-" + option
	switch k.kind {
	case "env":
		variable := k.where
		if variable == "" {
			variable = s.Variable
		}
		if variable == "" {
			variable = "JETON_SECRET_" + strings.ToUpper(strings.Map(func(r rune) rune {
				if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
					return r
				}
				return '_'
			}, strings.ToLower(name)))
			d.Notes = append(d.Notes, "set "+variable+" to the "+strings.ReplaceAll(option, "_", " "))
		}
		return plugin.EnvSecret(variable), nil
	case "command":
		argv := s.Command
		if k.where != "" {
			if argv = strings.Fields(k.where); strings.ContainsAny(k.where, "'\"\\$|<>;&*?~`(){}") {
				argv = []string{"sh", "-c", k.where}
			}
		}
		if argv == nil {
			return plugin.SecretRef{}, plugin.Errorf(plugin.Config, "%s: no program prints it there", option).
				WithHint("name one: --secret 'command:pass show …'")
		}
		return plugin.CommandSecret(argv), nil
	case "keyring":
		if k.where != "" {
			name = k.where
		}
		return plugin.KeyringSecret(name), checkSecretName(name)
	}
	path, err := k.path(name)
	return plugin.FileSecret(path), err
}

// path returns the file for a secret of that name.
func (k *keeper) path(name string) (string, error) {
	if k.where != "" {
		path, err := filepath.Abs(plugin.ExpandHome(k.where))
		if err != nil {
			err = plugin.Errorf(plugin.Usage, "--secret %s: %v", plugin.Shorten(k.where), err)
		}
		return path, err
	}
	return k.own(name)
}

// own returns jeton's own file for a secret of that name. Another configuration
// file than the usual one has files of its own.
func (k *keeper) own(name string) (string, error) {
	dir, err := k.app.directory("XDG_STATE_HOME", xdg.StateHome)
	if err != nil {
		return "", plugin.Errorf(plugin.Config, "%v, so that there is no place for a secret", err).
			WithHint("name one: --secret file:PATH")
	}
	usual, err := k.app.directory("XDG_CONFIG_HOME", xdg.ConfigHome)
	if err != nil || filepath.Join(usual, "config.yaml") != k.config {
		name += fmt.Sprintf("-%x", sha256.Sum256([]byte(k.config)))[:9]
	}
	return filepath.Join(dir, cache.SecretsName, name), nil
}

// A vault is where a keeper keeps one secret.
type vault interface {
	get(ctx context.Context) (plugin.Secret, error) // an empty one if there is none
	set(ctx context.Context, s plugin.Secret) error
	remove(ctx context.Context) error
}

// store puts a secret of d where place has said. same says that the profile is
// already there, so that nothing is asked for what is known.
func (k *keeper) store(ctx context.Context, d *plugin.Draft, option string, s *plugin.DraftSecret, same bool) error {
	if s.Momentary || k.kind == "env" || k.kind == "command" {
		return nil
	}
	name := d.Name + "-" + option
	var v vault
	if k.kind == "keyring" {
		if k.where != "" {
			name = k.where
		}
		v = keyringVault{k.app, name}
	} else {
		path, err := k.path(name)
		if err != nil {
			return err
		}
		if path == k.config {
			return plugin.Errorf(plugin.Usage, "--secret: that is the configuration file")
		}
		v = fileVault(path)
	}
	former, err := v.get(ctx)
	if err != nil {
		return err
	}
	if s.Value.IsZero() {
		if same && !former.IsZero() && !k.force {
			return nil
		}
		if s.Value, err = k.app.readSecret(ctx, fmt.Sprintf("%s of %s: ", option, d.Name)); err != nil {
			return err
		}
	}
	if s.Value, err = plugin.ReadSecret(strings.NewReader(s.Value.Reveal())); err != nil {
		return err
	}
	switch {
	case former.Reveal() == s.Value.Reveal():
		return nil
	case !former.IsZero() && !k.force:
		return plugin.Errorf(plugin.Config, "another secret is already in %s", s.Ref).
			WithHint("replace it: --force")
	}
	k.undos = append(k.undos, func() error {
		if former.IsZero() {
			return v.remove(ctx)
		}
		return v.set(ctx, former)
	})
	if k.kind == "keyring" {
		k.replaced = append(k.replaced, name)
	}
	return v.set(ctx, s.Value)
}

type fileVault string

func (path fileVault) get(context.Context) (plugin.Secret, error) {
	s, err := plugin.FileSecret(string(path)).Stored()
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return s, err
}

func (path fileVault) set(_ context.Context, s plugin.Secret) error {
	_, err := cache.Edit(string(path), func([]byte) ([]byte, error) { return []byte(s.Reveal() + "\n"), nil })
	if err != nil {
		return plugin.Errorf(plugin.Output, "%v", err)
	}
	return nil
}

func (path fileVault) remove(context.Context) error { return os.Remove(string(path)) }

type keyringVault struct {
	app  *app
	name string
}

func (v keyringVault) get(ctx context.Context) (plugin.Secret, error) {
	s, err := plugin.Keyring{Getenv: v.app.getenv}.Get(ctx, v.name)
	if errors.Is(err, plugin.ErrNoSecret) {
		err = nil
	}
	return s, err
}

func (v keyringVault) set(ctx context.Context, s plugin.Secret) error {
	return v.app.storeSecret(ctx, v.name, s)
}

func (v keyringVault) remove(ctx context.Context) error {
	return plugin.Keyring{Getenv: v.app.getenv}.Delete(ctx, v.name)
}
