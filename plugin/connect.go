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

// Clients are the HTTP clients of one run. Profiles with the same connection options,
// such as the proxy, share a client and so its connections.
type Clients struct {
	mu    sync.Mutex
	byWay map[Common]*http.Client
}

// of returns the client for profiles with these options.
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

// Connect opens a connection to address in the background. Call it when a request to
// another server comes first: the connection is ready when the request to address
// follows. A failure shows when the connection is used.
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

// early holds the connections that were opened before a request needed them.
type early struct {
	mu    sync.Mutex
	begun map[string]chan dialled
}

type dialled struct {
	conn net.Conn // nil if dialling failed
	at   time.Time
}

// stale is the age at which a server may have dropped a connection that was opened early.
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
		var conn net.Conn
		err := Catch(func() (err error) {
			conn, err = dial(ctx, addr)
			return err
		})
		if err != nil {
			conn = nil // the request dials again
		}
		done <- dialled{conn, time.Now()}
	}()
}

// take returns the early connection to addr, or nil if there is none that can be used.
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
		go Catch(func() error {
			if d := <-done; d.conn != nil {
				return d.conn.Close()
			}
			return nil
		})
		return nil
	}
}

// dialTLS returns a connection for one or more requests. It prefers one that was opened
// early. net/http calls it in a goroutine of its own.
func (t *transport) dialTLS(ctx context.Context, _, addr string) (conn net.Conn, err error) {
	err = Catch(func() (err error) {
		if conn = t.early.take(ctx, addr); conn == nil {
			conn, err = t.dial(ctx, addr)
		}
		return err
	})
	return conn, err
}

func (t *transport) dial(ctx context.Context, addr string) (net.Conn, error) {
	config := t.tls.Clone()
	if config.RootCAs == nil {
		go Catch(func() error { t.roots(); return nil }) // while the name is being resolved
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

// bundles are the files in which Linux distributions keep all certificate authorities.
// (crypto/x509 reads one of them, and then a hundred files with the same certificates.
// That takes longer than the rest of a login.)
var bundles = []string{
	"/etc/ssl/certs/ca-certificates.crt",                // Debian, Ubuntu, Arch
	"/etc/pki/tls/certs/ca-bundle.crt",                  // Fedora
	"/etc/ssl/ca-bundle.pem",                            // openSUSE
	"/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", // Red Hat
	"/etc/ssl/cert.pem",                                 // Alpine
}

// systemRoots returns the system's certificate authorities. It returns nil to leave the
// choice to crypto/x509, which follows SSL_CERT_FILE and SSL_CERT_DIR, and on macOS and
// Windows trusts what the system trusts.
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
