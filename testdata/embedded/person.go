package embedded

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// PersonClient is the public client of a [Provider], with which persons log in. Whoever
// comes with a browser is logged in as the one user at once, as by a browser that the
// provider knows; with deny=1 in the address, the user says no.
const PersonClient = "desk"

// A visit is an authorization of a person: of a code, a device code or a refresh token.
type visit struct {
	scope, redirect, challenge, nonce string
	family                            string // of refresh tokens
	used                              bool
	allowed, refused                  bool // of a device code: what the person says
	asked                             time.Time
}

// Sessions returns how many families of refresh tokens are alive.
func (p *Provider) Sessions() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	alive := 0
	for _, ended := range p.families {
		if !ended {
			alive++
		}
	}
	return alive
}

// EndSessions ends all sessions, as an administrator would.
func (p *Provider) EndSessions() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for family := range p.families {
		p.families[family] = true
	}
}

// person answers what a person's browser or login asks, and reports whether it has. The
// caller holds the lock.
func (p *Provider) person(w http.ResponseWriter, r *http.Request, issuer string) bool {
	if p.visits == nil {
		p.visits, p.families = map[string]*visit{}, map[string]bool{}
	}
	switch r.URL.Path {
	case "/oauth2/authorize":
		p.authorize(w, r, issuer)
	case "/oauth2/device":
		code, user := "CANARY-device-"+random(), strings.ToUpper(random()[:8])
		p.visits[code] = &visit{scope: r.PostFormValue("scope"), challenge: r.PostFormValue("code_challenge")}
		p.visits["user "+user] = p.visits[code]
		reply(w, 200, map[string]any{"device_code": code, "user_code": user, "interval": 1, "expires_in": 60,
			"verification_uri":          issuer + "/oauth2/activate",
			"verification_uri_complete": issuer + "/oauth2/activate?user_code=" + user})
	case "/oauth2/activate":
		v := p.visits["user "+r.URL.Query().Get("user_code")]
		if v == nil {
			http.NotFound(w, r)
			break
		}
		v.refused = r.URL.Query().Has("deny")
		v.allowed = !v.refused
	case "/oauth2/revoke":
		if v := p.visits[r.PostFormValue("token")]; v != nil {
			p.families[v.family] = true
		}
	default:
		return false
	}
	return true
}

// authorize sends the browser back with a code.
func (p *Provider) authorize(w http.ResponseWriter, r *http.Request, issuer string) {
	q := r.URL.Query()
	back, err := url.Parse(q.Get("redirect_uri"))
	if err != nil || back.Hostname() != "127.0.0.1" && back.Hostname() != "localhost" ||
		q.Get("response_type") != "code" || q.Get("code_challenge_method") != "S256" || q.Get("state") == "" {
		http.Error(w, "no", http.StatusBadRequest)
		return
	}
	answer := url.Values{"state": {q.Get("state")}, "iss": {issuer}}
	if q.Has("deny") {
		answer.Set("error", "access_denied")
	} else {
		code := "CANARY-code-" + random()
		p.visits[code] = &visit{scope: q.Get("scope"), redirect: q.Get("redirect_uri"),
			challenge: q.Get("code_challenge"), nonce: q.Get("nonce")}
		answer.Set("code", code)
	}
	back.RawQuery = answer.Encode()
	http.Redirect(w, r, back.String(), http.StatusSeeOther)
}

// personGrant returns the authorization behind a person's grant, or the code of an error.
func (p *Provider) personGrant(form url.Values) (*visit, string) {
	sum := sha256.Sum256([]byte(form.Get("code_verifier")))
	proved := base64.RawURLEncoding.EncodeToString(sum[:])
	switch form.Get("grant_type") {
	case "authorization_code":
		v := p.visits[form.Get("code")]
		if v == nil || v.used || v.challenge != proved || v.redirect != form.Get("redirect_uri") {
			return nil, "invalid_grant"
		}
		v.used = true
		return v, ""
	case "refresh_token":
		v := p.visits[form.Get("refresh_token")]
		if v == nil || p.families[v.family] {
			return nil, "invalid_grant"
		}
		if v.used { // by a thief, or by a client that lost the race against itself
			p.families[v.family] = true
			return nil, "invalid_grant"
		}
		v.used = true
		return v, ""
	}
	v := p.visits[form.Get("device_code")]
	early := v != nil && time.Since(v.asked) < 900*time.Millisecond
	switch {
	case v == nil || v.used || v.challenge != "" && v.challenge != proved:
		return nil, "invalid_grant"
	case v.refused:
		return nil, "access_denied"
	case early:
		return nil, "slow_down"
	case !v.allowed:
		v.asked = time.Now()
		return nil, "authorization_pending"
	}
	v.used = true
	return v, ""
}

// refreshToken returns a new refresh token after v, or "" if none was asked for.
func (p *Provider) refreshToken(v *visit) string {
	if !strings.Contains(v.scope, "offline_access") {
		return ""
	}
	next := *v
	next.used = false
	if next.family == "" {
		next.family = random()
	}
	p.families[next.family] = false
	token := "CANARY-refresh-" + random()
	p.visits[token] = &next
	return token
}

// authorize sends a person's browser back with a code. OVHcloud goes only where the client
// has a callback URL, and does not name itself in the answer.
func (o *OVHcloud) authorize(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	back, err := url.Parse(q.Get("redirect_uri"))
	if err != nil || q.Get("client_id") != o.ClientID || back.Host != "localhost:"+o.CallbackPort ||
		q.Get("code_challenge_method") != "S256" {
		reply(w, 400, map[string]any{"error": "invalid_request"})
		return
	}
	if o.codes == nil {
		o.codes = map[string]*visit{}
	}
	code := "CANARY-ovh-code-" + random()
	o.codes[code] = &visit{redirect: q.Get("redirect_uri"), challenge: q.Get("code_challenge")}
	back.RawQuery = url.Values{"state": {q.Get("state")}, "code": {code}}.Encode()
	http.Redirect(w, r, back.String(), http.StatusFound)
}

// personGrant returns the refresh token for a person's grant, and whether it is valid.
func (o *OVHcloud) personGrant(form url.Values) (refresh string, ok bool) {
	v := o.codes[form.Get("code")]
	if form.Get("grant_type") == "refresh_token" {
		v = o.codes[form.Get("refresh_token")]
	} else if v != nil {
		sum := sha256.Sum256([]byte(form.Get("code_verifier")))
		if v.challenge != base64.RawURLEncoding.EncodeToString(sum[:]) || v.redirect != form.Get("redirect_uri") {
			return "", false
		}
	}
	if v == nil || v.used {
		return "", false
	}
	v.used = true
	refresh = "CANARY-ovh-refresh-" + random()
	o.codes[refresh] = &visit{}
	return refresh, true
}
