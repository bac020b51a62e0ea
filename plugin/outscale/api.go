package outscale

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/jeton-cli/jeton/plugin"
)

// api is Outscale's API as one login opens it.
type api struct {
	env          *plugin.Env
	base, region string
	accessKey    string // or
	login        string
	secret       plugin.Secret // that belongs to it
	known        bool          // the login has been accepted
}

// A refusal is why the API has said no.
type refusal int

const (
	none         refusal = iota
	unauthorized         // it does not know who asks
	forbidden            // it knows, and does not allow it
	quota                // there are too many keys
	invalid              // it cannot use the request, or finds nothing
)

// A refusedError is an error of the API itself.
type refusedError struct {
	why refusal
	err *plugin.Error
}

func (e *refusedError) Error() string { return e.err.Error() }
func (e *refusedError) Unwrap() error { return e.err }

// refused returns why the API has said no, if that is what err is about.
func refused(err error) refusal {
	var e *refusedError
	if errors.As(err, &e) {
		return e.why
	}
	return none
}

// call makes the call of that name and decodes the answer into out.
func (a *api) call(ctx context.Context, name string, in, out any) error {
	if a.known {
		return a.send(ctx, name, in, out)
	}
	err := guard(ctx, a.env, a.region+" "+a.base, a.accessKey+a.login, a.secret,
		func() error { return a.send(ctx, name, in, out) })
	a.known = err == nil || refused(err) != none && refused(err) != unauthorized
	return err
}

// guard shows a login to Outscale by calling do, unless it was refused lately,
// whichever profile has shown it: four failures lock the account.
func guard(ctx context.Context, env *plugin.Env, where, login string, secret plugin.Secret, do func() error) error {
	var err error
	name := strings.Join([]string{"outscale's refusal", where, login, secret.Reveal()}, "\x00") // a hash of it is kept
	text, kept := env.Keep(ctx, name, lockedFor, env.Refresh, func(context.Context) ([]byte, error) {
		if err = do(); refused(err) == unauthorized {
			e := plugin.AsError(err)
			return []byte(e.Text + "\n" + e.Hint), nil
		}
		return nil, errAccepted
	})
	switch {
	case err != nil || errors.Is(kept, errAccepted):
		return err
	case kept != nil:
		return kept
	}
	what, hint, _ := strings.Cut(string(text), "\n")
	return &refusedError{unauthorized, plugin.Errorf(plugin.Denied, "%s, lately, and is not asked again",
		what).WithHint("%s; --refresh asks at once", hint)}
}

// errAccepted says that there is no refusal to remember.
var errAccepted = errors.New("the login was not refused")

func (a *api) send(ctx context.Context, name string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, a.base+"/"+name, bytes.NewReader(body))
	if err != nil {
		return plugin.Errorf(plugin.Config, "endpoint is not a URL")
	}
	now := time.Now()
	req.Header.Set("Content-Type", "application/json")
	if a.accessKey != "" {
		signature(a.region).Sign(req, body, a.accessKey, a.secret, now)
	} else {
		req.SetBasicAuth(a.login, a.secret.Reveal())
		req.Header.Set("X-Osc-Date", now.UTC().Format("20060102T150405Z"))
	}
	resp, text, err := plugin.Exchange(a.env.HTTP, req)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return a.explain(req.URL.Host, resp, text, now)
	}
	if json.Unmarshal(text, out) != nil {
		return plugin.Errorf(plugin.Unusable, "%s does not answer as Outscale's API does", req.URL.Host).
			WithHint("check endpoint: %s", a.base).RememberFor(30 * time.Second)
	}
	return nil
}

// signature is Outscale's kind of signature.
//
// https://docs.outscale.com/en/userguide/Signature-of-API-Requests.html
func signature(region string) plugin.Signature {
	return plugin.Signature{Prefix: "OSC4", Vendor: "Osc", Region: region, Service: "api"}
}

// A failure is the API's own word on why a call has failed: its own shape, or
// that of RFC 9457.
type failure struct {
	Errors []struct{ Type, Code, Details string }
	Title  string `json:"title"`
	Detail string `json:"detail"`
}

// Codes of failures, and what they mean to a login.
//
// https://docs.outscale.com/api-errors.html
const (
	codeBadLogin     = "4120" // with the status of a parameter that cannot be used
	codePlatformBusy = "6"

	lockedFor = 5 * time.Minute // four failures lock the account for a minute, more for longer
)

// rules are the codes of a refusal that has nothing to do with the login.
var rules = map[string]string{
	"4":  "an EIM policy has to allow the access key calls",
	"5":  "the account's API access rules do not let this machine in",
	"7":  "the account's API access rules do not let this machine in",
	"14": "the account's API access rules ask for a client certificate: cert_file and key_file",
}

// locks are the codes of a login that is right or wrong, but of no use.
var locks = map[string]string{
	"11": "the account is locked: only Outscale's support can open it",
	"13": "the account is locked for a minute or more, after failed logins",
	"20": "the password has expired: change it in Cockpit",
}

// explain returns the error for an answer that is a failure.
func (a *api) explain(host string, resp *http.Response, body []byte, now time.Time) error {
	var f failure
	broken := json.Unmarshal(body, &f) != nil
	kind, code, details := f.Title, "", f.Detail
	if len(f.Errors) > 0 {
		kind, code, details = f.Errors[0].Type, f.Errors[0].Code, f.Errors[0].Details
	}
	if resp.StatusCode == http.StatusServiceUnavailable && code == codePlatformBusy {
		return plugin.Errorf(plugin.Later, "Outscale is asked too often (HTTP 503, code %s)", code).
			RememberFor(30 * time.Second)
	}
	if err := plugin.StatusError(host, resp.StatusCode, resp.Header, now); err != nil {
		return err
	}
	text := "refused"
	if !broken && kind != "" {
		text = strings.TrimSpace(kind + " " + code)
		if details != "" && !strings.Contains(details, a.secret.Reveal()) {
			text += ": " + details
		}
	}
	text = fmt.Sprintf("Outscale at %s: %s (HTTP %d)", host, plugin.Shorten(text), resp.StatusCode)
	switch hint := rules[code]; {
	case hint != "" || resp.StatusCode == http.StatusForbidden:
		if hint == "" {
			hint = rules["4"]
		}
		return &refusedError{forbidden, plugin.Errorf(plugin.Denied, "%s", text).WithHint("%s",
			hint).RememberFor(time.Minute)}
	case resp.StatusCode == http.StatusUnauthorized, code == codeBadLogin:
		return &refusedError{unauthorized, a.unknown(text, code, resp, now)}
	case broken || kind == "":
		return plugin.Errorf(plugin.Unusable, "%s does not answer as Outscale's API does (HTTP %d)", host,
			resp.StatusCode).
			WithHint("check endpoint: %s", a.base).RememberFor(30 * time.Second)
	case strings.HasPrefix(kind, "TooManyResources"), strings.Contains(strings.ToLower(kind), "quota"):
		return &refusedError{quota, plugin.Errorf(plugin.Denied, "%s", text).RememberFor(time.Minute)}
	}
	return &refusedError{invalid, plugin.Errorf(plugin.Config, "%s", text).RememberFor(10 * time.Second)}
}

// unknown is the error for a login that was refused.
func (a *api) unknown(text, code string, resp *http.Response, now time.Time) *plugin.Error {
	e := plugin.Errorf(plugin.Denied, "%s", text).RememberFor(lockedFor)
	if hint := locks[code]; hint != "" {
		return e.WithHint("%s", hint)
	}
	if date, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
		if off := now.Sub(date).Abs().Round(time.Second); off > 5*time.Minute {
			return e.WithHint("this machine's clock is %s off Outscale's, which allows five minutes", off)
		}
	}
	if a.login != "" {
		return e.WithHint("check login and password; four failures lock the account")
	}
	return e.WithHint("check access_key, secret_key and region (%s); four failures lock the account", a.region)
}
