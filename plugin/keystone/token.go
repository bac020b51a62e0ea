package keystone

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gophercloud/gophercloud/v2"

	"github.com/jeton-cli/jeton/plugin"
)

// client returns a gophercloud client for the configured endpoint. It authenticates with
// token, unless that is empty.
func (s *source) client(token plugin.Secret) *gophercloud.ServiceClient {
	return newClient(s.env.HTTP, s.options.AuthURL, token, s.env.Whole)
}

// newClient returns a client for the endpoint. With whole, tokens come with their
// catalogue.
func newClient(base *http.Client, endpoint string, token plugin.Secret, whole bool) *gophercloud.ServiceClient {
	provider := &gophercloud.ProviderClient{HTTPClient: *base, TokenID: token.Reveal()}
	provider.HTTPClient.Transport = pinned{endpoint, whole, base.Transport}
	provider.UserAgent.Prepend("jeton")
	return &gophercloud.ServiceClient{ProviderClient: provider, Endpoint: endpoint + "/", Type: "identity"}
}

// catalogKey marks the context of a request that wants a token with its catalogue.
type catalogKey struct{}

// pinned sends requests to one endpoint only. It asks for tokens without their catalogue,
// unless the caller wants it. The catalogue can be a hundred times as large as the token.
type pinned struct {
	endpoint string
	whole    bool
	next     http.RoundTripper
}

// RoundTrip returns an error if r is for an address outside the endpoint.
func (p pinned) RoundTrip(r *http.Request) (*http.Response, error) {
	if !strings.HasPrefix(r.URL.String(), p.endpoint+"/") {
		return nil, plugin.Errorf(plugin.Unusable, "Keystone names an address outside %s", p.endpoint)
	}
	if strings.HasSuffix(r.URL.Path, "/auth/tokens") && r.Context().Value(catalogKey{}) == nil && !p.whole {
		r = r.Clone(r.Context())
		r.URL.RawQuery = "nocatalog"
	}
	return p.next.RoundTrip(r)
}

// request returns the body of a POST /v3/auth/tokens. (gophercloud's own version knows
// only some of the methods and scopes, and its packages for each call would make every
// start of jeton slower.)
func request(factors []factor, scope map[string]any) map[string]any {
	var methods []string
	identity := map[string]any{}
	for _, f := range factors {
		methods = append(methods, f.method)
		identity[f.method] = f.identity
	}
	identity["methods"] = methods
	auth := map[string]any{"identity": identity}
	if scope != nil {
		auth["scope"] = scope
	}
	return map[string]any{"auth": auth}
}

// answer is what Keystone says about a token.
type answer struct {
	id        string
	whole     []byte // the document that says it
	clock     plugin.Clock
	created   bool     // by the request; otherwise the token is older
	Methods   []string `json:"methods"`
	IssuedAt  string   `json:"issued_at"`
	ExpiresAt string   `json:"expires_at"`
	User      struct {
		owned
		PasswordExpiresAt string `json:"password_expires_at"`
	} `json:"user"`
	Project *owned `json:"project"`
	Domain  *named `json:"domain"`
	System  *struct {
		All bool `json:"all"`
	} `json:"system"`
	Roles                 []named `json:"roles"`
	ApplicationCredential *named  `json:"application_credential"`
	Trust                 *named  `json:"OS-TRUST:trust"`
}

// owned is a user or a project. Its name is unique only within its domain.
type owned struct {
	named
	Domain named `json:"domain"`
}

type named struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

func createToken(ctx context.Context, client *gophercloud.ServiceClient, body map[string]any) (*answer, error) {
	var a document
	sent := time.Now()
	resp, err := post(ctx, client, client.ServiceURL("auth", "tokens"), body, &a, gophercloud.RequestOpts{
		OmitHeaders: []string{"X-Auth-Token"},
	})
	return a.check(resp, err, sent, true)
}

func getToken(ctx context.Context, client *gophercloud.ServiceClient, token plugin.Secret) (*answer, error) {
	var a document
	sent := time.Now()
	resp, err := get(ctx, client, client.ServiceURL("auth", "tokens"), &a, gophercloud.RequestOpts{
		OkCodes: []int{http.StatusOK, http.StatusNonAuthoritativeInfo}, MoreHeaders: subject(token),
	})
	return a.check(resp, err, sent, false)
}

// subject returns the header with the token that a request asks about.
func subject(token plugin.Secret) map[string]string {
	return map[string]string{"X-Subject-Token": token.Reveal()}
}

// A document is the JSON object in which Keystone wraps an answer.
type document struct {
	Token *answer `json:"token"`
	whole []byte
}

// check returns what the answer to a request that was sent then says about a token.
func (d *document) check(resp *http.Response, err error, sent time.Time, created bool) (*answer, error) {
	if err != nil {
		return nil, err
	}
	if d.Token == nil {
		return nil, plugin.Errorf(plugin.Unusable, "Keystone's answer is not a token document").RememberFor(unusableFor)
	}
	ids := resp.Header.Values("X-Subject-Token")
	if len(ids) != 1 || ids[0] == "" {
		return nil, plugin.Errorf(plugin.Unusable, "Keystone's answer has %d X-Subject-Token headers, not one",
			len(ids)).RememberFor(unusableFor)
	}
	d.Token.id, d.Token.clock, d.Token.created = ids[0], plugin.ReadClock(sent, resp.Header), created
	d.Token.whole = d.whole
	return d.Token, nil
}

// accept turns a into a credential. It returns an error if the token does not have the
// scope that was asked for.
func (s *source) accept(ctx context.Context, a *answer) (*plugin.Credential, error) {
	o := s.options
	token := plugin.NewSecret(a.id)
	switch {
	case len(o.scopes()) > 0 && !a.hasScope(o):
		return nil, plugin.Errorf(plugin.Unusable, "Keystone's token is not for the scope that was asked for").
			RememberFor(unusableFor)
	case len(o.scopes()) == 0 && a.Project == nil && o.AuthType != "v3token":
		return nil, s.withProjects(ctx, token,
			plugin.Errorf(plugin.Config, "no project is chosen, and the user has no default one"),
			"add project_id, or project_name with project_domain_name; unscoped: true asks for none")
	}
	c, err := s.newCredential(a.id, a.IssuedAt, a.ExpiresAt, a.clock, a.created)
	if err != nil {
		return nil, err
	}
	c.Attrs = map[string]string{
		plugin.AttrAuthURL:        o.AuthURL,
		plugin.AttrUserID:         a.User.ID,
		plugin.AttrUserName:       a.User.Name,
		plugin.AttrUserDomainID:   a.User.Domain.ID,
		plugin.AttrUserDomainName: a.User.Domain.Name,
		plugin.AttrRegionName:     o.RegionName,
		plugin.AttrInterface:      o.Interface,
		plugin.AttrCACert:         o.cacert,
	}
	if p := a.Project; p != nil {
		c.Attrs[plugin.AttrProjectID] = p.ID
		c.Attrs[plugin.AttrProjectName] = p.Name
		c.Attrs[plugin.AttrProjectDomainID] = p.Domain.ID
		c.Attrs[plugin.AttrProjectDomainName] = p.Domain.Name
	}
	if d := a.Domain; d != nil {
		c.Attrs[plugin.AttrDomainID] = d.ID
		c.Attrs[plugin.AttrDomainName] = d.Name
	}
	if a.System != nil && a.System.All {
		c.Attrs[plugin.AttrSystemScope] = "all"
	}
	if a.Trust != nil {
		c.Attrs[plugin.AttrTrustID] = a.Trust.ID
	}
	if t, err := parseTime(a.User.PasswordExpiresAt); err == nil {
		c.Attrs[plugin.AttrPasswordExpiresAt] = t.Format(time.RFC3339)
	}
	c.Attrs[plugin.AttrOVHRights] = strings.Join(rightsOf(a.roles()), " ")
	switch {
	case a.ApplicationCredential != nil, slices.Contains(a.Methods, "application_credential"):
		c.Attrs[plugin.AttrDelegated] = "application_credential"
	case a.Trust != nil:
		c.Attrs[plugin.AttrDelegated] = "trust"
	}
	c.Attrs = withoutEmpty(c.Attrs)
	s.remember(ctx, c, a.whole)
	return c, nil
}

// hasScope reports whether the token has the scope that o asks for.
func (a *answer) hasScope(o *Options) bool {
	is := func(thing *named, id, name string) bool {
		return thing != nil && (id != "" && thing.ID == id || id == "" && strings.EqualFold(thing.Name, name))
	}
	switch {
	case o.ProjectID != "", o.ProjectName != "":
		return a.Project != nil && is(&a.Project.named, o.ProjectID, o.ProjectName)
	case o.DomainID != "", o.DomainName != "":
		return is(a.Domain, o.DomainID, o.DomainName)
	case o.SystemScope != "":
		return a.System != nil && a.System.All
	case o.TrustID != "":
		return a.Trust != nil && a.Trust.ID == o.TrustID
	}
	return a.Project == nil && a.Domain == nil && a.System == nil
}

func withoutEmpty(attrs map[string]string) map[string]string {
	maps.DeleteFunc(attrs, func(_, value string) bool { return value == "" })
	return attrs
}

// parseTime parses Keystone's times: RFC 3339 with any offset, or without one, which
// means UTC.
func parseTime(s string) (time.Time, error) {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		t, err = time.Parse("2006-01-02T15:04:05", s)
	}
	return t.UTC(), err
}

// validate asks Keystone about token, and passes it on unchanged.
func (s *source) validate(ctx context.Context, token plugin.Secret) (*plugin.Credential, error) {
	a, err := getToken(ctx, s.client(token), token)
	if err != nil {
		return nil, s.explain(err, token)
	}
	a.id = token.Reveal()
	return s.accept(ctx, a)
}

// Valid asks Keystone about c's token, and authenticates with that token. Keystone
// answers 401 if it no longer knows the token. API v2.0 answers this only to
// administrators, so there Valid lists the user's projects, which everyone may do.
//
// https://docs.openstack.org/api-ref/identity/v3/#check-token
func (s *source) Valid(ctx context.Context, c *plugin.Credential) (bool, error) {
	var err error
	if s.options.v2() {
		_, err = s.tenants(ctx, c.Token)
	} else {
		client := s.client(c.Token)
		_, err = client.Head(ctx, client.ServiceURL("auth", "tokens"), &gophercloud.RequestOpts{
			OkCodes: []int{http.StatusOK, http.StatusNoContent}, MoreHeaders: subject(c.Token),
		})
	}
	if gophercloud.ResponseCodeIs(err, http.StatusUnauthorized) {
		return false, nil
	}
	return err == nil, err
}

// Revoke makes the token invalid. Keystone answers 204, and 401 or 404 for a token that
// it no longer knows, which is no error.
func (s *source) Revoke(ctx context.Context, c *plugin.Credential) error {
	if c == nil {
		// A token given in the profile can be revoked even if none is cached.
		token, err := s.options.Token.ResolveAs(ctx, "token", s.env)
		switch {
		case err != nil:
			return err
		case token.IsZero():
			return plugin.ErrNotRevoked
		}
		c = &plugin.Credential{Token: token}
	}
	if s.options.v2() {
		s.env.Warn("%s: the API v2.0 of Keystone lets nobody revoke a token; it is good until it expires",
			s.env.Profile)
		return plugin.ErrNotRevoked
	}
	if issuer := c.Attrs[plugin.AttrAuthURL]; issuer != "" && issuer != s.options.AuthURL {
		return plugin.Errorf(plugin.Config, "it is of another Keystone, %s, which is not this profile's any more",
			issuer)
	}
	client := s.client(c.Token)
	_, err := client.Delete(ctx, client.ServiceURL("auth", "tokens"),
		&gophercloud.RequestOpts{MoreHeaders: subject(c.Token)})
	if err == nil || gophercloud.ResponseCodeIs(err, http.StatusUnauthorized) ||
		gophercloud.ResponseCodeIs(err, http.StatusNotFound) {
		return nil
	}
	return s.explain(err, c.Token)
}

// Describe returns Keystone's document about c's token, with its catalogue. The document
// is read only once in the token's life.
func (s *source) Describe(ctx context.Context, c *plugin.Credential) ([]byte, error) {
	if s.options.v2() {
		return nil, plugin.Errorf(plugin.Config, "the API v2.0 of Keystone tells nobody about a token")
	}
	return s.keepFor(ctx, "description", c, func(ctx context.Context, client *gophercloud.ServiceClient,
		description *json.RawMessage) error {
		_, err := get(context.WithValue(ctx, catalogKey{}, true), client, client.ServiceURL("auth", "tokens"),
			description, gophercloud.RequestOpts{
				OkCodes: []int{http.StatusOK, http.StatusNonAuthoritativeInfo}, MoreHeaders: subject(c.Token),
			})
		return err
	})
}

// remember keeps what Keystone has said about the token of c when it made it.
func (s *source) remember(ctx context.Context, c *plugin.Credential, whole []byte) {
	if s.env.Whole && whole != nil {
		s.kept(ctx, "description", c, true, func(context.Context) ([]byte, error) { return whole, nil })
	}
}

// keepFor returns a document about c's token, which ask reads only once in the token's
// life.
func (s *source) keepFor(ctx context.Context, what string, c *plugin.Credential,
	ask func(context.Context, *gophercloud.ServiceClient, *json.RawMessage) error) ([]byte, error) {
	read := func(ctx context.Context) ([]byte, error) {
		var document json.RawMessage
		if err := ask(ctx, s.client(c.Token), &document); err != nil {
			return nil, s.explainToken(err, c.Token)
		}
		return document, nil
	}
	b, ok, err := s.kept(ctx, what, c, false, read)
	if err == nil && !ok { // it is about the former token
		b, _, err = s.kept(ctx, what, c, true, read)
	}
	return b, err
}

// kept returns the document that is kept about a token, and whether it is about that of c.
// If nothing is kept, or with refresh, it keeps what read returns.
func (s *source) kept(ctx context.Context, what string, c *plugin.Credential, refresh bool,
	read func(context.Context) ([]byte, error)) (b []byte, ok bool, err error) {
	sum := fmt.Sprintf("%x\n", sha256.Sum256([]byte(c.Token.Reveal())))
	b, err = s.env.Keep(ctx, what+" for "+s.env.Profile, time.Until(c.Expires), refresh,
		func(ctx context.Context) ([]byte, error) {
			b, err := read(ctx)
			return append([]byte(sum), b...), err
		})
	b, ok = bytes.CutPrefix(b, []byte(sum))
	return b, ok, err
}

// A project is one in which the owner of a token has a role.
type project struct {
	named
	DomainID string `json:"domain_id"`
	Enabled  bool   `json:"enabled"`
}

func (s *source) projects(ctx context.Context, token plugin.Secret) ([]project, error) {
	if s.options.v2() {
		return s.tenants(ctx, token)
	}
	var body struct {
		Projects []project `json:"projects"`
	}
	client := s.client(token)
	_, err := get(ctx, client, client.ServiceURL("auth", "projects"), &body, gophercloud.RequestOpts{})
	return body.Projects, err
}

// withProjects adds to err the projects that the owner of token can choose from.
func (s *source) withProjects(ctx context.Context, token plugin.Secret, err *plugin.Error, advice string) error {
	err.RememberFor(unusableFor)
	projects, e := s.projects(ctx, token)
	if e != nil {
		return err.WithHint("%s", advice)
	}
	var list []string
	for _, p := range projects {
		if p.Enabled {
			where := plugin.Shorten(p.ID)
			if p.DomainID != "" {
				where += ", domain " + plugin.Shorten(p.DomainID)
			}
			list = append(list, plugin.Shorten(p.Name)+" ("+where+")")
		}
	}
	slices.Sort(list)
	switch {
	case len(list) == 0:
		err.Text += "; there is no project that this user has a role in"
		return err.WithHint("ask the cloud's administrator for a role in a project")
	case len(list) > 20:
		list = append(list[:20], "…")
	}
	err.Text += "; there are: " + strings.Join(list, ", ")
	return err.WithHint("%s", advice)
}
