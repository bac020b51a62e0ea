package embedded

import (
	"encoding/json"
	"net/http"
	"strings"
)

// Kubernetes is an API server that knows nothing but its callers: it asks the
// Keystone at the given address, which ends in /v3, whose token they bring.
type Kubernetes struct{ Keystone string }

// ServeHTTP answers what kubectl asks before and while it shows `get --raw /`
// and `auth whoami`.
func (s Kubernetes) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := s.whose(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
	if name == "" {
		reply(w, 401, map[string]any{"kind": "Status", "apiVersion": "v1", "status": "Failure",
			"message": "Unauthorized", "reason": "Unauthorized", "code": 401})
		return
	}
	switch {
	case r.URL.Path == "/":
		reply(w, 200, map[string]any{"paths": []string{"/api", "/apis"}})
	case r.URL.Path == "/version":
		reply(w, 200, map[string]any{"major": "1", "minor": "32", "gitVersion": "v1.32.0"})
	case r.URL.Path == "/apis/authentication.k8s.io/v1/selfsubjectreviews":
		reply(w, 201, map[string]any{"kind": "SelfSubjectReview", "apiVersion": "authentication.k8s.io/v1",
			"status": map[string]any{"userInfo": map[string]any{"username": name,
				"groups": []string{"system:authenticated"}}}})
	default:
		reply(w, 404, map[string]any{"kind": "Status", "apiVersion": "v1", "status": "Failure",
			"message": "not found", "reason": "NotFound", "code": 404})
	}
}

// whose returns the name of the token's user, or "" if it is not valid.
func (s Kubernetes) whose(token string) string {
	r, err := http.NewRequest(http.MethodGet, s.Keystone+"/auth/tokens", nil)
	if err != nil || token == "" {
		return ""
	}
	r.Header.Set("X-Auth-Token", token)
	r.Header.Set("X-Subject-Token", token)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return ""
	}
	defer resp.Body.Close()
	var body struct {
		Token struct {
			User object `json:"user"`
		} `json:"token"`
	}
	if resp.StatusCode != 200 || json.NewDecoder(resp.Body).Decode(&body) != nil {
		return ""
	}
	return body.Token.User.Name
}
