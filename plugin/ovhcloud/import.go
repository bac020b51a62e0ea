package ovhcloud

import (
	"errors"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"github.com/jeton-cli/jeton/plugin"
)

// importConf imports the service account in an ovh.conf.
type importConf struct {
	Args []string `arg:"" optional:"" name:"file-or-name" help:"An ovh.conf, by default ~/.ovh.conf or /etc/ovh.conf, and a name for the profile (ovh)."`
}

func (*importConf) Help() string {
	return "An ovh.conf in the working directory is read only if it is named."
}

// Drafts returns the profile made from the service account.
func (i *importConf) Drafts(plugin.ImportEnv) ([]plugin.Draft, error) {
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
	d, err := draft(name, path)
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
// the service account in it as options of a profile, by name.
//
// https://github.com/ovh/go-ovh#configuration
func ReadConf(path string) (map[string]plugin.Value, error) {
	b, err := plugin.ReadOwnFile(path, 1<<20)
	if err != nil {
		return nil, err
	}
	sections, err := parseConf(string(b))
	if err != nil {
		e := plugin.AsError(err)
		e.Text = path + ": " + e.Text
		return nil, e
	}
	name := sections["default"]["endpoint"]
	if name == "" {
		name = "ovh-eu" // the default of the tools
	}
	account := sections[name]
	if account["client_id"] == "" || account["client_secret"] == "" {
		e := plugin.Errorf(plugin.Config, "%s: there are no client_id and client_secret in [%s]", path,
			plugin.Shorten(name))
		if account["application_key"] != "" {
			return nil, e.WithHint("its application key is of the former way to log in, which jeton does not use: " +
				"make a service account, POST /me/api/oauth2/client")
		}
		return nil, e.WithHint("make a service account: POST /me/api/oauth2/client")
	}
	values := map[string]plugin.Value{}
	set := func(option, text string) {
		values[option] = plugin.Value{Place: option + " in " + path, Key: option, Text: text}
	}
	set("endpoint", name)
	set("client_id", account["client_id"])
	set("client_secret", account["client_secret"])
	return values, nil
}

// parseConf parses the INI dialect of ovh.conf: sections of names and values, with
// comments on their own lines.
func parseConf(text string) (map[string]map[string]string, error) {
	sections := map[string]map[string]string{}
	section := ""
	n := 0
	for line := range strings.Lines(text) {
		n++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' || line[0] == ';' {
			continue
		}
		if line[0] == '[' {
			name, ok := strings.CutSuffix(line[1:], "]")
			if !ok {
				return nil, plugin.Errorf(plugin.Config, "line %d: a section needs a closing bracket", n)
			}
			section = strings.TrimSpace(name)
			continue
		}
		name, value, ok := strings.Cut(line, "=")
		if !ok || section == "" {
			return nil, plugin.Errorf(plugin.Config, "line %d: must be NAME=VALUE below a [section]", n)
		}
		if sections[section] == nil {
			sections[section] = map[string]string{}
		}
		value = strings.TrimSpace(value)
		if unquoted, err := strconv.Unquote(value); err == nil && strings.HasPrefix(value, `"`) {
			value = unquoted
		}
		sections[section][strings.TrimSpace(name)] = value
	}
	return sections, nil
}

// draft returns the profile made from an ovh.conf.
func draft(name, path string) (plugin.Draft, error) {
	values, err := ReadConf(path)
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
