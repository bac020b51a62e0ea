package cloudmc

import "github.com/jeton-cli/jeton/plugin"

// ways are the ways to begin with cloud.ca's portal.
var ways = []plugin.Way{{
	Cloud: plugin.Cloud{Name: "cloudca", Title: "cloud.ca"}, Name: "portal",
	Title: "the portal's API key: S3 keys and the OpenStack login of an environment",
	Ask: []plugin.Inquiry{{Option: "api_key", Text: "API key of the portal"},
		{Option: "connection_id", Text: "Id of the service connection; jeton inspect lists them later", Optional: true},
		{Option: "environment_id", Text: "Id of the environment; jeton inspect lists them later", Optional: true}},
}}
