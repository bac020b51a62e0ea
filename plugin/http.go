package plugin

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
	"unicode/utf8"
)

const (
	maxFetch    = 15 * time.Second // limit for one request
	maxBody     = 1 << 20          // an answer's body, in bytes
	maxHeader   = 64 << 10         // an answer's header, in bytes
	maxPEM      = 1 << 20          // a file of certificates, in bytes
	retryPause  = 200 * time.Millisecond
	throttled   = 30 * time.Second // wait after a 429 without a usable Retry-After
	unreachable = 2 * time.Second  // wait after the first failure; the cache doubles it
)

// newHTTPClient returns the client of one profile. It follows no redirects, limits the
// time and size of every answer, and refuses plain http to other hosts. It retries once
// after a broken connection or a temporary failure of the server.
func newHTTPClient(c *Common, log func(string, ...any)) *http.Client {
	timeout := maxFetch
	if c.Timeout > 0 {
		timeout = c.Timeout
	}
	return &http.Client{
		Transport:     &transport{common: c, log: log},
		Timeout:       timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// onlyHTTP1 rules out HTTP/2. A connection serves only one or two requests, one after the
// other, so HTTP/2 would only add setup work.
var onlyHTTP1 = func() (p http.Protocols) {
	p.SetHTTP1(true)
	return p
}()

type transport struct {
	common *Common
	log    func(string, ...any)
	once   sync.Once // opens on first use: a cached answer needs no certificates
	base   *http.Transport
	behind func() *http.Transport // for requests through a proxy
	tls    *tls.Config            // for connections without a proxy
	err    error
	roots  func() *x509.CertPool // the system's certificate authorities
	early  early
}

type onceKey struct{}

// SendOnce marks requests that must not be repeated, because each of them creates
// something.
func SendOnce(ctx context.Context) context.Context { return context.WithValue(ctx, onceKey{}, true) }

// RoundTrip sends r within the limits. It retries once after a temporary failure.
func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := CheckTransport(r.URL, t.common.PlainHTTP); err != nil {
		return nil, err
	}
	t.once.Do(t.open)
	if t.err != nil {
		return nil, t.err
	}
	resp, err := t.try(r)
	if !passing(resp, err) || r.Context().Value(onceKey{}) != nil || r.Body != nil && r.GetBody == nil {
		return resp, err
	}
	select {
	case <-time.After(retryPause):
	case <-r.Context().Done():
		return resp, err
	}
	if resp != nil {
		resp.Body.Close()
	}
	again := r.Clone(r.Context())
	if r.GetBody != nil {
		if again.Body, err = r.GetBody(); err != nil {
			return nil, err
		}
	}
	return t.try(again)
}

// try sends r once. It reads the body here, so that a truncated answer is a broken
// connection and not a parse error.
func (t *transport) try(r *http.Request) (*http.Response, error) {
	start := time.Now()
	defer Waiting(r.Context(), r.URL.Host)()
	base := t.base
	proxy, err := base.Proxy(r)
	if proxy != nil && err == nil {
		base = t.behind()
	}
	resp, err := base.RoundTrip(r)
	took := time.Since(start).Round(time.Millisecond)
	if err != nil {
		t.log("%s %s://%s%s: %s (%s)", r.Method, r.URL.Scheme, r.URL.Host, r.URL.Path, connectionTrouble(err), took)
		return nil, err
	}
	t.log("%s %s://%s%s: %d (%s)", r.Method, r.URL.Scheme, r.URL.Host, r.URL.Path, resp.StatusCode, took)
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusSwitchingProtocols {
		// Nothing ends the reading of such a body: neither a timeout nor its context.
		return nil, Errorf(Unusable, "%s answered with another protocol (HTTP %d)", r.URL.Host, resp.StatusCode).
			WithHint("check the URL, and what stands in front of the server").RememberFor(throttled)
	}
	if proxy != nil && resp.StatusCode == http.StatusProxyAuthRequired {
		return nil, proxyRefusal(proxy, resp.StatusCode)
	}
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxBody+1))
	if err != nil {
		return nil, err
	}
	if len(b) > maxBody {
		return nil, Errorf(Unusable, "%s answered with more than %d KiB", r.URL.Host, maxBody>>10).
			RememberFor(throttled)
	}
	resp.Body = io.NopCloser(bytes.NewReader(b))
	return resp, nil
}

// proxyRefusal returns the error for a proxy that does not let a request through, or nil.
func proxyRefusal(proxy *url.URL, status int) error {
	if status == http.StatusOK {
		return nil
	}
	e := Errorf(Network, "the proxy %s refuses the connection (HTTP %d)", proxy.Host, status).RememberFor(unreachable)
	e.Proxy = true
	if status == http.StatusProxyAuthRequired {
		return e.WithHint("give it a login: proxy: http://USER:PASSWORD@%s, or HTTPS_PROXY", proxy.Host)
	}
	return e.WithHint("it has to allow this host; or use none: proxy: none")
}

// passing reports whether the failure is temporary, so that a second try may help.
func passing(resp *http.Response, err error) bool {
	if err != nil {
		var dns *net.DNSError
		var certificate *tls.CertificateVerificationError
		var record tls.RecordHeaderError
		var timeout interface{ Timeout() bool }
		var own *Error
		switch {
		case errors.As(err, &own), errors.As(err, &dns), errors.As(err, &certificate), errors.As(err, &record),
			alert(err) != "",
			errors.As(err, &timeout) && timeout.Timeout(), errors.Is(err, context.Canceled),
			errors.Is(err, syscall.ECONNREFUSED):
			return false
		}
		return true
	}
	switch resp.StatusCode {
	case 500, 502, 504:
		return true
	case 503:
		return resp.Header.Get("Retry-After") == ""
	}
	return false
}

// open sets up the transport as the profile's options say. If an option is wrong, every
// request returns that error.
func (t *transport) open() {
	t.roots = sync.OnceValue(systemRoots)
	t.base = &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            (&net.Dialer{Timeout: dialLimit}).DialContext,
		DialTLSContext:         t.dialTLS,
		TLSHandshakeTimeout:    dialLimit,
		ResponseHeaderTimeout:  10 * time.Second,
		MaxResponseHeaderBytes: maxHeader,
		DisableCompression:     true, // a small body must not expand to a large one
		Protocols:              &onlyHTTP1,
		OnProxyConnectResponse: func(_ context.Context, proxy *url.URL, _ *http.Request, resp *http.Response) error {
			return proxyRefusal(proxy, resp.StatusCode)
		},
	}
	if t.err = setProxy(t.common, t.base); t.err != nil {
		return
	}
	if t.base.TLSClientConfig, t.err = t.common.tls(); t.err != nil {
		return
	}
	t.tls = t.base.TLSClientConfig.Clone() // net/http changes its own copy
	t.behind = sync.OnceValue(func() *http.Transport {
		behind := t.base.Clone() // through a proxy, net/http itself speaks TLS
		if behind.TLSClientConfig.RootCAs == nil {
			behind.TLSClientConfig.RootCAs = t.roots()
		}
		return behind
	})
}

// setProxy makes base use the profile's proxy, if it names one.
func setProxy(c *Common, base *http.Transport) error {
	switch c.Proxy {
	case "":
		return nil
	case "none":
		base.Proxy = func(*http.Request) (*url.URL, error) { return nil, nil }
		return nil
	}
	u, err := url.Parse(c.Proxy)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return Errorf(Config, "proxy: must be a URL such as http://proxy.example:3128")
	}
	base.Proxy = http.ProxyURL(u)
	return nil
}

// tls returns how to speak TLS with the authorities and the client certificate in c, if it
// names any.
func (c *Common) tls() (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.CAFile != "" {
		b, err := readOwnFile(string(c.CAFile), maxPEM, readable)
		if err != nil {
			return nil, fmt.Errorf("ca_file: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(b) {
			return nil, Errorf(Config, "ca_file: %s holds no certificate in PEM form", c.CAFile)
		}
	}
	if c.CertFile != "" {
		pair, err := c.certificate()
		if err != nil {
			return nil, err
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}

// certificate reads the client certificate that c names.
func (c *Common) certificate() (pair tls.Certificate, err error) {
	cert, err := readOwnFile(string(c.CertFile), maxPEM, readable)
	if err != nil {
		return pair, fmt.Errorf("cert_file: %w", err)
	}
	key, err := readOwnFile(string(c.KeyFile), maxPEM, private)
	if err != nil {
		return pair, fmt.Errorf("key_file: %w", err)
	}
	if pair, err = tls.X509KeyPair(cert, key); err != nil {
		return pair, Errorf(Config, "cert_file %s and key_file %s are not a PEM certificate with its key", c.CertFile,
			c.KeyFile)
	}
	return pair, nil
}

// ParseURL returns the URL in an option's text. It returns a [Config] error if that
// cannot be the URL of an issuer.
func ParseURL(text string, plainHTTP bool) (*url.URL, error) {
	u, err := url.Parse(strings.TrimRight(text, "/"))
	switch {
	case err != nil:
		return nil, notURL(text)
	case u.User != nil:
		return nil, Errorf(Config, "a URL with a user or password in it is not taken").
			WithHint("use the options for them")
	case u.Fragment != "" || u.RawQuery != "":
		return nil, Errorf(Config, "a URL with ? or # in it is not taken")
	}
	if port := u.Port(); port != "" {
		if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
			return nil, Errorf(Config, "port %s does not exist", Shorten(port))
		}
	}
	return u, CheckTransport(u, plainHTTP)
}

// notURL returns the error for a text that is no URL. It repeats the text unless a password
// may be in it.
func notURL(text string) *Error {
	e := Errorf(Config, "is not a URL").WithHint("a URL looks like https://keystone.example/v3")
	if !strings.Contains(text, "@") {
		e.Text = Shorten(strconv.Quote(text)) + " is not a URL"
	}
	switch first, _ := utf8.DecodeRuneInString(text); {
	case strings.ContainsRune("\"'“”‘’„«»`", first):
		e.Hint = "leave out the quotes: not everything that reads such a line takes them off, docker --env-file for one"
	case strings.HasSuffix(text, "\r"):
		e.Hint = "leave out the carriage return at its end: the file has the line ends of Windows"
	}
	return e
}

// CheckTransport returns a [Config] error if credentials must not be sent to u.
func CheckTransport(u *url.URL, plainHTTP bool) error {
	switch {
	case u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "":
		return Errorf(Config, "must be a URL such as https://keystone.example/v3, not %s",
			Shorten(strconv.Quote(u.String())))
	case u.Scheme == "http" && !plainHTTP && !loopback(u.Hostname()):
		return Errorf(Config, "http to %s would send secrets in clear", u.Host).
			WithHint("use https, or a profile with \"plain_http: true\" if the network is your own")
	}
	return nil
}

func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.IsLoopback()
}

// Exchange sends r through a profile's client and returns the answer with its whole body.
// Its errors are meant for the user.
func Exchange(client *http.Client, r *http.Request) (*http.Response, []byte, error) {
	resp, err := client.Do(r)
	if err != nil {
		return nil, nil, ConnectionError(err, r.URL.Host)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, nil, ConnectionError(err, r.URL.Host)
	}
	return resp, body, nil
}

// ConnectionError converts an error of net/http, which got no answer from host, to an
// [Error]. The library's text can hold addresses with secrets in them.
func ConnectionError(err error, host string) error {
	var own *Error
	if errors.As(err, &own) {
		return own
	}
	e := Errorf(Network, "%s: %s", host, connectionTrouble(err)).RememberFor(unreachable)
	var dial *net.OpError
	var dns *net.DNSError
	e.Unsent = errors.As(err, &dial) && dial.Op == "dial" || errors.As(err, &dns)
	e.Proxy = proxyFailed(err)
	e.Hint = connectionAdvice(err)
	return e
}

// connectionAdvice says what to check after err, or is empty.
func connectionAdvice(err error) string {
	var unknown x509.UnknownAuthorityError
	var wrongHost x509.HostnameError
	var timeout interface{ Timeout() bool }
	var dns *net.DNSError
	switch {
	case proxyFailed(err):
		return "check the proxy's address: proxy in the profile, or HTTPS_PROXY"
	case alert(err) == certificateRequired:
		return "name yours: cert_file and key_file"
	case errors.As(err, &unknown):
		return "if the cloud has a certificate authority of its own, name its file: ca_file: /path/to/ca.pem"
	case errors.As(err, &wrongHost):
		return "check the address in the profile: the certificate names another host"
	case errors.As(err, &dns) && dns.IsNotFound:
		return "check the address in the profile; a private name may need a VPN"
	case errors.As(err, &dns):
		return "check the network of this machine: its name server does not answer"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "check the address and the port in the profile; the server may be down, or behind a VPN"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return "a firewall may be in the way: check the address, the VPN, or set a proxy (proxy, HTTPS_PROXY)"
	}
	return ""
}

// TLS alerts (RFC 8446, section 6), in crypto/tls's words.
const (
	certificateRequired = "certificate required"
	protocolVersion     = "protocol version not supported"
)

// alert returns the alert with which one side ended the TLS handshake, or "". crypto/tls
// exports no type for it.
func alert(err error) string {
	var op *net.OpError
	if errors.As(err, &op) && (op.Op == "remote error" || op.Op == "local error") {
		return strings.TrimPrefix(op.Err.Error(), "tls: ")
	}
	return ""
}

// proxyFailed reports whether err occurred at the proxy, before the server was reached.
func proxyFailed(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "proxyconnect"
}

func connectionTrouble(err error) string {
	var dns *net.DNSError
	var unknown x509.UnknownAuthorityError
	var wrongHost x509.HostnameError
	var invalid x509.CertificateInvalidError
	var record tls.RecordHeaderError
	var timeout interface{ Timeout() bool }
	switch {
	case proxyFailed(err):
		return "the proxy cannot be reached"
	// net/http has no type for this error.
	case errors.As(err, &record), strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		return "does not speak TLS on this port"
	case alert(err) == protocolVersion:
		return "speaks no version of TLS that is safe (1.2 or newer)"
	case alert(err) == certificateRequired:
		return "wants a client certificate"
	case alert(err) != "":
		return "the TLS handshake failed: " + alert(err)
	case errors.As(err, &dns) && dns.IsNotFound:
		return "no such host"
	case errors.As(err, &dns):
		return "the name cannot be resolved"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused"
	case errors.As(err, &unknown):
		return "its certificate is signed by an unknown authority"
	case errors.As(err, &wrongHost):
		return "its certificate is for another host"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "its certificate has expired or is not valid yet"
	case errors.As(err, &invalid):
		return "its certificate is not valid"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return "no answer in time"
	case errors.Is(err, context.Canceled):
		return "interrupted"
	}
	return "the connection broke"
}

// StatusError returns the error for an answer that is a failure whatever was asked:
// throttling, a redirect, or trouble in the server. It returns nil for all other answers.
func StatusError(host string, status int, header http.Header, now time.Time) error {
	switch {
	case status == http.StatusTooManyRequests, status == http.StatusServiceUnavailable &&
		header.Get("Retry-After") != "":
		wait := retryAfter(header.Get("Retry-After"), now)
		return Errorf(Later, "%s asks to wait %s (HTTP %d)", host, wait, status).RememberFor(wait)
	case status >= 500 && status != http.StatusNotImplemented: // a server of some other kind answers 501
		return Errorf(Network, "%s has failed (HTTP %d)", host, status).RememberFor(unreachable)
	case status >= 300 && status < 400 && status != http.StatusMultipleChoices:
		return Errorf(Unusable, "%s redirects elsewhere (HTTP %d), and jeton sends credentials nowhere else", host,
			status).
			WithHint("check the URL, or that no login page or proxy is in the way").RememberFor(throttled)
	}
	return nil
}

// retryAfter reads the Retry-After header, which holds seconds or an HTTP date (RFC 9110,
// section 10.2.3). It returns 1 to 300 s.
func retryAfter(value string, now time.Time) time.Duration {
	wait := throttled
	if n, err := strconv.ParseInt(strings.TrimSpace(value), 10, 64); err == nil {
		if n >= 0 {
			wait = time.Duration(min(n, 300)) * time.Second
		}
	} else if date, err := http.ParseTime(value); err == nil {
		wait = date.Sub(now)
	}
	return min(max(wait, time.Second), 5*time.Minute).Round(time.Second)
}
