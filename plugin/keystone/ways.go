package keystone

import "github.com/jeton-cli/jeton/plugin"

// The clouds whose logins are Keystone's.
var (
	anyCloud = plugin.Cloud{Name: "openstack", Title: "OpenStack, another cloud"}
	ovh      = plugin.Cloud{Name: "ovh", Title: "OVHcloud"}
	cloudCA  = plugin.Cloud{Name: "cloudca", Title: "cloud.ca"}
)

// Questions of several ways.
var (
	askURL    = plugin.Inquiry{Option: "auth_url", Text: "Keystone's URL, https://HOST/v3", URL: true}
	askUser   = plugin.Inquiry{Option: "username", Text: "User name"}
	askDomain = plugin.Inquiry{Option: "user_domain_name", Text: "Domain of the user", Default: "Default"}
	askRegion = plugin.Inquiry{Option: "region_name", Text: "Region, if the cloud has several", Optional: true}
	askPW     = plugin.Inquiry{Option: "password", Text: "Password"}

	pickProject = &plugin.Pick{Option: "project_id", Text: "Which project", Table: "projects",
		Instead: []string{"project_name", "domain_id", "domain_name", "system_scope", "trust_id", "unscoped"},
		Without: map[string]string{"unscoped": "true"}}
)

// ways are the ways to begin with a Keystone.
var ways = []plugin.Way{
	{
		Cloud: anyCloud, Name: "user", Title: "a user with a password",
		Ask: []plugin.Inquiry{askURL, askUser, askDomain, askPW, askRegion}, Pick: pickProject,
	}, {
		Cloud: anyCloud, Name: "application-credential", Title: "an application credential",
		Fixed: map[string]string{"auth_type": "v3applicationcredential"},
		Ask: []plugin.Inquiry{askURL,
			{Option: "application_credential_id", Text: "Id of the application credential"},
			{Option: "application_credential_secret", Text: "Its secret"}, askRegion},
	}, {
		Cloud: anyCloud, Name: "browser", Title: "single sign-on in your browser", Person: true,
		Fixed: map[string]string{"auth_type": "v3websso"},
		Ask: []plugin.Inquiry{askURL,
			{Option: "identity_provider", Text: "Identity provider, as Keystone calls it"},
			{Option: "protocol", Text: "Protocol", Default: "openid"},
			{Option: "project_name", Text: "Project"},
			{Option: "project_domain_name", Text: "Domain of the project", Default: "Default"}, askRegion},
	}, {
		Cloud: ovh, Name: "user", Title: "Public Cloud, as an OpenStack user (user-…)",
		Fixed: map[string]string{"auth_url": "https://auth.cloud.ovh.net/v3", "user_domain_name": "Default"},
		Ask: []plugin.Inquiry{askUser, askPW,
			{Option: "region_name", Text: "Region, such as GRA11", Optional: true}}, Pick: pickProject,
	}, {
		Cloud: ovh, Name: "service-account", Title: "Public Cloud, as a service account (OAuth 2.0 client)",
		Ask: []plugin.Inquiry{
			{Option: "preset", Text: "Where the account is", Default: "ovhcloud-emea",
				Choices: []string{"ovhcloud-emea", "ovhcloud-world"}},
			{Option: "client_id", Text: "client_id"}, {Option: "client_secret", Text: "client_secret"},
			{Option: "region_name", Text: "Region, such as GRA11", Optional: true}}, Pick: pickProject,
	}, {
		Cloud: cloudCA, Name: "user", Title: "OpenStack, as a user with a password",
		Fixed: map[string]string{"auth_url": "https://auth.cloud.ca/v3", "user_domain_name": "Default"},
		Ask:   []plugin.Inquiry{askUser, askPW, askRegion}, Pick: pickProject,
	},
}
