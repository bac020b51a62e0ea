package keystone

import (
	"strings"

	"github.com/jeton-cli/jeton/plugin"
)

// vendors are the clouds that openstacksdk knows by name: the address of Keystone, the
// version of its API, and the regions. domain, if set, is the name of the domain of users
// and projects.
var vendors = map[string]struct{ authURL, domain, version, regions string }{
	"auro":              {"https://api.van2.auro.io:5000/v3", "Default", "3", "RegionOne"},
	"betacloud":         {"https://api-1.betacloud.de:5000", "", "3", "betacloud-1"},
	"catalyst":          {"https://api.cloud.catalyst.net.nz:5000/v2.0", "", "", "nz-por-1 nz_wlg_2"},
	"citycloud":         {"https://{region_name}.citycloud.com:5000/v3/", "", "3", "Buf1 Fra1 Lon1 Sto2 Kna1 dx1 tky1"},
	"conoha":            {"https://identity.{region_name}.conoha.io", "", "2", "sin1 sjc1 tyo1"},
	"dreamcompute":      {"https://iad2.dream.io:5000", "", "3", "RegionOne"},
	"elastx":            {"https://ops.elastx.cloud:5000/v3", "", "3", "se-sto"},
	"entercloudsuite":   {"https://api.entercloudsuite.com/", "", "3", "it-mil1 nl-ams1 de-fra1"},
	"fuga":              {"https://identity.api.fuga.io:5000", "Default", "3", "cystack"},
	"ibmcloud":          {"https://identity.open.softlayer.com", "", "3", "london"},
	"internap":          {"https://identity.api.cloud.iweb.com", "", "3", "ams01 da01 nyj01 sin01 sjc01"},
	"limestonenetworks": {"https://auth.cloud.lstn.net:5000/v3", "", "3", "us-dfw-1 us-slc"},
	"otc":               {"https://iam.{region_name}.otc.t-systems.com/v3", "", "3", "eu-de eu-nl"},
	"ovh": {"https://auth.cloud.ovh.net/", "Default", "3",
		"BHS BHS1 BHS3 BHS5 DE DE1 GRA GRA1 GRA5 GRA7 SBG SBG1 SBG5 UK UK1 WAW WAW1 SYD1 SGP1"},
	"ovh-us":        {"https://auth.cloud.ovh.us/", "Default", "3", "US-EAST-VA-1"},
	"rackspace":     {"https://identity.api.rackspacecloud.com/v2.0/", "", "", "DFW HKG IAD ORD SYD LON"},
	"switchengines": {"https://keystone.cloud.switch.ch:5000/v3", "", "3", "LS ZH"},
	"ultimum":       {"https://console.ultimum-cloud.com:5000/", "", "3", "RegionOne"},
	"unitedstack":   {"https://identity.api.ustack.com/v3", "", "3", "bj1 gd1"},
	"zetta":         {"https://identity.api.zetta.io/v3", "", "3", "no-osl1"},
}

// vendor returns the settings of a vendor profile, or an error if there is no such
// profile.
func (c *Clouds) vendor(name string) (tree, error) {
	if t, ok := c.public[name].(tree); ok {
		return t, nil
	}
	v, ok := vendors[name]
	switch {
	case strings.Contains(name, "://"), name == "vexxhost": // vexxhost stands for an address too
		return nil, plugin.Errorf(plugin.Config,
			"profile: the settings of %s would have to be fetched from there, which jeton does not do",
			plugin.Shorten(name)).
			WithHint("write auth_url into the cloud")
	case !ok:
		return nil, plugin.Errorf(plugin.Config, "profile: there is no vendor %q", plugin.Shorten(name)).
			WithHint("write auth_url into the cloud, or the vendor into clouds-public.yaml")
	}
	auth := tree{"auth_url": v.authURL}
	if v.domain != "" {
		auth["user_domain_name"], auth["project_domain_name"] = v.domain, v.domain
	}
	t := tree{"auth": auth}
	if v.version != "" {
		t["identity_api_version"] = v.version
	}
	if v.regions != "" {
		var regions []any
		for _, r := range strings.Fields(v.regions) {
			regions = append(regions, r)
		}
		t["regions"] = regions
	}
	return t, nil
}
