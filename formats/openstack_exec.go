package formats

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/jeton-cli/jeton/plugin"
)

// openStackExec runs openstackclient with a login that was already made. It does so where
// it can, so that openstackclient makes no token of its own. It also does so where it
// must, because Keystone does not exchange a delegated token.
type openStackExec struct{}

// Check accepts every command: the environment decides what an OpenStack command gets.
func (openStackExec) Check(*Command, *plugin.Issuer) error { return nil }

// Prepare returns a clouds.yaml for openstackclient, and for scripts that may call it.
func (openStackExec) Prepare(ctx context.Context, cmd *Command, c *plugin.Credential) (Handover, error) {
	client := clientOf(cmd.program())
	if slices.Contains(swiftClients, client) {
		return nil, nil
	}
	set, unset, err := cmd.Environment(ctx, c)
	if err != nil || c.Token.IsZero() {
		return nil, nil // whoever asks for the environment gets what it has, or this error
	}
	for _, v := range set {
		unset = append(unset, v.Name)
	}
	unset = append(unset, cmd.Caller.Profile.SecretVariables()...)
	switch {
	// Programs built on gophercloud use the token as it is.
	case c.Attrs[plugin.AttrDelegated] != "" && client != terraform:
		return prepareCloud(ctx, cmd, c, unset)
	case takesLogin(c, cmd.Argv, cmd.Path):
		return prepareLogin(ctx, cmd, c, unset), nil
	}
	return nil, nil
}

// prepareCloud hands the token over in a clouds.yaml that uses it as it is.
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

// prepareLogin hands over a login that was already made, or returns nil if it cannot.
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
		if strings.ContainsRune(dir, filepath.ListSeparator) { // such a path cannot be on PYTHONPATH
			return nil, ErrEnvironment
		}
		files, set, err := loginFiles(c, description, dir, cmd.Caller.Getenv("PYTHONPATH"))
		return &Surroundings{Files: files, Set: set, Unset: unset}, err
	}
}

// takesLogin reports whether the command, whose program is at path, can get c as a login
// that was already made, through [loginFiles]. It must be openstackclient itself, a
// Python script, and have no options that change the login.
func takesLogin(c *plugin.Credential, command []string, path string) bool {
	version, _ := identityAPI(c)
	return strings.TrimSuffix(filepath.Base(command[0]), ".exe") == openStackProgram && version == "3" &&
		c.Attrs[plugin.AttrAuthURL] != "" &&
		c.Attrs[plugin.AttrSystemScope] == "" && // its saved logins leave the system scope out
		!slices.ContainsFunc(command, func(arg string) bool {
			return strings.HasPrefix(arg, "--os-") &&
				!strings.Contains(arg, "api-version")
		}) &&
		isPython(path)
}

// isPython reports whether the file is a script for a Python that reads its environment
// variables.
func isPython(path string) bool {
	words := shebang(path) // an option could disable them
	return len(words) == 1 && strings.HasPrefix(filepath.Base(words[0]), "python")
}

// loginFiles returns the files of a private directory in which openstackclient finds c
// and what Keystone says about it, as if openstackclient had made that login before. It
// then makes no other. The setting cache.auth makes it keep logins in Python's keyring,
// and the files include a keyring that holds only this login. If Python has no keyring
// package, or asks for another login, openstackclient logs in with the token as usual.
// set are the variables that lead it to these files. pythonPath is the value of
// PYTHONPATH.
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

// loginID returns keystoneauth's name for a login with c. keystoneauth makes it from the
// login's parameters, in BaseIdentityPlugin.get_cache_id.
func loginID(c *plugin.Credential) string {
	sum := sha256.New()
	for _, pair := range [][2]string{ // sorted by name
		{"auth_url", c.Attrs[plugin.AttrAuthURL]}, {"domain_id", c.Attrs[plugin.AttrDomainID]},
		{"project_id", c.Attrs[plugin.AttrProjectID]}, {"token_token", c.Token.Reveal()},
	} {
		if pair[1] != "" {
			io.WriteString(sum, pair[0]+pair[1])
		}
	}
	return base64.StdEncoding.EncodeToString(sum.Sum(nil))
}

// loginKeyring is a Python keyring that holds one login and stores no others.
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

// cloudAsItIs returns a clouds.yaml with which openstackclient uses the token as it is
// (keystoneauth's admin_token), and the variables that select it. endpoints are those of
// the project, by service type. path is where the file will be.
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
