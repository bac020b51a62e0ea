package ovhcloud

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseConf(t *testing.T) {
	found, err := parseConf("\ufeff# x\n; y\n\n[default]\n endpoint = ovh-eu \r\n[ovh-eu] ; mine\nclient_id=a=b\n" +
		"client_secret : \"c d\"\nempty=\nsingle='a\"b'\nkept=\"a\"b\"\n[ ovh-eu ]\nx=y\n[ovh-eu]\nempty=z")
	got := map[string]map[string]string{}
	for name, section := range found {
		got[name] = map[string]string{}
		for key, e := range section {
			got[name][key] = e.text
		}
	}
	want := map[string]map[string]string{"default": {"endpoint": "ovh-eu"}, " ovh-eu ": {"x": "y"},
		"ovh-eu": {"client_id": "a=b", "client_secret": "c d", "empty": "z", "single": `a"b`, "kept": `"a"b"`}}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
	for _, text := range []string{"a=b", "[a\nb=c", "[a]\nb", "[]\na=b", "[a]\n=b", "[a]\nb=c\\", "[a]\nb=`c`",
		"[a]\n\"b\"=c"} {
		if _, err := parseConf(text); err == nil {
			t.Errorf("%q is accepted", text)
		}
	}
	for _, text := range []string{"[ovh-eu]\nclient_id=a#b\nclient_secret=c", "[ovh-eu]\nclient_id=a",
		"[ovh-eu]\nclient_id=a\nclient_secret=%(b)s", "[default]\nendpoint=\n[ovh-eu]\nclient_id=a\nclient_secret=b",
		"[ovh-eu]\nclient_id=a\nclient_secret=b\naccess_token=c", "[ ovh-eu ]\nclient_id=a\nclient_secret=b"} {
		if found, err := parseConf(text); err != nil {
			t.Errorf("%q: %v", text, err)
		} else if _, _, err := found.account(""); err == nil {
			t.Errorf("%q is accepted", text)
		}
	}
}

func FuzzConf(f *testing.F) {
	f.Add("[default]\nendpoint=ovh-eu\n[ovh-eu]\nclient_id=a\n")
	f.Fuzz(func(t *testing.T, text string) { parseConf(text) })
}
