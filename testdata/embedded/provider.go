package embedded

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// A Provider is an OpenID provider with one client, in the shape of OVHcloud's,
// where a client credentials grant gives an ID token too. Nobody could verify
// its signatures but itself, which is what the embedded Keystone asks.
type Provider struct {
	ClientID, ClientSecret string
	// ClientKey is that of the client's assertions (RFC 7523).
	ClientKey *rsa.PublicKey
	// Username and Password are those of the one user.
	Username, Password string
	// Life is that of a token. Ten minutes if 0.
	Life time.Duration

	mu       sync.Mutex
	subjects map[string]string // by token
	seen     map[string]bool   // jti of assertions
	visits   map[string]*visit // of persons, by code, device code and refresh token
	families map[string]bool   // of refresh tokens: whether they have ended
}

const deviceGrant = "urn:ietf:params:oauth:grant-type:device_code"

// Subject returns whom a token is for, or "" if it is none of the provider's.
func (p *Provider) Subject(token string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.subjects[token]
}

func (p *Provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	issuer := "http://" + r.Host
	if r.URL.Path == "/.well-known/openid-configuration" {
		reply(w, 200, map[string]any{"issuer": issuer, "token_endpoint": issuer + "/oauth2/token",
			"jwks_uri": issuer + "/jwks", "authorization_endpoint": issuer + "/oauth2/authorize",
			"device_authorization_endpoint":                  issuer + "/oauth2/device",
			"revocation_endpoint":                            issuer + "/oauth2/revoke",
			"scopes_supported":                               []string{"openid", "profile", "offline_access"},
			"authorization_response_iss_parameter_supported": true,
			"grant_types_supported": []string{"client_credentials", "password", "authorization_code", "refresh_token",
				deviceGrant, "urn:ietf:params:oauth:grant-type:token-exchange"}})
		return
	}
	if p.person(w, r, issuer) {
		return
	}
	refuse := func(status int, code string) {
		reply(w, status, map[string]any{"error": code, "error_description": "no, " + r.PostForm.Get("client_secret")})
	}
	if r.ParseForm() != nil || r.URL.Path != "/oauth2/token" || r.Method != http.MethodPost {
		http.NotFound(w, r)
		return
	}
	form := r.PostForm
	subject, audience, nonce := p.ClientID, form.Get("audience"), ""
	var person *visit
	switch grant := form.Get("grant_type"); {
	case grant == "authorization_code" || grant == "refresh_token" || grant == deviceGrant:
		var failure string
		if person, failure = p.personGrant(form); failure != "" || form.Get("client_id") != PersonClient {
			refuse(400, failure)
			return
		}
		subject, audience, nonce = p.Username, PersonClient, person.nonce
		if grant != "refresh_token" || form.Get("scope") == "" {
			form.Set("scope", person.scope)
		}
	case !p.client(r, issuer):
		refuse(401, "invalid_client")
		return
	}
	switch form.Get("grant_type") {
	case "client_credentials", "authorization_code", "refresh_token", deviceGrant:
	case "password":
		subject = form.Get("username")
		if subject != p.Username || form.Get("password") != p.Password || form.Has("otp") &&
			form.Get("otp") != "123456" {
			refuse(400, "invalid_grant")
			return
		}
	case "urn:ietf:params:oauth:grant-type:token-exchange":
		if subject = p.subjects[form.Get("subject_token")]; subject == "" {
			refuse(400, "invalid_grant")
			return
		}
		subject += "-exchanged"
	default:
		refuse(400, "unsupported_grant_type")
		return
	}
	if strings.Contains(form.Get("scope"), "forbidden") {
		refuse(400, "invalid_scope")
		return
	}
	life := p.Life
	if life == 0 {
		life = 10 * time.Minute
	}
	token := func(audience string) string {
		now := time.Now()
		encode := func(v any) string {
			b, _ := json.Marshal(v)
			return base64.RawURLEncoding.EncodeToString(b)
		}
		t := encode(map[string]any{"alg": "none"}) + "." +
			encode(map[string]any{"iss": issuer, "sub": subject, "aud": audience, "jti": random(), "nonce": nonce,
				"scope": form.Get("scope"),
				"iat":   now.Unix(), "exp": now.Add(life).Unix()}) + "." + random()
		if p.subjects == nil {
			p.subjects = map[string]string{}
		}
		p.subjects[t] = subject
		return t
	}
	if audience == "" {
		audience = p.ClientID
	}
	answer := map[string]any{"access_token": token(audience), "token_type": "bearer",
		"expires_in": int(life.Seconds()) - 1, "scope": form.Get("scope")}
	if form.Get("grant_type") == "client_credentials" || strings.Contains(form.Get("scope"), "openid") {
		answer["id_token"] = token(p.ClientID)
	}
	if person != nil {
		answer["id_token"] = token(PersonClient)
		if refresh := p.refreshToken(person); refresh != "" {
			answer["refresh_token"] = refresh
		}
	}
	reply(w, 200, answer)
}

// client reports whether the client has authenticated itself.
func (p *Provider) client(r *http.Request, issuer string) bool {
	form := r.PostForm
	if assertion := form.Get("client_assertion"); assertion != "" {
		parts := strings.Split(assertion, ".")
		if len(parts) != 3 || p.ClientKey == nil {
			return false
		}
		signature, err := base64.RawURLEncoding.DecodeString(parts[2])
		digest := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
		if err != nil || rsa.VerifyPKCS1v15(p.ClientKey, crypto.SHA256, digest[:], signature) != nil {
			return false
		}
		var claims struct {
			Iss, Sub, Aud, Jti string
			Exp                int64
		}
		b, _ := base64.RawURLEncoding.DecodeString(parts[1])
		if json.Unmarshal(b, &claims) != nil || p.seen[claims.Jti] {
			return false
		}
		if p.seen == nil {
			p.seen = map[string]bool{}
		}
		p.seen[claims.Jti] = true
		return claims.Iss == p.ClientID && claims.Sub == p.ClientID && claims.Aud == issuer+"/oauth2/token" &&
			time.Now().Unix() < claims.Exp
	}
	id, secret, basic := r.BasicAuth()
	if !basic {
		id, secret = form.Get("client_id"), form.Get("client_secret")
	}
	decoded, _ := url.QueryUnescape(secret)
	return id == p.ClientID && (secret == p.ClientSecret || basic && decoded == p.ClientSecret)
}

// OVHcloud is the part of OVHcloud's API and of its OAuth 2.0 server that jeton
// uses, after the documentation.
type OVHcloud struct {
	ClientID, ClientSecret string
	// Allowed says whether IAM lets the service account list projects.
	Allowed bool
	// CallbackPort is that of the client's callback URL at localhost.
	CallbackPort string

	mu    sync.Mutex
	token string
	keys  map[string]string // S3 credentials of user 7, by access
	codes map[string]*visit // of persons, by code and refresh token
}

func (o *OVHcloud) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	o.mu.Lock()
	defer o.mu.Unlock()
	w.Header().Set("X-Ovh-QueryID", "EU.ext-3.0123")
	if r.URL.Path == "/auth/oauth2/authorize" {
		o.authorize(w, r)
		return
	}
	if r.URL.Path == "/auth/oauth2/token" {
		if r.ParseForm() != nil || r.PostForm.Get("client_id") != o.ClientID ||
			r.PostForm.Get("client_secret") != o.ClientSecret {
			reply(w, 400, map[string]any{"error": "invalid_client",
				"error_description": "Client authentication failed"})
			return
		}
		answer := map[string]any{"token_type": "Bearer", "expires_in": 3599, "scope": "all"}
		if r.PostForm.Get("grant_type") != "client_credentials" {
			refresh, ok := o.personGrant(r.PostForm)
			if !ok {
				reply(w, 400, map[string]any{"error": "invalid_grant"})
				return
			}
			answer["refresh_token"] = refresh
		} else if r.PostForm.Get("scope") != "all" {
			reply(w, 400, map[string]any{"error": "invalid_request"})
			return
		}
		o.token = "eyJ" + random()
		answer["access_token"] = o.token
		reply(w, 200, answer)
		return
	}
	if o.token == "" || r.Header.Get("Authorization") != "Bearer "+o.token {
		reply(w, 401, map[string]any{"class": "Client::Unauthorized", "message": "You must login first"})
		return
	}
	if id, ok := strings.CutPrefix(r.URL.Path, "/1.0/cloud/project/p1/user/7/s3Credentials"); ok {
		if !o.Allowed {
			reply(w, 403, map[string]any{"class": "Client::Forbidden", "message": "User not granted for this request",
				"details": map[string]any{"unauthorizedActionsByAuthentication": "",
					"unauthorizedActionsByIAM": "publicCloudProject:apiovh:user/s3Credentials/get"}})
			return
		}
		o.s3(w, r, strings.Trim(id, "/"))
		return
	}
	switch r.URL.Path {
	case "/1.0/cloud/project/p1/kube/k1/kubeconfig":
		reply(w, 200, map[string]string{"content": kubeconfig(365 * 24 * time.Hour)})
	case "/1.0/auth/details":
		reply(w, 200, map[string]any{"account": "xx1111-ovh", "method": "oauth2",
			"identities": []string{"urn:v1:eu:identity:credential:xx1111-ovh/oauth2-" + o.ClientID},
			"roles":      []string{}})
	case "/v2/iam/policy":
		policy := func(name, identity string) map[string]any {
			return map[string]any{"name": name, "id": random(), "identities": []string{identity},
				"resources": []any{map[string]any{"urn": "urn:v1:eu:resource:publicCloudProject:p1"}},
				"permissions": map[string]any{
					"allow": []any{map[string]any{"action": "publicCloudProject:apiovh:get"}}}}
		}
		reply(w, 200, []any{policy("mine", "urn:v1:eu:identity:credential:xx1111-ovh/oauth2-"+o.ClientID),
			policy("of-another", "urn:v1:eu:identity:credential:xx1111-ovh/oauth2-EU.other")})
	case "/1.0/cloud/project":
		if !o.Allowed {
			reply(w, 403, map[string]any{"class": "Client::Forbidden::NotEnoughPrivileges",
				"message": "User not granted for this request",
				"details": map[string]any{"unauthorizedActionsByIAM": "publicCloudProject:apiovh:get"}})
			return
		}
		reply(w, 200, []string{"0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f"})
	default:
		reply(w, 404, map[string]any{"class": "Client::NotFound", "message": "Got an invalid (or empty) URL"})
	}
}

// Kill makes the API forget its token, as after a change of password.
func (o *OVHcloud) Kill() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.token = ""
}

func (o *OVHcloud) s3(w http.ResponseWriter, r *http.Request, id string) {
	access, secret := strings.CutSuffix(id, "/secret")
	_, known := o.keys[access]
	switch {
	case id == "" && r.Method == http.MethodGet:
		list := []map[string]string{}
		for access := range o.keys {
			list = append(list, map[string]string{"access": access, "tenantId": "p1", "userId": "7"})
		}
		reply(w, 200, list)
	case id == "" && r.Method == http.MethodPost:
		if o.keys == nil {
			o.keys = map[string]string{}
		}
		access, secret := random(), random()
		o.keys[access] = secret
		reply(w, 200, map[string]string{"access": access, "secret": secret, "tenantId": "p1", "userId": "7"})
	case !known:
		reply(w, 404, map[string]any{"class": "Client::NotFound", "message": "S3 credentials not found"})
	case secret && r.Method == http.MethodPost:
		reply(w, 200, map[string]string{"secret": o.keys[access]})
	case r.Method == http.MethodDelete:
		delete(o.keys, access)
		w.WriteHeader(200)
	default:
		reply(w, 405, map[string]any{"message": "no"})
	}
}

// kubeconfig is one with a client certificate of that life.
func kubeconfig(life time.Duration) string {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), NotAfter: time.Now().Add(life)}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		panic(err)
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		panic(err)
	}
	encode := func(kind string, der []byte) string {
		return base64.StdEncoding.EncodeToString(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	return "apiVersion: v1\nkind: Config\ncurrent-context: kubernetes-admin@web\ncontexts:\n- name: " +
		"kubernetes-admin@web\n  context: {cluster: web, user: kubernetes-admin-web}\n" +
		"clusters: [{name: web, cluster: {server: https://127.0.0.1}}]\nusers:\n- name: other\n  user: {}\n- name: " +
		"kubernetes-admin-web\n  user:\n    client-certificate-data: " +
		encode("CERTIFICATE", cert) + "\n    client-key-data: " + encode("EC PRIVATE KEY", der) + "\n"
}

// GitHub is the runner of a job of GitHub Actions, which gives the job its ID
// token.
func GitHub(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Authorization") != "Bearer CANARY-github" || r.URL.Query().Get("api-version") == "" {
		w.WriteHeader(401)
		return
	}
	claims, _ := json.Marshal(map[string]any{"sub": "repo:octo/web for " + r.URL.Query().Get("audience"),
		"exp": time.Now().Add(5 * time.Minute).Unix()})
	reply(w, 200, map[string]any{"value": "e30." + base64.RawURLEncoding.EncodeToString(claims) + ".x"})
}
