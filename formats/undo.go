package formats

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/jeton-cli/jeton/plugin"
)

// A Change records what setup did to a region, so that it can be undone.
type Change struct {
	Region string `json:"region"`
	Was    []byte `json:"was,omitempty"` // the old content, if there was any
	Lead   []byte `json:"lead,omitempty"`
	Is     []byte `json:"is"`  // the new content, or its digest
	New    bool   `json:"new"` // the region was not there before

	made bool // by this setup, where there was none
	// own is what the region would be without what somebody else has changed in it, or nil.
	own []byte
}

const digestPrefix = "sha256:"

// digest returns the hash that stands for content that must not be kept.
func digest(region []byte) []byte {
	return fmt.Appendf(nil, "%s%x", digestPrefix, sha256.Sum256(region))
}

// wrote reports whether text is what jeton wrote.
func (c Change) wrote(text []byte) bool {
	return bytes.Equal(text, c.Is) || bytes.HasPrefix(c.Is, []byte(digestPrefix)) && bytes.Equal(digest(text), c.Is)
}

// undo returns the text of the file at path as it was before the changes, byte for byte.
// If somebody else has changed one of these places since, it returns an error instead.
func undo(path string, text []byte, changes []Change) ([]byte, error) {
	for _, c := range slices.Backward(changes) {
		start, end, ok, err := find(c.Region)(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		if list, is := strings.CutPrefix(c.Region, headPrefix); is && !empty(text, list) {
			continue // other entries are below it now
		}
		switch {
		case ok && c.wrote(text[start:end]) && bytes.HasSuffix(text[:start], c.Lead):
			text = bytes.Join([][]byte{text[:start-len(c.Lead)], c.Was, text[end:]}, nil)
		case !ok && c.New, ok && !c.New && bytes.Equal(text[start:end], c.Was):
			// It was never written, or was removed by hand.
		default:
			return nil, edited(path, c.Region)
		}
	}
	return text, nil
}

// find returns the finder of the region called name. Each format knows its own regions.
func find(name string) Finder {
	if list, ok := strings.CutPrefix(name, headPrefix); ok {
		return head(list).Find
	}
	for _, k := range Kinds {
		for prefix, find := range k.regions() {
			if rest, ok := strings.CutPrefix(name, prefix); ok {
				return find(rest)
			}
		}
	}
	return func([]byte) (int, int, bool, error) {
		return 0, 0, false, plugin.Errorf(plugin.Config, "%s is of a setup that this jeton does not know",
			plugin.Shorten(name))
	}
}

// Records keep what setup has replaced, under short names.
type Records interface {
	Get(ctx context.Context, name string) ([]byte, error)
	Put(ctx context.Context, name string, value []byte) error
	Delete(ctx context.Context, name string) error
	List(ctx context.Context) ([]string, error)
	Path() string
}

// Setups carries out setups in a way that can be undone.
type Setups struct {
	Records Records
	Prefix  string // begins the records' names
	// Edit replaces the content of a file, unless somebody else changes it meanwhile.
	Edit func(path string, change func(old []byte) ([]byte, error)) (changed bool, err error)
}

// A setUp records what was done for a caller, so that it can be undone.
type setUp struct {
	Caller  string      `json:"caller"`
	Profile string      `json:"profile"`
	Entry   string      `json:"entry"` // the caller's name for it
	Files   []setUpFile `json:"files"`
}

type setUpFile struct {
	Path    string   `json:"path"`
	Existed bool     `json:"existed"`
	Private bool     `json:"private,omitempty"`
	Changes []Change `json:"changes"`
	Uses    []string `json:"uses"` // the regions that must be there, whoever made them
}

// Files returns the files that the setup of c for a format has written.
func (s *Setups) Files(ctx context.Context, format string, c *Caller) (paths []string) {
	was, err := s.read(ctx, s.record(ctx, format, c))
	if err != nil || was == nil {
		return nil
	}
	for _, f := range was.Files {
		paths = append(paths, f.Path)
	}
	return paths
}

// record returns the name of a setup's record. The same setup always gets the same name:
// one of its own, or that of a jeton to which the files of all callers mattered.
func (s *Setups) record(ctx context.Context, format string, c *Caller) string {
	name := func(files []string) string {
		id := append([]string{format, c.Name, c.As, c.Context, c.User}, files...)
		sum := sha256.Sum256([]byte(strings.Join(id, "\x00")))
		return fmt.Sprintf("%s%x", s.Prefix, sum)[:len(s.Prefix)+32]
	}
	var own []string
	for _, k := range Kinds {
		if k.Name == format && k.Setup != nil {
			own = append(own, c.Getenv(k.Setup.File))
		}
	}
	former := name([]string{c.Getenv("AWS_CONFIG_FILE"), c.Getenv("KUBECONFIG"), c.Getenv("OS_CLIENT_CONFIG_FILE")})
	if _, err := s.Records.Get(ctx, former); err == nil {
		return former
	}
	return name(own)
}

// Apply carries out the edits and returns a report with one line for each file. With dry,
// it changes nothing and returns what it would change.
func (s *Setups) Apply(ctx context.Context, format string, c *Caller, edits []*Edit, dry bool) (report []byte,
	err error) {
	record := s.record(ctx, format, c)
	former, err := s.read(ctx, record)
	if err != nil {
		return nil, err
	}
	now := setUp{Caller: format, Profile: c.Name, Entry: c.As + c.Context + c.User}
	var out bytes.Buffer
	for _, e := range edits {
		file, before, after, err := plan(c, e)
		if err != nil {
			return nil, err
		}
		if err := file.after(former, e, before); err != nil {
			return nil, err
		}
		now.Files = append(now.Files, file)
		if dry {
			out.Write(diff(file.Path, file.Private, false, before, after))
		}
	}
	if dry {
		return out.Bytes(), nil
	}
	if err := s.add(ctx, record, former, now); err != nil {
		return nil, err
	}
	for n, e := range edits {
		changed, err := s.Edit(e.Path, func(text []byte) ([]byte, error) {
			after, changes, err := e.Apply(text)
			if err == nil && !equalChanges(changes, now.Files[n].Changes) {
				err = errMeanwhile(e.Path)
			}
			return after, err
		})
		if err != nil {
			return nil, plugin.Errorf(plugin.Output, "%v", err)
		}
		done := "is set up already"
		if changed {
			done = "written"
		}
		if e.Public && changed {
			e.open()
		}
		if dir := filepath.Dir(e.Path); strings.HasSuffix(dir, ".dist-info") {
			if n > 0 && filepath.Dir(edits[n-1].Path) == dir {
				continue // one line for all of it
			}
			fmt.Fprintf(&out, "%s: %s\n", dir, done)
			continue
		}
		fmt.Fprintf(&out, "%s: %s\n", e.Path, done)
	}
	return out.Bytes(), nil
}

// plan returns what e would do to its file.
func plan(c *Caller, e *Edit) (file setUpFile, before, after []byte, err error) {
	if before, err = c.ReadFile(e.Path); err != nil {
		return file, nil, nil, err
	}
	if before == nil && isLink(e.Path) {
		return file, nil, nil, plugin.Errorf(plugin.Config, "%s is a link to where there is no file", e.Path).
			WithHint("make the file, or take the link away")
	}
	after, changes, err := e.Apply(before)
	if err != nil {
		return file, nil, nil, err
	}
	f, missing := os.Open(e.Path)
	if missing == nil {
		defer f.Close()
		if who := plugin.OpenToOthers(f); who != "" && e.Private {
			return file, nil, nil, plugin.Errorf(plugin.Config, "%s: others can read it (%s), and a token is to go "+
				"there", e.Path, who).WithFix(plugin.CloseCommand(e.Path)...)
		}
	}
	file = setUpFile{Path: e.Path, Existed: missing == nil, Private: e.Private, Changes: changes}
	for _, r := range e.Regions {
		file.Uses = append(file.Uses, r.Name)
	}
	return file, before, after, nil
}

// after compares the file, whose content is before, with what the former setup has written.
// It returns an error if somebody else has added lines to it that would be lost. Where the
// edit keeps them, they are no part of what jeton has written.
func (f *setUpFile) after(former *setUp, e *Edit, before []byte) error {
	if former == nil {
		return nil
	}
	i := slices.IndexFunc(former.Files, func(o setUpFile) bool { return o.Path == f.Path })
	if i < 0 {
		return nil
	}
	for _, was := range former.Files[i].Changes {
		n := slices.IndexFunc(f.Changes, func(c Change) bool { return c.Region == was.Region })
		r := slices.IndexFunc(e.Regions, func(r Region) bool { return r.Name == was.Region })
		start, end, ok, err := find(was.Region)(before)
		if n < 0 || r < 0 || err != nil || !ok || was.wrote(before[start:end]) {
			continue
		}
		switch e.Regions[r].Of {
		case kept:
			_, own, err := e.Regions[r].Make(before, was.Is, true)
			if err != nil {
				return fmt.Errorf("%s: %w", f.Path, err)
			}
			f.Changes[n].own = own
		case guarded:
			if was.added(before[start:end]) {
				return edited(f.Path, was.Region)
			}
		}
	}
	return nil
}

// added reports whether somebody else has added lines to the region: others than those with
// which jeton has written a setting.
func (c Change) added(is []byte) bool {
	if bytes.HasPrefix(c.Is, []byte(digestPrefix)) {
		return false // it is jeton's own
	}
	own := map[string]bool{"": true}
	for line := range bytes.Lines(c.Is) {
		own[setting(line)] = true
	}
	for line := range bytes.Lines(is) {
		if !own[setting(line)] {
			return true
		}
	}
	return false
}

// setting returns what a line is about: what comes before the value.
func setting(line []byte) string {
	name, _, _ := bytes.Cut(bytes.TrimSpace(line), []byte(":"))
	name, _, _ = bytes.Cut(name, []byte("="))
	return string(bytes.TrimSpace(name))
}

// edited returns the error for a region that somebody else has changed.
func edited(path, region string) error {
	return plugin.Errorf(plugin.Config, "%s: %s is no longer as jeton has written it, and is left alone", path, region).
		WithHint("take out by hand what you do not want")
}

func errMeanwhile(path string) error {
	return errors.New(path + ": somebody else has changed it meanwhile")
}

func equalChanges(a, b []Change) bool {
	return slices.EqualFunc(a, b, func(a, b Change) bool {
		return a.Region == b.Region && a.New == b.New &&
			bytes.Equal(a.Was, b.Was) && bytes.Equal(a.Is, b.Is) && bytes.Equal(a.Lead, b.Lead)
	})
}

// read returns the record of that name, or nil if there is none.
func (s *Setups) read(ctx context.Context, record string) (*setUp, error) {
	b, err := s.Records.Get(ctx, record)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	was := &setUp{}
	if err == nil {
		err = json.Unmarshal(b, was)
	}
	if err != nil {
		return nil, plugin.Errorf(plugin.Config, "%s/%s, by which a setup can be undone, cannot be read: %v",
			s.Records.Path(), record, err)
	}
	return was, nil
}

// add records what is about to be done, together with what was done before.
func (s *Setups) add(ctx context.Context, record string, former *setUp, now setUp) error {
	now.Files = slices.Clone(now.Files) // the caller keeps using its own slice
	if former != nil {
		for _, f := range former.Files {
			i := slices.IndexFunc(now.Files, func(n setUpFile) bool { return n.Path == f.Path })
			if i < 0 {
				now.Files = append(now.Files, f)
				continue
			}
			now.Files[i].Existed, now.Files[i].Changes = f.Existed, slices.Clone(now.Files[i].Changes)
			now.Files[i].follow(f.Changes)
		}
	}
	return s.save(ctx, record, &now)
}

func (s *Setups) save(ctx context.Context, record string, now *setUp) error {
	b, err := json.MarshalIndent(now, "", " ")
	if err == nil {
		err = s.Records.Put(ctx, record, b)
	}
	if err != nil {
		return plugin.Errorf(plugin.Output, "what is replaced cannot be kept, so that nothing is: %v", err)
	}
	return nil
}

// follow puts changes, which came earlier, before those of f. Only the very first content
// counts.
func (f *setUpFile) follow(changes []Change) {
	for n, c := range changes {
		i := slices.IndexFunc(f.Changes, func(n Change) bool { return n.Region == c.Region })
		if i >= 0 {
			if f.Changes[i].made {
				continue // the former one was taken out by hand
			}
			if c.Is = f.Changes[i].Is; f.Changes[i].own != nil {
				c.Is = f.Changes[i].own
			}
			f.Changes = slices.Delete(f.Changes, i, i+1)
		}
		f.Changes = slices.Insert(f.Changes, min(n, len(f.Changes)), c)
	}
}

// handOver moves changes from was to other setups that need them too and will undo them
// later. It returns these setups by the names of their records. record is the name of
// was.
func (s *Setups) handOver(ctx context.Context, record string, was *setUp) (map[string]*setUp, error) {
	names, err := s.Records.List(ctx)
	if err != nil {
		return nil, plugin.Errorf(plugin.Config, "what else was set up cannot be told: %v", err)
	}
	heirs := map[string]*setUp{}
	for _, name := range names {
		if !strings.HasPrefix(name, s.Prefix) || name == record {
			continue
		}
		other, err := s.read(ctx, name)
		if err != nil {
			return nil, err
		}
		for i := range was.Files {
			f := &was.Files[i]
			j := -1
			if other != nil {
				j = slices.IndexFunc(other.Files, func(o setUpFile) bool { return o.Path == f.Path })
			}
			if j < 0 {
				continue
			}
			f.handOver(&other.Files[j])
			heirs[name] = other
		}
	}
	return heirs, nil
}

// handOver moves to other, the same file in another setup, the changes that it needs too.
func (f *setUpFile) handOver(other *setUpFile) {
	var shared, own []Change
	for _, c := range f.Changes {
		if slices.Contains(other.Uses, c.Region) {
			shared = append(shared, c)
		} else {
			own = append(own, c)
		}
	}
	f.Changes, other.Existed = own, other.Existed && f.Existed
	earlier := slices.DeleteFunc(shared, func(c Change) bool {
		i := slices.IndexFunc(other.Changes, func(o Change) bool { return o.Region == c.Region })
		later := i >= 0 && !c.New && bytes.Equal(c.Was, other.Changes[i].Is)
		if later { // and so what other has found is what was there before both
			other.Changes[i].Is = c.Is
		}
		return later
	})
	other.follow(earlier)
}

// Remove restores what was there before the setup, in all files or in none. It returns a
// report with one line for each file. With dry, it changes nothing and returns what it
// would change.
func (s *Setups) Remove(ctx context.Context, format string, c *Caller, dry bool) (report []byte, err error) {
	record := s.record(ctx, format, c)
	was, err := s.read(ctx, record)
	if err != nil {
		return nil, err
	}
	if was == nil {
		return nil, plugin.Errorf(plugin.Config, "jeton has not set up %s for %s under this name", format,
			plugin.Shorten(c.Name)).
			WithHint("say it as you did then: --as, --context and --user, and the same files")
	}
	heirs, err := s.handOver(ctx, record, was)
	if err != nil {
		return nil, err
	}
	now, before := map[string][]byte{}, map[string][]byte{}
	for _, f := range was.Files {
		if now[f.Path], err = c.ReadFile(f.Path); err != nil {
			return nil, err
		}
		if before[f.Path], err = undo(f.Path, now[f.Path], f.Changes); err != nil {
			return nil, err
		}
	}
	var out bytes.Buffer
	for _, f := range was.Files {
		if dry {
			out.Write(diff(f.Path, f.Private, true, now[f.Path], before[f.Path]))
			continue
		}
		done, err := s.putBack(f, now[f.Path], before[f.Path])
		if err != nil {
			return nil, plugin.Errorf(plugin.Output, "%v", err)
		}
		fmt.Fprintf(&out, "%s: %s\n", f.Path, done)
	}
	if dry {
		return out.Bytes(), nil
	}
	for name, heir := range heirs {
		if err := s.save(ctx, name, heir); err != nil {
			return nil, err
		}
	}
	if err := s.Records.Delete(ctx, record); err != nil {
		return nil, plugin.Errorf(plugin.Output, "%v", err)
	}
	return out.Bytes(), nil
}

func isLink(path string) bool {
	_, err := os.Readlink(path)
	return err == nil
}

// tidy removes what a removed file of a package of Python has left: what Python has compiled
// from it, and directories that are empty.
func tidy(path string) {
	if !strings.Contains(filepath.ToSlash(path), "/site-packages/") {
		return
	}
	dir, name := filepath.Split(path)
	if module, ok := strings.CutSuffix(name, ".py"); ok {
		compiled := filepath.Join(dir, "__pycache__")
		entries, _ := os.ReadDir(compiled)
		for _, e := range entries {
			if strings.HasPrefix(e.Name(), module+".") {
				os.Remove(filepath.Join(compiled, e.Name()))
			}
		}
		os.Remove(compiled)
	}
	for dir = filepath.Clean(dir); os.Remove(dir) == nil && filepath.Base(dir) != "lib"; { // none that is not empty
		dir = filepath.Dir(dir)
	}
}

// putBack changes the file from now, as it was read, to before. It returns what it did,
// in words.
func (s *Setups) putBack(f setUpFile, now, before []byte) (done string, err error) {
	switch {
	case len(f.Changes) == 0: // another setup needs all the changes
		return "left as it is", nil
	case !f.Existed && len(before) == 0 && !isLink(f.Path):
		if err := os.Remove(f.Path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
		tidy(f.Path)
		return "removed, as it was not there before", nil
	}
	_, err = s.Edit(f.Path, func(text []byte) ([]byte, error) {
		if !bytes.Equal(text, now) {
			return nil, errMeanwhile(f.Path)
		}
		return before, nil
	})
	return "as it was before", err
}
