package plugin

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
)

// A Keeper stores the secrets of drafts where the user wants them.
type Keeper struct {
	Keyring Keyring
	// Dir returns the directory for secret files.
	Dir func() (string, error)
	// Read asks the user for a secret.
	Read func(ctx context.Context, question string) (Secret, error)
	// Write replaces the content of a file.
	Write func(path string, content []byte) error
	// Force allows a different secret in the same place to be replaced.
	Force bool
	// Config is the configuration file being edited. Usual says whether jeton reads it by
	// default.
	Config string
	Usual  bool
	// Replaced are the names of the keyring secrets that have a new value.
	Replaced []string

	kind, where string
	given       bool              // whether the user chose a place
	used        map[string]string // the places used in this run, and their owners
	undos       []func() error
}

// For says that the drafts go into the configuration file at path.
func (k *Keeper) For(path string, getenv func(string) string) {
	usual, err := UsualConfig(getenv)
	k.Config, k.Usual = path, err == nil && usual == path
}

// SetPlace sets where the secrets of the drafts go: env, file, command or keyring, with
// :NAME, :PATH or :COMMAND to say which. place is empty if the user has not chosen. It
// returns a [Usage] error if the place cannot be used.
func (k *Keeper) SetPlace(place string, drafts []Draft) error {
	k.given, k.used = place != "", map[string]string{}
	k.kind, k.where, _ = strings.Cut(place, ":")
	if !k.given {
		k.kind = "file"
	}
	if !slices.Contains([]string{"env", "file", "command", "keyring"}, k.kind) {
		return Errorf(Usage, "--secret takes the kind of a place, not the secret").
			WithHint("there are: env, file, command, keyring")
	}
	if strings.HasSuffix(place, ":") {
		return Errorf(Usage, "--secret %s: says nothing behind the colon", k.kind)
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
		return Errorf(Usage, "--secret names one place, and there are %d secrets", secrets).
			WithHint("leave out what is behind the colon, or take over one at a time")
	}
	return nil
}

// Stored returns how many secrets were stored.
func (k *Keeper) Stored() int { return len(k.undos) }

// Undo reverts what was stored, except for the first n secrets.
func (k *Keeper) Undo(n int) (failures error) {
	for _, undo := range slices.Backward(k.undos[n:]) {
		failures = errors.Join(failures, undo())
	}
	k.undos = k.undos[:n]
	return failures
}

// Tidy removes the files in which an earlier import put the secrets of d. It keeps those
// that the configuration still names in any form.
func (k *Keeper) Tidy(d Draft, config []byte) {
	for _, o := range d.Options {
		path, err := k.own(d.Name + "-" + o.Name)
		if err == nil && o.Secret != nil && !bytes.Contains(config, []byte(filepath.Base(path))) {
			os.Remove(path)
		}
	}
}

// Place returns where a secret of d will be.
func (k *Keeper) Place(d *Draft, option string, s *DraftSecret) (SecretRef, error) {
	switch {
	case s.Momentary:
		return CommandSecret(s.Command), nil
	case k.given:
	case s.Person && (s.Asked || s.Command != nil):
		d.Notes = append(d.Notes, option+": asked for at the terminal when it is needed (jeton login "+
			ShellWords(d.Name)+"); --secret says where else it is")
		return SecretRef{}, nil
	case s.Command != nil:
		return SecretRef{}, Errorf(Config, "%s is what a program prints (%s), and jeton has not run it", option,
			Shorten(strings.Join(s.Command, " "))).
			WithHint("--secret command leaves it to that program; --secret file and --secret keyring ask for it now")
	case s.Asked:
		e := Errorf(Config, "%s is not written there: it is asked for each time", option).
			WithHint("say where to keep it: --secret keyring or file (asked for now), --secret env (%s), --secret "+
				"'command:pass show …'", s.Variable)
		if len(d.Notes) > 0 { // one of them may be the reason
			e.Text += " (" + Shorten(strings.Join(d.Notes, "; ")) + ")"
		}
		return SecretRef{}, e
	}
	ref, err := k.choose(d, option, s)
	if err != nil {
		return ref, err
	}
	owner := d.Name + ": " + option
	if other, ok := k.used[ref.String()]; ok && other != owner && k.kind != "command" {
		return ref, Errorf(Config, "%s would be in %s, where that of %s is", option, ref, other).
			WithHint("take over one at a time, and say where: --secret %s:…", k.kind)
	}
	k.used[ref.String()] = owner
	return ref, nil
}

func (k *Keeper) choose(d *Draft, option string, s *DraftSecret) (SecretRef, error) {
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
		return EnvSecret(variable), nil
	case "command":
		argv := s.Command
		if k.where != "" {
			argv = SecretCommand(k.where)
		}
		if argv == nil {
			return SecretRef{}, Errorf(Config, "%s: no program prints it there", option).
				WithHint("name one: --secret 'command:pass show …'")
		}
		return CommandSecret(argv), nil
	case "keyring":
		if k.where != "" {
			name = k.where
		}
		return KeyringSecret(name), CheckSecretName(name)
	}
	path, err := k.path(name)
	return FileSecret(path), err
}

// SecretCommand returns the program and the arguments that a line means. A shell runs a line
// that needs one.
func SecretCommand(line string) []string {
	if strings.ContainsAny(line, "'\"\\$|<>;&*?~`(){}") {
		return []string{"sh", "-c", line}
	}
	return strings.Fields(line)
}

// path returns the file for the secret called name.
func (k *Keeper) path(name string) (string, error) {
	if k.where != "" {
		path, err := filepath.Abs(ExpandHome(k.where))
		if err != nil {
			err = Errorf(Usage, "--secret %s: %v", Shorten(k.where), err)
		}
		return path, err
	}
	return k.own(name)
}

// own returns jeton's own file for the secret called name. A configuration file other
// than the usual one has its own secret files.
func (k *Keeper) own(name string) (string, error) {
	dir, err := k.Dir()
	if err != nil {
		return "", Errorf(Config, "%v, so that there is no place for a secret", err).
			WithHint("name one: --secret file:PATH")
	}
	if !k.Usual {
		name += fmt.Sprintf("-%x", sha256.Sum256([]byte(k.Config)))[:9]
	}
	return filepath.Join(dir, name), nil
}

// A vault is a place where a keeper stores one secret.
type vault interface {
	get(ctx context.Context) (Secret, error) // an empty secret if there is none
	set(ctx context.Context, s Secret) error
	remove(ctx context.Context) error
}

// Store writes a secret of d to the place that Place returned. same says that the profile
// already exists, so that the user is not asked for a secret that is known.
func (k *Keeper) Store(ctx context.Context, d *Draft, option string, s *DraftSecret, same bool) error {
	if s.Momentary || k.kind == "env" || k.kind == "command" {
		return nil
	}
	name := d.Name + "-" + option
	var v vault
	if k.kind == "keyring" {
		if k.where != "" {
			name = k.where
		}
		v = keyringVault{k.Keyring, name}
	} else {
		path, err := k.path(name)
		if err != nil {
			return err
		}
		if path == k.Config {
			return Errorf(Usage, "--secret: that is the configuration file")
		}
		v = fileVault{path, k.Write}
	}
	former, err := v.get(ctx)
	if err != nil {
		return err
	}
	if s.Value.IsZero() {
		if same && !former.IsZero() && !k.Force {
			return nil
		}
		if s.Value, err = k.Read(ctx, fmt.Sprintf("%s of %s: ", option, d.Name)); err != nil {
			return err
		}
	}
	if s.Value, err = ReadSecret(strings.NewReader(s.Value.Reveal())); err != nil {
		return err
	}
	switch {
	case former.Reveal() == s.Value.Reveal():
		return nil
	case !former.IsZero() && !k.Force:
		return Errorf(Config, "another secret is already in %s", s.Ref).
			WithHint("replace it: --force")
	}
	k.undos = append(k.undos, func() error {
		if former.IsZero() {
			return v.remove(ctx)
		}
		return v.set(ctx, former)
	})
	if k.kind == "keyring" {
		k.Replaced = append(k.Replaced, name)
	}
	return v.set(ctx, s.Value)
}

type fileVault struct {
	path  string
	write func(path string, content []byte) error
}

func (v fileVault) get(context.Context) (Secret, error) {
	s, err := FileSecret(v.path).Stored()
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return s, err
}

func (v fileVault) set(_ context.Context, s Secret) error {
	return v.write(v.path, []byte(s.Reveal()+"\n"))
}

func (v fileVault) remove(context.Context) error {
	if err := os.Remove(v.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return Errorf(Output, "%v", err)
	}
	return nil
}

type keyringVault struct {
	keyring Keyring
	name    string
}

func (v keyringVault) get(ctx context.Context) (Secret, error) {
	s, err := v.keyring.Get(ctx, v.name)
	if errors.Is(err, ErrNoSecret) {
		err = nil
	}
	return s, err
}

func (v keyringVault) set(ctx context.Context, s Secret) error { return v.keyring.Set(ctx, v.name, s) }
func (v keyringVault) remove(ctx context.Context) error        { return v.keyring.Delete(ctx, v.name) }
