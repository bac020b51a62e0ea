package formats

import (
	"encoding/json"
	"io"
	"time"

	"github.com/jeton-cli/jeton/plugin"
)

// openStackToken writes a token with all that Keystone said when it made it, for a client
// that builds its access from that and asks Keystone nothing: the plugin of keystoneauth
// that comes with jeton.
type openStackToken struct{ options Options }

var openStackTokenKind = Kind{
	Name: "openstack-token", Serves: "the token with Keystone's whole answer, for programs that use it as it is",
	New:   func(o Options) (Format, error) { return &openStackToken{o}, nil },
	Whole: true,
}

// MinTTL is that of the openstack format.
func (*openStackToken) MinTTL() time.Duration { return openStackTTL }

// Asks returns true: what Keystone says about the token is a part of the document.
func (*openStackToken) Asks() bool { return true }

func (f *openStackToken) Encode(w io.Writer, c *plugin.Credential) error {
	if err := needKeystone(f.options, "openstack-token", c); err != nil {
		return err
	}
	body, err := f.options.Describe(c)
	if err != nil {
		return err
	}
	return writeJSON(w, tokenAnswer(c, body))
}

// An openStackAnswer is what the plugin of keystoneauth builds its access from.
type openStackAnswer struct {
	ID      string          `json:"id"` // for jeton reject --id
	AuthURL string          `json:"auth_url"`
	Token   string          `json:"token"`
	Body    json.RawMessage `json:"body"`
}

// tokenAnswer returns the answer about c. body is what Keystone says about it.
func tokenAnswer(c *plugin.Credential, body []byte) openStackAnswer {
	return openStackAnswer{c.ID(), c.Attrs[plugin.AttrAuthURL], c.Token.Reveal(), body}
}
