package formats

import (
	"bytes"
	"context"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/jeton-cli/jeton/plugin"
)

// doctorOpenStack returns what is wrong for openstack, and how many clouds setup has
// written.
func doctorOpenStack(ctx context.Context, c *Caller) (findings []plugin.Finding, seen int) {
	const check = "openstack"
	add := func(level, profile, where, what, fix string) {
		findings = append(findings, plugin.Finding{Check: check, Level: level, Profile: profile, Where: where,
			What: what, Fix: fix})
	}
	findings = append(c.missingFile(check, "OS_CLIENT_CONFIG_FILE"), c.missingFile(check, "OS_CLIENT_SECURE_FILE")...)
	findings = append(findings, c.openStackVariables()...)
	path, err := c.openStackFile("clouds", "OS_CLIENT_CONFIG_FILE")
	var text []byte
	if err == nil {
		text, err = c.ReadFile(path)
	}
	if err == nil {
		_, err = plugin.ParseYAML(text)
	}
	if err != nil {
		return append(findings, unreadable(check, path, err)), 0
	}
	ours := c.marked(text)
	// A file in the working directory takes precedence over all others.
	if here := c.cloudsHere(); len(ours) > 0 && here != "" && here != path && c.Getenv("OS_CLIENT_CONFIG_FILE") == "" {
		add(plugin.Doubtful, ours[0].profile, here, "openstack reads this one in this directory, and not "+path,
			"export "+plugin.ShellWords("OS_CLIENT_CONFIG_FILE="+path))
	}
	secure, err := c.openStackFile("secure", "OS_CLIENT_SECURE_FILE")
	if err != nil {
		return append(findings, unreadable(check, secure, err)), len(ours)
	}
	if info, err := os.Stat(path); err == nil && slices.ContainsFunc(ours, markedCloud.asks) &&
		info.Mode().Perm()&0o044 != 0 && filepath.Separator == '/' {
		add(plugin.Doubtful, "", path, "others can read it, and with the jeton_key in it could have openstack, in a "+
			"directory of theirs, send your token to them", plugin.ShellWords("chmod", "600", path))
	}
	if info, err := os.Stat(secure); err == nil && len(ours) > 0 && info.Mode().
		Perm()&0o077 != 0 && filepath.Separator == '/' {
		add(plugin.Wrong, "", secure, "others can read it, and tokens and passwords are there",
			plugin.ShellWords("chmod", "600", secure))
	}
	return append(findings, c.doctorClouds(ctx, path, secure, ours)...), len(ours)
}

// pythonLimit is how long a Python has to describe itself to doctor.
const pythonLimit = 5 * time.Second

// doctorClouds checks the clouds that setup has written into the clouds.yaml at path.
func (c *Caller) doctorClouds(ctx context.Context, path, secure string, clouds []markedCloud) (
	findings []plugin.Finding) {
	if c.Find == nil || len(clouds) == 0 {
		return nil
	}
	logins, err := c.secureClouds(secure)
	if err != nil {
		findings = append(findings, unreadable("openstack", secure, err))
	}
	// One question for all clouds, and not for long: doctor always prints its document.
	var openstack *python
	if p, err := c.Find(clouds[0].profile); err == nil && slices.ContainsFunc(clouds, markedCloud.asks) {
		ctx, cancel := context.WithTimeout(ctx, pythonLimit)
		defer cancel()
		openstack, _ = c.python(ctx, p, "")
	}
	for _, cloud := range clouds {
		redo := openStackSetupOf(cloud.profile, cloud.name)
		where, login := place(path, cloud.line), logins[cloud.name]
		add := func(level, what, fix string) {
			findings = append(findings, plugin.Finding{Check: "openstack", Level: level, Profile: cloud.profile,
				Where: where, What: what, Fix: fix})
		}
		if _, err := c.Find(cloud.profile); err != nil {
			add(plugin.Wrong, plugin.AsError(err).Text, plugin.EditAt(where))
			continue
		}
		if !cloud.plugged {
			if level, what := c.tokenOf(cloud, login, secure); what != "" {
				add(level, what, plugin.ShellWords(append(redo, "--token")...))
			}
			continue
		}
		if what := login.what(); what != "" {
			add(plugin.Wrong, secure+" has "+what+" for the cloud, which openstack mixes with jeton's login",
				plugin.EditAt(secure))
		}
		if cloud.key != c.Key {
			add(plugin.Wrong, "it does not have the key of the plugin, which refuses it", plugin.ShellWords(redo...))
		}
		if what, venv := c.plugged(openstack, cloud); what != "" {
			if venv != "" {
				redo = append(redo, "--python", venv)
			}
			add(plugin.Doubtful, what, plugin.ShellWords(redo...))
		}
	}
	return findings
}

// tokenOf says what is wrong with the token of a cloud in secure.yaml, or returns "".
func (c *Caller) tokenOf(cloud markedCloud, login secureCloud, secure string) (level, what string) {
	switch token := login.token(); {
	case token == "":
		return plugin.Wrong, "its token is not in " + secure
	case token != c.Token(cloud.profile):
		return plugin.Doubtful, "its token is not the one that jeton has now, which lives longer"
	}
	return "", ""
}

// openStackVariables checks what openstack takes from the environment.
func (c *Caller) openStackVariables() (findings []plugin.Finding) {
	add := func(level, where, what, fix string) {
		findings = append(findings, plugin.Finding{Check: "openstack", Level: level, Where: where, What: what,
			Fix: fix})
	}
	login := c.set("OS_TOKEN", "OS_USERNAME", "OS_USER_ID", "OS_PASSWORD", "OS_AUTH_TYPE", "OS_AUTH_URL",
		"OS_APPLICATION_CREDENTIAL_ID", "OS_APPLICATION_CREDENTIAL_NAME", "OS_APPLICATION_CREDENTIAL_SECRET")
	// OS_PASSWORD alone is fine: the cloud may leave the password out.
	if c.Getenv("OS_CLOUD") != "" && len(login) > 0 && !slices.Equal(login, []string{"OS_PASSWORD"}) {
		add(plugin.Doubtful, login[0], "a login in the environment is mixed with the cloud that OS_CLOUD names",
			unset(login...))
	}
	if c.Getenv("OS_TOKEN") != "" && (c.Getenv("OS_USERNAME") != "" || c.Getenv("OS_USER_DOMAIN_NAME") != "" ||
		c.Getenv("OS_USER_DOMAIN_ID") != "") {
		add(plugin.Wrong, "OS_TOKEN", "beside a user's name, openstack fails with it",
			unset(c.set("OS_USERNAME", "OS_PASSWORD", "OS_USER_ID", "OS_USER_DOMAIN_NAME", "OS_USER_DOMAIN_ID")...))
	}
	if value := c.Getenv("OS_INSECURE"); value != "" && value != "0" && !strings.EqualFold(value, "false") {
		add(plugin.Wrong, "OS_INSECURE",
			"certificates are not to be verified: anybody on the way could take the password, and jeton refuses it",
			unset("OS_INSECURE"))
	}
	return findings
}

// cloudsHere returns the clouds.yaml of the working directory, or "".
func (c *Caller) cloudsHere() string {
	for _, suffix := range []string{".yaml", ".yml", ".json"} {
		if path, err := filepath.Abs("clouds" + suffix); err == nil {
			if text, err := c.ReadFile(path); err != nil || text != nil {
				return path
			}
		}
	}
	return ""
}

// A markedCloud is a cloud that setup has written.
type markedCloud struct {
	name, profile string
	line          int
	plugged       bool   // it asks jeton by the plugin of keystoneauth
	key           string // as in [Caller.Key]
}

func (m markedCloud) asks() bool { return m.plugged }

// marked returns the clouds in text that setup has written.
func (c *Caller) marked(text []byte) (list []markedCloud) {
	var file struct {
		Clouds map[string]struct {
			AuthType string `yaml:"auth_type"`
			Auth     struct {
				Key string `yaml:"jeton_key"`
			}
		}
	}
	yaml.Unmarshal(text, &file) // doctor has told of an error before
	before, n := "", 0
	for line := range bytes.Lines(text) {
		n++
		trimmed := strings.TrimSpace(string(line))
		if profile, ok := strings.CutPrefix(trimmed, markerText); ok {
			var name map[string]any
			if yaml.Unmarshal([]byte(before), &name) == nil {
				for name := range name {
					cloud := file.Clouds[name]
					list = append(list, markedCloud{name, profile, n - 1, cloud.AuthType == keystoneAuthType,
						cloud.Auth.Key})
				}
			}
		}
		before = trimmed
	}
	return list
}

// A secureCloud is what a secure.yaml adds to a cloud.
type secureCloud struct {
	AuthType string         `yaml:"auth_type"`
	Auth     map[string]any `yaml:"auth"`
}

// token returns the token of the cloud, if that is all of its login, or "".
func (s secureCloud) token() string {
	token, _ := s.Auth["token"].(string)
	if len(s.Auth) > 1 {
		return ""
	}
	return token
}

// what names what there is of a login, or returns "".
func (s secureCloud) what() string {
	names := slices.Sorted(maps.Keys(s.Auth))
	if s.AuthType != "" {
		names = append(names, "auth_type")
	}
	for i := range names {
		names[i] = plugin.Shorten(names[i])
	}
	return strings.Join(names, " and ")
}

// secureClouds returns the clouds in a secure.yaml.
func (c *Caller) secureClouds(path string) (map[string]secureCloud, error) {
	text, err := c.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var file struct{ Clouds map[string]secureCloud }
	if err := yaml.Unmarshal(text, &file); err != nil {
		return nil, plugin.YAMLError(err)
	}
	return file.Clouds, nil
}
