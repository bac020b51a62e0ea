package embedded

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"sync"
)

// A Front stands before a server, which may be a real one: it counts the
// requests, and can answer in the server's stead.
type Front struct {
	Next http.Handler
	// Record keeps the requests whole.
	Record bool

	mu    sync.Mutex
	log   []string
	all   []Request
	fault func(w http.ResponseWriter, r *http.Request) bool
}

// SetFault makes f ask fault first, which reports whether it has answered. A
// nil fault ends that.
func (f *Front) SetFault(fault func(w http.ResponseWriter, r *http.Request) bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fault = fault
}

// Requests returns how many requests there were since the last Forget whose
// method and path begin with prefix, such as "POST /v3/auth/tokens".
func (f *Front) Requests(prefix string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for _, line := range f.log {
		if strings.HasPrefix(line, prefix) {
			n++
		}
	}
	return n
}

// A Request is one that was made.
type Request struct {
	Method, Path string
	Header       http.Header
	Body         string
}

// Recorded returns the requests since the last Forget.
func (f *Front) Recorded() []Request {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.all
}

// Forget begins the count anew.
func (f *Front) Forget() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.log, f.all = nil, nil
}

// ServeHTTP passes the request on unless the fault answers it.
func (f *Front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	f.log = append(f.log, r.Method+" "+r.URL.RequestURI())
	if f.Record {
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		f.all = append(f.all, Request{r.Method, r.URL.Path, r.Header.Clone(), string(body)})
	}
	fault := f.fault
	f.mu.Unlock()
	if fault == nil || !fault(w, r) {
		f.Next.ServeHTTP(w, r)
	}
}
