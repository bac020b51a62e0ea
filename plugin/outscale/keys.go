package outscale

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/jeton-cli/jeton/plugin"
)

// keys calls the API for the access keys of one user.
//
// https://docs.outscale.com/api#3ds-outscale-api-accesskey
type keys struct {
	options *Options
	api     *api
	there   []accessKey // as last listed
	tagged  bool        // the last key that was made has its tag
}

// Tagged reports whether the last key that was made has its tag.
func (k *keys) Tagged() bool { return k.tagged }

// An accessKey is what the API says about a key.
type accessKey struct {
	ID         string `json:"AccessKeyId"`
	SecretKey  string `json:"SecretKey"`
	State      string `json:"State"`
	Tag        string `json:"Tag"`
	Creation   string `json:"CreationDate"`
	Expiration string `json:"ExpirationDate"`
}

const inactive = "INACTIVE"

func (k accessKey) expires() time.Time {
	t, _ := parseDate(k.Expiration)
	return t
}

func (k accessKey) created() string {
	if t, err := parseDate(k.Creation); err == nil {
		return t.UTC().Format(time.RFC3339)
	}
	return plugin.Shorten(k.Creation)
}

// parseDate parses the API's dates, which have several forms. The usual one ends in
// +0000, which RFC 3339 does not allow.
func parseDate(text string) (t time.Time, err error) {
	for _, layout := range []string{"2006-01-02T15:04:05Z0700", time.RFC3339, "2006-01-02"} {
		if t, err = time.Parse(layout, text); err == nil {
			return t, nil
		}
	}
	return t, err
}

// A request is the body of a call. All calls name the user in the same way.
type request struct {
	AccessKeyID    string `json:"AccessKeyId,omitempty"`
	UserName       string `json:"UserName,omitempty"`
	State          string `json:"State,omitempty"`
	ExpirationDate string `json:"ExpirationDate,omitempty"`
	Tag            string `json:"Tag,omitempty"`
	DryRun         bool   `json:"DryRun,omitempty"`
}

// date formats t as the API wants it. The expiry times that jeton sets are in whole
// seconds, as some answers leave out fractions.
func date(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// List returns the user's keys by id.
func (k *keys) List(ctx context.Context) (map[string]plugin.Mark, error) {
	var a struct{ AccessKeys []accessKey }
	if err := k.api.call(ctx, "ReadAccessKeys", request{UserName: k.options.UserName}, &a); err != nil {
		return nil, err
	}
	k.there = a.AccessKeys
	list := map[string]plugin.Mark{}
	for _, key := range k.there {
		list[key.ID] = plugin.Mark{Tag: key.Tag, Expires: key.expires()}
	}
	return list, nil
}

// Create makes a key with the tag and expiry of mark.
func (k *keys) Create(ctx context.Context, mark plugin.Mark) (*plugin.Credential, error) {
	r := request{UserName: k.options.UserName, ExpirationDate: date(mark.Expires), Tag: mark.Tag}
	var a struct{ AccessKey accessKey }
	err := k.api.call(plugin.SendOnce(ctx), "CreateAccessKey", r, &a)
	if refused(err) == invalid {
		r.Tag = "" // not every region supports tags
		err = k.api.call(plugin.SendOnce(ctx), "CreateAccessKey", r, &a)
	}
	if why := refused(err); why == quota || why == invalid && len(k.there) >= usualQuota {
		return nil, k.full(ctx)
	}
	if err != nil {
		return nil, err
	}
	k.tagged = r.Tag != ""
	key := a.AccessKey
	if key.ID == "" || key.SecretKey == "" {
		return nil, plugin.Errorf(plugin.Unusable, "Outscale's answer holds no key").RememberFor(10 * time.Second)
	}
	attrs := map[string]string{
		plugin.AttrOSCRegion: k.options.Region, plugin.AttrRegion: k.options.Region,
		plugin.AttrUserName: k.options.UserName, plugin.AttrEndpoint: k.options.objectStore,
	}
	if _, region := splitHost(hostname(k.options.Endpoint)); region != k.options.Region {
		attrs[plugin.AttrOSCEndpoint] = k.options.Endpoint
	}
	for name, value := range attrs {
		if value == "" {
			delete(attrs, name)
		}
	}
	return &plugin.Credential{AccessKey: key.ID, SecretKey: plugin.NewSecret(key.SecretKey), Expires: key.expires(),
		Attrs: attrs}, nil
}

func hostname(endpoint string) string {
	u, err := url.Parse(endpoint)
	if err != nil {
		return ""
	}
	return u.Hostname()
}

// usualQuota is how many keys Outscale usually allows an account or a user.
const usualQuota = 10

// full returns the error for an exhausted quota. It lists the existing keys, since the
// user has to choose one to delete.
func (k *keys) full(ctx context.Context) error {
	if _, err := k.List(ctx); err != nil {
		return err
	}
	var list []string
	for _, key := range k.there {
		text := key.ID + " (made " + key.created()
		if strings.HasPrefix(key.Tag, k.options.Tag+":") {
			text = key.ID + " (made by jeton " + key.created()
		}
		if t := key.expires(); !t.IsZero() {
			text += ", ends " + t.UTC().Format(time.RFC3339)
		}
		if key.State == inactive {
			text += ", inactive"
		}
		list = append(list, text+")")
	}
	return plugin.Because(plugin.Errorf(plugin.Denied, "Outscale allows no more access keys; there are %s",
		strings.Join(list, ", ")).
		WithHint("delete one that nobody uses: octl iaas api DeleteAccessKey --AccessKeyId ID; those that jeton has "+
			"replaced go once they have ended").RememberFor(time.Minute), plugin.ErrFull)
}

// check asks, with a dry run, whether a key could be made.
func (k *keys) check(ctx context.Context) error {
	r := request{UserName: k.options.UserName, ExpirationDate: date(time.Now().Add(time.Minute)), DryRun: true}
	return k.api.call(plugin.SendOnce(ctx), "CreateAccessKey", r, &struct{}{})
}

// Delete removes a key. A key of an EIM user has to be made inactive first. A key that is
// already gone is no error.
func (k *keys) Delete(ctx context.Context, id string) error {
	if k.there == nil {
		if _, err := k.List(ctx); err != nil {
			return err
		}
	}
	key, ok := k.find(id)
	if !ok {
		return nil
	}
	if k.options.UserName != "" && key.State != inactive {
		if err := k.deactivate(ctx, key); err != nil {
			return err
		}
		key.State = inactive
	}
	r := request{AccessKeyID: id, UserName: k.options.UserName}
	err := k.api.call(ctx, "DeleteAccessKey", r, &struct{}{})
	if err == nil {
		k.there = slices.DeleteFunc(k.there, func(key accessKey) bool { return key.ID == id })
	}
	if refused(err) != invalid {
		return err
	}
	// The key is gone by now, or it belongs to an EIM user after all.
	if _, err := k.List(ctx); err != nil {
		return err
	}
	if _, ok := k.find(id); !ok {
		return nil
	}
	if key.State == inactive {
		return err
	}
	if err := k.deactivate(ctx, key); err != nil {
		return err
	}
	return k.api.call(ctx, "DeleteAccessKey", r, &struct{}{})
}

func (k *keys) find(id string) (accessKey, bool) {
	for _, key := range k.there {
		if key.ID == id {
			return key, true
		}
	}
	return accessKey{}, false
}

// deactivate makes a key inactive. It sends the expiry again, since an update without one
// removes it: if jeton got no further than this, the key would live for ever.
func (k *keys) deactivate(ctx context.Context, key accessKey) error {
	expires := key.expires()
	if soon := time.Now().Add(time.Minute); expires.Before(soon) {
		expires = soon // a date in the past may be refused
	}
	r := request{AccessKeyID: key.ID, UserName: k.options.UserName, State: inactive, ExpirationDate: date(expires)}
	if err := k.api.call(ctx, "UpdateAccessKey", r, &struct{}{}); err != nil {
		return fmt.Errorf("to make it inactive: %w", err)
	}
	return nil
}
