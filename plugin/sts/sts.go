// Package sts obtains temporary access keys from a Security Token Service: AWS's own, or
// one that speaks its protocol, such as MinIO's or Ceph's.
//
// https://docs.aws.amazon.com/STS/latest/APIReference/
package sts

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/jeton-cli/jeton/plugin"
)

// Issuer gives temporary access keys.
var Issuer = plugin.Issuer{
	Name:  "sts",
	Gives: plugin.AccessKey,
	Takes: []plugin.Taken{{Kind: plugin.BearerToken}},
	From:  "AWS STS, MinIO or Ceph: a role for another profile's token, or a session for its access key",
	Example: `deploy:
  plugin: sts
  from: corp                      # a profile that gives a token
  role_arn: arn:aws:iam::123456789012:role/deploy
  region: eu-west-3
`,
	Adopt:       adopt,
	New:         func() plugin.Options { return &Options{} },
	EnvName:     "env-aws",
	Environment: environment,
}

// Options are the options of an sts profile.
type Options struct {
	Action          string        `yaml:"action" help:"assume_role_with_web_identity (default), or get_session_token"`
	RoleARN         string        `yaml:"role_arn" help:"role to assume; MinIO and Ceph may want none"`
	RoleSessionName string        `yaml:"role_session_name" help:"name of the session in the logs (\"jeton\")"`
	Region          string        `yaml:"region" help:"AWS region, passed on to the client"`
	Endpoint        string        `yaml:"endpoint" help:"address of the service, instead of AWS's in the region"`
	Duration        time.Duration `yaml:"duration" help:"lifetime of the key, 15m to 12h; by default the service's own"`
	Policy          string        `yaml:"policy" help:"session policy, as JSON"`
	PolicyARNs      []string      `yaml:"policy_arns" help:"managed session policies"`
	TokenFile       plugin.Path   `yaml:"token_file" help:"file of the token, instead of from"`

	from bool
}

const (
	webIdentity  = "assume_role_with_web_identity"
	sessionToken = "get_session_token"
)

// Complete checks o and fills in the defaults. Its errors have the code [plugin.Config].
func (o *Options) Complete(common *plugin.Common) error {
	o.from = common.From != ""
	if o.Action == "" {
		o.Action = webIdentity
	}
	failures := o.checkAction()
	if o.Duration != 0 && (o.Duration < 15*time.Minute || o.Duration > 365*24*time.Hour) {
		failures = errors.Join(failures,
			plugin.Errorf(plugin.Config, "duration: at least 15m; a role of AWS lives 12h at most"))
	}
	if o.Endpoint == "" {
		if o.Region == "" {
			return errors.Join(failures, plugin.Errorf(plugin.Config, "region is missing").
				WithHint("AWS's service is in a region, such as region: eu-west-3; others have an endpoint"))
		}
		if !plugin.Word(o.Region, "-") {
			return errors.Join(failures, plugin.Errorf(plugin.Config, "region: %q is none", plugin.Shorten(o.Region)))
		}
		domain := "amazonaws.com"
		if strings.HasPrefix(o.Region, "cn-") {
			domain = "amazonaws.com.cn"
		}
		o.Endpoint = "https://sts." + o.Region + "." + domain
	}
	if _, err := plugin.ParseURL(o.Endpoint, common.PlainHTTP); err != nil {
		return errors.Join(failures, fmt.Errorf("endpoint: %w", err))
	}
	return failures
}

// checkAction returns an error if the options do not fit the action.
func (o *Options) checkAction() error {
	switch o.Action {
	case webIdentity:
		if o.from == (o.TokenFile != "") {
			return plugin.Errorf(plugin.Config, "%s needs one token", o.Action).
				WithHint("name from: PROFILE, which gives a token, or token_file: PATH")
		}
		if o.RoleARN == "" && o.Endpoint == "" {
			return plugin.Errorf(plugin.Config, "role_arn is missing, which AWS needs").
				WithHint("it looks like arn:aws:iam::123456789012:role/NAME")
		}
		if o.RoleSessionName == "" {
			o.RoleSessionName = "jeton"
		}
		if n := len(o.RoleSessionName); n < 2 || n > 64 || !plugin.Word(o.RoleSessionName, "_+=,.@-") {
			return plugin.Errorf(plugin.Config, "role_session_name: 2 to 64 letters, digits and _ + = , . @ -")
		}
	case sessionToken:
		if !o.from || o.TokenFile != "" {
			return plugin.Errorf(plugin.Config, "from is missing, which %s needs", o.Action).
				WithHint("name a profile that gives access keys")
		}
		if o.RoleARN != "" || o.RoleSessionName != "" || o.Policy != "" || o.PolicyARNs != nil {
			return plugin.Errorf(plugin.Config,
				"role_arn, role_session_name, policy and policy_arns have no meaning with %s", o.Action)
		}
	default:
		return plugin.Errorf(plugin.Config, "action: there is no %q", plugin.Shorten(o.Action)).
			WithHint("there are: %s, %s", webIdentity, sessionToken)
	}
	return nil
}

// ObjectStore returns the region and address of the S3 service that accepts the keys. For
// AWS the address is empty, since AWS's own tools know it. Other services have one
// address for STS and S3.
func (o *Options) ObjectStore() (region, endpoint string) {
	if strings.Contains(o.Endpoint, ".amazonaws.com") {
		return o.Region, ""
	}
	return o.Region, o.Endpoint
}

// Source returns the source of keys.
func (o *Options) Source(env *plugin.Env) plugin.Source { return &source{o, env} }

type source struct {
	options *Options
	env     *plugin.Env
}

// Fetch asks the service for a temporary key.
func (s *source) Fetch(ctx context.Context, _ *plugin.Credential) (*plugin.Credential, error) {
	form := url.Values{"Version": {"2011-06-15"}}
	if d := s.options.Duration; d != 0 {
		form.Set("DurationSeconds", strconv.Itoa(int(d.Seconds())))
	}
	if s.env.From != nil {
		plugin.Connect(s.env.HTTP, s.options.Endpoint)
	}
	if s.options.Action == sessionToken {
		key, err := s.env.From(ctx, false)
		if err != nil {
			return nil, err
		}
		if key.AccessKey == "" || !key.SessionToken.IsZero() {
			return nil, plugin.Errorf(plugin.Config, "from: that profile gives no access key that lasts").
				WithHint("name a profile that gives access keys without a session")
		}
		form.Set("Action", "GetSessionToken")
		return s.send(ctx, form, key)
	}
	token, err := s.token(ctx)
	if err != nil {
		return nil, err
	}
	o := s.options
	form.Set("Action", "AssumeRoleWithWebIdentity")
	form.Set("RoleSessionName", o.RoleSessionName)
	form.Set("WebIdentityToken", token.Reveal())
	for name, value := range map[string]string{"RoleArn": o.RoleARN, "Policy": o.Policy} {
		if value != "" {
			form.Set(name, value)
		}
	}
	for i, arn := range o.PolicyARNs {
		form.Set(fmt.Sprintf("PolicyArns.member.%d.arn", i+1), arn)
	}
	return s.send(ctx, form, nil, token)
}

// token returns the token that proves the caller's identity.
func (s *source) token(ctx context.Context) (plugin.Secret, error) {
	if s.env.From == nil {
		return plugin.ReadTokenFile(string(s.options.TokenFile))
	}
	c, err := s.env.From(ctx, false)
	if err != nil {
		return plugin.Secret{}, err
	}
	if c.Token.IsZero() || c.Attrs[plugin.AttrAuthURL] != "" {
		return plugin.Secret{}, plugin.Errorf(plugin.Config,
			"from: that profile gives no token of an OpenID Connect provider").
			WithHint("name a profile that gives tokens of OpenID Connect")
	}
	return c.Token, nil
}

// send posts the request, signed with key unless key is nil. The token is in the body,
// since servers log URLs.
func (s *source) send(ctx context.Context, form url.Values, key *plugin.Credential,
	secrets ...plugin.Secret) (*plugin.Credential, error) {
	for again := false; ; again = true {
		body := []byte(form.Encode())
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimRight(s.options.Endpoint, "/")+"/",
			bytes.NewReader(body))
		if err != nil {
			return nil, plugin.Errorf(plugin.Config, "endpoint is not a URL")
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if key != nil {
			region := s.options.Region
			if region == "" {
				region = "us-east-1" // what services without regions expect
			}
			plugin.Signature{Prefix: "AWS4", Vendor: "Amz", Region: region, Service: "sts"}.
				Sign(req, body, key.AccessKey, key.SecretKey, time.Now())
		}
		sent := time.Now()
		resp, text, err := plugin.Exchange(s.env.HTTP, req)
		if err != nil {
			return nil, err
		}
		var a answer
		broken := xml.Unmarshal(text, &a) != nil
		code := a.code()
		if code == "IDPCommunicationError" && !again {
			continue // AWS itself says that a retry may help
		}
		if code != "" {
			message := plugin.Said(code+": "+a.message(), secrets...)
			if message == "" {
				message = plugin.Withheld
			}
			s.env.Log("%s: %s: %q", s.env.Profile, req.URL.Host, message)
			if err := refusal(req.URL.Host, code); err != nil {
				return nil, err
			}
		}
		if err := plugin.StatusError(req.URL.Host, resp.StatusCode, resp.Header, time.Now()); err != nil {
			return nil, err
		}
		if broken || resp.StatusCode != http.StatusOK {
			return nil, plugin.Errorf(plugin.Unusable, "%s does not answer as a Security Token Service does (HTTP %d)",
				req.URL.Host, resp.StatusCode).
				WithHint("check endpoint: %s", s.options.Endpoint).RememberFor(30 * time.Second)
		}
		return s.accept(&a, req.URL.Host, plugin.ReadClock(sent, resp.Header))
	}
}

func (s *source) accept(a *answer, host string, clock plugin.Clock) (*plugin.Credential, error) {
	k := a.credentials()
	expires, err := time.Parse(time.RFC3339, k.Expiration)
	if err != nil || k.AccessKeyID == "" || k.SecretAccessKey == "" || k.SessionToken == "" {
		return nil, plugin.Errorf(plugin.Unusable, "the answer of %s holds no key with an expiry", host).
			RememberFor(30 * time.Second)
	}
	c := &plugin.Credential{
		AccessKey: k.AccessKeyID, SecretKey: plugin.NewSecret(k.SecretAccessKey),
		SessionToken: plugin.NewSecret(k.SessionToken),
		Issued:       clock.Sent, Expires: clock.Older(expires), Attrs: map[string]string{},
	}
	for name, value := range map[string]string{plugin.AttrRegion: s.options.Region, plugin.AttrRoleARN: a.arn()} {
		if value != "" {
			c.Attrs[name] = value
		}
	}
	return c, nil
}

// keys are the credentials in an answer.
type keys struct {
	AccessKeyID     string `xml:"AccessKeyId"`
	SecretAccessKey string `xml:"SecretAccessKey"`
	SessionToken    string `xml:"SessionToken"`
	Expiration      string `xml:"Expiration"`
}

// An answer is the document returned by either action, or an error. XML namespaces differ
// between services and are ignored.
type answer struct {
	Web struct {
		Credentials keys `xml:"Credentials"`
		User        struct {
			ARN string `xml:"Arn"`
		} `xml:"AssumedRoleUser"`
	} `xml:"AssumeRoleWithWebIdentityResult"`
	Session struct {
		Credentials keys `xml:"Credentials"`
	} `xml:"GetSessionTokenResult"`
	Error struct {
		Code    string `xml:"Code"`
		Message string `xml:"Message"`
	} `xml:"Error"`
	// Ceph's errors have no element around these two.
	Code    string `xml:"Code"`
	Message string `xml:"Message"`
}

func (a *answer) credentials() keys {
	if a.Session.Credentials.AccessKeyID != "" {
		return a.Session.Credentials
	}
	return a.Web.Credentials
}

func (a *answer) arn() string     { return a.Web.User.ARN }
func (a *answer) code() string    { return a.Error.Code + a.Code }
func (a *answer) message() string { return a.Error.Message + a.Message }

// refusals are the known error codes. Any other code could be arbitrary text, so errors
// do not repeat it.
var refusals = map[string]struct {
	code       plugin.Code
	text, hint string
}{
	"AccessDenied": {plugin.Denied, "does not give this role for this token",
		"check role_arn, and the trust policy of the role: its provider, audience and subject"},
	"ExpiredToken": {plugin.Denied, "says that the token has expired",
		"what gives the token has to renew it"},
	"ExpiredTokenException": {plugin.Denied, "says that the token has expired",
		"what gives the token has to renew it"},
	"InvalidIdentityToken": {plugin.Denied, "cannot verify the token",
		"check that the token's issuer is an identity provider there, and the audience"},
	"IDPRejectedClaim": {plugin.Denied, "says that the identity provider refuses the token",
		"check the token's audience, and that it was not revoked"},
	"IDPCommunicationError": {plugin.Network, "cannot reach the identity provider", ""},
	"InvalidClientTokenId":  {plugin.Denied, "does not know the access key", ""},
	"SignatureDoesNotMatch": {plugin.Denied, "does not accept the signature",
		"check region and endpoint, and this machine's clock"},
	"InvalidAccessKeyId":            {plugin.Denied, "does not know the access key", ""},
	"MalformedPolicyDocument":       {plugin.Config, "cannot read the policy", "check policy"},
	"PackedPolicyTooLarge":          {plugin.Config, "finds the policies too large", "check policy and policy_arns"},
	"PackedPolicyTooLargeException": {plugin.Config, "finds the policies too large", "check policy and policy_arns"},
	"RegionDisabledException":       {plugin.Config, "is not switched on in this region", "choose another region"},
	"ValidationError": {plugin.Config, "cannot use the request",
		"check role_arn, duration and policy; --verbose shows what the service says"},
	"InvalidParameterValue": {plugin.Config, "cannot use the request",
		"check role_arn, duration and policy; --verbose shows what the service says"},
	"MissingParameter": {plugin.Config, "wants more",
		"check role_arn; --verbose shows what the service says"},
	"STSNotInitialized":   {plugin.Later, "is not ready yet", ""},
	"Throttling":          {plugin.Later, "is asked too often", ""},
	"ThrottlingException": {plugin.Later, "is asked too often", ""},
}

func refusal(host, code string) error {
	known, ok := refusals[code]
	if !ok {
		return nil
	}
	e := plugin.Errorf(known.code, "%s %s (%s)", host, known.text, code)
	e.Hint = known.hint
	remember := map[plugin.Code]time.Duration{plugin.Denied: time.Minute, plugin.Config: 10 * time.Second,
		plugin.Later: 30 * time.Second, plugin.Network: 2 * time.Second}
	return e.RememberFor(remember[known.code])
}

// environment reads the variables with which AWS's tools assume a role for a token.
func environment(getenv func(string) string) (map[string]plugin.Value, bool, error) {
	values := map[string]plugin.Value{}
	for _, v := range [][2]string{
		{"role_arn", "AWS_ROLE_ARN"}, {"token_file", "AWS_WEB_IDENTITY_TOKEN_FILE"},
		{"role_session_name", "AWS_ROLE_SESSION_NAME"},
		{"region", "AWS_DEFAULT_REGION"}, {"region", "AWS_REGION"},
	} {
		if text := getenv(v[1]); text != "" {
			values[v[0]] = plugin.Value{Variable: v[1], Key: v[1], Text: text}
		}
	}
	if values["role_arn"].Text == "" || values["token_file"].Text == "" {
		return nil, false, nil // a region alone is not an identity
	}
	if values["region"].Text == "" {
		values["region"] = plugin.Value{Place: "the default", Text: "us-east-1"} // of AWS's tools for STS
	}
	return values, true, nil
}
