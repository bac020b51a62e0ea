package keystone

import (
	"context"
	"io"
	"net/http"

	"github.com/gophercloud/gophercloud/v2"

	"github.com/jeton-cli/jeton/plugin"
)

// get asks Keystone for the document at an address, and decodes it into out.
func get(ctx context.Context, client *gophercloud.ServiceClient, address string, out any,
	opts gophercloud.RequestOpts) (*http.Response, error) {
	return call(ctx, client, http.MethodGet, address, out, opts)
}

// post sends in to Keystone, and decodes the answer into out.
func post(ctx context.Context, client *gophercloud.ServiceClient, address string, in, out any,
	opts gophercloud.RequestOpts) (*http.Response, error) {
	opts.JSONBody = in
	return call(ctx, client, http.MethodPost, address, out, opts)
}

// call leaves the decoding to [plugin.DecodeJSON], which is stricter than gophercloud's.
func call(ctx context.Context, client *gophercloud.ServiceClient, method, address string, out any,
	opts gophercloud.RequestOpts) (*http.Response, error) {
	opts.KeepResponseBody = true
	resp, err := client.Request(ctx, method, address, &opts)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err == nil {
		err = plugin.DecodeJSON(b, out)
	}
	if d, ok := out.(*document); ok {
		d.whole = b
	}
	if fault := plugin.JSONFault(err); fault != "" {
		return nil, plugin.Errorf(plugin.Unusable, "%s does not answer as Keystone does%s", resp.Request.URL.Host,
			fault).RememberFor(unusableFor)
	}
	return resp, err
}
