package embedded

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// KeystoneV2 is an Identity service of API v2.0, as its reference documents it:
// no Keystone of today has that API any more. It has one user,
// system-demo-1, in two tenants.
//
// https://docs.openstack.org/api-ref/identity/v2/
type KeystoneV2 struct {
	mu      sync.Mutex
	tenants []object
	tokens  map[string]time.Time
	answers map[string]any // by token
}

// V2Password is the password of the one user.
const V2Password = "CANARY-v2-pw"

// NewKeystoneV2 returns one with the tenants system-demo and spare.
func NewKeystoneV2() *KeystoneV2 {
	return &KeystoneV2{tenants: []object{{random(), "system-demo"}, {random(), "spare"}},
		tokens: map[string]time.Time{}, answers: map[string]any{}}
}

// Tenant returns the id of the user's first tenant.
func (k *KeystoneV2) Tenant() string { return k.tenants[0].ID }

func (k *KeystoneV2) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case r.URL.Path == "/v2.0" || r.URL.Path == "/v2.0/":
		reply(w, 200, map[string]any{"version": map[string]any{"id": "v2.0", "status": "deprecated",
			"links": []any{map[string]any{"rel": "self", "href": "http://" + r.Host + "/v2.0/"}}}})
	case r.URL.Path == "/v2.0/tokens" && r.Method == http.MethodPost:
		k.login(w, r)
	case r.URL.Path == "/v2.0/tenants" && time.Now().Before(k.tokens[r.Header.Get("X-Auth-Token")]):
		var list []map[string]any
		for _, t := range k.tenants {
			list = append(list, map[string]any{"id": t.ID, "name": t.Name, "enabled": true, "description": ""})
		}
		reply(w, 200, map[string]any{"tenants": list, "tenants_links": []any{}})
	case k.answers[strings.TrimPrefix(r.URL.Path, "/v2.0/tokens/")] != nil:
		reply(w, 200, k.answers[strings.TrimPrefix(r.URL.Path, "/v2.0/tokens/")])
	default:
		unauthorized(w)
	}
}

func (k *KeystoneV2) login(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Auth struct {
			Password struct{ Username, Password string } `json:"passwordCredentials"`
			Token    object                              `json:"token"`
			ID       string                              `json:"tenantId"`
			Name     string                              `json:"tenantName"`
		} `json:"auth"`
	}
	if json.NewDecoder(r.Body).Decode(&body) != nil {
		failure(w, 400, "Expecting to find valid JSON")
		return
	}
	auth := body.Auth
	expires := time.Now().Add(time.Hour)
	switch former, known := k.tokens[auth.Token.ID]; {
	case known && time.Now().Before(former):
		expires = former
	case auth.Password.Username != "system-demo-1" || auth.Password.Password != V2Password:
		unauthorized(w)
		return
	}
	token := map[string]any{
		"issued_at": time.Now().UTC().Format("2006-01-02T15:04:05.000000"), // without a zone, as documented
		"expires":   expires.UTC().Format("2006-01-02T15:04:05Z"),
		"audit_ids": []string{"x"},
	}
	if auth.ID != "" || auth.Name != "" {
		i := slices.IndexFunc(k.tenants, func(t object) bool { return t.ID == auth.ID || t.Name == auth.Name })
		if i < 0 {
			unauthorized(w)
			return
		}
		token["tenant"] = map[string]any{"id": k.tenants[i].ID, "name": k.tenants[i].Name, "enabled": true,
			"description": ""}
	}
	id := random()
	k.tokens[id] = expires
	token["id"] = id
	k.answers[id] = map[string]any{"access": map[string]any{
		"token": token,
		"user": map[string]any{"id": "7", "name": "system-demo-1", "username": "system-demo-1",
			"roles": []any{map[string]any{"name": "member"}}, "roles_links": []any{}},
		"serviceCatalog": []any{},
		"metadata":       map[string]any{"is_admin": 0, "roles": []string{"1"}},
	}}
	reply(w, 200, k.answers[id])
}
