package keystone

import (
	"strconv"
	"strings"

	"github.com/jeton-cli/jeton/plugin"
)

// environment reads the OS_ variables of an openrc file as openstackclient
// does: each option under its upper-case name, OS_TENANT_ and OS_AUTH_TOKEN as
// other names, an empty variable like an absent one.
func environment(getenv func(string) string) (map[string]plugin.Value, bool, error) {
	if getenv("OS_CLOUD") != "" {
		// To leave it out would be another identity.
		return nil, false, plugin.Errorf(plugin.Config, "OS_CLOUD is set, which jeton does not support yet").
			WithHint("unset it, or name a profile of the configuration file")
	}
	values := map[string]plugin.Value{}
	get := func(option string, others ...string) string {
		for _, name := range append([]string{"OS_" + strings.ToUpper(option)}, others...) {
			if v := getenv(name); v != "" {
				values[option] = plugin.Value{Variable: name, Text: v}
				return v
			}
		}
		return ""
	}
	if get("auth_url") == "" {
		return nil, false, nil // what else there may be is a leftover
	}
	kind := get("auth_type", "OS_AUTH_PLUGIN")
	if kind == "" {
		switch {
		case getenv("OS_TOKEN") != "" || getenv("OS_AUTH_TOKEN") != "":
			kind = "v3token"
		case getenv("OS_APPLICATION_CREDENTIAL_SECRET") != "":
			kind = "v3applicationcredential"
		default:
			kind = "v3password"
		}
		values["auth_type"] = plugin.Value{Variable: "OS_AUTH_TYPE", Text: kind}
	}
	if strings.TrimPrefix(kind, "v3") == "token" && getenv("OS_PASSWORD") != "" {
		// Which of the two is meant decides who one is.
		return nil, false, plugin.Errorf(plugin.Config, "OS_TOKEN and OS_PASSWORD are both set, which are two logins").
			WithHint("unset OS_PASSWORD to use the token, or OS_TOKEN and OS_AUTH_TYPE to use the password")
	}
	// A shell collects variables of several logins. Only those that belong to
	// the way of logging in are read, so that the rest does no harm.
	user := func() bool {
		get("user_domain_id")
		get("user_domain_name")
		id, name := get("user_id", "OS_USERID"), get("username")
		return id != "" || name != ""
	}
	scope := func() {
		for _, option := range []string{"domain_id", "domain_name", "system_scope", "trust_id"} {
			get(option)
		}
		if get("project_id", "OS_TENANT_ID") != "" {
			return // it beats a name, as in keystoneauth, which may be another's
		}
		get("project_name", "OS_TENANT_NAME")
		get("project_domain_id")
		get("project_domain_name")
	}
	var complete bool
	switch strings.TrimPrefix(kind, "v3") {
	case "token":
		scope()
		complete = get("token", "OS_AUTH_TOKEN") != ""
	case "applicationcredential":
		id, name := get("application_credential_id"), get("application_credential_name")
		complete = id != "" || name != "" && user()
		complete = get("application_credential_secret") != "" && complete
	case "totp":
		scope()
		complete = user() // the passcode can be asked for
		get("passcode")
	default:
		scope()
		complete = user()
		complete = get("password") != "" && complete
		get("passcode")
	}
	for _, option := range []string{"default_domain", "region_name", "identity_api_version"} {
		get(option)
	}
	if insecure, err := strconv.ParseBool(getenv("OS_INSECURE")); err == nil && insecure {
		values["verify"] = plugin.Value{Variable: "OS_INSECURE", Text: "false"}
	}
	get("interface", "OS_ENDPOINT_TYPE")
	get("ca_file", "OS_CACERT")
	get("cert_file", "OS_CERT")
	get("key_file", "OS_KEY")
	return values, complete, nil
}
