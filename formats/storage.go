package formats

import (
	"bytes"
	"context"
	"net/url"
	"path/filepath"
	"slices"
	"strings"

	"github.com/jeton-cli/jeton/plugin"
)

// The programs that log in to OpenStack's object storage with a token as it is, if they
// are told where the storage is.
const (
	swift     = "swift"
	rclone    = "rclone"
	restic    = "restic"
	duplicity = "duplicity"
)

var swiftClients = []string{swift, rclone, restic, duplicity}

// A storageClient is a program that keeps data in an object storage.
type storageClient struct {
	program string
	takes   plugin.Kind // what it can log in with
	// backends are the beginnings of words on its command line that name a storage, and
	// what that storage takes. repository is a variable that holds such a word.
	backends   map[string]plugin.Kind
	repository string
}

var storageClients = []storageClient{
	{program: swift, takes: plugin.KeystoneToken},
	{program: "aws", takes: plugin.AccessKey},
	{program: s3cmd, takes: plugin.AccessKey},
	{program: rclone, backends: map[string]plugin.Kind{
		":swift,": plugin.KeystoneToken, ":swift:": plugin.KeystoneToken,
		":s3,": plugin.AccessKey, ":s3:": plugin.AccessKey,
	}},
	{program: restic, repository: "RESTIC_REPOSITORY", backends: map[string]plugin.Kind{
		"swift:": plugin.KeystoneToken, "s3:": plugin.AccessKey,
	}},
	{program: duplicity, backends: map[string]plugin.Kind{
		"swift://": plugin.KeystoneToken, "s3://": plugin.AccessKey, "boto3+s3://": plugin.AccessKey,
	}},
}

// storageNeeds returns what the command has to log in with, and the word that says so, or
// 0 if anything may do.
func storageNeeds(cmd *Command) (kinds plugin.Kind, word string) {
	i := slices.IndexFunc(storageClients, func(s storageClient) bool { return s.program == cmd.program() })
	if i < 0 {
		return 0, ""
	}
	client := storageClients[i]
	if client.backends == nil {
		return client.takes, ""
	}
	words := cmd.Argv[1:]
	if client.repository != "" {
		words = append(slices.Clone(words), cmd.Caller.Getenv(client.repository))
	}
	for _, w := range words {
		if _, value, ok := strings.Cut(w, "="); ok && strings.HasPrefix(w, "--") {
			w = value
		}
		for beginning, kind := range client.backends {
			if strings.HasPrefix(w, beginning) {
				kinds |= kind
				word = strings.TrimRight(beginning, ",")
			}
		}
	}
	return kinds, word
}

// storageExec runs the clients of object storages: those of Swift with the environment,
// and s3cmd with a configuration.
type storageExec struct{}

// Check returns an error for a client that can log in with nothing that the issuer gives.
func (storageExec) Check(cmd *Command, i *plugin.Issuer) error {
	if kinds, word := storageNeeds(cmd); kinds != 0 && i.Gives&kinds == 0 {
		return otherProfile(cmd, kinds, word, i.Gives)
	}
	return nil
}

// Prepare returns a configuration for s3cmd.
func (storageExec) Prepare(_ context.Context, cmd *Command, c *plugin.Credential) (Handover, error) {
	if kinds, word := storageNeeds(cmd); kinds != 0 && c.Kind()&kinds == 0 {
		return nil, otherProfile(cmd, kinds, word, c.Kind())
	}
	if cmd.program() != s3cmd {
		return nil, nil
	}
	return prepareS3cmd(cmd, c)
}

// otherProfile returns the error for a command that needs one of the kinds, as the word on
// its command line says, and gets another.
func otherProfile(cmd *Command, kinds plugin.Kind, word string, have plugin.Kind) error {
	names := map[plugin.Kind]string{plugin.KeystoneToken: "a Keystone token", plugin.AccessKey: "an access key",
		plugin.KeystoneToken | plugin.AccessKey: "a Keystone token or an access key"}
	what := cmd.program()
	if word != "" {
		what += " with " + word
	}
	gives := have.String()
	if have == plugin.BearerToken {
		gives = "token of another kind"
	}
	e := plugin.Errorf(plugin.Config, "%s needs %s, and this profile gives: %s", what, names[kinds], gives)
	for _, name := range storageProfiles(cmd.Caller, kinds) {
		return e.WithHint("%s …", plugin.ShellWords("jeton", "exec", name, "--", cmd.program()))
	}
	if hint := cmd.Caller.Issuers.MakeOf(kinds, have, cmd.Caller.Name); hint != "" {
		return e.WithHint("%s", hint)
	}
	o := Options{Issuers: cmd.Caller.Issuers}
	return e.WithHint("%s", o.use(strings.TrimPrefix(strings.TrimPrefix(names[kinds], "a "), "an ")+"s", kinds))
}

// storageProfiles returns the names of the profiles that give one of the kinds, those
// first that are kin of the caller's.
func storageProfiles(c *Caller, kinds plugin.Kind) (names []string) {
	if c.Profiles == nil {
		return nil
	}
	var others []string
	for _, p := range c.Profiles() {
		switch {
		case p.Issuer.Gives&^kinds != 0: // it may give something else
		case c.Profile != nil && (slices.ContainsFunc(c.Profile.Chain(), isCalled(p.Name)) ||
			slices.ContainsFunc(p.Chain(), isCalled(c.Name))):
			names = append(names, p.Name)
		default:
			others = append(others, p.Name)
		}
	}
	return append(names, others...)
}

// isCalled returns a function that reports whether a profile has the name.
func isCalled(name string) func(*plugin.Profile) bool {
	return func(p *plugin.Profile) bool { return p.Name == name }
}

// swiftVariables returns the variables with which a client of Swift uses a token as it is.
// Some values can be empty.
//
// https://docs.openstack.org/python-swiftclient/latest/cli/index.html
// https://rclone.org/swift/#using-an-alternate-authentication-method
// https://restic.readthedocs.io/en/stable/030_preparing_a_new_repo.html#openstack-swift
func swiftVariables(c *plugin.Credential, o Options) ([]Variable, error) {
	address, err := storageURL(c, o)
	if err != nil {
		return nil, err
	}
	token, ca := c.Token.Reveal(), c.Attrs[plugin.AttrCACert]
	set := []Variable{{"OS_STORAGE_URL", address}, {"OS_AUTH_TOKEN", token}}
	switch o.Client {
	case duplicity: // it has names of its own beside those of swift, which a part of it reads
		set = append(set, Variable{"SWIFT_PREAUTHURL", address}, Variable{"SWIFT_PREAUTHTOKEN", token})
	case rclone:
		return append(set, Variable{"RCLONE_CA_CERT", ca}), nil
	case restic:
		return append(set, Variable{"RESTIC_CACERT", ca}), nil
	}
	return append(set, Variable{"OS_CACERT", ca}), nil
}

// storageURL returns the object-store endpoint of the token's project.
func storageURL(c *plugin.Credential, o Options) (string, error) {
	if c.Attrs[plugin.AttrProjectID] == "" {
		return "", plugin.Errorf(plugin.Config, "%s needs the token of a project, and this one is for none", o.Client).
			WithHint("name the project in the profile, as project_id; %s lists those there are",
				plugin.ShellWords("jeton", "inspect", o.Profile))
	}
	if o.Endpoints == nil {
		return "", plugin.Errorf(plugin.Config, "nothing tells %s where the object storage of this profile is",
			o.Client).
			WithHint("%s", o.use("Keystone tokens", plugin.KeystoneToken))
	}
	endpoints, err := o.Endpoints(c)
	if err != nil {
		return "", err
	}
	if address := endpoints["object-store"]; address != "" {
		return address, nil
	}
	where := ""
	if region := c.Attrs[plugin.AttrRegionName]; region != "" {
		where = " in region " + plugin.Shorten(region)
	}
	return "", plugin.Errorf(plugin.Config, "%s needs an object storage, and the project has none%s", o.Client, where).
		WithHint("region_name and interface of the profile choose one: %s",
			plugin.ShellWords("jeton", "exec", o.Profile, "--", "openstack", "catalog", "show", "object-store"))
}

// swiftVariableNames are the login variables of the clients of Swift that are not among
// [openStackVariables]. Those left over from another login would mislead them.
var swiftVariableNames = []string{
	"OS_AUTH_VERSION", "OS_SERVICE_TYPE", "RCLONE_SWIFT_AUTH_TOKEN", "RCLONE_SWIFT_STORAGE_URL", "ST_AUTH",
	"ST_AUTH_VERSION", "ST_KEY", "ST_USER", "SWIFT_AUTHURL", "SWIFT_AUTHVERSION", "SWIFT_ENDPOINT_TYPE",
	"SWIFT_PASSWORD", "SWIFT_PREAUTHTOKEN", "SWIFT_PREAUTHURL", "SWIFT_PROJECT_DOMAIN_ID",
	"SWIFT_PROJECT_DOMAIN_NAME", "SWIFT_REGIONNAME", "SWIFT_TENANTID", "SWIFT_TENANTNAME", "SWIFT_USERID",
	"SWIFT_USERNAME", "SWIFT_USER_DOMAIN_ID", "SWIFT_USER_DOMAIN_NAME",
}

// s3cmd takes the key from the environment, but only where its configuration has none, and
// the address from its configuration alone. Without one it would ask Amazon.
const s3cmd = "s3cmd"

// s3cmdOwn are the settings that say where a key is for, and the keys of the user's own.
var s3cmdOwn = []string{"access_key", "access_token", "bucket_location", "host_base", "host_bucket", "secret_key",
	"use_https"}

// prepareS3cmd returns a configuration like the user's own, but for [s3cmdOwn]. It holds
// no secret that the user's did not.
func prepareS3cmd(cmd *Command, c *plugin.Credential) (Handover, error) {
	if slices.ContainsFunc(cmd.Argv, func(arg string) bool {
		return strings.HasPrefix(arg, "-c") || arg == "--config" || strings.HasPrefix(arg, "--config=")
	}) {
		return nil, plugin.Errorf(plugin.Config,
			"with --config the command does not look at the configuration that jeton makes for it").
			WithHint("name the file before the command: S3CMD_CONFIG=FILE jeton exec …")
	}
	var b bytes.Buffer
	if cmd.Caller.Home != "" || cmd.Caller.Getenv("S3CMD_CONFIG") != "" {
		text, err := cmd.Caller.ReadFile(cmd.Caller.path("S3CMD_CONFIG", ".s3cfg"))
		if err != nil {
			return nil, err
		}
		for line := range strings.Lines(string(text)) {
			if name, _, _ := strings.Cut(line, "="); !slices.Contains(s3cmdOwn, strings.TrimSpace(name)) {
				b.WriteString(line)
			}
		}
	}
	b.WriteString("\n[default]\n")
	if address := c.Attrs[plugin.AttrEndpoint]; address != "" {
		u, err := url.Parse(address)
		if err != nil || u.Host == "" || strings.Trim(u.Path, "/") != "" {
			return nil, plugin.Errorf(plugin.Config, "s3cmd takes the address of a host, not %s",
				plugin.Shorten(address)).
				WithHint("a path cannot be part of the profile's endpoint")
		}
		secure := "True"
		if u.Scheme == "http" {
			secure = "False"
		}
		// Without the bucket's name in it, the bucket is part of the path, as everywhere
		// but at Amazon it may be.
		b.WriteString("host_base = " + u.Host + "\nhost_bucket = " + u.Host + "\nuse_https = " + secure + "\n")
	}
	if region := c.Attrs[plugin.AttrRegion]; region != "" {
		b.WriteString("bucket_location = " + region + "\n")
	}
	set, unset, err := Environment(c, Options{Issuers: cmd.Caller.Issuers, Profile: cmd.Caller.Name})
	if err != nil {
		return nil, err
	}
	unset = slices.Concat(unset, cmd.Caller.Profile.SecretVariables(),
		[]string{"AWS_ACCESS_KEY", "AWS_CREDENTIAL_FILE", "AWS_SECRET_KEY"})
	return func(dir string) (*Surroundings, error) {
		return &Surroundings{Files: map[string][]byte{"s3cfg": b.Bytes()}, Unset: unset,
			Set: append(set, Variable{"S3CMD_CONFIG", filepath.Join(dir, "s3cfg")})}, nil
	}, nil
}
