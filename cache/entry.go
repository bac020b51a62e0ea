package cache

import (
	"bytes"
	"crypto/hmac"
	"encoding/hex"
	"encoding/json"
	"errors"
	"time"

	"github.com/jeton-cli/jeton/plugin"
)

// An entry is a credential as it is kept: a JSON document that follows a line with its
// authenticator. The authenticator also covers the entry's name, so that an entry that
// was cut short, altered, or moved to another name is not accepted.
type entry struct {
	Profile string    `json:"profile"` // a label: the name it was first fetched under
	Config  string    `json:"config"`  // the file that the profile is in
	Created time.Time `json:"created"` // when the answer came, by the local clock
	Below   []string  `json:"below,omitempty"`
	Level   bool      `json:"level,omitempty"` // it is for a level, not a profile
	// Generation is that of the credential in the fleet, or 0 if it is not shared.
	Generation int64 `json:"generation,omitempty"`
	// Slot is the name of the slot of the secrets that it was obtained with, or empty if that
	// is not known.
	Slot string `json:"slot,omitempty"`

	Token        string            `json:"token,omitempty"`
	IDToken      string            `json:"id_token,omitempty"`
	AccessKey    string            `json:"access_key,omitempty"`
	SecretKey    string            `json:"secret_key,omitempty"`
	SessionToken string            `json:"session_token,omitempty"`
	Certificate  string            `json:"client_certificate,omitempty"`
	ClientKey    string            `json:"client_key,omitempty"`
	Password     string            `json:"password,omitempty"`
	Issued       time.Time         `json:"issued,omitzero"`
	Expires      time.Time         `json:"expires,omitzero"`
	Renew        time.Time         `json:"renew,omitzero"`
	Personal     bool              `json:"personal,omitempty"`
	Fixed        bool              `json:"fixed,omitempty"`
	Attrs        map[string]string `json:"attrs,omitempty"`
}

func newEntry(p Policy, k Key, c *plugin.Credential, now time.Time) *entry {
	return &entry{
		Profile: p.Profile, Config: p.Config, Created: now, Below: k.Below, Level: p.Level,
		Token: c.Token.Reveal(), IDToken: c.IDToken.Reveal(), AccessKey: c.AccessKey,
		SecretKey: c.SecretKey.Reveal(), SessionToken: c.SessionToken.Reveal(),
		Certificate: c.ClientCertificate, ClientKey: c.ClientKey.Reveal(), Password: c.Password.Reveal(),
		Issued: c.Issued, Expires: c.Expires, Renew: c.Renew, Personal: c.Personal, Fixed: c.Fixed, Attrs: c.Attrs,
	}
}

func (e *entry) credential() *plugin.Credential {
	return &plugin.Credential{
		Token: plugin.NewSecret(e.Token), IDToken: plugin.NewSecret(e.IDToken), AccessKey: e.AccessKey,
		SecretKey: plugin.NewSecret(e.SecretKey), SessionToken: plugin.NewSecret(e.SessionToken),
		ClientCertificate: e.Certificate, ClientKey: plugin.NewSecret(e.ClientKey),
		Password: plugin.NewSecret(e.Password),
		Issued:   e.Issued, Expires: e.Expires, Renew: e.Renew, Personal: e.Personal, Fixed: e.Fixed,
		Attrs: e.Attrs,
	}
}

// A failure is what is remembered of a failed fetch, so that later callers do not all ask
// again.
type failure struct {
	Profile string      `json:"profile"`
	At      time.Time   `json:"at"`
	Until   time.Time   `json:"until"`
	Times   int         `json:"times"` // how often it has failed in a row
	Code    plugin.Code `json:"code"`
	Text    string      `json:"text"`
	Hint    string      `json:"hint,omitempty"`
	Fix     string      `json:"fix,omitempty"`
}

// A document is something that is worth keeping and is not a credential.
type document struct {
	At    time.Time `json:"at"`
	Until time.Time `json:"until"`
	Body  []byte    `json:"body"`
}

const (
	failedSuffix   = ".failed"
	documentSuffix = ".document"
)

// sealed returns v as a document that only the holder of the seal can make. The suffix of
// the file name keeps an entry and a failure apart.
func sealed(seal []byte, suffix string, v any) ([]byte, error) {
	doc, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	line := hex.EncodeToString(mac(seal, "document"+suffix, doc))
	return append([]byte(line+"\n"), doc...), nil
}

var errBroken = errors.New("broken entry")

// unseal decodes a sealed document into v. It returns an error if b is not one.
func unseal(seal []byte, suffix string, b []byte, v any) error {
	line, doc, _ := bytes.Cut(b, []byte("\n"))
	want := hex.EncodeToString(mac(seal, "document"+suffix, doc))
	if !hmac.Equal(line, []byte(want)) {
		return errBroken
	}
	return json.Unmarshal(doc, v)
}
