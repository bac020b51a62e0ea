package ovhcloud

import (
	"slices"

	"github.com/jeton-cli/jeton/plugin"
	"github.com/jeton-cli/jeton/plugin/login"
)

// checkFlow checks the flow, and the options that only a person's login has. OVHcloud
// sends a browser to the client's registered callback URL only, so that its port is fixed.
func (o *Options) checkFlow() (err error) {
	switch o.Flow {
	case "":
		o.Flow = "client_credentials"
	case "client_credentials", login.Code:
	default:
		return plugin.Errorf(plugin.Config, "flow: must be client_credentials or %s", login.Code)
	}
	if o.Flow == login.Code {
		if o.RedirectPort == 0 && o.RedirectURI == "" {
			return plugin.Errorf(plugin.Config, "redirect_port is missing, which flow %s needs", login.Code).
				WithHint("the client has callbackUrls at OVHcloud: if http://localhost:9990/callback is one of them, " +
					"write redirect_port: 9990")
		}
		if err := login.CheckStore(o.RefreshStore); err != nil {
			return err
		}
		o.redirect, err = login.Redirect(o.RedirectURI, o.RedirectPort)
		return err
	}
	set := plugin.SetOptions(o)
	for _, name := range []string{"authorize_url", "redirect_port", "redirect_uri", "refresh_store"} {
		if slices.Contains(set, name) {
			return plugin.Errorf(plugin.Config, "%s has no meaning with flow %s", name, o.Flow).
				WithHint("leave it out, or log in as a person: flow: %s", login.Code)
		}
	}
	return nil
}

// Below returns the level of a person's login.
func (o *Options) Below() plugin.Options {
	if o.Flow != login.Code {
		return nil
	}
	return &login.Options{
		AuthorizationEndpoint: o.AuthorizeURL, TokenEndpoint: o.TokenURL, Flow: o.Flow, ClientID: o.ClientID,
		ClientSecret: o.ClientSecret, AuthMethod: "client_secret_post", Scope: o.Scope, RedirectURI: o.redirect,
		RefreshStore: o.RefreshStore, PlainHTTP: o.plainHTTP,
	}
}
