package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/adrg/xdg"

	"github.com/jeton-cli/jeton/cache"
	"github.com/jeton-cli/jeton/formats"
	"github.com/jeton-cli/jeton/plugin"
)

type doctorCmd struct {
	Profile string `arg:"" optional:"" help:"Only this profile, which is logged in with too if nothing is kept of it."`
	JSON    bool   `name:"json" help:"Print JSON."`
}

func (d *doctorCmd) Help() string {
	return `Looks at the configuration, the profiles and their secrets, what is kept, the issuers (without logging in), and the files in which aws, kubectl and openstack are told to ask jeton. Each finding has a line for the shell that puts it right, where there is one.

Exits with 1 if something is wrong, and not just doubtful.`
}

// A checkup is what doctor has found.
type checkup struct {
	*app
	Findings []plugin.Finding `json:"findings"`
	Looked   []string         `json:"looked_at"`
	keyring  error            // why it cannot be asked
}

func (d *doctorCmd) Run(ctx context.Context, a *app) error {
	c := &checkup{app: a, Findings: []plugin.Finding{}}
	c.environment()
	c.directories(ctx)
	var profiles []*plugin.Profile
	if f, err := a.config(); err != nil {
		c.failed("config", "", err)
	} else {
		profiles = c.profiles(ctx, f, d.Profile)
		c.issuers(ctx, profiles)
		if d.Profile == "" {
			c.callers(ctx)
		}
	}
	document, err := c.encode(d.JSON)
	if err != nil {
		return err
	}
	if err := a.print(document); err != nil {
		return err
	}
	if slices.ContainsFunc(c.Findings, func(f plugin.Finding) bool { return f.Level == plugin.Wrong }) {
		return exitStatus(1)
	}
	return nil
}

func (c *checkup) encode(asJSON bool) ([]byte, error) {
	var b bytes.Buffer
	if asJSON {
		e := json.NewEncoder(&b)
		e.SetIndent("", "  ")
		e.SetEscapeHTML(false)
		err := e.Encode(c)
		return b.Bytes(), err
	}
	for _, f := range c.Findings {
		about := ""
		if f.Profile != "" {
			about = " (profile " + f.Profile + ")"
		}
		if f.Where != "" {
			about = " " + f.Where + about
		}
		fmt.Fprintf(&b, "%s:%s: %s\n", f.Level, about, f.What)
		if f.Fix != "" {
			fmt.Fprintf(&b, "  fix: %s\n", f.Fix)
		}
	}
	fmt.Fprintf(&b, "looked at: %s\n", strings.Join(c.Looked, ", "))
	if len(c.Findings) == 0 {
		fmt.Fprintln(&b, "nothing is wrong")
	}
	return b.Bytes(), nil
}

func (c *checkup) add(check, level, profile, where, what, fix string) {
	c.Findings = append(c.Findings, plugin.Finding{Check: check, Level: level, Profile: profile, Where: where, What: what, Fix: fix})
}

func (c *checkup) looked(format string, args ...any) {
	c.Looked = append(c.Looked, fmt.Sprintf(format, args...))
}

var atLine = regexp.MustCompile(`\bline (\d+)`)

// failed adds err, which has to do with the configuration file or a profile in it.
func (c *checkup) failed(check, profile string, err error) {
	e := plugin.AsError(err)
	where, fix, what := "", e.Fix, e.Text
	line := atLine.FindStringSubmatch(e.Text)
	if c.file != nil && strings.Contains(e.Text, c.file.Path) || c.file == nil {
		where = c.configPath()
	}
	switch {
	case fix != "":
	case line != nil && e.Meant != "":
		where += ":" + line[1]
		fix = plugin.ShellWords("sed", "-i.bak", line[1]+"s/"+regexp.QuoteMeta(e.Written)+"/"+e.Meant+"/", c.configPath())
	case line != nil:
		where += ":" + line[1]
		fix = plugin.EditAt(where)
	case c.getenv("JETON_CONFIG") != "" && c.cli.Config == "" && c.file == nil && !exists(c.getenv("JETON_CONFIG")):
		where, fix = "JETON_CONFIG", "unset JETON_CONFIG"
	case where != "":
		fix = plugin.EditAt(where)
	}
	if fix == "" && e.Hint != "" || line != nil && e.Meant == "" && e.Hint != "" {
		what += " (" + e.Hint + ")"
	}
	c.add(check, plugin.Wrong, profile, where, what, fix)
}

// configPath returns where the configuration file is, or should be.
func (c *checkup) configPath() string {
	for _, path := range []string{c.cli.Config, c.getenv("JETON_CONFIG")} {
		if path != "" {
			return path
		}
	}
	path, _ := c.directory("XDG_CONFIG_HOME", xdg.ConfigHome)
	return filepath.Join(path, "config.yaml")
}

// environment looks at the program itself, and at variables.
func (c *checkup) environment() {
	program, err := os.Executable()
	if err == nil {
		found, err := exec.LookPath("jeton")
		one, _ := os.Stat(program)
		if other, e := os.Stat(found); err != nil || e != nil {
			c.add("program", plugin.Doubtful, "", "PATH", "jeton is not on it, and what is told to run it by that name does not find it",
				"export PATH="+plugin.ShellWords(filepath.Dir(program))+`:"$PATH"`)
		} else if !os.SameFile(one, other) {
			c.add("program", plugin.Doubtful, "", "PATH", found+" is found there, which is another jeton than this one, "+program,
				"export PATH="+plugin.ShellWords(filepath.Dir(program))+`:"$PATH"`)
		}
	}
	for _, i := range issuers {
		if i.EnvName == "" {
			continue
		}
		values, complete, err := i.Environment(c.getenv)
		var names []string
		for _, v := range values {
			if v.Variable != "" && c.getenv(v.Variable) != "" {
				names = append(names, v.Variable)
			}
		}
		slices.Sort(names)
		switch names = slices.Compact(names); {
		case err != nil:
			c.add("environment", plugin.Doubtful, "", i.EnvName, plugin.AsError(err).Text, "")
		case !complete && len(names) > 0:
			c.add("environment", plugin.Doubtful, "", names[0], "the identity in the environment is not complete, and not used", "unset "+strings.Join(names, " "))
		}
	}
	if _, others, err := plugin.FromEnvironment("env", issuers, c.getenv); err == nil && len(others) > 0 && c.getenv("JETON_PROFILE") == "" {
		c.add("environment", plugin.Doubtful, "", others[0], "the environment holds several identities, of which jeton takes the first",
			"export JETON_PROFILE="+others[0])
	}
	if path := c.getenv("SSL_CERT_FILE"); path != "" && !exists(path) {
		c.add("tls", plugin.Wrong, "", "SSL_CERT_FILE", "there is no file "+path+", so that no certificate is trusted", "unset SSL_CERT_FILE")
	}
}

// directories looks at where things are kept, and opens that.
func (c *checkup) directories(ctx context.Context) {
	state, err := c.directory("XDG_STATE_HOME", xdg.StateHome)
	c.keep(ctx, "state", state, err, "XDG_STATE_HOME")
	dir, variable := c.getenv("JETON_CACHE_DIR"), "JETON_CACHE_DIR"
	if err = nil; dir == "" {
		variable = "XDG_CACHE_HOME"
		dir, err = c.directory(variable, xdg.CacheHome)
	}
	c.keep(ctx, "cache", dir, err, variable)
	stderr := c.stderr
	c.stderr = io.Discard // it is in the findings
	c.open(ctx, true)
	c.stderr, c.warned = stderr, false
	c.looked("what is kept")
	accounts, err := c.state.Accounts(ctx)
	if err != nil {
		c.add("ledger", plugin.Wrong, "", state, inOneLine(err), "")
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
			c.add("ledger", plugin.Doubtful, "", account.Issuer, count(due, "access key")+" that nobody wants may be there still", "jeton gc")
		}
		for _, id := range account.Strays {
			c.add("ledger", plugin.Doubtful, "", account.Issuer, "access key "+id+" appeared while jeton was interrupted, with others: delete it by hand if it is not yours", "")
		}
	}
}

// keep looks at one of the directories.
func (c *checkup) keep(ctx context.Context, check, path string, err error, variable string) {
	var d *cache.Dir
	if err == nil {
		if d, err = cache.OpenDir(path); err == nil {
			err = d.Writable(ctx)
		}
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
	case missing == nil && info.Mode().Perm()&0o077 != 0:
		fix = plugin.ShellWords("chmod", "700", path)
	case check == "cache":
		fix = `export JETON_CACHE_DIR="$(mktemp -d)"`
	}
	c.add(check, plugin.Wrong, "", path, err.Error(), fix)
}

// profiles looks at the profiles, or at the one that is named, and returns those that
// can be used.
func (c *checkup) profiles(ctx context.Context, f *plugin.File, only string) (usable []*plugin.Profile) {
	if name := c.getenv("JETON_PROFILE"); name != "" && !f.Has(name) && !plugin.Reserved(name, issuers) {
		fix := "unset JETON_PROFILE"
		if nearest := plugin.Nearest(name, f.Names()); nearest != "" {
			fix = plugin.ShellWords("export", "JETON_PROFILE="+nearest)
		}
		c.add("environment", plugin.Wrong, "", "JETON_PROFILE", "there is no profile "+plugin.Shorten(name), fix)
	}
	names := f.Names()
	if p, _, _ := plugin.FromEnvironment("env", issuers, c.getenv); p != nil {
		names = append(names, "env")
	}
	if only != "" {
		names = []string{only}
	}
	if len(names) == 0 {
		c.add("config", plugin.Doubtful, "", c.configPath(), "there is no profile yet, and no identity in the environment", "jeton import --help")
	}
	kept, err := c.cache.Kept(ctx)
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
		if c.secrets(ctx, p) && c.credential(ctx, p, kept, only != "") {
			usable = append(usable, p)
		}
	}
	c.looked("%s of %s", count(len(names), "profile"), f.Path)
	return usable
}

// secrets looks whether p's secrets can be had, and reports whether its key can.
func (c *checkup) secrets(ctx context.Context, p *plugin.Profile) bool {
	before := len(c.Findings)
	add := func(where, what, fix string) { c.add("secret", plugin.Wrong, p.Name, where, what, fix) }
	for _, name := range p.SecretVariables() {
		if c.getenv(name) == "" {
			add(name, "the variable is not set", fmt.Sprintf(`printf '%%s: ' %s >&2; read -r %s; export %s`, name, name, name))
		}
	}
	for _, path := range p.Files() {
		if !exists(path) {
			add(path, "there is no such file", "(umask 077; cat >"+plugin.ShellWords(path)+")")
		}
	}
	for _, program := range p.Programs() {
		if _, err := exec.LookPath(program); err != nil {
			add(c.file.Path, "program "+plugin.Shorten(program)+", which prints a secret, is not found", plugin.EditAt(c.file.Path))
		}
	}
	for _, name := range p.KeyringNames() {
		err := c.keyring
		if err == nil {
			_, err = plugin.Keyring{Getenv: c.getenv}.Get(ctx, name)
		}
		if err != nil {
			if !errors.Is(err, plugin.ErrNoSecret) {
				c.keyring = err // to wait for it once is enough
			}
			e := plugin.AsError(err)
			what := e.Text
			if e.Fix == "" && e.Hint != "" {
				what += " (" + e.Hint + ")"
			}
			add("keyring", what, e.Fix)
		}
	}
	if len(c.Findings) > before {
		return false
	}
	if _, err := c.cache.Key(p, c.getenv); err != nil {
		c.failed("secret", p.Name, err)
		return false
	}
	return true
}

// soon is how long before the end of a password or a certificate it is told.
const soon = 14 * 24 * time.Hour

// credential looks at what is kept for p, or else logs in if it may, and reports
// whether the issuer is worth asking for more.
func (c *checkup) credential(ctx context.Context, p *plugin.Profile, kept []cache.Kept, login bool) bool {
	mints := slices.ContainsFunc(p.Chain(), func(q *plugin.Profile) bool { return q.Issuer.Mints })
	key, err := c.cache.Key(p, c.getenv)
	if err != nil {
		return false
	}
	i := slices.IndexFunc(kept, func(k cache.Kept) bool { return k.Name == key.Name })
	var cred *plugin.Credential
	if i >= 0 {
		cred = kept[i].Credential
		if f := kept[i].Failure; f != nil {
			level := plugin.Doubtful
			if cred == nil || over(cred) {
				level = plugin.Wrong
			}
			c.add("login", level, p.Name, "", "the last login failed, at "+f.At.UTC().Format(time.RFC3339)+": "+f.Text, plugin.ShellWords("jeton", "get", p.Name, "--refresh", "-f", "json")+" >/dev/null")
			login = false
		}
	}
	if (cred == nil || over(cred)) && login && !mints {
		var err error
		if cred, err = c.fetch(plugin.Unattended(ctx), p, need{}); err != nil {
			e := plugin.AsError(err)
			fix := e.Fix
			if fix == "" {
				fix = plugin.EditAt(c.file.Path)
			}
			c.add("login", plugin.Wrong, p.Name, "", inOneLine(err), fix)
			return e.Code == plugin.Network
		}
	}
	if cred == nil {
		return true
	}
	if at, err := time.Parse(time.RFC3339, cred.Attrs[plugin.AttrPasswordExpiresAt]); err == nil && time.Until(at) < soon {
		c.add("password", plugin.Doubtful, p.Name, cred.Attrs[plugin.AttrUserName], "its password expires at "+at.Format(time.RFC3339),
			plugin.ShellWords("jeton", "exec", p.Name, "--", "openstack", "user", "password", "set"))
	}
	return true
}

const (
	probeLimit = 5 * time.Second
	probers    = 8

	// What an issuer's clock may differ from ours before tokens seem to begin in the
	// future, and before signatures are refused.
	clockDoubtful = 30 * time.Second
	clockWrong    = 4 * time.Minute
)

// issuers asks the servers of the profiles for their time, each once.
func (c *checkup) issuers(ctx context.Context, profiles []*plugin.Profile) {
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
				way := fmt.Sprint(address, q.Common.CAFile, q.Common.CertFile, q.Common.Proxy)
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
			v.Probe = v.profile.Probe(limited, &c.clients, v.address, c.log)
		})
	}
	all.Wait()
	for _, v := range visits {
		c.visited(v.profile.Name, v.Probe)
	}
	c.looked("%s", count(len(visits), "server"))
}

// visited adds what is wrong with a server.
func (c *checkup) visited(profile string, p plugin.Probe) {
	if p.Err != nil {
		e := plugin.AsError(p.Err)
		fix := e.Fix
		if list := thoseSet(c.getenv, "HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"); strings.Contains(e.Text, "proxy") && len(list) > 0 {
			fix = "unset " + strings.Join(list, " ")
		}
		what := e.Text
		if fix == "" && e.Hint != "" {
			what += " (" + e.Hint + ")"
		}
		c.add("server", plugin.Wrong, profile, p.Host, what, fix)
		return
	}
	if apart := p.Ahead.Abs(); apart > clockDoubtful {
		level, direction := plugin.Doubtful, "ahead of"
		if apart > clockWrong {
			level = plugin.Wrong
		}
		if p.Ahead < 0 {
			direction = "behind"
		}
		c.add("clock", level, profile, p.Host, fmt.Sprintf("this machine's clock is %s %s the server's", apart, direction), "sudo timedatectl set-ntp true")
	}
	if !p.Ends.IsZero() && time.Until(p.Ends) < soon {
		c.add("tls", plugin.Doubtful, profile, p.Host, "its certificate ends at "+p.Ends.UTC().Format(time.RFC3339), "")
	}
}

// thoseSet returns those of the variables that are set.
func thoseSet(getenv func(string) string, names ...string) []string {
	return slices.DeleteFunc(names, func(name string) bool { return getenv(name) == "" })
}

// callers looks at the files of those who ask jeton.
func (c *checkup) callers(ctx context.Context) {
	home, err := os.UserHomeDir()
	if err != nil {
		return
	}
	caller := &formats.Caller{Getenv: c.getenv, Home: home, ReadFile: readCallers, Find: c.profileOf, Kept: func(name string) string {
		p, err := c.profileOf(name)
		if err != nil {
			return ""
		}
		key, err := c.cache.Key(p, c.getenv)
		if err != nil {
			return ""
		}
		return c.cache.Token(ctx, key)
	}}
	if program, err := os.Executable(); err == nil {
		caller.Argv = []string{program}
	}
	for _, look := range []struct {
		what string
		at   func(*formats.Caller) ([]plugin.Finding, int)
	}{{"AWS profile", formats.DoctorAWS}, {"Kubernetes user", formats.DoctorKubernetes}, {"OpenStack cloud", formats.DoctorOpenStack}} {
		findings, n := look.at(caller)
		c.Findings = append(c.Findings, findings...)
		c.looked("%s", count(n, look.what))
	}
}

// profileOf returns the profile that a caller's command line asks for.
func (c *checkup) profileOf(name string) (*plugin.Profile, error) {
	if name != "" {
		f, err := c.config()
		if err != nil {
			return nil, err
		}
		return f.Profile(name)
	}
	stderr := c.stderr
	defer func() { c.stderr = stderr }()
	c.stderr = io.Discard
	return c.profile("")
}
