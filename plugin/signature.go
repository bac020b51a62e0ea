package plugin

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// A Signature is how requests are signed with an access key: AWS's Signature
// Version 4, or one that differs from it in names.
//
// https://docs.aws.amazon.com/IAM/latest/UserGuide/create-signed-request.html
type Signature struct {
	Prefix  string // of the key and the algorithm: "AWS4"
	Vendor  string // of the date's header, X-Amz-Date: "Amz"
	Region  string
	Service string
}

// Sign signs r, whose body is body, at the time now. The request's Content-Type
// and Host are signed.
func (s Signature) Sign(r *http.Request, body []byte, accessKey string, secretKey Secret, now time.Time) {
	date := now.UTC().Format("20060102T150405Z")
	dateHeader := "X-" + s.Vendor + "-Date"
	r.Header.Set(dateHeader, date)
	signed := []string{"host", strings.ToLower(dateHeader)}
	if r.Header.Get("Content-Type") != "" {
		signed = append(signed, "content-type")
	}
	slices.Sort(signed)
	var headers strings.Builder
	for _, name := range signed {
		value := r.Header.Get(name)
		if name == "host" {
			value = r.URL.Host
		}
		fmt.Fprintf(&headers, "%s:%s\n", name, strings.TrimSpace(value))
	}
	path := r.URL.EscapedPath()
	if path == "" {
		path = "/"
	}
	request := strings.Join([]string{r.Method, path, canonicalQuery(r.URL.Query()), headers.String(),
		strings.Join(signed, ";"), hexSum(body)}, "\n")
	last := strings.ToLower(s.Prefix) + "_request"
	scope := strings.Join([]string{date[:8], s.Region, s.Service, last}, "/")
	algorithm := s.Prefix + "-HMAC-SHA256"
	text := strings.Join([]string{algorithm, date, scope, hexSum([]byte(request))}, "\n")
	key := []byte(s.Prefix + secretKey.Reveal())
	for _, part := range []string{date[:8], s.Region, s.Service, last, text} {
		h := hmac.New(sha256.New, key)
		h.Write([]byte(part))
		key = h.Sum(nil)
	}
	r.Header.Set("Authorization", fmt.Sprintf("%s Credential=%s/%s, SignedHeaders=%s, Signature=%s",
		algorithm, accessKey, scope, strings.Join(signed, ";"), hex.EncodeToString(key)))
}

func hexSum(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// canonicalQuery is like url.Values.Encode, but for spaces.
func canonicalQuery(query url.Values) string { return strings.ReplaceAll(query.Encode(), "+", "%20") }
