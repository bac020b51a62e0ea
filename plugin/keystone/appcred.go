package keystone

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gophercloud/gophercloud/v2"

	"github.com/jeton-cli/jeton/plugin"
)

// AppCred gives application credentials that jeton makes. Such a credential is a login of
// its own, to one project, with some of its user's roles there and an expiry. Every
// OpenStack client can log in with it, and log in again.
//
// https://docs.openstack.org/api-ref/identity/v3/#application-credentials
// https://docs.openstack.org/keystone/latest/user/application_credentials.html
var AppCred = plugin.Issuer{
	Name:  "keystone-appcred",
	Gives: plugin.ApplicationCredential,
	Takes: []plugin.Taken{{Kind: plugin.KeystoneToken}},
	From:  "a Keystone profile (from): expiring, least-privilege application credentials, rotated and removed by jeton",
	Example: `prod-ci:
  plugin: keystone-appcred
  from: prod                      # a keystone profile
  roles: [member]
  lifetime: 24h
`,
	Mints: true,
	Marks: true,
	New:   func() plugin.Options { return &AppCredOptions{} },
}

// AppCredOptions are the options of a keystone-appcred profile.
type AppCredOptions struct {
	Roles        []string            `yaml:"roles" help:"names of its roles; by default every role of the token except admin"`
	AccessRules  []map[string]string `yaml:"access_rules" help:"the only requests that it is good for, each with method, path and service"`
	Lifetime     time.Duration       `yaml:"lifetime" help:"its lifetime (24h); after half of that there is a new one, and the old one stays until it expires"`
	Unrestricted bool                `yaml:"unrestricted" help:"true: it may make other application credentials and trusts"`
	Tag          string              `yaml:"tag" help:"beginning of its name (jeton)"`
}

// ruleKeys are the parts of an access rule, all of which Keystone needs.
var ruleKeys = []string{"method", "path", "service"}

// ruleMethods are the methods that Keystone accepts in an access rule.
var ruleMethods = []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"}

// Complete checks o and fills in its defaults. Its errors have the code [plugin.Config].
func (o *AppCredOptions) Complete(common *plugin.Common) error {
	if common.From == "" {
		return plugin.Errorf(plugin.Config, "from is missing").
			WithHint("name a profile of plugin keystone that logs in with a password: from: NAME")
	}
	for _, rule := range o.AccessRules {
		if err := checkRule(rule); err != nil {
			return fmt.Errorf("access_rules: %w", err)
		}
	}
	if o.Lifetime == 0 {
		o.Lifetime = 24 * time.Hour
	}
	if o.Lifetime < time.Minute {
		return plugin.Errorf(plugin.Config, "lifetime: at least 1m")
	}
	for name, d := range map[string]time.Duration{"max_ttl": common.MaxTTL, "renew_after": common.RenewAfter} {
		if d > 0 && d < o.Lifetime/5 {
			return plugin.Errorf(plugin.Config, "%s: at least a fifth of lifetime, %s: one that was replaced stays "+
				"until it ends", name, o.Lifetime/5).
				WithHint("shorten lifetime")
		}
	}
	if o.Tag == "" {
		o.Tag = "jeton"
	}
	if !plugin.Word(o.Tag, "-_.") || len(o.Tag) > 64 {
		return plugin.Errorf(plugin.Config, "tag: at most 64 letters, digits and - _ .")
	}
	return nil
}

func checkRule(rule map[string]string) error {
	for _, name := range slices.Sorted(maps.Keys(rule)) {
		if slices.Contains(ruleKeys, name) {
			continue
		}
		e := plugin.Errorf(plugin.Config, "there is no %q in a rule", plugin.Shorten(name))
		if nearest := plugin.Nearest(name, ruleKeys); nearest != "" {
			return e.WithMeant(name, nearest)
		}
		return e.WithHint("a rule has method, path and service")
	}
	for _, name := range ruleKeys {
		if rule[name] == "" {
			return plugin.Errorf(plugin.Config, "%s is missing", name).
				WithHint("such as {method: GET, path: /v2.1/servers, service: compute}")
		}
	}
	if !slices.Contains(ruleMethods, rule["method"]) {
		return plugin.Errorf(plugin.Config, "there is no method %q", plugin.Shorten(rule["method"])).
			WithHint("the methods are %s", strings.Join(ruleMethods, ", "))
	}
	if !strings.HasPrefix(rule["path"], "/") {
		return plugin.Errorf(plugin.Config, "path: must begin with /")
	}
	return nil
}

// Source returns the source of application credentials.
func (o *AppCredOptions) Source(env *plugin.Env) plugin.Source {
	return plugin.Minter{Env: env, Open: func(ctx context.Context, do func(plugin.Order, plugin.Keys) error) error {
		m := minter{what: "application credentials", hint: "log in again"}
		return m.withToken(ctx, env, func(m *minter) error {
			keys := &appCredKeys{minter: m, options: o}
			if keys.project() == "" {
				return plugin.Errorf(plugin.Config, "an application credential belongs to a project, and the token "+
					"of the profile below has none").
					WithHint("add project_id, or project_name with its domain, to the profile that from names")
			}
			// The list has its own ledger: the user's EC2 keys have another.
			return do(plugin.Order{
				Issuer: keys.url("application_credentials"), Subject: m.token.Attrs[plugin.AttrUserID],
				Scope: keys.project(), Life: o.Lifetime, Tag: o.Tag + "-",
			}, keys)
		})
	}}
}

// appCredKeys calls the API for the application credentials of one user. It cannot read an
// existing one: Keystone tells a secret once.
type appCredKeys struct {
	*minter
	options *AppCredOptions
	there   []appCred // as last listed
	roles   []map[string]string
}

// An appCred is what the API says about an application credential.
type appCred struct {
	ID        string `json:"id"`
	Name      string `json:"name"`
	Secret    string `json:"secret"`
	ProjectID string `json:"project_id"`
	ExpiresAt string `json:"expires_at"`
}

func (c appCred) expires() time.Time {
	t, _ := parseTime(c.ExpiresAt)
	return t
}

func (k *appCredKeys) project() string { return k.token.Attrs[plugin.AttrProjectID] }

// List returns all application credentials of the user. Their names, which are unique, are
// the tags.
func (k *appCredKeys) List(ctx context.Context) (map[string]plugin.Mark, error) {
	var a struct {
		ApplicationCredentials []appCred `json:"application_credentials"`
	}
	_, err := get(ctx, k.client, k.url("application_credentials"), &a, gophercloud.RequestOpts{})
	if err != nil {
		return nil, k.explain(err)
	}
	k.there = a.ApplicationCredentials
	list := map[string]plugin.Mark{}
	for _, c := range k.there {
		list[c.ID] = plugin.Mark{Scope: c.ProjectID, Tag: c.Name, Expires: c.expires()}
	}
	return list, nil
}

// Create makes an application credential with the name and expiry of mark.
func (k *appCredKeys) Create(ctx context.Context, mark plugin.Mark) (*plugin.Credential, error) {
	body := map[string]any{
		"name": mark.Tag, "description": "made by jeton, which deletes it", "roles": k.roles,
		"expires_at": mark.Expires.UTC().Format(time.RFC3339), "unrestricted": k.options.Unrestricted,
	}
	if k.options.AccessRules != nil {
		body["access_rules"] = k.options.AccessRules
	}
	var a struct {
		ApplicationCredential appCred `json:"application_credential"`
	}
	_, err := post(plugin.SendOnce(ctx), k.client, k.url("application_credentials"),
		map[string]any{"application_credential": body}, &a, gophercloud.RequestOpts{})
	if err != nil {
		return nil, k.refused(err)
	}
	c := a.ApplicationCredential
	if c.ID == "" || c.Secret == "" || c.ProjectID != k.project() || c.Name != mark.Tag || c.expires().IsZero() {
		return nil, plugin.Errorf(plugin.Unusable, "Keystone's answer is not the application credential that was "+
			"asked for").RememberFor(unusableFor)
	}
	attrs := k.attrs(c.ProjectID)
	for _, name := range []string{plugin.AttrProjectDomainID, plugin.AttrProjectDomainName, plugin.AttrRegionName,
		plugin.AttrInterface, plugin.AttrCACert} {
		attrs[name] = k.token.Attrs[name]
	}
	attrs[plugin.AttrApplicationCredentialID], attrs[plugin.AttrApplicationCredentialName] = c.ID, c.Name
	return &plugin.Credential{
		// Whoever starts a long run with it can log in again for at least half of its life.
		SecretKey: plugin.NewSecret(c.Secret), Expires: c.expires(), Renew: c.expires().Add(-k.options.Lifetime / 2),
		Attrs: withoutEmpty(attrs),
	}, nil
}

// Prepare reads the roles for a new application credential.
func (k *appCredKeys) Prepare(ctx context.Context) (err error) {
	k.roles, err = k.chosen(ctx)
	return err
}

// chosen returns the roles of a new application credential, each by its id. It reads those
// of the token, since Keystone's own default is all of them, admin included.
func (k *appCredKeys) chosen(ctx context.Context) (roles []map[string]string, err error) {
	token, err := getToken(ctx, k.client, k.token.Token)
	if err != nil {
		return nil, k.explain(err)
	}
	var names []string
	ids := map[string]string{}
	for _, role := range token.Roles {
		names = append(names, plugin.Shorten(role.Name))
		ids[strings.ToLower(role.Name)] = role.ID // Keystone's databases take Member for member
	}
	slices.Sort(names)
	for _, name := range k.options.Roles {
		id := ids[strings.ToLower(name)]
		if id == "" {
			return nil, plugin.Errorf(plugin.Config, "roles: the user has no role %q in the project; there are: %s",
				plugin.Shorten(name), strings.Join(names, ", ")).
				WithHint("name some of those, or ask the cloud's administrator").RememberFor(unusableFor)
		}
		roles = append(roles, map[string]string{"id": id})
	}
	if roles != nil {
		return roles, nil
	}
	delete(ids, "admin")
	for _, name := range slices.Sorted(maps.Keys(ids)) {
		roles = append(roles, map[string]string{"id": ids[name]})
	}
	if roles == nil {
		return nil, plugin.Errorf(plugin.Config, "the user's only role in the project is admin, which no application "+
			"credential gets unasked").
			WithHint("name it: roles: [admin]").RememberFor(unusableFor)
	}
	return roles, nil
}

// refused explains why no application credential was made.
func (k *appCredKeys) refused(err error) error {
	var message string
	if status := (gophercloud.ErrUnexpectedResponseCode{}); errors.As(err, &status) {
		message, _ = keystoneMessage(status.Body, []plugin.Secret{k.token.Token})
	}
	switch {
	case gophercloud.ResponseCodeIs(err, http.StatusForbidden) &&
		strings.Contains(message, "Unable to create additional"):
		return k.full(message)
	case gophercloud.ResponseCodeIs(err, http.StatusBadRequest) && strings.Contains(message, "role assignment"):
		return plugin.Errorf(plugin.Config, "Keystone does not find the user's roles any more: %s", message).
			WithHint("a federated user's are those of a group, which Keystone remembers only if the cloud's " +
				"administrator sets the identity provider's authorization_ttl; then log in again").
			RememberFor(unusableFor)
	}
	return k.explain(err)
}

// full returns the error for a user who has as many application credentials as Keystone
// allows. It names them.
func (k *appCredKeys) full(message string) error {
	var list []string
	for _, c := range k.there {
		text := plugin.Shorten(c.Name)
		if t := c.expires(); !t.IsZero() {
			text += " (ends " + t.Format(time.RFC3339) + ")"
		}
		list = append(list, text)
	}
	slices.Sort(list)
	if len(list) > 20 {
		list = append(list[:20], "…")
	}
	return plugin.Because(plugin.Errorf(plugin.Denied, "%s; there are: %s", strings.TrimSuffix(message, "."),
		strings.Join(list, ", ")).
		WithHint("delete one that nobody uses: openstack application credential delete NAME; those that jeton has "+
			"replaced go once they have ended").RememberFor(time.Minute), plugin.ErrFull)
}

// Delete removes an application credential. One that is already gone is no error.
func (k *appCredKeys) Delete(ctx context.Context, id string) error {
	return k.remove(ctx, k.url("application_credentials", id))
}
