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

// public are variables of others that hold no secrets, beside those that package hit
// itself looks at.
var public = []string{"CREDENTIALS_DIRECTORY"}

// LeftBehind returns the document that was left behind for the command line, if
// it depends on secrets in the environment or standard output would not take it at
// once: package hit has answered if not.
func LeftBehind(args []string, getenv func(string) string) ([]byte, hit.Note) {
	dir, err := plugin.StateDir(getenv)
	if err != nil {
		return nil, hit.Note{}
	}
	var mac func(string) string
	return hit.Look(args, func(value string) string {
		if mac == nil {
			pepper, err := os.ReadFile(PepperPath(dir))
			if err != nil {
				return ""
			}
			mac = SecretMAC(pepper)
		}
		return mac(value)
	})
}

// An Answer is a document that was printed, and all that it depended on.
type Answer struct {
	Args       []string  // of the command line
	Started    time.Time // when the process began
	File       *plugin.File
	Profile    *plugin.Profile
	Document   []byte
	ValidUntil int64 // as in [hit.Warm]
	// Variables returns the names of the variables that were read.
	Variables func() []string
	// Read returns what comes of the profile, as it was read, for the command line:
	// what it asks of a credential, and what makes a document of that.
	Read func(*plugin.Profile) (Need, func(*plugin.Credential) ([]byte, error), error)
}

// LeaveBehind has the command line of a answered with its document from now on, before
// jeton really begins, if all that the document depends on can be told.
func (s *Session) LeaveBehind(ctx context.Context, a Answer) {
	if s.State == nil {
		return
	}
	variables := a.Variables()
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
		if err != nil {
			return Reading{}, err
		}
		again, err := f.Profile(a.Profile.Name)
		if err != nil {
			return Reading{}, err
		}
		second, err := s.reading(a, again)
		if err == nil && (!slices.Equal(again.Files(), a.Profile.Files()) || len(a.Variables()) != len(variables)) {
			err = errors.New("the profile has changed meanwhile")
		}
		return second, err
	})
}

// sort puts the variables that were read into w: those that can hold secrets apart. It
// reports false if one of them leads to files that only its reader knows of.
func (s *Session) sort(w *hit.Warm, variables []string, p *plugin.Profile) bool {
	// What the libraries read of the environment is not among them.
	w.Env = []string{"HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"}
	for _, name := range variables {
		own := strings.HasPrefix(name, "JETON_") || strings.HasPrefix(name, "XDG_") ||
			slices.Contains(public, name) || slices.Contains(hit.Variables[:], name)
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

// reading is what comes of p, as it was read, for the command line of a.
func (s *Session) reading(a Answer, p *plugin.Profile) (r Reading, err error) {
	need, document, err := a.Read(p)
	if err != nil {
		return r, err
	}
	r.Policy, r.Document = s.Policy(p, need), document
	r.Key, err = s.Key(p)
	return r, err
}

// A Reading is what comes of reading all that a document depends on.
type Reading struct {
	Key      Key
	Policy   Policy
	Document func(*plugin.Credential) ([]byte, error)
}

// Warm leaves w behind for package hit, which answers the same command line with
// it from now on, as long as nothing changes that it depends on. It was printed by a
// process that began at started, after the first reading; again reads everything once
// more: what is left behind has to be that which was read, and not what has come into
// its place since. A failure costs nothing but time.
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
	// Who has dropped the credential meanwhile may have looked for this before it was there.
	if !bytes.Equal(w.Encode(started.UnixNano()), b) {
		warm.Delete(ctx, name)
	}
}

// goodUntil returns the first time at which e, which is good now, is no longer.
func (p Policy) goodUntil(e *entry) time.Time {
	s := p.Schedule(e.credential(), e.Created)
	if until := earliest(s.Renew, s.Until); !until.IsZero() {
		return until
	}
	return time.Unix(0, 1<<63-1)
}

// warm opens the directory of what Warm leaves behind.
func (c *Cache) warm() (*Dir, error) {
	d, err := OpenDir(filepath.Join(c.place(), hit.Dir))
	if err == nil {
		d.volatile = true
	}
	return d, err
}

// cool removes what Warm has left behind of a key, or with "" of all. Whatever it was
// made of has to be gone or replaced by then, or it may come again.
func (c *Cache) cool(ctx context.Context, key string) error {
	if c.place() == "" {
		return nil
	}
	if _, err := os.Lstat(filepath.Join(c.place(), hit.Dir)); err != nil {
		return nil // as mostly, there is nothing
	}
	warm, err := c.warm()
	if err != nil {
		return err
	}
	files, err := warm.list()
	for _, f := range files {
		name := f.value + f.suffix
		if b, e := warm.Get(ctx, name); key == "" || e != nil || hit.IsOf(b, key) {
			if e := warm.Delete(ctx, name); !errors.Is(e, fs.ErrNotExist) {
				err = errors.Join(err, e)
			}
		}
	}
	return err
}

// remove deletes the entry called name, and what was made of it.
func (c *Cache) remove(ctx context.Context, name string) error {
	return errors.Join(c.Store.Delete(ctx, name), c.cool(ctx, name))
}
