package ovhcloud

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/jeton-cli/jeton/plugin"
)

// api calls OVHcloud's API with one token.
type api struct {
	http  *http.Client
	base  string
	token plugin.Secret
	// profile is the one whose credential is wanted.
	profile string
}

// Failures reported by the API that callers tell apart.
var (
	errUnauthorized = errors.New("the token is dead")
	errNotFound     = errors.New("there is no such thing")
)

// call sends a request without a body and decodes the answer into out, unless out is nil.
// Its errors are worded for the user. They wrap errUnauthorized or errNotFound where
// these apply.
func (a *api) call(ctx context.Context, method, path string, out any) error {
	req, err := http.NewRequestWithContext(ctx, method, a.base+path, nil)
	if err != nil {
		return plugin.Errorf(plugin.Config, "api_url is not a URL")
	}
	req.Header.Set("Authorization", "Bearer "+a.token.Reveal())
	req.Header.Set("Accept", "application/json")
	resp, body, err := plugin.Exchange(a.http, req)
	if err != nil {
		return err
	}
	if err := plugin.StatusError(req.URL.Host, resp.StatusCode, resp.Header, time.Now()); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusCreated &&
		resp.StatusCode != http.StatusNoContent {
		e := a.refusal(req.URL.Host, resp.StatusCode, body)
		switch resp.StatusCode {
		case http.StatusUnauthorized:
			return plugin.Because(e, errUnauthorized)
		case http.StatusNotFound:
			return plugin.Because(e, errNotFound)
		}
		return e
	}
	if out == nil {
		return nil
	}
	if err := plugin.DecodeJSON(body, out); err != nil {
		return plugin.Errorf(plugin.Unusable, "%s does not answer as OVHcloud's API does%s", req.URL.Host,
			plugin.JSONFault(err)).WithHint("check api_url: %s", a.base).RememberFor(10 * time.Second)
	}
	return nil
}

// refusal returns an error with the API's own message and the actions that IAM refused.
func (a *api) refusal(host string, status int, body []byte) *plugin.Error {
	var answer struct {
		Message string         `json:"message"`
		Details map[string]any `json:"details"`
	}
	said := ""
	if plugin.DecodeJSON(body, &answer) == nil {
		said = plugin.Said(answer.Message, a.token)
	}
	if said == "" {
		return plugin.Errorf(plugin.Unusable, "%s answered HTTP %d", host, status).RememberFor(10 * time.Second)
	}
	code := plugin.Unusable
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden:
		code = plugin.Denied
	case http.StatusNotFound, http.StatusBadRequest:
		code = plugin.Config
	}
	e := plugin.Errorf(code, "OVHcloud at %s: %s (HTTP %d)", host, said, status).
		RememberFor(10 * time.Second)
	if actions, ok := answer.Details["unauthorizedActionsByIAM"].(string); ok && actions != "" {
		e.Text += ": " + plugin.Said(actions, a.token)
		e.Actions = iamActions(actions)
		return e.WithHint("an IAM policy has to allow it; this prints one: %s",
			plugin.ShellWords("jeton", "inspect", a.profile, "--policy"))
	}
	if status == http.StatusUnauthorized {
		return e.WithHint("the token is no longer valid: jeton reject drops it")
	}
	return e
}

// withAPI calls do with a token of the profile below. If the API refuses the token,
// withAPI gets a new one and calls do once more: the refused token came from jeton's
// cache and may be out of date.
func withAPI(ctx context.Context, env *plugin.Env, do func(*api) error) error {
	for renew := false; ; renew = true {
		token, err := env.From(ctx, renew)
		if err != nil {
			return err
		}
		base := token.Attrs[plugin.AttrOVHEndpoint]
		if token.Token.IsZero() || base == "" {
			return plugin.Errorf(plugin.Config, "from: that profile gives no token of OVHcloud's API").
				WithHint("name a profile of plugin ovhcloud")
		}
		if known, ok := endpoints[base]; ok {
			base = known.api
		}
		err = do(&api{env.HTTP, base, token.Token, env.Profile})
		if renew || !errors.Is(err, errUnauthorized) {
			return err
		}
	}
}

// checkProject returns an error if the profile does not name a profile of the API in
// from, or a project.
func checkProject(common *plugin.Common, serviceName string) error {
	if common.From == "" {
		return plugin.Errorf(plugin.Config, "from is missing").WithHint("name a profile of plugin ovhcloud: from: NAME")
	}
	if serviceName == "" {
		return plugin.Errorf(plugin.Config, "service_name is missing").
			WithHint("it is the id of the Public Cloud project; jeton inspect %s lists them", common.From)
	}
	return nil
}
