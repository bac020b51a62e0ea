// Package outscale creates expiring access keys for 3DS Outscale.
//
// https://docs.outscale.com/api
package outscale

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/jeton-cli/jeton/plugin"
)

// Issuer gives access keys that expire. Outscale reveals their secret only once, so jeton
// keeps a ledger of the keys it creates.
var Issuer = plugin.Issuer{
	Name:  "outscale",
	Gives: plugin.AccessKey,
	From:  "Outscale, by an access key or a login: keys that expire, made, rotated and removed by jeton",
	Example: `osc:
  plugin: outscale
  region: eu-west-2
  access_key: ABCDEFGHIJ0123456789
  secret_key: {keyring: osc}      # jeton secret set osc
`,
	Adopt: adopt,
	Ways:  ways,
	Mints: true,
	Marks: true,
	New:   func() plugin.Options { return &Options{} },
	Imports: []plugin.Import{{Name: "outscale",
		Help:  "Take over profiles of Outscale's config.json, or what OSC_ variables say.",
		Words: []string{"osc"}, New: func() plugin.Importer { return &importConfig{} }, Find: findConfig,
		Open: plugin.Opens(func(path string) plugin.Importer { return &importConfig{Args: []string{path}} },
			".json")}},
	EnvName:       "env-osc",
	FileVariables: []string{"OSC_PROFILE"},
	Environment:   environment,
}

// Options are the options of an outscale profile. They have the same names as in
// ~/.osc/config.json.
type Options struct {
	Region    string           `yaml:"region" help:"region, such as eu-west-2 (the default)"`
	Endpoint  string           `yaml:"endpoint" help:"address of the API, instead of the region's own; or that of OOS, for S3 clients"`
	AccessKey string           `yaml:"access_key" help:"the access key to log in with"`
	SecretKey plugin.SecretRef `yaml:"secret_key" help:"its secret key"`
	Login     string           `yaml:"login" help:"email address to log in with, instead of an access key"`
	Password  plugin.SecretRef `yaml:"password" help:"its password"`
	UserName  string           `yaml:"user_name" help:"EIM user that the keys are for; by default, whoever logs in"`
	Lifetime  time.Duration    `yaml:"lifetime" help:"lifetime of a key, at least 1m (1h)"`
	Expires   string           `yaml:"expires" help:"instead of lifetime: the date by which all keys expire, 2026-12-31 (in UTC) or 2026-12-31T18:00:00Z; each up to 10 minutes before"`
	Tag       string           `yaml:"tag" help:"what the tags of the keys begin with (\"jeton\")"`

	objectStore string    // the address given to S3 clients, or empty
	end         time.Time // Expires, or zero
}

const (
	defaultRegion   = "eu-west-2"
	defaultLifetime = time.Hour
)

// Complete checks o and fills in the defaults. Its errors have the code [plugin.Config].
func (o *Options) Complete(common *plugin.Common) error {
	var from error
	if common.From != "" {
		from = plugin.Errorf(plugin.Config, "from does not go with plugin outscale, which logs in by itself")
	}
	failures := errors.Join(from, checkLogin(o.AccessKey, o.SecretKey, o.Login, o.Password),
		o.completeEndpoint(common), o.completeLife())
	if failures != nil {
		return failures
	}
	for name, d := range map[string]time.Duration{"max_ttl": common.MaxTTL, "renew_after": common.RenewAfter} {
		if d > 0 && !o.end.IsZero() {
			return plugin.Errorf(plugin.Config,
				"%s: it does not go with expires: a key that was replaced takes up one of ten places until that date",
				name).
				WithHint("leave it out, or say lifetime instead of expires")
		}
		if d > 0 && d < o.Lifetime/5 {
			return plugin.Errorf(plugin.Config,
				"%s: at least a fifth of lifetime, %s: a key that was replaced takes up one of ten places "+
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

// completeLife fills in how long keys live, or until when.
func (o *Options) completeLife() (err error) {
	switch {
	case o.Expires != "" && o.Lifetime != 0:
		return plugin.Errorf(plugin.Config, "expires: lifetime is there too, and says how long a key lives").
			WithHint("leave one of them out")
	case o.Expires != "":
		if o.end, err = parseDate(o.Expires); err != nil {
			return plugin.Errorf(plugin.Config, "expires: must be a date, such as 2026-12-31 or 2026-12-31T18:00:00Z")
		}
		return nil
	case o.Lifetime == 0:
		o.Lifetime = defaultLifetime
	case o.Lifetime < time.Minute:
		return plugin.Errorf(plugin.Config, "lifetime: at least 1m")
	}
	return nil
}

// completeEndpoint fills in the region and the endpoint, each from the other if need be.
func (o *Options) completeEndpoint(common *plugin.Common) error {
	endpoint, err := parseEndpoint(o.Endpoint, common)
	if err != nil {
		return err
	}
	service, region := "", ""
	if endpoint != nil {
		service, region = splitHost(endpoint.Hostname())
	}
	if o.Region == "" {
		o.Region = region
	}
	if o.Region == "" {
		o.Region = defaultRegion
	}
	if !plugin.Word(o.Region, "-") {
		return plugin.Errorf(plugin.Config, "region: %q is none", plugin.Shorten(o.Region)).
			WithHint("a region is such as eu-west-2")
	}
	if endpoint == nil {
		endpoint = &url.URL{Scheme: "https", Host: "api." + o.Region + ".outscale.com"}
		service = "api"
	}
	switch service {
	case "api":
		if o.UserName == "" { // OOS does not accept the keys of EIM users
			o.objectStore = endpoint.Scheme + "://oos" + strings.TrimPrefix(endpoint.Host, "api")
		}
	case "oos": // the API is at the host next to it
		o.objectStore = endpoint.String()
		endpoint = &url.URL{Scheme: endpoint.Scheme, Host: "api" + strings.TrimPrefix(endpoint.Host, "oos")}
	case "fcu", "lbu", "eim", "icu", "directlink":
		return plugin.Errorf(plugin.Config, "endpoint: %s is not the API that makes access keys", endpoint.Host).
			WithHint("that is https://api.%s.outscale.com", o.Region)
	}
	if endpoint.Path == "" {
		endpoint.Path = "/api/v1"
	}
	o.Endpoint = endpoint.String()
	return nil
}

func parseEndpoint(text string, common *plugin.Common) (*url.URL, error) {
	if text == "" {
		return nil, nil
	}
	if !strings.Contains(text, "://") { // older files of Outscale's tools leave the scheme out
		text = "https://" + text
	}
	u, err := plugin.ParseURL(text, common.PlainHTTP)
	if err != nil {
		return nil, fmt.Errorf("endpoint: %w", err)
	}
	return u, nil
}

// splitHost returns the service that a host is named after, and the region if the host is
// one of Outscale's own.
func splitHost(host string) (service, region string) {
	service, rest, _ := strings.Cut(host, ".")
	region, own := strings.CutSuffix(rest, ".outscale.com")
	if !own {
		region = ""
	}
	return service, region
}

// checkLogin returns an error unless there is exactly one login, and it is complete.
func checkLogin(accessKey string, secretKey plugin.SecretRef, login string, password plugin.SecretRef) error {
	byKey, byLogin := accessKey != "" || !secretKey.IsZero(), login != "" || !password.IsZero()
	switch {
	case byKey && byLogin:
		return plugin.Errorf(plugin.Config, "access_key and login exclude each other: both are ways to log in")
	case byKey && accessKey == "":
		return plugin.Errorf(plugin.Config, "access_key is missing, to which secret_key belongs")
	case byKey && secretKey.IsZero():
		return plugin.Errorf(plugin.Config, "secret_key is missing, which belongs to access_key")
	case byLogin && login == "":
		return plugin.Errorf(plugin.Config, "login is missing, to which password belongs")
	case byLogin && password.IsZero():
		return plugin.Errorf(plugin.Config, "password is missing, which belongs to login")
	case !byKey && !byLogin:
		return plugin.Errorf(plugin.Config, "access_key and secret_key are missing").
			WithHint("Cockpit shows them; login and password will do instead")
	}
	return nil
}

// ObjectStore returns the region and address of the S3 service, OOS. The address is empty
// if OOS does not accept the keys or its address is not known.
func (o *Options) ObjectStore() (region, endpoint string) { return o.Region, o.objectStore }

// Source returns the source of access keys.
func (o *Options) Source(env *plugin.Env) plugin.Source {
	s := &source{options: o, env: env}
	s.Minter = plugin.Minter{Env: env, Open: s.open}
	return s
}

type source struct {
	plugin.Minter
	options *Options
	env     *plugin.Env
}

// Fetch makes a key. The key lives as long as the profile says, or less if the account's
// policy does not allow that.
func (s *source) Fetch(ctx context.Context, _ *plugin.Credential) (*plugin.Credential, error) {
	o := s.options
	api, err := s.api(ctx)
	if err != nil {
		return nil, err
	}
	longest, err := api.longestLife(ctx)
	if err != nil {
		return nil, err
	}
	order := o.order()
	if order.Life < time.Minute { // which only a date can bring about
		return nil, plugin.Errorf(plugin.Config, "expires: %s is past, or too near", o.Expires).
			WithHint("write a later date into the profile")
	}
	if longest -= min(5*time.Minute, longest/10); longest > 0 && longest < order.Life { // clocks differ
		s.env.Log("%s: the account's policy does not let keys live longer than %s", s.env.Profile, longest)
		order.Life = longest
	}
	c, err := s.env.Ledger.Mint(ctx, order, &keys{options: o, api: api}, s.env.Refresh)
	if err != nil {
		return nil, err
	}
	c.Fixed = !o.end.IsZero() && order.Life >= time.Until(o.end)-time.Minute
	if o.UserName != "" && o.objectStore != "" {
		s.env.Warn("%s: OOS takes the keys of the account itself, and none of an EIM user such as %s", s.env.Profile,
			o.UserName)
	}
	return c, nil
}

// order describes the keys to make: where, for whom, how long they live, and their tag.
func (o *Options) order() plugin.Order {
	subject := o.AccessKey + o.Login
	if o.UserName != "" {
		subject = o.UserName + " by " + subject
	}
	life := o.Lifetime
	if !o.end.IsZero() {
		life = time.Until(o.end)
	}
	return plugin.Order{Issuer: o.Endpoint, Subject: subject, Life: life, Tag: o.Tag + ":"}
}

// open calls do with the keys of the profile's user.
func (s *source) open(ctx context.Context, do func(plugin.Order, plugin.Keys) error) error {
	api, err := s.api(ctx)
	if err != nil {
		return err
	}
	return do(s.options.order(), &keys{options: s.options, api: api})
}

// api returns the API with the profile's login.
func (s *source) api(ctx context.Context) (*api, error) {
	o := s.options
	a := &api{env: s.env, base: o.Endpoint, region: o.Region, accessKey: o.AccessKey, login: o.Login}
	var err error
	if o.AccessKey != "" {
		a.secret, err = o.SecretKey.ResolveAs(ctx, "secret_key", s.env)
	} else {
		a.secret, err = o.Password.ResolveAs(ctx, "password", s.env)
	}
	return a, err
}

// Inspect checks with a dry run whether the profile may make keys, and lists the existing
// ones.
func (s *source) Inspect(ctx context.Context, _ func() (*plugin.Credential, error)) ([]plugin.Table, error) {
	o := s.options
	api, err := s.api(ctx)
	if err != nil {
		return nil, err
	}
	k := &keys{options: o, api: api}
	if _, err := k.List(ctx); err != nil {
		return nil, err
	}
	longest, err := api.longestLife(ctx)
	if err != nil {
		return nil, err
	}
	if err := k.check(ctx); err != nil {
		return nil, err
	}
	user, limit := o.UserName, "none"
	if user == "" {
		user = "whoever logs in"
	}
	if longest > 0 {
		limit = longest.String()
	}
	identity := plugin.Table{Name: "account", Columns: []string{"what", "value"}, Rows: [][]string{
		{"api", o.Endpoint}, {"login", o.AccessKey + o.Login}, {"keys for", user}, {"may make keys", "yes"},
		{"longest life of a key", limit},
	}}
	table := plugin.Table{Name: "access keys", Columns: []string{"id", "state", "created", "expires", "tag"}}
	for _, key := range k.there {
		expires := "never"
		if !key.expires().IsZero() {
			expires = key.expires().UTC().Format(time.RFC3339)
		}
		table.Rows = append(table.Rows, []string{key.ID, strings.ToLower(key.State), key.created(), expires, key.Tag})
	}
	return []plugin.Table{identity, table}, nil
}

// longestLife returns the longest life that the account allows its keys, or 0 if no limit
// is known.
func (a *api) longestLife(ctx context.Context) (time.Duration, error) {
	var answer struct {
		Policy struct {
			Seconds int64 `json:"MaxAccessKeyExpirationSeconds"`
		} `json:"ApiAccessPolicy"`
	}
	err := a.call(ctx, "ReadApiAccessPolicy", struct{}{}, &answer)
	if refused(err) == forbidden {
		return 0, nil // the user may not ask; later calls will tell
	}
	if s := answer.Policy.Seconds; s > 0 && s < int64(100*365*24*time.Hour/time.Second) {
		return time.Duration(s) * time.Second, nil
	}
	return 0, err
}

// environment reads the variables of Outscale's own tools. OSC_PROFILE names a profile in
// ~/.osc/config.json that supplies what the variables leave out.
func environment(getenv func(string) string) (map[string]plugin.Value, bool, error) {
	values := map[string]plugin.Value{}
	for _, v := range variables {
		if text := getenv(v.name); text != "" {
			values[v.option] = plugin.Value{Variable: v.name, Key: v.name, Text: text}
		}
	}
	if name := getenv("OSC_PROFILE"); name != "" {
		f, err := ReadConfig(getenv("OSC_CONFIG_FILE"))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, false, err
		}
		if err == nil {
			profile, err := f.values(name)
			if err != nil {
				return nil, false, err
			}
			merge(values, profile)
		}
	}
	if hasLogin(values) {
		if err := method(values, getenv("OSC_AUTH_METHOD")); err != nil {
			return nil, false, err
		}
	}
	if !hasLogin(values) {
		return nil, false, nil // a region alone is not an identity
	}
	for _, name := range []string{"OSC_X509_CLIENT_CERT_B64", "OSC_X509_CLIENT_KEY_B64"} {
		if getenv(name) != "" {
			return nil, false, plugin.Errorf(plugin.Config, "%s is not supported", name).
				WithHint("write the certificate and the key to files, and name them: OSC_X509_CLIENT_CERT and " +
					"OSC_X509_CLIENT_KEY")
		}
	}
	byKey, byLogin := identity(values)
	return values, byKey || byLogin, nil
}

// logins are the options of the two ways to log in.
var logins = []string{"access_key", "secret_key", "login", "password"}

// merge adds to values the options that only more has. It never combines parts of both
// into one login.
func merge(values, more map[string]plugin.Value) {
	own := hasLogin(values)
	for option, v := range more {
		if values[option].Text == "" && !(own && slices.Contains(logins, option)) {
			values[option] = v
		}
	}
}

// hasLogin reports whether values holds any part of a login.
func hasLogin(values map[string]plugin.Value) bool {
	return slices.ContainsFunc(logins, func(option string) bool { return values[option].Text != "" })
}

// variables are the environment variables that Outscale's tools read, each with the
// option that it sets.
//
// https://docs.outscale.com/en/userguide/Installing-and-Configuring-OSC-CLI.html
var variables = []struct{ option, name string }{
	{"access_key", "OSC_ACCESS_KEY"}, {"secret_key", "OSC_SECRET_KEY"}, {"login", "OSC_LOGIN"},
	{"password", "OSC_PASSWORD"},
	{"region", "OSC_REGION"}, {"endpoint", "OSC_ENDPOINT_API"}, {"cert_file", "OSC_X509_CLIENT_CERT"},
	{"key_file", "OSC_X509_CLIENT_KEY"},
}

// method leaves only the login for the named method in values. The names are those of
// Outscale's tools. Without a name, an access key takes precedence over a password.
func method(values map[string]plugin.Value, name string) error {
	drop := func(options ...string) {
		for _, o := range options {
			delete(values, o)
		}
	}
	byKey, byLogin := identity(values)
	switch name {
	case "accesskey":
		drop("login", "password")
	case "basic", "password":
		drop("access_key", "secret_key")
	case "none":
		drop(logins...)
	case "":
		if byKey {
			drop("login", "password")
		} else if byLogin {
			drop("access_key", "secret_key")
		}
	default:
		return plugin.Errorf(plugin.Config, "OSC_AUTH_METHOD: there is no %q", plugin.Shorten(name)).
			WithHint("there are: accesskey, password, none")
	}
	return nil
}

// identity reports which complete logins values holds.
func identity(values map[string]plugin.Value) (byKey, byLogin bool) {
	has := func(option string) bool { return values[option].Text != "" }
	return has("access_key") && has("secret_key"), has("login") && has("password")
}
