package formats

import (
	"slices"
	"testing"

	"github.com/jeton-cli/jeton/plugin"
	"github.com/jeton-cli/jeton/plugin/command"
	"github.com/jeton-cli/jeton/plugin/keystone"
	"github.com/jeton-cli/jeton/plugin/oidc"
	"github.com/jeton-cli/jeton/plugin/outscale"
	"github.com/jeton-cli/jeton/plugin/sts"
)

// Whatever the callers' files contain, an import finishes. What it makes of a program is that
// program with these arguments, and no profile has a secret in an option that is not one.
func FuzzImport(f *testing.F) {
	f.Add([]byte("[default]\ncredential_process = aws-vault export 'a b' --x=y\n[profile web]\nrole_arn = a\n" +
		"web_identity_token_file = /t\n[profile osc]\nendpoint_url = https://oos.eu-west-2.outscale.com\n" +
		"aws_access_key_id = A\naws_secret_access_key = CANARY\n"))
	f.Add([]byte("contexts: [{name: c, context: {user: u}}]\nusers: [{name: u, user: {exec: {command: kubelogin, " +
		"args: [get-token, --oidc-issuer-url=https://h, --oidc-client-id, c, --oidc-client-secret=CANARY, --, " +
		"-v1]}}}]\n"))
	f.Add([]byte("contexts: [{name: c, context: {user: u}}]\nusers: [{name: u, user: {exec: {command: " +
		"./client-keystone-auth, args: [--keystone-url=https://h/v3, --user_name=a, --password, CANARY], env: [{" +
		"name: OS_PROJECT_ID, value: p}]}}}]\n"))
	f.Add([]byte("contexts: [{name: c, context: {user: u}}]\nusers: [{name: u, user: {auth-provider: {name: oidc, " +
		"config: {idp-issuer-url: https://h, client-id: c, client-secret: CANARY}}}}]\n"))
	all := plugin.Issuers{keystone.Issuer, outscale.Issuer, oidc.Issuer, sts.Issuer, command.Issuer}
	f.Fuzz(func(t *testing.T, text []byte) {
		c := &Caller{Issuers: all, Getenv: nothing, Home: "/home",
			ReadFile: func(string) ([]byte, error) { return text, nil }}
		var drafts []plugin.Draft
		if files, err := readKubeconfigs(c, parseLines); err == nil && checkNames(files) == nil {
			k := &kubernetesLogins{c: c, files: files}
			names, _ := k.all()
			for _, name := range names {
				if d, err := k.draft(name); err == nil {
					drafts = append(drafts, d)
				}
			}
		}
		l := &awsLogins{c: c, config: "/c", credentials: "/k", profiles: map[string]*awsLogin{}}
		if l.read("/c", false) == nil && l.read("/k", true) == nil {
			names, _ := l.all()
			for _, name := range names {
				if d, err := l.draft(name); err == nil {
					drafts = append(drafts, d)
				}
			}
		}
		for _, d := range drafts {
			for _, o := range d.Options {
				i := slices.IndexFunc(all, func(i plugin.Issuer) bool { return i.Name == d.Plugin })
				if all[i].IsSecret(o.Name) != (o.Secret != nil) {
					t.Errorf("%+v", d)
				}
				if o.Name == "argv" && (len(o.List) == 0 || o.List[0] == "") {
					t.Errorf("no program: %+v", d)
				}
			}
		}
	})
}
