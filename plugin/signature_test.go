package plugin

import (
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// curl --aws-sigv4 made these signatures, for AWS and for Outscale.
func TestSignature(t *testing.T) {
	const body = `{"Filters":{"States":["ACTIVE"]}}`
	now := time.Date(2026, 11, 21, 22, 59, 38, 0, time.UTC)
	for want, s := range map[string]Signature{
		"6384730bfea74930bf8a140abf23e48dea27f80bb40fcad5bc5f737d3f75d439": {"OSC4", "Osc", "eu-west-2", "api"},
		"9c41186fef6002a59cd8f22b8fd6dd0f7c6b2b07cb8e863eccff674c2959a3a9": {"AWS4", "Amz", "eu-west-2", "api"},
	} {
		r, err := http.NewRequest("POST", "http://api.eu-west-2.outscale.com/api/v1/ReadAccessKeys",
			strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		s.Sign(r, []byte(body), "AKEXAMPLE", NewSecret("SECRETKEYEXAMPLE"), now)
		if got := r.Header.Get("Authorization"); !strings.HasSuffix(got, "Signature="+want) {
			t.Errorf("%s: %s", s.Prefix, got)
		}
	}
}

// jeton signs like curl, byte for byte.
func TestSignatureCurl(t *testing.T) {
	if _, err := exec.LookPath("curl"); err != nil {
		if os.Getenv("JETON_TEST_NOSKIP") != "" {
			t.Fatal("must not be skipped: curl is not installed")
		}
		t.Skip("curl is not installed")
	}
	signed := make(chan http.Header, 1)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { signed <- r.Header }))
	defer server.Close()
	address := strings.TrimPrefix(server.URL, "http://")
	for _, vendor := range []struct{ option, prefix, name string }{{"osc", "OSC4", "Osc"}, {"aws:amz", "AWS4", "Amz"}} {
		for _, region := range []string{"eu-west-2", "us-east-2", "cloudgouv-eu-west-1"} {
			for _, body := range []string{"{}", `{"ExpirationDate":"2026-11-22T07:35:24.123Z","Tag":"jeton:abc"}`, `{"UserName":"Ève & Zoé"}`} {
				host := "api." + region + ".outscale.com"
				out, err := exec.Command("curl", "-sS", "--connect-to", host+":80:"+address, "--aws-sigv4",
					vendor.option, "-u", "AK:SECRET/+",
					"-H", "Content-Type: application/json", "-d", body, "http://"+host+"/api/v1/CreateAccessKey").
					CombinedOutput()
				if err != nil {
					t.Fatalf("%v: %s", err, out)
				}
				theirs := <-signed
				now, err := time.Parse("20060102T150405Z", theirs.Get("X-"+vendor.name+"-Date"))
				if err != nil {
					t.Fatal(err)
				}
				r, err := http.NewRequest("POST", "http://"+host+"/api/v1/CreateAccessKey", strings.NewReader(body))
				if err != nil {
					t.Fatal(err)
				}
				r.Header.Set("Content-Type", "application/json")
				Signature{vendor.prefix, vendor.name, region, "api"}.Sign(r, []byte(body), "AK", NewSecret("SECRET/+"),
					now)
				if ours, theirs := r.Header.Get("Authorization"), theirs.Get("Authorization"); ours != theirs {
					t.Errorf("%s %s %s:\nours   %s\ntheirs %s", vendor.option, region, body, ours, theirs)
				}
			}
		}
	}
}
