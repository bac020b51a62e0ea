//go:build linux

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
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"text/template"
	"time"
)

// A real API server of Kubernetes takes jeton's tokens from the real kubectl: ID tokens by
// its own authenticator, and Keystone's by a webhook that asks the real Keystone.
func TestAPIServer(t *testing.T) {
	w := realWorld(t)
	kubectl := client("kubectl")
	if kubectl == "" {
		skip(t, "kubectl is not installed")
	}
	c := startCluster(t, w)
	u := newUser(t, w, "  prod: {plugin: keystone, auth_url: $KEYSTONE, username: alice, user_domain_id: $DOMAIN, "+
		"password: CANARY-alice-pw, project_id: $WEB}\n  oidc: {plugin: oidc, issuer: '"+c.issuer+"', ca_file: "+
		c.issuerCA+", client_id: cluster, client_secret: CANARY-cluster-secret, token: id_token}\n")
	u.env = append(u.env, "KUBECACHEDIR="+u.home)
	kubeconfig := filepath.Join(u.home, ".kube", "config")
	c.write(t, kubeconfig)
	run := func(name string, args ...string) result {
		t.Helper()
		cmd := exec.Command(name, args...)
		cmd.Env = u.command().Env
		var stdout, stderr bytes.Buffer
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		cmd.Run() // a failure shows in the result
		return result{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
	}
	must := func(want string, name string, args ...string) {
		t.Helper()
		if r := run(name, args...); r.code != 0 || !strings.Contains(r.stdout+r.stderr, want) {
			t.Errorf("%s: %+v does not say %q", args, r, want)
		}
	}
	refused := func(want string, args ...string) {
		t.Helper()
		if r := run(kubectl, args...); r.code == 0 || !strings.Contains(r.stderr, want) {
			t.Errorf("%s: %+v does not say %q", args, r, want)
		}
	}
	must("created", kubectl, "--context", "admin", "create", "clusterrole", "looker", "--verb=get,list",
		"--resource=pods")
	for _, group := range []string{"oidc:ops", "project:" + w.vars["WEB"]} {
		must("created", kubectl, "--context", "admin", "create", "clusterrolebinding",
			"looker-"+strings.ReplaceAll(group, ":", "-"), "--clusterrole=looker", "--group="+group)
	}
	for context, who := range map[string][2]string{
		"prod": {"keystone:alice", "project:" + w.vars["WEB"]}, "oidc": {"oidc:service-account", "oidc:ops"},
	} {
		must("written", u.jeton, "setup", "kubernetes", context, "--context", context)
		for _, want := range who {
			must(want, kubectl, "--context", context, "auth", "whoami")
		}
		must("No resources found", kubectl, "--context", context, "get", "pods")
		refused("cannot list resource", "--context", context, "get", "nodes")
		refused("cannot impersonate resource", "--context", context, "--as", "system:admin", "get", "pods")
	}
	for name, text := range manifests(t) {
		path := filepath.Join(u.home, "manifest.yaml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		t.Log("a manifest of " + name)
		must("created (server dry run)", kubectl, "--context", "admin", "apply", "--dry-run=server",
			"--validate=strict", "-f", path)
	}
	// exec needs no change of the file.
	must("keystone:alice", u.jeton, "exec", "prod", "--", kubectl, "--context", "admin", "auth", "whoami")

	// A token that was revoked: the call that meets the refusal may fail, the next works.
	token := strings.TrimSpace(run(u.jeton, "get", "prod", "-f", "token").stdout)
	req, err := http.NewRequest(http.MethodDelete, w.vars["KEYSTONE"]+"/auth/tokens", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Auth-Token", token)
	req.Header.Set("X-Subject-Token", token)
	if resp, err := http.DefaultClient.Do(req); err != nil || resp.StatusCode != http.StatusNoContent {
		t.Fatalf("%+v, %v", resp, err)
	}
	kept := func() bool { return strings.TrimSpace(run(u.jeton, "get", "prod", "-f", "token").stdout) == token }
	for deadline := time.Now().Add(time.Minute); kept(); { // the API server believes an accepted token for 10 s
		run(kubectl, "--context", "prod", "get", "pods")
		if time.Now().After(deadline) {
			t.Fatal("the revoked token is kept")
		}
	}
	must("No resources found", kubectl, "--context", "prod", "get", "pods")
}

// A cluster is an API server of Kubernetes, with its store.
type cluster struct {
	dir, address     string
	issuer, issuerCA string
	ca, admin        *identityCard
}

// An identityCard is a certificate with its key, in files.
type identityCard struct {
	cert     *x509.Certificate
	key      *ecdsa.PrivateKey
	certFile string
	keyFile  string
}

// startCluster starts an API server that trusts an OpenID Connect issuer, and Keystone by a
// webhook.
func startCluster(t *testing.T, w *world) *cluster {
	for _, name := range []string{"etcd", "kube-apiserver"} {
		if client(name) == "" {
			skip(t, name+" is not installed")
		}
	}
	c := &cluster{dir: t.TempDir()}
	var issuer struct{ Issuer, CA string }
	if err := json.Unmarshal([]byte(startServer(t, "kubernetes", nil, c.dir)), &issuer); err != nil {
		t.Fatal(err)
	}
	c.issuer, c.issuerCA = issuer.Issuer, issuer.CA
	c.ca = c.certify(t, "ca", nil)
	server := c.certify(t, "server", nil)
	c.admin = c.certify(t, "admin", []string{"system:masters"})

	review := httptest.NewTLSServer(tokenReviewer(w.vars["KEYSTONE"]))
	t.Cleanup(review.Close)
	reviewCA := filepath.Join(c.dir, "review.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: review.Certificate().Raw})
	webhook := filepath.Join(c.dir, "webhook")
	config := `{"apiVersion": "v1", "kind": "Config", "current-context": "c", "users": [],
		"clusters": [{"name": "c", "cluster": {"server": "` + review.URL + `",
			"certificate-authority": "` + reviewCA + `"}}],
		"contexts": [{"name": "c", "context": {"cluster": "c", "user": ""}}]}`
	for path, b := range map[string][]byte{reviewCA: text, webhook: []byte(config)} {
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	etcd, peer, port := "http://127.0.0.1:"+freePort(t), "http://127.0.0.1:"+freePort(t), freePort(t)
	c.address = "https://127.0.0.1:" + port
	c.start(t, "etcd", "--name=e", "--data-dir="+filepath.Join(c.dir, "etcd"), "--listen-client-urls="+etcd,
		"--advertise-client-urls="+etcd, "--listen-peer-urls="+peer, "--initial-advertise-peer-urls="+peer,
		"--initial-cluster=e="+peer, "--unsafe-no-fsync", "--log-level=error")
	c.start(t, "kube-apiserver", "--etcd-servers="+etcd, "--bind-address=127.0.0.1", "--secure-port="+port,
		"--tls-cert-file="+server.certFile, "--tls-private-key-file="+server.keyFile,
		"--client-ca-file="+c.ca.certFile, "--cert-dir="+filepath.Join(c.dir, "certs"),
		"--service-account-issuer="+c.address, "--service-account-key-file="+server.keyFile,
		"--service-account-signing-key-file="+server.keyFile, "--service-cluster-ip-range=10.0.0.0/24",
		"--authorization-mode=RBAC", "--disable-admission-plugins=ServiceAccount", "--endpoint-reconciler-type=none",
		"--advertise-address=127.0.0.1", "--oidc-issuer-url="+c.issuer, "--oidc-client-id=cluster",
		"--oidc-username-claim=sub", "--oidc-username-prefix=oidc:", "--oidc-groups-claim=groups",
		"--oidc-groups-prefix=oidc:", "--oidc-ca-file="+c.issuerCA,
		"--authentication-token-webhook-config-file="+webhook,
		"--authentication-token-webhook-version=v1", "--authentication-token-webhook-cache-ttl=1ms")
	c.await(t)
	return c
}

// start starts a program, which ends with the test.
func (c *cluster) start(t *testing.T, name string, args ...string) {
	t.Helper()
	cmd := exec.Command(client(name), args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	log, err := os.Create(filepath.Join(c.dir, name+".log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr, cmd.Dir = log, log, c.dir
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		if t.Failed() {
			t.Logf("%s: %s", name, tail(read(t, log.Name()), 2000))
		}
	})
}

func tail(text string, n int) string { return text[max(0, len(text)-n):] }

// await waits until the API server is ready.
func (c *cluster) await(t *testing.T) {
	t.Helper()
	roots := x509.NewCertPool()
	roots.AddCert(c.ca.cert)
	admin, err := tls.LoadX509KeyPair(c.admin.certFile, c.admin.keyFile)
	if err != nil {
		t.Fatal(err)
	}
	client := http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{admin}}}}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
		resp, err := client.Get(c.address + "/readyz")
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("the API server is not ready: %v", err)
		}
	}
}

// write writes a kubeconfig with the contexts prod and oidc, which have no login, and admin.
func (c *cluster) write(t *testing.T, path string) {
	t.Helper()
	text := fmt.Sprintf(`apiVersion: v1
kind: Config
current-context: admin
clusters:
- name: c
  cluster:
    server: %s
    certificate-authority: %s
contexts:
- name: admin
  context: {cluster: c, user: admin}
- name: prod
  context:
    cluster: c
    user: nobody
- name: oidc
  context:
    cluster: c
    user: nobody
users:
- name: admin
  user: {client-certificate: %s, client-key: %s}
`, c.address, c.ca.certFile, c.admin.certFile, c.admin.keyFile)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// certify makes a certificate of the cluster's authority; the first is the authority's own.
func (c *cluster) certify(t *testing.T, name string, groups []string) *identityCard {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	card := &identityCard{key: key, certFile: filepath.Join(c.dir, name+".crt"),
		keyFile: filepath.Join(c.dir, name+".key")}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name, Organization: groups},
		NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, BasicConstraintsValid: true, IsCA: c.ca == nil,
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	parent, signer := template, key
	if c.ca != nil {
		parent, signer = c.ca.cert, c.ca.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	if card.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for path, block := range map[string]*pem.Block{
		card.certFile: {Type: "CERTIFICATE", Bytes: der}, card.keyFile: {Type: "EC PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return card
}

// tokenReviewer asks Keystone whose a token is, as k8s-keystone-auth does, which cannot be
// had here.
func tokenReviewer(keystone string) http.Handler {
	type userInfo struct {
		Username string   `json:"username"`
		Groups   []string `json:"groups"`
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var review struct {
			APIVersion string                 `json:"apiVersion"`
			Kind       string                 `json:"kind"`
			Spec       struct{ Token string } `json:"spec"`
			Status     struct {
				Authenticated bool     `json:"authenticated"`
				User          userInfo `json:"user"`
			} `json:"status"`
		}
		if err := json.NewDecoder(r.Body).Decode(&review); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		req, err := http.NewRequestWithContext(r.Context(), http.MethodGet, keystone+"/auth/tokens", nil)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		req.Header.Set("X-Auth-Token", review.Spec.Token)
		req.Header.Set("X-Subject-Token", review.Spec.Token)
		if resp, err := http.DefaultClient.Do(req); err == nil {
			defer resp.Body.Close()
			var a struct {
				Token struct {
					User    struct{ Name string }
					Project struct{ ID string }
				}
			}
			if resp.StatusCode == http.StatusOK && json.NewDecoder(resp.Body).Decode(&a) == nil {
				review.Status.Authenticated = true
				review.Status.User = userInfo{"keystone:" + a.Token.User.Name,
					[]string{"project:" + a.Token.Project.ID}}
			}
		}
		review.Spec.Token = ""
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(review)
	})
}

// manifests returns what the documents would have Kubernetes make, by a name each.
func manifests(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	for _, d := range readDocuments(t) {
		for i, text := range d.Blocks("yaml") {
			name := fmt.Sprintf("%s, block %d", d.Path, i)
			switch {
			case strings.Contains(text, "{{ .Values."): // a template of a Helm chart
				values := map[string]any{"Release": map[string]string{"Name": "web"}, "Values": map[string]any{
					"image": "example/report:1", "jeton": map[string]string{"profile": "web", "audience": "keystone",
						"config": "profiles:\n  web: {}\n"}}}
				quote := func(s string) string { return fmt.Sprintf("%q", s) }
				chart, err := template.New(name).Funcs(template.FuncMap{"quote": quote}).Parse(text)
				if err != nil {
					t.Fatal(err)
				}
				var manifest strings.Builder
				if err := chart.Option("missingkey=error").Execute(&manifest, values); err != nil {
					t.Fatal(err)
				}
				found[name] = manifest.String()
			case strings.HasPrefix(text, "apiVersion: ") && !strings.Contains(text, "\nkind: Config\n"):
				found[name] = text
			}
		}
	}
	if len(found) < 2 {
		t.Errorf("only %d manifests were found", len(found))
	}
	return found
}
