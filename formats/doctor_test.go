package formats

import (
	"strings"
	"testing"

	"github.com/jeton-cli/jeton/plugin"
)

// Whatever the callers' files contain, doctor finishes.
func FuzzDoctor(f *testing.F) {
	f.Add([]byte("[profile s3]\n credential_process: '/my tools/jeton' get s3\\\nrole_arn = x\n[profile " +
		"s3]\n[default]\n"))
	f.Add([]byte("contexts:\n- name: c\n  context: {user: u, cluster: d}\nusers:\n- name: u\n  user: {token: x, " +
		"exec: {command: jeton, args: [get, s3], apiVersion: v}}\ncredentialPluginPolicy: Allowlist\n"))
	f.Add([]byte("contexts: [{name: &a c, context: {user: *a}}]\nusers: [{name: c, user: {exec: {command: ./jeton, " +
		"args: get}}}]\n"))
	f.Add([]byte("clouds:\n  prod:\n    # by jeton setup openstack prod\n    auth: {token: x}\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		c := &Caller{Argv: []string{"/bin/jeton"}, Getenv: nothing, Home: "/home",
			ReadFile: func(string) ([]byte, error) { return text, nil },
			Find: func(name string) (*plugin.Profile, error) {
				if name == "s3" {
					return &plugin.Profile{Name: name,
						Issuer: &plugin.Issuer{Name: "keystone-ec2", Gives: plugin.AccessKey}}, nil
				}
				return nil, plugin.Errorf(plugin.Config, "there is no profile").WithMeant(name, "s3")
			},
			Serving: func(p *plugin.Profile, _ plugin.Kind) (*plugin.Profile, error) { return p, nil },
			Token:   func(string) string { return "token" }}
		for _, k := range Kinds {
			if k.Doctor == nil {
				continue
			}
			findings, _ := k.Doctor.Look(t.Context(), c)
			for _, finding := range findings {
				if finding.What == "" || finding.Check == "" || strings.Contains(finding.Fix, "jeton setup aws ''") {
					t.Errorf("%+v", finding)
				}
			}
		}
	})
}
