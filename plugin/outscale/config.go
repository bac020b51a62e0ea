package outscale

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/jeton-cli/jeton/plugin"
)

// A Config is a config.json, the configuration file of Outscale's own tools.
//
// https://docs.outscale.com/en/userguide/Installing-and-Configuring-OSC-CLI.html
type Config struct {
	Path     string
	Names    []string // of its profiles, sorted
	profiles map[string]map[string]json.RawMessage
}

// ReadConfig reads the file at path. If path is empty, it reads ~/.osc/config.json, as
// Outscale's tools do. The error wraps fs.ErrNotExist if there is no such file.
func ReadConfig(path string) (*Config, error) {
	if path == "" {
		path = plugin.ExpandHome("~/.osc/config.json")
	}
	b, err := plugin.ReadOwnFile(path, 1<<20)
	if err != nil {
		return nil, err
	}
	c := &Config{Path: path}
	if err := json.Unmarshal(b, &c.profiles); err != nil {
		return nil, plugin.Errorf(plugin.Config, "%s: line %d: this is not a JSON object of profiles", path,
			line(b, err))
	}
	c.Names = slices.Sorted(maps.Keys(c.profiles))
	return c, nil
}

// line returns the number of the line in b to which err, an error of encoding/json,
// refers.
func line(b []byte, err error) int {
	offset := int64(0)
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		offset = syntax.Offset
	case errors.As(err, &kind):
		offset = kind.Offset
	}
	return 1 + bytes.Count(b[:min(offset, int64(len(b)))], []byte("\n"))
}

// options maps the names of settings in the file to jeton's options.
var options = map[string]string{
	"access_key": "access_key", "secret_key": "secret_key", "login": "login", "password": "password",
	"region": "region", "region_name": "region", "x509_client_cert": "cert_file", "x509_client_key": "key_file",
	"client_certificate": "cert_file",
}

// values returns the options in the profile called name.
func (c *Config) values(name string) (map[string]plugin.Value, error) {
	values, _, err := c.read(name)
	return values, err
}

// read returns the options in the profile called name, and the names of its other
// settings.
func (c *Config) read(name string) (map[string]plugin.Value, []string, error) {
	profile, ok := c.profiles[name]
	if !ok {
		return nil, nil, plugin.Errorf(plugin.Config, "%s: there is no profile %q", c.Path, plugin.Shorten(name)).
			WithHint("there are: %s", plugin.Shorten(strings.Join(c.Names, ", ")))
	}
	values, left := map[string]plugin.Value{}, []string{}
	texts := map[string]string{}
	for _, key := range slices.Sorted(maps.Keys(profile)) {
		var text string
		switch option, ok := options[key]; {
		case json.Unmarshal(profile[key], &text) != nil:
			if key != "endpoints" && key != "https" {
				left = append(left, key)
			}
		case text == "":
		case ok:
			values[option] = plugin.Value{Place: c.place(key, name), Key: key, Text: text}
		case !slices.Contains([]string{"host", "protocol", "method", "version"}, key):
			left = append(left, key)
		}
		texts[key] = text
	}
	c.certificates(values)
	more, err := c.endpoint(name, texts["host"], values)
	left = append(left, more...)
	slices.Sort(left)
	return values, left, err
}

// place describes where a profile's setting is written.
func (c *Config) place(key, name string) string { return key + " of profile " + name + " in " + c.Path }

// certificates completes the file names of a client certificate. One file can hold both
// the certificate and its key. A relative name starts from the folder of the
// configuration file.
func (c *Config) certificates(values map[string]plugin.Value) {
	if values["cert_file"].Text != "" && values["key_file"].Text == "" {
		values["key_file"] = values["cert_file"]
	}
	for _, option := range []string{"cert_file", "key_file"} {
		if v := values[option]; v.Text != "" && !filepath.IsAbs(plugin.ExpandHome(v.Text)) {
			v.Text = filepath.Join(filepath.Dir(c.Path), v.Text)
			values[option] = v
		}
	}
}

// endpoint puts the API's address into values, if the profile called name sets one. It
// returns the names of the settings that change the addresses of other services.
func (c *Config) endpoint(name, host string, values map[string]plugin.Value) (left []string, err error) {
	var endpoints addresses
	if raw, ok := c.profiles[name]["endpoints"]; ok && json.Unmarshal(raw, &endpoints) != nil {
		return nil, plugin.Errorf(plugin.Config, "%s: endpoints of profile %s is not an object of addresses", c.Path,
			plugin.Shorten(name))
	}
	if endpoints.API == "" && host != "" && host != "outscale.com" {
		region := values["region"].Text
		if region == "" {
			region = defaultRegion
		}
		endpoints.API = "https://api." + region + "." + host
	}
	for service, address := range endpoints.others() {
		if address != "" && address != "https://"+service+"."+values["region"].Text+".outscale.com" {
			left = append(left, "endpoints."+service)
		}
	}
	if endpoints.API != "" {
		values["endpoint"] = plugin.Value{Place: c.place("endpoints.api", name), Key: "endpoints.api",
			Text: endpoints.API}
	}
	return left, nil
}

// addresses are the addresses of Outscale's services. Jeton uses only that of the API.
type addresses struct {
	API string `json:"api"`
	OOS string `json:"oos"`
	FCU string `json:"fcu"`
	LBU string `json:"lbu"`
	EIM string `json:"eim"`
}

func (a addresses) others() map[string]string {
	return map[string]string{"oos": a.OOS, "fcu": a.FCU, "lbu": a.LBU, "eim": a.EIM}
}

// Draft returns the profile made from the one called name in the file.
func (c *Config) Draft(name string) (plugin.Draft, error) {
	values, left, err := c.read(name)
	if err != nil {
		return plugin.Draft{}, err
	}
	d, err := draft(name, values)
	d.Left = left
	if name == "default" { // every jeton command would use a profile of this name
		d.Name = "outscale"
		if slices.Contains(c.Names, d.Name) {
			d.Name = "outscale-default"
		}
	}
	return d, err
}

func draft(name string, values map[string]plugin.Value) (plugin.Draft, error) {
	if err := method(values, ""); err != nil {
		return plugin.Draft{}, err
	}
	if byKey, byLogin := identity(values); !byKey && !byLogin {
		return plugin.Draft{}, plugin.Errorf(plugin.Config,
			"there is no access key with its secret key, and no login with its password")
	}
	return plugin.NewDraft(name, &Issuer, values, func(v plugin.Value) plugin.DraftSecret {
		return plugin.DraftSecret{Value: plugin.NewSecret(v.Text), Variable: v.Variable}
	}), nil
}
