package ovhcloud

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/jeton-cli/jeton/plugin"
)

// Kube gives the client certificate for a Managed Kubernetes cluster. Such a cluster
// accepts no OVHcloud token.
var Kube = plugin.Issuer{
	Name:  "ovhcloud-kube",
	Gives: plugin.ClientCertificate,
	From:  "an ovhcloud profile (from): the kubeconfig of a Managed Kubernetes cluster",
	Example: `ovh-kube:
  plugin: ovhcloud-kube
  from: ovh                       # an ovhcloud profile
  service_name: 0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f
  cluster_id: 01234567-89ab-cdef-0123-456789abcdef
`,
	New: func() plugin.Options { return &KubeOptions{} },
}

// KubeOptions are the options of an ovhcloud-kube profile.
type KubeOptions struct {
	ServiceName string `yaml:"service_name" help:"id of the Public Cloud project"`
	ClusterID   string `yaml:"cluster_id" help:"id of the cluster in it"`
}

// Complete checks o. Its errors have the code [plugin.Config].
func (o *KubeOptions) Complete(common *plugin.Common) error {
	if err := checkProject(common, o.ServiceName); err != nil {
		return err
	}
	if o.ClusterID == "" {
		return plugin.Errorf(plugin.Config, "cluster_id is missing").
			WithHint("GET /cloud/project/%s/kube lists the clusters", o.ServiceName)
	}
	return nil
}

// Source returns the source of certificates.
func (o *KubeOptions) Source(env *plugin.Env) plugin.Source { return &kube{o, env} }

type kube struct {
	options *KubeOptions
	env     *plugin.Env
}

// Fetch asks for the cluster's kubeconfig. It never makes the reset call, which creates a
// new one but cuts off everyone who uses the old one.
func (s *kube) Fetch(ctx context.Context, _ *plugin.Credential) (*plugin.Credential, error) {
	var a struct {
		Content string `json:"content"`
	}
	path := "/cloud/project/" + url.PathEscape(s.options.ServiceName) + "/kube/" + url.PathEscape(s.options.ClusterID) +
		"/kubeconfig"
	err := withAPI(ctx, s.env, func(api *api) error { return api.call(ctx, http.MethodPost, path, &a) })
	if err != nil {
		return nil, err
	}
	c, err := plugin.Kubeconfig([]byte(a.Content))
	if err != nil {
		return nil, err
	}
	c.Attrs = map[string]string{plugin.AttrProjectID: s.options.ServiceName, plugin.AttrClusterID: s.options.ClusterID}
	return c, nil
}

// Revoke revokes nothing. It warns that the cluster honours the certificate until it
// expires.
func (s *kube) Revoke(_ context.Context, c *plugin.Credential) error {
	if c != nil {
		s.env.Warn("%s: the certificate is forgotten, but the cluster honours it until %s; only kubeconfig/reset, "+
			"which cuts off everybody, would end that",
			s.env.Profile, c.Expires.UTC().Format(time.RFC3339))
	}
	return plugin.ErrNotRevoked
}
