package login

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/jeton-cli/jeton/plugin"
)

const (
	maxHeader  = 32 << 10         // the header of a request, in bytes
	readLimit  = 10 * time.Second // for one request to arrive
	writeLimit = 5 * time.Second  // for one page to leave
	maxGuests  = 256              // connections that have not asked for anything: a browser opens a few
	lastWords  = 2 * time.Second  // for the browser to take the page after the login
)

// A crowd serves connections, each for one request. When too many of them are silent, the
// oldest has to go: a program that connects and says nothing could otherwise keep the
// browser out. (net/http's own server would make jeton larger by 0.4 MB, mostly for TLS.)
type crowd struct {
	handler http.Handler
	active  sync.WaitGroup

	mu      sync.Mutex
	waiting []net.Conn // those that have not asked for anything yet, the oldest first
	left    bool       // nobody is served any more
}

// serve serves the connections of l until it is closed.
func (c *crowd) serve(l net.Listener) error {
	for {
		conn, err := l.Accept()
		if err != nil {
			return err
		}
		if !c.add(conn) {
			return conn.Close()
		}
		go plugin.Catch(func() error {
			defer c.active.Done()
			defer conn.Close()
			defer c.remove(conn)
			return c.answer(conn)
		})
	}
}

// answer reads one request, and writes what the handler has to say.
func (c *crowd) answer(conn net.Conn) error {
	conn.SetDeadline(time.Now().Add(readLimit))
	out := &sheet{header: http.Header{}, status: http.StatusOK}
	in := &io.LimitedReader{R: conn, N: maxHeader}
	r, err := http.ReadRequest(bufio.NewReader(in))
	switch {
	case err != nil && in.N <= 0:
		out.status = http.StatusRequestHeaderFieldsTooLarge
		defer drain(conn)
		return out.send(conn)
	case err != nil:
		return err
	}
	in.N += maxAnswer + 1 // the handler says that more is too much
	whole := func() { c.remove(conn) }
	c.handler.ServeHTTP(out, r.WithContext(context.WithValue(context.Background(), wholeKey{}, whole)))
	conn.SetDeadline(time.Now().Add(writeLimit))
	if r.ContentLength > maxAnswer {
		defer drain(conn)
	}
	return out.send(conn)
}

// drain reads what is left of a request that was too large. The kernel would otherwise cut
// the connection, and with it the page that says so.
func drain(conn net.Conn) {
	conn.SetDeadline(time.Now().Add(lastWords / 4))
	io.Copy(io.Discard, io.LimitReader(conn, 1<<20))
}

type wholeKey struct{}

// asked says that a request has arrived as a whole: its connection is no longer silent.
func asked(r *http.Request) {
	if whole, ok := r.Context().Value(wholeKey{}).(func()); ok {
		whole()
	}
}

// add counts a connection as active, and reports whether it is to be served.
func (c *crowd) add(conn net.Conn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.left {
		return false
	}
	c.active.Add(1)
	if len(c.waiting) >= maxGuests {
		c.waiting[0].Close()
		c.waiting = slices.Delete(c.waiting, 0, 1)
	}
	c.waiting = append(c.waiting, conn)
	return true
}

func (c *crowd) remove(conn net.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if i := slices.Index(c.waiting, conn); i >= 0 {
		c.waiting = slices.Delete(c.waiting, i, i+1)
	}
}

// leave closes the connections that have not asked for anything, and waits a moment until
// the others have their pages.
func (c *crowd) leave() {
	c.mu.Lock()
	for _, conn := range c.waiting {
		conn.Close()
	}
	c.waiting, c.left = nil, true
	c.mu.Unlock()
	served := make(chan struct{})
	go plugin.Catch(func() error {
		defer close(served)
		c.active.Wait()
		return nil
	})
	select {
	case <-served:
	case <-time.After(lastWords):
	}
}

// A sheet is an answer that is sent when it is complete.
type sheet struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (s *sheet) Header() http.Header             { return s.header }
func (s *sheet) WriteHeader(status int)          { s.status = status }
func (s *sheet) Write(b []byte) (n int, e error) { return s.body.Write(b) }

func (s *sheet) send(w io.Writer) error {
	s.header.Set("Connection", "close")
	s.header.Set("Content-Length", fmt.Sprint(s.body.Len()))
	var b bytes.Buffer
	fmt.Fprintf(&b, "HTTP/1.1 %d %s\r\n", s.status, http.StatusText(s.status))
	if err := s.header.Write(&b); err != nil {
		return err
	}
	b.WriteString("\r\n")
	b.Write(s.body.Bytes())
	_, err := w.Write(b.Bytes())
	return err
}
