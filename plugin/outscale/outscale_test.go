package outscale

import (
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/jeton-cli/jeton/plugin"
)

func TestParseDate(t *testing.T) {
	want := time.Date(2063, 4, 5, 0, 0, 0, 0, time.UTC)
	for _, text := range []string{"2063-04-05T00:00:00.000+0000", "2063-04-05T00:00:00+00:00", "2063-04-05T00:00:00Z", "2063-04-05T00:00:00.000Z", "2063-04-05", "2063-04-05T02:00:00.000+0200"} {
		if got, err := parseDate(text); err != nil || !got.Equal(want) {
			t.Errorf("%s: %s, %v", text, got, err)
		}
	}
	if _, err := parseDate("tomorrow"); err == nil {
		t.Error("tomorrow is a date")
	}
	at := time.Date(2026, 11, 22, 7, 35, 24, 123_456_789, time.FixedZone("", 3600))
	if got, err := parseDate(date(at)); err != nil || !got.Equal(at.Truncate(time.Millisecond)) {
		t.Errorf("%s, %v", got, err)
	}
}

func TestEndpoint(t *testing.T) {
	type result struct{ region, endpoint, objectStore string }
	for _, test := range []struct {
		in   Options
		want result
	}{
		{Options{}, result{"eu-west-2", "https://api.eu-west-2.outscale.com/api/v1", "https://oos.eu-west-2.outscale.com"}},
		{Options{Region: "us-east-2"}, result{"us-east-2", "https://api.us-east-2.outscale.com/api/v1", "https://oos.us-east-2.outscale.com"}},
		{Options{UserName: "eve"}, result{"eu-west-2", "https://api.eu-west-2.outscale.com/api/v1", ""}},
		{Options{Endpoint: "https://api.cloudgouv-eu-west-1.outscale.com/api/latest"}, result{"cloudgouv-eu-west-1", "https://api.cloudgouv-eu-west-1.outscale.com/api/latest", "https://oos.cloudgouv-eu-west-1.outscale.com"}},
		{Options{Endpoint: "api.us-west-1.outscale.com/api/v1/"}, result{"us-west-1", "https://api.us-west-1.outscale.com/api/v1", "https://oos.us-west-1.outscale.com"}},
		{Options{Endpoint: "https://oos.us-west-1.outscale.com", UserName: "eve"}, result{"us-west-1", "https://api.us-west-1.outscale.com/api/v1", "https://oos.us-west-1.outscale.com"}},
		{Options{Endpoint: "https://osc.example", Region: "lab"}, result{"lab", "https://osc.example/api/v1", "https://oos.lab.outscale.com"}},
	} {
		o := test.in
		err := o.completeEndpoint(&plugin.Common{})
		if got := (result{o.Region, o.Endpoint, o.objectStore}); err != nil || got != test.want {
			t.Errorf("%+v: %+v, %v", test.in, got, err)
		}
	}
}

// Errors come in several forms, some with a misleading status.
func TestExplain(t *testing.T) {
	a := &api{accessKey: "AK", secret: plugin.NewSecret("SECRET"), region: "eu-west-2"}
	now := time.Now()
	for _, test := range []struct {
		status int
		body   string
		code   plugin.Code
		why    refusal
		text   string
	}{
		{401, `{"Errors":[{"Type":"AccessDenied","Code":"1","Details":"x"}]}`, plugin.Denied, unauthorized, "Outscale at h: AccessDenied 1: x (HTTP 401)"},
		{400, `{"Errors":[{"Type":"InvalidParameterValue","Code":"4120","Details":"the login"}]}`, plugin.Denied, unauthorized, "Outscale at h: InvalidParameterValue 4120: the login (HTTP 400)"},
		{401, `{"Errors":[{"Type":"AccessDenied","Code":"4","Details":"x"}]}`, plugin.Denied, forbidden, "Outscale at h: AccessDenied 4: x (HTTP 401)"},
		{403, `{"title":"Forbidden","detail":"no","status":403}`, plugin.Denied, forbidden, "Outscale at h: Forbidden: no (HTTP 403)"},
		{400, `{"Errors":[{"Type":"TooManyResources (QuotaExceeded)","Code":"10001","Details":""}]}`, plugin.Denied, quota, "Outscale at h: TooManyResources (QuotaExceeded) 10001 (HTTP 400)"},
		{400, `{"Errors":[{"Type":"InvalidParameter","Code":"3001","Details":"with SECRET"}]}`, plugin.Config, invalid, "Outscale at h: InvalidParameter 3001 (HTTP 400)"},
		{503, `{"Errors":[{"Type":"ServiceUnavailable","Code":"6","Details":""}]}`, plugin.Later, none, "Outscale is asked too often (HTTP 503, code 6)"},
		{429, `{"Errors":[{"Type":"Throttling","Code":"24","Details":""}]}`, plugin.Later, none, "h asks to wait 30s (HTTP 429)"},
		{500, `{"Errors":[{"Type":"InternalError","Code":"2000","Details":""}]}`, plugin.Network, none, "h has failed (HTTP 500)"},
		{404, `<html>`, plugin.Unusable, none, "h does not answer as Outscale's API does (HTTP 404)"},
	} {
		err := a.explain("h", &http.Response{StatusCode: test.status, Header: http.Header{}}, []byte(test.body), now)
		if e := plugin.AsError(err); e.Code != test.code || refused(err) != test.why || e.Text != test.text {
			t.Errorf("%d %s: %d, %d, %s", test.status, test.body, e.Code, refused(err), e.Text)
		}
	}
	off := http.Header{"Date": {now.Add(-time.Hour).UTC().Format(http.TimeFormat)}}
	err := a.explain("h", &http.Response{StatusCode: 401, Header: off}, []byte(`{"Errors":[{"Type":"AccessDenied","Code":"1"}]}`), now)
	if e := plugin.AsError(err); e.Remember != lockedFor || e.Hint[:len("this machine's clock is 1h0m")] != "this machine's clock is 1h0m" {
		t.Errorf("%s, remembered for %s", e.Hint, e.Remember)
	}
}

func FuzzOSCConfig(f *testing.F) {
	f.Add([]byte(`{"default": {"access_key": "A", "secret_key": "B", "endpoints": {"api": "x"}, "https": true}}`))
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text []byte) {
		path := filepath.Join(dir, "config.json")
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := ReadConfig(path)
		if err != nil {
			return
		}
		for _, name := range c.Names {
			c.Draft(name)
		}
	})
}
