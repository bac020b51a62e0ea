package keystone

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gophercloud/gophercloud/v2"

	"github.com/jeton-cli/jeton/plugin"
)

// A factor is one proof of identity, in the form used in an authentication request.
type factor struct {
	method   string // of the Identity API, such as "totp"
	identity map[string]any
	secret   plugin.Secret
	// once means that the secret works for one request only, so the request is not sent
	// again.
	once bool
}

// factors are the auth_types that consist of one factor. method is its name in the
// Identity API; check returns an error if an option for it is missing.
var factors = map[string]struct {
	method string
	check  func(o *Options) error
}{
	"v3password":              {"password", checkPassword},
	"v3totp":                  {"totp", (*Options).checkUser},
	"v3applicationcredential": {"application_credential", checkApplicationCredential},
	"v3token":                 {"token", checkToken},
}

// defaultFactors are the auth_methods of a profile that names none.
var defaultFactors = []string{"v3password", "v3totp"}

// factors returns the methods of the factors that o's auth_type sends in its first
// request.
func (o *Options) factors() (methods []string) {
	types := []string{o.AuthType}
	switch o.AuthType {
	case "v2password":
		return []string{"password"}
	case "v3multifactor":
		types = o.AuthMethods
	}
	for _, t := range types {
		methods = append(methods, factors[t].method)
	}
	return methods
}

// prove returns the factor for method.
func (s *source) prove(ctx context.Context, method string) (f factor, err error) {
	o := s.options
	f.method = method
	switch method {
	case "password":
		if f.secret, err = s.password(ctx); err != nil {
			return f, err
		}
		user := o.user()
		user["password"] = f.secret.Reveal()
		f.identity = map[string]any{"user": user}
	case "totp":
		if f.secret, err = s.passcode(ctx); err != nil {
			return f, err
		}
		user := o.user()
		user["passcode"] = f.secret.Reveal()
		f.identity, f.once = map[string]any{"user": user}, true
	case "token":
		f.secret, err = o.Token.ResolveAs(ctx, "token", s.env)
		f.identity = map[string]any{"id": f.secret.Reveal()}
	case "application_credential":
		if f.secret, err = o.ApplicationCredentialSecret.ResolveAs(ctx, "application_credential_secret",
			s.env); err != nil {
			return f, err
		}
		f.identity = map[string]any{"secret": f.secret.Reveal()}
		if o.ApplicationCredentialID != "" {
			f.identity["id"] = o.ApplicationCredentialID
		} else {
			f.identity["name"] = o.ApplicationCredentialName
			f.identity["user"] = o.user()
		}
	}
	return f, err
}

// password returns the user's password: from the source that the profile names, or
// otherwise from the person. Its error then wraps [plugin.ErrPerson].
func (s *source) password(ctx context.Context) (plugin.Secret, error) {
	if !s.options.Password.IsZero() {
		return s.options.Password.ResolveAs(ctx, "password", s.env)
	}
	e := plugin.Errorf(plugin.Denied, "the password of %s is needed, and there is no terminal to ask for it", s.who())
	e.WithHint("log in at a terminal: %s; or keep the password: password: {keyring: NAME}, and jeton secret set NAME",
		plugin.ShellWords(s.env.LoginCommand()...))
	return s.ask("Password", e)
}

// passcode returns the current passcode: from the source that the profile names, or
// otherwise from the person. Its error then wraps [plugin.ErrPerson].
func (s *source) passcode(ctx context.Context) (plugin.Secret, error) {
	if !s.options.Passcode.IsZero() {
		return s.options.Passcode.ResolveAs(ctx, "passcode", s.env)
	}
	e := plugin.Errorf(plugin.Denied, "a passcode of %s is needed, and there is no terminal to ask for it", s.who())
	e.WithHint("log in at a terminal: %s; or name a program that prints the passcode: passcode: {command: [ARGV…]}",
		plugin.ShellWords(s.env.LoginCommand()...))
	return s.ask("Passcode", e)
}

// ask asks the person for what the login needs. nobody is the error if nobody is there.
func (s *source) ask(what string, nobody *plugin.Error) (plugin.Secret, error) {
	answer, err := s.env.Ask(what + " of " + s.who() + " at " + hostOf(s.options.AuthURL) + ": ")
	if err != nil {
		return answer, plugin.Because(nobody, err)
	}
	return answer, nil
}

// who names the user in words.
func (s *source) who() string {
	if s.options.Username == "" {
		return "user " + s.options.UserID
	}
	return s.options.Username
}

// A receipt is Keystone's answer to a login with one factor by a user who needs several.
// It stands for the factors accepted so far.
//
// https://docs.openstack.org/api-ref/identity/v3/#multi-step-authentication-2-factor-password-and-totp-example
type receipt struct {
	id       string
	accepted []string
	required [][]string // sets of methods, one of which is enough
}

// receiptIn returns the receipt in the answer that err stands for, or nil if there is
// none.
func receiptIn(err error) *receipt {
	var status gophercloud.ErrUnexpectedResponseCode
	if !errors.As(err, &status) || status.Actual != http.StatusUnauthorized {
		return nil
	}
	id := status.ResponseHeader.Get("Openstack-Auth-Receipt")
	var body struct {
		Receipt struct {
			Methods []string `json:"methods"`
		} `json:"receipt"`
		Required [][]string `json:"required_auth_methods"`
	}
	if id == "" {
		return nil
	}
	if plugin.DecodeJSON(status.Body, &body) != nil {
		return &receipt{id: id} // without the lists
	}
	return &receipt{id, body.Receipt.Methods, body.Required}
}

// missing returns the smallest set of methods that o can prove and that completes the
// login, or nil if there is none. all describes in words every set that would complete
// it.
func (r *receipt) missing(o *Options) (methods []string, all string) {
	var ways []string
	for _, set := range r.required {
		rest := slices.DeleteFunc(slices.Clone(set), func(m string) bool { return slices.Contains(r.accepted, m) })
		if len(rest) == 0 {
			continue
		}
		if !slices.ContainsFunc(rest, func(m string) bool { return !o.canProve(m) }) &&
			(methods == nil || len(rest) < len(methods)) {
			methods = rest
		}
		ways = append(ways, plugin.Shorten(strings.Join(rest, " and ")))
	}
	return methods, strings.Join(ways, ", or ")
}

// canProve reports whether o has, or can ask the user for, what the method needs.
func (o *Options) canProve(method string) bool {
	switch method {
	case "password", "totp":
		return o.checkUser() == nil // the user can be asked for it
	case "application_credential":
		return !o.ApplicationCredentialSecret.IsZero()
	}
	return false
}

// login shows the factors to Keystone, and then any more that Keystone wants of this
// user.
func (s *source) login(ctx context.Context, factors ...factor) (*plugin.Credential, error) {
	a, err := s.post(ctx, "", factors)
	if r := receiptIn(err); r != nil {
		methods, all := r.missing(s.options)
		if len(methods) == 0 {
			return nil, s.wantsMore(all)
		}
		s.env.Log("%s: Keystone wants %s too", s.env.Profile, strings.Join(methods, " and "))
		if factors, err = s.proofs(ctx, methods); err != nil {
			return nil, err
		}
		a, err = s.post(ctx, r.id, factors)
		if r := receiptIn(err); r != nil {
			_, all := r.missing(s.options)
			return nil, s.wantsMore(all)
		}
	}
	if err != nil {
		return nil, s.explainLogin(err, factors)
	}
	return s.accept(ctx, a)
}

func (s *source) proofs(ctx context.Context, methods []string) (factors []factor, err error) {
	for _, m := range methods {
		f, err := s.prove(ctx, m)
		if err != nil {
			return nil, err
		}
		factors = append(factors, f)
	}
	return factors, nil
}

// post sends one authentication request.
func (s *source) post(ctx context.Context, receipt string, factors []factor) (*answer, error) {
	for _, f := range factors {
		if f.once {
			ctx = plugin.SendOnce(ctx)
		}
	}
	client := s.client(plugin.Secret{})
	if receipt != "" {
		client.MoreHeaders = map[string]string{"Openstack-Auth-Receipt": receipt}
	}
	return createToken(ctx, client, request(factors, s.options.scope()))
}

// explainLogin is explain for a request with these factors.
func (s *source) explainLogin(err error, factors []factor) error {
	var secrets []plugin.Secret
	once := false
	for _, f := range factors {
		secrets, once = append(secrets, f.secret), once || f.once
	}
	a := s.options.advice()
	if once && len(factors) == 1 {
		a = advice{"the passcode", "log in with it", "type the passcode of the moment: each is good for half a " +
			"minute, and once; check the clock of the device that shows it"}
	}
	e := plugin.AsError(explain(err, s.options.AuthURL, a, secrets...))
	if once && e.Code == plugin.Network && !e.Unsent {
		return e.WithHint("the passcode may be used up, so it was not sent again: try with the next one")
	}
	if e.Code == plugin.Denied && s.typed(factors) {
		// Who has mistyped it should get another try soon. But the callers waiting in line
		// should not each ask for it.
		return e.RememberFor(5 * time.Second)
	}
	return e
}

// typed reports whether a person has typed one of the factors.
func (s *source) typed(factors []factor) bool {
	return slices.ContainsFunc(factors, func(f factor) bool {
		return f.method == "totp" && s.options.Passcode.IsZero() ||
			f.method == "password" && s.options.Password.IsZero()
	})
}

// wantsMore returns the error for a user who needs factors that the profile does not
// have.
func (s *source) wantsMore(all string) error {
	if all == "" {
		all = "a further factor"
	}
	return plugin.Errorf(plugin.Denied, "Keystone at %s wants more of this user: %s", hostOf(s.options.AuthURL), all).
		WithHint("jeton can show password and totp (auth_type: v3multifactor); an application credential needs no " +
			"second factor").
		RememberFor(deniedFor)
}
