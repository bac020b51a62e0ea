// Package plugin says what an issuer of credentials is to the rest of jeton,
// and holds what all issuers share: profiles, secrets, errors and the HTTP
// client. Each issuer lives in a folder of its own below this one.
package plugin

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// A Credential is what a [Source] yields, the cache keeps and a format writes:
// a token, an access key pair, a client certificate, or the password of a login
// that another profile makes. Fields that do not apply are empty.
type Credential struct {
	Token        Secret
	AccessKey    string
	SecretKey    Secret
	SessionToken Secret
	// ClientCertificate is a chain in PEM form, with the key of its first
	// certificate.
	ClientCertificate string
	ClientKey         Secret
	// Password is that of the user in Attrs.
	Password Secret

	// Issued and Expires are the issuer's own statements. A zero Expires
	// means that the credential does not expire.
	Issued  time.Time
	Expires time.Time
	// Renew, if not zero, is when the credential should be replaced although
	// it is still valid, as with keys that rotate by age.
	Renew time.Time
	// Fixed says that fetching again would bring no later expiry, so that
	// there is no use in trying before the credential has expired.
	Fixed bool

	// Attrs are the facts about the credential that are not secret, under the
	// Attr names.
	Attrs map[string]string
}

// The names in [Credential.Attrs]. Where OpenStack has a name for a thing, it
// is that one.
const (
	AttrAuthURL           = "auth_url" // a token with this one is a Keystone token
	AttrUserID            = "user_id"
	AttrUserName          = "user_name"
	AttrUserDomainID      = "user_domain_id"
	AttrUserDomainName    = "user_domain_name"
	AttrProjectID         = "project_id"
	AttrProjectName       = "project_name"
	AttrProjectDomainID   = "project_domain_id"
	AttrProjectDomainName = "project_domain_name"
	AttrDomainID          = "domain_id" // of a token for a domain
	AttrDomainName        = "domain_name"
	AttrSystemScope       = "system_scope" // "all": a token for the whole cloud
	AttrTrustID           = "trust_id"
	AttrPasswordExpiresAt = "password_expires_at" // the user's, in the form of RFC 3339
	AttrRegionName        = "region_name"
	AttrInterface         = "interface"
	AttrCACert            = "cacert"
	// AttrIdentityAPIVersion is "2" for a token of Keystone's API v2.0.
	AttrIdentityAPIVersion = "identity_api_version"
	AttrDelegated          = "delegated" // "application_credential" or "trust": Keystone exchanges no such token
	AttrRegion             = "region"    // AWS's notion of one
	AttrEndpoint           = "endpoint"
	AttrIssuer             = "issuer"  // of OpenID Connect
	AttrSubject            = "subject" // whom an OpenID Connect token is for
	AttrClientID           = "client_id"
	AttrTokenType          = "token_type"   // "id_token" or "access_token"
	AttrOVHEndpoint        = "ovh_endpoint" // of OVHcloud's API: ovh-eu, or its address
	AttrOSCRegion          = "osc_region"   // a key with this one is for Outscale's API in the region
	AttrOSCEndpoint        = "osc_endpoint" // of Outscale's API, if it is not the region's own
	AttrClusterID          = "cluster_id"   // of Kubernetes
	AttrRoleARN            = "role_arn"     // of the session of a role
	AttrFields             = "fields"       // of a CloudMC portal, those that are sensitive masked
)

// Life is how long the issuer made the credential to live, or 0 if it does
// not expire.
func (c *Credential) Life() time.Duration {
	if c.Expires.IsZero() {
		return 0
	}
	return c.Expires.Sub(c.Issued)
}

// Check returns an error if c cannot be what an issuer meant to hand out:
// it is empty, has expired, or holds characters that would break out of a
// header, a shell line or a document.
func (c *Credential) Check(now time.Time) error {
	if c.Token.IsZero() && (c.AccessKey == "" || c.SecretKey.IsZero()) && c.ClientKey.IsZero() && c.Password.IsZero() {
		return Errorf(Unusable, "the issuer's answer holds no credential")
	}
	if c.ClientCertificate != "" || !c.ClientKey.IsZero() {
		if _, err := tls.X509KeyPair([]byte(c.ClientCertificate), []byte(c.ClientKey.Reveal())); err != nil {
			return Errorf(Unusable, "the issuer's client certificate and its key do not belong together")
		}
	}
	for _, s := range []string{c.Token.Reveal(), c.AccessKey, c.SecretKey.Reveal(), c.SessionToken.Reveal()} {
		if strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' }) {
			return Errorf(Unusable, "the issuer's credential holds characters that no credential has")
		}
	}
	for name, s := range c.Attrs {
		if !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl) {
			return Errorf(Unusable, "the issuer's %s holds control characters", name)
		}
	}
	if !c.Expires.IsZero() && !c.Expires.After(now) {
		return Errorf(Unusable, "the issuer's credential expired at %s, which is past",
			c.Expires.UTC().Format(time.RFC3339)).
			WithHint("compare this machine's clock (%s) with the issuer's", now.UTC().Format(time.RFC3339))
	}
	return nil
}

// String describes c without its secrets.
func (c *Credential) String() string {
	kind := "token"
	switch {
	case c.AccessKey != "":
		kind = "access key " + c.AccessKey
	case c.ClientCertificate != "":
		kind = "client certificate"
	case !c.Password.IsZero():
		kind = "password"
	}
	return fmt.Sprintf("%s until %s", kind, c.Expires.UTC().Format(time.RFC3339))
}

// A Source obtains credentials from one issuer for one profile.
type Source interface {
	// Fetch returns a new credential. prev is the last one obtained for the
	// same profile, expired or not, or nil. If there is nothing better to be
	// had than prev, Fetch may return prev itself.
	Fetch(ctx context.Context, prev *Credential) (*Credential, error)
}

// A Revoker is a [Source] whose credentials can be made invalid before they
// expire.
type Revoker interface {
	// Revoke makes c invalid at the issuer, and whatever else the profile
	// has minted there. c is nil if none is cached. That a credential is
	// already gone is no error.
	Revoke(ctx context.Context, c *Credential) error
}

// A Validator is a [Source] whose issuer tells whether a credential is still good.
type Validator interface {
	// Valid reports whether c is, or returns an error if that cannot be told.
	Valid(ctx context.Context, c *Credential) (bool, error)
}

// A Cataloger is a [Source] that can look up the endpoints a token is for.
type Cataloger interface {
	// Endpoints returns the endpoint of each service type, such as
	// "object-store".
	Endpoints(ctx context.Context, c *Credential) (map[string]string, error)
	// Describe returns what the issuer says of the token, as JSON: whose it is, what
	// for, and with which endpoints.
	Describe(ctx context.Context, c *Credential) ([]byte, error)
}

// An Inspector is a [Source] that can look up what its issuer offers.
type Inspector interface {
	// Inspect returns what the issuer tells of the profile's credential, which
	// is had by calling credential, and of what its owner could have instead.
	// No secret is in it.
	Inspect(ctx context.Context, credential func() (*Credential, error)) ([]Table, error)
}

// A Table is a part of what an issuer offers.
type Table struct {
	Name    string
	Columns []string
	Rows    [][]string
}

// ErrNobody says that there is nobody to ask.
var ErrNobody = errors.New("there is no terminal")

// An Env is all that a [Source] may use of the outside world.
type Env struct {
	Profile string
	HTTP    *http.Client // with all limits built in
	Clients *Clients     // what HTTP is taken from
	Getenv  func(string) string
	// Log tells the user of a step, under --verbose. It is never given a secret.
	Log func(format string, args ...any)
	// Warn tells the user what should be changed, although all went well.
	Warn func(format string, args ...any)
	// Ask puts a question to the user and returns the answer. The limits of
	// ctx stand still meanwhile. It returns [ErrNobody] if there is no
	// terminal to ask at.
	Ask func(ctx context.Context, question string) (Secret, error)

	// From returns the credential of the profile that `from` names, cached
	// and locked for itself. It is nil in a profile without `from`. With
	// renew, the last one returned was refused and a newer one is wanted.
	From func(ctx context.Context, renew bool) (*Credential, error)

	// Keep returns a document that is worth keeping for life, such as a
	// discovery document: the one kept under that name for the transport of
	// this profile, or what fetch returns. It is no secret.
	// With refresh, what is kept has turned out to be out of date.
	Keep func(ctx context.Context, name string, life time.Duration, refresh bool,
		fetch func(context.Context) ([]byte, error)) ([]byte, error)

	// Refresh says that the user wants a new credential, whatever there is.
	Refresh bool

	// Ledger records the keys that the profile mints.
	Ledger Ledger
}
