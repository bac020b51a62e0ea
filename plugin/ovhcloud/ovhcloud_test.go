package ovhcloud

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseConf(t *testing.T) {
	got, err := parseConf("# x\n; y\n\n[default]\n endpoint = ovh-eu \r\n[ ovh-eu " +
		"]\nclient_id=a=b\nclient_secret=\"c d\"\nempty=\n")
	want := map[string]map[string]string{"default": {"endpoint": "ovh-eu"},
		"ovh-eu": {"client_id": "a=b", "client_secret": "c d", "empty": ""}}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
	for _, text := range []string{"a=b", "[a\nb=c", "[a]\nb"} {
		if _, err := parseConf(text); err == nil {
			t.Errorf("%q is accepted", text)
		}
	}
}

func FuzzConf(f *testing.F) {
	f.Add("[default]\nendpoint=ovh-eu\n[ovh-eu]\nclient_id=a\n")
	f.Fuzz(func(t *testing.T, text string) { parseConf(text) })
}
