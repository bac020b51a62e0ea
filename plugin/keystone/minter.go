package keystone

import (
	"context"
	"net/http"

	"github.com/gophercloud/gophercloud/v2"

	"github.com/jeton-cli/jeton/plugin"
)

// A minter makes keys for the user whom a token of the profile below is for.
type minter struct {
	client       *gophercloud.ServiceClient
	token        *plugin.Credential
	what         string // it makes, such as "EC2 keys"
	hint         string // to follow if Keystone refuses the token
	unauthorized bool   // it has
}

// withToken calls do with a minter like m, which has a token of the profile below. If
// Keystone refuses the token, withToken gets a new one and calls do once more: the refused
// token came from jeton's cache and may have been revoked.
func (m minter) withToken(ctx context.Context, env *plugin.Env, do func(*minter) error) error {
	for renew := false; ; renew = true {
		token, err := env.From(ctx, renew)
		if err != nil {
			return err
		}
		a := token.Attrs
		if token.Token.IsZero() || a[plugin.AttrAuthURL] == "" || a[plugin.AttrUserID] == "" {
			return notKeystone()
		}
		if a[plugin.AttrIdentityAPIVersion] == "2" {
			return plugin.Errorf(plugin.Config, "%s need Keystone's API v3, and the profile below uses v2.0", m.what).
				WithHint("if the cloud has v3 too, its auth_url ends in /v3")
		}
		own := m
		own.token, own.client = token, newClient(env.HTTP, a[plugin.AttrAuthURL], token.Token, false)
		if err = do(&own); err == nil || renew || !own.unauthorized {
			return err
		}
	}
}

// url returns the address of what the parts name, below that of the token's user.
func (m *minter) url(parts ...string) string {
	return m.client.ServiceURL(append([]string{"users", m.token.Attrs[plugin.AttrUserID]}, parts...)...)
}

// remove deletes what is at the address. It is no error if nothing is there.
func (m *minter) remove(ctx context.Context, address string) error {
	_, err := m.client.Delete(ctx, address, nil)
	if err == nil || gophercloud.ResponseCodeIs(err, http.StatusNotFound) {
		return nil
	}
	return m.explain(err)
}

// attrs returns the attributes of what m makes for the project: those that it has of the
// token.
func (m *minter) attrs(project string) map[string]string {
	own := m.token.Attrs
	attrs := map[string]string{plugin.AttrProjectID: project}
	for _, name := range []string{
		plugin.AttrAuthURL, plugin.AttrUserID, plugin.AttrUserName, plugin.AttrUserDomainID, plugin.AttrUserDomainName,
	} {
		attrs[name] = own[name]
	}
	if project == own[plugin.AttrProjectID] {
		attrs[plugin.AttrProjectName] = own[plugin.AttrProjectName]
	}
	return attrs
}

func (m *minter) explain(err error) error {
	if gophercloud.ResponseCodeIs(err, http.StatusUnauthorized) {
		m.unauthorized = true
	}
	if kind := m.token.Attrs[plugin.AttrDelegated]; kind != "" &&
		gophercloud.ResponseCodeIs(err, http.StatusForbidden) {
		return delegated(kind, "make "+m.what+" with it").RememberFor(deniedFor)
	}
	return explain(err, m.client.Endpoint, advice{"the token", "make " + m.what + " with it", m.hint}, m.token.Token)
}
