package cli

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jeton-cli/jeton/testdata/embedded"
)

// startServer starts a program of the test servers, which ends with the test,
// and returns the first line that it prints.
func startServer(t *testing.T, name string, env []string, args ...string) string {
	t.Helper()
	path := client(name)
	if path == "" {
		skip(t, name+" is not installed")
	}
	line, err := "", error(nil)
	for range 3 { // node has been seen to wait for itself, before it had begun
		if line, err = tryServer(t, path, env, args); err == nil {
			return line
		}
		t.Logf("%s: %v", name, err)
	}
	t.Fatalf("%s: %v", name, err)
	return ""
}

func tryServer(t *testing.T, path string, env, args []string) (string, error) {
	cmd := exec.Command(path, args...)
	cmd.Env = append(os.Environ(), env...)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return "", err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return "", err
	}
	if err := cmd.Start(); err != nil {
		return "", err
	}
	t.Cleanup(func() {
		stdin.Close()
		cmd.Wait()
	})
	timer := time.AfterFunc(10*time.Second, func() { cmd.Process.Kill() })
	defer timer.Stop()
	line, err := bufio.NewReader(stdout).ReadString('\n')
	return strings.TrimSpace(line), err
}

// A certified OpenID provider takes every way in which a client authenticates
// itself, and what it refuses is told by its name.
func TestCertifiedProvider(t *testing.T) {
	t.Parallel()
	u := newUser(t, &world{}, "")
	var keys []string
	ecKey := func(curve elliptic.Curve) any {
		key, err := ecdsa.GenerateKey(curve, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return key
	}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	_, edKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for i, key := range []any{rsaKey, ecKey(elliptic.P256()), ecKey(elliptic.P384()), edKey} {
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(u.home, "key"+string(rune('0'+i)))
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}),
			0o600); err != nil {
			t.Fatal(err)
		}
		keys = append(keys, path)
	}
	issuer := startServer(t, "certified-provider",
		[]string{"CLIENT_KEYS=" + strings.Join(keys, ":"), "NODE_NO_WARNINGS=1"})
	const secret = "CANARY-certified+secret/with:signs"
	for _, test := range []struct{ options, err string }{
		{"client_id: basic, client_secret: '" + secret + "', scope: api:read", ""},
		{"client_id: post, client_secret: '" + secret + "', auth_method: client_secret_post", ""},
		{"client_id: jwt, private_key: " + keys[0], ""},
		{"client_id: jwt1, private_key: " + keys[1], ""},
		{"client_id: jwt2, private_key: " + keys[2], ""},
		{"client_id: jwt3, private_key: " + keys[3], ""},
		{"client_id: jwt, private_key: " + keys[1], "(invalid_client)"},
		{"client_id: basic, client_secret: CANARY-wrong",
			"does not know the client, or its secret is wrong (invalid_client)"},
		{"client_id: basic, client_secret: '" + secret + "', flow: token_exchange, subject_token: x",
			"does not offer the grant urn:ietf:params:oauth:grant-type:token-exchange"},
		{"client_id: basic, client_secret: '" + secret + "', token: id_token", "the issuer's answer holds no id_token"},
	} {
		u.configure(t, &world{}, "  p: {plugin: oidc, issuer: '"+issuer+"', "+test.options+"}\n")
		out, err := u.command("get", "p", "--no-cache").CombinedOutput()
		if test.err != "" {
			if !strings.Contains(string(out), test.err) || strings.Contains(string(out), "CANARY") {
				t.Errorf("%s: %s", test.options, out)
			}
			continue
		}
		var doc struct {
			Token      string
			Expires    time.Time `json:"expires_at"`
			Attributes map[string]string
		}
		if err != nil || json.Unmarshal(out, &doc) != nil || strings.Count(doc.Token, ".") != 2 ||
			doc.Attributes["issuer"] != issuer ||
			time.Until(doc.Expires) < 9*time.Minute || time.Until(doc.Expires) > 10*time.Minute {
			t.Errorf("%s: %v, %s", test.options, err, out)
		}
	}
}

// Kubernetes' own authenticator takes the ID token that kubectl gets from jeton,
// and refuses one that has expired.
func TestKubernetesOIDC(t *testing.T) {
	t.Parallel()
	kubectl := client("kubectl")
	if kubectl == "" {
		skip(t, "kubectl is not installed")
	}
	u := newUser(t, &world{}, "")
	var server struct{ Issuer, API, CA string }
	line := startServer(t, "kubernetes", nil, u.home)
	if err := json.Unmarshal([]byte(line), &server); err != nil {
		t.Fatal(err)
	}
	kubeconfig := filepath.Join(u.home, "kubeconfig")
	text := `{"apiVersion": "v1", "kind": "Config", "current-context": "c", "clusters": [{"name": "c", "cluster": {"server": "` + server.API +
		`", "certificate-authority": "` + server.CA + `"}}], "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
		"users": [{"name": "u", "user": {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "` + u.jeton +
		`", "args": ["get", "cluster"], "interactiveMode": "IfAvailable"}}}]}`
	if err := os.WriteFile(kubeconfig, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	whoami := func(kubeconfig string) (string, error) {
		cmd := exec.Command(kubectl, "--kubeconfig", kubeconfig, "auth", "whoami")
		cmd.Env = append(u.command().Env, "KUBECACHEDIR="+u.home)
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	profile := "  cluster: {plugin: oidc, issuer: '" + server.Issuer + "', ca_file: " + server.CA +
		", client_id: cluster, client_secret: CANARY-cluster-secret, token: id_token"
	u.configure(t, &world{}, profile+"}\n")
	if out, err := whoami(kubeconfig); err != nil || !strings.Contains(out, "oidc:service-account") ||
		!strings.Contains(out, "oidc:ops") {
		t.Errorf("%v: %s", err, out)
	}
	// An expired one, as an issuer with a wrong clock gives it, goes no
	// further than jeton; and shown all the same, Kubernetes refuses it.
	u.configure(t, &world{}, profile+", scope: '-60'}\n")
	if out, err := whoami(kubeconfig); err == nil || !strings.Contains(out, "which is past") {
		t.Errorf("%v: %s", err, out)
	}
	u.configure(t, &world{}, profile+", scope: '1'}\n")
	out, err := u.command("get", "cluster", "-f", "token").Output()
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(1100 * time.Millisecond) // until it has expired
	static := filepath.Join(u.home, "static")
	text = strings.Replace(text, text[strings.Index(text, `{"exec"`):strings.Index(text, `}]}`)], `{"token": "`+strings.TrimSpace(string(out))+`"}`, 1)
	if err := os.WriteFile(static, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := whoami(static); err == nil || !strings.Contains(out, "Unauthorized") {
		t.Errorf("%v: %s", err, out)
	}
}

// An issuer whose endpoints lie on another origin works, unless they are there
// without TLS.
func TestTwoOrigins(t *testing.T) {
	t.Parallel()
	provider := &embedded.Provider{ClientID: "c", ClientSecret: "CANARY-s"}
	var moved atomic.Bool
	tokens := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path, isNew := strings.CutPrefix(r.URL.Path, "/new")
		if isNew != moved.Load() {
			http.NotFound(w, r)
			return
		}
		r.URL.Path = path
		provider.ServeHTTP(w, r)
	}))
	t.Cleanup(tokens.Close)
	plain := httptest.NewServer(provider)
	t.Cleanup(plain.Close)
	var endpoint atomic.Value
	endpoint.Store(tokens.URL + "/oauth2/token")
	var requests atomic.Int32
	issuer := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(map[string]string{"issuer": "https://" + r.Host,
			"token_endpoint": endpoint.Load().(string)})
	}))
	t.Cleanup(issuer.Close)
	u := newUser(t, &world{}, "")
	ca := filepath.Join(u.home, "ca.pem")
	var both []byte
	for _, s := range []*httptest.Server{issuer, tokens} {
		both = append(both, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})...)
	}
	if err := os.WriteFile(ca, both, 0o600); err != nil {
		t.Fatal(err)
	}
	u.configure(t, &world{}, "  p: {plugin: oidc, issuer: '"+issuer.URL+"', ca_file: "+ca+", client_id: c, "+
		"client_secret: CANARY-s}\n")
	for range 2 {
		if out, err := u.command("get", "p", "--refresh").CombinedOutput(); err != nil {
			t.Errorf("%s", out)
		}
	}
	if n := requests.Load(); n != 2 { // --refresh asks for all anew
		t.Errorf("%d requests for the discovery document", n)
	}
	// A document that was kept is fetched anew when there is nothing any more
	// where it points to.
	moved.Store(true)
	endpoint.Store(tokens.URL + "/new/oauth2/token")
	u.configure(t, &world{}, "  p: {plugin: oidc, issuer: '"+issuer.URL+"', ca_file: "+ca+", client_id: c, "+
		"client_secret: CANARY-s, audience: other}\n")
	if out, err := u.command("get", "p").CombinedOutput(); err != nil || requests.Load() != 3 {
		t.Errorf("%s after %d requests", out, requests.Load())
	}
	moved.Store(false)
	if out, err := u.command("get", "p", "--no-cache").
		CombinedOutput(); err == nil || !strings.Contains(string(out),
		"there is no token endpoint at "+tokens.URL+"/new/oauth2/token (HTTP 404)") {
		t.Errorf("%s", out)
	}
	for _, test := range []struct{ endpoint, err string }{
		{plain.URL + "/oauth2/token", "names a token endpoint without TLS"},
		{"http://other.example/token", "names a token endpoint without TLS"},
		{"https://user:CANARY-pw@other.example/token", "names a token endpoint that cannot be used"},
		{"file:///etc/passwd", "names a token endpoint without TLS"},
		{"", "has no usable discovery document"},
	} {
		endpoint.Store(test.endpoint)
		out, err := u.command("get", "p", "--no-cache").CombinedOutput()
		if err == nil || !strings.Contains(string(out), test.err) || strings.Contains(string(out), "CANARY") {
			t.Errorf("%s: %s", test.endpoint, out)
		}
	}
}

// A real MinIO gives keys for the ID token of another profile, and the aws
// command works with them, also after they were renewed.
func TestMinIO(t *testing.T) {
	t.Parallel()
	cloud := realCloud(t)
	minio, aws := client("minio"), client("aws")
	if minio == "" || aws == "" {
		skip(t, "minio or aws is not installed")
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	listener.Close()
	u := newUser(t, &world{}, "")
	cmd := exec.Command(minio, "server", "--address", address, "--console-address", "127.0.0.1:0",
		filepath.Join(u.home, "minio"))
	cmd.Env = []string{"HOME=" + u.home, "PATH=" + os.Getenv("PATH"), "MINIO_ROOT_USER=root",
		"MINIO_ROOT_PASSWORD=CANARY-minio-pw", "MINIO_BROWSER=off", "MINIO_UPDATE=off",
		"MINIO_IDENTITY_OPENID_CONFIG_URL=" + cloud["op"] + "/.well-known/openid-configuration",
		"MINIO_IDENTITY_OPENID_CLIENT_ID=" + cloud["op_client_id"],
		"MINIO_IDENTITY_OPENID_ROLE_POLICY=readwrite"}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = cmd.Stdout
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	timer := time.AfterFunc(30*time.Second, func() { cmd.Process.Kill() }) // which ends the output
	defer timer.Stop()
	role, said := "", ""
	for lines := bufio.NewScanner(stdout); role == "" && lines.Scan(); said += lines.Text() + "\n" {
		role = regexp.MustCompile(`arn:minio:iam:::role/\S+`).FindString(lines.Text())
	}
	if role == "" {
		t.Fatalf("MinIO names no role: %s", said)
	}
	go io.Copy(io.Discard, stdout)
	profiles := "  provider: {plugin: oidc, issuer: '" + cloud["op"] + "', client_id: '" + cloud["op_client_id"] +
		"', client_secret: '" + cloud["op_client_secret"] + "', token: id_token, scope: openid}\n" +
		"  s3: {plugin: sts, from: provider, endpoint: 'http://" + address +
		"', region: us-east-1, duration: 15m, renew_after: 1s, role_arn: '"
	u.configure(t, &world{}, profiles+role+"'}\n")
	s3 := func(args ...string) string {
		t.Helper()
		cmd := exec.Command(aws, append([]string{"--endpoint-url", "http://" + address, "s3"}, args...)...)
		config := filepath.Join(u.home, "awsconfig")
		text := "[default]\nregion = us-east-1\ncredential_process = " + u.jeton + " get s3 -f aws\n"
		if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		cmd.Env = append(u.command().Env, "AWS_CONFIG_FILE="+config, "AWS_EC2_METADATA_DISABLED=true")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("aws s3 %s: %v\n%s", strings.Join(args, " "), err, out)
		}
		return string(out)
	}
	key := func() (doc struct {
		AccessKey string    `json:"access_key"`
		Expires   time.Time `json:"expires_at"`
	}) {
		t.Helper()
		out, err := u.command("get", "s3", "-f", "json").Output()
		if err != nil || json.Unmarshal(out, &doc) != nil || time.Until(doc.Expires) > 15*time.Minute {
			t.Fatalf("%v: %s", err, out)
		}
		return doc
	}
	file := filepath.Join(u.home, "hello.txt")
	if err := os.WriteFile(file, []byte("hello\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s3("mb", "s3://jeton-minio")
	first := key()
	s3("cp", file, "s3://jeton-minio/hello.txt")
	time.Sleep(1100 * time.Millisecond) // until it is renewed
	if second := key(); second.AccessKey == first.AccessKey {
		t.Error("the key was not renewed")
	}
	if out := s3("ls", "s3://jeton-minio"); !strings.Contains(out, "hello.txt") {
		t.Error(out)
	}
	// What MinIO refuses is told by its code.
	u.configure(t, &world{}, profiles+"arn:minio:iam:::role/nobody'}\n")
	if out, err := u.command("get", "s3").
		CombinedOutput(); err == nil || strings.Contains(string(out), "CANARY") || !strings.Contains(string(out), "(") {
		t.Errorf("%s", out)
	} else {
		t.Logf("%s", out)
	}
}
