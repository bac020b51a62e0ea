package keystone

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/gophercloud/gophercloud/v2"

	"github.com/jeton-cli/jeton/plugin"
)

// How long a refusal is remembered, so that a burst of callers neither locks the account
// nor uses up the rate limit.
const (
	deniedFor   = time.Minute
	unusableFor = 10 * time.Second
)

// explain rewords err, an error of gophercloud or the HTTP client, for the user.
// gophercloud's own messages contain whole answers and addresses.
func (s *source) explain(err error, secrets ...plugin.Secret) error {
	return explain(err, s.options.AuthURL, s.options.advice(), secrets...)
}

// explainToken is explain for a request that a token was used for.
func (s *source) explainToken(err error, token plugin.Secret) error {
	return explain(err, s.options.AuthURL, advice{"the token", "use it for that",
		"it was revoked, or has ended: " + plugin.ShellWords("jeton", "reject", s.env.Profile)}, token)
}

// advice describes what o logs in with, and what to check if that is refused.
func (o *Options) advice() advice {
	switch o.AuthType {
	case "v3applicationcredential":
		return advice{"the application credential", "log in with it",
			"check its id and secret; it may have expired, or its owner may have lost the role"}
	case "v3token":
		return advice{"the token", "exchange it for another",
			"it has expired or was revoked, or the scope is not one of its user's: get a new token"}
	}
	if o.federated() || o.shared() {
		return advice{"the scope", "exchange it for another",
			"check " + strings.Join(append(o.scopes(), "its domain"), ", ") +
				": the account may have no role there (at OVHcloud, an IAM policy gives it one)"}
	}
	var check []string
	for _, method := range o.factors() {
		if method == "totp" {
			method = "passcode"
		}
		check = append(check, "the "+strings.ReplaceAll(method, "_", " "))
	}
	switch {
	case o.UserID != "":
		check = append(check, "user_id")
	case o.assumed, o.v2():
		check = append(check, "username")
	default:
		check = append(check, "username", "the user's domain")
	}
	if !o.Unscoped {
		check = append(check, o.scopes()...)
	}
	hint := "check " + strings.Join(check, ", ") +
		": Keystone says the same of a wrong one, an unknown one, and a disabled or locked user"
	if o.assumed {
		hint = "no domain is given, so that the one with the id \"" + o.fallbackDomain() + "\" is taken; " + hint
	}
	return advice{"the login", "log in", hint}
}

// advice says what was refused, what it was meant to do, and what to do about it.
type advice struct{ what, purpose, hint string }

func explain(err error, endpoint string, a advice, secrets ...plugin.Secret) error {
	host := hostOf(endpoint)
	var own *plugin.Error
	if errors.As(err, &own) {
		return own
	}
	var status gophercloud.ErrUnexpectedResponseCode
	if !errors.As(err, &status) {
		if ue := (*url.Error)(nil); !errors.As(err, &ue) {
			return unlike(host, endpoint)
		}
		return plugin.ConnectionError(err, host)
	}
	if err := plugin.StatusError(host, status.Actual, status.ResponseHeader, time.Now()); err != nil {
		return err
	}
	message, isKeystone := keystoneMessage(status.Body, secrets)
	switch status.Actual {
	case http.StatusUnauthorized:
		if strings.Contains(message, "password is expired") {
			return plugin.Errorf(plugin.Denied, "Keystone at %s says that the password has expired", host).
				WithHint("change it in the cloud's dashboard, or by POST %s/users/USER_ID/password, which "+
					"takes no token", endpoint).RememberFor(deniedFor)
		}
		return refused(host, a, status.Actual)
	case http.StatusForbidden:
		for _, sign := range []string{"delegated token", "Delegated tokens", "application credential"} {
			if strings.Contains(message, sign) {
				return delegated("delegation", a.purpose).RememberFor(deniedFor)
			}
		}
		return plugin.Errorf(plugin.Denied, "Keystone at %s does not allow it (HTTP 403)%s", host, quoted(message)).
			WithHint("the user may have no role in that project").RememberFor(deniedFor)
	case http.StatusNotFound, http.StatusMultipleChoices, http.StatusMethodNotAllowed, http.StatusGone,
		http.StatusNotImplemented:
		if isKeystone && status.Actual == http.StatusNotFound {
			return refused(host, a, status.Actual) // Keystone's answer to a token that it cannot read
		}
		return absent(endpoint, status.Actual)
	case http.StatusBadRequest:
		if !isKeystone {
			return absent(endpoint, status.Actual)
		}
		return plugin.Errorf(plugin.Config, "Keystone at %s cannot use the profile's options (HTTP 400)%s", host,
			quoted(message)).RememberFor(unusableFor)
	}
	if !isKeystone && status.Actual < 300 {
		return unlike(host, endpoint)
	}
	return plugin.Errorf(plugin.Unusable, "Keystone at %s answered HTTP %d%s", host, status.Actual, quoted(message)).
		RememberFor(unusableFor)
}

func hostOf(endpoint string) string {
	u, err := url.Parse(endpoint)
	if err != nil {
		return endpoint
	}
	return u.Host
}

func refused(host string, a advice, status int) error {
	e := plugin.Errorf(plugin.Denied, "Keystone at %s refused %s (HTTP %d)", host, a.what, status).
		WithHint("%s", a.hint).RememberFor(deniedFor)
	e.Invalid = true
	return e
}

func absent(endpoint string, status int) error {
	return plugin.Errorf(plugin.Config, "there is no Keystone at %s (HTTP %d)", endpoint, status).
		WithHint("check auth_url: a browser shows {\"version\": …} there").RememberFor(unusableFor)
}

// unlike returns the error for an answer that Keystone would not give.
func unlike(host, endpoint string) error {
	return plugin.Errorf(plugin.Unusable, "%s does not answer as Keystone does", host).
		WithHint("check auth_url: %s", endpoint).RememberFor(unusableFor)
}

// delegated returns the error for an operation that Keystone does not allow with a token
// of a delegation. Since 2026 it refuses every exchange of such a token.
func delegated(kind, what string) *plugin.Error {
	return plugin.Errorf(plugin.Config, "the token stems from %s, and Keystone lets nobody %s", article(kind), what).
		WithHint("use a profile that logs in with a password: only such tokens can be exchanged or make keys")
}

func article(kind string) string {
	switch kind {
	case "application_credential":
		return "an application credential"
	case "trust":
		return "a trust"
	}
	return "a delegation (an application credential or a trust)"
}

// keystoneMessage returns the message in Keystone's error document, and whether body is
// such a document. A message that repeats one of secrets is withheld.
func keystoneMessage(body []byte, secrets []plugin.Secret) (message string, isKeystone bool) {
	var doc struct {
		Error struct {
			Message string `json:"message"`
		} `json:"error"`
	}
	if plugin.DecodeJSON(body, &doc) != nil || doc.Error.Message == "" {
		return "", false
	}
	return plugin.Said(doc.Error.Message, secrets...), true
}

func quoted(message string) string {
	if message == "" {
		return ""
	}
	return ": " + message
}
