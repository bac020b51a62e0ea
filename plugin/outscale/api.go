package outscale

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/jeton-cli/jeton/plugin"
)

// api calls Outscale's API with one login.
type api struct {
	env          *plugin.Env
	base, region string
	accessKey    string // or login
	login        string
	secret       plugin.Secret // of the access key or login
	known        bool          // the login has been accepted
}

// A refusal is the reason why the API refused a call.
type refusal int

const (
	none         refusal = iota
	unauthorized         // the login is not accepted
	forbidden            // the login is known, but may not make the call
	quota                // there are too many keys
	invalid              // the request cannot be used, or what it names does not exist
)

// A refusedError is an error reported by the API itself.
type refusedError struct {
	why refusal
	err *plugin.Error
}

func (e *refusedError) Error() string { return e.err.Error() }
func (e *refusedError) Unwrap() error { return e.err }

// refused returns the API's reason for refusing a call, or none if err is not a refusal.
func refused(err error) refusal {
	var e *refusedError
	if errors.As(err, &e) {
		return e.why
	}
	return none
}

// call makes the API call called name with the body in, and decodes the answer into out.
// It goes through guard until the login has been accepted.
func (a *api) call(ctx context.Context, name string, in, out any) error {
	if a.known {
		return a.send(ctx, name, in, out)
	}
	err := guard(ctx, a.env, a.region+" "+a.base, a.accessKey+a.login, a.secret,
		func() error { return a.send(ctx, name, in, out) })
	a.known = err == nil || refused(err) != none && refused(err) != unauthorized
	return err
}

// guard calls do, which shows a login to Outscale. If the same login was refused within
// lockedFor, by any profile, guard returns that refusal instead: four failures lock the
// account.
func guard(ctx context.Context, env *plugin.Env, where, login string, secret plugin.Secret, do func() error) error {
	var err error
	name := strings.Join([]string{"outscale's refusal", where, login, secret.Reveal()}, "\x00") // kept as a hash
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

// errAccepted means that there is no refusal to remember.
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
	if err := plugin.DecodeJSON(text, out); err != nil {
		return plugin.Errorf(plugin.Unusable, "%s does not answer as Outscale's API does%s", req.URL.Host,
			plugin.JSONFault(err)).WithHint("check endpoint: %s", a.base).RememberFor(30 * time.Second)
	}
	return nil
}

// signature returns Outscale's kind of request signature for a region.
//
// https://docs.outscale.com/en/userguide/Signature-of-API-Requests.html
func signature(region string) plugin.Signature {
	return plugin.Signature{Prefix: "OSC4", Vendor: "Osc", Region: region, Service: "api"}
}

// A failure is the API's own explanation of a failed call. It comes in Outscale's format
// or in that of RFC 9457.
type failure struct {
	Errors []struct{ Type, Code, Details string }
	Title  string `json:"title"`
	Detail string `json:"detail"`
}

// Error codes, and how long a refused login is not tried again.
//
// https://docs.outscale.com/api-errors.html
const (
	codeBadLogin     = "4120" // sent with the status of an invalid parameter
	codePlatformBusy = "6"

	lockedFor = 5 * time.Minute // four failures lock the account for a minute, more failures for longer
)

// rules are the codes of refusals that have nothing to do with the login, each with a
// hint.
var rules = map[string]string{
	"4":  "an EIM policy has to allow the access key calls",
	"5":  "the account's API access rules do not let this machine in",
	"7":  "the account's API access rules do not let this machine in",
	"14": "the account's API access rules ask for a client certificate: cert_file and key_file",
}

// locks are the codes for a login that cannot be used now, whether it is right or wrong,
// each with a hint.
var locks = map[string]string{
	"11": "the account is locked: only Outscale's support can open it",
	"13": "the account is locked for a minute or more, after failed logins",
	"20": "the password has expired: change it in Cockpit",
}

// explain returns the error for a failed call.
func (a *api) explain(host string, resp *http.Response, body []byte, now time.Time) error {
	var f failure
	broken := plugin.DecodeJSON(body, &f) != nil
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
		kind := strings.TrimSpace(kind + " " + code)
		whole := strings.TrimSuffix(kind+": "+details, ": ")
		text = cmp.Or(plugin.Said(whole, a.secret), plugin.Said(kind, a.secret), text)
	}
	text = fmt.Sprintf("Outscale at %s: %s (HTTP %d)", host, text, resp.StatusCode)
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

// unknown returns the error for a refused login.
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
