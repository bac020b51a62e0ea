package embedded

import (
	"fmt"
	"net/http"
	"strings"
)

// S3 lists one bucket to whoever uses an access key that the Keystone has. It
// does not verify signatures: it is for the demo, and the tests use Swift.
type S3 struct{ Keystone *Keystone }

// ServeHTTP answers `aws s3 ls`.
func (s S3) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, id, _ := strings.Cut(r.Header.Get("Authorization"), "Credential=")
	id, _, _ = strings.Cut(id, "/")
	w.Header().Set("Content-Type", "application/xml")
	if !s.Keystone.hasKey(id) {
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprint(w, `<Error><Code>InvalidAccessKeyId</Code><Message>no such key</Message></Error>`)
		return
	}
	fmt.Fprint(w, `<ListAllMyBucketsResult><Owner><ID>1</ID></Owner><Buckets><Bucket><Name>wonderland</Name>`+
		`<CreationDate>2026-11-22T08:00:00.000Z</CreationDate></Bucket></Buckets></ListAllMyBucketsResult>`)
}

func (k *Keystone) hasKey(id string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, c := range k.keys {
		if c.Access == id {
			return true
		}
	}
	return false
}
