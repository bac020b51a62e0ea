package login

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"github.com/jeton-cli/jeton/plugin"
)

// maxAnswer is the largest body of an answer in bytes: a Keystone token can be long.
const maxAnswer = 64 << 10

// A Loopback listens on this machine for a browser that comes back from a login (RFC 8252,
// section 7.3).
type Loopback struct {
	// Address is where the browser is sent.
	Address   string
	path      string
	hosts     []string // what a request may have as its Host: others come by a name of an attacker
	listeners []net.Listener
}

// A Page is what the browser gets to see.
type Page struct {
	Who, At string // the user, and the server
	Why     reason
	Code    string // for the reason reported
}

// Pages for what is not a login.
var (
	Foreign  = Page{Why: foreign}  // it does not belong to this login
	Refused  = Page{Why: refused}  // the server does not take it
	Stranger = Page{Why: stranger} // it is another user's
)

// A Return is what the browser comes back with: the parameters, and the site whose page
// sent it (RFC 6454), or "" if the browser does not say.
type Return struct {
	Form   url.Values
	Origin string
}

// DefaultRedirect is the address that the browser comes back to, unless a profile names
// another. The port is any that is free.
const DefaultRedirect = "http://127.0.0.1:0/callback"

// Listen binds the port of a redirect URI such as http://localhost:8000/callback, on all
// loopback addresses, so that no other program can take a part of it. It returns an error
// if the port is taken.
func Listen(redirect string) (*Loopback, error) {
	if redirect == "" {
		redirect = DefaultRedirect
	}
	u, err := url.Parse(redirect)
	if err == nil {
		err = CheckRedirect(redirect)
	}
	if err != nil {
		return nil, err
	}
	l := &Loopback{path: u.Path}
	if l.path == "" {
		l.path = "/"
	}
	for range 10 { // a free port of one address can be taken at the other
		if err = l.bind(u.Port()); err == nil {
			break
		}
		if u.Port() != "0" {
			return nil, plugin.Errorf(plugin.Later, "port %s, where the browser has to come back to, is taken by "+
				"another program", u.Port()).
				WithHint("end that program, or have another redirect_port registered for the client")
		}
	}
	if err != nil {
		return nil, plugin.Errorf(plugin.Later, "no port to listen at for the browser: %v", err)
	}
	_, port, _ := net.SplitHostPort(l.listeners[0].Addr().String())
	for _, host := range []string{"localhost", "127.0.0.1", "::1"} {
		l.hosts = append(l.hosts, net.JoinHostPort(host, port))
		if port == "80" { // which browsers leave out
			l.hosts = append(l.hosts, host)
		}
	}
	u.Host = net.JoinHostPort(u.Hostname(), port)
	l.Address = u.String()
	return l, nil
}

// CheckRedirect returns a [plugin.Config] error if the browser could not come back to this
// machine by the address.
func CheckRedirect(redirect string) error {
	u, err := url.Parse(redirect)
	port := 0
	if err == nil {
		port, err = strconv.Atoi(u.Port())
	}
	host := ""
	if u != nil {
		host = u.Hostname()
	}
	a, e := netip.ParseAddr(host)
	loopback := host == "localhost" || e == nil && (a == netip.MustParseAddr("127.0.0.1") || a == netip.IPv6Loopback())
	if err != nil || u.Scheme != "http" || !loopback || u.RawQuery != "" || u.Fragment != "" || u.User != nil ||
		port < 0 || port > 65535 {
		return plugin.Errorf(plugin.Config, "redirect_uri: must be an address of this machine with a port, such as "+
			"http://localhost:8000/callback")
	}
	return nil
}

// Redirect returns the redirect URI of a profile: the one that it names, or the usual one
// at its port, or at any port. It returns a [plugin.Config] error if there can be no such
// address.
func Redirect(uri string, port int) (string, error) {
	switch {
	case uri != "" && port != 0:
		return "", plugin.Errorf(plugin.Config, "redirect_uri and redirect_port are two addresses").
			WithHint("leave one of them out")
	case uri != "":
		return uri, CheckRedirect(uri)
	case port == 0:
		return DefaultRedirect, nil
	case port < 1 || port > 65535:
		return "", plugin.Errorf(plugin.Config, "redirect_port: there is no port %d", port)
	}
	return "http://localhost:" + strconv.Itoa(port) + "/callback", nil
}

// bind listens at the port on both families. Where there is no IPv6, it does without.
func (l *Loopback) bind(port string) error {
	first, err := net.Listen("tcp4", net.JoinHostPort("127.0.0.1", port))
	if err != nil {
		return err
	}
	_, port, _ = net.SplitHostPort(first.Addr().String())
	second, err := net.Listen("tcp6", net.JoinHostPort("::1", port))
	if errors.Is(err, syscall.EADDRINUSE) || errors.Is(err, syscall.EACCES) {
		first.Close()
		return err
	}
	l.listeners = []net.Listener{first}
	if err == nil {
		l.listeners = append(l.listeners, second)
	}
	return nil
}

// Close frees the port.
func (l *Loopback) Close() {
	for _, listener := range l.listeners {
		listener.Close()
	}
}

// Serve waits for the browser's answer, a request with the method, and returns what came
// of it. It calls answer with the parameters. If that returns neither a credential nor an
// error, the request did not belong to the login, which goes on. When ctx ends, Serve
// returns its cause.
func (l *Loopback) Serve(ctx context.Context, method string,
	answer func(context.Context, Return) (Page, *plugin.Credential, error)) (*plugin.Credential, error) {
	w := &waiting{Loopback: l, ctx: ctx, method: method, answer: answer, ended: make(chan struct{})}
	c := &crowd{handler: w}
	for _, listener := range l.listeners {
		go plugin.Catch(func() error { return c.serve(listener) })
	}
	select {
	case <-w.ended:
	case <-ctx.Done():
	}
	l.Close()
	c.leave() // the browser still gets its page
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.credential == nil && w.err == nil {
		return nil, context.Cause(ctx)
	}
	return w.credential, w.err
}

// waiting is the handler of a [Loopback] that waits for one answer.
type waiting struct {
	*Loopback
	ctx    context.Context
	method string
	answer func(context.Context, Return) (Page, *plugin.Credential, error)

	mu         sync.Mutex // held while an answer is dealt with: there is only one
	credential *plugin.Credential
	err        error
	ended      chan struct{}
}

// ServeHTTP answers one request. What is not the browser's own answer is refused, and
// changes nothing.
func (w *waiting) ServeHTTP(out http.ResponseWriter, r *http.Request) {
	plugin.Catch(func() error {
		languages := strings.Join(r.Header.Values("Accept-Language"), ",")
		switch {
		case !slices.Contains(w.hosts, r.Host): // a page of another site, under a name of its own for this machine
			failure(out, languages, foreign, "")
		case embedded(r):
			failure(out, languages, foreign, "")
		case r.URL.Path != w.path:
			out.WriteHeader(http.StatusNotFound)
		case r.Method != w.method:
			out.WriteHeader(http.StatusMethodNotAllowed)
		default:
			w.take(out, r, languages)
		}
		return nil
	})
}

// embedded reports whether the request is a part of another page, such as a frame that
// nobody sees. The browser comes back with a page of its own. (W3C, Fetch Metadata; old
// browsers do not say.)
func embedded(r *http.Request) bool {
	for _, destination := range r.Header.Values("Sec-Fetch-Dest") {
		if destination != "document" {
			return true
		}
	}
	return false
}

// take hands the parameters of a request to answer, unless there has been an answer.
func (w *waiting) take(out http.ResponseWriter, r *http.Request, languages string) {
	form, ok := parametersOf(out, r)
	if !ok {
		failure(out, languages, foreign, "")
		return
	}
	asked(r) // it may have to wait for its turn
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.credential != nil || w.err != nil {
		failure(out, languages, over, "")
		return
	}
	page, c, err := w.answer(w.ctx, Return{form, r.Header.Get("Origin")})
	if c != nil {
		success(out, languages, page.At, page.Who)
	} else {
		failure(out, languages, page.Why, page.Code)
	}
	if c != nil || err != nil {
		w.credential, w.err = c, err
		close(w.ended)
	}
}

// parametersOf returns the parameters of a request: those of its form if it is a POST, and
// otherwise those of its address. None may be there twice.
func parametersOf(out http.ResponseWriter, r *http.Request) (url.Values, bool) {
	form, err := url.ParseQuery(r.URL.RawQuery)
	if r.Method == http.MethodPost {
		r.Body = http.MaxBytesReader(out, r.Body, maxAnswer)
		err = r.ParseForm()
		form = r.PostForm
	}
	for _, values := range form {
		if len(values) != 1 {
			return nil, false
		}
	}
	return form, err == nil
}
