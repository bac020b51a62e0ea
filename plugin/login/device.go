package login

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/jeton-cli/jeton/plugin"
)

// loginByDevice asks the server for a code, which the person enters at any browser, and
// then asks until the person has (RFC 8628).
func (s *source) loginByDevice(ctx context.Context, ends *plugin.Discovery, tell func(plugin.Prompt) error) (
	*plugin.Credential, error) {
	o := s.options
	if ends.DeviceEndpoint == "" {
		return nil, plugin.Errorf(plugin.Config, "%s names no device authorization endpoint", s.At()).
			WithHint("flow: authorization_code logs in at the browser; or name the device_authorization_endpoint")
	}
	proofKey := plugin.Secret{}
	if o.DPoP {
		var err error
		if proofKey, err = newProofKey(); err != nil {
			return nil, err
		}
	}
	verifier := oauth2.GenerateVerifier()
	scope := s.wholeScope(ends)
	device, err := s.deviceCode(ctx, ends, scope, verifier)
	if err != nil {
		return nil, err
	}
	if err := tell(plugin.Prompt{URL: device.VerificationURI, Code: device.UserCode,
		Whole: device.VerificationURIComplete, Until: device.Expiry}); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithDeadline(ctx, device.Expiry)
	defer cancel()
	answer, err := s.await(ctx, ends, device, verifier, proofKey)
	if err != nil {
		return nil, err
	}
	return s.loggedIn(ctx, answer, ends, scope, "", proofKey)
}

// await polls until the person has logged in or ctx ends. The server or the network may
// fail in between, as RFC 8628, section 3.5, wants it tried again.
func (s *source) await(ctx context.Context, ends *plugin.Discovery, device *oauth2.DeviceAuthResponse, verifier string,
	proofKey plugin.Secret) (*plugin.TokenResponse, error) {
	for {
		answer, err := s.poll(ctx, ends, device, verifier, proofKey)
		if err == nil {
			return answer, nil
		}
		if ctx.Err() != nil {
			return nil, s.ended(ctx)
		}
		e := plugin.AsError(err)
		if e.Code == plugin.Denied && e.Remember > 0 {
			e.Remember = cancelledFor
		}
		if e.Code != plugin.Network && e.Code != plugin.Later {
			return nil, e
		}
		// x/oauth2 forgets by how much the server has slowed it down.
		device.Interval = min(2*device.Interval, maxInterval)
		wait := time.Duration(0)
		if e.Code == plugin.Later {
			wait = e.Remember // the server says how long
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return nil, s.ended(ctx)
		}
	}
}

// ended returns the error for a login whose ctx has ended: by the person, or in time.
func (s *source) ended(ctx context.Context) error {
	if e := (*plugin.Error)(nil); errors.As(context.Cause(ctx), &e) {
		return e
	}
	return gaveUp(s.At())
}

// poll asks for the tokens at the server's interval until it has an answer other than that
// the person is not ready.
func (s *source) poll(ctx context.Context, ends *plugin.Discovery, device *oauth2.DeviceAuthResponse, verifier string,
	proofKey plugin.Secret) (*plugin.TokenResponse, error) {
	r, err := s.request(ctx, ends.TokenEndpoint, proofKey)
	if err != nil {
		return nil, err
	}
	r.Secrets = append(r.Secrets, plugin.NewSecret(device.DeviceCode))
	return r.Grant(ctx, s.env, func(ctx context.Context, c *oauth2.Config) error {
		_, err := c.DeviceAccessToken(ctx, device, append(parameters(r.Form), oauth2.VerifierOption(verifier))...)
		return err
	})
}

// deviceCode asks for a code. x/oauth2 sends the request without its context, and leaves
// the answer's body open: the transport of [plugin.TokenRequest] makes up for both.
func (s *source) deviceCode(ctx context.Context, ends *plugin.Discovery, scope, verifier string) (
	*oauth2.DeviceAuthResponse, error) {
	r, err := s.request(ctx, ends.DeviceEndpoint, plugin.Secret{})
	if err != nil {
		return nil, err
	}
	var device *oauth2.DeviceAuthResponse
	_, err = r.Grant(ctx, s.env, func(ctx context.Context, c *oauth2.Config) (err error) {
		c.Endpoint.DeviceAuthURL, c.Scopes = ends.DeviceEndpoint, strings.Fields(scope)
		options := append(parameters(r.Form), oauth2.S256ChallengeOption(verifier))
		if r.AuthMethod == "client_secret_post" {
			options = append(options, oauth2.SetAuthURLParam("client_secret", r.ClientSecret.Reveal()))
		}
		if s.options.Audience != "" {
			options = append(options, oauth2.SetAuthURLParam("audience", s.options.Audience))
		}
		device, err = c.DeviceAuth(ctx, options...)
		return err
	})
	if err != nil {
		return nil, err
	}
	if err := s.checkDevice(device); err != nil {
		return nil, err
	}
	return device, nil
}

// The bounds of the interval in seconds. Below the lower one, servers lock clients out.
const (
	minInterval = 5 // RFC 8628, section 3.2
	maxInterval = 60
)

// checkDevice returns an error if the answer does not hold what a person needs. It bounds
// the times in it.
func (s *source) checkDevice(d *oauth2.DeviceAuthResponse) error {
	if d == nil || d.DeviceCode == "" || d.UserCode == "" || len(d.UserCode) > 64 ||
		strings.ContainsFunc(d.UserCode, func(r rune) bool { return r < ' ' || r > '~' }) {
		return plugin.Errorf(plugin.Unusable, "%s gives no usable device code", s.At()).RememberFor(time.Minute)
	}
	if !s.webPage(d.VerificationURI) || d.VerificationURIComplete != "" && !s.webPage(d.VerificationURIComplete) {
		return plugin.Errorf(plugin.Unusable, "%s names no usable page for its code", s.At()).RememberFor(time.Minute)
	}
	now := time.Now()
	latest := now.Add(30 * time.Minute)
	if d.Expiry.IsZero() {
		d.Expiry = now.Add(plugin.LoginLimit)
	}
	if !d.Expiry.After(now) {
		return plugin.Errorf(plugin.Unusable, "%s gives a device code that has expired", s.At()).
			RememberFor(time.Minute)
	}
	if d.Expiry.After(latest) {
		d.Expiry = latest
	}
	d.Interval = min(max(d.Interval, minInterval), maxInterval)
	return nil
}

// webPage reports whether a person can be sent to the address, who types a password there.
func (s *source) webPage(address string) bool {
	u, err := url.Parse(address)
	return err == nil && plugin.CheckTransport(u, s.options.PlainHTTP) == nil && u.User == nil &&
		!strings.ContainsFunc(address, func(r rune) bool { return r <= ' ' || r > '~' })
}
