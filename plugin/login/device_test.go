package login

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jeton-cli/jeton/plugin"
)

// deviceAnswer returns what gives out a code, with some of it changed as in [with].
func deviceAnswer(pairs ...any) map[string]any {
	return with(map[string]any{"device_code": "CANARY-device", "user_code": "WXYZ-1234", "expires_in": 900,
		"verification_uri": testIssuer + "/device-page", "interval": 5}, pairs...)
}

// byCode logs in with a code, in the time of the bubble. It returns how long each request
// for tokens came after the one before it.
func byCode(t *testing.T, i *issuerInMemory, answers ...reply) (gaps []time.Duration, prompts []plugin.Prompt,
	c *plugin.Credential, err error) {
	t.Helper()
	if i.device == nil {
		i.device = func(int, url.Values, *http.Request) reply { return reply{status: 200, body: deviceAnswer()} }
	}
	last := time.Now()
	i.token = func(n int, form url.Values, _ *http.Request) reply {
		gaps, last = append(gaps, time.Since(last)), time.Now()
		if form.Get("device_code") != "CANARY-device" || form.Get("client_id") != testClient ||
			form.Get("grant_type") != "urn:ietf:params:oauth:grant-type:device_code" ||
			form.Get("code_verifier") == "" {
			t.Errorf("%v is sent", form)
		}
		return answers[min(n, len(answers))-1]
	}
	c, err = i.source(byDevice).Login(t.Context(), func(p plugin.Prompt) error {
		prompts, last = append(prompts, p), time.Now()
		return nil
	})
	if strings.Contains(i.log.String(), "CANARY") {
		t.Errorf("the log says %s", &i.log)
	}
	return gaps, prompts, c, err
}

// A login with a code keeps to the server's pace, and goes on after a failure.
func TestDevicePace(t *testing.T) {
	pending, slower := refusal("authorization_pending"), refusal("slow_down")
	ready := reply{status: 200, body: tokens(claims(""), "refresh-1")}
	wait := reply{status: 429, header: http.Header{"Retry-After": {"100"}}}
	for name, test := range map[string]struct {
		answers  []reply
		interval any
		want     []int // seconds
	}{
		"at once":       {[]reply{ready}, 5, []int{5}},
		"pending":       {[]reply{pending, pending, ready}, 5, []int{5, 5, 5}},
		"slow down":     {[]reply{slower, pending, slower, pending, ready}, 5, []int{5, 10, 10, 15, 15}},
		"no interval":   {[]reply{pending, ready}, nil, []int{5, 5}},
		"interval of 0": {[]reply{pending, ready}, 0, []int{5, 5}},
		"of 1":          {[]reply{pending, ready}, 1, []int{5, 5}},
		"negative":      {[]reply{pending, ready}, -10, []int{5, 5}},
		"of 7":          {[]reply{pending, ready}, 7, []int{7, 7}},
		"of 12 days":    {[]reply{pending, ready}, 1000000, []int{60, 60}},
		"unavailable":   {[]reply{pending, {status: 503}, ready}, 5, []int{5, 5, 10}},
		"broken":        {[]reply{{err: errBroken}, {err: errBroken}, pending, ready}, 5, []int{5, 10, 20, 20}},
		"throttled":     {[]reply{wait, ready}, 5, []int{5, 110}},
	} {
		synctest.Test(t, func(t *testing.T) {
			i := newIssuer()
			i.device = func(int, url.Values, *http.Request) reply {
				return reply{status: 200, body: deviceAnswer("interval", test.interval)}
			}
			gaps, prompts, c, err := byCode(t, i, test.answers...)
			if err != nil || c.Token.Reveal() != "access" || i.refreshToken() != "refresh-1" || len(prompts) != 1 {
				t.Errorf("%s: %v, %v, %v", name, c, err, prompts)
			}
			if len(gaps) != len(test.want) {
				t.Fatalf("%s: %v", name, gaps)
			}
			for n, gap := range gaps {
				if gap != time.Duration(test.want[n])*time.Second {
					t.Errorf("%s: %v, not %v", name, gaps, test.want)
				}
			}
		})
	}
}

// A login with a code ends with the server's refusal, or when the code ends. Nothing is
// kept then.
func TestDeviceEnds(t *testing.T) {
	echo := reply{status: 400, body: map[string]any{"error": "invalid_grant", "error_description": "CANARY-device"}}
	foreign := reply{status: 200, body: tokens(with(claims(""), "iss", "x"), "r")}
	for name, test := range map[string]struct {
		last reply
		life any
		want plugin.Code
		took time.Duration
	}{
		"denied":               {refusal("access_denied"), 900, plugin.Denied, 30 * time.Second},
		"expired":              {refusal("expired_token"), 900, plugin.Denied, 30 * time.Second},
		"invalid":              {refusal("invalid_grant"), 900, plugin.Denied, 30 * time.Second},
		"echo":                 {echo, 900, plugin.Denied, 30 * time.Second},
		"nonsense":             {reply{status: 200, body: "<html>"}, 900, plugin.Unusable, 30 * time.Second},
		"another issuer":       {foreign, 900, plugin.Unusable, 30 * time.Second},
		"never confirmed":      {refusal("authorization_pending"), 900, plugin.Denied, 15 * time.Minute},
		"never answered":       {reply{err: errBroken}, 900, plugin.Denied, 15 * time.Minute},
		"without an end":       {refusal("authorization_pending"), nil, plugin.Denied, plugin.LoginLimit},
		"with a very late end": {refusal("authorization_pending"), 300000000, plugin.Denied, 30 * time.Minute},
	} {
		synctest.Test(t, func(t *testing.T) {
			i := newIssuer()
			i.kept = kept("former")
			i.device = func(int, url.Values, *http.Request) reply {
				return reply{status: 200, body: deviceAnswer("expires_in", test.life, "interval", 30)}
			}
			start := time.Now()
			_, prompts, c, err := byCode(t, i, test.last)
			if c != nil || codeOf(err) != test.want || plugin.AsError(err).Remember == 0 {
				t.Errorf("%s: %v, %v", name, c, err)
			}
			if took := time.Since(start); took != test.took {
				t.Errorf("%s: it took %s", name, took)
			}
			if i.refreshToken() != "former" || len(prompts) != 1 || prompts[0].Until.Before(start) {
				t.Errorf("%s: %q is kept; %v", name, i.refreshToken(), prompts)
			}
		})
	}
}

// Ctrl-C ends a login with a code, with its reason.
func TestDeviceCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := newIssuer()
		i.device = func(int, url.Values, *http.Request) reply { return reply{status: 200, body: deviceAnswer()} }
		ctx, cancel := context.WithCancelCause(t.Context())
		why := plugin.Errorf(plugin.Denied, "cancelled")
		_, err := i.source(byDevice).Login(ctx, func(plugin.Prompt) error { cancel(why); return nil })
		if err != error(why) || i.times("/token") != 0 {
			t.Errorf("%v after %d requests", err, i.times("/token"))
		}
	})
}

// badDevices are what makes an answer with a code unusable, as in [with].
var badDevices = map[string][]any{
	"no device code":       {"device_code", nil},
	"no user code":         {"user_code", ""},
	"long user code":       {"user_code", strings.Repeat("x", 1000)},
	"control characters":   {"user_code", "A\x1b[2JB"},
	"line in the code":     {"user_code", "A\nB"},
	"code turned around":   {"user_code", "A\u202eB"},
	"no page":              {"verification_uri", nil},
	"script":               {"verification_uri", "javascript:alert(1)"},
	"script with a host":   {"verification_uri", "javascript://host/%0aalert(1)"},
	"file":                 {"verification_uri", "file:///etc/passwd"},
	"login in the page":    {"verification_uri", "https://issuer.example@evil.example/"},
	"option as a page":     {"verification_uri", "--version"},
	"space in the page":    {"verification_uri", "https://issuer.example/ --x"},
	"escape in the page":   {"verification_uri", "https://issuer.example/\x1b[2J"},
	"no host":              {"verification_uri", "https:///device"},
	"script with the code": {"verification_uri_complete", "javascript:alert(1)"},
	"login with the code":  {"verification_uri_complete", "https://x:y@evil.example/"},
	"ended":                {"expires_in", -1},
	"ends at once":         {"expires_in", 0},
	"too long a life":      {"expires_in", 1000000000},
	"life that overflows":  {"expires_in", 18446744074},
	"life in words":        {"expires_in", "soon"},
	"interval in words":    {"interval", "often"},
	"interval overflows":   {"interval", 1e30},
}

// Nobody is told of a code that cannot be used.
func TestDeviceUnusable(t *testing.T) {
	answers := map[string]reply{
		"HTML": {status: 200, body: "<html>"}, "a list": {status: 200, body: "[]"}, "null": {status: 200, body: "null"},
		"key twice": {status: 200, body: `{"device_code": "a", "device_code": "b", "user_code": "c",
			"verification_uri": "https://issuer.example/"}`},
		"user code twice": {status: 200, body: `{"device_code": "a", "user_code": "b", "user_code": "c",
			"verification_uri": "https://issuer.example/"}`},
	}
	for name, change := range badDevices {
		answers[name] = reply{status: 200, body: deviceAnswer(change...)}
	}
	for name, answer := range answers {
		synctest.Test(t, func(t *testing.T) {
			i := newIssuer()
			i.device = func(int, url.Values, *http.Request) reply { return answer }
			_, prompts, _, err := byCode(t, i, reply{status: 500})
			if codeOf(err) != plugin.Unusable || len(prompts) != 0 || i.times("/token") != 0 ||
				plugin.AsError(err).Remember == 0 {
				t.Errorf("%s: %v, %v, %d requests", name, err, prompts, i.times("/token"))
			}
		})
	}
}

// A refusal of a code is reported as what it is.
func TestDeviceRefused(t *testing.T) {
	for name, test := range map[string]struct {
		answer reply
		want   plugin.Code
	}{
		"unknown client": {refusal("invalid_client"), plugin.Denied},
		"other flow":     {refusal("unauthorized_client"), plugin.Denied},
		"failed":         {reply{status: 500}, plugin.Network},
		"throttled":      {reply{status: 429}, plugin.Later},
		"not there":      {reply{status: 404, body: "<html>"}, plugin.Config},
		"no answer":      {reply{err: errBroken}, plugin.Network},
	} {
		i := newIssuer()
		i.device = func(int, url.Values, *http.Request) reply { return test.answer }
		if _, prompts, _, err := byCode(t, i, reply{}); codeOf(err) != test.want || len(prompts) != 0 {
			t.Errorf("%s: %v, %v", name, err, prompts)
		}
	}
	i := newIssuer()
	i.discovery["device_authorization_endpoint"] = "http://issuer.example/device" // no TLS: as if it were not there
	if _, _, _, err := byCode(t, i, reply{}); codeOf(err) != plugin.Config || i.times("/device") != 0 {
		t.Error(err)
	}
}
