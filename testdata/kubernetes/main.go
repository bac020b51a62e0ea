// Kubernetes is an API server's door: Kubernetes' own OpenID Connect
// authenticator, and a server that answers who a caller is. With it comes an
// issuer, which gives ID tokens to one client.
//
// It prints one line of JSON, with the issuer, the API server and the file of
// their certificate authority, and ends when its standard input does.
//
//	ISSUER, ISSUER_CA  another issuer to trust, and the file of its authority
//	CLIENT_ID          the client whose tokens are for this API server
//	USERNAME_CLAIM     what its users are called by; sub if it is not set
package main

import (
	"cmp"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apiserver/pkg/apis/apiserver"
	"k8s.io/apiserver/pkg/authentication/request/bearertoken"
	"k8s.io/apiserver/pkg/server/dynamiccertificates"
	"k8s.io/apiserver/plugin/pkg/authenticator/token/oidc"
)

const (
	clientID     = "cluster"
	clientSecret = "CANARY-cluster-secret"
)

func main() {
	log.SetFlags(0)
	if err := run(os.Args[1]); err != nil {
		log.Fatal(err)
	}
}

// run serves, with the file of the authority in dir.
func run(dir string) error {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}
	provider := httptest.NewTLSServer(issuer{key})
	ca := filepath.Join(dir, "kubernetes-ca.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: provider.Certificate().Raw})
	if err := os.WriteFile(ca, text, 0o600); err != nil {
		return err
	}
	trusted := cmp.Or(os.Getenv("ISSUER"), provider.URL)
	roots, err := dynamiccertificates.NewDynamicCAContentFromFile("oidc", cmp.Or(os.Getenv("ISSUER_CA"), ca))
	if err != nil {
		return err
	}
	prefix := "oidc:"
	authenticator, err := oidc.New(context.Background(), oidc.Options{
		JWTAuthenticator: apiserver.JWTAuthenticator{
			Issuer: apiserver.Issuer{URL: trusted, Audiences: []string{cmp.Or(os.Getenv("CLIENT_ID"), clientID)}},
			ClaimMappings: apiserver.ClaimMappings{
				Username: apiserver.PrefixedClaimOrExpression{Claim: cmp.Or(os.Getenv("USERNAME_CLAIM"), "sub"),
					Prefix: &prefix},
				Groups: apiserver.PrefixedClaimOrExpression{Claim: "groups", Prefix: &prefix},
			},
		},
		CAContentProvider:    roots,
		SupportedSigningAlgs: []string{"RS256"},
	})
	if err != nil {
		return err
	}
	deadline := time.Now().Add(20 * time.Second)
	for ; authenticator.HealthCheck() != nil; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			return authenticator.HealthCheck()
		}
	}
	bearer := bearertoken.New(authenticator)
	api := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		resp, ok, err := bearer.AuthenticateRequest(r)
		if err != nil || !ok {
			fmt.Fprintln(os.Stderr, "refused:", err)
			w.WriteHeader(http.StatusUnauthorized)
			json.NewEncoder(w).Encode(metav1.Status{TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"},
				Status: "Failure", Reason: "Unauthorized", Code: 401, Message: "Unauthorized"})
			return
		}
		if r.Method != http.MethodPost || r.URL.Path != "/apis/authentication.k8s.io/v1/selfsubjectreviews" {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		w.WriteHeader(http.StatusCreated)
		json.NewEncoder(w).Encode(authenticationv1.SelfSubjectReview{
			TypeMeta: metav1.TypeMeta{Kind: "SelfSubjectReview", APIVersion: "authentication.k8s.io/v1"},
			Status: authenticationv1.SelfSubjectReviewStatus{
				UserInfo: authenticationv1.UserInfo{Username: resp.User.GetName(), Groups: resp.User.GetGroups()}},
		})
	}))
	json.NewEncoder(os.Stdout).Encode(map[string]string{"issuer": trusted, "api": api.URL, "ca": ca})
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// An issuer gives an ID token to its client. With the scope "old" it has expired
// already.
type issuer struct{ key *rsa.PrivateKey }

func (i issuer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	self := "https://" + r.Host
	number := func(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
	switch r.URL.Path {
	case "/.well-known/openid-configuration":
		json.NewEncoder(w).Encode(map[string]any{"issuer": self, "token_endpoint": self + "/token",
			"jwks_uri":               self + "/keys",
			"authorization_endpoint": self + "/authorize", "response_types_supported": []string{"code"},
			"subject_types_supported":               []string{"public"},
			"id_token_signing_alg_values_supported": []string{"RS256"}})
	case "/keys":
		json.NewEncoder(w).Encode(map[string]any{
			"keys": []any{map[string]string{"kty": "RSA", "alg": "RS256", "use": "sig", "kid": "k1",
				"n": number(i.key.N.Bytes()), "e": number(big.NewInt(int64(i.key.E)).Bytes())}}})
	case "/token":
		id, secret, ok := r.BasicAuth()
		if !ok || id != clientID || secret != clientSecret {
			w.WriteHeader(http.StatusUnauthorized)
			io.WriteString(w, `{"error": "invalid_client"}`)
			return
		}
		life := 10 * time.Minute
		if seconds, err := strconv.Atoi(r.PostFormValue("scope")); err == nil {
			life = time.Duration(seconds) * time.Second
		}
		now := time.Now()
		encode := func(v any) string {
			b, _ := json.Marshal(v)
			return number(b)
		}
		text := encode(map[string]string{"alg": "RS256", "kid": "k1"}) + "." + encode(map[string]any{
			"iss": self, "sub": "service-account", "aud": clientID, "groups": []string{"ops"}, "iat": now.Unix(),
			"exp": now.Add(life).Unix()})
		digest := sha256.Sum256([]byte(text))
		signature, err := rsa.SignPKCS1v15(rand.Reader, i.key, crypto.SHA256, digest[:])
		if err != nil {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		json.NewEncoder(w).Encode(map[string]any{"access_token": "opaque", "id_token": text + "." + number(signature),
			"token_type": "Bearer", "expires_in": 3600})
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}
