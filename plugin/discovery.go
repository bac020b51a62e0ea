package plugin

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A Discovery is the part of an OpenID provider's metadata that jeton uses.
//
// https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderMetadata
type Discovery struct {
	Issuer                string   `json:"issuer"`
	TokenEndpoint         string   `json:"token_endpoint"`
	GrantTypes            []string `json:"grant_types_supported"`
	AuthorizationEndpoint string   `json:"authorization_endpoint"`
	// DeviceEndpoint is that of RFC 8628, section 4, RevocationEndpoint that of RFC 7009.
	DeviceEndpoint     string   `json:"device_authorization_endpoint"`
	RevocationEndpoint string   `json:"revocation_endpoint"`
	Scopes             []string `json:"scopes_supported"`
	// NamesIssuer says that the answer at the browser names the issuer (RFC 9207, section 3).
	NamesIssuer bool `json:"authorization_response_iss_parameter_supported"`
}

// discoveryLife is how long a discovery document is kept. Providers change it once in
// years. A request that fails because of an old document makes jeton fetch it again.
const discoveryLife = 24 * time.Hour

// WithDiscovery calls send with the token endpoint of the discovery document at address.
// The document is kept. If issuer is not empty, the document must belong to that issuer.
// plainHTTP is the profile's option. The document is fetched again if it does not offer
// the grant or if there is nothing at its endpoint.
func WithDiscovery(ctx context.Context, env *Env, address, issuer string, plainHTTP bool, grant string,
	send func(endpoint string) (*TokenResponse, error)) (*TokenResponse, error) {
	d, err := Discover(ctx, env, address, issuer, plainHTTP)
	if err != nil {
		return nil, err
	}
	var failure error
	if d.supports(grant) {
		answer, err := send(d.TokenEndpoint)
		if !errors.Is(err, errNoEndpoint) {
			return answer, err
		}
		failure = err
	}
	former := d.TokenEndpoint
	if d, err = discover(ctx, env, address, issuer, plainHTTP, true); err != nil {
		return nil, err
	}
	switch {
	case !d.supports(grant):
		host := address
		if u, err := url.Parse(address); err == nil {
			host = u.Host
		}
		return nil, Errorf(Config, "%s does not offer the grant %s", host, grant).
			WithHint("choose another flow (auth_type)").RememberFor(10 * time.Second)
	case failure != nil && d.TokenEndpoint == former:
		return nil, failure
	}
	return send(d.TokenEndpoint)
}

// Discover returns the discovery document at address. It is kept for a day. The rest is as
// in [WithDiscovery].
func Discover(ctx context.Context, env *Env, address, issuer string, plainHTTP bool) (*Discovery, error) {
	return discover(ctx, env, address, issuer, plainHTTP, false)
}

func discover(ctx context.Context, env *Env, address, issuer string, plainHTTP, refresh bool) (*Discovery, error) {
	b, err := env.Keep(ctx, "discovery "+address, discoveryLife, refresh, func(ctx context.Context) ([]byte, error) {
		b, err := fetchDiscovery(ctx, env, address)
		if err == nil {
			_, err = parseDiscovery(b, address, issuer, plainHTTP)
		}
		return b, err
	})
	if err != nil {
		return nil, err
	}
	return parseDiscovery(b, address, issuer, plainHTTP)
}

func fetchDiscovery(ctx context.Context, env *Env, address string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, Errorf(Config, "the discovery address is not a URL")
	}
	req.Header.Set("Accept", "application/json")
	resp, body, err := Exchange(env.HTTP, req)
	if err != nil {
		return nil, err
	}
	if err := StatusError(req.URL.Host, resp.StatusCode, resp.Header, time.Now()); err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, Errorf(Config, "there is no discovery document at %s (HTTP %d)", withoutQuery(req.URL),
			resp.StatusCode).
			WithHint("a browser shows {\"issuer\": …} at the right address").RememberFor(10 * time.Second)
	}
	return body, nil
}

func parseDiscovery(b []byte, address, issuer string, plainHTTP bool) (*Discovery, error) {
	host := address
	if u, err := url.Parse(address); err == nil {
		host = u.Host
	}
	var d Discovery
	if err := DecodeJSON(b, &d); err != nil || d.TokenEndpoint == "" {
		return nil, Errorf(Unusable, "%s has no usable discovery document%s", host, JSONFault(err)).
			WithHint("check the address: %s", address).RememberFor(throttled)
	}
	if issuer != "" && d.Issuer != issuer {
		return nil, Errorf(Unusable, "the discovery document of %s is another issuer's: %s", issuer,
			strconv.Quote(Shorten(d.Issuer))).
			WithHint("if that is the one you mean, write it as issuer, letter by letter").RememberFor(throttled)
	}
	if why := unsafeEndpoint(address, d.TokenEndpoint, plainHTTP); why != "" {
		return nil, Errorf(Unusable, "the discovery document of %s names a token endpoint %s", host, why).
			RememberFor(throttled)
	}
	for _, other := range []*string{&d.AuthorizationEndpoint, &d.DeviceEndpoint, &d.RevocationEndpoint} {
		if unsafeEndpoint(address, *other, plainHTTP) != "" {
			*other = "" // whoever needs it says that it is not offered
		}
	}
	return &d, nil
}

// unsafeEndpoint says why nothing must be sent to an endpoint that the document at address
// names. It returns "" if it may.
func unsafeEndpoint(address, endpoint string, plainHTTP bool) (why string) {
	u, err := url.Parse(endpoint)
	if err == nil && strings.HasPrefix(address, "https:") && u.Scheme != "https" {
		return "without TLS"
	}
	if err != nil || u.User != nil || u.Fragment != "" || CheckTransport(u, plainHTTP) != nil {
		return "that cannot be used"
	}
	return ""
}

// supports reports whether the provider offers the grant type, or does not say what it
// offers.
func (d *Discovery) supports(grant string) bool {
	return grant == "" || len(d.GrantTypes) == 0 || slices.Contains(d.GrantTypes, grant)
}
