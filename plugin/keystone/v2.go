package keystone

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/gophercloud/gophercloud/v2"

	"github.com/jeton-cli/jeton/plugin"
)

// The Identity API v2.0 has been deprecated since 2016, but some clouds have not moved on
// from it. It has no domains, and calls a project a tenant.
//
// https://docs.openstack.org/api-ref/identity/v2/

const v2Suffix = "/v2.0"

// v2 reports whether o is for API v2.0.
func (o *Options) v2() bool { return strings.HasSuffix(o.AuthURL, v2Suffix) }

func checkV2(o *Options) error {
	if err := checkPassword(o); err != nil {
		return err
	}
	if o.UserDomainID != "" || o.UserDomainName != "" || o.ProjectDomainID != "" || o.ProjectDomainName != "" {
		return plugin.Errorf(plugin.Config, "API v2.0 knows no domains").
			WithHint("leave the options with domain in their names out, or use the address that ends in /v3")
	}
	if o.DomainID != "" || o.DomainName != "" || o.SystemScope != "" {
		return plugin.Errorf(plugin.Config, "API v2.0 has no scope but a project").
			WithHint("leave %s out, or use the address that ends in /v3", strings.Join(o.scopes(), ", "))
	}
	return nil
}

// v2Request returns the body of a POST /v2.0/tokens.
func (o *Options) v2Request(password plugin.Secret) map[string]any {
	login := map[string]any{"password": password.Reveal()}
	if o.UserID != "" {
		login["userId"] = o.UserID
	} else {
		login["username"] = o.Username
	}
	auth := map[string]any{"passwordCredentials": login}
	switch {
	case o.ProjectID != "":
		auth["tenantId"] = o.ProjectID
	case o.ProjectName != "":
		auth["tenantName"] = o.ProjectName
	case o.TrustID != "":
		auth["trust_id"] = o.TrustID
	}
	return map[string]any{"auth": auth}
}

// v2Answer is what API v2.0 says about a token.
type v2Answer struct {
	Access struct {
		Token struct {
			ID       string `json:"id"`
			IssuedAt string `json:"issued_at"`
			Expires  string `json:"expires"`
			Tenant   *named `json:"tenant"`
		} `json:"token"`
		User named `json:"user"`
	} `json:"access"`
}

// fetchV2 logs in with a password at API v2.0, which returns the token in the body.
func fetchV2(ctx context.Context, s *source, _ *plugin.Credential) (*plugin.Credential, error) {
	o := s.options
	password, err := s.password(ctx)
	if err != nil {
		return nil, err
	}
	var a v2Answer
	client := s.client(plugin.Secret{})
	sent := time.Now()
	resp, err := post(ctx, client, client.ServiceURL("tokens"), o.v2Request(password), &a, gophercloud.RequestOpts{
		OkCodes: []int{http.StatusOK, http.StatusNonAuthoritativeInfo}, OmitHeaders: []string{"X-Auth-Token"},
	})
	if err != nil {
		return nil, s.explain(err, password)
	}
	if a.Access.Token.ID == "" {
		return nil, unlike(hostOf(o.AuthURL), o.AuthURL)
	}
	token := a.Access.Token
	switch tenant := token.Tenant; {
	case o.ProjectID != "" && (tenant == nil || tenant.ID != o.ProjectID),
		o.ProjectID == "" && o.ProjectName != "" && (tenant == nil || tenant.Name != o.ProjectName):
		return nil, plugin.Errorf(plugin.Unusable, "Keystone's token is not for the scope that was asked for").
			RememberFor(unusableFor)
	case tenant == nil && len(o.scopes()) == 0:
		return nil, s.withProjects(ctx, plugin.NewSecret(token.ID),
			plugin.Errorf(plugin.Config, "no project is chosen, and the user has no default one"),
			"add project_id or project_name; unscoped: true asks for none")
	}
	c, err := s.newCredential(token.ID, token.IssuedAt, token.Expires, plugin.ReadClock(sent, resp.Header), true)
	if err != nil {
		return nil, err
	}
	c.Attrs = map[string]string{
		plugin.AttrAuthURL:            o.AuthURL,
		plugin.AttrIdentityAPIVersion: "2",
		plugin.AttrUserID:             a.Access.User.ID,
		plugin.AttrUserName:           a.Access.User.Name,
		plugin.AttrTrustID:            o.TrustID,
		plugin.AttrRegionName:         o.RegionName,
		plugin.AttrInterface:          o.Interface,
		plugin.AttrCACert:             o.cacert,
	}
	if token.Tenant != nil {
		c.Attrs[plugin.AttrProjectID] = token.Tenant.ID
		c.Attrs[plugin.AttrProjectName] = token.Tenant.Name
	}
	c.Attrs = withoutEmpty(c.Attrs)
	s.env.Warn("%s: the API v2.0 of Keystone is deprecated: if the cloud has v3 too, use auth_url: %s",
		s.env.Profile, strings.TrimSuffix(o.AuthURL, v2Suffix)+"/v3")
	return c, nil
}

// newCredential returns the credential for a token and its times in Keystone's format,
// which are by Keystone's clock. It returns an error if the expiry is not usable.
func (s *source) newCredential(id, issuedAt, expiresAt string, clock plugin.Clock, created bool) (*plugin.Credential,
	error) {
	expires, err := parseTime(expiresAt)
	if err != nil {
		return nil, plugin.Errorf(plugin.Unusable, "Keystone's token has no usable expiry").RememberFor(unusableFor)
	}
	c := &plugin.Credential{Token: plugin.NewSecret(id)}
	issued, err := parseTime(issuedAt)
	switch {
	case created:
		if err != nil {
			issued = time.Time{}
		}
		c.Issued, c.Expires = clock.Created(issued, expires)
		clock.Check(s.env, hostOf(s.options.AuthURL), issued)
	default:
		c.Issued, c.Expires = clock.Older(issued), clock.Older(expires)
		clock.Check(s.env, hostOf(s.options.AuthURL), time.Time{})
	}
	if err != nil || !c.Issued.Before(c.Expires) {
		c.Issued = clock.Sent
	}
	return c, nil
}

// tenants returns the projects in which the owner of token has a role.
func (s *source) tenants(ctx context.Context, token plugin.Secret) ([]project, error) {
	var body struct {
		Tenants []project `json:"tenants"`
	}
	client := s.client(token)
	_, err := get(ctx, client, client.ServiceURL("tenants"), &body,
		gophercloud.RequestOpts{OkCodes: []int{http.StatusOK, http.StatusNonAuthoritativeInfo}})
	return body.Tenants, err
}

// inspectV2 is Inspect for API v2.0. Only administrators may ask about a token there, so
// it shows what Keystone said when it issued the token.
func (s *source) inspectV2(ctx context.Context, c *plugin.Credential) ([]plugin.Table, error) {
	tenants, err := s.tenants(ctx, c.Token)
	if err != nil {
		return nil, s.explain(err, c.Token)
	}
	return []plugin.Table{identityOf(remembered(c), c), projectTable(tenants)}, nil
}
