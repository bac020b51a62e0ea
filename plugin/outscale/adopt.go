package outscale

import (
	"net/url"
	"strings"

	"github.com/jeton-cli/jeton/plugin"
)

// adopt takes over an access key that a section of an AWS configuration has for Outscale's
// object storage or API.
func adopt(h plugin.Helper) (*plugin.Adopted, error) {
	u, err := url.Parse(h.Settings["endpoint_url"])
	if err != nil || !strings.HasSuffix(u.Hostname(), ".outscale.com") || h.Settings["aws_access_key_id"] == "" ||
		h.Settings["aws_secret_access_key"] == "" {
		return nil, nil
	}
	a := &plugin.Adopted{}
	a.Set(h, "access_key", h.Settings["aws_access_key_id"])
	a.Set(h, "secret_key", h.Settings["aws_secret_access_key"])
	a.Set(h, "region", h.Settings["region"])
	if labels := strings.Split(u.Hostname(), "."); h.Settings["region"] == "" && len(labels) == 4 {
		a.Set(h, "region", labels[1]) // as in oos.eu-west-2.outscale.com
	}
	a.Notes = append(a.Notes, "the key in the file becomes the login; once aws asks jeton, it gets keys of an hour")
	return a, nil
}
