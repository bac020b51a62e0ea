package keystone

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gophercloud/gophercloud/v2"

	"github.com/jeton-cli/jeton/plugin"
)

// Inspect shows whose token it is, and the scopes that its owner can choose from.
func (s *source) Inspect(ctx context.Context, credential func() (*plugin.Credential, error)) ([]plugin.Table, error) {
	c, err := credential()
	if err != nil {
		return nil, err
	}
	if s.options.v2() {
		return s.inspectV2(ctx, c)
	}
	a, err := getToken(ctx, s.client(c.Token), c.Token)
	switch {
	case gophercloud.ResponseCodeIs(err, http.StatusForbidden):
		a = remembered(c) // a trust's token may not ask about itself
	case err != nil:
		return nil, s.explainToken(err, c.Token)
	}
	tables := []plugin.Table{identityOf(a, c)}
	if rights := rightsOf(a.roles()); rights != nil {
		tables = append(tables, rightsTable(rights))
	}
	projects, err := s.projects(ctx, c.Token)
	if err != nil && !unlisted(err) {
		return nil, s.explainToken(err, c.Token)
	}
	table := projectTable(projects)
	table.Note = noteOf(err)
	tables = append(tables, table)
	var body struct {
		Domains []struct {
			named
			Enabled bool `json:"enabled"`
		} `json:"domains"`
	}
	client := s.client(c.Token)
	_, err = get(ctx, client, client.ServiceURL("auth", "domains"), &body, gophercloud.RequestOpts{})
	if err != nil && !unlisted(err) {
		return nil, s.explainToken(err, c.Token)
	}
	table = plugin.Table{Name: "domains", Columns: []string{"name", "id"}, Note: noteOf(err)}
	for _, d := range body.Domains {
		if d.Enabled {
			table.Rows = append(table.Rows, []string{d.Name, d.ID})
		}
	}
	return append(tables, table), nil
}

// unlisted reports whether err says that the server does not list such things, or not for
// this token. What can log in may still be good.
func unlisted(err error) bool {
	for _, status := range []int{http.StatusForbidden, http.StatusNotFound, http.StatusMethodNotAllowed,
		http.StatusGone, http.StatusNotImplemented} {
		if gophercloud.ResponseCodeIs(err, status) {
			return true
		}
	}
	return false
}

// noteOf returns what to say of a list that was not to be had because of err.
func noteOf(err error) string {
	if err == nil {
		return ""
	}
	return "this Keystone does not list them"
}

// roles returns the names of the token's roles, sorted.
func (a *answer) roles() (names []string) {
	for _, r := range a.Roles {
		names = append(names, r.Name)
	}
	slices.Sort(names)
	return names
}

// identityOf returns a table of the token's user, scope, roles and expiry.
func identityOf(a *answer, c *plugin.Credential) plugin.Table {
	roles := a.roles()
	identity := plugin.Table{Name: "identity", Columns: []string{"what", "name", "id"}, Rows: [][]string{
		{"user", a.User.Name, a.User.ID}, {"user domain", a.User.Domain.Name, a.User.Domain.ID},
	}}
	scope := func(what string, thing *named) {
		if thing != nil {
			identity.Rows = append(identity.Rows, []string{what, thing.Name, thing.ID})
		}
	}
	if a.Project != nil {
		scope("project", &a.Project.named)
		scope("project domain", &a.Project.Domain)
	}
	scope("domain", a.Domain)
	if a.System != nil && a.System.All {
		scope("system", &named{Name: "all"})
	}
	scope("trust", a.Trust)
	scope("application credential", a.ApplicationCredential)
	if len(roles) > 0 {
		identity.Rows = append(identity.Rows, []string{"roles", strings.Join(roles, ", "), ""})
	}
	identity.Rows = append(identity.Rows,
		[]string{"expires", c.Expires.UTC().Format(time.RFC3339), ""})
	return identity
}

func projectTable(projects []project) plugin.Table {
	table := plugin.Table{Name: "projects", Columns: []string{"name", "id", "domain_id"}}
	for _, p := range projects {
		if p.Enabled {
			table.Rows = append(table.Rows, []string{p.Name, p.ID, p.DomainID})
		}
	}
	return table
}

// remembered returns what Keystone said about the token when it issued it.
func remembered(c *plugin.Credential) *answer {
	thing := func(id, name string) named { return named{c.Attrs[id], c.Attrs[name]} }
	a := &answer{}
	a.User.named = thing(plugin.AttrUserID, plugin.AttrUserName)
	a.User.Domain = thing(plugin.AttrUserDomainID, plugin.AttrUserDomainName)
	if c.Attrs[plugin.AttrProjectID] != "" {
		a.Project = &owned{thing(plugin.AttrProjectID, plugin.AttrProjectName),
			thing(plugin.AttrProjectDomainID, plugin.AttrProjectDomainName)}
	}
	if id := c.Attrs[plugin.AttrTrustID]; id != "" {
		a.Trust = &named{ID: id}
	}
	return a
}
