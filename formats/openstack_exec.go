package formats

import (
	"context"
	"encoding/json"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/jeton-cli/jeton/plugin"
)

// openStackExec gives openstackclient the plugin of keystoneauth, so that it makes no token
// of its own, and asks jeton again when one ends or is refused. Scripts that may call
// openstackclient get a clouds.yaml where they must, because Keystone does not exchange a
// delegated token.
type openStackExec struct{}

// Check returns an error for openstackclient if nothing that the issuer gives is of use, or
// if an option says another login. For other commands the environment decides.
func (openStackExec) Check(cmd *Command, i *plugin.Issuer) error {
	if cmd.program() != openStackProgram {
		return nil
	}
	if kinds := plugin.KeystoneToken | plugin.ApplicationCredential; i.Gives&kinds == 0 {
		return otherProfile(cmd, plugin.KeystoneToken, "", i.Gives)
	}
	if option := cmd.option(otherLogins...); option != "" {
		return plugin.Errorf(plugin.Config, "%s says another login than that of profile %s", option, cmd.Caller.Name).
			WithHint("leave it out, or run openstack without jeton exec")
	}
	return nil
}

// otherLogins and otherScopes are the beginnings of openstackclient's options for another
// login, and for the scope of a token.
var (
	otherLogins = []string{"--os-cloud", "--os-auth-type", "--os-auth-url", "--os-username", "--os-user-",
		"--os-password", "--os-token", "--os-passcode", "--os-application-credential-"}
	otherScopes = []string{"--os-project-id", "--os-project-name", "--os-tenant-", "--os-domain-", "--os-system-scope",
		"--os-trust-id"}
)

// option returns the first option of the command that begins with one of these, or "".
func (cmd *Command) option(beginnings ...string) string {
	for _, arg := range cmd.Argv[1:] {
		for _, beginning := range beginnings {
			if name, _, _ := strings.Cut(arg, "="); strings.HasPrefix(name, beginning) {
				return name
			}
		}
	}
	return ""
}

// rescopes reports whether openstackclient is to exchange the token for one of another scope.
func (cmd *Command) rescopes() bool {
	return cmd.program() == openStackProgram && cmd.option(otherScopes...) != ""
}

// Prepare returns the files for openstackclient, and for scripts that may call it.
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
	if version, _ := identityAPI(c); version == "3" && takesPlugin(cmd) {
		if handover := preparePlugin(cmd, c, unset); handover != nil {
			return handover, nil
		}
	}
	if kind := c.Attrs[plugin.AttrDelegated]; kind != "" && cmd.rescopes() {
		return nil, plugin.Errorf(plugin.Config, "%s: Keystone lets nobody exchange a token that stems from %s",
			cmd.option(otherScopes...), delegations[kind]).
			WithHint("take a profile for that project")
	}
	// Programs built on gophercloud use the token as it is.
	if c.Attrs[plugin.AttrDelegated] != "" && client != terraform {
		return prepareCloud(ctx, cmd, c, unset)
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
		files := map[string][]byte{"clouds.yaml": cloudAsItIs(c, endpoints)}
		set := append(ownCloud(files, dir), Variable{"OS_AUTH_URL", c.Attrs[plugin.AttrAuthURL]},
			Variable{"OS_TOKEN", c.Token.Reveal()}) // for scripts
		return &Surroundings{Files: files, Set: set, Unset: unset}, nil
	}, nil
}

// takesPlugin reports whether the plugin of keystoneauth can be handed to the command. It
// must be openstackclient itself, a script of a Python that reads its environment variables,
// and have no options that change the login.
func takesPlugin(cmd *Command) bool {
	if cmd.program() != openStackProgram || slices.ContainsFunc(cmd.Argv, func(arg string) bool {
		return strings.HasPrefix(arg, "--os-") && !strings.Contains(arg, "api-version")
	}) {
		return false
	}
	words := shebang(cmd.Path) // an option could disable the variables
	return len(words) == 1 && strings.HasPrefix(filepath.Base(words[0]), "python")
}

// lent says why the command cannot ask for another credential, or returns "": what the login
// is made from is in the environment, which the command does not get.
func (cmd *Command) lent() string {
	chain := cmd.Caller.Profile.Chain()
	if cmd.Caller.Issuers.Reserved(chain[len(chain)-1].Name) || len(cmd.Caller.Profile.SecretVariables()) > 0 {
		return "jeton: " + cmd.Caller.Name + ": the token was refused or has ended, and its login is in the " +
			"environment, which jeton exec keeps from the command: run it again"
	}
	return ""
}

// A handedAnswer is what the plugin of keystoneauth gets from exec.
type handedAnswer struct {
	Answer openStackAnswer `json:"answer"`
	// Environment has the variables with which the plugin runs jeton: those that the command
	// does not have as they were. Without a value they are not set.
	Environment map[string]*string `json:"environment"`
	// Last says why there is no other token after this one, and Refused names the file by
	// which the plugin tells that it was refused.
	Last    string `json:"last,omitempty"`
	Refused string `json:"refused,omitempty"`
}

// preparePlugin hands over the plugin of keystoneauth with the token that there is, or
// returns nil if it cannot.
func preparePlugin(cmd *Command, c *plugin.Credential, unset []string) Handover {
	argv, err := cmd.Caller.ArgvFor(openStackTokenKind.Name)
	if err != nil || cmd.Body == nil {
		return nil
	}
	// Python notes what a directory of packages has, in a file for each. So this one stays.
	packages, err := cmd.Packages(KeystoneAuth(argv[0], ""))
	if err == nil && strings.ContainsRune(packages, filepath.ListSeparator) {
		err = plugin.Errorf(plugin.Config, "%s cannot be on PYTHONPATH", packages)
	}
	if err != nil {
		cmd.Log("%s: the plugin of keystoneauth is for this command alone: %v", cmd.Caller.Name, err)
		packages = ""
	}
	return func(dir string) (*Surroundings, error) {
		files := map[string][]byte{"clouds.yaml": keystoneAuthCloud("jeton", cmd.Caller.Name, "", c)}
		packages := packages
		if packages == "" {
			packages = dir
			for name, text := range KeystoneAuth(argv[0], "") {
				files[name] = []byte(text)
			}
		}
		if strings.ContainsRune(packages, filepath.ListSeparator) {
			return nil, ErrEnvironment
		}
		path := []string{packages}
		for _, dir := range filepath.SplitList(cmd.Caller.Getenv("PYTHONPATH")) {
			if dir != "" { // which is the current directory
				path = append(path, dir)
			}
		}
		set := append(ownCloud(files, dir), Variable{"JETON_ANSWER", filepath.Join(dir, "answer.json")},
			Variable{"PYTHONPATH", strings.Join(path, string(filepath.ListSeparator))})
		answer := handedAnswer{tokenAnswer(c, cmd.Body), cmd.former(set, unset), cmd.lent(), ""}
		with := &Surroundings{Files: files, Set: set, Unset: unset}
		if answer.Last != "" {
			with.Refused = "refused"
			answer.Refused = filepath.Join(dir, with.Refused)
		}
		files["answer.json"], err = json.Marshal(answer)
		return with, err
	}
}

// ownCloud returns the variables that have openstack read the clouds.yaml among files, which
// will be in dir, and nothing besides.
func ownCloud(files map[string][]byte, dir string) []Variable {
	files["secure.yaml"] = []byte("{}\n") // the user's own could have a cloud of this name
	return []Variable{
		{"OS_CLIENT_CONFIG_FILE", filepath.Join(dir, "clouds.yaml")},
		{"OS_CLIENT_SECURE_FILE", filepath.Join(dir, "secure.yaml")}, {"OS_CLOUD", "jeton"},
	}
}

// former returns the values that variables have now which are to be set or unset, except
// secrets.
func (cmd *Command) former(set []Variable, unset []string) map[string]*string {
	former := map[string]*string{}
	for _, v := range set {
		unset = append(unset, v.Name)
	}
	for _, name := range unset {
		secret := slices.Contains(cmd.Caller.Profile.SecretVariables(), name)
		for _, word := range []string{"PASSWORD", "SECRET", "TOKEN", "PASSCODE", "KEY"} {
			secret = secret || strings.Contains(name, word)
		}
		if value := cmd.Caller.Getenv(name); secret || value == "" {
			former[name] = nil
		} else {
			former[name] = &value
		}
	}
	return former
}

// cloudAsItIs returns a clouds.yaml with which openstackclient uses the token as it is
// (keystoneauth's admin_token). endpoints are those of the project, by service type.
func cloudAsItIs(c *plugin.Credential, endpoints map[string]string) []byte {
	var overrides [][2]string
	for _, service := range slices.Sorted(maps.Keys(endpoints)) {
		if service != "" && plugin.Word(service, "-") {
			overrides = append(overrides,
				[2]string{strings.ReplaceAll(service, "-", "_") + "_endpoint_override", endpoints[service]})
		}
	}
	return cloud("jeton", c, "admin_token", [][2]string{
		{"endpoint", c.Attrs[plugin.AttrAuthURL]},
		{"token", c.Token.Reveal()},
	}, overrides)
}
