package keystone

import "testing"

func TestKnownStore(t *testing.T) {
	for _, test := range [][4]string{
		{"https://auth.cloud.ovh.net/v3", "GRA7", "gra", "https://s3.gra.io.cloud.ovh.net"},
		{"https://auth.cloud.ovh.net/v3", "GRA11", "gra", "https://s3.gra.io.cloud.ovh.net"},
		{"https://auth.cloud.ovh.net/v3", "EU-WEST-PAR", "eu-west-par", "https://s3.eu-west-par.io.cloud.ovh.net"},
		{"https://auth.cloud.ovh.net/v3", "RBX-A", "rbx", "https://s3.rbx.io.cloud.ovh.net"},
		{"https://auth.cloud.ovh.net/v3", "DE1", "de", "https://s3.de.io.cloud.ovh.net"},
		{"https://auth.cloud.ovh.net/v3", "SYD1", "ap-southeast-syd", "https://s3.ap-southeast-syd.io.cloud.ovh.net"},
		{"https://auth.cloud.ovh.net/v3", "AP-SOUTH-MUM-1", "ap-south-mum", "https://s3.ap-south-mum.io.cloud.ovh.net"},
		{"https://auth.cloud.ovh.us/v3", "US-EAST-VA-1", "us-east-va", "https://s3.us-east-va.io.cloud.ovh.us"},
		{"https://auth.cloud.ovh.net/v3", "EU-WEST-LZ-LUX-A", "", ""},
		{"https://auth.cloud.ovh.net/v3", "US-EAST-VA-1", "", ""},
		{"https://auth.cloud.ovh.net/v3", "", "", ""},
		{"https://auth.cloud.ovh.net/v3", "a.b/c", "", ""},
		{"https://auth.cloud.ovh.net.evil.example/v3", "GRA7", "", ""},
		{"https://auth.cloud.ca/v3", "multi-region", "cloud.ca", "https://objects.cloud.ca"},
		{"https://keystone.example/v3", "RegionOne", "", ""},
	} {
		if region, address := knownStore(test[0], test[1]); region != test[2] || address != test[3] {
			t.Errorf("%s in %s: %s, %s", test[1], test[0], region, address)
		}
	}
}
