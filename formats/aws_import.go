package formats

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/jeton-cli/jeton/plugin"
)

// awsImport takes over how profiles of AWS's tools get their keys today.
type awsImport struct {
	Args []string `arg:"" optional:"" name:"file-or-profile" help:"An AWS configuration, by default ~/.aws/config with ~/.aws/credentials, and names of profiles in it; by default all that can be taken over."`
}

func (*awsImport) Help() string {
	return "Takes over credential_process of other programs such as aws-vault, roles for a token in a file, and keys " +
		"for Outscale. AWS's files stay as they are: jeton setup aws changes them. Says which keys can go then."
}

// Drafts returns a profile for each profile of AWS's tools.
func (i *awsImport) Drafts(env plugin.ImportEnv) ([]plugin.Draft, error) {
	path, names := plugin.FileFirst(i.Args, ".ini", ".conf")
	c := &Caller{Getenv: env.Getenv, Home: env.Home, Issuers: env.Issuers, ReadFile: ReadFile}
	config, credentials := awsFile(c), c.path("AWS_SHARED_CREDENTIALS_FILE", ".aws", "credentials")
	if path != "" {
		if err := CheckGiven(path); err != nil {
			return nil, err
		}
		config, credentials = absolute(path), ""
		if filepath.Base(path) == "credentials" {
			config, credentials = "", absolute(path)
		}
	}
	shown := config
	if shown == "" {
		shown = credentials
	}
	logins := &awsLogins{c: c, config: shown, credentials: credentials, as: env.As, profiles: map[string]*awsLogin{}}
	for _, file := range []string{config, credentials} { // keys in the second file override the first
		if file == "" {
			continue
		}
		if err := logins.read(file, file == credentials); err != nil {
			return nil, err
		}
	}
	every, skipped := logins.all()
	if len(names) == 0 && len(every) == 0 {
		return nil, plugin.Errorf(plugin.Config, "%s: no profile has a login to take over%s", shown,
			because(skipped))
	}
	drafts, failures := plugin.DraftsOf(shown, env.As, names, every, logins.draft)
	if len(names) == 0 {
		env.Tell(skipped)
	}
	return drafts, failures
}

// awsLogins are the profiles of AWS's tools.
type awsLogins struct {
	c                   *Caller
	config, credentials string // the files
	as                  string // the name of the profile, if the user gives one
	profiles            map[string]*awsLogin
}

// An awsLogin is one of them, put together from both files.
type awsLogin struct {
	settings map[string]string
	places   map[string]string // of the settings: file and line
}

func (l *awsLogins) read(path string, credentials bool) error {
	text, err := l.c.ReadFile(path)
	if err == nil {
		err = checkMark(text, path)
	}
	if err != nil {
		return err
	}
	for _, p := range awsProfiles(text, credentials) {
		login := l.profiles[p.name]
		if login == nil {
			login = &awsLogin{map[string]string{}, map[string]string{}}
			l.profiles[p.name] = login
		}
		for key, value := range p.settings {
			login.settings[key], login.places[key] = value, place(path, p.lines[key])
		}
	}
	return nil
}

// all returns the names of the profiles that can be taken over, and for the others why not.
func (l *awsLogins) all() (names, skipped []string) {
	for _, name := range slices.Sorted(maps.Keys(l.profiles)) {
		if _, err := l.draft(name); err != nil {
			skipped = append(skipped, "profile "+name+" stays as it is: "+plugin.AsError(err).Text)
			continue
		}
		names = append(names, name)
	}
	return names, skipped
}

// draft returns the profile that gets keys as the one called name does.
func (l *awsLogins) draft(name string) (plugin.Draft, error) {
	login := l.profiles[name]
	if login == nil {
		return plugin.Draft{}, plugin.Errorf(plugin.Config, "%s: there is no profile %q", l.config,
			plugin.Shorten(name))
	}
	process := login.settings["credential_process"]
	argv, expanded := splitProcess(process)
	h := plugin.Helper{Argv: argv, Settings: login.settings, Place: "[" + name + "] in " + l.config}
	if why := l.notTaken(login, argv); why != "" {
		return plugin.Draft{}, plugin.Errorf(plugin.Config, "%s", why)
	}
	if expanded {
		h.Argv = []string{"sh", "-c", process}
	}
	if login.settings["web_identity_token_file"] != "" { // which comes before a program
		h.Argv = nil
	}
	d, err := l.c.Issuers.Adopt(name, h)
	if err != nil && login.settings[awsStatic] != "" {
		return d, plugin.Errorf(plugin.Config, "it has a static key (%s), and nothing says which cloud made it",
			login.places[awsStatic]).
			WithHint("a profile that makes its own keys replaces it: jeton init")
	}
	if err != nil {
		return d, err
	}
	if d.Name = l.as; d.Name == "" {
		d.Name = l.nameOf(name)
	}
	if expanded {
		d.Notes = append(d.Notes, "a shell runs its program: aws itself expands neither ~ nor variables")
	}
	for _, setting := range slices.Sorted(maps.Keys(login.settings)) {
		if !slices.Contains(known, setting) {
			d.Left = append(d.Left, setting)
		}
	}
	setup := []string{"jeton", "setup", "aws", d.Name}
	if d.Name != name {
		setup = append(setup, "--as", name)
	}
	d.Notes = append(d.Notes, "for aws: "+plugin.ShellWords(setup...))
	if where := login.places[awsStatic]; where != "" {
		d.Notes = append(d.Notes, fmt.Sprintf("after that the static key of [%s] can go (%s)", name, where))
	}
	return d, nil
}

// notTaken says why a login cannot be taken over, or returns "". AWS's tools take what it
// names before a credential_process.
func (l *awsLogins) notTaken(login *awsLogin, argv []string) string {
	set := func(name string) bool { return login.settings[name] != "" }
	static := strings.HasPrefix(login.places[awsStatic], l.credentials+":")
	switch {
	case l.c.jetonIn(argv) >= 0:
		profile, _ := asked(argv)
		return "it asks jeton already, for profile " + profile
	case set("sso_session"), set("sso_start_url"), set("login_session"):
		return "it logs in by AWS's own sign-on, which jeton does not speak"
	case set("role_arn") && !set("web_identity_token_file"):
		return "it assumes a role with the keys of another profile, which aws does by itself"
	case argv != nil && static:
		return "the static key at " + login.places[awsStatic] + " overrides its credential_process"
	case strings.ContainsAny(login.settings["credential_process"], ";|&<>`"):
		return "its credential_process is a line for a shell, which AWS's tools do not all have"
	}
	return ""
}

// known are the settings of a profile that have a place in one of jeton's, or mean nothing to
// it.
var known = []string{"aws_access_key_id", "aws_secret_access_key", "aws_session_token", "credential_process",
	"endpoint_url", "output", "region", "role_arn", "role_session_name", "web_identity_token_file", "s3", "cli_pager"}

// nameOf returns the name of the profile for one of AWS's tools. Every command would use a
// profile called default.
func (l *awsLogins) nameOf(name string) string {
	switch {
	case name != "default":
		return strings.TrimSpace(name)
	case l.profiles["aws"] == nil:
		return "aws"
	}
	return "aws-default"
}
