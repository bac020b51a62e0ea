package cache

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/jeton-cli/jeton/cache/hit"
	"github.com/jeton-cli/jeton/plugin"
)

// public lists other programs' variables that hold no secrets, in addition to those that
// package hit itself looks at.
var public = []string{"CREDENTIALS_DIRECTORY"}

// LeftBehind returns the document kept for this command line, and the note to write once
// it is printed. Package hit has already answered unless the document depends on secrets
// in the environment or standard output would not take it at once. LeftBehind serves
// these two cases.
func LeftBehind(args []string, getenv func(string) string) ([]byte, hit.Note) {
	dir, err := plugin.StateDir(getenv)
	if err != nil {
		return nil, hit.Note{}
	}
	var mac func(string) string
	return hit.Look(args, func(value string) string {
		if mac == nil {
			pepper, err := readValue(PepperPath(dir))
			if err != nil {
				return ""
			}
			mac = SecretMAC(pepper)
		}
		return mac(value)
	})
}

// An Answer is a printed document and everything that it depended on.
type Answer struct {
	Args       []string  // of the command line
	Started    time.Time // when the process began
	File       *plugin.File
	Profile    *plugin.Profile
	Document   []byte
	ValidUntil int64 // as in [hit.Warm]
	// Variables returns the names of the environment variables that were read.
	Variables func() []string
	// Read evaluates a profile for the command line. It returns what the command line
	// asks of a credential, and a function that makes a document of a credential.
	Read func(*plugin.Profile) (Need, func(*plugin.Credential) ([]byte, error), error)
}

// LeaveBehind keeps the document of a, so that the same command line is answered with it
// from now on, before jeton really starts. It does nothing unless everything that the
// document depends on is known.
func (s *Session) LeaveBehind(ctx context.Context, a Answer) {
	if s.State == nil || a.File.Path == "" {
		return
	}
	variables := s.deciding(a)
	w := hit.Warm{Args: a.Args, Document: a.Document, ValidUntil: a.ValidUntil, MAC: SecretMAC(s.Pepper)}
	if !s.sort(&w, variables, a.Profile) {
		return
	}
	w.Files = append(a.Profile.Files(), PepperPath(s.State.Path()))
	if a.File.Exists {
		w.Files = append(w.Files, a.File.Path)
	} else {
		w.Absent = []string{a.File.Path}
	}
	for _, path := range w.Files {
		w.Dirs = append(w.Dirs, filepath.Dir(path))
	}
	dir := filepath.Dir(a.File.Path)
	if _, err := os.Stat(dir); a.File.Exists || err == nil {
		w.Dirs = append(w.Dirs, dir)
	} else {
		w.Absent = append(w.Absent, dir)
	}
	slices.Sort(w.Dirs)
	w.Dirs = slices.Compact(w.Dirs)
	first, err := s.reading(a, a.Profile)
	if err != nil {
		return
	}
	s.Warm(ctx, w, a.Started, first, func() (Reading, error) {
		f, err := plugin.ReadFile(a.File.Path, a.File.Exists, s.Issuers, s.Getenv)
		if err == nil && !bytes.Equal(f.Text, a.File.Text) {
			err = errors.New("the configuration has changed meanwhile") // and maybe who serves whom
		}
		if err != nil {
			return Reading{}, err
		}
		again, err := f.Profile(a.Profile.Name)
		if err != nil {
			return Reading{}, err
		}
		second, err := s.reading(a, again)
		if err == nil && (!slices.Equal(again.Files(), a.Profile.Files()) || len(s.deciding(a)) != len(variables)) {
			err = errors.New("the profile has changed meanwhile")
		}
		return second, err
	})
}

// deciding returns the variables that were read and that the answer depends on. It does not
// depend on those that only the shared cache has to do with. They hold its secrets, and must
// not be kept.
func (s *Session) deciding(a Answer) []string {
	if s.Shared == nil {
		return a.Variables()
	}
	shared, _ := s.Shared()
	own := a.Profile.SecretVariables()
	return slices.DeleteFunc(a.Variables(), func(name string) bool {
		return slices.Contains(shared.Variables(), name) && !slices.Contains(own, name)
	})
}

// sort adds the variables that were read to w, with those that can hold secrets listed
// separately. It reports false if a variable leads to files that only its reader knows.
func (s *Session) sort(w *hit.Warm, variables []string, p *plugin.Profile) bool {
	// The libraries read these too, but variables does not list them.
	w.Env = []string{"HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"}
	for _, name := range variables {
		own := strings.HasPrefix(name, "JETON_") || strings.HasPrefix(name, "XDG_") ||
			slices.Contains(public, name) || plugin.UsualVariable(name) || slices.Contains(hit.Variables[:], name)
		switch set := os.Getenv(name) != ""; {
		case set && s.Issuers.LeadsToFiles(name):
			return false
		case set && (!own || slices.Contains(p.SecretVariables(), name)):
			w.Secret = append(w.Secret, name)
		default:
			w.Env = append(w.Env, name)
		}
	}
	slices.Sort(w.Secret)
	slices.Sort(w.Env)
	w.Env = slices.Compact(w.Env)
	return true
}

// reading evaluates p for the command line of a.
func (s *Session) reading(a Answer, p *plugin.Profile) (r Reading, err error) {
	need, document, err := a.Read(p)
	if err != nil {
		return r, err
	}
	r.Policy, r.Document = s.Policy(p, need), document
	r.Key, err = s.Key(p)
	return r, err
}

// A Reading is the result of reading everything that a document depends on.
type Reading struct {
	Key      Key
	Policy   Policy
	Document func(*plugin.Credential) ([]byte, error)
}

// Warm keeps w for package hit, which from now on answers the same command line with it
// for as long as nothing that it depends on changes. The process that printed the
// document began at started and made the first reading. again reads everything once more,
// to prove that w describes what was read and not something that has replaced it since. A
// failure costs nothing but time.
func (c *Cache) Warm(ctx context.Context, w hit.Warm, started time.Time, first Reading, again func() (Reading, error)) {
	if c.place() == "" || first.Policy.AtLeast > 0 || !first.Policy.Since.IsZero() {
		return
	}
	w.Key = first.Key.Name
	w.Files = append(w.Files, filepath.Join(c.place(), w.Key))
	w.Dirs = append(w.Dirs, c.place())
	encode := func(r Reading) []byte {
		e := c.load(ctx, r.Key)
		if r.Key.Name != w.Key || r.Policy.judge(e, time.Now()) != good {
			return nil
		}
		if document, err := r.Document(e.credential()); err != nil || !bytes.Equal(document, w.Document) {
			return nil
		}
		w.NotBefore = r.Policy.Schedule(e.credential(), e.Created).Begin.UnixNano()
		w.Until = r.Policy.goodUntil(e).UnixNano()
		return w.Encode(started.UnixNano())
	}
	b := encode(first)
	if b == nil {
		return
	}
	warm, err := c.warm()
	if err != nil {
		return
	}
	name := hit.Name(w.Args)
	if former, err := warm.Get(ctx, name); err == nil && bytes.Equal(former, b) {
		return
	}
	second, err := again()
	if err != nil || !bytes.Equal(encode(second), b) {
		return
	}
	warm.Put(ctx, name, b)
	// A process that dropped the credential in the meantime may have looked for this file
	// before it existed.
	if !bytes.Equal(w.Encode(started.UnixNano()), b) {
		warm.Delete(ctx, name)
	}
}

// goodUntil returns the first time at which e, which is good now, is no longer good.
func (p Policy) goodUntil(e *entry) time.Time {
	s := p.Schedule(e.credential(), e.Created)
	if until := earliest(s.Renew, s.Until); !until.IsZero() {
		return until
	}
	return time.Unix(0, 1<<63-1)
}

// warm opens the directory of the answers that Warm keeps.
func (c *Cache) warm() (*Dir, error) {
	path := filepath.Join(c.place(), hit.Dir)
	if info, err := os.Lstat(path); err == nil && !info.IsDir() { // a link would lead elsewhere
		if err := os.Remove(path); err != nil {
			return nil, plain(path, err)
		}
	}
	d, err := OpenDir(path)
	if err == nil {
		d.volatile = true
	}
	return d, err
}

// cool removes the warm answers made from the entry called key, or all of them if key is
// "". The caller must first remove or replace that entry, or the answers may come back.
func (c *Cache) cool(ctx context.Context, key string) error {
	if c.place() == "" {
		return nil
	}
	if _, err := os.Lstat(filepath.Join(c.place(), hit.Dir)); err != nil {
		return nil // the usual case: there are no warm answers
	}
	warm, err := c.warm()
	if err != nil {
		return err
	}
	files, err := warm.list()
	for _, f := range files {
		name := f.value + f.suffix
		if !hit.IsName(f.value) {
			continue
		}
		if b, e := warm.Get(ctx, name); key == "" || e != nil || hit.IsOf(b, key) {
			if e := warm.Delete(ctx, name); !errors.Is(e, fs.ErrNotExist) {
				err = errors.Join(err, e)
			}
		}
	}
	return err
}

// remove deletes the entry called name and the warm answers made from it.
func (c *Cache) remove(ctx context.Context, name string) error {
	return errors.Join(c.Store.Delete(ctx, name), c.cool(ctx, name))
}
