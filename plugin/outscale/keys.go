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

// keys are the calls of the API for the access keys of one user.
//
// https://docs.outscale.com/api#3ds-outscale-api-accesskey
type keys struct {
	options *Options
	api     *api
	there   []accessKey // as listed last
}

// An accessKey is what the API tells of a key.
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

// parseDate reads the dates of the API, which are of several forms; the usual
// one, with its +0000, is none of RFC 3339's.
func parseDate(text string) (t time.Time, err error) {
	for _, layout := range []string{"2006-01-02T15:04:05Z0700", time.RFC3339, "2006-01-02"} {
		if t, err = time.Parse(layout, text); err == nil {
			return t, nil
		}
	}
	return t, err
}

// A request is the body of the calls, all of which name the user likewise.
type request struct {
	AccessKeyID    string `json:"AccessKeyId,omitempty"`
	UserName       string `json:"UserName,omitempty"`
	State          string `json:"State,omitempty"`
	ExpirationDate string `json:"ExpirationDate,omitempty"`
	Tag            string `json:"Tag,omitempty"`
	DryRun         bool   `json:"DryRun,omitempty"`
}

// date is t as the API wants it. jeton's own are of whole seconds, as not every
// answer has parts of them.
func date(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// List returns the keys of the user.
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

// Create makes a key with the mark on it.
func (k *keys) Create(ctx context.Context, mark plugin.Mark) (*plugin.Credential, error) {
	r := request{UserName: k.options.UserName, ExpirationDate: date(mark.Expires), Tag: mark.Tag}
	var a struct{ AccessKey accessKey }
	err := k.api.call(plugin.SendOnce(ctx), "CreateAccessKey", r, &a)
	if refused(err) == invalid {
		r.Tag = "" // which not every region knows
		err = k.api.call(plugin.SendOnce(ctx), "CreateAccessKey", r, &a)
	}
	if why := refused(err); why == quota || why == invalid && len(k.there) >= usualQuota {
		return nil, k.full(ctx)
	}
	if err != nil {
		return nil, err
	}
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

// usualQuota is how many keys Outscale lets an account or a user have.
const usualQuota = 10

// full is the error for a quota that is used up. It names the keys that are
// there, since somebody has to choose.
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
	return plugin.Errorf(plugin.Denied, "Outscale allows no more access keys; there are %s", strings.Join(list, ", ")).
		WithHint("delete one that nobody uses: octl iaas api DeleteAccessKey --AccessKeyId ID; those that jeton has " +
			"replaced go once they have ended").RememberFor(time.Minute)
}

// check asks whether a key could be made.
func (k *keys) check(ctx context.Context) error {
	r := request{UserName: k.options.UserName, ExpirationDate: date(time.Now().Add(time.Minute)), DryRun: true}
	return k.api.call(plugin.SendOnce(ctx), "CreateAccessKey", r, &struct{}{})
}

// Delete removes a key. That of an EIM user has to be inactive first.
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
	// It is gone meanwhile, or that of an EIM user after all.
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

// deactivate makes a key inactive. A key that is updated without an expiry loses
// the one it had, and would live for ever if this were our last act.
func (k *keys) deactivate(ctx context.Context, key accessKey) error {
	expires := key.expires()
	if soon := time.Now().Add(time.Minute); expires.Before(soon) {
		expires = soon // a date that is past may be refused
	}
	r := request{AccessKeyID: key.ID, UserName: k.options.UserName, State: inactive, ExpirationDate: date(expires)}
	if err := k.api.call(ctx, "UpdateAccessKey", r, &struct{}{}); err != nil {
		return fmt.Errorf("to make it inactive: %w", err)
	}
	return nil
}
