package login

import (
	"io"
	"log"
	"net"
	"sync"
)

// silent returns a logger for net/http, which would print what strangers send.
func silent() *log.Logger { return log.New(io.Discard, "", 0) }

// limit returns a listener that has at most n connections at once. Others wait in the
// kernel.
func limit(l net.Listener, n int) net.Listener {
	return &limited{Listener: l, free: make(chan struct{}, n)}
}

type limited struct {
	net.Listener
	free chan struct{}
}

func (l *limited) Accept() (net.Conn, error) {
	l.free <- struct{}{}
	conn, err := l.Listener.Accept()
	if err != nil {
		<-l.free
		return nil, err
	}
	return &counted{Conn: conn, done: sync.OnceFunc(func() { <-l.free })}, nil
}

type counted struct {
	net.Conn
	done func()
}

func (c *counted) Close() error {
	defer c.done()
	return c.Conn.Close()
}
