package oidc

import (
	"github.com/jeton-cli/jeton/plugin"
	"github.com/jeton-cli/jeton/plugin/login"
)

var (
	anyIssuer = plugin.Cloud{Name: "oidc", Title: "OpenID Connect issuer (Keycloak, Dex, Entra, Google …)"}
	askIssuer = plugin.Inquiry{Option: "issuer", Text: "Issuer, https://HOST", URL: true}
	askClient = plugin.Inquiry{Option: "client_id", Text: "client_id"}
	askToken  = plugin.Inquiry{Option: "token", Text: "Which token", Default: "id_token",
		Choices: []string{"id_token", "access_token"}}
)

// ways are the ways to begin with an OpenID Connect issuer.
var ways = []plugin.Way{
	{
		Cloud: anyIssuer, Name: "browser", Title: "a person, in the browser of this machine", Person: true,
		Fixed: map[string]string{"flow": login.Code},
		Ask: []plugin.Inquiry{askIssuer, askClient,
			{Option: "client_secret", Text: "client_secret, if the client has one", Optional: true}, askToken},
	}, {
		Cloud: anyIssuer, Name: "device", Title: "a person, with a code on another device", Person: true,
		Fixed: map[string]string{"flow": login.Device}, Ask: []plugin.Inquiry{askIssuer, askClient, askToken},
	}, {
		Cloud: anyIssuer, Name: "service-account", Title: "a service account (client credentials)",
		Ask: []plugin.Inquiry{askIssuer, askClient, {Option: "client_secret", Text: "client_secret"},
			{Option: "scope", Text: "Scopes, with blanks between them", Optional: true},
			{Option: "audience", Text: "Audience", Optional: true}},
	},
}
