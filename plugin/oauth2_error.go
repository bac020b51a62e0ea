package plugin

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// deniedFor is how long a refusal is remembered, so that a storm of callers does not lock
// an account.
const deniedFor = time.Minute

// oauthErrors are the error codes of RFC 6749, 7523, 8628, 8693 and OpenID Connect, with
// what they mean and what to do. Other codes could be anything and are not repeated.
var oauthErrors = map[string]struct {
	code       Code
	text, hint string
}{
	"invalid_client": {Denied, "does not know the client, or its secret is wrong",
		"check client_id and client_secret, and that the client belongs to this server and region"},
	"invalid_grant": {Denied, "refused what the client logs in with",
		"it has expired, was revoked, or is wrong: get a new one"},
	"unauthorized_client": {Denied, "does not allow this client to log in so",
		"ask for the grant at the server, or choose another flow"},
	"access_denied":        {Denied, "denied access", "the server's policy refuses this client"},
	"login_required":       {Denied, "wants a login", ""},
	"interaction_required": {Denied, "wants a login", ""},
	"consent_required":     {Denied, "wants the user's consent", ""},
	"expired_token":        {Denied, "has given up the login: nobody confirmed it in time", ""},
	"invalid_token":        {Denied, "refused the token", "it has expired or was revoked: get a new one"},
	"invalid_scope": {Config, "does not know the scope, or does not give it to this client",
		"check scope (openid_scope)"},
	"invalid_target":            {Config, "does not know the audience", "check audience"},
	"unsupported_grant_type":    {Config, "does not support this way to log in", "choose another flow (auth_type)"},
	"unsupported_response_type": {Config, "does not support this way to log in", "choose another flow (auth_type)"},
	"invalid_request": {Config, "cannot use the request",
		"check scope, audience and auth_method; --verbose shows what the server says"},
	"server_error":            {Network, "has failed", ""},
	"temporarily_unavailable": {Later, "is not available for now", ""},
}

func oauthError(host, code string) *Error {
	known, ok := oauthErrors[code]
	if !ok {
		return nil // the HTTP status decides instead
	}
	e := Errorf(known.code, "%s %s (%s)", host, known.text, code)
	e.Hint = known.hint
	switch known.code {
	case Denied:
		e.Invalid = code == "invalid_grant" || strings.HasSuffix(code, "_required") // a person has to log in again
		return e.RememberFor(deniedFor)
	case Config:
		return e.RememberFor(10 * time.Second)
	}
	return e.RememberFor(throttled)
}

// statusOf returns the error for a refusal that the answer does not explain.
func statusOf(u *url.URL, status int) error {
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden:
		return Errorf(Denied, "%s refused the login (HTTP %d)", u.Host, status).
			WithHint("check client_id and client_secret").RememberFor(deniedFor)
	case http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusGone, http.StatusNotImplemented,
		http.StatusMultipleChoices:
		e := Errorf(Config, "there is no token endpoint at %s (HTTP %d)", withoutQuery(u), status).
			WithHint("check the address").RememberFor(10 * time.Second)
		return Because(e, errNoEndpoint)
	}
	return Errorf(Unusable, "%s answered HTTP %d", u.Host, status).RememberFor(10 * time.Second)
}

func withoutQuery(u *url.URL) string { return u.Scheme + "://" + u.Host + u.EscapedPath() }

// errNoEndpoint says that there is no token endpoint at the address.
var errNoEndpoint = errors.New("no token endpoint")
