package formats

import (
	"io"

	"github.com/jeton-cli/jeton/plugin"
)

// header writes one HTTP header: Keystone's own, or that of RFC 6750.
type header struct{ options Options }

func newHeader(o Options) (Format, error) { return &header{o}, nil }

func (f *header) Encode(w io.Writer, c *plugin.Credential) error {
	if err := needToken(f.options, "header", c); err != nil {
		return err
	}
	name := "Authorization: Bearer "
	if c.Attrs[plugin.AttrAuthURL] != "" {
		name = "X-Auth-Token: "
	}
	_, err := io.WriteString(w, name+c.Token.Reveal()+"\n")
	return err
}
