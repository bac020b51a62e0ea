package formats

import (
	"io"
	"time"

	"github.com/jeton-cli/jeton/plugin"
)

// aws is the document of credential_process.
//
// https://docs.aws.amazon.com/sdkref/latest/guide/feature-process-credentials.html
type aws struct{ options Options }

func newAWS(o Options) (Format, error) { return &aws{o}, nil }

// MinTTL is 17 minutes: with less than 15 left botocore comes back at every
// signature.
func (*aws) MinTTL() time.Duration { return 17 * time.Minute }

func (f *aws) Encode(w io.Writer, c *plugin.Credential) error {
	if c.AccessKey == "" {
		e := plugin.Errorf(plugin.Config, "format aws writes an access key, and this profile gives %s", kind(c))
		switch {
		case c.Attrs[plugin.AttrAuthURL] != "":
			return e.WithHint("make one of it: a profile with plugin: keystone-ec2 and from: %s", f.options.Profile)
		case !c.Token.IsZero():
			return e.WithHint("make one of it: a profile with plugin: sts and from: %s", f.options.Profile)
		}
		return e.WithHint("use a profile that gives access keys, such as one of plugin keystone-ec2 or outscale")
	}
	return writeJSON(w, struct {
		Version         int
		AccessKeyID     string `json:"AccessKeyId"`
		SecretAccessKey string
		SessionToken    string `json:",omitempty"`
		Expiration      string `json:",omitempty"` // without it the caller never asks again
	}{1, c.AccessKey, c.SecretKey.Reveal(), c.SessionToken.Reveal(), rfc3339(c.Expires)})
}
