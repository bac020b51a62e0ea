// Package embedded has servers small enough to run inside a test or the demo:
// a Keystone, and a Kubernetes API server that asks a Keystone who its callers
// are.
//
// The Keystone is a stand-in for where the real one is not installed, and for
// faults that the real one does not show on demand. That it behaves like the
// real one is itself a test: the scripts that need no faults run against both.
package embedded

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// A Keystone is an Identity service with one domain, "default".
type Keystone struct {
	// Life is that of a token. An hour if 0.
	Life time.Duration
	// Provider is the identity provider ovhcloud-emea, with the protocol
	// openid. Its clients are users with a role in the first project.
	Provider *Provider
	// AppCredLimit is how many application credentials a user can have. Any number if 0.
	AppCredLimit int

	mu       sync.Mutex
	users    map[string]*user // by name
	projects []object
	appCreds map[string]*appCred
	tokens   map[string]*token
	receipts map[string]receipt
	keys     []key

	appCredsMade, appCredPeak int

	expiry any // of passwords
}

type object struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

type user struct {
	object
	password string
	totp     string // the secret of the passcodes
	both     bool   // a password alone is not enough
	expired  bool
	disabled bool
	fallback string // default project id
	projects []string
	roles    []string // nil: member
}

// A receipt is for the first factor of a user who has to show two.
type receipt struct {
	user               *user
	password, passcode bool
}

type token struct {
	user      *user
	project   string
	delegated bool
	appCred   *appCred // that it stems from
	expires   time.Time
	issued    time.Time
}

// A key is an EC2 credential.
type key struct {
	UserID   string `json:"user_id"`
	TenantID string `json:"tenant_id"`
	Access   string `json:"access"`
	Secret   string `json:"secret"`
}

// PasswordExpires has the tokens from now on say that their users' passwords do then.
func (k *Keystone) PasswordExpires(t time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.expiry = nil; !t.IsZero() {
		k.expiry = t.UTC().Format("2006-01-02T15:04:05.000000")
	}
}

// SetPassword gives a user another password.
func (k *Keystone) SetPassword(name, password string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.users[name].password = password
}

// Project adds a project and returns its id.
func (k *Keystone) Project(name string) string {
	k.mu.Lock()
	defer k.mu.Unlock()
	p := object{random(), name}
	k.projects = append(k.projects, p)
	return p.ID
}

// User adds a user with roles in projects, by id. The fallback is the default
// project, if there is one. It returns the user's id.
func (k *Keystone) User(name, password, fallback string, projects ...string) string {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.users == nil {
		k.users = map[string]*user{}
	}
	k.users[name] = &user{object: object{random(), name}, password: password, fallback: fallback, projects: projects}
	return k.users[name].ID
}

// Disable makes Keystone refuse the user.
func (k *Keystone) Disable(name string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.users[name].disabled = true
}

// Expire makes Keystone refuse the user's password as too old.
func (k *Keystone) Expire(name string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.users[name].expired = true
}

// TOTP gives the user passcodes, and with both, Keystone wants one beside the
// password.
func (k *Keystone) TOTP(name, secret string, both bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.users[name].totp, k.users[name].both = secret, both
}

// ExpiredToken returns a token of the user that was valid once.
func (k *Keystone) ExpiredToken(name string) string {
	k.mu.Lock()
	defer k.mu.Unlock()
	u := k.users[name]
	return k.issue(&token{user: u, project: u.projects[0], expires: time.Now().Add(-time.Minute)})
}

func (k *Keystone) issue(t *token) string {
	if k.tokens == nil {
		k.tokens = map[string]*token{}
	}
	id := "gAAAAA" + random() + random()
	k.tokens[id] = t
	return id
}

func random() string {
	b := make([]byte, 16)
	rand.Read(b)
	return hex.EncodeToString(b)
}

// ServeHTTP answers as Keystone does.
func (k *Keystone) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	k.mu.Lock()
	defer k.mu.Unlock()
	path, ok := strings.CutPrefix(r.URL.Path, "/v3")
	if !ok {
		http.NotFound(w, r)
		return
	}
	if path == "" || path == "/" {
		reply(w, 200, map[string]any{"version": map[string]any{"id": "v3.14", "status": "stable",
			"links": []any{map[string]any{"rel": "self", "href": "http://" + r.Host + "/v3/"}}}})
		return
	}
	if path == "/auth/tokens" && r.Method == http.MethodPost {
		k.login(w, r)
		return
	}
	if strings.HasPrefix(path, "/OS-FEDERATION/") {
		k.federate(w, r)
		return
	}
	caller := k.tokens[r.Header.Get("X-Auth-Token")]
	if caller == nil || !time.Now().Before(caller.expires) {
		unauthorized(w)
		return
	}
	switch {
	case path == "/auth/tokens":
		k.token(w, r)
	case path == "/auth/projects" || path == "/users/"+caller.user.ID+"/projects":
		list := []any{}
		for _, p := range k.projects {
			if slices.Contains(caller.user.projects, p.ID) {
				list = append(list, map[string]any{"id": p.ID, "name": p.Name, "domain_id": "default", "enabled": true})
			}
		}
		reply(w, 200, map[string]any{"projects": list})
	case path == "/projects": // openstackclient asks for its own when it is refused all
		failure(w, 403, "You are not authorized to perform the requested action: identity:list_projects.")
	case path == "/auth/catalog":
		reply(w, 200, map[string]any{"catalog": catalog(r)})
	case strings.HasPrefix(path, "/users/"+caller.user.ID+"/credentials/OS-EC2"):
		k.ec2(w, r, caller, strings.Trim(strings.TrimPrefix(path, "/users/"+caller.user.ID+"/credentials/OS-EC2"), "/"))
	case strings.HasPrefix(path, "/users/"+caller.user.ID+"/application_credentials"):
		k.applicationCredentials(w, r, caller,
			strings.Trim(strings.TrimPrefix(path, "/users/"+caller.user.ID+"/application_credentials"), "/"))
	default:
		failure(w, 404, "Could not find: "+path)
	}
}

func catalog(r *http.Request) []any {
	return []any{map[string]any{"type": "identity", "name": "keystone", "id": "1", "endpoints": []any{
		map[string]any{"id": "1", "interface": "public", "region": "RegionOne", "region_id": "RegionOne",
			"url": "http://" + r.Host + "/v3"},
	}}, map[string]any{"type": "object-store", "name": "swift", "id": "2", "endpoints": []any{
		map[string]any{"id": "2", "interface": "internal", "region": "RegionOne", "region_id": "RegionOne",
			"url": "http://" + r.Host + "/internal/AUTH_web"},
		map[string]any{"id": "3", "interface": "public", "region": "RegionOne", "region_id": "RegionOne",
			"url": "http://" + r.Host + "/v1/AUTH_web"},
		map[string]any{"id": "4", "interface": "public", "region": "RegionTwo", "region_id": "RegionTwo",
			"url": "http://" + r.Host + "/two/AUTH_web"},
	}}, map[string]any{"type": "s3", "name": "s3", "id": "3", "endpoints": []any{
		map[string]any{"id": "5", "interface": "public", "region": "RegionOne", "region_id": "RegionOne",
			"url": "https://s3.region-one.example"},
	}}}
}

func (k *Keystone) login(w http.ResponseWriter, r *http.Request) {
	type ref struct {
		object
		Domain object `json:"domain"`
	}
	var body struct {
		Auth struct {
			Identity struct {
				Methods  []string `json:"methods"`
				Password struct {
					User struct {
						ref
						Password string `json:"password"`
					} `json:"user"`
				} `json:"password"`
				TOTP struct {
					User struct {
						ref
						Passcode string `json:"passcode"`
					} `json:"user"`
				} `json:"totp"`
				Token   object `json:"token"`
				AppCred struct {
					object
					Secret string `json:"secret"`
				} `json:"application_credential"`
			} `json:"identity"`
			Scope *struct {
				Project  ref       `json:"project"`
				Unscoped *struct{} `json:"unscoped"`
			} `json:"scope"`
		} `json:"auth"`
	}
	if json.NewDecoder(r.Body).Decode(&body) != nil {
		failure(w, 400, "Expecting to find valid JSON")
		return
	}
	life := k.Life
	if life == 0 {
		life = time.Hour
	}
	now := time.Now().UTC().Truncate(time.Second)
	t := &token{issued: now, expires: now.Add(life)}
	identity := body.Auth.Identity
	find := func(given ref) *user {
		for _, u := range k.users {
			inDomain := given.Domain.ID == "default" || given.Domain.Name == "Default"
			if (u.ID == given.ID || u.Name == given.Name && inDomain) && !u.disabled {
				return u
			}
		}
		return nil
	}
	shown := k.receipts[r.Header.Get("Openstack-Auth-Receipt")]
	password, passcode := shown.password, shown.passcode
	for _, method := range identity.Methods {
		var u *user
		switch method {
		case "password":
			if u = find(identity.Password.User.ref); u != nil {
				password = u.password == identity.Password.User.Password
				if !password {
					u = nil
				} else if u.expired {
					failure(w, 401, "The password is expired and needs to be changed for user: "+u.ID+".")
					return
				}
			}
		case "totp":
			if u = find(identity.TOTP.User.ref); u != nil {
				passcode = u.totp != "" && (identity.TOTP.User.Passcode == TOTP(u.totp, now) ||
					identity.TOTP.User.Passcode == TOTP(u.totp, now.Add(-30*time.Second)))
				if !passcode {
					u = nil
				}
			}
		default:
			continue
		}
		if u == nil || shown.user != nil && u != shown.user {
			unauthorized(w)
			return
		}
		t.user, t.project = u, u.fallback
	}
	if t.user != nil && t.user.both && !(password && passcode) {
		if k.receipts == nil {
			k.receipts = map[string]receipt{}
		}
		id := "gAAAAAreceipt" + random()
		k.receipts[id] = receipt{t.user, password, passcode}
		w.Header().Set("Openstack-Auth-Receipt", id)
		reply(w, 401, map[string]any{
			"receipt":               map[string]any{"methods": identity.Methods, "user": t.user.object},
			"required_auth_methods": [][]string{{"password", "totp"}},
		})
		return
	}
	switch identity.Methods[0] {
	case "application_credential":
		if c := k.appCreds[identity.AppCred.ID]; c != nil && c.secret == identity.AppCred.Secret &&
			body.Auth.Scope == nil && (c.expires.IsZero() || now.Before(c.expires)) {
			t.user, t.project, t.delegated, t.appCred = c.user, c.project, true, c
		}
	case "token":
		former := k.tokens[identity.Token.ID]
		switch {
		case former == nil || !now.Before(former.expires):
			failure(w, 404, "Could not recognize Fernet token")
			return
		case former.delegated:
			failure(w, 403, "Using a delegated token to create another token is not allowed..")
			return
		}
		t.user, t.expires = former.user, former.expires
	}
	if t.user == nil {
		unauthorized(w)
		return
	}
	switch {
	case body.Auth.Scope == nil:
	case body.Auth.Scope.Unscoped != nil:
		t.project = ""
	default:
		wanted := body.Auth.Scope.Project
		i := slices.IndexFunc(k.projects, func(p object) bool {
			return p.ID == wanted.ID || p.Name == wanted.Name &&
				(wanted.Domain.ID == "default" || wanted.Domain.Name == "Default")
		})
		if i < 0 || !slices.Contains(t.user.projects, k.projects[i].ID) {
			unauthorized(w)
			return
		}
		t.project = k.projects[i].ID
	}
	w.Header().Set("X-Subject-Token", k.issue(t))
	reply(w, 201, k.describe(t, r))
}

// federate is Keystone behind Apache with mod_auth_openidc.
func (k *Keystone) federate(w http.ResponseWriter, r *http.Request) {
	bearer, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	subject := ""
	if k.Provider != nil {
		subject = k.Provider.Subject(bearer)
	}
	switch {
	case subject == "":
		w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(401)
		w.Write([]byte("<html><title>401 Unauthorized</title></html>"))
		return
	case r.URL.Path != "/v3/OS-FEDERATION/identity_providers/ovhcloud-emea/protocols/openid/auth":
		failure(w, 404, "Could not find federated protocol")
		return
	}
	life := k.Life
	if life == 0 {
		life = time.Hour
	}
	now := time.Now().UTC().Truncate(time.Second)
	u := k.users[subject]
	if u == nil {
		u = &user{object: object{random(), subject}, projects: []string{k.projects[0].ID}}
		k.users[subject] = u
	}
	t := &token{user: u, issued: now, expires: now.Add(life)}
	w.Header().Set("X-Subject-Token", k.issue(t))
	reply(w, 201, k.describe(t, r))
}

func (k *Keystone) describe(t *token, r *http.Request) map[string]any {
	domain := object{"default", "Default"}
	doc := map[string]any{
		"methods":    []string{"password"},
		"issued_at":  t.issued.Format("2006-01-02T15:04:05.000000Z"),
		"expires_at": t.expires.Format("2006-01-02T15:04:05.000000Z"),
		"user": map[string]any{"id": t.user.ID, "name": t.user.Name, "domain": domain,
			"password_expires_at": k.expiry},
	}
	if t.delegated {
		doc["methods"] = []string{"application_credential"}
		doc["application_credential"] = map[string]any{"id": t.appCred.id, "name": t.appCred.name,
			"restricted": !t.appCred.unrestricted}
	}
	for _, p := range k.projects {
		if p.ID == t.project {
			doc["project"] = map[string]any{"id": p.ID, "name": p.Name, "domain": domain}
			doc["roles"] = t.roles()
			if !r.URL.Query().Has("nocatalog") {
				doc["catalog"] = catalog(r)
			}
		}
	}
	return map[string]any{"token": doc}
}

// token answers questions about one, and revokes it.
func (k *Keystone) token(w http.ResponseWriter, r *http.Request) {
	id := r.Header.Get("X-Subject-Token")
	t := k.tokens[id]
	if t == nil || !time.Now().Before(t.expires) {
		failure(w, 404, "Failed to validate token")
		return
	}
	switch r.Method {
	case http.MethodDelete:
		delete(k.tokens, id)
		w.WriteHeader(204)
	default:
		w.Header().Set("X-Subject-Token", id)
		reply(w, 200, k.describe(t, r))
	}
}

func (k *Keystone) ec2(w http.ResponseWriter, r *http.Request, caller *token, id string) {
	if caller.delegated {
		failure(w, 403, "Delegated tokens cannot access credentials directly.")
		return
	}
	i := slices.IndexFunc(k.keys, func(c key) bool { return c.Access == id && c.UserID == caller.user.ID })
	switch {
	case id == "" && r.Method == http.MethodGet:
		list := []key{}
		for _, c := range k.keys {
			if c.UserID == caller.user.ID {
				list = append(list, c)
			}
		}
		reply(w, 200, map[string]any{"credentials": list, "links": map[string]any{"next": nil}})
	case id == "" && r.Method == http.MethodPost:
		var body struct {
			TenantID string `json:"tenant_id"`
		}
		json.NewDecoder(r.Body).Decode(&body)
		c := key{caller.user.ID, body.TenantID, random(), random()}
		k.keys = append(k.keys, c)
		reply(w, 201, map[string]any{"credential": c})
	case i < 0:
		failure(w, 404, "EC2 access key not found.")
	case r.Method == http.MethodDelete:
		k.keys = slices.Delete(k.keys, i, i+1)
		w.WriteHeader(204)
	default:
		reply(w, 200, map[string]any{"credential": k.keys[i]})
	}
}

func unauthorized(w http.ResponseWriter) {
	w.Header().Set("WWW-Authenticate", "Keystone uri=\"http://127.0.0.1/v3\"")
	failure(w, 401, "The request you have made requires authentication.")
}

func failure(w http.ResponseWriter, status int, message string) {
	reply(w, status, map[string]any{"error": map[string]any{"code": status, "title": http.StatusText(status),
		"message": message}})
}

func reply(w http.ResponseWriter, status int, doc any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(doc)
}
