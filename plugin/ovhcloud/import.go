package ovhcloud

import (
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/jeton-cli/jeton/plugin"
)

// importConf imports the service account in an ovh.conf.
type importConf struct {
	Args []string `arg:"" optional:"" name:"file-or-name" help:"An ovh.conf, by default ~/.ovh.conf or /etc/ovh.conf, and a name for the profile (ovh)."`
}

func (*importConf) Help() string {
	return "Of profiles as ovhcloud-cli has them ([profile:NAME]), the one is taken that is active there: that of " +
		"OVH_PROFILE, else of profile= in [default]. An ovh.conf in the working directory is read only if it is named."
}

// Drafts returns the profile made from the service account.
func (i *importConf) Drafts(env plugin.ImportEnv) ([]plugin.Draft, error) {
	path, names := plugin.FileFirst(i.Args, ".conf")
	if len(names) > 1 {
		return nil, plugin.Errorf(plugin.Usage, "one name is enough for one profile")
	}
	name := "ovh"
	if len(names) == 1 {
		name = names[0]
	}
	given := path != ""
	if !given {
		for _, path = range []string{plugin.ExpandHome("~/.ovh.conf"), "/etc/ovh.conf"} {
			if _, err := os.Stat(path); err == nil {
				break
			}
		}
	}
	d, err := draft(name, path, env.Getenv("OVH_PROFILE"))
	if errors.Is(err, fs.ErrNotExist) && !given {
		return nil, plugin.Errorf(plugin.Config, "there is no ovh.conf: neither ~/.ovh.conf nor /etc/ovh.conf").
			WithHint("name the file: jeton import ovh PATH")
	}
	if err != nil {
		return nil, err
	}
	return []plugin.Draft{d}, nil
}

// ReadConf reads an ovh.conf, the configuration file of OVHcloud's own tools. It returns
// the service account in it as options of a profile, by name. profile is the profile of
// ovhcloud-cli that OVH_PROFILE names, or empty.
//
// https://github.com/ovh/go-ovh#configuration
// https://github.com/ovh/ovhcloud-cli
func ReadConf(path, profile string) (map[string]plugin.Value, error) {
	b, err := plugin.ReadOwnFile(path, 1<<20)
	if err != nil {
		return nil, err
	}
	sections, err := parseConf(string(b))
	var name string
	var account section
	if err == nil {
		name, account, err = sections.account(profile)
	}
	if err != nil {
		e := plugin.AsError(err)
		e.Text = path + ": " + e.Text
		return nil, e
	}
	values := map[string]plugin.Value{}
	set := func(option, text string) {
		values[option] = plugin.Value{Place: option + " in " + path, Key: option, Text: text}
	}
	set("endpoint", name)
	set("client_id", account["client_id"].text)
	set("client_secret", account["client_secret"].text)
	return values, nil
}

// sections are the sections of an ovh.conf, by name, and a section is its settings.
type (
	sections map[string]section
	section  map[string]entry
)

// An entry is a value and its line. odd says why OVHcloud's tools do not read the value
// alike, and is an error only if the value is used.
type entry struct {
	text string
	line int
	odd  string
}

// profilePrefix begins the names of the sections that are profiles of ovhcloud-cli.
const profilePrefix = "profile:"

// active returns the name of the section in which the login is, or "" without a profile.
// For ovhcloud-cli the profile called default is the file without profiles.
func (s sections) active(profile string) (name string, err error) {
	if e, ok := s["default"]["profile"]; profile == "" && ok {
		if profile = e.text; e.odd != "" {
			return "", e.err("profile")
		}
	}
	if profile == "" || profile == "default" {
		return "", nil
	}
	if name = profilePrefix + profile; len(s[name]) == 0 {
		return "", plugin.Errorf(plugin.Config, "there is no [%s], which OVH_PROFILE or profile= in [default] names",
			plugin.Shorten(name))
	}
	return name, nil
}

// account returns the name of the endpoint, and the section with the service account for
// it.
func (s sections) account(profile string) (name string, account section, err error) {
	own, err := s.active(profile)
	if err != nil {
		return "", nil, err
	}
	where := "default"
	if own != "" {
		where = own
	}
	name = "ovh-eu" // the default of the tools
	if e, ok := s[where]["endpoint"]; ok {
		if name = e.text; name == "" {
			return "", nil, plugin.Errorf(plugin.Config, "line %d: endpoint has no value", e.line).
				WithHint("name one, such as ovh-eu, or leave the line out")
		}
		if e.odd != "" {
			return "", nil, e.err("endpoint")
		}
	}
	section := name
	if own != "" {
		section = own
	}
	account = s[section]
	former := []string{"application_key", "application_secret", "consumer_key", "access_token"}
	other := slices.IndexFunc(former, func(key string) bool { return account[key].text != "" })
	for _, key := range []string{"client_id", "client_secret"} {
		e := account[key]
		switch {
		case e.text == "":
			err := plugin.Errorf(plugin.Config, "there are no client_id and client_secret in [%s]",
				plugin.Shorten(section))
			if account["application_key"].text != "" {
				return "", nil, err.WithHint("its application key is of the former way to log in, which jeton " +
					"does not use: make a service account, POST /me/api/oauth2/client")
			}
			return "", nil, err.WithHint("make a service account: POST /me/api/oauth2/client")
		case other >= 0:
			return "", nil, plugin.Errorf(plugin.Config, "line %d: %s is there beside client_id, which are two "+
				"logins, and OVHcloud's tools refuse them", account[former[other]].line, former[other]).
				WithHint("leave one of the two logins in the file")
		case e.odd != "":
			return "", nil, e.err(key)
		}
	}
	return name, account, nil
}

// err returns the error about an odd value.
func (e entry) err(key string) error {
	return plugin.Errorf(plugin.Config, "line %d: %s %s", e.line, key, e.odd).
		WithHint("write the value alone, with comments on lines of their own")
}

// parseConf parses the INI dialect of ovh.conf: sections of names and values. It follows
// the library that go-ovh uses, gopkg.in/ini.v1.
func parseConf(text string) (sections, error) {
	found := sections{}
	var current section
	n := 0
	for line := range strings.Lines(strings.TrimPrefix(text, "\ufeff")) {
		n++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' || line[0] == ';' {
			continue
		}
		if line[0] == '[' {
			end := strings.LastIndexByte(line, ']')
			if end < 2 {
				return nil, plugin.Errorf(plugin.Config, "line %d: a section needs a name and a closing bracket", n)
			}
			name := line[1:end] // with its blanks
			if found[name] == nil {
				found[name] = section{}
			}
			current = found[name]
			continue
		}
		at := strings.IndexAny(line, "=:")
		if at < 1 || current == nil {
			return nil, plugin.Errorf(plugin.Config, "line %d: must be NAME=VALUE below a [section]", n)
		}
		value := strings.TrimSpace(line[at+1:])
		if strings.ContainsAny(line[:1], "\"`") || strings.HasPrefix(value, "`") || strings.HasPrefix(value, `"""`) ||
			strings.HasSuffix(value, `\`) {
			return nil, plugin.Errorf(plugin.Config, "line %d: there is a name in quotes, a backtick, three quotes or "+
				"a backslash at the end, which OVHcloud's tools do not read alike", n).
				WithHint("write NAME=VALUE, in one line")
		}
		current[strings.TrimSpace(line[:at])] = newEntry(value, n)
	}
	return found, nil
}

// newEntry returns the value in line n, without the quotes around it.
func newEntry(value string, n int) entry {
	e := entry{text: value, line: n}
	if strings.ContainsAny(value, "#;") {
		e.odd = "has a # or a ; in it, where some of OVHcloud's tools begin a comment"
	}
	if strings.Contains(value, "%(") {
		e.odd = "has %( in it, where some of OVHcloud's tools put another setting"
	}
	if last := len(value) - 1; last > 0 && strings.ContainsAny(value[:1], `"'`) &&
		strings.IndexByte(value[1:], value[0]) == last-1 {
		e.text = value[1:last]
	}
	return e
}

// draft returns the profile made from an ovh.conf.
func draft(name, path, profile string) (plugin.Draft, error) {
	values, err := ReadConf(path, profile)
	if err != nil {
		return plugin.Draft{}, err
	}
	d := plugin.NewDraft(name, &Issuer, values, func(v plugin.Value) plugin.DraftSecret {
		return plugin.DraftSecret{Value: plugin.NewSecret(v.Text)}
	})
	d.Notes = append(d.Notes, "take client_id and client_secret out of "+path+": beside the token of jeton exec, "+
		"OVHcloud's tools refuse them")
	return d, nil
}

// findConf returns the ovh.conf of the user, if its service account can be taken over.
func findConf(env plugin.ImportEnv) []plugin.Found {
	path := plugin.ExpandHome("~/.ovh.conf")
	if _, err := ReadConf(path, env.Getenv("OVH_PROFILE")); err != nil {
		return nil
	}
	return []plugin.Found{{What: path, Importer: &importConf{Args: []string{path}}}}
}
