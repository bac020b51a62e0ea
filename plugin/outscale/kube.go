package outscale

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/jeton-cli/jeton/plugin"
)

// Kube gives the client certificate of an OKS cluster, which takes no token of
// Outscale's.
//
// https://docs.outscale.com/en/userguide/OUTSCALE-Kubernetes-as-a-Service-OKS.html
var Kube = plugin.Issuer{
	Name:  "outscale-kube",
	Gives: "client certificate",
	From:  "an outscale profile (from), or an access key: the kubeconfig of an OKS cluster",
	New:   func() plugin.Options { return &KubeOptions{} },
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
	Lifetime  time.Duration    `yaml:"lifetime" help:"life of the certificate, in whole minutes (1h)"`
}

// Complete checks o.
func (o *KubeOptions) Complete(common *plugin.Common) error {
	if o.ClusterID == "" {
		return plugin.Errorf(plugin.Config, "cluster_id is missing").WithHint("oks-cli cluster list -o wide shows the ids")
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
		return plugin.Errorf(plugin.Config, "region: %q is none", plugin.Shorten(o.Region)).WithHint("a region is such as eu-west-2")
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

// errUnauthorized says that OKS does not know the key.
var errUnauthorized = errors.New("the key is refused")

// Fetch asks for a kubeconfig with a new certificate.
func (s *kube) Fetch(ctx context.Context, _ *plugin.Credential) (*plugin.Credential, error) {
	for renew := false; ; renew = true {
		header, region, err := s.login(ctx, renew)
		if err != nil {
			return nil, err
		}
		c, err := s.fetch(ctx, header, region)
		if s.env.From != nil && !renew && errors.Is(err, errUnauthorized) {
			continue // that the key was kept is our affair
		}
		return c, err
	}
}

// login returns the header that logs in, and the region to do so in.
func (s *kube) login(ctx context.Context, renew bool) (http.Header, string, error) {
	o := s.options
	header := http.Header{}
	switch {
	case s.env.From != nil:
		key, err := s.env.From(ctx, renew)
		if err != nil {
			return nil, "", err
		}
		region := key.Attrs[plugin.AttrOSCRegion]
		if region == "" {
			return nil, "", plugin.Errorf(plugin.Config, "from: that profile gives no access key of Outscale").
				WithHint("name a profile of plugin outscale")
		}
		header.Set("AccessKey", key.AccessKey)
		header.Set("SecretKey", key.SecretKey.Reveal())
		return header, region, nil
	case o.AccessKey != "":
		secret, err := o.SecretKey.ResolveAs(ctx, "secret_key", s.env)
		if err != nil {
			return nil, "", err
		}
		header.Set("AccessKey", o.AccessKey)
		header.Set("SecretKey", secret.Reveal())
	default:
		secret, err := o.Password.ResolveAs(ctx, "password", s.env)
		if err != nil {
			return nil, "", err
		}
		r := http.Request{Header: header}
		r.SetBasicAuth(o.Login, secret.Reveal())
	}
	return header, defaultRegion, nil
}

// fetch makes the call, and once more with a passcode if OKS asks for one.
func (s *kube) fetch(ctx context.Context, header http.Header, region string) (*plugin.Credential, error) {
	o := s.options
	if o.Region != "" {
		region = o.Region
	}
	base := o.Endpoint
	if base == "" {
		base = "https://api." + region + ".oks.outscale.com/api/v2"
	}
	address := base + "/clusters/" + url.PathEscape(o.ClusterID) + "/kubeconfig?ttl=" + fmt.Sprintf("%dm", int(o.Lifetime.Minutes()))
	for asked := false; ; asked = true {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
		if err != nil {
			return nil, plugin.Errorf(plugin.Config, "endpoint is not a URL")
		}
		req.Header = header.Clone()
		req.Header.Set("Accept", "application/json")
		resp, err := s.env.HTTP.Do(req)
		if err != nil {
			return nil, plugin.ConnectionError(err, req.URL.Host)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil {
			return nil, plugin.ConnectionError(err, req.URL.Host)
		}
		if err := plugin.StatusError(req.URL.Host, resp.StatusCode, resp.Header, time.Now()); err != nil {
			return nil, err
		}
		var a struct {
			OTPRequired bool `json:"otp_required"`
			Cluster     struct {
				Data struct {
					Kubeconfig string `json:"kubeconfig"`
				} `json:"data"`
			}
		}
		broken := json.Unmarshal(body, &a) != nil
		if resp.StatusCode == http.StatusUnauthorized && a.OTPRequired && !asked {
			code, err := s.env.Ask(ctx, "Passcode of "+s.env.Profile+" for OKS: ")
			if errors.Is(err, plugin.ErrNobody) {
				return nil, plugin.Because(plugin.Errorf(plugin.Denied, "OKS asks for a passcode, and there is no terminal to ask at").
					WithHint("run jeton get %s in a terminal", s.env.Profile), err)
			}
			if err != nil {
				return nil, err
			}
			header.Set("X-OTP-Code", strings.TrimSpace(code.Reveal()))
			continue
		}
		if resp.StatusCode != http.StatusOK || broken || a.Cluster.Data.Kubeconfig == "" {
			return nil, s.refusal(req.URL.Host, resp.StatusCode, base)
		}
		c, err := plugin.Kubeconfig([]byte(a.Cluster.Data.Kubeconfig))
		if err != nil {
			return nil, err
		}
		c.Attrs = map[string]string{plugin.AttrClusterID: o.ClusterID}
		return c, nil
	}
}

// refusal is the error for an answer that is no kubeconfig. Its words are not
// repeated, as the shapes of OKS's errors are many.
func (s *kube) refusal(host string, status int, base string) error {
	switch status {
	case http.StatusUnauthorized:
		e := plugin.Errorf(plugin.Denied, "OKS at %s refuses the login (HTTP %d)", host, status).RememberFor(lockedFor).
			WithHint("check the access key or the login, and region; four failures lock the account")
		return plugin.Because(e, errUnauthorized)
	case http.StatusForbidden:
		return plugin.Errorf(plugin.Denied, "OKS at %s does not give the kubeconfig of cluster %s (HTTP %d)", host, s.options.ClusterID, status).RememberFor(time.Minute)
	case http.StatusBadRequest, http.StatusNotFound, http.StatusUnprocessableEntity:
		return plugin.Errorf(plugin.Config, "OKS at %s knows no cluster %s, or no such lifetime (HTTP %d)", host, s.options.ClusterID, status).
			WithHint("check cluster_id, region and lifetime").RememberFor(10 * time.Second)
	}
	return plugin.Errorf(plugin.Unusable, "%s does not answer as OKS does (HTTP %d)", host, status).
		WithHint("check endpoint: %s", base).RememberFor(30 * time.Second)
}

// Revoke tells what it cannot do.
func (s *kube) Revoke(_ context.Context, c *plugin.Credential) error {
	if c != nil {
		s.env.Warn("%s: the certificate is forgotten, but the cluster honours it until %s", s.env.Profile, c.Expires.UTC().Format(time.RFC3339))
	}
	return nil
}
