// Package plugin defines what an issuer of credentials is to the rest of jeton. It also
// holds what all issuers share: profiles, secrets, errors and the HTTP client. Each
// issuer has its own folder below this one.
package plugin

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// A Credential is what a [Source] returns, the cache keeps and a format writes: a token,
// an access key pair, an application credential, a client certificate, or the password for
// a login that another profile makes. Fields that do not apply are empty.
type Credential struct {
	Token Secret
	// IDToken is the ID token that came with Token, for the profiles above (OpenID Connect
	// Core, section 2).
	IDToken   Secret
	AccessKey string
	// SecretKey is the secret of AccessKey, or that of the application credential in Attrs.
	SecretKey    Secret
	SessionToken Secret
	// ClientCertificate is a certificate chain in PEM form. ClientKey is the key of its
	// first certificate.
	ClientCertificate string
	ClientKey         Secret
	// Password is the password of the user in Attrs.
	Password Secret

	// Issued and Expires are as the issuer states them. A zero Expires means that the
	// credential does not expire.
	Issued  time.Time
	Expires time.Time
	// Renew, if not zero, is when the credential should be replaced although it is still
	// valid. Keys that rotate by age use it.
	Renew time.Time
	// Personal says that a person took part in obtaining it. It is then for this host alone.
	Personal bool
	// Fixed says that fetching again would bring no later expiry. There is no use in
	// trying before the credential has expired.
	Fixed bool

	// Attrs are the facts about the credential that are not secret. The Attr constants
	// are their names.
	Attrs map[string]string
}

// The names in [Credential.Attrs]. Where OpenStack has a name for something, it is used
// here.
const (
	AttrAuthURL           = "auth_url" // marks a Keystone token
	AttrUserID            = "user_id"
	AttrUserName          = "user_name"
	AttrUserDomainID      = "user_domain_id"
	AttrUserDomainName    = "user_domain_name"
	AttrProjectID         = "project_id"
	AttrProjectName       = "project_name"
	AttrProjectDomainID   = "project_domain_id"
	AttrProjectDomainName = "project_domain_name"
	AttrDomainID          = "domain_id" // set for a domain-scoped token
	AttrDomainName        = "domain_name"
	AttrSystemScope       = "system_scope" // "all": a token for the whole cloud
	AttrTrustID           = "trust_id"
	AttrPasswordExpiresAt = "password_expires_at" // when the user's password expires, in the form of RFC 3339
	AttrRegionName        = "region_name"
	AttrInterface         = "interface"
	AttrCACert            = "cacert"
	// AttrIdentityAPIVersion is "2" for a token of Keystone's API v2.0.
	AttrIdentityAPIVersion = "identity_api_version"
	AttrDelegated          = "delegated" // "application_credential" or "trust": Keystone does not exchange such a token
	// AttrApplicationCredentialID marks an application credential.
	AttrApplicationCredentialID   = "application_credential_id"
	AttrApplicationCredentialName = "application_credential_name"
	AttrRegion                    = "region" // as AWS understands it
	AttrEndpoint                  = "endpoint"
	AttrIssuer                    = "issuer"  // the OpenID Connect issuer
	AttrSubject                   = "subject" // the user that an OpenID Connect token is for
	AttrClientID                  = "client_id"
	AttrTokenType                 = "token_type"   // "id_token" or "access_token"
	AttrOVHEndpoint               = "ovh_endpoint" // OVHcloud's API: a name such as ovh-eu, or the address
	AttrOVHRights                 = "ovh_rights"   // what IAM gives the token's owner at OVHcloud's OpenStack
	AttrOSCRegion                 = "osc_region"   // marks a key for Outscale's API in this region
	AttrOSCEndpoint               = "osc_endpoint" // address of Outscale's API, if not the region's own
	AttrClusterID                 = "cluster_id"   // of a Kubernetes cluster
	AttrRoleARN                   = "role_arn"     // the role of a session
	AttrFields                    = "fields"       // fields of a CloudMC portal, the sensitive ones masked
)

// Life returns the time from issue to expiry, or 0 if the credential does not expire.
func (c *Credential) Life() time.Duration {
	if c.Expires.IsZero() {
		return 0
	}
	return c.Expires.Sub(c.Issued)
}

// The largest credential that is taken, in bytes. The cache keeps all that are not larger.
// The header of a request, which carries a token, rarely has room for 64 KiB.
const (
	maxPart       = 64 << 10
	MaxCredential = 128 << 10
)

// Check returns an [Unusable] error if c cannot be what an issuer meant to hand out: it
// is empty or too large, has expired, or holds characters that would break out of a
// header, a shell line or a document.
func (c *Credential) Check(now time.Time) error {
	err := c.check(now)
	if err == nil {
		return nil
	}
	return err.RememberFor(10 * time.Second) // the next caller would get the same answer
}

func (c *Credential) check(now time.Time) *Error {
	if c.tooLarge() {
		return Errorf(Unusable, "the issuer's credential is larger than any client can use (%d KiB, with all that "+
			"belongs to it %d KiB)", maxPart>>10, MaxCredential>>10).
			WithHint("ask the issuer for less in the token: fewer scopes, roles or groups")
	}
	if c.Token.IsZero() && c.IDToken.IsZero() && (c.KeyID() == "" || c.SecretKey.IsZero()) && c.ClientKey.IsZero() &&
		c.Password.IsZero() {
		return Errorf(Unusable, "the issuer's answer holds no credential")
	}
	if c.ClientCertificate != "" || !c.ClientKey.IsZero() {
		if _, err := tls.X509KeyPair([]byte(c.ClientCertificate), []byte(c.ClientKey.Reveal())); err != nil {
			return Errorf(Unusable, "the issuer's client certificate and its key do not belong together")
		}
	}
	for _, s := range []string{c.Token.Reveal(), c.IDToken.Reveal(), c.AccessKey, c.SecretKey.Reveal(),
		c.SessionToken.Reveal()} {
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

// tooLarge reports whether c or one of its parts is above its limit.
func (c *Credential) tooLarge() bool {
	size := 0
	for _, s := range []string{c.Token.Reveal(), c.IDToken.Reveal(), c.AccessKey, c.SecretKey.Reveal(),
		c.SessionToken.Reveal(), c.ClientCertificate, c.ClientKey.Reveal(), c.Password.Reveal()} {
		if size += len(s); len(s) > maxPart {
			size = MaxCredential + 1
		}
	}
	for name, s := range c.Attrs {
		size += len(name) + len(s)
	}
	return size > MaxCredential
}

// ID returns a name for c that reveals nothing of it: another credential has another name.
func (c *Credential) ID() string {
	h := sha256.New()
	for _, part := range []string{"jeton credential 1", c.Token.Reveal(), c.AccessKey, c.SecretKey.Reveal(),
		c.SessionToken.Reveal(), c.ClientCertificate, c.Password.Reveal()} {
		h.Write([]byte(part + "\x00"))
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// String describes c without its secrets.
func (c *Credential) String() string {
	kind := "token"
	switch {
	case c.AccessKey != "":
		kind = "access key " + c.AccessKey
	case c.Kind() == ApplicationCredential:
		kind = "application credential " + c.KeyID()
	case c.ClientCertificate != "":
		kind = "client certificate"
	case !c.Password.IsZero():
		kind = "password"
	}
	return fmt.Sprintf("%s until %s", kind, c.Expires.UTC().Format(time.RFC3339))
}

// A Source obtains credentials from one issuer for one profile.
type Source interface {
	// Fetch returns a new credential. prev is the last one obtained for the same profile,
	// expired or not, or nil. Fetch may return prev itself if it can get nothing better.
	Fetch(ctx context.Context, prev *Credential) (*Credential, error)
}

// A Revoker is a [Source] that can invalidate its credentials before they expire.
type Revoker interface {
	// Revoke invalidates c at the issuer, and everything else that the profile has minted
	// there. c is nil if none is cached. It is no error if a credential is already gone.
	Revoke(ctx context.Context, c *Credential) error
}

// A Validator is a [Source] whose issuer can say whether a credential is still valid.
type Validator interface {
	// Valid reports whether c is still valid. It returns an error if it cannot find out.
	Valid(ctx context.Context, c *Credential) (bool, error)
}

// A Cataloger is a [Source] that can look up the endpoints for a token.
type Cataloger interface {
	// Endpoints returns the endpoint of each service type, such as
	// "object-store".
	Endpoints(ctx context.Context, c *Credential) (map[string]string, error)
	// Describe returns, as JSON, what the issuer says about the token: its user, its
	// scope and its endpoints.
	Describe(ctx context.Context, c *Credential) ([]byte, error)
}

// An Inspector is a [Source] that can look up what its issuer offers.
type Inspector interface {
	// Inspect returns what the issuer says about the profile's credential, and about what
	// its owner could have instead. It calls credential to get the credential. The result
	// holds no secret.
	Inspect(ctx context.Context, credential func() (*Credential, error)) ([]Table, error)
}

// A PolicyMaker is a [Source] at an issuer whose policies say who may do what.
type PolicyMaker interface {
	// Policy returns a policy that allows the profile what the issuer refuses it today, as
	// the document that the issuer takes. It calls credential to see what is refused. It
	// returns nil if nothing is refused.
	Policy(ctx context.Context, credential func() (*Credential, error)) ([]byte, error)
}

// A Table is one part of what an issuer offers.
type Table struct {
	Name    string
	Columns []string
	Rows    [][]string
	Note    string // why there are no rows, or empty
}

// An Env is everything that a [Source] may use of the outside world.
type Env struct {
	Profile string
	Config  string       // the file that the profile is in
	HTTP    *http.Client // with all limits built in
	Clients *Clients     // where HTTP comes from
	Getenv  func(string) string
	// Log reports a step to the user, under --verbose. It must never get a secret.
	Log func(format string, args ...any)
	// Warn tells the user what to change, although the command succeeded.
	Warn func(format string, args ...any)
	// Ask returns the person's answer to a question. If nobody has answered it yet, it
	// returns a [*Question], which the source returns in turn.
	Ask func(question string) (Secret, error)

	// From returns the credential of the profile that `from` names. That credential is
	// cached and locked separately. From is nil in a profile without `from`. With renew,
	// the issuer refused the last credential and a newer one is wanted.
	From func(ctx context.Context, renew bool) (*Credential, error)

	// Keep returns a document that is worth keeping for life, such as a discovery
	// document. It returns the one kept under name for this profile's connection options,
	// or calls fetch. The document is not secret. With refresh, the kept document has
	// turned out to be out of date.
	Keep func(ctx context.Context, name string, life time.Duration, refresh bool,
		fetch func(context.Context) ([]byte, error)) ([]byte, error)

	// Withheld returns the environment variables that other programs must not see, because
	// they hold the secrets of profiles. It can be nil.
	Withheld func() []string

	// Refresh says that the user wants a new credential, whatever is cached.
	Refresh bool

	// Ledger records the keys that the profile mints.
	Ledger Ledger
	// Whole says that the profile's [Cataloger] is going to be asked to describe the
	// credential. If the issuer tells it all when it makes the credential, that saves a
	// request.
	Whole bool

	// Grants keeps what the profile's login leaves behind.
	Grants Grants
	// Sharers returns the options of the logins, this one included, that share the session
	// of this one. It can be nil.
	Sharers func() []Options
}
