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

// A Keeper puts the secrets of drafts where the user wants them.
type Keeper struct {
	Keyring Keyring
	// Dir returns the directory for files of secrets.
	Dir func() (string, error)
	// Read asks the user for a secret.
	Read func(ctx context.Context, question string) (Secret, error)
	// Write replaces the content of a file.
	Write func(path string, content []byte) error
	// Force says that another secret in the place is replaced.
	Force bool
	// Config is the configuration file that is edited, and Usual whether it is
	// the one that jeton reads by itself.
	Config string
	Usual  bool
	// Replaced are the names of secrets in the keyring that have become others.
	Replaced []string

	kind, where string
	given       bool              // what the user wants
	used        map[string]string // the places of this run, and whose they are
	undos       []func() error
}

// SetPlace has the secrets of the drafts go to a place: env, file, command or keyring,
// with :NAME, :PATH or :COMMAND to say which. It is empty if the user has not chosen.
func (k *Keeper) SetPlace(place string, drafts []Draft) error {
	k.given, k.used = place != "", map[string]string{}
	k.kind, k.where, _ = strings.Cut(place, ":")
	if !k.given {
		k.kind = "file"
	}
	if !slices.Contains([]string{"env", "file", "command", "keyring"}, k.kind) {
		return Errorf(Usage, "--secret %s is not known", Shorten(k.kind)).
			WithHint("there are: env, file, command, keyring")
	}
	if strings.HasSuffix(place, ":") {
		return Errorf(Usage, "--secret %s says nothing behind the colon", Shorten(place))
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

// Undo takes back what was stored, but for the first n secrets.
func (k *Keeper) Undo(n int) (failures error) {
	for _, undo := range slices.Backward(k.undos[n:]) {
		failures = errors.Join(failures, undo())
	}
	k.undos = k.undos[:n]
	return failures
}

// Tidy removes the files in which import has put the secrets of d before, if
// nothing in the configuration, however it is written, names them any more.
func (k *Keeper) Tidy(d Draft, config []byte) {
	for _, o := range d.Options {
		path, err := k.own(d.Name + "-" + o.Name)
		if err == nil && o.Secret != nil && !bytes.Contains(config, []byte(filepath.Base(path))) {
			os.Remove(path)
		}
	}
}

// Place says where a secret of d will be.
func (k *Keeper) Place(d *Draft, option string, s *DraftSecret) (SecretRef, error) {
	switch {
	case s.Momentary:
		return CommandSecret(s.Command), nil
	case k.given:
	case s.Command != nil:
		return SecretRef{}, Errorf(Config, "%s is what a program prints (%s), and jeton has not run it", option,
			Shorten(strings.Join(s.Command, " "))).
			WithHint("--secret command leaves it to that program; --secret file and --secret keyring ask for it now")
	case s.Asked:
		e := Errorf(Config, "%s is not written there: it is asked for each time", option).
			WithHint("say where to keep it: --secret keyring or file (asked for now), --secret env (%s), --secret "+
				"'command:pass show …'", s.Variable)
		if len(d.Notes) > 0 { // one of which may be why
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
			if argv = strings.Fields(k.where); strings.ContainsAny(k.where, "'\"\\$|<>;&*?~`(){}") {
				argv = []string{"sh", "-c", k.where}
			}
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

// path returns the file for a secret of that name.
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

// own returns jeton's own file for a secret of that name. Another configuration
// file than the usual one has files of its own.
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

// A vault is where a keeper keeps one secret.
type vault interface {
	get(ctx context.Context) (Secret, error) // an empty one if there is none
	set(ctx context.Context, s Secret) error
	remove(ctx context.Context) error
}

// Store puts a secret of d where Place has said. same says that the profile is
// already there, so that nothing is asked for what is known.
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

func (v fileVault) remove(context.Context) error { return os.Remove(v.path) }

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
