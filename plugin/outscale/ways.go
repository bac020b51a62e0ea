package outscale

import "github.com/jeton-cli/jeton/plugin"

var (
	cloud     = plugin.Cloud{Name: "outscale", Title: "Outscale"}
	askRegion = plugin.Inquiry{Option: "region", Text: "Region", Default: defaultRegion}
)

// ways are the ways to begin with Outscale.
var ways = []plugin.Way{
	{
		Cloud: cloud, Name: "key", Title: "an access key, with which jeton makes keys that expire",
		Ask: []plugin.Inquiry{askRegion, {Option: "access_key", Text: "Access key"},
			{Option: "secret_key", Text: "Secret key"}},
	}, {
		Cloud: cloud, Name: "login", Title: "an email address and a password",
		Ask: []plugin.Inquiry{askRegion, {Option: "login", Text: "Email address"},
			{Option: "password", Text: "Password"}},
	},
}
