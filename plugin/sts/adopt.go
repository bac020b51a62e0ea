package sts

import "github.com/jeton-cli/jeton/plugin"

// adopt takes over a role for a token in a file, as a section of an AWS configuration names
// it.
//
// https://docs.aws.amazon.com/sdkref/latest/guide/feature-assume-role-credentials.html
func adopt(h plugin.Helper) (*plugin.Adopted, error) {
	if h.Settings["role_arn"] == "" || h.Settings["web_identity_token_file"] == "" {
		return nil, nil
	}
	a := &plugin.Adopted{}
	for setting, option := range map[string]string{
		"role_arn": "role_arn", "web_identity_token_file": "token_file", "role_session_name": "role_session_name",
		"region": "region", "endpoint_url": "endpoint",
	} {
		a.Set(h, option, h.Settings[setting])
	}
	if h.Settings["region"] == "" && h.Settings["endpoint_url"] == "" {
		a.Set(h, "region", "us-east-1")
		a.Notes = append(a.Notes, "the section names no region: us-east-1 is taken")
	}
	return a, nil
}
