package keystone

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/jeton-cli/jeton/plugin"
)

// A method is a way to log in: an auth_type.
type method struct {
	// uses are the login options of this method. Those of other methods are refused, as
	// they would silently be ignored.
	uses []string
	// defaultDomain means that names without a domain get the default one.
	defaultDomain bool
	// check returns an error if an option is missing or does not fit.
	check func(o *Options) error
	// fetch logs in.
	fetch func(ctx context.Context, s *source, prev *plugin.Credential) (*plugin.Credential, error)
}

var methods = map[string]*method{
	// The passcode is for a user from whom Keystone wants more than a password.
	"v3password": {[]string{"username", "user_id", "password", "passcode"}, true, checkPassword,
		fetchLogin},
	"v3totp": {[]string{"username", "user_id", "password", "passcode"}, true, (*Options).checkUser,
		fetchLogin},
	"v3multifactor": {slices.Concat([]string{"auth_methods", "password", "passcode", "token"}, applicationCredential),
		true, checkMultiFactor, fetchLogin},
	"v3applicationcredential": {applicationCredential, true, checkApplicationCredential, fetchLogin},
	"v3token":                 {[]string{"token"}, false, checkToken, fetchToken},
	"v3oidcclientcredentials": {slices.Concat(provider, client), false, checkFederated("client_id", "client_secret"),
		fetchFederated},
	"v3oidcpassword": {slices.Concat(provider, client, []string{"username", "password", "idp_otp_key", "passcode"}),
		false, checkFederated("client_id", "username"), fetchFederated},
	"v3oidcauthcode": {slices.Concat(provider, client, []string{"authorization_endpoint", "redirect_uri",
		"redirect_port", "refresh_store", "code"}), false, checkFederated("client_id"), fetchFederated},
	"v3oidcdeviceauthz": {slices.Concat(provider, client, []string{"device_authorization_endpoint",
		"code_challenge_method", "refresh_store"}), false, checkFederated("client_id"), fetchFederated},
	"v3websso": {slices.Concat(provider, []string{"redirect_host", "redirect_port", "username"}), false, checkWebSSO,
		fetchFederated},
	"v3oidcaccesstoken": {slices.Concat(provider, []string{"access_token"}), false, checkFederated(), fetchFederated},
	"v2password":        {[]string{"username", "user_id", "password"}, false, checkV2, fetchV2},
}

// Options of a federated login: provider has those that name the provider in Keystone,
// client those of the login at the provider.
var (
	provider = []string{"identity_provider", "protocol"}
	client   = []string{"client_id", "client_secret", "discovery_endpoint", "access_token_endpoint",
		"access_token_type", "openid_scope"}
)

// applicationCredential are the options of an application credential. It may be
// identified by its user and name instead of its id.
var applicationCredential = []string{"username", "user_id", "application_credential_id", "application_credential_name",
	"application_credential_secret"}

// versionless maps keystoneauth's names that leave the version to discovery to the ones
// that jeton uses.
var versionless = map[string]string{"password": "v3password", "token": "v3token"}

// proper returns keystoneauth's full name for an auth_type.
func proper(name string) string {
	if v3, ok := versionless[name]; ok {
		return v3
	}
	return name
}

// method returns the way to log in that o asks for. from means that another profile
// supplies a token or a login. method returns an error if the auth_type is unknown or
// does not go with from.
func (o *Options) method(from bool) (*method, error) {
	name := o.AuthType
	switch {
	case o.v2() && (name == "" || name == "password"):
		name = "v2password"
	case name != "":
	case from, !o.Token.IsZero():
		name = "v3token"
	case o.ApplicationCredentialID != "", !o.ApplicationCredentialSecret.IsZero():
		name = "v3applicationcredential"
	default:
		name = "v3password"
	}
	name = proper(name)
	m, ok := methods[name]
	if !ok {
		names := slices.Sorted(maps.Keys(methods))
		e := plugin.Errorf(plugin.Config, "auth_type %q is not known", plugin.Shorten(name))
		if nearest := plugin.Nearest(name, names); nearest != "" {
			return nil, e.WithMeant(name, nearest)
		}
		return nil, e.WithHint("there are: %s", strings.Join(names, ", "))
	}
	o.AuthType = name
	if from && !slices.Contains([]string{"v3token", "v3oidcaccesstoken", "v3password", "v2password",
		"v3applicationcredential"}, name) {
		return nil, plugin.Errorf(plugin.Config, "from does not go with auth_type %s", name).
			WithHint("a token of another profile is used by auth_type: v3token, or v3oidcaccesstoken if it is no " +
				"Keystone's; its login by v3password; its application credential by v3applicationcredential")
	}
	return m, nil
}

// fetchLogin shows Keystone the factors of the auth_type in one request.
func fetchLogin(ctx context.Context, s *source, prev *plugin.Credential) (*plugin.Credential, error) {
	if s.options.shared() {
		return fetchToken(ctx, s, prev)
	}
	factors, err := s.proofs(ctx, s.options.factors())
	if err != nil {
		return nil, err
	}
	return s.login(ctx, factors...)
}

func checkPassword(o *Options) error {
	if o.from && !o.Password.IsZero() {
		return plugin.Errorf(plugin.Config, "password and from are two logins").WithHint("leave one of them out")
	}
	if o.from { // the login of that profile is not known yet
		return nil
	}
	if err := o.checkUser(); err != nil {
		return err
	}
	return nil // without a password, the person is asked
}

func checkMultiFactor(o *Options) error {
	if o.AuthMethods == nil {
		o.AuthMethods = slices.Clone(defaultFactors)
	}
	for i, name := range o.AuthMethods {
		name = proper(name)
		o.AuthMethods[i] = name
		f, ok := factors[name]
		if !ok {
			return plugin.Errorf(plugin.Config, "auth_methods: %q is no factor that jeton knows", plugin.Shorten(name)).
				WithHint("there are: %s", strings.Join(slices.Sorted(maps.Keys(factors)), ", "))
		}
		if slices.Contains(o.AuthMethods[:i], name) {
			return plugin.Errorf(plugin.Config, "auth_methods: %s is there twice", name)
		}
		if err := f.check(o); err != nil {
			return err
		}
	}
	return nil
}

func checkApplicationCredential(o *Options) error {
	if o.from {
		return o.checkAppCredBelow()
	}
	if o.ApplicationCredentialSecret.IsZero() {
		return missing(o, "application_credential_secret")
	}
	if o.ApplicationCredentialID == "" {
		if o.ApplicationCredentialName == "" {
			return missing(o, "application_credential_id")
		}
		if err := o.checkUser(); err != nil {
			return plugin.AsError(err).WithHint("an application credential by name belongs to a user; by " +
				"application_credential_id it needs none")
		}
	}
	return o.checkNoScope()
}

// checkAppCredBelow checks a login with the application credential of the profile below.
func (o *Options) checkAppCredBelow() error {
	if o.ApplicationCredentialID != "" || o.ApplicationCredentialName != "" || !o.ApplicationCredentialSecret.IsZero() {
		return plugin.Errorf(plugin.Config, "an application credential and from are two logins").
			WithHint("leave one of them out")
	}
	return o.checkNoScope()
}

func (o *Options) checkNoScope() error {
	if scopes := o.scopes(); len(scopes) > 0 {
		return plugin.Errorf(plugin.Config,
			"an application credential belongs to one project, and Keystone refuses it with a scope").
			WithHint("leave %s out", strings.Join(scopes, ", "))
	}
	return nil
}

func checkToken(o *Options) error {
	if !o.Token.IsZero() && o.from {
		return twoTokens("token")
	}
	if o.Token.IsZero() && !o.from {
		return plugin.Errorf(plugin.Config, "token is missing, which auth_type %s needs", o.AuthType).
			WithHint("write token: {env: NAME}, or from: PROFILE for the token of another profile")
	}
	return nil
}

func twoTokens(option string) error {
	return plugin.Errorf(plugin.Config, "%s and from are two tokens", option).WithHint("leave one of them out")
}

// fetchToken uses a token that someone else obtained. With a project, it exchanges the
// token for one of that project, which keeps the expiry of the first. Without, it
// validates the token and passes it on unchanged.
func fetchToken(ctx context.Context, s *source, prev *plugin.Credential) (*plugin.Credential, error) {
	parent, err := s.parent(ctx, false)
	if err != nil {
		return nil, err
	}
	if prev != nil && !s.env.Refresh && !parent.Expires.IsZero() && !parent.Expires.After(prev.Expires) {
		return prev, nil // an exchange would not bring a later expiry
	}
	c, err := s.exchange(ctx, parent)
	if s.stale(err, parent) {
		// Keystone also answers 401 if the user may not have the scope.
		if _, e := getToken(ctx, s.client(parent.Token), parent.Token); e == nil {
			return nil, err
		}
		renewed, e := s.parent(ctx, true)
		if e != nil || renewed.Token.Reveal() == parent.Token.Reveal() {
			return nil, err
		}
		parent = renewed
		c, err = s.exchange(ctx, parent)
	}
	if err != nil {
		return nil, err
	}
	c.Fixed = parent.Fixed
	return c, nil
}

// stale reports whether err may mean that the credential below is out of date: it came
// from jeton's cache and may have been revoked since. One issued within the last 10
// seconds is not stale.
func (s *source) stale(err error, below *plugin.Credential) bool {
	var e *plugin.Error
	return errors.As(err, &e) && e.Invalid && s.env.From != nil && time.Since(below.Issued) > 10*time.Second
}

// exchange trades the parent token for one with the profile's scope. Without a scope, it
// only validates the token.
func (s *source) exchange(ctx context.Context, parent *plugin.Credential) (*plugin.Credential, error) {
	token := parent.Token
	o := s.options
	switch {
	case len(o.scopes()) == 0:
		return s.validate(ctx, token)
	case o.ProjectName != "" && o.ProjectID == "" && o.ProjectDomainID == "" && o.ProjectDomainName == "":
		return nil, s.withProjects(ctx, token,
			plugin.Errorf(plugin.Config, "project_name %q needs a domain", o.ProjectName),
			"add project_domain_id or project_domain_name")
	}
	return s.login(ctx, factor{method: "token", identity: map[string]any{"id": token.Reveal()}, secret: token})
}

// parent returns the token to start from: that of the profile below, or one given in the
// profile, about which nothing else is known. With renew, it asks the profile below for a
// newer one.
func (s *source) parent(ctx context.Context, renew bool) (*plugin.Credential, error) {
	if s.env.From == nil {
		token, err := s.options.Token.ResolveAs(ctx, "token", s.env)
		return &plugin.Credential{Token: token, Fixed: s.options.Token.InKey()}, err
	}
	c, err := s.env.From(ctx, renew)
	if err != nil {
		return nil, err
	}
	if c.Token.IsZero() || c.Attrs[plugin.AttrAuthURL] == "" {
		return nil, notKeystone()
	}
	if c.Attrs[plugin.AttrAuthURL] != s.options.AuthURL {
		return nil, plugin.Errorf(plugin.Config, "from: the token of that profile is for another Keystone, %s",
			c.Attrs[plugin.AttrAuthURL]).
			WithHint("both profiles need the same auth_url")
	}
	if kind := c.Attrs[plugin.AttrDelegated]; kind != "" {
		return nil, delegated(kind, "exchange it for another token")
	}
	return c, nil
}

// notKeystone returns the error for a profile below that gives no Keystone token.
func notKeystone() error {
	return plugin.Errorf(plugin.Config, "from: that profile gives no Keystone token").
		WithHint("name a profile of plugin keystone")
}

// user returns the user object of an authentication request.
func (o *Options) user() map[string]any {
	if o.UserID != "" {
		return map[string]any{"id": o.UserID}
	}
	return map[string]any{"name": o.Username, "domain": domain(o.UserDomainID, o.UserDomainName)}
}

// scopes returns the options that choose a scope, at most one for each kind.
func (o *Options) scopes() (names []string) {
	for _, scope := range []struct {
		name string
		set  bool
	}{
		{"project_id", o.ProjectID != ""},
		{"project_name", o.ProjectName != "" && o.ProjectID == ""}, // an id beats a name, as in keystoneauth
		{"domain_id", o.DomainID != ""},
		{"domain_name", o.DomainName != "" && o.DomainID == ""},
		{"system_scope", o.SystemScope != ""},
		{"trust_id", o.TrustID != ""},
		{"unscoped", o.Unscoped},
	} {
		if scope.set {
			names = append(names, scope.name)
		}
	}
	return names
}

func (o *Options) checkScope() error {
	if o.SystemScope != "" && o.SystemScope != "all" {
		return plugin.Errorf(plugin.Config, "system_scope: there is only one system: all")
	}
	if names := o.scopes(); len(names) > 1 {
		return plugin.Errorf(plugin.Config, "%s are different scopes, and a token has one",
			strings.Join(names, " and ")).
			WithHint("leave all but one out; from: makes several tokens of one login")
	}
	return nil
}

// scope returns the scope object of an authentication request. It is nil if Keystone
// should use its own choice, the user's default project.
func (o *Options) scope() map[string]any {
	switch {
	case o.ProjectID != "":
		return map[string]any{"project": map[string]any{"id": o.ProjectID}}
	case o.ProjectName != "":
		return map[string]any{"project": map[string]any{"name": o.ProjectName,
			"domain": domain(o.ProjectDomainID, o.ProjectDomainName)}}
	case o.DomainID != "", o.DomainName != "":
		return map[string]any{"domain": domain(o.DomainID, o.DomainName)}
	case o.SystemScope != "":
		return map[string]any{"system": map[string]any{"all": true}}
	case o.TrustID != "":
		return map[string]any{"OS-TRUST:trust": map[string]any{"id": o.TrustID}}
	case o.Unscoped:
		return map[string]any{"unscoped": map[string]any{}}
	}
	return nil
}

func domain(id, name string) map[string]any {
	if id != "" {
		return map[string]any{"id": id}
	}
	return map[string]any{"name": name}
}

func (o *Options) checkUser() error {
	if o.Username == "" && o.UserID == "" {
		return missing(o, "username")
	}
	return nil
}

// checkUnused returns an error for an option that the auth_type would silently ignore.
func (o *Options) checkUnused(m *method) (failures error) {
	for _, name := range plugin.SetOptions(o) {
		if isLogin(name) && !slices.Contains(m.uses, name) {
			failures = errors.Join(failures,
				plugin.Errorf(plugin.Config, "%s has no meaning with auth_type %s", name, o.AuthType).
					WithHint("leave it out, or choose another auth_type"))
		}
	}
	return failures
}

// isLogin reports whether the option is part of a login.
func isLogin(option string) bool {
	for _, m := range methods {
		if slices.Contains(m.uses, option) {
			return true
		}
	}
	return false
}

func missing(o *Options, option string) error {
	return plugin.Errorf(plugin.Config, "%s is missing, which auth_type %s needs", option, o.AuthType)
}
