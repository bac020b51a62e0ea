package oidc

import (
	"slices"
	"strconv"
	"strings"

	"github.com/jeton-cli/jeton/plugin"
	"github.com/jeton-cli/jeton/plugin/login"
)

// kubelogin's flags without a value.
var booleans = []string{"oidc-use-pkce", "oidc-use-access-token", "skip-open-browser", "force-refresh",
	"insecure-skip-tls-verify", "tls-renegotiation-once", "tls-renegotiation-freely"}

// harmless are flags of kubelogin that a profile has no need of: jeton opens the browser,
// uses PKCE, and keeps tokens by itself.
var harmless = []string{"oidc-use-pkce", "oidc-pkce-method", "skip-open-browser", "force-refresh", "token-cache-dir",
	"token-cache-storage", "open-url-after-authentication", "authentication-timeout-sec", "v", "grant-type",
	"oidc-use-access-token"}

// adopt takes over a login of kubelogin, or of kubectl's former auth-provider oidc.
//
// https://github.com/int128/kubelogin/blob/master/docs/usage.md
// https://kubernetes.io/docs/reference/access-authn-authz/authentication/#using-kubectl
func adopt(h plugin.Helper) (*plugin.Adopted, error) {
	if h.Settings["auth-provider"] == "oidc" {
		return adoptProvider(h), nil
	}
	flags, rest := h.Flags(slices.Concat(booleans, plugin.KlogFlags)...)
	if !slices.Contains([]string{"kubelogin", "kubectl-oidc_login", "kubectl"}, h.Program()) ||
		len(flags["oidc-issuer-url"]) == 0 || !slices.Contains(rest, "get-token") {
		return nil, nil
	}
	a := &plugin.Adopted{}
	get := func(name string) string {
		if values := flags[name]; len(values) > 0 {
			return values[len(values)-1]
		}
		return ""
	}
	known := []string{"oidc-extra-scope", "listen-address"}
	for flag, option := range map[string]string{
		"oidc-issuer-url": "issuer", "oidc-client-id": "client_id", "oidc-client-secret": "client_secret",
		"certificate-authority": "ca_file", "oidc-redirect-url": "redirect_uri",
	} {
		a.Set(h, option, get(flag))
		known = append(known, flag)
	}
	flow, note := grant(get("grant-type"))
	a.Set(h, "flow", flow)
	if note != "" {
		a.Notes = append(a.Notes, note)
	}
	a.Set(h, "token", "id_token")
	if yes, err := strconv.ParseBool(get("oidc-use-access-token")); yes && err == nil {
		a.Set(h, "token", "access_token")
	}
	if scopes := list(flags["oidc-extra-scope"]); len(scopes) > 0 {
		a.Set(h, "scope", strings.Join(append([]string{"openid"}, scopes...), " "))
	}
	a.Notes = append(a.Notes, different(flags)...)
	if a.Values["flow"].Text == login.Code && a.Values["redirect_uri"].Text == "" {
		a.Set(h, "redirect_uri", listenAddress(list(flags["listen-address"])))
	}
	for flag := range flags {
		if !slices.Contains(slices.Concat(known, harmless, plugin.KlogFlags), flag) {
			a.Left = append(a.Left, "--"+flag)
		}
	}
	for name := range h.Env {
		a.Left = append(a.Left, name)
	}
	slices.Sort(a.Left)
	return a, nil
}

// different says what the profile does otherwise than kubelogin with these flags.
func different(flags map[string][]string) (notes []string) {
	if len(flags["certificate-authority"]) > 1 {
		notes = append(notes, "of several --certificate-authority the last one is taken: ca_file can hold all of them")
	}
	if flags["username"] != nil && flags["grant-type"] == nil {
		notes = append(notes, "--username is not taken over: the profile logs in at the browser")
	}
	return notes
}

// list returns the elements of a flag of pflag's StringSlice: each value is a list with
// commas.
func list(values []string) (elements []string) {
	for _, value := range values {
		elements = append(elements, strings.Split(value, ",")...)
	}
	return elements
}

// grant returns the flow for kubelogin's grant-type, and a note if it is not the same.
func grant(kind string) (flow, note string) {
	switch kind {
	case "device-code":
		return login.Device, ""
	case "client-credentials":
		return "client_credentials", ""
	case "password":
		return login.Code, "grant-type password is not taken over: the profile logs in at the browser"
	}
	return login.Code, ""
}

// listenAddress returns the redirect URI of a kubelogin that listens there. Its clients have
// http://localhost:8000 registered, unless they say otherwise.
func listenAddress(addresses []string) string {
	port := "8000"
	if len(addresses) > 0 {
		port = addresses[0][strings.LastIndex(addresses[0], ":")+1:]
	}
	return "http://localhost:" + port
}

// adoptProvider takes over the settings of an auth-provider in a kubeconfig.
func adoptProvider(h plugin.Helper) *plugin.Adopted {
	a := &plugin.Adopted{}
	for setting, option := range map[string]string{
		"idp-issuer-url": "issuer", "client-id": "client_id", "client-secret": "client_secret",
		"idp-certificate-authority": "ca_file",
	} {
		a.Set(h, option, h.Settings[setting])
	}
	a.Set(h, "flow", login.Code)
	a.Set(h, "token", "id_token")
	if scopes := h.Settings["extra-scopes"]; scopes != "" {
		a.Set(h, "scope", "openid "+strings.ReplaceAll(scopes, ",", " "))
	}
	if h.Settings["idp-certificate-authority-data"] != "" {
		a.Left = append(a.Left, "idp-certificate-authority-data")
	}
	return a
}
