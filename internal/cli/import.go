package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/jeton-cli/jeton/cache"
	"github.com/jeton-cli/jeton/formats"
	"github.com/jeton-cli/jeton/plugin"
)

// importCmd has one command for each import that an issuer declares.
type importCmd struct{ kong.Plugins }

func newImportCmd(issuers plugin.Issuers) any {
	c := &importCmd{}
	for _, i := range imports(issuers) {
		c.Plugins = append(c.Plugins, subcommand(i.Name, i.Help, importSourceCmd{Source: i.New()}))
	}
	return c
}

// imports returns what can be taken over: issuers' files, and then callers'.
func imports(issuers plugin.Issuers) []plugin.Import {
	return slices.Concat(issuers.Imports(), formats.Imports())
}

func (*importCmd) Help() string {
	return `Writes profiles into the configuration file. The rest of the file stays as it is, byte for byte. Names the settings that have no place in a profile.

What can be written is written: if something cannot, the exit code says so, and an error says what. --dry-run shows the change.

--secret says where a password goes: file (the default, a file below the state directory that only you can read), keyring (the system keyring), env (its environment variable), or command (a program prints it: the one in the openrc file, or one that you name). You can name the place: keyring:NAME, file:PATH, env:NAME, 'command:pass show x'.`
}

// importSourceCmd imports from one source.
type importSourceCmd struct {
	Source plugin.Importer `embed:""`
	As     string          `help:"Name of the profile, if there is one." placeholder:"NAME"`
	Secret string          `help:"Where secrets go: env, file, command or keyring; with :NAME, :PATH or :COMMAND to say which." placeholder:"KIND[:WHERE]"`
	Force  bool            `help:"Replace an existing profile of that name, and its secrets."`
	DryRun bool            `help:"Show what would change in the configuration file, and write nothing."`
	Plain  bool            `name:"plain-http" help:"Take addresses with http over too: whoever listens on the network reads the secrets."`
}

func (i *importSourceCmd) Help() string { return i.Source.Help() }

func (i *importSourceCmd) Run(ctx context.Context, t *terminal, ps *profiles, w cache.World) error {
	env := importEnv(w)
	env.As = i.As
	var notes []byte
	env.Note = func(text string) { notes = fmt.Appendf(notes, "%s\n", text) }
	m := &merge{ps: ps, plainHTTP: i.Plain, dry: i.DryRun, keeper: newKeeper(t, w, i.Force)}
	if err := m.keeper.SetPlace(i.Secret, nil); err != nil { // before a file is looked at
		return err
	}
	drafts, failures := i.Source.Drafts(env)
	if len(drafts) == 0 {
		return failures
	}
	if i.As != "" && len(drafts) == 1 {
		drafts[0].Name = i.As
	}
	if err := m.keeper.SetPlace(i.Secret, drafts); err != nil {
		return err
	}
	report, err := m.write(ctx, cache.Open(ctx, w, !i.DryRun), drafts)
	failures = errors.Join(failures, err)
	if report == nil {
		return failures
	}
	return errors.Join(failures, t.print(lines(append(report, notes...), t.outLook())))
}

// lines returns text with its lines broken so that they fit, but for those of a diff. Where
// there is no terminal, it returns text as it is.
func lines(text []byte, l look) []byte {
	if l.width == 0 {
		return text
	}
	var b bytes.Buffer
	diff := false
	for line := range strings.Lines(string(text)) {
		diff = strings.HasPrefix(line, "--- ") || diff && strings.ContainsAny(line[:1], "+-@ ")
		if !diff {
			line = l.fit(strings.TrimSuffix(line, "\n")) + "\n"
		}
		b.WriteString(line)
	}
	return b.Bytes()
}

// importEnv returns what imports may use.
func importEnv(w cache.World) plugin.ImportEnv {
	home, _ := os.UserHomeDir() // without one there are no usual places
	env := plugin.ImportEnv{Getenv: w.Getenv, Issuers: w.Issuers, Home: home}
	for _, variable := range os.Environ() {
		if name, value, _ := strings.Cut(variable, "="); value != "" {
			env.Variables = append(env.Variables, name)
		}
	}
	return env
}

// newKeeper returns what stores secrets.
func newKeeper(t *terminal, w cache.World, force bool) *plugin.Keeper {
	return &plugin.Keeper{
		Keyring: plugin.Keyring{Getenv: w.Getenv}, Read: t.readSecret, Write: writeSecret, Force: force,
		Dir: func() (string, error) {
			dir, err := plugin.StateDir(w.Getenv)
			return filepath.Join(dir, cache.SecretsName), err
		},
	}
}

// writeSecret replaces the content of a file that holds a secret.
func writeSecret(path string, content []byte) error {
	_, err := cache.EditFile(path, func([]byte) ([]byte, error) { return content, nil })
	if err != nil {
		return plugin.Errorf(plugin.Output, "%v", err)
	}
	return nil
}

// A merge writes drafts into the configuration file, and their secrets to their places.
type merge struct {
	ps        *profiles
	keeper    *plugin.Keeper
	plainHTTP bool   // profiles may send secrets over http
	dry       bool   // nothing is written
	header    string // of a new configuration file
}

// An outcome is what happened to a draft.
type outcome struct {
	draft plugin.Draft
	done  string
}

// write writes the drafts into the configuration file and returns a report, or nil if it
// wrote nothing. A draft that fails does not stop the others.
func (m *merge) write(ctx context.Context, s *cache.Session, drafts []plugin.Draft) (report []byte, err error) {
	if s.State != nil {
		unlock, err := s.State.Lock(ctx, cache.ConfigLock)
		if err != nil {
			return nil, errLock(ctx, err)
		}
		defer unlock()
	}
	f, err := m.ps.reread(false)
	if err != nil {
		return nil, err
	}
	m.keeper.For(f.Path, m.ps.getenv)
	original := f.Text
	if len(original) == 0 && m.header != "" {
		if f, err = f.With([]byte(m.header)); err != nil {
			return nil, err
		}
	}
	var outcomes []outcome
	var failures error
	for _, d := range drafts {
		edited, done, err := m.add(ctx, f, &d)
		if err != nil {
			failures = errors.Join(failures, &plugin.ProfileError{Profile: plugin.Shorten(d.Name), Err: err})
			continue
		}
		f = edited
		outcomes = append(outcomes, outcome{d, done})
	}
	if len(outcomes) == 0 {
		return nil, failures
	}
	if m.dry {
		change := formats.Diff(f.Path, original, f.Text, m.ps.issuers.PlainOptions())
		return append(change, tell(outcomes, f.Path)...), failures
	}
	_, err = cache.EditFile(f.Path, func(now []byte) ([]byte, error) {
		if !bytes.Equal(now, original) {
			return nil, errors.New(f.Path + ": somebody else has changed it meanwhile")
		}
		return f.Text, nil
	})
	if err != nil {
		// The old profile must not find the new secret and send it to the old issuer.
		return nil, errors.Join(failures, plugin.Errorf(plugin.Output, "%v", err), m.keeper.Undo(0))
	}
	for _, o := range outcomes {
		m.keeper.Tidy(o.draft, f.Text)
	}
	for _, name := range m.keeper.Replaced {
		failures = errors.Join(failures, s.DropStandingOn(ctx, f, name))
	}
	return tell(outcomes, f.Path), failures
}

// errLock returns the error for a configuration lock that was not to be had.
func errLock(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return plugin.Errorf(plugin.Later, "another jeton is editing configuration files")
	}
	return plugin.Errorf(plugin.Config, "configuration files cannot be locked: %v", err)
}

// add stores d's secrets and returns the configuration with d in it, and what happened
// to d.
func (m *merge) add(ctx context.Context, f *plugin.File, d *plugin.Draft) (*plugin.File, string, error) {
	if err := plugin.CheckName(d.Name); err != nil {
		return nil, "", err
	}
	for i := range d.Options {
		if s := d.Options[i].Secret; s != nil {
			ref, err := m.keeper.Place(d, d.Options[i].Name, s)
			if err != nil {
				return nil, "", err
			}
			s.Ref = ref
		}
	}
	d.Options = slices.DeleteFunc(d.Options, func(o plugin.DraftOption) bool {
		return o.Secret != nil && o.Secret.Ref.IsZero() // the person is asked for it
	})
	if err := m.check(f, d); err != nil {
		return nil, "", err
	}
	text, err := plugin.WithProfile(f.Text, *d, m.keeper.Force)
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
	if m.dry {
		return edited, map[bool]string{true: done, false: "would be " + done}[same], nil
	}
	stored := m.keeper.Stored()
	for _, o := range d.Options {
		if o.Secret == nil {
			continue
		}
		if err := m.keeper.Store(ctx, d, o.Name, o.Secret, same); err != nil {
			// A profile's secrets are stored all together or not at all.
			return nil, "", errors.Join(fmt.Errorf("%s: %w", o.Name, err), m.keeper.Undo(stored))
		}
	}
	return edited, done, nil
}

// check returns an error if d cannot be a profile of f. It lets d send secrets over http if
// it needs that and the user wants it.
func (m *merge) check(f *plugin.File, d *plugin.Draft) error {
	if err := f.NeedsPlainHTTP(*d); err != nil {
		if !m.plainHTTP {
			return errPlainHTTP(err)
		}
		*d = d.WithPlainHTTP()
	}
	return f.Check(*d)
}

// errPlainHTTP returns err, which says that secrets would be sent over http, with the way out.
func errPlainHTTP(err error) error {
	return plugin.AsError(err).WithHint("use https; if the network is your own, add --plain-http to this command")
}

// tell reports the outcomes.
func tell(outcomes []outcome, path string) []byte {
	var b bytes.Buffer
	for _, o := range outcomes {
		fmt.Fprintf(&b, "%s: %s %s\n", o.draft.Name, o.done, path)
		is := "is"
		if strings.HasPrefix(o.done, "would be") {
			is = "would be"
		}
		for _, option := range o.draft.Options {
			if option.Secret != nil {
				fmt.Fprintf(&b, "%s: %s %s in %s\n", o.draft.Name, option.Name, is, option.Secret.Ref)
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
