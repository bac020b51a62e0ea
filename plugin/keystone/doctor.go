package keystone

import (
	"time"

	"github.com/jeton-cli/jeton/plugin"
)

// passwordSoon is how long before its expiry a password is reported, 14 days.
const passwordSoon = 14 * 24 * time.Hour

// doctor checks whether the user's password expires soon, and what the user may do.
func doctor(profile string, c *plugin.Credential, now time.Time) []plugin.Finding {
	return append(passwordAge(profile, c, now), checkRights(profile, c)...)
}

func passwordAge(profile string, c *plugin.Credential, now time.Time) []plugin.Finding {
	end, err := time.Parse(time.RFC3339, c.Attrs[plugin.AttrPasswordExpiresAt])
	if err != nil || end.Sub(now) >= passwordSoon {
		return nil
	}
	return []plugin.Finding{{
		Check: "password", Level: plugin.Doubtful, Profile: profile, Where: c.Attrs[plugin.AttrUserName],
		What: "its password expires at " + end.Format(time.RFC3339),
		Fix:  plugin.ShellWords("jeton", "exec", profile, "--", "openstack", "user", "password", "set"),
	}}
}
