package keystone

import (
	"context"
	"fmt"
	"io/fs"
	"net/http"
	"strings"
	"time"

	"github.com/gophercloud/gophercloud/v2"

	"github.com/jeton-cli/jeton/plugin"
)

// EC2 gives S3 access keys, which Keystone calls EC2 credentials. They belong to a user
// and a project. They never expire, so jeton keeps a ledger of those it creates.
//
// https://docs.openstack.org/api-ref/identity/v3-ext/#os-ec2-api
var EC2 = plugin.Issuer{
	Name:  "keystone-ec2",
	Gives: plugin.AccessKey,
	Takes: []plugin.Taken{{Kind: plugin.KeystoneToken}},
	From:  "a Keystone profile (from): OS-EC2 credentials for S3, rotated and removed by jeton",
	Example: `prod-s3:
  plugin: keystone-ec2
  from: prod                      # a keystone profile
  max_age: 24h
`,
	Mints: true,
	Implied: &plugin.Implied{Name: "s3", New: func() plugin.Options {
		return &EC2Options{MaxAge: 24 * time.Hour, find: true}
	}},
	New: func() plugin.Options { return &EC2Options{} },
}

// EC2Options are the options of a keystone-ec2 profile.
type EC2Options struct {
	ProjectID string        `yaml:"project_id" help:"project of the key; that of the token by default"`
	Region    string        `yaml:"region" help:"S3's region, passed on to the client; may differ from region_name"`
	Endpoint  string        `yaml:"endpoint" help:"S3's address, passed on to the client"`
	MaxAge    time.Duration `yaml:"max_age" help:"replace the key at this age, and delete the old one an hour later"`

	find bool // S3 must be found at the cloud: the profile is implied
}

// Complete checks o. Its errors have the code [plugin.Config].
func (o *EC2Options) Complete(common *plugin.Common) error {
	if common.From == "" {
		return plugin.Errorf(plugin.Config, "from is missing").
			WithHint("name a profile of plugin keystone that logs in with a password: from: NAME")
	}
	if common.RenewAfter > 0 {
		return plugin.Errorf(plugin.Config, "renew_after has no meaning for keys, which do not expire").
			WithHint("max_age replaces a key at that age")
	}
	if o.Endpoint != "" {
		if _, err := plugin.ParseURL(o.Endpoint, common.PlainHTTP); err != nil {
			return fmt.Errorf("endpoint: %w", err)
		}
	}
	return nil
}

// ObjectStore returns the region and address of the S3 service that accepts the keys.
func (o *EC2Options) ObjectStore() (region, endpoint string) { return o.Region, o.Endpoint }

// Source returns the source of access keys.
func (o *EC2Options) Source(env *plugin.Env) plugin.Source {
	s := &ec2Source{options: o, env: env}
	s.Minter = plugin.Minter{Env: env, Open: func(ctx context.Context, do func(plugin.Order, plugin.Keys) error) error {
		return s.withToken(ctx, func(m *minter) error {
			a := m.token.Attrs
			project := o.ProjectID
			if project == "" {
				project = a[plugin.AttrProjectID]
			}
			if project == "" {
				return plugin.Errorf(plugin.Config,
					"an S3 key belongs to a project, and the token of the profile below has none").
					WithHint("add project_id to either profile")
			}
			return do(plugin.Order{
				Issuer: a[plugin.AttrAuthURL], Subject: a[plugin.AttrUserID], Scope: project, MaxAge: o.MaxAge,
			}, &ec2Keys{minter: m, source: s, project: project})
		})
	}}
	if o.Endpoint == "" {
		return &foundEC2{s}
	}
	return s
}

// An ec2Source makes EC2 credentials.
type ec2Source struct {
	plugin.Minter
	options *EC2Options
	env     *plugin.Env
}

// withToken calls do with a token of the profile below.
func (s *ec2Source) withToken(ctx context.Context, do func(*minter) error) error {
	return minter{what: "EC2 keys", hint: "the user needs the role member in the project"}.withToken(ctx, s.env, do)
}

// A foundEC2 is the source of a profile that has to look for S3.
type foundEC2 struct{ *ec2Source }

// FindStore returns the region and the address of the S3 service that takes the keys.
func (s *foundEC2) FindStore(ctx context.Context) (region, endpoint string, err error) {
	err = s.withToken(ctx, func(m *minter) (err error) {
		region, endpoint, err = s.store(ctx, m)
		return err
	})
	return region, endpoint, err
}

// store is FindStore with a token. A profile that was written may be for an S3 that the cloud
// does not tell of: then it is left to the client.
func (s *ec2Source) store(ctx context.Context, m *minter) (region, endpoint string, err error) {
	if s.options.Endpoint != "" {
		return s.options.Region, s.options.Endpoint, nil
	}
	if kind := m.token.Attrs[plugin.AttrDelegated]; kind != "" {
		return "", "", delegated(kind, "make "+m.what+" with it")
	}
	region, endpoint, err = m.findStore(ctx)
	switch {
	case err != nil:
		return "", "", err
	case endpoint == "" && s.options.find:
		below, _, _ := strings.Cut(s.env.Profile, ":")
		return "", "", plugin.Errorf(plugin.Config,
			"where is S3? the catalogue of the cloud has no service of type s3").
			WithHint("write a profile that says it: {plugin: keystone-ec2, from: %s, region: REGION, endpoint: URL}",
				below)
	case s.options.Region != "":
		region = s.options.Region
	}
	return region, endpoint, nil
}

// ec2Keys calls the OS-EC2 API for one user.
type ec2Keys struct {
	*minter
	source  *ec2Source
	project string

	region, endpoint string // of S3
}

// An ec2Credential is what the API says about a key.
type ec2Credential struct {
	Access   string `json:"access"`
	Secret   string `json:"secret"`
	TenantID string `json:"tenant_id"`
}

// An ec2Answer is the API's answer about one key.
type ec2Answer struct {
	Credential ec2Credential `json:"credential"`
}

// url returns the address of the key with the id, or of all keys without one.
func (k *ec2Keys) url(id ...string) string {
	return k.minter.url(append([]string{"credentials", "OS-EC2"}, id...)...)
}

// List returns the user's keys by id.
func (k *ec2Keys) List(ctx context.Context) (map[string]plugin.Mark, error) {
	var a struct {
		Credentials []ec2Credential `json:"credentials"`
	}
	if _, err := get(ctx, k.client, k.url(), &a, gophercloud.RequestOpts{}); err != nil {
		return nil, k.explain(err)
	}
	keys := map[string]plugin.Mark{}
	for _, c := range a.Credentials {
		keys[c.Access] = plugin.Mark{Scope: c.TenantID}
	}
	return keys, nil
}

// Prepare finds out where S3 is.
func (k *ec2Keys) Prepare(ctx context.Context) (err error) {
	k.region, k.endpoint, err = k.source.store(ctx, k.minter)
	return err
}

// Create makes a key for the project.
func (k *ec2Keys) Create(ctx context.Context, _ plugin.Mark) (*plugin.Credential, error) {
	var a ec2Answer
	_, err := post(plugin.SendOnce(ctx), k.client, k.url(), map[string]string{"tenant_id": k.project}, &a,
		gophercloud.RequestOpts{})
	return k.credential(a.Credential, err)
}

// Read returns an existing key with its secret. It returns fs.ErrNotExist if there is no
// such key.
func (k *ec2Keys) Read(ctx context.Context, id string) (*plugin.Credential, error) {
	var a ec2Answer
	_, err := get(ctx, k.client, k.url(id), &a, gophercloud.RequestOpts{})
	if gophercloud.ResponseCodeIs(err, http.StatusNotFound) {
		return nil, fs.ErrNotExist
	}
	return k.credential(a.Credential, err)
}

// Delete removes a key. A key that is already gone is no error.
func (k *ec2Keys) Delete(ctx context.Context, id string) error { return k.remove(ctx, k.url(id)) }

// credential turns the answer to Create or Read into a credential.
func (k *ec2Keys) credential(c ec2Credential, err error) (*plugin.Credential, error) {
	if err != nil {
		return nil, k.explain(err)
	}
	if c.Access == "" || c.Secret == "" || c.TenantID != k.project {
		return nil, plugin.Errorf(plugin.Unusable, "Keystone's answer holds no key for the project").
			RememberFor(unusableFor)
	}
	attrs := k.attrs(c.TenantID)
	attrs[plugin.AttrRegion] = k.region
	attrs[plugin.AttrEndpoint] = k.endpoint
	return &plugin.Credential{
		AccessKey: c.Access, SecretKey: plugin.NewSecret(c.Secret),
		Attrs: withoutEmpty(attrs),
	}, nil
}
