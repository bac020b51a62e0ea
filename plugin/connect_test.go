package plugin

import (
	"context"
	"encoding/pem"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A connection that was opened early never makes a request fail. If it could not be
// opened, or has grown old, the request opens its own. It is opened while another server
// is asked; -race checks that this is safe.
func TestConnect(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, r.Proto)
	}))
	server.EnableHTTP2 = true
	address := server.Listener.Addr().String()
	server.Listener.Close()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	get := func(client *http.Client, url string) string {
		t.Helper()
		resp, err := client.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}

	other := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer other.Close()
	pair := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: other.Certificate().Raw})
	if err := os.WriteFile(ca, pair, 0o600); err != nil {
		t.Fatal(err)
	}
	client := newHTTPClient(&Common{CAFile: Path(ca), Proxy: "none"}, t.Logf)
	Connect(client, "https://"+address) // nothing listens there yet
	get(client, other.URL)
	early := &client.Transport.(*transport).early
	early.mu.Lock()
	done := early.begun[address]
	early.mu.Unlock()
	failed := <-done
	done <- failed

	var err error
	if server.Listener, err = net.Listen("tcp", address); err != nil {
		t.Fatal(err)
	}
	server.StartTLS()
	defer server.Close()
	if failed.conn != nil {
		t.Error("connected although nothing listened")
	}
	if proto := get(client, server.URL); proto != "HTTP/1.1" {
		t.Error(proto)
	}

	Connect(client, server.URL)
	var wg sync.WaitGroup
	for _, url := range []string{other.URL, server.URL} {
		wg.Go(func() { get(client, url) })
	}
	wg.Wait()
}

// closing records whether it was closed.
type closing struct {
	net.Conn
	closed bool
}

func (c *closing) Close() error { c.closed = true; return nil }

// Servers drop connections that carry no request.
func TestConnectStale(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for age, stale := range map[time.Duration]bool{0: false, 2 * time.Second: false, 5 * time.Second: true} {
			var e early
			conn := &closing{}
			e.begin("a:443", func(context.Context, string) (net.Conn, error) { return conn, nil })
			time.Sleep(age)
			synctest.Wait()
			if got := e.take(t.Context(), "a:443"); (got == nil) != stale || conn.closed != stale {
				t.Errorf("%s: %v, closed: %v", age, got, conn.closed)
			}
			if e.take(t.Context(), "a:443") != nil {
				t.Error("a connection is taken twice")
			}
		}
		var e early
		conn := &closing{}
		e.begin("a:443", func(context.Context, string) (net.Conn, error) { time.Sleep(time.Second); return conn, nil })
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if got := e.take(ctx, "a:443"); got != nil {
			t.Error(got)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if !conn.closed {
			t.Error("an unused connection stays open")
		}
	})
}
