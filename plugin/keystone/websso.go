package keystone

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jeton-cli/jeton/plugin"
	"github.com/jeton-cli/jeton/plugin/login"
)

// The origin of Horizon's kind that keystoneauth-websso has, and that clouds therefore
// trust, letter by letter.
const (
	webSSOHost = "localhost"
	webSSOPort = 9990
	webSSOPath = "/auth/websso/"
)

func checkWebSSO(o *Options) error {
	switch {
	case o.Protocol == "":
		return missing(o, "protocol")
	case o.RedirectHost != "" && !slices.Contains([]string{"localhost", "127.0.0.1", "::1"}, o.RedirectHost):
		return plugin.Errorf(plugin.Config, "redirect_host: must be localhost or 127.0.0.1, which is this machine")
	case o.RedirectPort > 65535:
		return plugin.Errorf(plugin.Config, "redirect_port: there is no port %d", o.RedirectPort)
	}
	host, port := o.RedirectHost, o.RedirectPort
	if host == "" {
		host = webSSOHost
	}
	if port == 0 {
		port = webSSOPort
	}
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	o.redirect = "http://" + host + ":" + strconv.Itoa(port) + webSSOPath
	return nil
}

// A webSSO has a person log in at the identity provider that Keystone sends the browser
// to, as Horizon does. Keystone answers with a page that posts an unscoped token back. (See
// Keystone's guide, "Configuring Horizon as a WebSSO Frontend".)
type webSSO struct{ *source }

// At returns Keystone's host.
func (s webSSO) At() string { return hostOf(s.options.AuthURL) }

// Fetch returns an error: a token ends with its login.
func (s webSSO) Fetch(context.Context, *plugin.Credential) (*plugin.Credential, error) {
	return nil, s.env.LoginNeeded("a login at " + s.At() + " is needed")
}

// Login has a person log in.
func (s webSSO) Login(ctx context.Context, tell func(plugin.Prompt) error) (*plugin.Credential, error) {
	o := s.options
	l, err := login.Listen(o.redirect)
	if err != nil {
		return nil, err
	}
	defer l.Close()
	ctx, cancel := context.WithTimeout(ctx, plugin.LoginLimit)
	defer cancel()
	end, _ := ctx.Deadline()
	prompt := plugin.Prompt{URL: o.webSSOAddress(), Back: l.Address, Until: end, Note: o.webSSONote()}
	if err := tell(prompt); err != nil {
		return nil, err
	}
	c, err := l.Serve(ctx, http.MethodPost, s.take)
	if err != nil && plugin.AsError(err).Code == plugin.Bug {
		err = plugin.Errorf(plugin.Denied, "the login at %s was not finished in time", s.At()).
			WithHint("%s", o.webSSONote()).RememberFor(5 * time.Minute)
	}
	return c, err
}

// webSSOAddress returns the address at which the login begins.
func (o *Options) webSSOAddress() string {
	path := "/auth/OS-FEDERATION/websso/" + url.PathEscape(o.Protocol)
	if o.IdentityProvider != "" {
		path = "/auth/OS-FEDERATION/identity_providers/" + url.PathEscape(o.IdentityProvider) + "/protocols/" +
			url.PathEscape(o.Protocol) + "/websso"
	}
	return o.AuthURL + path + "?origin=" + url.QueryEscape(o.redirect)
}

// webSSONote says what the operator has to do if Keystone does not trust the origin. It
// then says so in the browser only.
func (o *Options) webSSONote() string {
	if strings.HasSuffix(hostOf(o.AuthURL), ".ovh.net") || strings.HasSuffix(hostOf(o.AuthURL), ".ovh.us") {
		return "OVHcloud trusts no program yet, and answers 401 in the browser: ovh/infrastructure-roadmap#479"
	}
	return "If the browser shows error 401, the operator has to add below [federation] in keystone.conf: " +
		"trusted_dashboard = " + o.redirect
}

// take deals with what is posted back. A token that Keystone does not take is no answer:
// the login goes on, as any page in the browser could have posted it. Only a Keystone that
// cannot be asked ends it.
func (s webSSO) take(ctx context.Context, back login.Return) (login.Page, *plugin.Credential, error) {
	token := plugin.NewSecret(back.Form.Get("token"))
	strange := strings.ContainsFunc(token.Reveal(), func(r rune) bool { return r <= ' ' || r > '~' })
	if token.IsZero() || strange || !s.trusts(back.Origin) {
		return login.Foreign, nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	a, err := getToken(ctx, s.client(token), token)
	if err != nil {
		if e := plugin.AsError(s.explain(err, token)); e.Code == plugin.Network || e.Code == plugin.Later {
			return login.Refused, nil, e
		}
		return login.Foreign, nil, nil
	}
	c, err := s.accept(ctx, a)
	if err != nil {
		return login.Refused, nil, err
	}
	c.Fixed = true // only another login brings a later expiry
	if err := s.same(ctx, c); err != nil {
		return login.Stranger, nil, err
	}
	return login.Page{Who: c.Attrs[plugin.AttrUserName], At: s.At()}, c, nil
}

// trusts reports whether a page of this origin may post a token: Keystone's own. A browser
// may leave the origin out, and does on the way from https to http.
func (s webSSO) trusts(origin string) bool {
	u, err := url.Parse(s.options.AuthURL)
	if origin == "" || origin == "null" || err != nil {
		return err == nil
	}
	usual := map[string]string{"https": ":443", "http": ":80"}[u.Scheme] // which browsers leave out
	return origin == u.Scheme+"://"+strings.TrimSuffix(strings.ToLower(u.Host), usual)
}

// same returns an error if the token is of another user than that of the last login, or
// than the profile says. Without a state in the address, a page of an attacker could have
// posted a token of the attacker's.
func (s webSSO) same(ctx context.Context, c *plugin.Credential) (err error) {
	user, name := c.Attrs[plugin.AttrUserID], c.Attrs[plugin.AttrUserName]
	if wanted := s.options.Username; wanted != "" && wanted != name {
		return plugin.Errorf(plugin.Denied, "the browser logged in as %s, and the profile says %s: nothing is kept",
			strconv.Quote(plugin.Shorten(name)), wanted).
			WithHint("log out of the cloud in the browser, or change username in the profile")
	}
	e := s.env.Grants.Update(ctx, "file", func(g *plugin.Grant) (*plugin.Grant, error) {
		if g != nil && g.Subject != "" && g.Subject != user {
			err = plugin.Errorf(plugin.Denied, "the browser logged in as %s, and last time it was another user: "+
				"nothing is kept", strconv.Quote(plugin.Shorten(name))).
				WithHint("if that is right: jeton logout %s, and log in again", plugin.ShellWords(s.env.Profile))
			return g, err
		}
		return &plugin.Grant{Subject: user}, nil
	})
	if err == nil {
		err = e
	}
	return err
}

// Revoke revokes the token, and forgets whose it was.
func (s webSSO) Revoke(ctx context.Context, c *plugin.Credential) error {
	err := s.env.Grants.Update(ctx, "file", func(*plugin.Grant) (*plugin.Grant, error) { return nil, nil })
	if c == nil {
		if err == nil {
			err = plugin.ErrNotRevoked
		}
		return err
	}
	if e := s.source.Revoke(ctx, c); e != nil {
		return e
	}
	return err
}
