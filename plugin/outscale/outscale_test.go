package outscale

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/jeton-cli/jeton/plugin"
)

func TestParseDate(t *testing.T) {
	want := time.Date(2063, 4, 5, 0, 0, 0, 0, time.UTC)
	for _, text := range []string{"2063-04-05T00:00:00.000+0000", "2063-04-05T00:00:00+00:00", "2063-04-05T00:00:00Z",
		"2063-04-05T00:00:00.000Z", "2063-04-05", "2063-04-05T02:00:00.000+0200"} {
		if got, err := parseDate(text); err != nil || !got.Equal(want) {
			t.Errorf("%s: %s, %v", text, got, err)
		}
	}
	if _, err := parseDate("tomorrow"); err == nil {
		t.Error("tomorrow is read as a date")
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
		{Options{}, result{"eu-west-2", "https://api.eu-west-2.outscale.com/api/v1",
			"https://oos.eu-west-2.outscale.com"}},
		{Options{Region: "us-east-2"}, result{"us-east-2", "https://api.us-east-2.outscale.com/api/v1",
			"https://oos.us-east-2.outscale.com"}},
		{Options{UserName: "eve"}, result{"eu-west-2", "https://api.eu-west-2.outscale.com/api/v1", ""}},
		{Options{Endpoint: "https://api.cloudgouv-eu-west-1.outscale.com/api/latest"},
			result{"cloudgouv-eu-west-1", "https://api.cloudgouv-eu-west-1.outscale.com/api/latest",
				"https://oos.cloudgouv-eu-west-1.outscale.com"}},
		{Options{Endpoint: "api.us-west-1.outscale.com/api/v1/"},
			result{"us-west-1", "https://api.us-west-1.outscale.com/api/v1", "https://oos.us-west-1.outscale.com"}},
		{Options{Endpoint: "https://oos.us-west-1.outscale.com", UserName: "eve"},
			result{"us-west-1", "https://api.us-west-1.outscale.com/api/v1", "https://oos.us-west-1.outscale.com"}},
		{Options{Endpoint: "https://osc.example", Region: "lab"}, result{"lab", "https://osc.example/api/v1", ""}},
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
		{401, `no`, plugin.Denied, unauthorized, "Outscale at h: refused (HTTP 401)"},
		{401, `{"Errors":[{"Type":"AccessDenied","Code":"13","Details":"x"}]}`, plugin.Denied, unauthorized, "Outscale at h: AccessDenied 13: x (HTTP 401)"},
		{401, `{"Errors":[{"Type":"AccessDenied","Code":"14","Details":"x"}]}`, plugin.Denied, forbidden, "Outscale at h: AccessDenied 14: x (HTTP 401)"},
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
	if e := plugin.AsError(err); e.Remember != lockedFor ||
		e.Hint[:len("this machine's clock is 1h0m")] != "this machine's clock is 1h0m" {
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

// If the key of the profile below was deleted behind jeton's back, it is replaced once. A
// new key that is refused is not replaced.
func TestKubeRenewal(t *testing.T) {
	for _, test := range []struct {
		age                time.Duration
		requests, renewals int
	}{{time.Minute, 2, 1}, {0, 1, 0}} {
		requests, renewals := 0, 0
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			requests++
			w.WriteHeader(http.StatusUnauthorized)
		}))
		o := &KubeOptions{ClusterID: "k1", Endpoint: server.URL, Lifetime: time.Hour}
		s := o.Source(&plugin.Env{HTTP: server.Client(), Log: t.Logf, Keep: keepNothing,
			From: func(_ context.Context, renew bool) (*plugin.Credential, error) {
				if renew {
					renewals++
				}
				return &plugin.Credential{AccessKey: "AK", SecretKey: plugin.NewSecret("SK"),
					Issued: time.Now().Add(-test.age),
					Attrs:  map[string]string{plugin.AttrOSCRegion: "eu-west-2"}}, nil
			}})
		_, err := s.Fetch(t.Context(), nil)
		if plugin.AsError(err).Code != plugin.Denied || requests != test.requests || renewals != test.renewals {
			t.Errorf("%s: %v after %d requests and %d renewals", test.age, err, requests, renewals)
		}
		server.Close()
	}
}

// A refused passcode is not remembered, and does not cause the key to be replaced.
func TestKubePasscode(t *testing.T) {
	requests := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests++
		w.WriteHeader(http.StatusUnauthorized)
		if r.Header.Get("X-OTP-Code") == "" {
			io.WriteString(w, `{"otp_required": true}`)
		}
	}))
	defer server.Close()
	o := &KubeOptions{ClusterID: "k1", Endpoint: server.URL, Lifetime: time.Hour}
	s := o.Source(&plugin.Env{HTTP: server.Client(), Log: t.Logf, Keep: keepNothing,
		Ask: func(string) (plugin.Secret, error) { return plugin.NewSecret("000000"), nil },
		From: func(_ context.Context, renew bool) (*plugin.Credential, error) {
			if renew {
				t.Error("the key was renewed")
			}
			return &plugin.Credential{AccessKey: "AK", SecretKey: plugin.NewSecret("SK"),
				Attrs: map[string]string{plugin.AttrOSCRegion: "eu-west-2"}}, nil
		}})
	_, err := s.Fetch(t.Context(), nil)
	if e := plugin.AsError(err); e.Text != "OKS does not accept the passcode" || e.Remember != 0 || requests != 2 {
		t.Errorf("%v after %d requests", err, requests)
	}
}

func keepNothing(ctx context.Context, _ string, _ time.Duration, _ bool,
	fetch func(context.Context) ([]byte, error)) ([]byte, error) {
	return fetch(ctx)
}
