package embedded

import (
	"net/http"
	"strings"
	"sync"
)

// CloudMC is the part of a CloudMC portal's API that hands out the service
// credentials of an environment, in the shape of cloud.ca's documentation.
type CloudMC struct {
	APIKey             string
	Username, Password string // of the object storage
	Project            string

	mu sync.Mutex
}

// SetPassword changes what the portal tells of the user.
func (c *CloudMC) SetPassword(password string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.Password = password
}

func (c *CloudMC) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	fail := func(status, code int, message string) {
		reply(w, status, map[string]any{
			"errors": []any{map[string]any{"code": code, "message": message, "context": map[string]any{}}}})
	}
	if r.Header.Get("MC-Api-Key") != c.APIKey {
		fail(401, 401, "The API key "+r.Header.Get("MC-Api-Key")+" is not valid.")
		return
	}
	if r.Method != http.MethodGet { // nothing is ever regenerated
		fail(405, 405, "no")
		return
	}
	field := func(key, value string, sensitive bool) map[string]any {
		return map[string]any{"key": key, "value": value, "sensitive": sensitive, "environmentSpecific": false}
	}
	switch _, path, _ := strings.Cut(r.URL.Path, "/v1/"); path {
	case "services/connections":
		reply(w, 200, map[string]any{"data": []any{
			map[string]any{"id": "conn-swift", "serviceCode": "objects", "name": "Object storage", "type": "swift",
				"status": map[string]any{"reachable": true}},
			map[string]any{"id": "conn-vm", "serviceCode": "compute", "name": "Compute", "type": "cloudca"},
		}})
	case "environments":
		reply(w, 200, map[string]any{"data": []any{
			map[string]any{"id": "env-prod", "name": "production", "organization": map[string]any{"name": "acme"},
				"serviceConnection": map[string]any{"id": "conn-swift", "name": "Object storage"}},
			map[string]any{"id": "env-vm", "name": "machines", "serviceConnection": map[string]any{"id": "conn-vm"}},
		}})
	case "services/connections/conn-swift/apiInfo":
		if r.URL.Query().Get("environmentId") != "env-prod" {
			fail(403, 2012, "You do not have access to this environment.")
			return
		}
		reply(w, 200, map[string]any{"data": map[string]any{"canRegenerateCredentials": true, "fields": []any{
			field("endpoint", "https://objects.example", false), field("user", c.Username, false),
			field("password", c.Password, true),
			field("tenant", c.Project, false), map[string]any{"key": "unmarked", "value": "CANARY-unmarked"},
			field("db_password", "CANARY-forgotten", false), field("api_key", "AKPORTAL", true),
			field("secret_key", "CANARY-portal-secret", true), field("note", "", false),
		}}})
	default:
		fail(404, 404, "Not found.")
	}
}
