package keystone

import (
	"slices"
	"strings"

	"github.com/jeton-cli/jeton/plugin"
)

// clientAuth are the flags of client-keystone-auth, and the variables that say the same.
//
// https://github.com/kubernetes/cloud-provider-openstack/blob/master/docs/keystone-auth/using-client-keystone-auth.md
var clientAuth = map[string]string{
	"keystone-url": "OS_AUTH_URL", "domain-name": "OS_DOMAIN_NAME", "user-name": "OS_USERNAME",
	"project-name": "OS_PROJECT_NAME", "password": "OS_PASSWORD", "cacert": "OS_CACERT", "cert": "OS_CERT",
	"key": "OS_KEY", "application-credential-id": "OS_APPLICATION_CREDENTIAL_ID",
	"application-credential-name":   "OS_APPLICATION_CREDENTIAL_NAME",
	"application-credential-secret": "OS_APPLICATION_CREDENTIAL_SECRET",
}

// adopt takes over a login of client-keystone-auth, which logs in at Keystone for kubectl.
func adopt(h plugin.Helper) (*plugin.Adopted, error) {
	if h.Program() != "client-keystone-auth" {
		return nil, nil
	}
	variables, left := clientVariables(h)
	if variables["OS_APPLICATION_CREDENTIAL_SECRET"] != "" {
		variables["OS_AUTH_TYPE"] = "v3applicationcredential"
	}
	l := &identity{values: map[string]plugin.Value{}, getenv: func(name string) string { return variables[name] }}
	if err := l.readLogin(); err != nil {
		return nil, err
	}
	slices.Sort(left)
	return &plugin.Adopted{Values: l.values, Left: left, Notes: l.leaveOut(given)}, nil
}

// clientVariables returns the login of a client-keystone-auth as OS_ variables, and what has
// no place among them.
func clientVariables(h plugin.Helper) (variables map[string]string, left []string) {
	variables = map[string]string{}
	flags, _ := h.Flags(plugin.KlogFlags...)
	for flag, values := range flags {
		if variable := clientAuth[flag]; variable != "" {
			variables[variable] = values[len(values)-1]
		} else if flag != "v" && !slices.Contains(plugin.KlogFlags, flag) {
			left = append(left, "--"+flag)
		}
	}
	// With a whole login in its flags, it looks at no variable.
	whole := variables["OS_AUTH_URL"] != "" && (variables["OS_APPLICATION_CREDENTIAL_SECRET"] != "" ||
		variables["OS_USERNAME"] != "" && variables["OS_PASSWORD"] != "" && variables["OS_PROJECT_NAME"] != "")
	for name, value := range h.Env {
		switch {
		case !strings.HasPrefix(name, "OS_") || whole && name != "OS_REGION_NAME":
			left = append(left, name)
		case variables[name] == "":
			variables[name] = value
		}
	}
	// Its one domain is that of the user and of the project.
	if domain := variables["OS_DOMAIN_NAME"]; domain != "" {
		delete(variables, "OS_DOMAIN_NAME")
		for _, name := range []string{"OS_USER_DOMAIN_NAME", "OS_PROJECT_DOMAIN_NAME"} {
			if variables[name] == "" || flags["domain-name"] != nil {
				variables[name] = domain
			}
		}
	}
	return variables, left
}
