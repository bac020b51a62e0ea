package login

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jeton-cli/jeton/plugin"
)

// Whatever comes to the listener besides the right answer is refused, and the login goes on.
func TestStrangers(t *testing.T) {
	t.Parallel() // net/http lingers after a refusal
	i, begin := taking(t)
	i.discovery["authorization_response_iss_parameter_supported"] = true
	b := begin()
	port := strings.TrimSuffix(strings.TrimPrefix(b.prompt.Back, "http://127.0.0.1"), "/callback")
	right := func(key string, values ...string) string {
		q := b.right()
		q.Set("iss", testIssuer)
		if q[key] = values; values == nil {
			q.Del(key)
		}
		return q.Encode()
	}
	host := func(host string) func(*http.Request) { return func(r *http.Request) { r.Host = host } }
	path := func(path string) func(*http.Request) { return func(r *http.Request) { r.URL.Path = path } }
	header := func(key, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(key, value) }
	}
	method := func(method string) func(*http.Request) { return func(r *http.Request) { r.Method = method } }
	all := right("iss", testIssuer)
	for name, test := range map[string]struct {
		query  string
		change func(*http.Request)
		want   int
	}{
		"nothing":                {"", nil, 400},
		"wrong state":            {right("state", "x"), nil, 400},
		"longer state":           {right("state", b.asked.Get("state")+"x"), nil, 400},
		"lower case":             {right("state", strings.ToLower(b.asked.Get("state"))), nil, 400},
		"no state":               {right("state"), nil, 400},
		"empty state":            {right("state", ""), nil, 400},
		"state twice":            {right("state", b.asked.Get("state"), b.asked.Get("state")), nil, 400},
		"another state first":    {right("state", "x", b.asked.Get("state")), nil, 400},
		"code twice":             {right("code", "CANARY-the-code", "other"), nil, 400},
		"no code":                {right("code"), nil, 400},
		"unknown key twice":      {right("x", "1", "2"), nil, 400},
		"bad escape":             {all + "&x=%zz", nil, 400},
		"semicolon":              {strings.Replace(all, "&", ";", 1), nil, 400},
		"another issuer":         {right("iss", testIssuer+"/"), nil, 400},
		"no issuer":              {right("iss"), nil, 400},
		"error without state":    {"error=access_denied", nil, 400},
		"error, wrong state":     {"error=access_denied&state=x", nil, 400},
		"error, another issuer":  {"error=server_error&iss=x&state=" + b.asked.Get("state"), nil, 400},
		"other path":             {all, path("/"), 404},
		"path below":             {all, path("/callback/x"), 404},
		"path with a slash":      {all, path("/callback/"), 404},
		"favicon":                {"", path("/favicon.ico"), 404},
		"POST":                   {all, method("POST"), 405},
		"HEAD":                   {all, method("HEAD"), 405},
		"OPTIONS":                {all, method("OPTIONS"), 405},
		"rebound name":           {all, host("evil.example"), 400},
		"rebound name with port": {all, host("evil.example" + port), 400},
		"no port":                {all, host("127.0.0.1"), 400},
		"other port":             {all, host("127.0.0.1:1"), 400},
		"other loopback":         {all, host("127.0.0.2" + port), 400},
		"name that begins so":    {all, host("localhost" + port + ".evil.example"), 400},
		"frame":                  {all, header("Sec-Fetch-Dest", "iframe"), 400},
		"script":                 {all, header("Sec-Fetch-Dest", "empty"), 400},
		"huge header":            {all, header("X-Bomb", strings.Repeat("x", 64<<10)), 431},
	} {
		if test.change == nil {
			test.change = func(*http.Request) {}
		}
		if status, page := b.get(test.query, test.change); status != test.want ||
			strings.Contains(page, "CANARY") || strings.Contains(page, b.asked.Get("state")) {
			t.Errorf("%s: %d, not %d: %s", name, status, test.want, page)
		}
	}
	if n := i.times("/token"); n != 0 {
		t.Errorf("the issuer was shown %d of these codes", n)
	}
	if status, page := b.get(all, header("Sec-Fetch-Dest", "document"), host("localhost"+port)); status != 200 {
		t.Errorf("%d: %s", status, page)
	}
	if c, err := b.finish(); err != nil || c.Token.Reveal() != "access" {
		t.Errorf("%v, %v", c, err)
	}
}

// Only the first answer counts, whatever comes after it.
func TestFirstAnswer(t *testing.T) {
	i, begin := taking(t)
	b := begin()
	var wg sync.WaitGroup
	var done, over atomic.Int32
	for range 20 {
		wg.Go(func() {
			switch status, _ := b.get(b.right().Encode()); status {
			case http.StatusOK:
				done.Add(1)
			case 0, http.StatusGone:
				over.Add(1)
			}
		})
	}
	wg.Wait()
	c, err := b.finish()
	if err != nil || c.Token.Reveal() != "access" || done.Load() != 1 || over.Load() != 19 {
		t.Errorf("%v, %v: %d pages say that it worked, %d that it is over", c, err, done.Load(), over.Load())
	}
	if n := i.times("/token"); n != 1 {
		t.Errorf("the code was shown %d times", n)
	}
	if status, _ := b.get(b.right().Encode()); status != 0 {
		t.Errorf("somebody still listens, and answers %d", status)
	}
}

// A flood of wrong answers does not keep the right one out.
func TestFlood(t *testing.T) {
	i, begin := taking(t)
	b := begin()
	var wg sync.WaitGroup
	var answered atomic.Int32
	started := make(chan struct{})
	for range 50 {
		wg.Go(func() {
			for n := range 20 {
				status, _ := b.get("code=x&state=wrong")
				if status != 400 && status != 410 && status != 0 {
					t.Errorf("request %d gets %d", n, status)
				}
				if status == 400 && answered.Add(1) == 200 {
					close(started)
				}
			}
		})
	}
	<-started
	b.succeed()
	wg.Wait()
	if n := i.times("/token"); n != 1 {
		t.Errorf("the issuer was asked %d times", n)
	}
}

// Connections that say nothing, or never come to an end, do not keep the right answer out,
// and do not delay the end.
func TestSilentConnections(t *testing.T) {
	_, begin := taking(t)
	b := begin()
	u, _ := url.Parse(b.prompt.Back)
	for n := range 2 * maxGuests {
		conn, err := net.Dial("tcp", u.Host)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if n%2 == 1 {
			io.WriteString(conn, "GET /callback?state= HTTP/1.1\r\nHost: "+u.Host+"\r\nX-Slow: ")
		}
	}
	start := time.Now()
	b.succeed()
	if took := time.Since(start); took > lastWords-200*time.Millisecond {
		t.Errorf("it took %s", took)
	}
}

// A listener for websso takes a form, and nothing else.
func TestPosted(t *testing.T) {
	t.Parallel() // net/http lingers after a refusal
	l, err := Listen("http://localhost:0/auth/websso/")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ended := make(chan error, 1)
	var asked atomic.Int32
	go func() {
		c, err := l.Serve(t.Context(), http.MethodPost,
			func(_ context.Context, back Return) (Page, *plugin.Credential, error) {
				asked.Add(1)
				if back.Form.Get("token") != "right" || back.Origin != "https://keystone.example" {
					return Foreign, nil, nil
				}
				return Page{At: "keystone.example"}, &plugin.Credential{Token: plugin.NewSecret("right")}, nil
			})
		if err == nil && c.Token.Reveal() != "right" {
			t.Errorf("%v", c)
		}
		ended <- err
	}()
	const form = "application/x-www-form-urlencoded"
	post := func(method, query, kind, body, origin string) int {
		r, err := http.NewRequest(method, l.Address+query, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", kind)
		r.Header.Set("Origin", origin)
		resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(r)
		if err != nil {
			return 400 // it was closed while the body was sent
		}
		defer resp.Body.Close()
		return resp.StatusCode
	}
	const origin = "https://keystone.example"
	for _, test := range []struct {
		method, query, kind, body string
		want                      int
		seen                      int32
	}{
		{"GET", "?token=right", form, "", 405, 0},
		{"POST", "?token=right", form, "", 400, 1}, // the query is no form
		{"POST", "", form, "token=right&token=right", 400, 0},
		{"POST", "", "text/plain", "token=right", 400, 1},
		{"POST", "", "multipart/form-data; boundary=x", "--x\r\nContent-Disposition: form-data; name=token\r\n\r\n" +
			"right\r\n--x--", 400, 1},
		{"POST", "", form, "token=right&x=" + strings.Repeat("x", maxAnswer), 400, 0},
		{"POST", "", form, "token=right;x", 400, 0},
	} {
		before := asked.Load()
		if status := post(test.method, test.query, test.kind, test.body, origin); status != test.want {
			t.Errorf("%.40v: %d", test, status)
		}
		if seen := asked.Load() - before; seen != test.seen {
			t.Errorf("%.40v: taken for an answer %d times", test, seen)
		}
	}
	if status := post("POST", "", form, "token=right", "https://evil.example"); status != 400 {
		t.Error(status)
	}
	if status := post("POST", "", form, "token=right", origin); status != 200 {
		t.Error(status)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// If another program has the port, on either address, nobody is sent anywhere.
func TestPortTaken(t *testing.T) {
	for _, address := range []string{"127.0.0.1:0", "[::1]:0"} {
		other, err := net.Listen("tcp", address)
		if err != nil {
			t.Log("not tested: ", err)
			continue
		}
		defer other.Close()
		_, port, _ := net.SplitHostPort(other.Addr().String())
		s := newIssuer().source(func(o *Options) { o.RedirectURI = "http://localhost:" + port + "/callback" })
		_, err = s.Login(t.Context(), func(plugin.Prompt) error {
			t.Errorf("%s: the person was sent to the browser", address)
			return nil
		})
		if codeOf(err) != plugin.Later || !strings.Contains(err.Error(), port) {
			t.Errorf("%s: %v", address, err)
		}
	}
}

// While a login waits, no other program gets a part of its port. Then the port is free.
func TestWholePort(t *testing.T) {
	l, err := Listen("")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(l.listeners[0].Addr().String())
	if len(l.listeners) == 1 {
		t.Log("there is no IPv6 here")
	}
	for _, listener := range l.listeners {
		if other, err := net.Listen("tcp", listener.Addr().String()); err == nil {
			other.Close()
			t.Errorf("%s can be taken", listener.Addr())
		}
	}
	for _, host := range []string{"0.0.0.0", "::"} {
		if other, err := net.Listen("tcp", net.JoinHostPort(host, port)); err == nil {
			other.Close()
			t.Errorf("%s:%s can be taken", host, port)
		}
	}
	l.Close()
	again, err := Listen("http://127.0.0.1:" + port + "/")
	if err != nil {
		t.Fatal(err)
	}
	again.Close()
}

// A browser is sent back to this machine only.
func TestCheckRedirect(t *testing.T) {
	for address, ok := range map[string]bool{
		"http://localhost:8000/callback": true, "http://127.0.0.1:0": true, "http://[::1]:1/": true,
		"http://localhost/callback": false, "https://localhost:1/": false, "http://evil.example:1/": false,
		"http://127.0.0.1.evil.example:1/": false, "http://u@localhost:1/": false, "http://localhost:1/?x": false,
		"http://localhost:1/#x": false, "http://localhost:65536/": false, "http://0.0.0.0:1/": false, "": false,
		"http://localhost:-1/": false, "http://2130706433:1/": false, "%": false, "http://127.0.0.2:1/": false,
	} {
		if err := CheckRedirect(address); (err == nil) != ok || err != nil && codeOf(err) != plugin.Config {
			t.Errorf("%q: %v", address, err)
		}
	}
}

// A login ends when it is cancelled, with the reason, and nobody listens any more.
func TestCancelled(t *testing.T) {
	l, err := Listen("")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithCancelCause(t.Context())
	why := plugin.Errorf(plugin.Denied, "cancelled")
	cancel(why)
	_, err = l.Serve(ctx, http.MethodGet, func(context.Context, Return) (Page, *plugin.Credential, error) {
		return Foreign, nil, nil
	})
	if err != error(why) {
		t.Error(err)
	}
	if conn, err := net.Dial("tcp", l.listeners[0].Addr().String()); err == nil {
		conn.Close()
		t.Error("somebody still listens")
	}
}
