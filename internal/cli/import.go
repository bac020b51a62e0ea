package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/jeton-cli/jeton/cache"
	"github.com/jeton-cli/jeton/plugin"
)

// importCmd has a command for each import that an issuer declares.
type importCmd struct{ kong.Plugins }

func newImportCmd(issuers plugin.Issuers) *importCmd {
	c := &importCmd{}
	for _, i := range issuers.Imports() {
		c.Plugins = append(c.Plugins, subcommand(i.Name, i.Help, importSourceCmd{Source: i.New()}))
	}
	return c
}

// subcommand returns a struct with one command, as kong wants it.
func subcommand(name, help string, command any) any {
	tag := fmt.Sprintf(`cmd:"" name:%q help:%q`, name, help)
	v := reflect.New(reflect.StructOf([]reflect.StructField{{Name: "Command", Type: reflect.TypeOf(command), Tag: reflect.StructTag(tag)}}))
	v.Elem().Field(0).Set(reflect.ValueOf(command))
	return v.Interface()
}

func (*importCmd) Help() string {
	return `Writes profiles into the configuration file. What is there stays byte for byte as it is; what cannot be taken over is named.

--secret says where a password goes: file (the default: a file below the state directory, for you alone), keyring (the system's), env (it stays in its environment variable), or command (it is printed by a program: the one in the openrc file, or the one that is named). A place can be given: keyring:NAME, file:PATH, env:NAME, 'command:pass show x'.`
}

// An importSourceCmd imports from one source.
type importSourceCmd struct {
	Source plugin.Importer `embed:""`
	Secret string          `help:"Where secrets go: env, file, command or keyring; with :NAME, :PATH or :COMMAND to say which." placeholder:"KIND[:WHERE]"`
	Force  bool            `help:"Replace a profile of that name, and its secrets."`
}

func (i *importSourceCmd) Help() string { return i.Source.Help() }

func (i *importSourceCmd) Run(ctx context.Context, a *app) error {
	env := plugin.ImportEnv{Getenv: a.getenv}
	for _, variable := range os.Environ() {
		if name, value, _ := strings.Cut(variable, "="); value != "" {
			env.Variables = append(env.Variables, name)
		}
	}
	drafts, err := i.Source.Drafts(env)
	if len(drafts) == 0 {
		return err
	}
	return errors.Join(err, a.writeDrafts(ctx, i, drafts))
}

// An outcome tells what became of a draft.
type outcome struct {
	draft plugin.Draft
	done  string
}

// writeDrafts puts drafts into the configuration file, and their secrets where
// they go. What is wrong with one of them does not keep the others.
func (a *app) writeDrafts(ctx context.Context, i *importSourceCmd, drafts []plugin.Draft) error {
	keeper := &plugin.Keeper{
		Keyring: plugin.Keyring{Getenv: a.getenv}, Dir: a.secretsDir, Read: a.readSecret, Write: writeSecret, Force: i.Force,
	}
	if err := keeper.SetPlace(i.Secret, drafts); err != nil {
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
	keeper.Config, keeper.Usual = f.Path, a.usualConfig(f.Path)
	original := f.Text
	var outcomes []outcome
	var failures error
	for _, d := range drafts {
		edited, done, err := a.addDraft(ctx, f, keeper, &d)
		if err != nil {
			failures = errors.Join(failures, &plugin.ProfileError{Profile: plugin.Shorten(d.Name), Err: err})
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
		return errors.Join(failures, plugin.Errorf(plugin.Output, "%v", err), keeper.Undo(0))
	}
	for _, o := range outcomes {
		keeper.Tidy(o.draft, f.Text)
	}
	for _, name := range keeper.Replaced {
		failures = errors.Join(failures, a.dropStandingOn(ctx, name))
	}
	return errors.Join(failures, a.print(tell(outcomes, f.Path)))
}

// addDraft returns the configuration with d in it, whose secrets are stored,
// and what became of it.
func (a *app) addDraft(ctx context.Context, f *plugin.File, keeper *plugin.Keeper, d *plugin.Draft) (*plugin.File, string, error) {
	if err := plugin.CheckName(d.Name); err != nil {
		return nil, "", err
	}
	for i := range d.Options {
		if s := d.Options[i].Secret; s != nil {
			ref, err := keeper.Place(d, d.Options[i].Name, s)
			if err != nil {
				return nil, "", err
			}
			s.Ref = ref
		}
	}
	if err := f.Check(*d); err != nil {
		return nil, "", err
	}
	text, err := plugin.WithProfile(f.Text, *d, keeper.Force)
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
	stored := keeper.Stored()
	for _, o := range d.Options {
		if o.Secret == nil {
			continue
		}
		if err := keeper.Store(ctx, d, o.Name, o.Secret, same); err != nil {
			// All secrets of a profile, or none.
			return nil, "", errors.Join(fmt.Errorf("%s: %w", o.Name, err), keeper.Undo(stored))
		}
	}
	return edited, done, nil
}

// secretsDir returns where import puts files of secrets.
func (a *app) secretsDir() (string, error) {
	dir, err := plugin.StateDir(a.getenv)
	return filepath.Join(dir, cache.SecretsName), err
}

// usualConfig reports whether the configuration file is the one that jeton reads
// unless it is told otherwise.
func (a *app) usualConfig(path string) bool {
	usual, err := plugin.ConfigDir(a.getenv)
	return err == nil && filepath.Join(usual, "config.yaml") == path
}

// writeSecret replaces the content of a file that holds a secret.
func writeSecret(path string, content []byte) error {
	_, err := cache.Edit(path, func([]byte) ([]byte, error) { return content, nil })
	if err != nil {
		return plugin.Errorf(plugin.Output, "%v", err)
	}
	return nil
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
