package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/jeton-cli/jeton/cache"
	"github.com/jeton-cli/jeton/formats"
	"github.com/jeton-cli/jeton/plugin"
)

type doctorCmd struct {
	Profile string `arg:"" optional:"" help:"Only this profile, with which it logs in if nothing is kept of it."`
	JSON    bool   `name:"json" help:"Print JSON."`
	Fleet   bool   `help:"Measure the shared cache, and tell what the hosts share."`
}

func (d *doctorCmd) Help() string {
	return `Checks the configuration, the profiles and their secrets, the cache, the issuers (without a login), and the files in which aws, kubectl and openstack find jeton. A finding comes with a shell command that fixes it, where there is one. With a profile it checks that profile alone, and logs in if nothing is cached.

With --fleet it also tells how quickly the shared cache answers and, for each profile, for how long a credential is shared, which host is fetching one, and how many requests to the issuer were saved.

Exits with 1 if there is an error, with 0 if there are only warnings.`
}

// A checkup is what doctor has found.
type checkup struct {
	Findings []plugin.Finding `json:"findings"`
	Looked   []string         `json:"looked_at"`
	Fleet    *fleetReport     `json:"fleet,omitempty"`

	world   cache.World
	ps      *profiles // without warnings: the findings have them
	file    *plugin.File
	session *cache.Session
	keyring error // why the keyring cannot be used, or nil
}

func (d *doctorCmd) Run(ctx context.Context, t *terminal, ps *profiles, w cache.World) error {
	w.Warn = func(string, ...any) {}
	quiet := *ps
	quiet.warn = w.Warn
	c := &checkup{Findings: []plugin.Finding{}, world: w, ps: &quiet}
	c.environment()
	c.directories(ctx)
	f, err := c.ps.file()
	if err != nil {
		c.failed("config", "", err)
	} else {
		c.file = f
		usable := c.profiles(ctx, f, d.Profile)
		c.issuers(ctx, usable)
		c.fleet(ctx, usable, d.Fleet)
	}
	if d.Profile == "" {
		c.callers(ctx)
	}
	document, err := c.encode(d.JSON, t.outLook())
	if err != nil {
		return err
	}
	if err := t.print(document); err != nil {
		return err
	}
	if slices.ContainsFunc(c.Findings, func(f plugin.Finding) bool { return f.Level == plugin.Wrong }) {
		return exitStatus(1)
	}
	return nil
}

func (c *checkup) encode(asJSON bool, l look) ([]byte, error) {
	var b bytes.Buffer
	if asJSON {
		e := json.NewEncoder(&b)
		e.SetIndent("", "  ")
		e.SetEscapeHTML(false)
		err := e.Encode(c)
		return b.Bytes(), err
	}
	for _, f := range c.Findings {
		f.Where, f.Profile, f.What = plugin.Shorten(f.Where), plugin.Shorten(f.Profile), plugin.Printable(f.What)
		if plugin.Printable(f.Fix) != f.Fix {
			f.Fix = "" // a command with invisible characters must not be pasted
		}
		about := ""
		if f.Profile != "" {
			about = " (profile " + f.Profile + ")"
		}
		if f.Where != "" {
			about = " " + f.Where + about
		}
		color := map[string]string{plugin.Wrong: red, plugin.Doubtful: yellow}[f.Level]
		if about != "" {
			about += ":"
		}
		text := l.fit(f.Level + ":" + about + " " + f.What)
		b.WriteString(strings.Replace(text, f.Level, l.paint(color, f.Level), 1) + "\n")
		if f.Fix != "" {
			fix := "  fix: " + f.Fix
			if l.width > 0 {
				fix = breakCommand(fix, l.width)
			}
			b.WriteString(fix + "\n")
		}
	}
	looked := slices.DeleteFunc(slices.Clone(c.Looked), func(what string) bool { return strings.HasPrefix(what, "0 ") })
	b.WriteString(l.fit("checked: "+strings.Join(looked, ", ")) + "\n")
	if len(c.Findings) == 0 {
		b.WriteString(l.paint(green, "nothing is wrong") + "\n")
	}
	c.Fleet.write(&b, l)
	return b.Bytes(), nil
}

func (c *checkup) add(check, level, profile, where, what, fix string) {
	c.found(plugin.Finding{Check: check, Level: level, Profile: profile, Where: where, What: what, Fix: fix})
}

// found adds findings. It drops one that another profile has already brought up.
func (c *checkup) found(list ...plugin.Finding) {
	for _, f := range list {
		if !slices.ContainsFunc(c.Findings, func(g plugin.Finding) bool {
			return f.Check == g.Check && f.Where != "" && f.Where == g.Where && f.What == g.What
		}) {
			c.Findings = append(c.Findings, f)
		}
	}
}

func (c *checkup) looked(format string, args ...any) {
	c.Looked = append(c.Looked, fmt.Sprintf(format, args...))
}

// failed adds the errors in err, about the configuration file or one of its profiles.
func (c *checkup) failed(check, profile string, err error) {
	for _, err := range plugin.Each(err) {
		c.failedOnce(check, profile, err)
	}
}

func (c *checkup) failedOnce(check, profile string, err error) {
	e := plugin.AsError(err)
	where, fix, what := e.Path, e.Fix, e.Text
	if c.file == nil {
		where = c.configPath()
	}
	if e.Line > 0 && where != "" {
		where += fmt.Sprintf(":%d", e.Line)
	}
	switch {
	case fix != "":
	case e.Column > 0 && e.Meant != "" && !c.told(where):
		fix = plugin.Substitute(c.configPath(), e.Line, e.Column, e.Written, e.Meant)
	case c.world.Getenv("JETON_CONFIG") != "" && *c.ps.path == "" && c.file == nil &&
		!fileExists(c.world.Getenv("JETON_CONFIG")):
		where, fix = "JETON_CONFIG", "unset JETON_CONFIG"
	case where != "":
		fix = plugin.EditAt(where)
		what = plugin.InOneLine(err)
	default:
		what = plugin.InOneLine(err)
	}
	c.add(check, plugin.Wrong, profile, where, withoutPlace(what, e, profile), fix)
}

// told reports whether there is a finding about a place. A second command line that changes
// it would not find what it changes.
func (c *checkup) told(where string) bool {
	return slices.ContainsFunc(c.Findings, func(f plugin.Finding) bool { return f.Where == where })
}

// withoutPlace returns what without the file, the profile and the line of e, which the
// finding names by itself.
func withoutPlace(what string, e *plugin.Error, profile string) string {
	what = strings.TrimPrefix(what, e.Path+": ")
	what = strings.TrimPrefix(what, "profile "+profile+": ")
	return strings.Replace(what, fmt.Sprintf("line %d:%d: ", e.Line, e.Column), "", 1)
}

// configPath returns the path of the configuration file, whether it exists or not.
func (c *checkup) configPath() string {
	for _, path := range []string{*c.ps.path, c.world.Getenv("JETON_CONFIG")} {
		if path != "" {
			return path
		}
	}
	path, _ := plugin.ConfigDir(c.world.Getenv)
	return filepath.Join(path, "config.yaml")
}

// environment checks the program itself and the environment variables.
func (c *checkup) environment() {
	program, err := programPath()
	if err == nil {
		found, err := exec.LookPath("jeton")
		one, _ := os.Stat(program)
		if other, e := os.Stat(found); err != nil || e != nil {
			c.add("program", plugin.Doubtful, "", "PATH",
				"jeton is not on it, and what is told to run it by that name does not find it",
				"export PATH="+plugin.ShellWords(filepath.Dir(program))+`:"$PATH"`)
		} else if !os.SameFile(one, other) {
			c.add("program", plugin.Doubtful, "", "PATH",
				found+" is found there, which is another jeton than this one, "+program,
				"export PATH="+plugin.ShellWords(filepath.Dir(program))+`:"$PATH"`)
		}
	}
	for _, i := range c.world.Issuers {
		if i.EnvName == "" {
			continue
		}
		values, complete, _ := i.Environment(c.world.Getenv)
		var names []string
		for _, v := range values {
			if v.Variable != "" && c.world.Getenv(v.Variable) != "" {
				names = append(names, v.Variable)
			}
		}
		slices.Sort(names)
		if names = slices.Compact(names); !complete && len(names) > 0 {
			c.add("environment", plugin.Doubtful, "", names[0],
				"the identity in the environment is not complete, and not used", "unset "+strings.Join(names, " "))
		}
	}
	p, others, err := c.world.Issuers.FromEnvironment("env", c.world.Getenv)
	switch {
	case err != nil && plugin.AsError(err).Variable != "":
		e := plugin.AsError(err)
		fix := "unset " + e.Variable
		if e.Meant != "" {
			fix = plugin.ShellWords("export", e.Variable+"="+e.Meant)
		}
		c.add("environment", plugin.Wrong, "", e.Variable, e.Text, fix)
	case err != nil:
		c.add("environment", plugin.Wrong, "", "", plugin.InOneLine(err), "")
	case len(others) > 0 && c.world.Getenv("JETON_PROFILE") == "":
		c.add("environment", plugin.Doubtful, "", others[0],
			"the environment holds several identities, of which jeton takes "+p.Issuer.EnvName,
			"export JETON_PROFILE="+p.Issuer.EnvName)
	}
	if path := c.world.Getenv("SSL_CERT_FILE"); path != "" && !fileExists(path) {
		c.add("tls", plugin.Doubtful, "", "SSL_CERT_FILE",
			"there is no file "+path+", and what certificates are trusted is left to SSL_CERT_DIR",
			"unset SSL_CERT_FILE")
	}
}

// directories checks the state and cache directories, and opens the session.
func (c *checkup) directories(ctx context.Context) {
	state, err := plugin.StateDir(c.world.Getenv)
	c.keep(ctx, "state", state, err, "XDG_STATE_HOME")
	variable := "XDG_CACHE_HOME"
	if c.world.Getenv("JETON_CACHE_DIR") != "" {
		variable = "JETON_CACHE_DIR"
	}
	dir, err := plugin.CacheDir(c.world.Getenv)
	c.keep(ctx, "cache", dir, err, variable)
	c.session = cache.Open(ctx, c.world, true)
	c.looked("the cache")
	accounts, err := cache.Accounts(ctx, c.session.State)
	if err != nil {
		c.add("ledger", plugin.Wrong, "", state, plugin.InOneLine(err), "")
	}
	now := time.Now()
	for _, account := range accounts {
		due := 0
		for _, m := range account.Keys {
			if m.Due(now) {
				due++
			}
		}
		for _, i := range account.Intents {
			if i.Overdue(now) {
				due++
			}
		}
		if due > 0 {
			c.add("ledger", plugin.Doubtful, "", account.Issuer,
				plugin.Count(due, "access key")+" that nobody wants may be there still", "jeton gc")
		}
		for _, id := range account.Strays {
			c.add("ledger", plugin.Doubtful, "", account.Issuer,
				"access key "+id+" appeared while jeton was interrupted, with others: delete it by hand if it is "+
					"not yours", "")
		}
	}
}

// keep checks one of the directories.
func (c *checkup) keep(ctx context.Context, check, path string, err error, variable string) {
	if err == nil {
		err = cache.CheckDir(ctx, path)
	}
	if err == nil {
		return
	}
	info, missing := os.Lstat(path)
	fix := ""
	switch {
	case path != "" && !filepath.IsAbs(path):
		fix = "unset " + variable
	case missing == nil && !info.IsDir():
		fix = plugin.ShellWords("mv", path, path+".bak")
	case missing == nil && errors.Is(err, cache.ErrOpen):
		fix = plugin.ShellWords("chmod", "700", path)
	case check == "cache":
		fix = `export JETON_CACHE_DIR="$(mktemp -d)"`
	}
	c.add(check, plugin.Wrong, "", path, err.Error(), fix)
}

// profiles checks all profiles, or only the one that is named, and returns the usable
// ones.
func (c *checkup) profiles(ctx context.Context, f *plugin.File, only string) (usable []*plugin.Profile) {
	if name := c.world.Getenv("JETON_PROFILE"); name != "" && !f.Has(name) && !c.world.Issuers.Reserved(name) {
		fix := "unset JETON_PROFILE"
		if nearest := plugin.Nearest(name, f.Names()); nearest != "" {
			fix = plugin.ShellWords("export", "JETON_PROFILE="+nearest)
		}
		c.add("environment", plugin.Wrong, "", "JETON_PROFILE", "there is no profile "+plugin.Shorten(name), fix)
	}
	names := f.Names()
	if p, _, _ := c.world.Issuers.FromEnvironment("env", c.world.Getenv); p != nil {
		names = append(names, "env")
	}
	if only != "" {
		names = []string{only}
	}
	if len(names) == 0 {
		c.add("config", plugin.Doubtful, "", c.configPath(),
			"there is no profile yet, and no identity in the environment", "jeton init")
	}
	kept, err := c.session.List(ctx)
	if err != nil {
		c.add("cache", plugin.Wrong, "", "", plugin.AsError(err).Text, "")
	}
	for _, name := range names {
		p, err := f.Profile(name)
		if err == nil {
			err = checkFormat(p)
		}
		if err != nil {
			c.failed("profile", name, err)
			continue
		}
		if !c.secrets(ctx, p) {
			continue
		}
		for q := p; q != nil; q = q.Base { // for a profile that mints keys, check its login
			if cache.Mints(q) && q.Base != nil && only != "" {
				continue
			}
			if c.credential(ctx, q, kept, only != "") {
				usable = append(usable, p)
			}
			break
		}
	}
	c.looked("%s of %s", plugin.Count(len(names), "profile"), f.Path)
	return usable
}

// secrets checks that p's secrets are available. It reports whether p has a cache key.
func (c *checkup) secrets(ctx context.Context, p *plugin.Profile) bool {
	good := true
	add := func(where, what, fix string) {
		good = false
		c.add("secret", plugin.Wrong, p.Name, where, what, fix)
	}
	for _, name := range p.SecretVariables() {
		if c.world.Getenv(name) == "" {
			add(name, "the variable is not set",
				plugin.AskVariable(name))
		}
	}
	for _, path := range p.Files() {
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			add(path, "there is no such file",
				plugin.WriteFile(path))
		}
	}
	for _, program := range p.Programs() {
		if _, err := exec.LookPath(program); err != nil {
			add(c.file.Path, "program "+plugin.Shorten(program)+", which prints a secret or the credential, is "+
				"not found", plugin.EditAt(c.file.Path))
		}
	}
	for _, name := range p.KeyringNames() {
		err := c.keyring
		if err == nil {
			_, err = plugin.Keyring{Getenv: c.world.Getenv}.Get(ctx, name)
		}
		if err != nil {
			if !errors.Is(err, plugin.ErrNoSecret) {
				c.keyring = err // one wait is enough
			}
			e := plugin.AsError(err)
			what := e.Text
			if e.Fix == "" && e.Hint != "" {
				what += " (" + e.Hint + ")"
			}
			add("keyring", what, e.Fix)
		}
	}
	if !good {
		return false
	}
	_, err := c.session.Key(p)
	if err != nil {
		c.failed("secret", p.Name, err)
	}
	return err == nil
}

// soon is how long before its end doctor warns of a certificate.
const soon = 14 * 24 * time.Hour

// credential checks p's cached credential. Without one it logs in, if login is set. It
// reports whether the issuer is worth asking for more.
func (c *checkup) credential(ctx context.Context, p *plugin.Profile, kept []cache.Item, login bool) bool {
	key, err := c.session.Key(p)
	if err != nil {
		return false
	}
	i := slices.IndexFunc(kept, func(k cache.Item) bool { return k.Name == key.Name })
	var cred *plugin.Credential
	if i >= 0 {
		cred = kept[i].Credential
		if f := kept[i].Failure; f != nil {
			level := plugin.Doubtful
			if cred == nil || cache.Expired(cred.Expires, time.Now()) {
				level = plugin.Wrong
			}
			fix := plugin.ShellWords("jeton", "get", p.Name, "--refresh", "-f", "json") + " >/dev/null"
			if f.Code == plugin.Denied { // asking again would be refused again, and counted
				fix = p.ReplaceSecret()
			}
			c.add("login", level, p.Name, "", "the last login failed, at "+f.At.UTC().Format(time.RFC3339)+": "+f.Text,
				fix)
			login = false
		}
	}
	if (cred == nil || cache.Expired(cred.Expires, time.Now())) && login && !cache.Mints(p) {
		var err error
		if cred, err = c.session.FetchAlone(ctx, p, cache.Need{}); err != nil {
			e := plugin.AsError(err)
			fix, what := e.Fix, plugin.InOneLine(err)
			switch {
			case errors.Is(err, plugin.ErrPerson):
				fix = plugin.ShellWords(plugin.LoginCommand(p.Name, p.Config, c.world.Getenv)...)
				what = "a login is needed"
			case e.Code == plugin.Denied && fix == "":
				fix = p.ReplaceSecret()
			case fix == "" && e.Code == plugin.Config:
				fix = plugin.EditAt(c.file.Path)
			}
			c.add("login", plugin.Wrong, p.Name, "", what, fix)
			return e.Code == plugin.Network
		}
	}
	if cred == nil {
		return true
	}
	if p.Issuer.Doctor != nil {
		c.found(p.Issuer.Doctor(p.Name, cred, time.Now())...)
	}
	return true
}

const (
	probeLimit  = 3 * time.Second
	probesLimit = 8 * time.Second // for all of them
	probers     = 32

	// The clock differences from which tokens seem to begin in the future, and from which
	// signatures are refused.
	clockDoubtful = 30 * time.Second
	clockWrong    = 4 * time.Minute
)

// issuers sends one request to each server of the profiles.
func (c *checkup) issuers(ctx context.Context, profiles []*plugin.Profile) {
	ctx, cancel := context.WithTimeout(ctx, probesLimit)
	defer cancel()
	type visit struct {
		profile *plugin.Profile
		address string
		plugin.Probe
	}
	var visits []*visit
	seen := map[string]bool{}
	for _, p := range profiles {
		for _, q := range p.Chain() {
			for _, address := range q.Addresses() {
				u, err := url.Parse(address)
				if err != nil {
					continue
				}
				way := fmt.Sprint(u.Host, q.Common.CAFile, q.Common.CertFile, q.Common.Proxy)
				if !seen[way] {
					seen[way] = true
					visits = append(visits, &visit{profile: q, address: address})
				}
			}
		}
	}
	var all sync.WaitGroup
	slots := make(chan bool, probers)
	for _, v := range visits {
		slots <- true
		all.Go(func() {
			defer func() { <-slots }()
			limited, cancel := context.WithTimeout(ctx, probeLimit)
			defer cancel()
			err := plugin.Catch(func() error {
				v.Probe = v.profile.Probe(limited, &c.session.Clients, v.address, c.world.Log)
				return nil
			})
			if err != nil {
				v.Probe.Err = err
			}
		})
	}
	all.Wait()
	for _, v := range visits {
		c.visited(v.profile.Name, v.Probe)
	}
	c.Findings = slices.DeleteFunc(c.Findings, c.toldOfServer)
	c.looked("%s", plugin.Count(len(visits), "server"))
}

// toldOfServer reports whether f is a login that failed because of a server of which there
// is a finding.
func (c *checkup) toldOfServer(f plugin.Finding) bool {
	return f.Check == "login" && slices.ContainsFunc(c.Findings, func(g plugin.Finding) bool {
		return g.Check == "server" && g.Level == plugin.Wrong && strings.Contains(f.What, g.Where+": ")
	})
}

// visited adds the findings about one server.
func (c *checkup) visited(profile string, p plugin.Probe) {
	if p.Err != nil {
		e := plugin.AsError(p.Err)
		fix := e.Fix
		if list := plugin.ThoseSet(c.world.Getenv, "HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"); e.Proxy &&
			len(list) > 0 {
			fix = "unset " + strings.Join(list, " ")
		}
		what := strings.TrimPrefix(e.Text, p.Host+": ")
		if fix == "" && e.Hint != "" {
			what += " (" + e.Hint + ")"
		}
		c.add("server", plugin.Wrong, profile, p.Host, what, fix)
		return
	}
	if p.Status >= 500 {
		c.add("server", plugin.Doubtful, profile, p.Host,
			fmt.Sprintf("it answers that it has failed (HTTP %d)", p.Status), "")
	}
	if apart := p.Ahead.Abs(); apart > clockDoubtful {
		level, direction := plugin.Doubtful, "ahead of"
		if apart > clockWrong {
			level = plugin.Wrong
		}
		if p.Ahead < 0 {
			direction = "behind"
		}
		c.add("clock", level, profile, p.Host,
			fmt.Sprintf("this machine's clock is %s %s the server's", apart, direction),
			"sudo timedatectl set-ntp true")
	}
	if !p.Ends.IsZero() && time.Until(p.Ends) < soon {
		c.add("tls", plugin.Doubtful, profile, p.Host, "its certificate ends at "+p.Ends.UTC().Format(time.RFC3339), "")
	}
}

// callers checks the configuration files of the programs that call jeton.
func (c *checkup) callers(ctx context.Context) {
	home, err := os.UserHomeDir()
	if err != nil {
		return
	}
	caller := &formats.Caller{
		Issuers: c.world.Issuers, Getenv: c.world.Getenv, Home: home, ReadFile: formats.ReadFile,
		Token: func(name string) string { return c.token(ctx, name) },
	}
	if program, err := programPath(); err == nil {
		caller.Argv, caller.Key = []string{program}, cloudKey(c.session)
	}
	if c.file != nil {
		caller.Find, caller.Serving = c.profileOf, c.ps.serving
	}
	if records := c.session.State; records != nil {
		setups := &formats.Setups{Records: records, Prefix: cache.SetupPrefix}
		caller.Wrote = func(format, profile, entry string) []string {
			as := *caller
			as.Name, as.As = profile, entry
			return setups.Files(ctx, format, &as)
		}
	}
	for _, k := range formats.Kinds {
		if k.Doctor != nil {
			findings, n := k.Doctor.Look(ctx, caller)
			c.found(findings...)
			c.looked("%s", plugin.Count(n, k.Doctor.What))
		}
	}
}

// token returns the cached token of a profile, or "".
func (c *checkup) token(ctx context.Context, name string) string {
	p, err := c.profileOf(name)
	if err != nil {
		return ""
	}
	key, err := c.session.Key(p)
	if err != nil {
		return ""
	}
	return c.session.Token(ctx, key)
}

// profileOf returns the profile that a caller's command line names.
func (c *checkup) profileOf(name string) (*plugin.Profile, error) {
	if name == "" {
		return c.ps.named("")
	}
	f, err := c.ps.file()
	if err != nil {
		return nil, err
	}
	return f.Profile(name)
}

func fileExists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
