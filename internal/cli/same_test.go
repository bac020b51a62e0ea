package cli

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jeton-cli/jeton/testdata/embedded"
)

// same are environments and clouds.yaml files, and the variables of the world
// in them. The real openstackclient and jeton become the same user with the
// same scope and roles by each of them, or nobody.
var same = []struct {
	name  string
	env   string            // words NAME=VALUE
	files map[string]string // below the home directory
	fails bool
}{
	{name: "OVHcloud's openrc", env: "OS_AUTH_URL=$KEYSTONE OS_IDENTITY_API_VERSION=3 OS_USER_DOMAIN_NAME=acme " +
		"OS_PROJECT_DOMAIN_NAME=acme " +
		"OS_TENANT_ID=$WEB OS_TENANT_NAME=web OS_USERNAME=alice OS_PASSWORD=CANARY-alice-pw OS_REGION_NAME="},
	{name: "cloud.ca's v3", env: "OS_AUTH_URL=http://$KEYSTONE_HOST OS_IDENTITY_API_VERSION=3 " +
		"OS_PROJECT_NAME=system-demo OS_USERNAME=system-demo-1 OS_PASSWORD=CANARY-demo-pw"},
	{name: "cloud.ca's v2.0", env: "OS_AUTH_URL=http://$KEYSTONE_HOST/v2.0 OS_IDENTITY_API_VERSION=2 " +
		"OS_TENANT_NAME=system-demo OS_USERNAME=system-demo-1 OS_PASSWORD=CANARY-v2-pw"},
	{name: "v2.0 by tenant id", env: "OS_AUTH_URL=http://$KEYSTONE_HOST/v2.0 OS_IDENTITY_API_VERSION=2.0 " +
		"OS_TENANT_ID=$TENANT OS_USERNAME=system-demo-1 OS_PASSWORD=CANARY-v2-pw"},
	{name: "v2.0 by its type", env: "OS_AUTH_URL=http://$KEYSTONE_HOST/v2.0 OS_AUTH_TYPE=v2password " +
		"OS_PROJECT_NAME=system-demo OS_USERNAME=system-demo-1 OS_PASSWORD=CANARY-v2-pw"},
	{name: "v2.0 with a wrong password",
		env: "OS_AUTH_URL=http://$KEYSTONE_HOST/v2.0 OS_AUTH_TYPE=v2password OS_PROJECT_NAME=system-demo " +
			"OS_USERNAME=system-demo-1 OS_PASSWORD=x", fails: true},
	{name: "by ids", env: "OS_AUTH_URL=$KEYSTONE OS_USER_ID=$ALICE OS_PASSWORD=CANARY-alice-pw OS_PROJECT_ID=$OPS"},
	{name: "a project's id beats names",
		env: "OS_AUTH_URL=$KEYSTONE OS_USERNAME=alice OS_USER_DOMAIN_NAME=acme OS_PASSWORD=CANARY-alice-pw " +
			"OS_PROJECT_ID=$WEB OS_PROJECT_NAME=ops OS_TENANT_NAME=x"},
	{name: "tenant's name", env: "OS_AUTH_URL=$KEYSTONE OS_USERNAME=alice OS_USER_DOMAIN_NAME=acme " +
		"OS_PASSWORD=CANARY-alice-pw OS_TENANT_NAME=ops OS_PROJECT_DOMAIN_ID=$DOMAIN"},
	{name: "one domain for both", env: "OS_AUTH_URL=$KEYSTONE OS_USERNAME=alice OS_PASSWORD=CANARY-alice-pw " +
		"OS_DOMAIN_NAME=acme OS_PROJECT_NAME=web"},
	{name: "one domain id for both", env: "OS_AUTH_URL=$KEYSTONE OS_USERNAME=alice OS_PASSWORD=CANARY-alice-pw " +
		"OS_DOMAIN_ID=$DOMAIN OS_PROJECT_NAME=ops"},
	{name: "default domain", env: "OS_AUTH_URL=$KEYSTONE OS_IDENTITY_API_VERSION=3 OS_USERNAME=alice " +
		"OS_PASSWORD=CANARY-alice-pw OS_DEFAULT_DOMAIN=$DOMAIN OS_PROJECT_NAME=web"},
	{name: "default domain of another", env: "OS_AUTH_URL=$KEYSTONE OS_IDENTITY_API_VERSION=3 OS_USERNAME=alice " +
		"OS_PASSWORD=CANARY-alice-pw OS_PROJECT_NAME=web", fails: true},
	{name: "domain scope", env: "OS_AUTH_URL=$KEYSTONE OS_USERNAME=alice OS_USER_DOMAIN_NAME=acme " +
		"OS_PASSWORD=CANARY-alice-pw OS_DOMAIN_NAME=acme"},
	{name: "system scope", env: "OS_AUTH_URL=$KEYSTONE OS_AUTH_TYPE=v3password OS_USERNAME=alice " +
		"OS_USER_DOMAIN_NAME=acme OS_PASSWORD=CANARY-alice-pw OS_SYSTEM_SCOPE=all"},
	{name: "default project", env: "OS_AUTH_URL=$KEYSTONE OS_USERNAME=bob OS_USER_DOMAIN_NAME=acme " +
		"OS_PASSWORD=CANARY-bob-pw"},
	{name: "trust", env: "OS_AUTH_URL=$KEYSTONE OS_AUTH_TYPE=v3password OS_USERNAME=bob OS_USER_DOMAIN_NAME=acme " +
		"OS_PASSWORD=CANARY-bob-pw OS_TRUST_ID=$TRUST"},
	{name: "application credential", env: "OS_AUTH_URL=$KEYSTONE OS_AUTH_TYPE=v3applicationcredential " +
		"OS_APPLICATION_CREDENTIAL_ID=$APPCRED OS_APPLICATION_CREDENTIAL_SECRET=$APPCRED_SECRET"},
	{name: "application credential by name",
		env: "OS_AUTH_URL=$KEYSTONE OS_AUTH_TYPE=v3applicationcredential OS_USERNAME=alice OS_USER_DOMAIN_NAME=acme " +
			"OS_APPLICATION_CREDENTIAL_NAME=ci OS_APPLICATION_CREDENTIAL_SECRET=$APPCRED_SECRET"},
	{name: "passcode", env: "OS_AUTH_URL=$KEYSTONE OS_AUTH_TYPE=v3totp OS_USERNAME=frank OS_USER_DOMAIN_NAME=acme " +
		"OS_PASSCODE=$PASSCODE OS_PROJECT_ID=$WEB"},
	{name: "OVHcloud's service account",
		env: "OS_AUTH_URL=$KEYSTONE OS_AUTH_TYPE=v3oidcclientcredentials OS_PROTOCOL=openid " +
			"OS_IDENTITY_PROVIDER=ovhcloud-emea OS_CLIENT_ID=$CLIENT_ID OS_CLIENT_SECRET=$CLIENT_SECRET " +
			"OS_IDENTITY_API_VERSION=3 OS_DISCOVERY_ENDPOINT=http://$KEYSTONE_HOST/.well-known/openid-configuration " +
			"OS_ACCESS_TOKEN_TYPE=id_token OS_PROJECT_ID=$WEB"},
	{name: "service account without discovery",
		env: "OS_AUTH_URL=$KEYSTONE OS_AUTH_TYPE=v3oidcclientcredentials OS_PROTOCOL=openid " +
			"OS_IDENTITY_PROVIDER=ovhcloud-emea OS_CLIENT_ID=$CLIENT_ID OS_CLIENT_SECRET=$CLIENT_SECRET " +
			"OS_IDENTITY_API_VERSION=3 OS_ACCESS_TOKEN_ENDPOINT=http://$KEYSTONE_HOST/oauth2/token " +
			"OS_PROJECT_NAME=web OS_PROJECT_DOMAIN_NAME=acme"},
	{name: "service account with a wrong secret",
		env: "OS_AUTH_URL=$KEYSTONE OS_AUTH_TYPE=v3oidcclientcredentials OS_PROTOCOL=openid " +
			"OS_IDENTITY_PROVIDER=ovhcloud-emea OS_CLIENT_ID=$CLIENT_ID OS_CLIENT_SECRET=x OS_IDENTITY_API_VERSION=3 " +
			"OS_ACCESS_TOKEN_ENDPOINT=http://$KEYSTONE_HOST/oauth2/token OS_PROJECT_ID=$WEB", fails: true},
	{name: "service account without a role",
		env: "OS_AUTH_URL=$KEYSTONE OS_AUTH_TYPE=v3oidcclientcredentials OS_PROTOCOL=openid " +
			"OS_IDENTITY_PROVIDER=ovhcloud-emea OS_CLIENT_ID=$CLIENT_ID OS_CLIENT_SECRET=$CLIENT_SECRET " +
			"OS_IDENTITY_API_VERSION=3 OS_ACCESS_TOKEN_ENDPOINT=http://$KEYSTONE_HOST/oauth2/token OS_PROJECT_ID=$OPS",
		fails: true},
	{name: "password at the provider", env: "OS_AUTH_URL=$KEYSTONE OS_AUTH_TYPE=v3oidcpassword OS_PROTOCOL=openid " +
		"OS_IDENTITY_PROVIDER=ovhcloud-emea OS_CLIENT_ID=$CLIENT_ID OS_CLIENT_SECRET=$CLIENT_SECRET " +
		"OS_IDENTITY_API_VERSION=3 OS_DISCOVERY_ENDPOINT=http://$KEYSTONE_HOST/.well-known/openid-configuration " +
		"OS_USERNAME=alice OS_PASSWORD=CANARY-alice-pw OS_PROJECT_ID=$WEB"},
	{name: "wrong password at the provider",
		env: "OS_AUTH_URL=$KEYSTONE OS_AUTH_TYPE=v3oidcpassword OS_PROTOCOL=openid " +
			"OS_IDENTITY_PROVIDER=ovhcloud-emea OS_CLIENT_ID=$CLIENT_ID OS_CLIENT_SECRET=$CLIENT_SECRET " +
			"OS_IDENTITY_API_VERSION=3 OS_DISCOVERY_ENDPOINT=http://$KEYSTONE_HOST/.well-known/openid-configuration " +
			"OS_USERNAME=alice OS_PASSWORD=x OS_PROJECT_ID=$WEB", fails: true},
	{name: "service account in a file", env: "OS_CLOUD=a",
		files: clouds("a: {auth_type: v3oidcclientcredentials, identity_api_version: 3, auth: {auth_url: $KEYSTONE, " +
			"identity_provider: ovhcloud-emea, protocol: openid, " +
			"discovery_endpoint: 'http://$KEYSTONE_HOST/.well-known/openid-configuration', access_token_type: " +
			"id_token, " +
			"client_id: $CLIENT_ID, client_secret: $CLIENT_SECRET, project_id: $WEB}}")},
	{name: "wrong password", env: "OS_AUTH_URL=$KEYSTONE OS_USERNAME=alice OS_USER_DOMAIN_NAME=acme OS_PASSWORD=x " +
		"OS_PROJECT_ID=$WEB", fails: true},
	{name: "wrong project", env: "OS_AUTH_URL=$KEYSTONE OS_USERNAME=bob OS_USER_DOMAIN_NAME=acme " +
		"OS_PASSWORD=CANARY-bob-pw OS_PROJECT_ID=$OPS", fails: true},
	{name: "locked user", env: "OS_AUTH_URL=$KEYSTONE OS_USERNAME=henry OS_USER_DOMAIN_NAME=acme " +
		"OS_PASSWORD=CANARY-henry-pw OS_PROJECT_ID=$WEB", fails: true},
	{name: "expired password", env: "OS_AUTH_URL=$KEYSTONE OS_USERNAME=gina OS_USER_DOMAIN_NAME=acme " +
		"OS_PASSWORD=CANARY-gina-pw OS_PROJECT_ID=$WEB", fails: true},
	{name: "second factor", env: "OS_AUTH_URL=$KEYSTONE OS_USERNAME=erin OS_USER_DOMAIN_NAME=acme " +
		"OS_PASSWORD=CANARY-erin-pw OS_PROJECT_ID=$WEB", fails: true},

	{name: "cloud", env: "OS_CLOUD=a", files: clouds("a: {auth: {auth_url: $KEYSTONE, username: alice, password: " +
		"CANARY-alice-pw, user_domain_name: acme, project_name: web, project_domain_name: acme}}")},
	{name: "cloud with secure.yaml", env: "OS_CLOUD=a", files: map[string]string{
		".config/openstack/clouds.yaml": "clouds: {a: {auth: {auth_url: $KEYSTONE, username: alice, password: x, " +
			"user_domain_name: acme, project_id: $WEB}}}",
		".config/openstack/secure.yaml":  "clouds: {a: {auth: {password: CANARY-alice-pw}}}",
		".config/openstack/clouds.yml":   "clouds: {a: {auth: {auth_url: $KEYSTONE, username: bob}}}",
		".config/openstack/clouds.json ": "{}",
	}},
	{name: "cloud with a vendor of its own", env: "OS_CLOUD=a", files: map[string]string{
		".config/openstack/clouds.yaml": "clouds: {a: {profile: here, auth: {username: alice, password: " +
			"CANARY-alice-pw, project_name: ops}}}",
		".config/openstack/clouds-public.yaml": "public-clouds: {here: {identity_api_version: 3, auth: {auth_url: " +
			"$KEYSTONE, user_domain_name: acme, project_domain_name: acme}}}",
	}},
	{name: "vendor that is known", env: "OS_CLOUD=a",
		files: clouds("a: {profile: ovh, region_name: GRA9, auth: {auth_url: $KEYSTONE, username: alice, password: " +
			"CANARY-alice-pw, user_domain_name: acme, project_domain_name: acme, project_name: web}}")},
	{name: "vendor that is elsewhere", env: "OS_CLOUD=a OS_REGION_NAME=nowhere",
		files: clouds("a: {profile: citycloud, auth: {username: alice, password: x, project_name: web}}"), fails: true},
	{name: "file in the working directory", env: "OS_CLOUD=a", files: map[string]string{
		"clouds.yaml": "clouds: {a: {auth: {auth_url: $KEYSTONE, username: alice, password: " +
			"CANARY-alice-pw, user_domain_name: acme, project_id: $WEB}}}",
		".config/openstack/clouds.yaml": "clouds: {a: {auth: {auth_url: $KEYSTONE, username: bob, password: " +
			"CANARY-bob-pw, user_domain_name: acme, project_id: $WEB}}}",
	}},
	{name: "file that is named", env: "OS_CLOUD=a OS_CLIENT_CONFIG_FILE=$HOME/mine.yaml " +
		"OS_CLIENT_SECURE_FILE=$HOME/safe.yml", files: map[string]string{
		"mine.yaml": "clouds: {a: {auth: {auth_url: $KEYSTONE, username: bob, user_domain_name: " +
			"acme, project_id: $WEB}}}",
		"safe.yml": "clouds: {a: {auth: {password: CANARY-bob-pw}}}",
		".config/openstack/clouds.yaml": "clouds: {a: {auth: {auth_url: $KEYSTONE, username: alice, password: " +
			"CANARY-alice-pw, user_domain_name: acme, project_id: $WEB}}}",
	}},
	{name: "file that is named and absent", env: "OS_CLOUD=a OS_CLIENT_CONFIG_FILE=$HOME/none.yaml",
		files: clouds("a: {auth: {auth_url: $KEYSTONE, username: alice, password: CANARY-alice-pw, user_domain_name: " +
			"acme, project_id: $WEB}}")},
	{name: "the environment beats the file for the user", env: "OS_CLOUD=a OS_USERNAME=bob OS_PASSWORD=CANARY-bob-pw",
		files: clouds("a: {auth: {auth_url: $KEYSTONE, username: alice, password: CANARY-alice-pw, user_domain_name: " +
			"acme, project_id: $WEB}}")},
	{name: "the file beats the environment for the project", env: "OS_CLOUD=a OS_PROJECT_NAME=ops OS_TENANT_NAME=ops",
		files: clouds("a: {auth: {auth_url: $KEYSTONE, username: alice, password: CANARY-alice-pw, user_domain_name: " +
			"acme, project_name: web, project_domain_name: acme}}")},
	{name: "the environment adds a project", env: "OS_CLOUD=a OS_PROJECT_ID=$OPS",
		files: clouds("a: {auth: {auth_url: $KEYSTONE, username: alice, password: CANARY-alice-pw, user_domain_name: " +
			"acme, project_name: web, project_domain_name: acme}}")},
	{name: "tenant in the file", env: "OS_CLOUD=a",
		files: clouds("a: {auth: {auth_url: $KEYSTONE, username: alice, password: CANARY-alice-pw, user_domain_name: " +
			"acme, tenant_id: $OPS}}")},
	{name: "domains at the top", env: "OS_CLOUD=a",
		files: clouds("a: {domain_name: acme, project_name: web, auth: {auth_url: $KEYSTONE, username: alice, " +
			"password: CANARY-alice-pw}}")},
	{name: "region", env: "OS_CLOUD=a OS_REGION_NAME=R2",
		files: clouds("a: {regions: [R1, {name: R2, values: {auth: {project_id: $OPS}}}], auth: {auth_url: " +
			"$KEYSTONE, username: alice, password: CANARY-alice-pw, user_domain_name: acme, project_id: $WEB}}")},
	{name: "region that is not", env: "OS_CLOUD=a OS_REGION_NAME=R3",
		files: clouds("a: {regions: [R1, R2], auth: {auth_url: $KEYSTONE, username: alice, password: " +
			"CANARY-alice-pw, user_domain_name: acme, project_id: $WEB}}"), fails: true},
	{name: "template", env: "OS_CLOUD=a",
		files: clouds("a: {place: 127.0.0.1, auth: {auth_url: 'http://{place}:$PORT/v3', username: alice, password: " +
			"CANARY-alice-pw, user_domain_name: acme, project_id: $WEB}}")},
	{name: "default domain of the file, which nobody reads", env: "OS_CLOUD=a",
		files: clouds("a: {identity_api_version: 3, default_domain: $DOMAIN, auth: {auth_url: $KEYSTONE, username: " +
			"alice, password: CANARY-alice-pw, project_name: web}}"), fails: true},
	{name: "application credential in the file", env: "OS_CLOUD=a",
		files: clouds("a: {auth_type: v3applicationcredential, auth: {auth_url: $KEYSTONE, " +
			"application_credential_id: $APPCRED, application_credential_secret: $APPCRED_SECRET}}")},
	{name: "anchors", env: "OS_CLOUD=a",
		files: clouds("b: {auth: &b {auth_url: $KEYSTONE, username: alice, password: CANARY-alice-pw, " +
			"user_domain_name: acme, project_id: $WEB}}\n  a: {auth: {<<: *b, project_id: $OPS}}")},
	{name: "cloud that is not", env: "OS_CLOUD=b", files: clouds("a: {auth: {auth_url: $KEYSTONE}}"), fails: true},
	{name: "cloud without a password", env: "OS_CLOUD=a",
		files: clouds("a: {auth: {auth_url: $KEYSTONE, username: alice, user_domain_name: acme, project_id: $WEB}}"),
		fails: true},
	{name: "factors", env: "OS_CLOUD=a",
		files: clouds("a: {auth_type: v3totp, auth: {auth_url: $KEYSTONE, username: frank, passcode: '$PASSCODE', " +
			"user_domain_name: acme, project_id: $WEB}}")},
}

func clouds(text string) map[string]string {
	return map[string]string{".config/openstack/clouds.yaml": "clouds:\n  " + text + "\n"}
}

// An identity is what Keystone says of a token.
type identity struct {
	User, Project, Domain, System string
	Roles                         string
}

func TestSameAsOpenstackclient(t *testing.T) {
	cloud := realCloud(t)
	if client("openstack") == "" {
		skip(t, "openstack is not installed")
	}
	w := realWorld(t)
	admin := adminToken(t, w, cloud)
	_, w.vars["PORT"], _ = strings.Cut(w.vars["KEYSTONE_HOST"], ":")
	for _, test := range same {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			u := newUser(t, w, "")
			expand := func(text string) string {
				return os.Expand(text, func(name string) string {
					switch name {
					case "HOME":
						return u.home
					case "PASSCODE":
						return embedded.TOTP(w.vars["TOTP_FRANK"], time.Now())
					}
					return w.vars[name]
				})
			}
			for name, text := range test.files {
				path := filepath.Join(u.home, name)
				if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(expand(text)), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			env := strings.Fields(expand(test.env))
			theirs, theirErr := tokenOf(u.home, env, client("openstack"), "token", "issue", "-f", "value", "-c", "id")
			ours, ourErr := tokenOf(u.home, env, u.jeton, "get", "-f", "token")
			// Taken over, it is the same without the environment.
			imported, importErr := ours, ""
			if !strings.Contains(test.env+fmt.Sprint(test.files), "PASSCODE") { // which is good for once
				args := []string{"import", "env", "imported"}
				if test.files == nil {
					args = []string{"import", "openrc", "openrc.sh", "imported"}
					writeOpenrc(t, filepath.Join(u.home, "openrc.sh"), env)
				}
				tokenOf(u.home, env, u.jeton, args...)
				imported, importErr = tokenOf(u.home, nil, u.jeton, "get", "imported", "-f", "token")
			}
			if test.fails {
				if theirs != "" || ours != "" || imported != "" {
					t.Errorf("openstack: %q, jeton: %q, imported: %q", theirs, ours, imported)
				}
				return
			}
			if theirs == "" || ours == "" || imported == "" {
				t.Fatalf("openstack: %s\njeton: %s\nimported: %s", theirErr, ourErr, importErr)
			}
			a, b, c := whoIs(t, w, admin, theirs), whoIs(t, w, admin, ours), whoIs(t, w, admin, imported)
			if a != b || b != c {
				t.Errorf("openstack is %+v, jeton %+v, imported %+v", a, b, c)
			}
		})
	}
}

// tokenOf runs a program in the directory home, and returns what it prints, or
// else its error.
func tokenOf(home string, env []string, program string, args ...string) (token, complaint string) {
	cmd := exec.Command(program, args...)
	cmd.Dir = home
	cmd.Env = append([]string{"HOME=" + home, "PATH=" + os.Getenv("PATH"), "GORACE=atexit_sleep_ms=0"}, env...)
	var out, errors strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errors
	if err := cmd.Run(); err != nil {
		return "", errors.String()
	}
	return strings.TrimSpace(out.String()), errors.String()
}

// writeOpenrc writes the variables as an openrc file sets them.
func writeOpenrc(t *testing.T, path string, env []string) {
	var b strings.Builder
	b.WriteString("#!/bin/bash\n")
	for i, variable := range env {
		name, value, _ := strings.Cut(variable, "=")
		fmt.Fprintf(&b, []string{"export %s=%s\n", "%s=\"%s\"\nexport " + name + "\n", "export %s='%s' # so\n"}[i%3],
			name, value)
	}
	if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
}

// adminToken logs the cloud's administrator in, who may ask about any token.
func adminToken(t *testing.T, w *world, cloud map[string]string) string {
	login := `{"auth":{"identity":{"methods":["password"],"password":{"user":{"name":"admin","domain":{"id":"default"},"password":"` +
		cloud["admin_password"] + `"}}},"scope":{"project":{"name":"admin","domain":{"id":"default"}}}}}`
	resp, err := http.Post(w.vars["KEYSTONE"]+"/auth/tokens", "application/json", strings.NewReader(login))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return resp.Header.Get("X-Subject-Token")
}

// whoIs asks Keystone what a token is.
func whoIs(t *testing.T, w *world, admin, token string) (who identity) {
	url := w.vars["KEYSTONE"] + "/auth/tokens"
	if len(token) == 32 { // that is what those of v2.0 look like
		url = "http://" + w.vars["KEYSTONE_HOST"] + "/v2.0/tokens/" + token
	}
	r, err := http.NewRequest("GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Auth-Token", admin)
	r.Header.Set("X-Subject-Token", token)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	type thing struct{ ID, Name string }
	type answer struct {
		User                    thing
		Project, Domain, Tenant thing
		System                  map[string]bool
		Roles                   []thing
	}
	var body struct {
		Token  answer
		Access struct {
			User  thing
			Token answer
		}
	}
	if err := json.NewDecoder(resp.Body).Decode(&body); err != nil || resp.StatusCode != 200 {
		t.Fatalf("Keystone does not know the token %s: %v", token, err)
	}
	a := body.Token
	who = identity{User: a.User.ID + body.Access.User.ID, Project: a.Project.ID + body.Access.Token.Tenant.ID,
		Domain: a.Domain.ID}
	if a.System["all"] {
		who.System = "all"
	}
	var roles []string
	for _, r := range a.Roles {
		roles = append(roles, r.Name)
	}
	slices.Sort(roles)
	who.Roles = strings.Join(roles, " ")
	return who
}

// The requests of a federated login are keystoneauth's own.
func TestSameRequests(t *testing.T) {
	realCloud(t)
	if client("openstack") == "" {
		skip(t, "openstack is not installed")
	}
	w := realWorld(t)
	w.front.Record = true
	u := newUser(t, w, "")
	env := strings.Fields(os.Expand("OS_AUTH_URL=$KEYSTONE OS_AUTH_TYPE=v3oidcclientcredentials OS_PROTOCOL=openid "+
		"OS_IDENTITY_PROVIDER=ovhcloud-emea "+
		"OS_CLIENT_ID=$CLIENT_ID OS_CLIENT_SECRET=$CLIENT_SECRET OS_IDENTITY_API_VERSION=3 "+
		"OS_ACCESS_TOKEN_TYPE=id_token OS_PROJECT_ID=$WEB "+
		"OS_DISCOVERY_ENDPOINT=http://$KEYSTONE_HOST/.well-known/openid-configuration",
		func(name string) string { return w.vars[name] }))
	jwt := regexp.MustCompile(`eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+`)
	fernet := regexp.MustCompile(`gAAAAA[A-Za-z0-9_-]+`)
	requests := func(program string, args ...string) (list []string) {
		w.front.Forget()
		if token, complaint := tokenOf(u.home, env, program, args...); token == "" {
			t.Fatal(complaint)
		}
		for _, r := range w.front.Recorded() {
			body := r.Body
			if form, err := url.ParseQuery(body); err == nil &&
				r.Header.Get("Content-Type") == "application/x-www-form-urlencoded" {
				body = form.Encode()
			}
			var doc any
			if json.Unmarshal([]byte(body), &doc) == nil {
				b, _ := json.Marshal(doc) // with its keys in order
				body = string(b)
			}
			line := strings.Join([]string{r.Method, r.Path, r.Header.Get("Authorization"), r.Header.Get("Content-Type"),
				body}, " | ")
			list = append(list, fernet.ReplaceAllString(jwt.ReplaceAllString(line, "JWT"), "TOKEN"))
		}
		return list
	}
	theirs := requests(client("openstack"), "token", "issue", "-f", "value", "-c", "id")
	ours := requests(u.jeton, "get", "-f", "token")
	if len(theirs) != 4 || !slices.Equal(theirs, ours) {
		t.Errorf("openstack sends\n%s\nand jeton\n%s", strings.Join(theirs, "\n"), strings.Join(ours, "\n"))
	}
}
