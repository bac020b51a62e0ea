package formats

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/jeton-cli/jeton/plugin"
)

// openStackExec runs openstackclient with a login that was made already: where it can, so
// that it makes no token of its own, and where it must, since Keystone exchanges no
// delegated token.
type openStackExec struct{}

// Check is about nothing: what a command of OpenStack's gets is told by the environment.
func (openStackExec) Check(*Command, *plugin.Issuer) error { return nil }

// Prepare returns a clouds.yaml for openstackclient, and for scripts that may call it.
func (openStackExec) Prepare(ctx context.Context, cmd *Command, c *plugin.Credential) (Handover, error) {
	set, unset, err := cmd.Environment(c)
	if err != nil {
		return nil, nil // as whoever asks for the environment is told
	}
	for _, v := range set {
		unset = append(unset, v.Name)
	}
	unset = append(unset, cmd.Caller.Profile.SecretVariables()...)
	switch {
	// Those that are written with gophercloud use the token as it is.
	case c.Attrs[plugin.AttrDelegated] != "" && clientOf(cmd.program()) != terraform:
		return prepareCloud(ctx, cmd, c, unset)
	case takesLogin(c, cmd.Argv, cmd.Path):
		return prepareLogin(ctx, cmd, c, unset), nil
	}
	return nil, nil
}

// prepareCloud hands the token over in a cloud that uses it as it is.
func prepareCloud(ctx context.Context, cmd *Command, c *plugin.Credential, unset []string) (Handover, error) {
	if cmd.Catalog == nil {
		return nil, plugin.Errorf(plugin.Bug, "plugin %s has no catalogue", cmd.Caller.Profile.Issuer.Name)
	}
	endpoints, err := cmd.Catalog.Endpoints(ctx, c)
	if err != nil {
		return nil, err
	}
	return func(dir string) (*Surroundings, error) {
		document, set := cloudAsItIs(c, endpoints, filepath.Join(dir, "clouds.yaml"))
		return &Surroundings{Files: map[string][]byte{"clouds.yaml": document}, Set: set, Unset: unset}, nil
	}, nil
}

// prepareLogin hands over a login that was made before, or returns nil if it cannot.
func prepareLogin(ctx context.Context, cmd *Command, c *plugin.Credential, unset []string) Handover {
	if cmd.Catalog == nil {
		return nil
	}
	description, err := cmd.Catalog.Describe(ctx, c)
	if err != nil {
		cmd.Log("%s: openstack is going to make another token: %v", cmd.Caller.Name, plugin.AsError(err))
		return nil
	}
	return func(dir string) (*Surroundings, error) {
		if strings.ContainsRune(dir, filepath.ListSeparator) { // which cannot be on PYTHONPATH
			return nil, ErrEnvironment
		}
		files, set, err := loginFiles(c, description, dir, cmd.Caller.Getenv("PYTHONPATH"))
		return &Surroundings{Files: files, Set: set, Unset: unset}, err
	}
}

// takesLogin reports whether the command, whose program is at path, can be given c as a
// login that was made already, by [loginFiles]: openstackclient itself, as a script of
// Python's without options that say otherwise.
func takesLogin(c *plugin.Credential, command []string, path string) bool {
	version, _ := identityAPI(c)
	return strings.TrimSuffix(filepath.Base(command[0]), ".exe") == "openstack" && version == "3" &&
		c.Attrs[plugin.AttrAuthURL] != "" &&
		c.Attrs[plugin.AttrSystemScope] == "" && // which its notion of a login leaves out
		!slices.ContainsFunc(command, func(arg string) bool {
			return strings.HasPrefix(arg, "--os-") &&
				!strings.Contains(arg, "api-version")
		}) &&
		isPython(path)
}

// isPython reports whether the file is a script for Python, which looks at its variables.
func isPython(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	b := make([]byte, 256)
	n, _ := f.Read(b)
	line, _, _ := bytes.Cut(b[:n], []byte("\n"))
	rest, ok := bytes.CutPrefix(line, []byte("#!"))
	words := strings.Fields(string(rest))
	if !ok || len(words) == 0 {
		return false
	}
	if filepath.Base(words[0]) == "env" {
		words = words[1:]
	}
	return len(words) == 1 && strings.HasPrefix(filepath.Base(words[0]), "python") // and no option
}

// loginFiles returns the files of a private directory by which openstackclient finds c and
// what Keystone says of it, as if it had made that login before, and makes no other: its
// setting cache.auth has it keep logins in Python's keyring, and one that holds this
// login alone is among the files. Where Python has no package keyring, or asks for
// another login, it logs in with the token, as ever. set are the variables that lead it
// there; pythonPath is what PYTHONPATH is.
//
// https://docs.openstack.org/openstacksdk/latest/user/config/configuration.html#cache-settings
// https://keyring.readthedocs.io/en/latest/#configuring
func loginFiles(c *plugin.Credential, description []byte, dir, pythonPath string) (files map[string][]byte,
	set []Variable, err error) {
	state, err := json.Marshal(map[string]any{"auth_token": c.Token.Reveal(), "body": json.RawMessage(description)})
	if err != nil {
		return nil, nil, plugin.Errorf(plugin.Unusable, "what Keystone says of its token makes no sense")
	}
	document := scoped("jeton", c)
	keyring := strings.Replace(loginKeyring, "LOGIN", loginID(c), 1)
	if pythonPath != "" {
		pythonPath = string(filepath.ListSeparator) + pythonPath
	}
	return map[string][]byte{
			"clouds.yaml": append(document, "cache:\n  auth: true\n"...), "login.json": state,
			"jeton_keyring.py": []byte(keyring),
		}, []Variable{
			{"OS_CLIENT_CONFIG_FILE", filepath.Join(dir, "clouds.yaml")}, {"OS_CLOUD", "jeton"},
			{"PYTHON_KEYRING_BACKEND", "jeton_keyring.Keyring"}, {"PYTHONPATH", dir + pythonPath},
		}, nil
}

// loginID is keystoneauth's name for a login with c, which BaseIdentityPlugin.get_cache_id
// makes of its parameters.
func loginID(c *plugin.Credential) string {
	sum := sha256.New()
	for _, pair := range [][2]string{ // by name
		{"auth_url", c.Attrs[plugin.AttrAuthURL]}, {"domain_id", c.Attrs[plugin.AttrDomainID]},
		{"project_id", c.Attrs[plugin.AttrProjectID]}, {"token_token", c.Token.Reveal()},
	} {
		if pair[1] != "" {
			io.WriteString(sum, pair[0]+pair[1])
		}
	}
	return base64.StdEncoding.EncodeToString(sum.Sum(nil))
}

// loginKeyring is a keyring that holds one login, and keeps none.
const loginKeyring = `import os
import keyring.backend


class Keyring(keyring.backend.KeyringBackend):
    priority = 1

    def get_password(self, service, username):
        if service == "openstacksdk" and username == "LOGIN":
            with open(os.path.join(os.path.dirname(__file__), "login.json")) as f:
                return f.read()

    def set_password(self, service, username, password):
        pass
`

// cloudAsItIs returns a clouds.yaml by which openstackclient uses the token as it is
// (keystoneauth's admin_token), for a project with these endpoints by service
// type; and the variables that select it. path is where the file will be.
func cloudAsItIs(c *plugin.Credential, endpoints map[string]string, path string) ([]byte, []Variable) {
	var overrides [][2]string
	for _, service := range slices.Sorted(maps.Keys(endpoints)) {
		if service != "" && plugin.Word(service, "-") {
			overrides = append(overrides,
				[2]string{strings.ReplaceAll(service, "-", "_") + "_endpoint_override", endpoints[service]})
		}
	}
	document := cloud("jeton", c, "admin_token", [][2]string{
		{"endpoint", c.Attrs[plugin.AttrAuthURL]},
		{"token", c.Token.Reveal()},
	}, overrides)
	return document, []Variable{
		{"OS_CLIENT_CONFIG_FILE", path}, {"OS_CLOUD", "jeton"},
		{"OS_AUTH_URL", c.Attrs[plugin.AttrAuthURL]}, {"OS_TOKEN", c.Token.Reveal()}, // for scripts
	}
}
