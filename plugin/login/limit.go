package login

import (
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"slices"
	"sync"
)

// silent returns a logger for net/http, which would print what strangers send.
func silent() *log.Logger { return log.New(io.Discard, "", 0) }

// A crowd holds the connections of a server that have not asked for anything yet. When
// there are too many, the oldest has to go: a program that connects and says nothing could
// otherwise keep the browser out.
type crowd struct {
	mu      sync.Mutex
	waiting []*guest // the oldest first
}

// of returns a listener whose connections belong to the crowd.
func (c *crowd) of(l net.Listener) net.Listener { return &crowded{l, c} }

type crowded struct {
	net.Listener
	crowd *crowd
}

func (l *crowded) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	g := &guest{Conn: conn, crowd: l.crowd}
	l.crowd.add(g)
	return g, nil
}

func (c *crowd) add(g *guest) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.waiting) >= maxConnections {
		c.waiting[0].Conn.Close()
		c.waiting = slices.Delete(c.waiting, 0, 1)
	}
	c.waiting = append(c.waiting, g)
}

func (c *crowd) remove(g *guest) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if i := slices.Index(c.waiting, g); i >= 0 {
		c.waiting = slices.Delete(c.waiting, i, i+1)
	}
}

// dismiss closes the connections that have not asked for anything. Browsers open such in
// advance, and [http.Server.Shutdown] would wait for them.
func (c *crowd) dismiss() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, g := range c.waiting {
		g.Conn.Close()
	}
	c.waiting = nil
}

// A guest is a connection of a crowd.
type guest struct {
	net.Conn
	crowd *crowd
}

func (g *guest) Close() error {
	g.crowd.remove(g)
	return g.Conn.Close()
}

type guestKey struct{}

// introduce lets the requests of a connection know it, as [http.Server.ConnContext] does.
func introduce(ctx context.Context, conn net.Conn) context.Context {
	return context.WithValue(ctx, guestKey{}, conn)
}

// asked takes the connection of a request that has arrived as a whole out of the crowd.
func asked(r *http.Request) {
	if g, ok := r.Context().Value(guestKey{}).(*guest); ok {
		g.crowd.remove(g)
	}
}
