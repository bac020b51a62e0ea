package plugin

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"net/url"
	"os"
	"runtime"
	"sync"
	"time"
)

// Clients are the HTTP clients of one run. Profiles that go the same way share one,
// and with it the connections.
type Clients struct {
	mu    sync.Mutex
	byWay map[Common]*http.Client
}

// of returns the client of a profile with these options.
func (c *Clients) of(common Common, log func(string, ...any)) *http.Client {
	way := Common{
		CAFile: common.CAFile, CertFile: common.CertFile, KeyFile: common.KeyFile,
		Proxy: common.Proxy, Timeout: common.Timeout, PlainHTTP: common.PlainHTTP,
	}
	if c == nil {
		return newHTTPClient(&way, log)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.byWay == nil {
		c.byWay = map[Common]*http.Client{}
	}
	if c.byWay[way] == nil {
		c.byWay[way] = newHTTPClient(&way, log)
	}
	return c.byWay[way]
}

// Connect tells client that a request to address comes soon, while another server
// is asked first: the connection is there by then. Failures show when it is used.
func Connect(client *http.Client, address string) {
	t, ok := client.Transport.(*transport)
	u, err := url.Parse(address)
	if !ok || err != nil || u.Scheme != "https" {
		return
	}
	t.once.Do(t.open)
	if t.err != nil {
		return
	}
	if proxy, err := t.base.Proxy(&http.Request{URL: u}); proxy != nil || err != nil {
		return
	}
	port := u.Port()
	if port == "" {
		port = "443"
	}
	t.early.begin(net.JoinHostPort(u.Hostname(), port), t.dial)
}

// early are the connections that were begun before there was a request for them.
type early struct {
	mu    sync.Mutex
	begun map[string]chan dialled
}

type dialled struct {
	conn net.Conn // nil if it failed
	at   time.Time
}

// stale is the age at which a server may have given up on a connection that was
// begun early.
const stale = 3 * time.Second

func (e *early) begin(addr string, dial func(context.Context, string) (net.Conn, error)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.begun == nil {
		e.begun = map[string]chan dialled{}
	}
	if e.begun[addr] != nil {
		return
	}
	done := make(chan dialled, 1)
	e.begun[addr] = done
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), 2*dialLimit)
		defer cancel()
		conn, err := dial(ctx, addr)
		if err != nil {
			conn = nil // whoever takes it tries for itself
		}
		done <- dialled{conn, time.Now()}
	}()
}

// take returns the connection to addr that was begun, or nil if there is none that
// will do.
func (e *early) take(ctx context.Context, addr string) net.Conn {
	e.mu.Lock()
	done := e.begun[addr]
	delete(e.begun, addr)
	e.mu.Unlock()
	if done == nil {
		return nil
	}
	select {
	case d := <-done:
		if d.conn != nil && time.Since(d.at) >= stale {
			d.conn.Close()
			return nil
		}
		return d.conn
	case <-ctx.Done():
		go func() {
			if d := <-done; d.conn != nil {
				d.conn.Close()
			}
		}()
		return nil
	}
}

// dialTLS returns a connection for one request, or several.
func (t *transport) dialTLS(ctx context.Context, _, addr string) (net.Conn, error) {
	if conn := t.early.take(ctx, addr); conn != nil {
		return conn, nil
	}
	return t.dial(ctx, addr)
}

func (t *transport) dial(ctx context.Context, addr string) (net.Conn, error) {
	config := t.tls.Clone()
	if config.RootCAs == nil {
		go t.roots() // while the name is resolved
	}
	conn, err := (&net.Dialer{Timeout: dialLimit}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	config.NextProtos = []string{"http/1.1"}
	config.ServerName, _, _ = net.SplitHostPort(addr)
	if config.RootCAs == nil {
		config.RootCAs = t.roots()
	}
	ctx, cancel := context.WithTimeout(ctx, dialLimit)
	defer cancel()
	secure := tls.Client(conn, config)
	if err := secure.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, err
	}
	return secure, nil
}

// bundles are where distributions keep the certificates of all authorities in one
// file. (crypto/x509 reads that and then a hundred files with the same again, which
// takes it longer than all else that a login takes.)
var bundles = []string{
	"/etc/ssl/certs/ca-certificates.crt",                // Debian, Ubuntu, Arch
	"/etc/pki/tls/certs/ca-bundle.crt",                  // Fedora
	"/etc/ssl/ca-bundle.pem",                            // openSUSE
	"/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", // Red Hat
	"/etc/ssl/cert.pem",                                 // Alpine
}

// systemRoots returns the system's authorities, or nil for what crypto/x509 finds,
// which goes by SSL_CERT_FILE and SSL_CERT_DIR, and on macOS and Windows by what the
// system itself trusts.
func systemRoots() *x509.CertPool {
	if runtime.GOOS != "linux" || os.Getenv("SSL_CERT_FILE") != "" || os.Getenv("SSL_CERT_DIR") != "" {
		return nil
	}
	for _, path := range bundles {
		if b, err := os.ReadFile(path); err == nil {
			if pool := x509.NewCertPool(); pool.AppendCertsFromPEM(b) {
				return pool
			}
		}
	}
	return nil
}

const dialLimit = 5 * time.Second
