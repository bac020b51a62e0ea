package embedded

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// Outscale is the part of Outscale's API that deals with access keys, for one
// account and its EIM users, with the rules that are documented: signatures,
// the lock after four failed logins, ten keys a user, EIM keys that must be
// inactive to be deleted, updates that lose an expiry, and dates of a form of
// their own. It also makes the kubeconfigs of OKS.
type Outscale struct {
	Region              string
	AccessKey, Secret   string // the account's own
	Login, Password     string
	Users               []string // of EIM
	MaxLife             time.Duration
	NoTags              bool // a region that does not know them
	RequireCertificate  bool // the account's API access rules
	OneTimePassword     string
	WithheldPermissions bool // the caller may neither read the policy nor make keys

	mu       sync.Mutex
	keys     map[string][]*outscaleKey // by user, "" for the account
	failures int
	locked   time.Time
	peak     int
	created  int
}

type outscaleKey struct {
	id, secret, state, tag string
	created, expires       time.Time
}

// Keys returns the ids of the user's keys.
func (o *Outscale) Keys(user string) (ids []string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, k := range o.keys[user] {
		ids = append(ids, k.id)
	}
	return ids
}

// Peak returns how many keys a user had at most at once, and Created how many
// were made.
func (o *Outscale) Peak() int    { o.mu.Lock(); defer o.mu.Unlock(); return o.peak }
func (o *Outscale) Created() int { o.mu.Lock(); defer o.mu.Unlock(); return o.created }

// Plant adds a key that somebody else has made, and returns its id.
func (o *Outscale) Plant(user string, expires time.Time) string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.add(user, "", expires).id
}

// Everlasting returns the ids of the user's keys that do not expire.
func (o *Outscale) Everlasting(user string) (ids []string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, k := range o.keys[user] {
		if k.expires.IsZero() {
			ids = append(ids, k.id)
		}
	}
	return ids
}

func (o *Outscale) add(user, tag string, expires time.Time) *outscaleKey {
	if o.keys == nil {
		o.keys = map[string][]*outscaleKey{}
	}
	b := make([]byte, 40)
	rand.Read(b)
	text := base32.StdEncoding.EncodeToString(b)
	k := &outscaleKey{id: text[:20], secret: text[20:60], state: "ACTIVE", tag: tag, created: time.Now(),
		expires: expires}
	o.keys[user] = append(o.keys[user], k)
	o.peak = max(o.peak, len(o.keys[user]))
	return k
}

func (o *Outscale) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case strings.HasPrefix(r.URL.Path, "/api/v2/"):
		o.kubernetes(w, r)
		return
	case strings.HasPrefix(r.Header.Get("Authorization"), "AWS4-"):
		o.objects(w, r)
		return
	}
	body, err := io.ReadAll(r.Body)
	call, ok := strings.CutPrefix(r.URL.Path, "/api/v1/")
	if err != nil || !ok || r.Method != http.MethodPost {
		http.NotFound(w, r)
		return
	}
	if status, code, details := o.authenticate(r, body); status != 0 {
		o.refuse(w, status, "AccessDenied", code, details)
		return
	}
	if o.WithheldPermissions && call != "ReadAccessKeys" {
		o.refuse(w, 403, "AccessDenied", "4", "You are not authorized to perform this action.")
		return
	}
	var q struct {
		AccessKeyID, UserName, State, ExpirationDate, Tag string
		DryRun                                            bool
		Filters                                           map[string][]string
	}
	var given map[string]any
	if json.Unmarshal(body, &q) != nil || json.Unmarshal(body, &given) != nil {
		o.refuse(w, 400, "InvalidParameter", "3001", "The request is not JSON.")
		return
	}
	if o.NoTags && q.Tag != "" {
		o.refuse(w, 400, "InvalidParameter", "3001", "The parameter Tag is unknown.")
		return
	}
	if q.UserName != "" && !slices.Contains(o.Users, q.UserName) {
		o.refuse(w, 400, "InvalidResource", "5075", "The user does not exist.")
		return
	}
	var expires time.Time
	if q.ExpirationDate != "" {
		for _, layout := range []string{"2006-01-02T15:04:05.000Z07:00", "2006-01-02T15:04:05.000-0700", "2006-01-02"} {
			if expires, err = time.Parse(layout, q.ExpirationDate); err == nil {
				break
			}
		}
		if err != nil || !expires.After(time.Now()) {
			o.refuse(w, 400, "InvalidParameterValue", "4123", "The ExpirationDate is not a date in the future.")
			return
		}
	}
	if o.MaxLife > 0 && (call == "CreateAccessKey" || call == "UpdateAccessKey") &&
		(expires.IsZero() || time.Until(expires) > o.MaxLife) {
		o.refuse(w, 400, "InvalidParameterValue", "4124",
			"The ExpirationDate is later than the API access policy allows.")
		return
	}
	i := slices.IndexFunc(o.keys[q.UserName], func(k *outscaleKey) bool { return k.id == q.AccessKeyID })
	if i < 0 && (call == "UpdateAccessKey" || call == "DeleteAccessKey") {
		o.refuse(w, 400, "InvalidResource", "5076", "The AccessKeyId doesn't exist.")
		return
	}
	switch call {
	case "ReadApiAccessPolicy":
		reply(w, 200, map[string]any{"ApiAccessPolicy": map[string]any{
			"MaxAccessKeyExpirationSeconds": int(o.MaxLife.Seconds()), "RequireTrustedEnv": false}})
	case "ReadAccessKeys":
		list := []map[string]any{}
		for _, k := range o.keys[q.UserName] {
			list = append(list, o.describe(k))
		}
		reply(w, 200, map[string]any{"AccessKeys": list, "ResponseContext": map[string]any{"RequestId": random()}})
	case "CreateAccessKey":
		if len(o.keys[q.UserName]) >= 10 {
			o.refuse(w, 400, "TooManyResources (QuotaExceeded)", "10001", "The quota of access keys is exceeded.")
			return
		}
		if q.DryRun {
			reply(w, 200, map[string]any{"ResponseContext": map[string]any{"RequestId": random()}})
			return
		}
		k := o.add(q.UserName, q.Tag, expires)
		o.created++
		doc := o.describe(k)
		doc["SecretKey"] = k.secret
		reply(w, 200, map[string]any{"AccessKey": doc, "ResponseContext": map[string]any{"RequestId": random()}})
	case "UpdateAccessKey":
		if q.State == "" {
			o.refuse(w, 400, "MissingParameter", "7000", "State is missing.")
			return
		}
		k := o.keys[q.UserName][i]
		k.state, k.expires = q.State, expires // without a date it has none from now on
		reply(w, 200, map[string]any{"AccessKey": o.describe(k)})
	case "DeleteAccessKey":
		if q.UserName != "" && o.keys[q.UserName][i].state != "INACTIVE" {
			o.refuse(w, 409, "ResourceConflict", "9029", "The access key is active.")
			return
		}
		o.keys[q.UserName] = slices.Delete(o.keys[q.UserName], i, i+1)
		reply(w, 200, map[string]any{"ResponseContext": map[string]any{"RequestId": random()}})
	default:
		o.refuse(w, 404, "InvalidAction", "12000", "There is no such call.")
	}
}

func (o *Outscale) refuse(w http.ResponseWriter, status int, kind, code, details string) {
	reply(w, status, map[string]any{"Errors": []any{map[string]string{"Type": kind, "Code": code, "Details": details}},
		"ResponseContext": map[string]any{"RequestId": random()}})
}

func (o *Outscale) describe(k *outscaleKey) map[string]any {
	const layout = "2006-01-02T15:04:05.000-0700"
	doc := map[string]any{"AccessKeyId": k.id, "State": k.state, "CreationDate": k.created.UTC().Format(layout),
		"LastModificationDate": k.created.UTC().Format(layout)}
	if !k.expires.IsZero() {
		doc["ExpirationDate"] = k.expires.UTC().Format(layout)
	}
	if k.tag != "" {
		doc["Tag"] = k.tag
	}
	return doc
}

// authenticate returns the status, code and details of a refusal, or zeros.
func (o *Outscale) authenticate(r *http.Request, body []byte) (status int, code, details string) {
	if time.Now().Before(o.locked) {
		return 401, "1", "The account is locked for a while."
	}
	if o.RequireCertificate && (r.TLS == nil || len(r.TLS.PeerCertificates) == 0) {
		return 401, "14", "The API access rules ask for a certificate."
	}
	ok := false
	if login, password, basic := r.BasicAuth(); basic {
		ok = o.Password != "" && login == o.Login && password == o.Password
	} else {
		ok = o.signed(r, body)
	}
	if ok {
		o.failures = 0
		return 0, "", ""
	}
	if o.failures++; o.failures%4 == 0 {
		o.locked = time.Now().Add(time.Duration(o.failures/4) * time.Minute)
	}
	return 401, "1", "The user needs to be authenticated."
}

// signed reports whether a request to the API is signed rightly.
func (o *Outscale) signed(r *http.Request, body []byte) bool {
	sum := sha256.Sum256(body)
	return o.verified(r, "OSC4", "X-Osc-Date", "api", hex.EncodeToString(sum[:]))
}

// verified reports whether the signature is right, by the description of it and
// not by jeton's own code.
func (o *Outscale) verified(r *http.Request, prefix, dateHeader, service, payload string) bool {
	fields := map[string]string{}
	rest, ok := strings.CutPrefix(r.Header.Get("Authorization"), prefix+"-HMAC-SHA256 ")
	for _, part := range strings.Split(rest, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		fields[name] = value
	}
	scope := strings.Split(fields["Credential"], "/")
	date, err := time.Parse("20060102T150405Z", r.Header.Get(dateHeader))
	if !ok || err != nil || time.Since(date).Abs() > 5*time.Minute || len(scope) != 5 ||
		scope[1] != date.Format("20060102") || scope[2] != o.Region || scope[3] != service ||
		scope[4] != strings.ToLower(prefix)+"_request" {
		return false
	}
	sent, err := url.ParseRequestURI(r.RequestURI) // whoever has cut the path since
	if err != nil {
		return false
	}
	secret := o.secret(scope[0])
	query := strings.ReplaceAll(sent.Query().Encode(), "+", "%20")
	canonical := r.Method + "\n" + sent.EscapedPath() + "\n" + query + "\n"
	for _, name := range strings.Split(fields["SignedHeaders"], ";") {
		value := r.Header.Get(name)
		if name == "host" {
			value = r.Host
		}
		canonical += name + ":" + strings.TrimSpace(value) + "\n"
	}
	canonical += "\n" + fields["SignedHeaders"] + "\n" + payload
	sum := sha256.Sum256([]byte(canonical))
	text := prefix + "-HMAC-SHA256\n" + r.Header.Get(dateHeader) + "\n" + strings.Join(scope[1:], "/") + "\n" +
		hex.EncodeToString(sum[:])
	key := []byte(prefix + secret)
	for _, part := range append(slices.Clone(scope[1:]), text) {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(part))
		key = mac.Sum(nil)
	}
	return secret != "" && hex.EncodeToString(key) == fields["Signature"]
}

// objects is OOS, as far as a list of no buckets goes: it takes every key that is
// active, and no other.
func (o *Outscale) objects(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/xml")
	if !o.verified(r, "AWS4", "X-Amz-Date", "s3", r.Header.Get("X-Amz-Content-Sha256")) {
		w.WriteHeader(http.StatusForbidden)
		io.WriteString(w, "<Error><Code>InvalidAccessKeyId</Code><Message>no</Message></Error>")
		return
	}
	io.WriteString(w, `<ListAllMyBucketsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Owner><ID>o</ID></Owner><Buckets></Buckets></ListAllMyBucketsResult>`)
}

// secret returns the secret of a key that works now, or "".
func (o *Outscale) secret(id string) string {
	if id == o.AccessKey {
		return o.Secret
	}
	for _, keys := range slices.Collect(maps.Values(o.keys)) {
		for _, k := range keys {
			// A request that was signed in the last second of a key takes a moment to arrive.
			alive := k.expires.IsZero() || time.Now().Before(k.expires.Add(2*time.Second))
			if k.id == id && k.state == "ACTIVE" && alive {
				return k.secret
			}
		}
	}
	return ""
}

// kubernetes is OKS, which takes the key itself.
func (o *Outscale) kubernetes(w http.ResponseWriter, r *http.Request) {
	fail := func(status int, doc map[string]any) { reply(w, status, map[string]any{"Errors": []any{doc}}) }
	login, password, _ := r.BasicAuth()
	secret := o.secret(r.Header.Get("AccessKey"))
	if (secret == "" || secret != r.Header.Get("SecretKey")) && (login != o.Login || password != o.Password) {
		fail(401, map[string]any{"Type": "AuthFailure", "Code": "401", "Details": "Invalid AccessKey or SecretKey."})
		return
	}
	if o.OneTimePassword != "" && r.Header.Get("X-OTP-Code") != o.OneTimePassword {
		reply(w, 401, map[string]any{"otp_required": true})
		return
	}
	life, err := time.ParseDuration(r.URL.Query().Get("ttl"))
	if r.URL.Path != "/api/v2/clusters/k1/kubeconfig" || err != nil {
		fail(404, map[string]any{"Type": "NotFound", "Code": "404", "Details": "The cluster does not exist."})
		return
	}
	reply(w, 200, map[string]any{"Cluster": map[string]any{"data": map[string]any{"kubeconfig": kubeconfig(life)}}})
}
