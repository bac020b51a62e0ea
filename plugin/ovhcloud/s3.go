package ovhcloud

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/jeton-cli/jeton/plugin"
)

// S3 gives the S3 credentials of a Public Cloud user. They never expire, so jeton keeps a
// ledger of those it creates.
//
// https://eu.api.ovh.com/console/?section=%2Fcloud&branch=v1
// (POST /cloud/project/{serviceName}/user/{userId}/s3Credentials)
var S3 = plugin.Issuer{
	Name:  "ovhcloud-s3",
	Gives: plugin.AccessKey,
	From:  "an ovhcloud profile (from): s3Credentials of a Public Cloud user, rotated and removed by jeton",
	Example: `ovh-s3:
  plugin: ovhcloud-s3
  from: ovh                       # an ovhcloud profile
  service_name: 0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f
  user_id: 12345
  region: gra
`,
	Mints: true,
	New:   func() plugin.Options { return &S3Options{} },
}

// S3Options are the options of an ovhcloud-s3 profile.
type S3Options struct {
	ServiceName string        `yaml:"service_name" help:"id of the Public Cloud project"`
	UserID      string        `yaml:"user_id" help:"id of the user in it, a number"`
	Region      string        `yaml:"region" help:"S3's region, such as gra, passed on to the client"`
	Endpoint    string        `yaml:"endpoint" help:"S3's address, passed on to the client; that of the region by default"`
	MaxAge      time.Duration `yaml:"max_age" help:"replace the key at this age, and delete the old one an hour later"`
}

// Complete checks o and fills in the default endpoint. Its errors have the code
// [plugin.Config].
func (o *S3Options) Complete(common *plugin.Common) error {
	if err := checkProject(common, o.ServiceName); err != nil {
		return err
	}
	switch {
	case o.UserID == "":
		return plugin.Errorf(plugin.Config, "user_id is missing").
			WithHint("it is a number: GET /cloud/project/%s/user lists the users", o.ServiceName)
	case strings.Trim(o.UserID, "0123456789") != "":
		return plugin.Errorf(plugin.Config, "user_id: must be a number")
	case !plugin.Word(o.Region, "-") || strings.ToLower(o.Region) != o.Region:
		return plugin.Errorf(plugin.Config, "region: must be in small letters, such as gra")
	case common.RenewAfter > 0:
		return plugin.Errorf(plugin.Config, "renew_after has no meaning for keys, which do not expire").
			WithHint("max_age replaces a key at that age")
	}
	if o.Endpoint == "" && o.Region != "" {
		o.Endpoint = "https://s3." + o.Region + ".io.cloud.ovh.net"
	}
	if o.Endpoint != "" {
		if _, err := plugin.ParseURL(o.Endpoint, common.PlainHTTP); err != nil {
			return fmt.Errorf("endpoint: %w", err)
		}
	}
	return nil
}

// ObjectStore returns the region and address of the S3 service that accepts the keys.
func (o *S3Options) ObjectStore() (region, endpoint string) { return o.Region, o.Endpoint }

// Source returns the source of access keys.
func (o *S3Options) Source(env *plugin.Env) plugin.Source {
	s := &s3{options: o, env: env}
	s.Minter = plugin.Minter{Env: env, Open: s.withKeys}
	return s
}

type s3 struct {
	plugin.Minter
	options *S3Options
	env     *plugin.Env
}

// withKeys calls do with the keys of the profile's user.
func (s *s3) withKeys(ctx context.Context, do func(plugin.Order, plugin.Keys) error) error {
	o := s.options
	return withAPI(ctx, s.env, func(api *api) error {
		return do(plugin.Order{
			Issuer: api.base, Subject: o.ServiceName + "/" + o.UserID, Scope: o.ServiceName, MaxAge: o.MaxAge,
		}, &s3Keys{o, api})
	})
}

// s3Keys calls the API for the keys of one user.
type s3Keys struct {
	options *S3Options
	api     *api
}

func (k *s3Keys) path(id string) string {
	path := "/cloud/project/" + url.PathEscape(k.options.ServiceName) + "/user/" + k.options.UserID + "/s3Credentials"
	if id != "" {
		path += "/" + url.PathEscape(id)
	}
	return path
}

// List returns the user's keys by id.
func (k *s3Keys) List(ctx context.Context) (map[string]plugin.Mark, error) {
	var all []struct {
		Access string `json:"access"`
	}
	if err := k.api.call(ctx, http.MethodGet, k.path(""), &all); err != nil {
		return nil, err
	}
	keys := map[string]plugin.Mark{}
	for _, c := range all {
		keys[c.Access] = plugin.Mark{Scope: k.options.ServiceName} // a user belongs to one project
	}
	return keys, nil
}

// Create makes a key.
func (k *s3Keys) Create(ctx context.Context, _ plugin.Mark) (*plugin.Credential, error) {
	var a struct {
		Access string `json:"access"`
		Secret string `json:"secret"`
	}
	if err := k.api.call(plugin.SendOnce(ctx), http.MethodPost, k.path(""), &a); err != nil {
		return nil, err
	}
	return k.credential(a.Access, a.Secret)
}

// Read returns an existing key with its secret, which OVHcloud reveals at any time. It
// returns fs.ErrNotExist if there is no such key.
func (k *s3Keys) Read(ctx context.Context, id string) (*plugin.Credential, error) {
	var a struct {
		Secret string `json:"secret"`
	}
	err := k.api.call(ctx, http.MethodPost, k.path(id)+"/secret", &a)
	if errors.Is(err, errNotFound) {
		return nil, fs.ErrNotExist
	}
	if err != nil {
		return nil, err
	}
	return k.credential(id, a.Secret)
}

// Delete removes a key. A key that is already gone is no error.
func (k *s3Keys) Delete(ctx context.Context, id string) error {
	err := k.api.call(ctx, http.MethodDelete, k.path(id), nil)
	if errors.Is(err, errNotFound) {
		return nil
	}
	return err
}

func (k *s3Keys) credential(access, secret string) (*plugin.Credential, error) {
	if access == "" || secret == "" {
		return nil, plugin.Errorf(plugin.Unusable, "OVHcloud's answer holds no key").RememberFor(10 * time.Second)
	}
	attrs := map[string]string{plugin.AttrUserID: k.options.UserID, plugin.AttrProjectID: k.options.ServiceName}
	for name, value := range map[string]string{plugin.AttrRegion: k.options.Region,
		plugin.AttrEndpoint: k.options.Endpoint} {
		if value != "" {
			attrs[name] = value
		}
	}
	return &plugin.Credential{AccessKey: access, SecretKey: plugin.NewSecret(secret), Attrs: attrs}, nil
}
