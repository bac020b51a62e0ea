package ovhcloud

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/jeton-cli/jeton/plugin"
)

// Kube gives the client certificate of a Managed Kubernetes cluster, which takes
// no token of OVHcloud's.
var Kube = plugin.Issuer{
	Name:  "ovhcloud-kube",
	Gives: plugin.ClientCertificate,
	From:  "an ovhcloud profile (from): the kubeconfig of a Managed Kubernetes cluster",
	New:   func() plugin.Options { return &KubeOptions{} },
}

// KubeOptions are the options of an ovhcloud-kube profile.
type KubeOptions struct {
	ServiceName string `yaml:"service_name" help:"id of the Public Cloud project"`
	ClusterID   string `yaml:"cluster_id" help:"id of the cluster in it"`
}

// Complete checks o.
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

// Fetch asks for the cluster's kubeconfig. The call that makes a new one, reset,
// would cut off everybody and is never made.
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

// Revoke tells what it cannot do.
func (s *kube) Revoke(_ context.Context, c *plugin.Credential) error {
	if c != nil {
		s.env.Warn("%s: the certificate is forgotten, but the cluster honours it until %s; only kubeconfig/reset, "+
			"which cuts off everybody, would end that",
			s.env.Profile, c.Expires.UTC().Format(time.RFC3339))
	}
	return nil
}
