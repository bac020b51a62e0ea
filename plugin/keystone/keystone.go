// Package keystone obtains tokens and S3 access keys from OpenStack's Identity
// service, Keystone.
//
// It speaks the Identity API v3 (and v2.0) through gophercloud. It never asks the service
// for its address: the endpoint is the configured auth_url. The addresses in Keystone's
// own version document are often internal ones, and following them would hand a password
// to whatever host they name.
//
// https://docs.openstack.org/api-ref/identity/v3/
package keystone

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jeton-cli/jeton/plugin"
)

// Issuer gives Keystone tokens.
var Issuer = plugin.Issuer{
	Name:  "keystone",
	Gives: plugin.KeystoneToken,
	Takes: []plugin.Taken{
		{Kind: plugin.Login, Options: "auth_type: v3password"}, {Kind: plugin.BearerToken},
		{Kind: plugin.ApplicationCredential, Options: "auth_type: v3applicationcredential"},
	},
	From: "OpenStack Keystone: password, TOTP, several factors, application credential, trust, OpenID " +
		"Connect, a person's login by browser, or another token",
	Example: `prod:
  plugin: keystone
  auth_url: https://keystone.example/v3
  username: alice
  user_domain_name: Default
  password: {keyring: prod}       # jeton secret set prod
  project_name: web
  project_domain_name: Default
`,
	Adopt:         adopt,
	Ways:          ways,
	Prompts:       []string{"password", "passcode"},
	New:           func() plugin.Options { return &Options{Verify: true} },
	Aliases:       aliases,
	Imports:       imports,
	Doctor:        doctor,
	EnvName:       "env-os",
	FileVariables: []string{"OS_CLOUD"},
	Environment:   environment,
}

// aliases are other names of options, found in clouds.yaml and openrc files.
var aliases = map[string]string{
	"tenant_id":          "project_id",
	"tenant_name":        "project_name",
	"auth_plugin":        "auth_type",
	"auth_token":         "token",
	"authorization_code": "code",
	"cacert":             "ca_file",
	"cert":               "cert_file",
	"key":                "key_file",
}

// Options are the options of a keystone profile. They have the same names as in
// clouds.yaml.
type Options struct {
	AuthType string `yaml:"auth_type" help:"how to log in: v3password (default), v3totp, v3multifactor, v3applicationcredential, v3token, v3oidcclientcredentials, v3oidcpassword, v3oidcauthcode, v3oidcdeviceauthz, v3websso, v3oidcaccesstoken, v2password"`
	AuthURL  string `yaml:"auth_url" help:"Keystone's address; /v3 is appended unless it ends so, or in /v2.0"`

	Username       string           `yaml:"username" help:"user, by name and domain"`
	UserID         string           `yaml:"user_id" help:"user, by id"`
	UserDomainID   string           `yaml:"user_domain_id" help:"domain of the user, by id"`
	UserDomainName string           `yaml:"user_domain_name" help:"domain of the user, by name"`
	Password       plugin.SecretRef `yaml:"password" help:"the user's password; without it, the terminal is asked"`
	Passcode       plugin.SecretRef `yaml:"passcode" key:"-" help:"the user's current TOTP passcode; without it, the terminal is asked"`
	AuthMethods    []string         `yaml:"auth_methods" help:"the factors of v3multifactor: [v3password, v3totp] by default"`

	ApplicationCredentialID     string           `yaml:"application_credential_id" help:"application credential, by id"`
	ApplicationCredentialName   string           `yaml:"application_credential_name" help:"application credential, by name and user"`
	ApplicationCredentialSecret plugin.SecretRef `yaml:"application_credential_secret" help:"its secret"`

	Preset              string           `yaml:"preset" help:"a cloud's own values for a federated login: ovhcloud-emea or ovhcloud-world"`
	IdentityProvider    string           `yaml:"identity_provider" help:"Keystone's name of the OpenID Connect provider"`
	Protocol            string           `yaml:"protocol" help:"Keystone's name of the protocol with it, such as openid"`
	ClientID            string           `yaml:"client_id" help:"OAuth 2.0 client at the provider, such as a service account"`
	ClientSecret        plugin.SecretRef `yaml:"client_secret" help:"its secret"`
	DiscoveryEndpoint   string           `yaml:"discovery_endpoint" help:"address of the provider's openid-configuration"`
	AccessTokenEndpoint string           `yaml:"access_token_endpoint" help:"address of its token endpoint, instead of the one that is discovered"`
	AccessTokenType     string           `yaml:"access_token_type" help:"token to show to Keystone: access_token (default) or id_token"`
	OpenIDScope         string           `yaml:"openid_scope" help:"scope to ask the provider for (\"openid profile\")"`
	AccessToken         plugin.SecretRef `yaml:"access_token" help:"a token of the provider; or name a profile with from"`

	AuthorizationEndpoint string           `yaml:"authorization_endpoint" help:"the provider's authorization endpoint, instead of the one that is discovered"`
	DeviceEndpoint        string           `yaml:"device_authorization_endpoint" help:"its device authorization endpoint, likewise"`
	RedirectURI           string           `yaml:"redirect_uri" key:"-" help:"with v3oidcauthcode: the address that the client has registered (http://127.0.0.1:PORT/callback, any free port)"`
	RedirectHost          string           `yaml:"redirect_host" key:"-" help:"with v3websso: host of the address that Keystone trusts (localhost)"`
	RedirectPort          int              `yaml:"redirect_port" key:"-" help:"its port (9990); with v3oidcauthcode: that of http://localhost:PORT/callback"`
	CodeChallengeMethod   string           `yaml:"code_challenge_method" key:"-" help:"S256, which is always used"`
	Code                  plugin.SecretRef `yaml:"code" key:"-" help:"not accepted: jeton gets its own code"`
	RefreshStore          string           `yaml:"refresh_store" key:"-" help:"where to keep a person's refresh token: sealed (default), file or none"`

	IDPOTPKey string `yaml:"idp_otp_key" help:"name of the provider's form field for a passcode, with v3oidcpassword"`

	Token plugin.SecretRef `yaml:"token" help:"a token to use or to rescope; or name a profile with from"`

	ProjectID         string `yaml:"project_id" help:"project, by id"`
	ProjectName       string `yaml:"project_name" help:"project, by name and domain"`
	ProjectDomainID   string `yaml:"project_domain_id" help:"domain of the project, by id"`
	ProjectDomainName string `yaml:"project_domain_name" help:"domain of the project, by name"`
	DefaultDomain     string `yaml:"default_domain" help:"id of the domain of a user or project that names none (\"default\")"`
	DomainID          string `yaml:"domain_id" help:"instead of a project: a domain, by id"`
	DomainName        string `yaml:"domain_name" help:"instead of a project: a domain, by name"`
	SystemScope       string `yaml:"system_scope" help:"instead of a project: all, the whole cloud"`
	TrustID           string `yaml:"trust_id" help:"instead of a project: what a trust delegates to the user"`
	Unscoped          bool   `yaml:"unscoped" help:"instead of a project: true for none, as the base of other profiles"`

	RegionName         string `yaml:"region_name" help:"region, passed on to the client"`
	Interface          string `yaml:"interface" help:"public (default), internal or admin, passed on to the client"`
	IdentityAPIVersion string `yaml:"identity_api_version" key:"-" help:"3, or 2 for a cloud with nothing newer; auth_url tells it too"`
	Verify             bool   `yaml:"verify" key:"-" help:"true, the only one: certificates are always verified"`

	plainHTTP bool

	cacert   string // passed on: a client of the token has to trust the same authorities
	redirect string // where a person's browser comes back to
	from     bool   // another profile supplies a token or a login
	assumed  bool   // no domain was given, so the default one is used
}

// Complete checks o and fills in the defaults of openstackclient. Its errors have the
// code [plugin.Config].
func (o *Options) Complete(common *plugin.Common) error {
	if !o.Verify {
		return plugin.Errorf(plugin.Config,
			"verify: false (OS_INSECURE) is refused: without it anybody on the way can take the password").
			WithHint("name the cloud's certificate authority instead: cacert: /path/to/ca.pem")
	}
	o.cacert, o.from, o.plainHTTP = string(common.CAFile), common.From != "", common.PlainHTTP
	if err := o.applyPreset(); err != nil {
		return err
	}
	failures := o.locate(common.PlainHTTP)
	if !slices.Contains([]string{"", "public", "internal", "admin", "publicURL", "internalURL", "adminURL"},
		o.Interface) {
		failures = errors.Join(failures,
			plugin.Errorf(plugin.Config, "interface: must be public, internal or admin"))
	}
	m, err := o.method(o.from)
	if err != nil {
		return errors.Join(failures, err)
	}
	if !o.from {
		o.defaultDomains(m)
	}
	return errors.Join(failures, m.check(o), o.checkUnused(m), o.checkScope())
}

// locate completes AuthURL with the version of the API. It keeps the path of auth_url, as
// in https://host/identity.
func (o *Options) locate(plainHTTP bool) error {
	if o.AuthURL == "" {
		return plugin.Errorf(plugin.Config, "auth_url is missing").
			WithHint("it is Keystone's address, such as auth_url: https://auth.cloud.ovh.net/v3")
	}
	u, err := plugin.ParseURL(o.AuthURL, plainHTTP)
	if err != nil {
		return fmt.Errorf("auth_url: %w", err)
	}
	if base, ok := strings.CutSuffix(u.String(), "/auth/tokens"); ok {
		return plugin.Errorf(plugin.Config, "auth_url: it is that of the tokens, below Keystone's own").
			WithHint("auth_url: %s", base)
	}
	version, _, _ := strings.Cut(strings.TrimPrefix(o.IdentityAPIVersion, "v"), ".")
	switch hasV2, hasV3 := strings.HasSuffix(u.Path, v2Suffix), strings.HasSuffix(u.Path, "/v3"); {
	case version != "" && version != "2" && version != "3":
		return plugin.Errorf(plugin.Config, "identity_api_version: there is no %q",
			plugin.Shorten(o.IdentityAPIVersion)).
			WithHint("there are 3, and 2 of old")
	case hasV2 && version == "3", hasV2 && strings.HasPrefix(o.AuthType, "v3"):
		return plugin.Errorf(plugin.Config, "auth_url: it is that of API v2.0, and v3 is asked for").
			WithHint("if the cloud has v3 too, it is at %s", strings.TrimSuffix(u.String(), v2Suffix)+"/v3")
	case hasV3 && (version == "2" || strings.HasPrefix(o.AuthType, "v2")):
		return plugin.Errorf(plugin.Config, "auth_url: it is that of API v3, and v2.0 is asked for").
			WithHint("leave out what asks for v2.0 (auth_type, identity_api_version)")
	case hasV2, hasV3:
	case version == "2" || strings.HasPrefix(o.AuthType, "v2"):
		u = u.JoinPath(v2Suffix)
	default:
		u = u.JoinPath("v3")
	}
	o.AuthURL = u.String()
	return nil
}

// defaultDomains adds a domain to names without one, as openstackclient does
// (osc_lib/cli/client_config.py): the domain with the id in default_domain.
func (o *Options) defaultDomains(m *method) {
	if !m.defaultDomain {
		return
	}
	if o.Username != "" && o.UserDomainID == "" && o.UserDomainName == "" {
		o.UserDomainID, o.assumed = o.fallbackDomain(), true
	}
	if o.ProjectName != "" && o.ProjectDomainID == "" && o.ProjectDomainName == "" {
		o.ProjectDomainID, o.assumed = o.fallbackDomain(), true
	}
}

func (o *Options) fallbackDomain() string {
	if o.DefaultDomain != "" {
		return o.DefaultDomain
	}
	return "default"
}

// Source returns the source of tokens.
func (o *Options) Source(env *plugin.Env) plugin.Source {
	s := &source{options: o, env: env}
	if o.AuthType == "v3websso" && !o.scoped() {
		return webSSO{s}
	}
	return s
}

type source struct {
	options *Options
	env     *plugin.Env
}

// Fetch logs in with one request.
func (s *source) Fetch(ctx context.Context, prev *plugin.Credential) (*plugin.Credential, error) {
	m, err := s.options.method(s.options.from)
	if err != nil {
		return nil, err
	}
	if s.options.from && (slices.Contains(m.uses, "password") || s.options.AuthType == "v3applicationcredential") {
		return s.fetchBelow(ctx, m)
	}
	return m.fetch(ctx, s, prev)
}

// fetchBelow logs in with the user, password and project of the profile below, or with its
// application credential. If that is refused and there is a newer one, it tries that too:
// the refused one came from jeton's cache and may be out of date.
func (s *source) fetchBelow(ctx context.Context, m *method) (*plugin.Credential, error) {
	plugin.Connect(s.env.HTTP, s.options.AuthURL)
	below, err := s.env.From(ctx, false)
	if err != nil {
		return nil, err
	}
	c, err := s.loginBelow(ctx, m, below)
	if s.stale(err, below) {
		renewed, e := s.env.From(ctx, true)
		if e != nil || renewed.Password.Reveal() == below.Password.Reveal() && renewed.KeyID() == below.KeyID() {
			return nil, err
		}
		return s.loginBelow(ctx, m, renewed)
	}
	return c, err
}

func (s *source) loginBelow(ctx context.Context, m *method, below *plugin.Credential) (*plugin.Credential, error) {
	if s.options.AuthType == "v3applicationcredential" {
		return s.loginAppCred(ctx, m, below)
	}
	if below.Password.IsZero() {
		return nil, plugin.Errorf(plugin.Config, "from: that profile gives no password, which auth_type %s needs",
			s.options.AuthType).
			WithHint("name one that gives a name and a password, or leave auth_type out if it gives a token")
	}
	o := *s.options
	o.from, o.Password = false, plugin.LiteralSecret(below.Password)
	a := below.Attrs
	if o.Username == "" && o.UserID == "" {
		o.Username, o.UserID = a[plugin.AttrUserName], a[plugin.AttrUserID]
	}
	if o.UserDomainID == "" && o.UserDomainName == "" {
		o.UserDomainID, o.UserDomainName = a[plugin.AttrUserDomainID], a[plugin.AttrUserDomainName]
	}
	if len(o.scopes()) == 0 {
		o.ProjectID, o.ProjectName = a[plugin.AttrProjectID], a[plugin.AttrProjectName]
		if o.ProjectDomainID == "" && o.ProjectDomainName == "" {
			o.ProjectDomainID, o.ProjectDomainName = a[plugin.AttrProjectDomainID], a[plugin.AttrProjectDomainName]
		}
	}
	if o.RegionName == "" {
		o.RegionName = a[plugin.AttrRegionName]
	}
	o.defaultDomains(m)
	if err := m.check(&o); err != nil {
		return nil, fmt.Errorf("from: %w", err)
	}
	return m.fetch(ctx, &source{options: &o, env: s.env}, nil)
}

// loginAppCred logs in with below, an application credential.
func (s *source) loginAppCred(ctx context.Context, m *method, below *plugin.Credential) (*plugin.Credential, error) {
	o := *s.options
	switch {
	case below.Kind() != plugin.ApplicationCredential:
		return nil, plugin.Errorf(plugin.Config, "from: that profile gives no application credential, which auth_type "+
			"%s needs", o.AuthType).
			WithHint("name one of plugin keystone-appcred")
	case below.Attrs[plugin.AttrAuthURL] != o.AuthURL:
		return nil, plugin.Errorf(plugin.Config, "from: the application credential of that profile is for another "+
			"Keystone, %s", below.Attrs[plugin.AttrAuthURL]).
			WithHint("both profiles need the same auth_url")
	}
	o.from, o.ApplicationCredentialID = false, below.KeyID()
	o.ApplicationCredentialSecret = plugin.LiteralSecret(below.SecretKey)
	if o.RegionName == "" {
		o.RegionName = below.Attrs[plugin.AttrRegionName]
	}
	return m.fetch(ctx, &source{options: &o, env: s.env}, nil)
}
