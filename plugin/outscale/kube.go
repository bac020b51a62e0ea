package outscale

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/jeton-cli/jeton/plugin"
)

// Kube gives the client certificate for an OKS cluster. Such a cluster accepts no
// Outscale token.
//
// https://docs.outscale.com/en/userguide/OUTSCALE-Kubernetes-as-a-Service-OKS.html
var Kube = plugin.Issuer{
	Name:  "outscale-kube",
	Gives: plugin.ClientCertificate,
	From:  "an outscale profile (from), or an access key: the kubeconfig of an OKS cluster",
	Example: `oks:
  plugin: outscale-kube
  from: osc                       # an outscale profile
  cluster_id: 01234567-89ab-cdef-0123-456789abcdef
`,
	New: func() plugin.Options { return &KubeOptions{} },
}

// KubeOptions are the options of an outscale-kube profile.
type KubeOptions struct {
	ClusterID string           `yaml:"cluster_id" help:"id of the cluster"`
	Region    string           `yaml:"region" help:"region of the cluster; that of the profile below, or eu-west-2"`
	Endpoint  string           `yaml:"endpoint" help:"address of the API, instead of the region's own"`
	AccessKey string           `yaml:"access_key" help:"the access key to log in with, instead of from"`
	SecretKey plugin.SecretRef `yaml:"secret_key" help:"its secret key"`
	Login     string           `yaml:"login" help:"email address to log in with, instead of from"`
	Password  plugin.SecretRef `yaml:"password" help:"its password"`
	Lifetime  time.Duration    `yaml:"lifetime" help:"lifetime of the certificate, in whole minutes (1h)"`
}

// Complete checks o and fills in the default lifetime. Its errors have the code
// [plugin.Config].
func (o *KubeOptions) Complete(common *plugin.Common) error {
	if o.ClusterID == "" {
		return plugin.Errorf(plugin.Config, "cluster_id is missing").
			WithHint("oks-cli cluster list -o wide shows the ids")
	}
	own := o.AccessKey != "" || !o.SecretKey.IsZero() || o.Login != "" || !o.Password.IsZero()
	switch {
	case own && common.From != "":
		return plugin.Errorf(plugin.Config, "from and a login of its own exclude each other")
	case common.From == "":
		if err := checkLogin(o.AccessKey, o.SecretKey, o.Login, o.Password); err != nil {
			return err
		}
	}
	if o.Lifetime == 0 {
		o.Lifetime = defaultLifetime
	}
	if o.Lifetime < time.Minute || o.Lifetime%time.Minute != 0 {
		return plugin.Errorf(plugin.Config, "lifetime: at least 1m, in whole minutes")
	}
	if o.Region != "" && !plugin.Word(o.Region, "-") {
		return plugin.Errorf(plugin.Config, "region: %q is none", plugin.Shorten(o.Region)).
			WithHint("a region is such as eu-west-2")
	}
	if o.Endpoint != "" {
		u, err := plugin.ParseURL(o.Endpoint, common.PlainHTTP)
		if err != nil {
			return fmt.Errorf("endpoint: %w", err)
		}
		o.Endpoint = u.String()
	}
	return nil
}

// Source returns the source of certificates.
func (o *KubeOptions) Source(env *plugin.Env) plugin.Source { return &kube{o, env} }

type kube struct {
	options *KubeOptions
	env     *plugin.Env
}

// A visit holds what is sent to OKS to log in, and where it is sent.
type visit struct {
	header http.Header
	base   string // address of the API
	login  string
	secret plugin.Secret
	since  time.Time // when the key of the profile below was issued
}

// Fetch asks for a kubeconfig with a new certificate.
func (s *kube) Fetch(ctx context.Context, _ *plugin.Credential) (*plugin.Credential, error) {
	v, err := s.visit(ctx, false)
	if err != nil {
		return nil, err
	}
	c, err := s.fetch(ctx, v)
	if s.env.From != nil && refused(err) == unauthorized && time.Since(v.since) > 10*time.Second {
		// The refused key came from jeton's cache and may be out of date. A new key is
		// refused for another reason.
		if v, err = s.visit(ctx, true); err != nil {
			return nil, err
		}
		c, err = s.fetch(ctx, v)
	}
	return c, err
}

// visit returns the login: the key of the profile below, or the login in this profile.
// With renew, it asks the profile below for a newer key.
func (s *kube) visit(ctx context.Context, renew bool) (v visit, err error) {
	o := s.options
	v = visit{header: http.Header{}, base: o.Endpoint}
	region := o.Region
	switch {
	case s.env.From != nil:
		key, err := s.env.From(ctx, renew)
		if err != nil {
			return v, err
		}
		if key.Attrs[plugin.AttrOSCRegion] == "" {
			return v, plugin.Errorf(plugin.Config, "from: that profile gives no access key of Outscale").
				WithHint("name a profile of plugin outscale")
		}
		if own := key.Attrs[plugin.AttrOSCEndpoint]; own != "" && o.Endpoint == "" {
			return v, plugin.Errorf(plugin.Config,
				"endpoint is missing: the key of the profile below is for %s, and not for Outscale's own regions", own)
		}
		if region == "" {
			region = key.Attrs[plugin.AttrOSCRegion]
		}
		v.login, v.secret, v.since = key.AccessKey, key.SecretKey, key.Issued
	case o.AccessKey != "":
		v.login = o.AccessKey
		v.secret, err = o.SecretKey.ResolveAs(ctx, "secret_key", s.env)
	default:
		v.login = o.Login
		v.secret, err = o.Password.ResolveAs(ctx, "password", s.env)
	}
	if err != nil {
		return v, err
	}
	if o.Login != "" {
		r := http.Request{Header: v.header}
		r.SetBasicAuth(v.login, v.secret.Reveal())
	} else {
		v.header.Set("AccessKey", v.login)
		v.header.Set("SecretKey", v.secret.Reveal())
	}
	if region == "" {
		region = defaultRegion
	}
	if v.base == "" {
		v.base = "https://api." + region + ".oks.outscale.com/api/v2"
	}
	return v, nil
}

// fetch asks for the kubeconfig. If OKS wants a passcode, fetch asks the user for it and
// sends the request once more.
func (s *kube) fetch(ctx context.Context, v visit) (c *plugin.Credential, err error) {
	err = guard(ctx, s.env, v.base, v.login, v.secret, func() error {
		var a answer
		if a, err = s.send(ctx, v); err == nil && a.OTPRequired {
			code, err := s.env.Ask("Passcode of " + s.env.Profile + " for OKS: ")
			if err != nil {
				return plugin.Because(plugin.Errorf(plugin.Denied,
					"OKS asks for a passcode, and there is no terminal to ask at").
					WithFix(s.env.LoginCommand()...), err)
			}
			v.header.Set("X-OTP-Code", strings.TrimSpace(code.Reveal()))
			if a, err = s.send(ctx, v); err != nil || a.OTPRequired {
				return s.wrongCode(err)
			}
		}
		if err == nil {
			c, err = plugin.Kubeconfig([]byte(a.Cluster.Data.Kubeconfig))
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	c.Attrs = map[string]string{plugin.AttrClusterID: s.options.ClusterID}
	return c, nil
}

// wrongCode returns the error for a failed request with a passcode. A refused passcode is
// not remembered, as there is a new one within half a minute.
func (s *kube) wrongCode(err error) error {
	if err == nil || refused(err) == unauthorized {
		return plugin.Errorf(plugin.Denied, "OKS does not accept the passcode")
	}
	return err
}

// An answer is OKS's response to a request.
type answer struct {
	OTPRequired bool `json:"otp_required"`
	Cluster     struct {
		Data struct {
			Kubeconfig string `json:"kubeconfig"`
		} `json:"data"`
	}
}

func (s *kube) send(ctx context.Context, v visit) (a answer, err error) {
	o := s.options
	address := v.base + "/clusters/" + url.PathEscape(o.ClusterID) + "/kubeconfig?ttl=" +
		fmt.Sprintf("%dm", int(o.Lifetime.Minutes()))
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return a, plugin.Errorf(plugin.Config, "endpoint is not a URL")
	}
	req.Header = v.header.Clone()
	req.Header.Set("Accept", "application/json")
	resp, body, err := plugin.Exchange(s.env.HTTP, req)
	if err != nil {
		return a, err
	}
	if err := plugin.StatusError(req.URL.Host, resp.StatusCode, resp.Header, time.Now()); err != nil {
		return a, err
	}
	err = plugin.DecodeJSON(body, &a)
	if fault := plugin.JSONFault(err); fault != "" && resp.StatusCode == http.StatusOK {
		return a, plugin.Errorf(plugin.Unusable, "%s does not answer as OKS does%s", req.URL.Host, fault).
			RememberFor(30 * time.Second)
	}
	if resp.StatusCode == http.StatusUnauthorized && a.OTPRequired {
		return a, nil
	}
	if resp.StatusCode != http.StatusOK || err != nil || a.Cluster.Data.Kubeconfig == "" {
		return a, s.refusal(req.URL.Host, resp.StatusCode, v.base)
	}
	return a, nil
}

// refusal returns the error for an answer without a kubeconfig. It does not repeat the
// answer, since OKS's errors have many formats.
func (s *kube) refusal(host string, status int, base string) error {
	switch status {
	case http.StatusUnauthorized:
		e := plugin.Errorf(plugin.Denied, "OKS at %s refuses the login (HTTP %d)", host, status).RememberFor(lockedFor).
			WithHint("check the access key or the login, and region; four failures lock the account")
		return &refusedError{unauthorized, e}
	case http.StatusForbidden:
		return plugin.Errorf(plugin.Denied, "OKS at %s does not give the kubeconfig of cluster %s (HTTP %d)", host,
			s.options.ClusterID, status).RememberFor(time.Minute)
	case http.StatusBadRequest, http.StatusNotFound, http.StatusUnprocessableEntity:
		return plugin.Errorf(plugin.Config, "OKS at %s knows no cluster %s, or no such lifetime (HTTP %d)", host,
			s.options.ClusterID, status).
			WithHint("check cluster_id, region and lifetime").RememberFor(10 * time.Second)
	}
	return plugin.Errorf(plugin.Unusable, "%s does not answer as OKS does (HTTP %d)", host, status).
		WithHint("check endpoint: %s", base).RememberFor(30 * time.Second)
}

// Revoke revokes nothing. It warns that the cluster honours the certificate until it
// expires.
func (s *kube) Revoke(_ context.Context, c *plugin.Credential) error {
	if c != nil {
		s.env.Warn("%s: the certificate is forgotten, but the cluster honours it until %s", s.env.Profile,
			c.Expires.UTC().Format(time.RFC3339))
	}
	return plugin.ErrNotRevoked
}
