package cli

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jeton-cli/jeton/testdata/embedded"
)

// An authority signs certificates.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// sign returns a certificate and its key in PEM form. A nil authority signs
// itself.
func (a *authority) sign(t *testing.T, template x509.Certificate) (certPEM, keyPEM []byte, signed *authority) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template.SerialNumber = big.NewInt(time.Now().UnixNano())
	if template.Subject.CommonName == "" {
		template.Subject = pkix.Name{CommonName: "jeton's test"}
	}
	if template.NotAfter.IsZero() {
		template.NotAfter = time.Now().Add(time.Hour)
	}
	signer := a
	if signer == nil {
		template.IsCA, template.BasicConstraintsValid = true, true
		template.KeyUsage = x509.KeyUsageCertSign
		signer = &authority{&template, key}
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, signer.cert, &key.PublicKey, signer.key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: keyDER}), &authority{cert, key}
}

// Certificates are verified, whatever is wrong with them, and say what is; a
// file of authorities, a client certificate and a proxy are used.
func TestTransport(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	caPEM, _, ca := (*authority)(nil).sign(t, x509.Certificate{})
	_, _, other := (*authority)(nil).sign(t, x509.Certificate{})
	local := []net.IP{net.ParseIP("127.0.0.1")}
	server := func(signer *authority, template x509.Certificate, config *tls.Config) string {
		certPEM, keyPEM, _ := signer.sign(t, template)
		pair, err := tls.X509KeyPair(certPEM, keyPEM)
		if err != nil {
			t.Fatal(err)
		}
		config.Certificates = []tls.Certificate{pair}
		s := httptest.NewUnstartedServer(w.front)
		s.TLS = config
		s.Config.ErrorLog = log.New(io.Discard, "", 0)
		s.StartTLS()
		t.Cleanup(s.Close)
		return s.URL
	}
	pool := x509.NewCertPool()
	pool.AddCert(ca.cert)
	good := server(ca, x509.Certificate{IPAddresses: local}, &tls.Config{})
	mutual := server(ca, x509.Certificate{IPAddresses: local},
		&tls.Config{ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool})
	clientPEM, clientKey, _ := ca.sign(t, x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})

	// A proxy that passes connections on, and remembers what it could see.
	var mu sync.Mutex
	var seen bytes.Buffer
	through := 0
	proxy := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect {
			rw.WriteHeader(http.StatusBadRequest)
			return
		}
		to, err := net.Dial("tcp", r.Host)
		if err != nil {
			rw.WriteHeader(http.StatusBadGateway)
			return
		}
		defer to.Close()
		from, _, err := rw.(http.Hijacker).Hijack()
		if err != nil {
			return
		}
		defer from.Close()
		io.WriteString(from, "HTTP/1.1 200 OK\r\n\r\n")
		mu.Lock()
		through++
		mu.Unlock()
		go io.Copy(from, to)
		var passed bytes.Buffer
		io.Copy(to, io.TeeReader(from, &passed))
		mu.Lock()
		seen.Write(passed.Bytes())
		mu.Unlock()
	}))
	t.Cleanup(proxy.Close)

	u := newUser(t, w, "")
	file := func(name string, content []byte) string {
		path := filepath.Join(u.home, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	trust := ", cacert: " + file("ca.pem", caPEM)
	identity := ", cert: " + file("client.pem", clientPEM) + ", key: " + file("client.key", clientKey)
	for _, test := range []struct{ name, url, options, err string }{
		{"right", good, trust, ""},
		{"unknown authority", good, "", "its certificate is signed by an unknown authority\nhint: if the cloud has a " +
			"certificate authority of its own, name its file: ca_file: "},
		{"another authority", server(other, x509.Certificate{IPAddresses: local}, &tls.Config{}), trust,
			"its certificate is signed by an unknown authority"},
		{"another host", server(ca, x509.Certificate{DNSNames: []string{"keystone.example"}}, &tls.Config{}), trust,
			"its certificate is for another host"},
		{"expired", server(ca, x509.Certificate{IPAddresses: local, NotAfter: time.Now().Add(-time.Hour)},
			&tls.Config{}), trust, "its certificate has expired or is not valid yet"},
		{"old TLS", server(ca, x509.Certificate{IPAddresses: local}, &tls.Config{MaxVersion: tls.VersionTLS11}), trust,
			"speaks no version of TLS that is safe"},
		{"client certificate", mutual, trust + identity, ""},
		{"no client certificate", mutual, trust,
			"wants a client certificate\nhint: name yours: cert_file and key_file"},
		{"proxy", good, trust + ", proxy: " + proxy.URL, ""},
	} {
		u.configure(t, w, "  p: {plugin: keystone, auth_url: "+test.url+", username: alice, password: "+
			"CANARY-alice-pw, project_id: $WEB"+test.options+"}\n")
		out, err := u.command("get", "p", "--no-cache").CombinedOutput()
		if test.err == "" && err != nil || test.err != "" && !strings.Contains(string(out), test.err) {
			t.Errorf("%s: %s", test.name, out)
		}
	}
	mu.Lock()
	if through != 1 || strings.Contains(seen.String(), "CANARY") {
		t.Errorf("the proxy passed %d connections on, and saw %q", through, seen.String())
	}
	mu.Unlock()

	// The environment says it in openstackclient's words.
	cmd := u.command("get", "env", "--no-cache")
	cmd.Env = append(cmd.Env, "OS_AUTH_URL="+mutual, "OS_USERNAME=alice", "OS_PASSWORD=CANARY-alice-pw",
		"OS_PROJECT_ID="+w.vars["WEB"],
		"OS_CACERT="+filepath.Join(u.home, "ca.pem"), "OS_CERT="+filepath.Join(u.home, "client.pem"),
		"OS_KEY="+filepath.Join(u.home, "client.key"))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%s", out)
	}
}

// kubectl reaches a server that wants a client certificate with the one that
// While the identity provider is asked, the connection to Keystone is made; and all
// requests to it go over that one.
func TestConnectAhead(t *testing.T) {
	t.Parallel()
	caPEM, _, ca := (*authority)(nil).sign(t, x509.Certificate{})
	certPEM, keyPEM, _ := ca.sign(t, x509.Certificate{IPAddresses: []net.IP{net.ParseIP("127.0.0.1")}})
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		t.Fatal(err)
	}
	provider := &embedded.Provider{ClientID: "c", ClientSecret: "s", Username: "alice"}
	k := &embedded.Keystone{Provider: provider}
	web := k.Project("web")
	k.User("alice", "unused", "", web)
	start := func(handler http.Handler, state func(net.Conn, http.ConnState)) string {
		server := httptest.NewUnstartedServer(handler)
		server.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
		server.Config.ConnState = state
		server.StartTLS()
		t.Cleanup(server.Close)
		return server.URL
	}
	connected := make(chan struct{})
	var connections atomic.Int32
	keystone := start(k, func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew && connections.Add(1) == 1 {
			close(connected)
		}
	})
	idp := start(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-connected:
		case <-time.After(10 * time.Second):
			t.Error("nobody has connected to Keystone meanwhile")
		}
		provider.ServeHTTP(w, r)
	}), nil)
	u := newUser(t, &world{}, "")
	file := filepath.Join(u.home, "ca.pem")
	if err := os.WriteFile(file, caPEM, 0o600); err != nil {
		t.Fatal(err)
	}
	u.configure(t, &world{vars: map[string]string{"CA": file, "KEYSTONE": keystone, "IDP": idp, "WEB": web}}, `
  fed: {plugin: keystone, auth_type: v3oidcclientcredentials, auth_url: $KEYSTONE, identity_provider: ovhcloud-emea, protocol: openid, access_token_endpoint: $IDP/oauth2/token, client_id: c, client_secret: s, project_id: $WEB, cacert: $CA}
`)
	if out, err := u.command("get", "fed").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if n := connections.Load(); n != 1 {
		t.Errorf("%d connections to Keystone", n)
	}
}

// jeton hands out, and one that is about to expire is renewed first.
func TestClientCertificate(t *testing.T) {
	inMakeTest(t)
	t.Parallel()
	kubectl := client("kubectl")
	if kubectl == "" {
		skip(t, "kubectl is not installed")
	}
	caPEM, _, ca := (*authority)(nil).sign(t, x509.Certificate{})
	pool := x509.NewCertPool()
	pool.AddCert(ca.cert)
	certPEM, keyPEM, _ := ca.sign(t, x509.Certificate{IPAddresses: []net.IP{net.ParseIP("127.0.0.1")}})
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var serials []string
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		serials = append(serials, r.TLS.PeerCertificates[0].SerialNumber.String())
		mu.Unlock()
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusCreated)
		io.WriteString(w, `{"kind": "SelfSubjectReview", "apiVersion": "authentication.k8s.io/v1", "status": {"userInfo": {"username": "by certificate"}}}`)
	}))
	server.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequireAndVerifyClientCert,
		ClientCAs: pool}
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)

	u := newUser(t, &world{}, "")
	write := func(name string, content []byte) string {
		path := filepath.Join(u.home, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	document := func(life time.Duration) {
		cert, key, _ := ca.sign(t, x509.Certificate{NotAfter: time.Now().Add(life),
			ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
		b, err := json.Marshal(map[string]any{"kind": "ExecCredential",
			"status": map[string]string{"clientCertificateData": string(cert), "clientKeyData": string(key)}})
		if err != nil {
			t.Fatal(err)
		}
		write("document", b)
	}
	u.configure(t, &world{}, "  p: {plugin: command, argv: [cat, "+filepath.Join(u.home, "document")+"]}\n")
	kubeconfig := write("kubeconfig", []byte(`{"apiVersion": "v1", "kind": "Config", "current-context": "c", "clusters": [{"name": "c", "cluster": {"server": "`+server.URL+
		`", "certificate-authority": "`+write("ca.pem", caPEM)+`"}}], "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
		"users": [{"name": "u", "user": {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "`+u.jeton+`", "args": ["get", "p"], "interactiveMode": "Never"}}}]}`))
	whoami := func() string {
		cmd := exec.Command(kubectl, "--kubeconfig", kubeconfig, "auth", "whoami")
		cmd.Env = append(u.command().Env, "KUBECACHEDIR="+u.home)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return string(out)
	}
	document(3 * time.Second) // which is below the floor soon
	if out := whoami(); !strings.Contains(out, "by certificate") {
		t.Error(out)
	}
	document(time.Hour)
	time.Sleep(3 * time.Second) // until it has expired
	whoami()
	whoami()
	mu.Lock()
	defer mu.Unlock()
	if len(serials) < 3 || serials[0] == serials[len(serials)-1] || serials[len(serials)-2] != serials[len(serials)-1] {
		t.Errorf("the certificates were %v", serials)
	}
}
