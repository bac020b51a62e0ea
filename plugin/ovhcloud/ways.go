package ovhcloud

import "github.com/jeton-cli/jeton/plugin"

// ways are the ways to begin with OVHcloud's API.
var ways = []plugin.Way{{
	Cloud: plugin.Cloud{Name: "ovh", Title: "OVHcloud"}, Name: "api",
	Title: "the API, as a service account: managed clusters, S3 keys, the ovhcloud command",
	Ask: []plugin.Inquiry{
		{Option: "endpoint", Text: "Where the account is", Default: "ovh-eu",
			Choices: []string{"ovh-eu", "ovh-ca", "ovh-us"}},
		{Option: "client_id", Text: "client_id"}, {Option: "client_secret", Text: "client_secret"},
	},
}}
