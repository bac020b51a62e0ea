package keystone

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jeton-cli/jeton/plugin"
)

// Keystone servers write times in several forms. All of them are read as the same
// instant.
func TestParseTime(t *testing.T) {
	want := time.Date(2026, 3, 29, 1, 30, 0, 123456000, time.UTC)
	for _, s := range []string{
		"2026-03-29T01:30:00.123456Z", "2026-03-29T01:30:00.123456+00:00", "2026-03-29T03:30:00.123456+02:00",
		"2026-03-29T01:30:00.123456",
	} {
		if got, err := parseTime(s); err != nil || !got.Equal(want) {
			t.Errorf("%s is read as %s, %v", s, got, err)
		}
	}
	for _, s := range []string{"", "2026", "2026-03-29", "2026-03-29T01:30:00+0000", "tomorrow"} {
		if got, err := parseTime(s); err == nil {
			t.Errorf("%q is read as %s", s, got)
		}
	}
}

// Every alias stands for an option, either the plugin's own or one of all plugins.
func TestAliases(t *testing.T) {
	var names []string
	for _, block := range []any{&Options{}, &plugin.Common{}} {
		for _, o := range plugin.Documentation(block) {
			names = append(names, o.Name)
		}
	}
	for alias, option := range aliases {
		if !slices.Contains(names, option) || slices.Contains(names, alias) {
			t.Errorf("alias %s for %s is not valid", alias, option)
		}
	}
}

// The login is read from the environment that openrc files leave.
func TestEnvironment(t *testing.T) {
	for name, test := range map[string]struct {
		env      string
		want     string // option=variable, sorted
		complete bool
		err      string
	}{
		"empty": {"", "", false, ""},
		"password": {"OS_AUTH_URL=x OS_USERNAME=a OS_PASSWORD=b OS_PROJECT_ID=c",
			"auth_type=OS_AUTH_TYPE auth_url=OS_AUTH_URL password=OS_PASSWORD project_id=OS_PROJECT_ID " +
				"username=OS_USERNAME", true, ""},
		"no user": {"OS_AUTH_URL=x OS_PASSWORD=b",
			"auth_type=OS_AUTH_TYPE auth_url=OS_AUTH_URL password=OS_PASSWORD", false, ""},
		"no password": {"OS_AUTH_URL=x OS_USERNAME=a",
			"auth_type=OS_AUTH_TYPE auth_url=OS_AUTH_URL username=OS_USERNAME", false, ""},
		"no address": {"OS_USERNAME=a OS_PASSWORD=b", "", false, ""},
		"own name before the other": {"OS_AUTH_URL=x OS_TOKEN=new OS_AUTH_TOKEN=old OS_PROJECT_ID=new OS_TENANT_ID=old",
			"auth_type=OS_AUTH_TYPE auth_url=OS_AUTH_URL project_id=OS_PROJECT_ID token=OS_TOKEN", true, ""},
		"other names": {"OS_AUTH_URL=x OS_AUTH_TOKEN=a OS_TENANT_ID=b OS_TENANT_NAME=c OS_ENDPOINT_TYPE=public",
			"auth_type=OS_AUTH_TYPE auth_url=OS_AUTH_URL interface=OS_ENDPOINT_TYPE project_id=OS_TENANT_ID " +
				"token=OS_AUTH_TOKEN", true, ""},
		"token and password": {"OS_AUTH_URL=x OS_TOKEN=a OS_USERNAME=b OS_PASSWORD=c", "", false,
			"OS_TOKEN and OS_PASSWORD are both set"},
		"token beside leftovers": {"OS_AUTH_URL=x OS_TOKEN=a OS_USERNAME=b OS_USER_DOMAIN_NAME=d",
			"auth_type=OS_AUTH_TYPE auth_url=OS_AUTH_URL token=OS_TOKEN", true, ""},
		"password although there is a token": {
			"OS_AUTH_URL=x OS_AUTH_TYPE=password OS_TOKEN=a OS_USERNAME=b OS_PASSWORD=c",
			"auth_type=OS_AUTH_TYPE auth_url=OS_AUTH_URL password=OS_PASSWORD username=OS_USERNAME", true, ""},
		"application credential": {"OS_AUTH_URL=x OS_AUTH_TYPE=v3applicationcredential " +
			"OS_APPLICATION_CREDENTIAL_ID=a OS_APPLICATION_CREDENTIAL_SECRET=b OS_PROJECT_ID=c",
			"application_credential_id=OS_APPLICATION_CREDENTIAL_ID " +
				"application_credential_secret=OS_APPLICATION_CREDENTIAL_SECRET auth_type=OS_AUTH_TYPE " +
				"auth_url=OS_AUTH_URL", true, ""},
		"insecure": {"OS_AUTH_URL=x OS_INSECURE=True", "auth_type=OS_AUTH_TYPE auth_url=OS_AUTH_URL verify=OS_INSECURE",
			false, ""},
		"cloud": {"OS_CLOUD=x", "", false, "OS_CLOUD: there is no clouds.yaml in "},
		"trust": {"OS_AUTH_URL=x OS_USERNAME=a OS_PASSWORD=b OS_TRUST_ID=c",
			"auth_type=OS_AUTH_TYPE auth_url=OS_AUTH_URL password=OS_PASSWORD trust_id=OS_TRUST_ID " +
				"username=OS_USERNAME", true, ""},
		"domain and system": {"OS_AUTH_URL=x OS_USERNAME=a OS_PASSWORD=b OS_DOMAIN_NAME=c OS_SYSTEM_SCOPE=all",
			"auth_type=OS_AUTH_TYPE auth_url=OS_AUTH_URL domain_name=OS_DOMAIN_NAME password=OS_PASSWORD " +
				"system_scope=OS_SYSTEM_SCOPE username=OS_USERNAME", true, ""},
	} {
		env := map[string]string{}
		for _, pair := range strings.Fields(test.env) {
			k, v, _ := strings.Cut(pair, "=")
			env[k] = v
		}
		values, complete, err := environment(func(name string) string { return env[name] })
		var got []string
		for option, v := range values {
			got = append(got, option+"="+v.Variable)
		}
		slices.Sort(got)
		if strings.Join(got, " ") != test.want || complete != test.complete || (err != nil) != (test.err != "") ||
			err != nil && !strings.Contains(err.Error(), test.err) {
			t.Errorf("%s: %v, %v, %v", name, got, complete, err)
		}
	}
}

// The address of the token request is derived from auth_url as keystoneauth does it.
func TestAuthURL(t *testing.T) {
	for in, want := range map[string]string{
		"https://auth.cloud.ca":           "https://auth.cloud.ca/v3",
		"https://auth.cloud.ca/":          "https://auth.cloud.ca/v3",
		"https://auth.cloud.ovh.net/v3":   "https://auth.cloud.ovh.net/v3",
		"https://auth.cloud.ovh.net/v3/":  "https://auth.cloud.ovh.net/v3",
		"https://host:5000/identity":      "https://host:5000/identity/v3",
		"https://host/dev2/identity/v3":   "https://host/dev2/identity/v3",
		"https://host/a%20b/identity":     "https://host/a%20b/identity/v3",
		"http://127.0.0.1:35357/identity": "http://127.0.0.1:35357/identity/v3",
	} {
		o := &Options{AuthURL: in}
		if err := o.locate(false); err != nil || o.AuthURL != want {
			t.Errorf("%s becomes %s, %v", in, o.AuthURL, err)
		}
	}
}

// fetch runs one login against a server that answers with handler.
func fetch(t *testing.T, handler http.HandlerFunc) (*plugin.Credential, error) {
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	o := &Options{Verify: true, AuthURL: server.URL, Username: "a", Password: plugin.EnvSecret("P"), ProjectID: "p"}
	p := &plugin.Profile{Name: "p", Issuer: &Issuer, Options: o}
	if err := o.Complete(&p.Common); err != nil {
		t.Fatal(err)
	}
	source := p.Source(plugin.Env{Getenv: func(string) string { return "CANARY" }, Log: func(string, ...any) {},
		Warn: func(string, ...any) {}})
	return source.Fetch(context.Background(), nil)
}

// Every answer yields either a usable credential or an error in jeton's own words that
// holds no secret.
func FuzzAnswer(f *testing.F) {
	f.Add(201, "gAAAA", `{"token":{"expires_at":"2099-01-01T00:00:00.000000Z","issued_at":"2026-01-01T00:00:00Z","project":{"id":"p","name":"web"},"user":{"id":"u"}}}`)
	f.Add(201, "", `{"token":{}}`)
	f.Add(201, "x", `{"token":{"expires_at":1,"project":[]}}`)
	f.Add(200, "x", `[]`)
	f.Add(401, "", `{"error":{"message":"CANARY"}}`)
	f.Add(400, "", `{"error":{"code":400,"message":"Expecting to find domain in project.","title":"Bad Request"}}`)
	f.Add(403, "", `{"error":{"message":"Using a delegated token to create another token is not allowed."}}`)
	f.Add(429, "", `{"error":{"status":"429 Too Many Requests","message":"Too Many Requests"}}`)
	f.Add(300, "", `{"versions":{"values":[]}}`)
	f.Add(500, "", ``)
	f.Fuzz(func(t *testing.T, status int, id, body string) {
		if status < 200 || status > 599 {
			return
		}
		c, err := fetch(t, func(w http.ResponseWriter, r *http.Request) {
			if id != "" {
				w.Header().Set("X-Subject-Token", id)
			}
			w.Header().Set("Retry-After", "1") // no second try
			w.WriteHeader(status)
			io.WriteString(w, body)
		})
		if err == nil {
			if c.Token.IsZero() || c.Expires.IsZero() || c.Attrs[plugin.AttrProjectID] != "p" {
				t.Errorf("an unusable answer was accepted as %v, %v", c, c.Attrs)
			}
			return
		}
		e := plugin.AsError(err)
		if e.Code == plugin.Bug || strings.Contains(e.Text+e.Hint, "CANARY") ||
			strings.ContainsAny(e.Text+e.Hint, "\n\r\x1b") {
			t.Errorf("%+v", e)
		}
	})
}

// A login is one POST, as in Keystone's API reference. It asks for no catalogue, and for
// no scope with an application credential.
func TestRequests(t *testing.T) {
	for name, test := range map[string]struct {
		options Options
		want    string
	}{
		"password": {Options{Username: "alice", Password: plugin.EnvSecret("P"), ProjectName: "web"},
			`{"auth":{"identity":{"methods":["password"],"password":{"user":{"domain":{"id":"default"},"name":"alice","password":"CANARY"}}},"scope":{"project":{"domain":{"id":"default"},"name":"web"}}}}`},
		"ids": {Options{UserID: "u", Password: plugin.EnvSecret("P"), ProjectID: "p", ProjectName: "ignored"},
			`{"auth":{"identity":{"methods":["password"],"password":{"user":{"id":"u","password":"CANARY"}}},"scope":{"project":{"id":"p"}}}}`},
		"domains": {Options{Username: "alice", UserDomainName: "acme", Password: plugin.EnvSecret("P"),
			ProjectName: "web", ProjectDomainID: "d", DefaultDomain: "x"},
			`{"auth":{"identity":{"methods":["password"],"password":{"user":{"domain":{"name":"acme"},"name":"alice","password":"CANARY"}}},"scope":{"project":{"domain":{"id":"d"},"name":"web"}}}}`},
		"default domain": {Options{Username: "alice", Password: plugin.EnvSecret("P"), ProjectName: "web",
			DefaultDomain: "x"},
			`{"auth":{"identity":{"methods":["password"],"password":{"user":{"domain":{"id":"x"},"name":"alice","password":"CANARY"}}},"scope":{"project":{"domain":{"id":"x"},"name":"web"}}}}`},
		"domain": {Options{UserID: "u", Password: plugin.EnvSecret("P"), DomainName: "acme"},
			`{"auth":{"identity":{"methods":["password"],"password":{"user":{"id":"u","password":"CANARY"}}},"scope":{"domain":{"name":"acme"}}}}`},
		"system": {Options{UserID: "u", Password: plugin.EnvSecret("P"), SystemScope: "all"},
			`{"auth":{"identity":{"methods":["password"],"password":{"user":{"id":"u","password":"CANARY"}}},"scope":{"system":{"all":true}}}}`},
		"trust": {Options{UserID: "u", Password: plugin.EnvSecret("P"), TrustID: "t"},
			`{"auth":{"identity":{"methods":["password"],"password":{"user":{"id":"u","password":"CANARY"}}},"scope":{"OS-TRUST:trust":{"id":"t"}}}}`},
		"unscoped": {Options{UserID: "u", Password: plugin.EnvSecret("P"), Unscoped: true},
			`{"auth":{"identity":{"methods":["password"],"password":{"user":{"id":"u","password":"CANARY"}}},"scope":{"unscoped":{}}}}`},
		"application credential": {Options{ApplicationCredentialID: "i",
			ApplicationCredentialSecret: plugin.EnvSecret("P")},
			`{"auth":{"identity":{"application_credential":{"id":"i","secret":"CANARY"},"methods":["application_credential"]}}}`},
		"application credential by name": {
			Options{ApplicationCredentialName: "ci", Username: "alice",
				ApplicationCredentialSecret: plugin.EnvSecret("P")},
			`{"auth":{"identity":{"application_credential":{"name":"ci","secret":"CANARY","user":{"domain":{"id":"default"},"name":"alice"}},"methods":["application_credential"]}}}`},
		"token": {Options{Token: plugin.EnvSecret("P"), ProjectID: "p"},
			`{"auth":{"identity":{"methods":["token"],"token":{"id":"CANARY"}},"scope":{"project":{"id":"p"}}}}`},
	} {
		var got []string
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			b, _ := io.ReadAll(r.Body)
			var doc any
			if json.Unmarshal(b, &doc) == nil {
				b, _ = json.Marshal(doc) // with sorted keys
			}
			got = append(got, r.Method+" "+r.URL.RequestURI()+" "+string(b))
			w.WriteHeader(http.StatusUnauthorized)
		}))
		o := test.options
		o.Verify, o.AuthURL = true, server.URL+"/identity"
		p := &plugin.Profile{Name: "p", Issuer: &Issuer, Options: &o}
		if err := o.Complete(&p.Common); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		p.Source(plugin.Env{Getenv: func(string) string { return "CANARY" }, Log: func(string, ...any) {},
			Warn: func(string, ...any) {}}).
			Fetch(t.Context(), nil)
		server.Close()
		if want := "POST /identity/v3/auth/tokens?nocatalog " + test.want; len(got) != 1 || got[0] != want {
			t.Errorf("%s: the requests are\n%s\nnot\n%s", name, strings.Join(got, "\n"), want)
		}
	}
}

// If the token of the level below has been revoked, it is replaced once. A token that has
// just been made is not replaced.
func TestRevokedLevel(t *testing.T) {
	for _, test := range []struct {
		age      time.Duration
		requests int
		works    bool
	}{{time.Hour, 3, true}, {time.Second, 1, false}} {
		requests, renewals := 0, 0
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			requests++
			b, _ := io.ReadAll(r.Body)
			if !strings.Contains(string(b), "new-token") {
				w.WriteHeader(404)
				io.WriteString(w, `{"error": {"message": "Failed to validate token"}}`)
				return
			}
			w.Header().Set("X-Subject-Token", "scoped")
			w.WriteHeader(201)
			io.WriteString(w, `{"token": {"expires_at": "2099-01-01T00:00:00.000000Z", "project": {"id": "p"}}}`)
		}))
		o := &Options{AuthType: "v3token", AuthURL: server.URL + "/v3", ProjectID: "p"}
		s := &source{o, &plugin.Env{HTTP: server.Client(), Log: t.Logf,
			From: func(_ context.Context, renew bool) (*plugin.Credential, error) {
				token := "old-token"
				if renew {
					renewals++
					token = "new-token"
				}
				return &plugin.Credential{Token: plugin.NewSecret(token), Issued: time.Now().Add(-test.age),
					Expires: time.Now().Add(time.Hour),
					Attrs:   map[string]string{plugin.AttrAuthURL: o.AuthURL}}, nil
			}}}
		c, err := fetchToken(t.Context(), s, nil)
		if (err == nil) != test.works || requests != test.requests || test.works &&
			(c.Token.Reveal() != "scoped" || renewals != 1) {
			t.Errorf("age %s: %v, %v after %d requests and %d renewals", test.age, c, err, requests, renewals)
		}
		server.Close()
	}
}

// If a password cached by the profile below has changed since, it is read again once. An
// unchanged password is not sent twice.
func TestChangedPasswordBelow(t *testing.T) {
	for _, test := range []struct {
		now             string
		works           bool
		logins, renewed int
	}{{"old", true, 1, 0}, {"new", true, 2, 1}, {"other", false, 1, 1}} {
		logins, renewals := 0, 0
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			logins++
			body, _ := io.ReadAll(r.Body)
			if !strings.Contains(string(body), `"password":"`+test.now+`"`) || !strings.Contains(string(body), `"name":"u"`) {
				w.WriteHeader(401)
				io.WriteString(w, `{"error": {"message": "no"}}`)
				return
			}
			w.Header().Set("X-Subject-Token", "token")
			w.WriteHeader(201)
			io.WriteString(w, `{"token": {"expires_at": "2099-01-01T00:00:00.000000Z", "project": {"id": "p"}}}`)
		}))
		o := &Options{AuthType: "v3password", AuthURL: server.URL, Verify: true}
		if err := o.Complete(&plugin.Common{From: "portal"}); err != nil {
			t.Fatal(err)
		}
		s := o.Source(&plugin.Env{HTTP: server.Client(), Log: t.Logf, Warn: t.Logf,
			From: func(_ context.Context, renew bool) (*plugin.Credential, error) {
				password := "old"
				if renew {
					renewals++
					if test.now == "new" {
						password = "new"
					}
				}
				return &plugin.Credential{Password: plugin.NewSecret(password), Issued: time.Now().Add(-time.Minute),
					Attrs: map[string]string{plugin.AttrUserName: "u", plugin.AttrProjectID: "p"}}, nil
			}})
		_, err := s.Fetch(t.Context(), nil)
		if (err == nil) != test.works || logins != test.logins || renewals != test.renewed {
			t.Errorf("%s: %v after %d logins and %d renewals", test.now, err, logins, renewals)
		}
		server.Close()
	}
}

// An answer that can be read in two ways is refused.
func TestAmbiguousAnswers(t *testing.T) {
	const good = `"expires_at":"2099-01-01T00:00:00.000000Z","project":{"id":"p","name":"web"},"user":{"id":"u"}`
	for body, want := range map[string]string{
		`{"token":{` + good + `}}`: "",
		`{"token":{` + good + `,"expires_at":"2098-01-01T00:00:00.000000Z"}}`:          "expires_at twice",
		`{"token":{` + good + `,"Project":{"id":"q"}}}`:                                "project in other letters",
		`{"token":{` + good + `},"TOKEN":{}}`:                                          "token in other letters",
		`{"token":{` + good + `}} {"token":{` + good + `}}`:                            "followed",
		`{"token":{` + good + `,"roles":[{"id":"r","name":"reader","name":"admin"}]}}`: "name twice",
	} {
		_, err := fetch(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Subject-Token", "gAAAA")
			w.WriteHeader(201)
			io.WriteString(w, body)
		})
		if (err == nil) != (want == "") {
			t.Errorf("%s: %v", body, err)
		} else if err != nil && (plugin.AsError(err).Code != plugin.Unusable || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, not %q", body, err, want)
		}
	}
}
