package embedded

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"
)

// An appCred is an application credential.
type appCred struct {
	id, name, secret, project string
	roles                     []object
	unrestricted              bool
	rules                     any
	expires                   time.Time // zero: never
	user                      *user
}

// ApplicationCredential adds one of the user for a project.
func (k *Keystone) ApplicationCredential(name, project string) (id, secret string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	c := &appCred{id: random(), name: "ci", secret: random(), project: project, user: k.users[name],
		roles: []object{roleNamed("member")}}
	k.addAppCred(c)
	return c.id, c.secret
}

func (k *Keystone) addAppCred(c *appCred) {
	if k.appCreds == nil {
		k.appCreds = map[string]*appCred{}
	}
	k.appCreds[c.id] = c
	k.appCredPeak = max(k.appCredPeak, len(k.appCredsOf(c.user)))
	k.appCredsMade++
}

// ApplicationCredentials returns the names of the user's, sorted.
func (k *Keystone) ApplicationCredentials(user string) (names []string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, c := range k.appCredsOf(k.users[user]) {
		names = append(names, c.name)
	}
	slices.Sort(names)
	return names
}

// ApplicationCredentialsMade returns how many were ever made, and how many a user had at
// once.
func (k *Keystone) ApplicationCredentialsMade() (made, peak int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.appCredsMade, k.appCredPeak
}

func (k *Keystone) appCredsOf(u *user) (list []*appCred) {
	for _, c := range k.appCreds {
		if c.user == u {
			list = append(list, c)
		}
	}
	return list
}

// document is what Keystone says about c, without the secret.
func (c *appCred) document() map[string]any {
	var expires any
	if !c.expires.IsZero() {
		expires = c.expires.UTC().Format("2006-01-02T15:04:05.000000")
	}
	return map[string]any{"id": c.id, "name": c.name, "project_id": c.project, "roles": c.roles,
		"unrestricted": c.unrestricted, "expires_at": expires, "access_rules": c.rules}
}

// applicationCredentials answers the calls about those of the caller.
func (k *Keystone) applicationCredentials(w http.ResponseWriter, r *http.Request, caller *token, id string) {
	if caller.appCred != nil && !caller.appCred.unrestricted && r.Method != http.MethodGet {
		failure(w, 403, "Using method 'application_credential' is not allowed for managing additional application "+
			"credentials.")
		return
	}
	c := k.appCreds[id]
	switch {
	case id == "" && r.Method == http.MethodGet:
		list := []any{}
		for _, c := range k.appCredsOf(caller.user) {
			list = append(list, c.document())
		}
		reply(w, 200, map[string]any{"application_credentials": list, "links": map[string]any{"next": nil}})
	case id == "" && r.Method == http.MethodPost:
		k.makeAppCred(w, r, caller)
	case c == nil || c.user != caller.user:
		failure(w, 404, "Could not find Application Credential: "+id+".")
	case r.Method == http.MethodDelete:
		delete(k.appCreds, id)
		w.WriteHeader(204)
	default:
		reply(w, 200, map[string]any{"application_credential": c.document()})
	}
}

func (k *Keystone) makeAppCred(w http.ResponseWriter, r *http.Request, caller *token) {
	var body struct {
		ApplicationCredential struct {
			Name         string
			Roles        []object
			ExpiresAt    string              `json:"expires_at"`
			Rules        []map[string]string `json:"access_rules"`
			Unrestricted bool
		} `json:"application_credential"`
	}
	if json.NewDecoder(r.Body).Decode(&body) != nil || body.ApplicationCredential.Name == "" {
		failure(w, 400, "Expecting to find name in application_credential.")
		return
	}
	asked := body.ApplicationCredential
	own := k.appCredsOf(caller.user)
	if k.AppCredLimit > 0 && len(own) >= k.AppCredLimit {
		failure(w, 403, "Unable to create additional application credentials, maximum of 10 already exceeded for user.")
		return
	}
	if slices.ContainsFunc(own, func(c *appCred) bool { return c.name == asked.Name }) {
		failure(w, 409, "Conflict occurred attempting to store application_credential - Duplicate entry found with "+
			"name "+asked.Name+".")
		return
	}
	c := &appCred{id: random(), name: asked.Name, secret: random() + random(), project: caller.project,
		unrestricted: asked.Unrestricted, user: caller.user, roles: caller.roles()}
	if asked.Rules != nil {
		c.rules = asked.Rules
	}
	if asked.Roles != nil {
		c.roles = nil
	}
	for _, role := range asked.Roles {
		i := slices.IndexFunc(caller.roles(), func(o object) bool { return o.ID == role.ID || o.Name == role.Name })
		if i < 0 {
			failure(w, 400, "Invalid application credential: Could not find role assignment with role: "+role.ID+
				role.Name+", user or group: "+caller.user.ID+", project, domain, or system: "+caller.project+".")
			return
		}
		c.roles = append(c.roles, caller.roles()[i])
	}
	if asked.ExpiresAt != "" {
		var err error
		if c.expires, err = time.Parse(time.RFC3339, asked.ExpiresAt); err != nil {
			failure(w, 400, "Invalid expires_at")
			return
		}
	}
	k.addAppCred(c)
	doc := c.document()
	doc["secret"] = c.secret
	reply(w, 201, map[string]any{"application_credential": doc})
}

// roleNamed returns the role with the name. Each has the same id everywhere.
func roleNamed(name string) object { return object{strings.Repeat(name+"0", 32)[:32], name} }

// Roles gives the user these roles in its projects, instead of member.
func (k *Keystone) Roles(name string, roles ...string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.users[name].roles = roles
}

// roles returns the roles that the token is good for in its project.
func (t *token) roles() (list []object) {
	if t.appCred != nil {
		return t.appCred.roles
	}
	if t.user.roles == nil {
		return []object{roleNamed("member")}
	}
	for _, name := range t.user.roles {
		list = append(list, roleNamed(name))
	}
	return list
}
