package cache

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"

	"github.com/jeton-cli/jeton/plugin"
)

// A redis speaks with a Redis or a Valkey, in the second version of its protocol. It is
// small because nothing that the server says may cost more than a little memory or time:
// the libraries reserve what a length announces.
//
// https://redis.io/docs/latest/develop/reference/protocol-spec/
type redis struct {
	server *plugin.SharedServer
	conn   net.Conn // nil as long as nothing was asked
	reader *bufio.Reader
	fresh  bool // nothing has come through the connection yet
}

const (
	maxReply    = 4 << 20 // a reply in bytes
	maxElements = 4096    // an array's elements
	maxRedirect = 3
)

// A redisError is a server's reply that it did not do what it was asked.
type redisError string

func (e redisError) Error() string { return "the server answers: " + plugin.Shorten(string(e)) }

// is reports whether e is of the kind that the server calls kind, such as NOAUTH.
func (e redisError) is(kind string) bool {
	return string(e) == kind || strings.HasPrefix(string(e), kind+" ")
}

// do sends a command and returns the reply: a string, an int64, nil, or a list of these.
// Its errors are a [redisError], or of the connection, which is then closed.
func (r *redis) do(ctx context.Context, words ...string) (any, error) {
	if r.conn == nil {
		if err := r.connect(ctx); err != nil {
			return nil, err
		}
	}
	reply, err := r.exchange(ctx, words)
	for range maxRedirect {
		var refusal redisError
		if !errors.As(err, &refusal) {
			break
		}
		// A cluster says which of its servers has the key.
		kind, rest, _ := strings.Cut(string(refusal), " ")
		_, address, _ := strings.Cut(rest, " ")
		if kind != "MOVED" && kind != "ASK" {
			break
		}
		if err = r.move(ctx, address); err != nil {
			break
		}
		if kind == "ASK" {
			if _, err = r.exchange(ctx, []string{"ASKING"}); err != nil {
				break
			}
		}
		reply, err = r.exchange(ctx, words)
	}
	if err != nil && !errors.As(err, new(redisError)) {
		r.close()
	}
	return reply, err
}

func (r *redis) close() {
	if r.conn != nil {
		r.conn.Close()
		r.conn = nil
	}
}

// move connects to another server of the cluster.
func (r *redis) move(ctx context.Context, address string) error {
	if host, port, err := net.SplitHostPort(address); err == nil && host == "" {
		host, _, _ = net.SplitHostPort(r.conn.RemoteAddr().String()) // the one that was asked
		address = net.JoinHostPort(host, port)
	}
	r.close()
	return r.enter(ctx, address)
}

// connect connects to the server, which its sentinels know if it has any.
func (r *redis) connect(ctx context.Context) (err error) {
	address := r.server.Addresses[0]
	if r.server.Master != "" {
		if address, err = r.askSentinels(ctx); err != nil {
			return err
		}
	}
	return r.enter(ctx, address)
}

// enter connects to address, and logs in there.
func (r *redis) enter(ctx context.Context, address string) error {
	if err := r.dial(ctx, address); err != nil {
		return err
	}
	err := r.login(ctx)
	if err != nil {
		r.close()
	}
	return err
}

// askSentinels returns where the server is. It asks all sentinels at once, and takes the
// first answer.
//
// https://redis.io/docs/latest/develop/reference/sentinel-clients/
func (r *redis) askSentinels(ctx context.Context) (string, error) {
	type answer struct {
		address string
		err     error
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	answers := make(chan answer, len(r.server.Addresses))
	for _, sentinel := range r.server.Addresses {
		go plugin.Catch(func() error {
			a := answer{err: errReply}
			defer func() { answers <- a }()
			a.address, a.err = r.askSentinel(ctx, sentinel)
			return nil
		})
	}
	var failure error
	for range r.server.Addresses {
		a := <-answers
		if a.err == nil {
			return a.address, nil
		}
		failure = a.err
	}
	return "", failure
}

// askSentinel returns where the server is, as the sentinel at address says.
func (r *redis) askSentinel(ctx context.Context, address string) (string, error) {
	at := *r.server
	at.Database = 0
	s := &redis{server: &at}
	if err := s.dial(ctx, address); err != nil {
		return "", err
	}
	defer s.close()
	question := []string{"SENTINEL", "get-master-addr-by-name", r.server.Master}
	reply, err := s.exchange(ctx, question)
	if refusal := redisError(""); errors.As(err, &refusal) && refusal.is("NOAUTH") {
		if err = s.login(ctx); err == nil {
			reply, err = s.exchange(ctx, question)
		}
	}
	if err != nil {
		return "", err
	}
	parts, err := list(reply, 2)
	if err != nil {
		return "", plugin.Errorf(plugin.Config, "the sentinel %s knows no master %q", address, r.server.Master)
	}
	return net.JoinHostPort(parts.text(0), parts.text(1)), nil
}

// dial connects to address.
func (r *redis) dial(ctx context.Context, address string) (err error) {
	if err := r.server.Allows(address); err != nil {
		return err
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		return plugin.ConnectionError(err, address)
	}
	if r.server.TLS != nil {
		config := r.server.TLS.Clone()
		config.ServerName, _, _ = net.SplitHostPort(address)
		secure := tls.Client(conn, config)
		if err := secure.HandshakeContext(ctx); err != nil {
			conn.Close()
			return handshakeError(err, address)
		}
		conn = secure
	}
	r.conn, r.reader, r.fresh = conn, bufio.NewReader(conn), true
	return nil
}

// handshakeError returns the error for a TLS handshake that failed with err.
func handshakeError(err error, address string) error {
	e := plugin.AsError(plugin.ConnectionError(err, address))
	var certificate *tls.CertificateVerificationError
	if errors.As(err, &certificate) {
		e.Code = plugin.Config // it does not go away by itself
	} else if e.Hint == "" {
		e.Hint = "is it a server with TLS?"
	}
	if errors.As(err, new(x509.UnknownAuthorityError)) {
		e.Hint = "name the file of its certificate authority: ca_file of shared_cache"
	}
	return e
}

// login says who jeton is, and which database it wants.
func (r *redis) login(ctx context.Context) error {
	if !r.server.Password.IsZero() || r.server.Username != "" {
		words := []string{"AUTH", r.server.Password.Reveal()}
		if r.server.Username != "" {
			words = []string{"AUTH", r.server.Username, r.server.Password.Reveal()}
		}
		if _, err := r.exchange(ctx, words); err != nil {
			if refusal := redisError(""); errors.As(err, &refusal) { // the rest can repeat the password
				kind, _, _ := strings.Cut(string(refusal), " ")
				err = redisError("LOGIN " + kind)
			}
			return err
		}
	}
	if r.server.Database != 0 {
		if _, err := r.exchange(ctx, []string{"SELECT", strconv.Itoa(r.server.Database)}); err != nil {
			return err
		}
	}
	return nil
}

// exchange sends a command and reads the reply.
func (r *redis) exchange(ctx context.Context, words []string) (any, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "*%d\r\n", len(words))
	for _, word := range words {
		fmt.Fprintf(&b, "$%d\r\n%s\r\n", len(word), word)
	}
	deadline, _ := ctx.Deadline()
	r.conn.SetDeadline(deadline)
	if _, err := io.WriteString(r.conn, b.String()); err != nil {
		return nil, r.broken(err)
	}
	left := maxReply
	reply, err := readReply(r.reader, &left, 0)
	if err != nil && !errors.As(err, new(redisError)) {
		return nil, r.broken(err)
	}
	r.fresh = false
	return reply, err
}

// broken returns the error for a connection that failed with err.
func (r *redis) broken(err error) error {
	if own := (*plugin.Error)(nil); errors.As(err, &own) {
		return err
	}
	e := plugin.AsError(plugin.ConnectionError(err, r.conn.RemoteAddr().String()))
	if r.fresh && r.server.TLS == nil && e.Hint == "" && errors.Is(err, io.EOF) {
		e.Hint = "if the server wants TLS, write rediss://"
	}
	return e
}

var errReply = plugin.Errorf(plugin.Unusable, "the server does not answer as a Redis does").
	WithHint("check the url of shared_cache")

// readReply reads one reply of at most left bytes. depth says in how many arrays it is.
func readReply(r *bufio.Reader, left *int, depth int) (any, error) {
	kind, text, err := readLine(r, left)
	switch {
	case err != nil:
		return nil, err
	case kind == '+':
		return text, nil
	case kind == '-':
		return nil, redisError(text)
	}
	n, err := strconv.ParseInt(text, 10, 64)
	switch {
	case err != nil:
		return nil, errReply
	case kind == ':':
		return n, nil
	case n == -1 && (kind == '$' || kind == '*'):
		return nil, nil
	case kind == '$' && n >= 0 && n <= int64(*left):
		*left -= int(n)
		return readBulk(r, int(n))
	case kind == '*' && n >= 0 && n <= maxElements && depth < 2:
		return readArray(r, int(n), left, depth)
	}
	return nil, errReply
}

// readLine reads the line that a reply begins with: its kind, and the rest.
func readLine(r *bufio.Reader, left *int) (kind byte, text string, err error) {
	line, err := r.ReadSlice('\n')
	if err == bufio.ErrBufferFull {
		err = errReply
	}
	if err != nil {
		return 0, "", err
	}
	if *left -= len(line); *left < 0 || len(line) < 3 || line[len(line)-2] != '\r' {
		return 0, "", errReply
	}
	return line[0], string(line[1 : len(line)-2]), nil
}

// readArray reads n replies. One of them that is an error is nil.
func readArray(r *bufio.Reader, n int, left *int, depth int) (any, error) {
	list := []any{}
	for range n {
		element, err := readReply(r, left, depth+1)
		if err != nil && !errors.As(err, new(redisError)) {
			return nil, err
		}
		list = append(list, element)
	}
	return list, nil
}

// readBulk reads a string of n bytes and the end of its line. It takes memory only for
// what arrives.
func readBulk(r *bufio.Reader, n int) (any, error) {
	b, err := io.ReadAll(io.LimitReader(r, int64(n)+2))
	if err != nil {
		return nil, err
	}
	if len(b) < n+2 {
		return nil, io.ErrUnexpectedEOF
	}
	if string(b[n:]) != "\r\n" {
		return nil, errReply
	}
	return string(b[:n]), nil
}
