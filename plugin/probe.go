package plugin

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// A Probe is what a server shows about itself without a login.
type Probe struct {
	Host string
	Err  error // why it could not be reached
	// Ahead is how far this machine's clock is ahead of the server's, in whole seconds.
	Ahead time.Duration
	Ends  time.Time // when the server's certificate expires, if it has one
	// Status is the HTTP status of the answer, which may be an error.
	Status int
}

// Addresses returns the servers that p's options name. jeton, or a caller of it, sends
// requests to them.
func (p *Profile) Addresses() (urls []string) {
	for _, f := range fields(p.Options) {
		s, ok := f.value.Interface().(string)
		if !ok || f.skipKey { // where a browser comes back to is no server
			continue
		}
		if strings.HasPrefix(s, "https://") || strings.HasPrefix(s, "http://") {
			urls = append(urls, s)
		}
	}
	return urls
}

// Probe asks the server at address for its time. The request goes the same way as those
// of p.
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
	probe.Ahead = ReadClock(before, resp.Header).Ahead
	if resp.TLS != nil && len(resp.TLS.PeerCertificates) > 0 {
		probe.Ends = resp.TLS.PeerCertificates[0].NotAfter
	}
	return probe
}
