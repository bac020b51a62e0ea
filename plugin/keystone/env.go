package keystone

import (
	"slices"
	"strconv"
	"strings"

	"github.com/jeton-cli/jeton/plugin"
)

// An identity collects the options of a login as openstackclient does: from the OS_ variables
// of an openrc file, and from the cloud in clouds.yaml that OS_CLOUD names. An empty
// variable counts as absent.
type identity struct {
	getenv func(string) string
	cloud  *cloud // or nil
	values map[string]plugin.Value
	odd    error // about the first setting that openstack does not read as it is written
}

// environment reads the login in the environment.
func environment(getenv func(string) string) (map[string]plugin.Value, bool, error) {
	l := &identity{getenv: getenv, values: map[string]plugin.Value{}}
	if err := l.openCloud(); err != nil {
		return nil, false, err
	}
	complete, err := l.read()
	if err != nil {
		return nil, false, err
	}
	return l.values, complete, nil
}

// openCloud reads the cloud that OS_CLOUD names. The name in OS_CLOUD_NAME stands for the
// environment itself.
func (l *identity) openCloud() error {
	name, own := l.getenv("OS_CLOUD"), l.getenv("OS_CLOUD_NAME")
	if own == "" {
		own = "envvars"
	}
	if name == "" || name == own {
		return nil
	}
	clouds, err := ReadClouds("", l.getenv)
	if err == nil {
		l.cloud, err = clouds.cloud(name, l.getenv("OS_REGION_NAME"))
	}
	if err != nil {
		e := plugin.AsError(err)
		e.Text, e.Variable = "OS_CLOUD: "+e.Text, "OS_CLOUD"
		return e
	}
	return nil
}

// read records the options for the way of logging in, and reports whether they are
// complete.
func (l *identity) read() (complete bool, err error) {
	complete, err = l.collect()
	if err == nil {
		err = l.odd
	}
	return complete, err
}

// collect does the work of read. A shell may hold variables of several logins; those of
// other logins do no harm.
func (l *identity) collect() (complete bool, err error) {
	if l.get("auth_url") == "" && l.cloud == nil {
		return false, nil // any other variables are leftovers
	}
	kind := l.kind()
	token, password := l.find("token", "auth_token"), l.find("password")
	if strings.TrimPrefix(kind, "v3") == "token" && password.Text != "" {
		// The token and the password may belong to different identities.
		return false, plugin.Errorf(plugin.Config, "%s and %s are both set, which are two logins", token.From(),
			password.From()).
			WithHint("remove the password to use the token, or the token and auth_type (OS_AUTH_TYPE) to use " +
				"the password")
	}
	l.way()
	switch strings.TrimPrefix(kind, "v3") {
	case "token":
		l.scope()
		return l.get("token", "auth_token") != "", nil
	case "applicationcredential":
		return l.applicationCredential(), nil
	case "multifactor":
		return l.multiFactor(), nil
	case "oidcclientcredentials", "oidcpassword", "oidcaccesstoken", "oidcauthcode", "oidcdeviceauthz", "websso":
		return l.federated(kind), nil
	case "v2password":
		return l.v2(), nil
	case "totp":
		complete = l.user() // the user can be asked for the passcode
		l.get("passcode")
	default:
		complete = l.user()
		complete = l.get("password") != "" && complete
		l.get("passcode")
	}
	l.scope()
	return complete, nil
}

// kind records and returns the auth_type. If none is set, it derives one from the other
// options.
func (l *identity) kind() string {
	kind := l.get("auth_type", "auth_plugin")
	if l.cloud != nil && l.getenv("OS_AUTH_TYPE") == "" {
		l.checkKind()
	}
	version := l.get("identity_api_version")
	url := strings.TrimRight(l.find("auth_url").Text, "/")
	switch {
	case kind != "" && kind != "password":
	case strings.HasPrefix(version, "2"), version == "" && strings.HasSuffix(url, v2Suffix):
		kind = "v2password"
	case kind == "password":
		kind = "v3password"
	case l.find("token", "auth_token").Text != "":
		kind = "v3token"
	case l.find("application_credential_secret").Text != "":
		kind = "v3applicationcredential"
	default:
		kind = "v3password"
	}
	v := l.values["auth_type"]
	if v.Text == "" {
		v = plugin.Value{Variable: "OS_AUTH_TYPE", Key: "OS_AUTH_TYPE"}
	}
	v.Text = kind
	l.values["auth_type"] = v
	return kind
}

// applicationCredential records an application credential, and reports whether it is
// complete.
func (l *identity) applicationCredential() (complete bool) {
	id, name := l.get("application_credential_id"), l.get("application_credential_name")
	complete = id != "" || name != "" && l.user()
	return l.get("application_credential_secret") != "" && complete
}

// multiFactor records a login with several factors, and reports whether it is complete.
// An application credential has its own scope, and Keystone refuses another one.
func (l *identity) multiFactor() (complete bool) {
	complete, delegated := true, false
	names := factorNames(l.get("auth_methods"))
	if v, ok := l.values["auth_methods"]; ok {
		v.Text = strings.Join(names, ",") // without blanks
		l.values["auth_methods"] = v
	}
	for _, name := range names {
		switch name {
		case "v3applicationcredential":
			complete, delegated = l.applicationCredential() && complete, true
		case "v3token":
			complete = l.get("token", "auth_token") != "" && complete
		case "v3totp":
			complete = l.user() && complete // the user can be asked for the passcode
			l.get("passcode")
		case "v3password":
			complete = l.user() && complete
			complete = l.get("password") != "" && complete
		}
	}
	if !delegated {
		l.scope()
	}
	return complete
}

// factorNames returns the auth_types in the text of auth_methods, or the default ones if
// it is empty.
func factorNames(text string) (names []string) {
	if text == "" {
		return slices.Clone(defaultFactors)
	}
	for name := range strings.SplitSeq(text, ",") {
		names = append(names, proper(strings.TrimSpace(name)))
	}
	return names
}

// ownType is the auth_type of a cloud that asks jeton.
const ownType = "jeton"

// checkKind records an error if openstacksdk finds another auth_type in the cloud, or none.
func (l *identity) checkKind() {
	kind, given := l.cloud.settings["auth_type"]
	switch {
	case given && (kind == nil || kind == ""):
		l.fail(l.cloud.odd("has no value, which openstack takes for no login at all", "leave it out").err("auth_type"))
	case kind == ownType:
		e := plugin.Errorf(plugin.Config, "cloud %s of %s is no login: it asks jeton (auth_type: jeton)",
			plugin.Shorten(l.cloud.name), l.cloud.path)
		if profile := l.cloud.auth.text("jeton_profile"); plugin.CheckName(profile) == nil {
			e = e.WithHint("name the profile that it asks for: jeton get %s", profile)
		}
		l.fail(e)
	case !given && l.cloud.settings.text("auth_plugin") != "":
		l.fail(l.cloud.odd("is no setting that openstack knows any more", "write auth_type").err("auth_plugin"))
	}
}

// way records the options of the connection, and those passed on to clients.
func (l *identity) way() {
	l.get("region_name")
	insecure, err := strconv.ParseBool(l.getenv("OS_INSECURE"))
	switch {
	case err == nil && insecure:
		l.values["verify"] = plugin.Value{Variable: "OS_INSECURE", Key: "OS_INSECURE", Text: "false"}
	case l.cloud != nil:
		l.verify()
	}
	l.get("interface", "endpoint_type")
	l.getFile("ca_file", "cacert")
	l.getFile("cert_file", "cert")
	l.getFile("key_file", "key")
	if l.cloud == nil {
		return
	}
	newer, older := l.cloud.settings.text("interface"), l.cloud.settings.text("endpoint_type")
	if newer != "" && older != "" && strings.TrimSuffix(newer, "URL") != strings.TrimSuffix(older, "URL") {
		l.fail(l.cloud.odd("is there beside another endpoint_type", "leave one of them out").err("interface"))
	}
}

// getFile records an option that names a file. Some clouds.yaml hold what belongs in the
// file, which openstackclient takes for a name too.
func (l *identity) getFile(option, other string) {
	text := strings.TrimSpace(l.get(option, other))
	if strings.HasPrefix(text, "-----BEGIN") || strings.Contains(text, "\n") {
		l.fail(plugin.Errorf(plugin.Config, "%s: holds what is to be in a file, and not the file's name",
			l.values[option].From()).
			WithHint("write it to a file, and give %s the file's path", other))
	}
}

// verify records whether the cloud's certificates are to be verified. openstack takes
// verify with text for a file, and insecure with any text but true for false.
func (l *identity) verify() {
	t := l.cloud.settings
	verify, given := t["verify"]
	v, _ := verify.(odd)
	i, _ := t["insecure"].(odd)
	text := t.text("verify")
	switch {
	case i.yes, strings.EqualFold(t.text("insecure"), "true"), verify == "", v.truth && !v.yes:
		l.values["verify"] = plugin.Value{Place: l.cloud.place("verify"), Key: "verify", Text: "false"}
	case v.why != "" && !v.truth:
		l.fail(v.err("verify"))
	case given && verify == nil && t.text("cacert") != "":
		l.fail(l.cloud.odd("has no value, for which openstack passes over cacert", "leave it out").err("verify"))
	case t.text("cacert") != "":
	case strings.Contains(text, "/"):
		l.values["ca_file"] = plugin.Value{Place: l.cloud.place("verify"), Key: "verify", Text: text}
	case text != "":
		l.fail(l.cloud.odd("is text, which openstack takes for the name of a file",
			"write true or false without quotes").err("verify"))
	}
}

// fail records the first error about a setting.
func (l *identity) fail(err error) {
	if l.odd == nil {
		l.odd = err
	}
}

// federated records an OpenID Connect login, and reports whether it is complete.
func (l *identity) federated(kind string) (complete bool) {
	l.scope()
	complete = l.get("identity_provider") != "" && l.get("protocol") != ""
	switch kind {
	case "v3oidcaccesstoken":
		return l.get("access_token") != "" && complete
	case "v3websso":
		l.get("redirect_host")
		l.get("redirect_port")
		return l.values["protocol"].Text != ""
	case "v3oidcauthcode":
		l.get("redirect_uri")
		l.get("authorization_endpoint")
	case "v3oidcdeviceauthz":
		l.get("device_authorization_endpoint")
		l.get("code_challenge_method")
	}
	for _, option := range []string{"discovery_endpoint", "access_token_endpoint", "access_token_type",
		"openid_scope"} {
		l.get(option)
	}
	complete = l.get("client_id") != "" && complete
	if l.get("client_secret") == "" && kind == "v3oidcclientcredentials" {
		complete = false
	}
	if kind == "v3oidcpassword" {
		complete = l.get("username") != "" && complete
		complete = l.get("password") != "" && complete
		if l.get("idp_otp_key") != "" {
			l.get("passcode")
		}
	}
	return complete
}

// v2 records an API v2.0 login, and reports whether it is complete.
func (l *identity) v2() (complete bool) {
	id, name := l.get("user_id", "userid"), l.get("username", "user_name")
	complete = l.get("password") != "" && (id != "" || name != "")
	if l.get("project_id", "tenant_id") == "" {
		l.get("project_name", "tenant_name")
	}
	for _, what := range []string{"id", "name"} {
		newer, older := l.find("project_"+what).Text, l.find("tenant_"+what).Text
		if l.cloud != nil && newer != "" && older != "" && newer != older {
			l.fail(l.cloud.odd("is there beside another tenant_"+what, "leave one of them out").err("project_" + what))
		}
	}
	l.get("trust_id")
	return complete
}

// user records the options that identify the user, and reports whether a user is named.
func (l *identity) user() bool {
	l.get("user_domain_id")
	l.get("user_domain_name")
	if l.getenv("OS_DEFAULT_DOMAIN") != "" {
		// openstackclient never looks at default_domain in clouds.yaml.
		l.values["default_domain"] = plugin.Value{Variable: "OS_DEFAULT_DOMAIN", Key: "OS_DEFAULT_DOMAIN",
			Text: l.getenv("OS_DEFAULT_DOMAIN")}
	}
	id, name := l.get("user_id", "userid"), l.get("username", "user_name")
	return id != "" || name != ""
}

// scope records the scope of the token. A domain given beside a project is the domain of
// both the user and the project.
func (l *identity) scope() {
	l.get("system_scope")
	l.get("trust_id")
	id, name := l.find("project_id", "tenant_id"), l.find("project_name", "tenant_name")
	if id.Text == "" && name.Text == "" {
		l.get("domain_id")
		l.get("domain_name")
		return
	}
	if l.values["username"].Text != "" {
		l.inherit("user_domain_id", "domain_id")
		l.inherit("user_domain_name", "domain_name")
	}
	if id.Text != "" {
		l.values["project_id"] = id // it beats a name, which may be that of another project
		return
	}
	l.values["project_name"] = name
	l.inherit("project_domain_id", "domain_id")
	l.inherit("project_domain_name", "domain_name")
}

// inherit records the option, with the value of common if it has none of its own.
func (l *identity) inherit(option, common string) {
	v := l.find(option)
	if v.Text == "" {
		v = l.find(common)
	}
	if v.Text != "" {
		l.values[option] = v
	}
}

// get records an option, under its own name or another one, and returns its value.
func (l *identity) get(option string, others ...string) string {
	v := l.find(option, others...)
	if v.Text != "" {
		l.values[option] = v
	}
	return v.Text
}

// find returns the value of an option. Usually the environment beats the file. For some
// options the file beats the environment, because of the order in which openstacksdk maps
// their old names to new ones.
func (l *identity) find(option string, others ...string) plugin.Value {
	keys := append([]string{option}, others...)
	inEnv := func(key string) plugin.Value {
		name := "OS_" + strings.ToUpper(key)
		return plugin.Value{Variable: name, Key: name, Text: l.getenv(name)}
	}
	var order []plugin.Value
	switch {
	case l.cloud == nil:
		for _, key := range keys {
			order = append(order, inEnv(key))
		}
	case fileFirst(option):
		for _, key := range keys {
			order = append(order, l.inFile(key, "auth.", l.cloud.auth), inEnv(key), l.inFile(key, "", l.cloud.settings))
		}
	default:
		for _, key := range keys {
			order = append(order, inEnv(key))
		}
		for _, key := range keys {
			order = append(order, l.inFile(key, "", l.cloud.settings))
		}
		for i, key := range keys {
			inAuth, beside := l.inFile(key, "auth.", l.cloud.auth), order[len(keys)+i].Text
			if order = append(order, inAuth); inAuth.Text != "" && beside != "" && beside != inAuth.Text {
				l.fail(l.cloud.odd("is there twice, in auth and beside it", "leave one of them out").err(key))
			}
		}
	}
	for _, v := range order {
		if v.Text != "" {
			return v
		}
	}
	return plugin.Value{}
}

// filled are the settings in which openstacksdk fills in others, as {region_name}.
var filled = []string{"region_name", "interface", "endpoint_type", "cacert", "cert", "key", "auth_type"}

// inFile returns the value that the cloud has under key in t, one of its two blocks.
func (l *identity) inFile(key, block string, t tree) plugin.Value {
	found := plugin.Value{Place: l.cloud.place(key), Key: block + key}
	value, given := t[key]
	switch value := value.(type) {
	case string:
		found.Text = value
	case tree:
		l.fail(l.cloud.odd("has names below it, where openstack expects text", "write a text").err(key))
	case []any:
		if key != "auth_methods" {
			l.fail(l.cloud.odd("is a list, where openstack expects text", "write a text").err(key))
		}
		var words []string
		for _, item := range value {
			switch item := item.(type) {
			case string:
				words = append(words, item)
			case odd:
				l.fail(item.err(key))
			}
		}
		found.Text = strings.Join(words, ",")
	case odd:
		l.fail(value.err(key))
	case nil:
		if given && fileFirst(key) {
			l.fail(l.cloud.odd("has no value, which openstack takes for the text None", "leave it out").err(key))
		}
	}
	if block == "" && slices.Contains(filled, key) && strings.ContainsAny(found.Text, "{}") {
		l.fail(l.cloud.odd("has braces, in which openstack puts other settings", "write the value out").err(key))
	}
	return found
}

// fileFirst reports whether the file beats the environment for an option. Of these
// options, openstacksdk maps old names to new ones.
func fileFirst(key string) bool {
	return key == "token" || key == "auth_token" || strings.HasPrefix(key, "project_") ||
		strings.HasPrefix(key, "tenant_") || strings.Contains(key, "domain_")
}

// odd returns what is wrong with a setting of the cloud.
func (c *cloud) odd(why, hint string) odd {
	return odd{path: c.path + ": cloud " + plugin.Shorten(c.name), why: why, hint: hint}
}

// place describes where a setting of the cloud is written.
func (c *cloud) place(key string) string {
	return key + " of cloud " + plugin.Shorten(c.name) + " in " + c.path
}
