// Package cloudmc reads service credentials from a CloudMC portal, such as cloud.ca's.
// The portal calls them the API keys of a service.
//
// https://cloud-ca.github.io/api-docs/
package cloudmc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/jeton-cli/jeton/plugin"
)

// Issuer gives the access key, or the user name and password, that a portal keeps for a
// service.
var Issuer = plugin.Issuer{
	Name:  "cloudmc",
	Gives: plugin.AccessKey | plugin.Login,
	From: "cloud.ca or another CloudMC portal: the service API keys of an environment, for S3 or as the login of a " +
		"keystone profile",
	Example: `portal:
  plugin: cloudmc
  api_key: {keyring: cloud.ca}    # jeton secret set cloud.ca
  connection_id: 01234567-89ab-cdef-0123-456789abcdef
  environment_id: 89abcdef-0123-4567-89ab-cdef01234567
`,
	Ways: ways,
	New:  func() plugin.Options { return &Options{} },
}

// Options are the options of a cloudmc profile.
type Options struct {
	APIURL        string            `yaml:"api_url" help:"address of the portal's API (https://api.cloud.ca/v1)"`
	APIKey        plugin.SecretRef  `yaml:"api_key" help:"your API key of the portal"`
	ConnectionID  string            `yaml:"connection_id" help:"the service connection; jeton inspect lists them"`
	EnvironmentID string            `yaml:"environment_id" help:"the environment; jeton inspect lists them"`
	Fields        map[string]string `yaml:"fields" help:"what the portal's fields are: {their name: our name}; names that are ours need no entry"`
}

// cloudCA is the address of cloud.ca's API.
const cloudCA = "https://api.cloud.ca/v1"

// Jeton's names for fields, apart from those in attributes.
const (
	accessKey = "access_key"
	secretKey = "secret_key"
	username  = "username"
	password  = "password"
)

// attributes are jeton's other names for fields: they become attributes of the
// credential.
var attributes = []string{
	plugin.AttrRegion, plugin.AttrEndpoint, plugin.AttrUserID, plugin.AttrUserDomainID, plugin.AttrUserDomainName,
	plugin.AttrProjectID, plugin.AttrProjectName, plugin.AttrProjectDomainID, plugin.AttrProjectDomainName,
	plugin.AttrRegionName,
}

// names returns all of jeton's names for fields.
func names() []string {
	return slices.Concat([]string{accessKey, secretKey, username, password}, attributes)
}

// Complete checks o and fills in the default address. Its errors have the code
// [plugin.Config].
func (o *Options) Complete(common *plugin.Common) (failures error) {
	if common.From != "" {
		failures = plugin.Errorf(plugin.Config, "from does not go with plugin cloudmc, which logs in by itself")
	}
	if o.APIKey.IsZero() {
		failures = errors.Join(failures,
			plugin.Errorf(plugin.Config, "api_key is missing").WithHint("the portal shows it under API credentials"))
	}
	if o.APIURL == "" {
		o.APIURL = cloudCA
	}
	u, err := plugin.ParseURL(o.APIURL, common.PlainHTTP)
	if err != nil {
		return errors.Join(failures, fmt.Errorf("api_url: %w", err))
	}
	o.APIURL = u.String()
	return errors.Join(failures, o.checkFields())
}

// checkFields returns an error if fields names what jeton does not have, or has something
// twice.
func (o *Options) checkFields() error {
	given := map[string]string{}
	for _, theirs := range slices.Sorted(maps.Keys(o.Fields)) {
		ours := o.Fields[theirs]
		if !slices.Contains(names(), ours) {
			e := plugin.Errorf(plugin.Config, "fields: %s: there is no %q", plugin.Shorten(theirs),
				plugin.Shorten(ours))
			if nearest := plugin.Nearest(ours, names()); nearest != "" {
				return e.WithMeant(ours, nearest)
			}
			return e.WithHint("there are: %s", strings.Join(names(), ", "))
		}
		if other, ok := given[ours]; ok {
			return plugin.Errorf(plugin.Config, "fields: %s and %s are both %s", plugin.Shorten(other),
				plugin.Shorten(theirs), ours)
		}
		given[ours] = theirs
	}
	return nil
}

// Source returns a source that reads the portal's credentials.
func (o *Options) Source(env *plugin.Env) plugin.Source { return &source{o, env} }

type source struct {
	options *Options
	env     *plugin.Env
}

// keptFor is how long a credential from the portal is used before it is read again. It
// does not expire, but someone may press the button that makes a new one.
const keptFor = time.Hour

// A field is one named value of a service's credentials.
type field struct {
	Key       string `json:"key"`
	Value     string `json:"value"`
	Sensitive *bool  `json:"sensitive"`
}

// secret reports whether the value of f must be hidden: the portal marks it as sensitive
// or does not say, or its name suggests a secret.
func (o *Options) secret(f field) bool {
	if f.Sensitive == nil || *f.Sensitive || slices.Contains([]string{secretKey, password}, o.ours(f)) {
		return true
	}
	name := strings.ToLower(f.Key)
	return slices.ContainsFunc([]string{"pass", "secret", "key", "token"},
		func(word string) bool { return strings.Contains(name, word) })
}

// shown returns the value of f as users may see it.
func (o *Options) shown(f field) string {
	if o.secret(f) {
		return "***"
	}
	return plugin.Shorten(f.Value)
}

// ours returns jeton's name for f, or "" if it has none.
func (o *Options) ours(f field) string {
	if ours, ok := o.Fields[f.Key]; ok {
		return ours
	}
	for _, name := range o.Fields {
		if name == f.Key {
			return "" // the profile gives this name to another field
		}
	}
	if slices.Contains(names(), f.Key) {
		return f.Key
	}
	return ""
}

// Fetch reads the fields. It never makes the portal renew them, as that would cut off
// everyone who uses them.
func (s *source) Fetch(ctx context.Context, _ *plugin.Credential) (*plugin.Credential, error) {
	o := s.options
	if o.ConnectionID == "" || o.EnvironmentID == "" {
		return nil, s.unchosen(ctx)
	}
	fields, err := s.fields(ctx)
	if err != nil {
		return nil, err
	}
	c := &plugin.Credential{Issued: time.Now(), Attrs: map[string]string{}}
	c.Renew = c.Issued.Add(keptFor)
	var shown, keys []string
	for _, f := range fields {
		shown, keys = append(shown, f.Key+"="+o.shown(f)), append(keys, plugin.Shorten(f.Key))
		if f.Value == "" {
			continue
		}
		switch ours := o.ours(f); ours {
		case "":
		case accessKey:
			c.AccessKey = f.Value
		case secretKey:
			c.SecretKey = plugin.NewSecret(f.Value)
		case password:
			c.Password = plugin.NewSecret(f.Value)
		case username:
			c.Attrs[plugin.AttrUserName] = f.Value
		default:
			c.Attrs[ours] = f.Value
		}
	}
	for theirs := range o.Fields {
		if !slices.ContainsFunc(fields, func(f field) bool { return f.Key == theirs }) {
			return nil, unmapped("the portal has no field "+plugin.Shorten(theirs), keys)
		}
	}
	if (c.AccessKey == "" || c.SecretKey.IsZero()) && c.Password.IsZero() {
		return nil, unmapped("none of the portal's fields is a password, or an access key with its secret key", keys)
	}
	c.Attrs[plugin.AttrFields] = strings.Join(shown, " ")
	return c, nil
}

func unmapped(why string, keys []string) error {
	return plugin.Errorf(plugin.Config, "%s; there are: %s", why, strings.Join(keys, ", ")).
		WithHint("say what they are, such as fields: {%s: %s}; our names are %s", "api_key", accessKey,
			strings.Join(names(), ", ")).RememberFor(10 * time.Second)
}

func (s *source) fields(ctx context.Context) ([]field, error) {
	var info struct {
		Fields []field `json:"fields"`
	}
	path := "/services/connections/" + url.PathEscape(s.options.ConnectionID) + "/apiInfo?environmentId=" +
		url.QueryEscape(s.options.EnvironmentID)
	err := s.get(ctx, path, &info)
	if errors.Is(err, errAbsent) {
		e := plugin.AsError(err).
			WithHint("check connection_id and environment_id; jeton inspect %s lists what there is", s.env.Profile)
		return nil, plugin.Because(e, errAbsent)
	}
	return info.Fields, err
}

// An item is a connection or an environment.
type item struct {
	ID           string `json:"id"`
	Name         string `json:"name"`
	Type         string `json:"type"`        // of a connection
	ServiceCode  string `json:"serviceCode"` // of a connection
	Organization struct {
		Name string `json:"name"`
	} `json:"organization"` // of an environment
	Connection struct {
		ID string `json:"id"`
	} `json:"serviceConnection"` // of an environment
}

// choices returns the portal's connections and environments. If the profile names a
// connection, the environments of other connections are left out.
func (s *source) choices(ctx context.Context) (connections, environments []item, err error) {
	if err := s.get(ctx, "/services/connections", &connections); err != nil {
		return nil, nil, err
	}
	if err := s.get(ctx, "/environments", &environments); err != nil {
		return nil, nil, err
	}
	if id := s.options.ConnectionID; id != "" {
		environments = slices.DeleteFunc(environments,
			func(i item) bool { return i.Connection.ID != "" && i.Connection.ID != id })
	}
	return connections, environments, nil
}

// unchosen returns the error for a profile without connection_id or environment_id. It
// lists the ids to choose from.
func (s *source) unchosen(ctx context.Context) error {
	connections, environments, err := s.choices(ctx)
	if err != nil {
		return err
	}
	list := func(items []item) string {
		var words []string
		for _, i := range items {
			words = append(words, plugin.Shorten(i.ID)+" ("+plugin.Shorten(i.Name)+")")
		}
		if words == nil {
			return "none"
		}
		return strings.Join(words, ", ")
	}
	return plugin.Errorf(plugin.Config, "connection_id and environment_id say which service of which environment is "+
		"meant; connections: %s; environments: %s",
		list(connections), list(environments)).WithHint("write both into the profile").RememberFor(10 * time.Second)
}

// Inspect lists the connections and environments. If the profile names one of each, it
// also lists their fields, with sensitive values masked.
func (s *source) Inspect(ctx context.Context, _ func() (*plugin.Credential, error)) ([]plugin.Table, error) {
	o := s.options
	connections, environments, err := s.choices(ctx)
	if err != nil {
		return nil, err
	}
	first := plugin.Table{Name: "connections", Columns: []string{"id", "name", "type"}}
	for _, i := range connections {
		kind := i.Type
		if kind == "" {
			kind = i.ServiceCode
		}
		first.Rows = append(first.Rows, []string{i.ID, i.Name, kind})
	}
	second := plugin.Table{Name: "environments", Columns: []string{"id", "name", "organization", "connection"}}
	for _, i := range environments {
		second.Rows = append(second.Rows, []string{i.ID, i.Name, i.Organization.Name, i.Connection.ID})
	}
	tables := []plugin.Table{first, second}
	if o.ConnectionID == "" || o.EnvironmentID == "" {
		return tables, nil
	}
	fields, err := s.fields(ctx)
	if errors.Is(err, errAbsent) { // the user can still choose from the lists
		s.env.Warn("%s: %v", s.env.Profile, err)
		return tables, nil
	}
	if err != nil {
		return nil, err
	}
	third := plugin.Table{Name: "fields", Columns: []string{"name", "value", "is"}}
	for _, f := range fields {
		third.Rows = append(third.Rows, []string{f.Key, o.shown(f), o.ours(f)})
	}
	return append(tables, third), nil
}

// errAbsent means that the portal does not have what was asked for.
var errAbsent = errors.New("there is no such thing")

// get requests path and decodes the data in the portal's answer into out. Its error wraps
// errAbsent if the portal does not have what was asked for.
func (s *source) get(ctx context.Context, path string, out any) error {
	key, err := s.options.APIKey.ResolveAs(ctx, "api_key", s.env)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.options.APIURL+path, nil)
	if err != nil {
		return plugin.Errorf(plugin.Config, "api_url is not a URL")
	}
	req.Header.Set("MC-Api-Key", key.Reveal())
	req.Header.Set("Accept", "application/json")
	resp, body, err := plugin.Exchange(s.env.HTTP, req)
	if err != nil {
		return err
	}
	if err := plugin.StatusError(req.URL.Host, resp.StatusCode, resp.Header, time.Now()); err != nil {
		return err
	}
	var a struct {
		Data   json.RawMessage `json:"data"`
		Errors []struct {
			Message string `json:"message"`
		} `json:"errors"`
	}
	err = plugin.DecodeJSON(body, &a)
	if fault := plugin.JSONFault(err); fault != "" && resp.StatusCode == http.StatusOK {
		return s.unlike(req.URL.Host, resp.StatusCode, fault)
	}
	if err != nil || len(a.Errors) > 0 || resp.StatusCode != http.StatusOK {
		message := ""
		if len(a.Errors) > 0 {
			if said := plugin.Said(a.Errors[0].Message, key); said != "" {
				message = ": " + said
			}
		}
		return s.refusal(req.URL.Host, resp.StatusCode, message)
	}
	if err := plugin.DecodeJSON(a.Data, out); err != nil {
		return s.unlike(req.URL.Host, resp.StatusCode, plugin.JSONFault(err))
	}
	return nil
}

// unlike returns the error for an answer that a portal would not give. fault may say what
// is wrong with it.
func (s *source) unlike(host string, status int, fault string) error {
	return plugin.Errorf(plugin.Unusable, "%s does not answer as a CloudMC portal does (HTTP %d)%s", host, status,
		fault).
		WithHint("check api_url: %s", s.options.APIURL).RememberFor(30 * time.Second)
}

func (s *source) refusal(host string, status int, message string) error {
	e := plugin.Errorf(plugin.Denied, "%s refuses%s (HTTP %d)", host, message, status).RememberFor(time.Minute)
	switch status {
	case http.StatusUnauthorized:
		return e.WithHint("check api_key, and that it is one of %s", s.options.APIURL)
	case http.StatusForbidden:
		return e.WithHint("the API key has its owner's rights; is the owner a member of the environment?")
	case http.StatusNotFound:
		if message != "" {
			e = plugin.Errorf(plugin.Config, "%s has no such thing%s (HTTP %d)", host, message, status).
				RememberFor(10 * time.Second)
			return plugin.Because(e, errAbsent)
		}
	}
	if message == "" {
		return s.unlike(host, status, "")
	}
	return plugin.Errorf(plugin.Config, "%s cannot use the request%s (HTTP %d)", host, message, status).
		WithHint("check connection_id and environment_id").RememberFor(10 * time.Second)
}
