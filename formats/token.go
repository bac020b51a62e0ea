package formats

import (
	"io"

	"github.com/jeton-cli/jeton/plugin"
)

// token writes the bare token and a newline.
type token struct{ options Options }

func newToken(o Options) (Format, error) { return &token{o}, nil }

func (f *token) Encode(w io.Writer, c *plugin.Credential) error {
	if err := needToken(f.options, "token", c); err != nil {
		return err
	}
	_, err := io.WriteString(w, c.Token.Reveal()+"\n")
	return err
}
