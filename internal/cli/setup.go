package cli

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

	"github.com/jeton-cli/jeton/cache"
	"github.com/jeton-cli/jeton/formats"
	"github.com/jeton-cli/jeton/plugin"
)

type setupCmd struct {
	AWS        setupAWSCmd        `cmd:"" name:"aws" help:"Have aws, and what is made with its SDKs, ask jeton for a profile's keys."`
	Kubernetes setupKubernetesCmd `cmd:"" help:"Have kubectl and its like ask jeton for a profile's credential."`
	OpenStack  setupOpenStackCmd  `cmd:"" name:"openstack" help:"Write a profile's token where openstack looks for it."`
}

func (*setupCmd) Help() string {
	return "Changes the caller's own configuration file, and nothing in it but what it takes: the rest stays byte for byte as it is. --remove puts back what was there before, or refuses if that place has been changed since."
}

// setupFlags are those of every caller.
type setupFlags struct {
	DryRun bool `help:"Show what would be changed, and change nothing."`
	Remove bool `help:"Put back what was there before."`
}

type setupAWSCmd struct {
	Profile string `arg:"" help:"Profile; one that gives access keys."`
	As      string `help:"Name of the AWS profile, such as default, instead of the profile's own." placeholder:"NAME"`
	setupFlags
}

func (*setupAWSCmd) Help() string {
	return `Edits ~/.aws/config, or $AWS_CONFIG_FILE.

Examples:
  jeton setup aws s3                   then: aws --profile s3 s3 ls
  jeton setup aws s3 --as default      then: aws s3 ls`
}

func (s *setupAWSCmd) Run(ctx context.Context, a *app) error {
	c := &formats.Caller{Issuers: a.issuers, As: s.As, Getenv: a.getenv}
	return a.setup(ctx, "aws", s.Profile, c, s.setupFlags, func() ([]*formats.Edit, []string, error) {
		e, notes, err := formats.SetupAWS(c)
		return []*formats.Edit{e}, notes, err
	}, func() string {
		if c.As == "default" {
			return "aws sts get-caller-identity, or aws s3 ls"
		}
		return "aws --profile " + c.As + " s3 ls"
	})
}

type setupKubernetesCmd struct {
	Profile string `arg:"" help:"Profile; one that gives tokens or client certificates."`
	Context string `help:"The context that is to log in so." placeholder:"NAME" xor:"who"`
	User    string `help:"The user to make, for contexts that name it." placeholder:"NAME" xor:"who"`
	setupFlags
}

func (*setupKubernetesCmd) Help() string {
	return `Edits the kubeconfig that has the context: one of $KUBECONFIG, or ~/.kube/config. If the context's user is not there it is made; else a user jeton-PROFILE is, and the context points to that.

Example:
  jeton setup kubernetes prod --context my-cluster`
}

func (s *setupKubernetesCmd) Run(ctx context.Context, a *app) error {
	if (s.Context == "") == (s.User == "") {
		return plugin.Errorf(plugin.Usage, "one of --context and --user is needed").WithHint("kubectl config get-contexts lists the contexts")
	}
	c := &formats.Caller{Issuers: a.issuers, As: "jeton-" + s.Profile, Context: s.Context, User: s.User, Getenv: a.getenv}
	return a.setup(ctx, "kubernetes", s.Profile, c, s.setupFlags, func() ([]*formats.Edit, []string, error) {
		return formats.SetupKubernetes(c)
	}, func() string {
		if c.Context != "" {
			return "kubectl --context " + c.Context + " auth whoami"
		}
		return "kubectl config set-context CONTEXT --user=" + c.User
	})
}

type setupOpenStackCmd struct {
	Profile string `arg:"" help:"Profile; one that gives Keystone tokens."`
	As      string `help:"Name of the cloud, instead of the profile's." placeholder:"NAME"`
	setupFlags
}

func (*setupOpenStackCmd) Help() string {
	return `Edits clouds.yaml, below ~/.config/openstack or where $OS_CLIENT_CONFIG_FILE says, and puts the token into secure.yaml. openstack cannot ask for the next one: run this again when the token has expired, or use jeton exec, which always has a good one.

Example:
  jeton setup openstack prod           then: openstack --os-cloud prod server list`
}

func (s *setupOpenStackCmd) Run(ctx context.Context, a *app) error {
	c := &formats.Caller{Issuers: a.issuers, As: s.As, Getenv: a.getenv}
	return a.setup(ctx, "openstack", s.Profile, c, s.setupFlags, func() ([]*formats.Edit, []string, error) {
		if gives := c.Profile.Issuer.Gives; gives == plugin.AccessKey { // which a fetch might make
			return nil, nil, plugin.Errorf(plugin.Config, "openstack needs a Keystone token, and plugin %s gives an %s", c.Profile.Issuer.Name, gives)
		}
		f, err := formats.New("openstack", formats.Options{Issuers: a.issuers, Profile: s.Profile})
		if err != nil {
			return nil, nil, err
		}
		cred, err := a.fetch(ctx, c.Profile, need{minTTL: formats.MinTTL(f)})
		if err != nil {
			return nil, nil, about(c.Profile, err)
		}
		edits, notes, err := formats.SetupOpenStack(c, cred)
		return edits, notes, about(c.Profile, err)
	}, func() string { return "openstack --os-cloud " + c.As + " token issue" })
}

// A setUp is what was done for a caller, by which it can be undone.
type setUp struct {
	Caller  string      `json:"caller"`
	Profile string      `json:"profile"`
	Entry   string      `json:"entry"` // what the caller calls it
	Files   []setUpFile `json:"files"`
}

type setUpFile struct {
	Path    string           `json:"path"`
	Existed bool             `json:"existed"`
	Private bool             `json:"private,omitempty"`
	Changes []formats.Change `json:"changes"`
	Uses    []string         `json:"uses"` // the regions that have to be there, whoever has made them
}

// setup carries out, shows or undoes the edits for a caller.
func (a *app) setup(ctx context.Context, caller, profile string, c *formats.Caller, flags setupFlags, edits func() ([]*formats.Edit, []string, error), next func() string) error {
	home, err := os.UserHomeDir()
	if err != nil {
		return plugin.Errorf(plugin.Config, "HOME is not set")
	}
	c.Home, c.ReadFile = home, readCallers
	if c.As == "" {
		c.As = profile
	}
	a.open(ctx, true)
	if a.state == nil {
		return plugin.Errorf(plugin.Config, "without a state directory what was replaced could not be put back: %v", a.why)
	}
	unlock, err := a.state.Lock(ctx, cache.ConfigLock)
	if err != nil {
		return plugin.Errorf(plugin.Later, "another jeton is editing configuration files")
	}
	defer unlock()
	id := strings.Join([]string{caller, profile, c.As, c.Context, c.User, a.getenv("AWS_CONFIG_FILE"), a.getenv("KUBECONFIG"), a.getenv("OS_CLIENT_CONFIG_FILE")}, "\x00")
	record := fmt.Sprintf("%s%x", cache.SetupPrefix, sha256.Sum256([]byte(id)))[:len(cache.SetupPrefix)+32]
	former, err := a.formerSetUp(ctx, record)
	if err != nil {
		return err
	}
	if flags.Remove {
		return a.undoSetUp(ctx, former, record, caller, profile, flags.DryRun)
	}
	p, err := a.profile(profile)
	if err != nil {
		return err
	}
	if a.roaming(p) {
		return plugin.Errorf(plugin.Config, "%s stands for whatever is in the environment, which its callers do not share", profile).
			WithHint("make a profile of it: jeton import env NAME")
	}
	c.Profile = p
	if c.Argv, err = a.argv(p, caller); err != nil {
		return err
	}
	list, notes, err := edits()
	if err != nil {
		return err
	}
	now := setUp{Caller: caller, Profile: profile, Entry: c.As + c.Context + c.User}
	var out bytes.Buffer
	for _, e := range list {
		before, err := readCallers(e.Path)
		if err != nil {
			return err
		}
		after, changes, err := e.Apply(before)
		if err != nil {
			return err
		}
		info, missing := os.Stat(e.Path)
		if missing == nil && e.Private && info.Mode().Perm()&0o077 != 0 {
			return plugin.Errorf(plugin.Config, "%s: others can read it (mode %04o), and a token is to go there", e.Path, info.Mode().Perm()).
				WithHint("chmod 600 %s", e.Path)
		}
		file := setUpFile{Path: e.Path, Existed: missing == nil, Private: e.Private, Changes: changes}
		for _, r := range e.Regions {
			file.Uses = append(file.Uses, r.Name)
		}
		now.Files = append(now.Files, file)
		if flags.DryRun {
			out.Write(file.diff(before, after))
		}
	}
	if flags.DryRun {
		return a.print(out.Bytes())
	}
	if err := a.recordSetUp(ctx, record, former, now); err != nil {
		return err
	}
	for n, e := range list {
		changed, err := cache.Edit(e.Path, func(text []byte) ([]byte, error) {
			after, changes, err := e.Apply(text)
			if err == nil && !equalChanges(changes, now.Files[n].Changes) {
				err = errors.New(e.Path + ": somebody else has changed it meanwhile")
			}
			return after, err
		})
		if err != nil {
			return plugin.Errorf(plugin.Output, "%v", err)
		}
		done := "is set up already"
		if changed {
			done = "written"
		}
		fmt.Fprintf(&out, "%s: %s\n", e.Path, done)
	}
	for _, note := range notes {
		fmt.Fprintf(&out, "note: %s\n", note)
	}
	fmt.Fprintf(&out, "try: %s\n", next())
	return a.print(out.Bytes())
}

// maxCallers is the largest file of a caller in bytes, 16 MiB.
const maxCallers = 16 << 20

// readCallers returns a file of a caller; one that is not there is empty.
func readCallers(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	switch {
	case err != nil:
		return nil, plugin.Errorf(plugin.Config, "%v", err)
	case !info.Mode().IsRegular(): // such as a pipe, which nobody writes to
		return nil, plugin.Errorf(plugin.Config, "%s is not a regular file", path)
	case info.Size() > maxCallers:
		return nil, plugin.Errorf(plugin.Config, "%s is larger than 16 MiB", path)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, plugin.Errorf(plugin.Config, "%v", err)
	}
	return text, nil
}

func equalChanges(a, b []formats.Change) bool {
	return slices.EqualFunc(a, b, func(a, b formats.Change) bool {
		return a.Region == b.Region && bytes.Equal(a.Was, b.Was) && bytes.Equal(a.Is, b.Is) && bytes.Equal(a.Lead, b.Lead) && a.New == b.New
	})
}

func (a *app) formerSetUp(ctx context.Context, record string) (*setUp, error) {
	b, err := a.state.Get(ctx, record)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	s := &setUp{}
	if err == nil {
		err = json.Unmarshal(b, s)
	}
	if err != nil {
		return nil, plugin.Errorf(plugin.Config, "%s/%s, by which a setup can be undone, cannot be read: %v", a.state.Path(), record, err)
	}
	return s, nil
}

// recordSetUp keeps what is about to be done, beside what was done before.
func (a *app) recordSetUp(ctx context.Context, record string, former *setUp, now setUp) error {
	now.Files = slices.Clone(now.Files) // the caller goes by its own
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
	return a.saveSetUp(ctx, record, &now)
}

func (a *app) saveSetUp(ctx context.Context, record string, s *setUp) error {
	b, err := json.MarshalIndent(s, "", " ")
	if err == nil {
		err = a.state.Put(ctx, record, b)
	}
	if err != nil {
		return plugin.Errorf(plugin.Output, "what is replaced cannot be kept, so that nothing is: %v", err)
	}
	return nil
}

// follow puts the changes before those of f: what was there at the very first counts.
func (f *setUpFile) follow(changes []formats.Change) {
	for n, c := range changes {
		i := slices.IndexFunc(f.Changes, func(n formats.Change) bool { return n.Region == c.Region })
		if i >= 0 {
			c.Is = f.Changes[i].Is
			f.Changes = slices.Delete(f.Changes, i, i+1)
		}
		f.Changes = slices.Insert(f.Changes, n, c)
	}
}

// handOver takes out of s, of that record, the changes that other setups need too, and
// returns those, which have to undo them later.
func (a *app) handOver(ctx context.Context, record string, s *setUp) (map[string]*setUp, error) {
	records, err := a.state.Setups()
	if err != nil {
		return nil, plugin.Errorf(plugin.Config, "what else was set up cannot be told: %v", err)
	}
	heirs := map[string]*setUp{}
	for _, name := range records {
		other, err := a.formerSetUp(ctx, name)
		if err != nil {
			return nil, err
		}
		for i := range s.Files {
			f := &s.Files[i]
			j := -1
			if other != nil && name != record {
				j = slices.IndexFunc(other.Files, func(o setUpFile) bool { return o.Path == f.Path })
			}
			if j < 0 {
				continue
			}
			o := &other.Files[j]
			var shared, own []formats.Change
			for _, c := range f.Changes {
				if slices.Contains(o.Uses, c.Region) {
					shared = append(shared, c)
				} else {
					own = append(own, c)
				}
			}
			f.Changes, o.Existed = own, o.Existed && f.Existed
			o.follow(shared)
			heirs[name] = other
		}
	}
	return heirs, nil
}

// undoSetUp puts back what was there, or shows it.
func (a *app) undoSetUp(ctx context.Context, s *setUp, record, caller, profile string, dry bool) error {
	if s == nil {
		return plugin.Errorf(plugin.Config, "jeton has not set up %s for %s under this name", caller, plugin.Shorten(profile)).
			WithHint("say it as you did then: --as, --context and --user, and the same files")
	}
	heirs, err := a.handOver(ctx, record, s)
	if err != nil {
		return err
	}
	undone := map[string][]byte{}
	for _, f := range s.Files {
		text, err := readCallers(f.Path)
		if err == nil {
			undone[f.Path], err = formats.Undo(f.Path, text, f.Changes)
		}
		if err != nil {
			return err // all files or none
		}
	}
	var out bytes.Buffer
	for _, f := range s.Files {
		text, err := readCallers(f.Path)
		if err != nil {
			return err
		}
		if dry {
			out.Write(f.diff(text, undone[f.Path]))
			continue
		}
		if len(f.Changes) == 0 {
			fmt.Fprintf(&out, "%s: left as it is\n", f.Path) // for another setup
			continue
		}
		if !f.Existed && len(undone[f.Path]) == 0 {
			if err := os.Remove(f.Path); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return plugin.Errorf(plugin.Output, "%v", err)
			}
			fmt.Fprintf(&out, "%s: removed, as it was not there before\n", f.Path)
			continue
		}
		_, err = cache.Edit(f.Path, func(now []byte) ([]byte, error) {
			if !bytes.Equal(now, text) {
				return nil, errors.New(f.Path + ": somebody else has changed it meanwhile")
			}
			return undone[f.Path], nil
		})
		if err != nil {
			return plugin.Errorf(plugin.Output, "%v", err)
		}
		fmt.Fprintf(&out, "%s: as it was before\n", f.Path)
	}
	if !dry {
		for name, heir := range heirs {
			if err := a.saveSetUp(ctx, name, heir); err != nil {
				return err
			}
		}
		if err := a.state.Delete(ctx, record); err != nil {
			return plugin.Errorf(plugin.Output, "%v", err)
		}
	}
	return a.print(out.Bytes())
}

// diff shows by lines what distinguishes two versions of the file.
func (f setUpFile) diff(before, after []byte) []byte {
	if bytes.Equal(before, after) {
		return nil
	}
	path := f.Path
	var b bytes.Buffer
	if f.Private {
		fmt.Fprintf(&b, "--- %s\n+++ %s\n(what changes there is secret)\n", path, path)
		return b.Bytes()
	}
	fmt.Fprintf(&b, "--- %s\n+++ %s\n", path, filepath.Clean(path))
	old, now := strings.SplitAfter(string(before), "\n"), strings.SplitAfter(string(after), "\n")
	line := func(sign, text string) {
		if text != "" {
			fmt.Fprintf(&b, "%s%s\n", sign, strings.TrimRight(text, "\r\n"))
		}
	}
	i, j := 0, 0
	for i < len(old) || j < len(now) {
		if i < len(old) && j < len(now) && old[i] == now[j] {
			i, j = i+1, j+1
			continue
		}
		// The nearest place from which both go on alike.
		di, dj := len(old)-i, len(now)-j
		for sum := 1; sum < di+dj; sum++ {
			for k := max(0, sum-(len(now)-j)+1); k <= sum && i+k < len(old); k++ {
				if l := sum - k; j+l < len(now) && old[i+k] == now[j+l] && strings.TrimSpace(old[i+k]) != "" {
					di, dj = k, l
				}
			}
		}
		fmt.Fprintf(&b, "@@ line %d @@\n", i+1)
		if i > 0 {
			line(" ", old[i-1])
		}
		for ; di > 0; di-- {
			line("-", old[i])
			i++
		}
		for ; dj > 0; dj-- {
			line("+", now[j])
			j++
		}
	}
	return b.Bytes()
}
