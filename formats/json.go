package formats

import (
	"io"

	"github.com/jeton-cli/jeton/plugin"
)

// document writes all of a credential, for scripts.
type document struct{ options Options }

func newJSON(o Options) (Format, error) { return &document{o}, nil }

func (f *document) Encode(w io.Writer, c *plugin.Credential) error {
	secretKey, appCred := c.SecretKey.Reveal(), ""
	if c.Kind() == plugin.ApplicationCredential {
		secretKey, appCred = "", secretKey
	}
	return writeJSON(w, struct {
		Profile      string            `json:"profile"`
		ID           string            `json:"id"` // for jeton reject --id
		Token        string            `json:"token,omitempty"`
		AccessKey    string            `json:"access_key,omitempty"`
		SecretKey    string            `json:"secret_key,omitempty"`
		AppCred      string            `json:"application_credential_secret,omitempty"`
		SessionToken string            `json:"session_token,omitempty"`
		Certificate  string            `json:"client_certificate,omitempty"`
		ClientKey    string            `json:"client_key,omitempty"`
		Password     string            `json:"password,omitempty"`
		IssuedAt     string            `json:"issued_at,omitempty"`
		ExpiresAt    string            `json:"expires_at,omitempty"`
		Attributes   map[string]string `json:"attributes,omitempty"`
	}{
		f.options.Profile, c.ID(), c.Token.Reveal(), c.AccessKey, secretKey, appCred, c.SessionToken.Reveal(),
		c.ClientCertificate, c.ClientKey.Reveal(), c.Password.Reveal(),
		rfc3339(c.Issued), rfc3339(c.Expires), c.Attrs,
	})
}
