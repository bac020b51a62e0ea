package formats

import (
	"fmt"
	"maps"
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
		config, credentials = absolute(path), ""
	}
	logins := &awsLogins{c: c, config: config, as: env.As, profiles: map[string]*awsLogin{}}
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
		return nil, plugin.Errorf(plugin.Config, "%s: no profile has a login to take over%s", config, because(skipped))
	}
	drafts, failures := plugin.DraftsOf(config, env.As, names, every, logins.draft)
	if len(names) == 0 && len(drafts) > 0 {
		drafts[0].Notes = append(drafts[0].Notes, skipped...)
	}
	return drafts, failures
}

// awsLogins are the profiles of AWS's tools.
type awsLogins struct {
	c        *Caller
	config   string
	as       string // the name of the profile, if the user gives one
	profiles map[string]*awsLogin
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
	argv, expanded := splitWords(login.settings["credential_process"])
	h := plugin.Helper{Argv: argv, Settings: login.settings, Place: "[" + name + "] in " + l.config}
	switch {
	case l.c.jetonIn(argv) >= 0:
		profile, _ := asked(argv)
		return plugin.Draft{}, plugin.Errorf(plugin.Config, "it asks jeton already, for profile %s", profile)
	case expanded:
		h.Argv = []string{"sh", "-c", login.settings["credential_process"]}
	case login.settings["sso_session"] != "" || login.settings["sso_start_url"] != "":
		return plugin.Draft{}, plugin.Errorf(plugin.Config, "it logs in by AWS's own single sign-on, which jeton does "+
			"not speak")
	case argv == nil && login.settings["role_arn"] != "" && login.settings["web_identity_token_file"] == "":
		return plugin.Draft{}, plugin.Errorf(plugin.Config, "it assumes a role with the keys of another profile, "+
			"which aws does by itself")
	}
	d, err := l.c.Issuers.Adopt(name, h)
	if err != nil && login.settings[awsStatic] != "" {
		return d, plugin.Errorf(plugin.Config, "it has a static key (%s), and nothing there says who made it",
			login.places[awsStatic]).
			WithHint("a profile that makes its own keys replaces it: jeton init")
	}
	if err != nil {
		return d, err
	}
	if d.Name = l.as; d.Name == "" {
		d.Name = nameOfAWS(name)
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

// nameOfAWS returns the name of the profile for one of AWS's tools. Every command would use
// a profile called default.
func nameOfAWS(name string) string {
	if name == "default" {
		return "aws"
	}
	return strings.TrimSpace(name)
}
