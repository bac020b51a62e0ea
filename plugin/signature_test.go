package plugin

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

// Signatures that curl --aws-sigv4 made, for AWS and for Outscale.
func TestSignature(t *testing.T) {
	const body = `{"Filters":{"States":["ACTIVE"]}}`
	now := time.Date(2026, 11, 21, 22, 59, 38, 0, time.UTC)
	for want, s := range map[string]Signature{
		"6384730bfea74930bf8a140abf23e48dea27f80bb40fcad5bc5f737d3f75d439": {"OSC4", "Osc", "eu-west-2", "api"},
		"9c41186fef6002a59cd8f22b8fd6dd0f7c6b2b07cb8e863eccff674c2959a3a9": {"AWS4", "Amz", "eu-west-2", "api"},
	} {
		r, err := http.NewRequest("POST", "http://api.eu-west-2.outscale.com/api/v1/ReadAccessKeys", strings.NewReader(body))
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
