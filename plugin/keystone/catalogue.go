package keystone

import (
	"context"
	"encoding/json"
	"net/url"
	"slices"
	"strings"

	"github.com/gophercloud/gophercloud/v2"

	"github.com/jeton-cli/jeton/plugin"
)

// A catalogue is Keystone's list of the services that a token is good for.
//
// https://docs.openstack.org/api-ref/identity/v3/#get-service-catalog
type catalogue struct {
	Catalog []struct {
		Type      string     `json:"type"`
		Endpoints []endpoint `json:"endpoints"`
	} `json:"catalog"`
}

// An endpoint is one address of a service.
type endpoint struct {
	Interface string `json:"interface"`
	RegionID  string `json:"region_id"`
	URL       string `json:"url"`
}

// readCatalogue reads the catalogue of the client's token.
func readCatalogue(ctx context.Context, client *gophercloud.ServiceClient, body any) error {
	_, err := get(ctx, client, client.ServiceURL("auth", "catalog"), body, gophercloud.RequestOpts{})
	return err
}

// endpoints returns the first endpoint of each service with this interface, which is public
// if it is empty, and in this region, if it is not.
func (c *catalogue) endpoints(face, region string) map[string]endpoint {
	if face = strings.TrimSuffix(face, "URL"); face == "" {
		face = "public"
	}
	found := map[string]endpoint{}
	for _, service := range c.Catalog {
		for _, e := range service.Endpoints {
			if e.Interface == face && (region == "" || e.RegionID == region) && found[service.Type].URL == "" {
				found[service.Type] = e
			}
		}
	}
	return found
}

// Endpoints returns the endpoints in the catalogue of c's project, for clients that use a
// token without asking Keystone themselves.
func (s *source) Endpoints(ctx context.Context, c *plugin.Credential) (map[string]string, error) {
	if s.options.v2() {
		return nil, plugin.Errorf(plugin.Config, "the API v2.0 of Keystone tells nobody a token's catalogue").
			WithHint("if the cloud has v3 too, its auth_url ends in /v3")
	}
	document, err := s.keepFor(ctx, "catalogue", c, func(ctx context.Context, client *gophercloud.ServiceClient,
		document *json.RawMessage) error {
		return readCatalogue(ctx, client, document)
	})
	if err != nil {
		return nil, err
	}
	var body catalogue
	if plugin.DecodeJSON(document, &body) != nil {
		return nil, plugin.Errorf(plugin.Unusable, "the catalogue of Keystone makes no sense")
	}
	endpoints := map[string]string{}
	for service, e := range body.endpoints(s.options.Interface, s.options.RegionName) {
		endpoints[service] = e.URL
	}
	return endpoints, nil
}

// findStore returns the region and the address of the S3 service for the token's user. The
// object-store of a catalogue is Swift, and is not it. It returns empty texts if there is
// none.
func (m *minter) findStore(ctx context.Context) (region, address string, err error) {
	a := m.token.Attrs
	if region, address = knownStore(a[plugin.AttrAuthURL], a[plugin.AttrRegionName]); address != "" {
		return region, address, nil
	}
	var body catalogue
	if err := readCatalogue(ctx, m.client, &body); err != nil {
		return "", "", m.explain(err)
	}
	e := body.endpoints(a[plugin.AttrInterface], a[plugin.AttrRegionName])["s3"]
	if u, err := plugin.ParseURL(e.URL, true); err != nil || u.Host == "" {
		return "", "", nil
	}
	return e.RegionID, e.URL, nil
}

// knownStore returns the region and the address of S3 at a cloud whose catalogue does not
// have them.
//
// https://help.ovhcloud.com/csm/en-public-cloud-storage-s3-location?id=kb_article_view&sysparm_article=KB0047384
func knownStore(authURL, regionName string) (region, address string) {
	u, err := url.Parse(authURL)
	if err != nil {
		return "", ""
	}
	host := u.Hostname()
	switch host {
	case "auth.cloud.ca":
		return "cloud.ca", "https://objects.cloud.ca"
	case "auth.cloud.ovh.net", "auth.cloud.ovh.us":
		// GRA7 and GRA11 are of the region gra, as RBX-A is of rbx, and US-EAST-VA-1 of us-east-va.
		region = strings.TrimRight(strings.ToLower(regionName), "0123456789")
		region = strings.TrimSuffix(strings.TrimSuffix(region, "-"), "-a")
		if region == "syd" {
			region = "ap-southeast-syd"
		}
		end := strings.TrimPrefix(host, "auth.")
		if slices.Contains(ovhRegions[end], region) {
			return region, "https://s3." + region + ".io." + end
		}
	}
	return "", ""
}

// ovhRegions are the regions of OVHcloud with S3.
var ovhRegions = map[string][]string{
	"cloud.ovh.net": {"gra", "rbx", "sbg", "de", "uk", "waw", "bhs", "sgp", "eu-west-par", "ca-east-tor",
		"ap-southeast-syd", "ap-south-mum"},
	"cloud.ovh.us": {"us-east-va", "us-west-or"},
}
