package plugin

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// A Probe is what a server shows of itself without any login.
type Probe struct {
	Host string
	Err  error // why it could not be reached
	// Ahead is by how much this machine's clock is ahead of the server's, in whole
	// seconds.
	Ahead time.Duration
	Ends  time.Time // when its certificate does, if it has one
	// Status is that of its answer, which need not be a good one.
	Status int
}

// Addresses returns the servers that p's options name: what jeton, or a caller of it,
// asks.
func (p *Profile) Addresses() (urls []string) {
	for _, f := range fields(p.Options) {
		s, ok := f.value.Interface().(string)
		if ok && (strings.HasPrefix(s, "https://") || strings.HasPrefix(s, "http://")) {
			urls = append(urls, s)
		}
	}
	return urls
}

// Probe asks the server at address for its time, as a request of p's would go there.
func (p *Profile) Probe(ctx context.Context, clients *Clients, address string, log func(string, ...any)) Probe {
	u, err := url.Parse(address)
	if err != nil {
		return Probe{Err: Errorf(Config, "is not a URL")}
	}
	probe := Probe{Host: u.Host}
	r, err := http.NewRequestWithContext(SendOnce(ctx), http.MethodGet, address, nil)
	if err != nil {
		probe.Err = Errorf(Config, "is not a URL")
		return probe
	}
	before := time.Now()
	resp, _, err := Exchange(clients.of(p.Common, log), r)
	if err != nil {
		probe.Err = err
		return probe
	}
	probe.Status = resp.StatusCode
	// The Date is in whole seconds, and of any moment in between; of an answer that was
	// kept on the way it says nothing.
	if theirs, err := http.ParseTime(resp.Header.Get("Date")); err == nil && resp.Header.Get("Age") == "" {
		switch after := time.Now(); {
		case before.After(theirs.Add(time.Second)):
			probe.Ahead = before.Sub(theirs.Add(time.Second)).Round(time.Second)
		case after.Before(theirs):
			probe.Ahead = -theirs.Sub(after).Round(time.Second)
		}
	}
	if resp.TLS != nil && len(resp.TLS.PeerCertificates) > 0 {
		probe.Ends = resp.TLS.PeerCertificates[0].NotAfter
	}
	return probe
}
