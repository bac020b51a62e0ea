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

// A Signature says how requests are signed with an access key: with AWS's Signature
// Version 4, or a variant that differs only in names.
//
// https://docs.aws.amazon.com/IAM/latest/UserGuide/create-signed-request.html
type Signature struct {
	Prefix  string // begins the key and the algorithm: "AWS4"
	Vendor  string // part of the date header's name, X-Amz-Date: "Amz"
	Region  string
	Service string
}

// Sign signs r, whose body is body, at the time now. The signature covers the request's
// Content-Type and Host.
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

// canonicalQuery is like url.Values.Encode, but writes a space as %20.
func canonicalQuery(query url.Values) string { return strings.ReplaceAll(query.Encode(), "+", "%20") }
