package login

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/jeton-cli/jeton/plugin"
)

// A proof is what a server reads in a DPoP header.
type proof struct {
	header struct {
		Type string `json:"typ"`
		Alg  string `json:"alg"`
		Key  struct {
			Type  string `json:"kty"`
			Curve string `json:"crv"`
			X     string `json:"x"`
			Y     string `json:"y"`
			D     string `json:"d"`
		} `json:"jwk"`
	}
	body struct {
		ID     string `json:"jti"`
		Method string `json:"htm"`
		To     string `json:"htu"`
		Issued int64  `json:"iat"`
		Nonce  string `json:"nonce"`
	}
	thumbprint string // RFC 7638
}

// verify checks the proof of a request as RFC 9449, section 4.3, wants it.
func verify(t *testing.T, r *http.Request) (p proof) {
	t.Helper()
	headers := r.Header.Values("DPoP")
	if len(headers) != 1 {
		t.Fatalf("%d proofs", len(headers))
	}
	parts := strings.Split(headers[0], ".")
	decode := func(s string) []byte {
		b, err := base64.RawURLEncoding.DecodeString(s)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	if err := json.Unmarshal(decode(parts[0]), &p.header); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(decode(parts[1]), &p.body); err != nil {
		t.Fatal(err)
	}
	jwk, signature := p.header.Key, decode(parts[2])
	key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), append(append([]byte{4}, decode(jwk.X)...),
		decode(jwk.Y)...))
	if err != nil {
		t.Fatal(err)
	}
	digest := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	valid := len(signature) == 64 && ecdsa.Verify(key, digest[:], new(big.Int).SetBytes(signature[:32]),
		new(big.Int).SetBytes(signature[32:]))
	if !valid || p.header.Type != "dpop+jwt" || p.header.Alg != "ES256" || jwk.Type != "EC" || jwk.Curve != "P-256" ||
		jwk.D != "" {
		t.Errorf("valid: %v; %+v", valid, p.header)
	}
	if p.body.Method != http.MethodPost || p.body.ID == "" ||
		time.Since(time.Unix(p.body.Issued, 0)).Abs() > time.Minute {
		t.Errorf("%+v", p.body)
	}
	sum := sha256.Sum256([]byte(`{"crv":"P-256","kty":"EC","x":"` + jwk.X + `","y":"` + jwk.Y + `"}`))
	p.thumbprint = string(sum[:])
	return p
}

// The proofs of a session are all by one key, and each is another. A server that wants its
// nonce gets it once.
func TestProofs(t *testing.T) {
	i, begin := taking(t)
	i.discovery["token_endpoint"] = testIssuer + "/token?tenant=1"
	b := begin(withProof)
	var proofs []proof
	i.token = func(n int, form url.Values, r *http.Request) reply {
		proofs = append(proofs, verify(t, r))
		if n%2 == 1 {
			a := refusal("use_dpop_nonce")
			a.header = http.Header{"Dpop-Nonce": {"nonce"}}
			return a
		}
		if form.Get("code") == "" && form.Get("refresh_token") != "refresh-1" {
			t.Errorf("%v is sent", form)
		}
		return reply{status: 200, body: tokens(claims(b.asked.Get("nonce")), "refresh-1")}
	}
	b.succeed()
	if _, err := i.source(withProof).Fetch(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if len(proofs) != 4 || i.kept.ProofKey.IsZero() {
		t.Fatalf("%d proofs; %+v is kept", len(proofs), i.kept)
	}
	ids := map[string]bool{}
	for n, p := range proofs {
		ids[p.body.ID] = true
		if p.body.To != testIssuer+"/token" || p.thumbprint != proofs[0].thumbprint ||
			(p.body.Nonce == "nonce") != (n%2 == 1) {
			t.Errorf("proof %d: %+v", n, p.body)
		}
	}
	if len(ids) != 4 {
		t.Error("one id serves two proofs")
	}
}

// A server that is never content with the nonce is not asked for ever, and the session
// goes on.
func TestEndlessNonces(t *testing.T) {
	i := newIssuer()
	i.kept = kept("r1")
	i.kept.ProofKey, _ = newProofKey()
	i.token = func(int, url.Values, *http.Request) reply {
		a := refusal("use_dpop_nonce")
		a.header = http.Header{"Dpop-Nonce": {"nonce"}}
		return a
	}
	_, err := i.source().Fetch(t.Context(), nil)
	if codeOf(err) != plugin.Unusable || i.times("/token") != 2 || i.refreshToken() != "r1" {
		t.Errorf("%v after %d requests; %q is kept", err, i.times("/token"), i.refreshToken())
	}
}

// No two logins have the same key, and no other key than jeton's own is used.
func TestProofKeys(t *testing.T) {
	one, err := newProofKey()
	two, _ := newProofKey()
	if err != nil || one.Reveal() == two.Reveal() {
		t.Error(err)
	}
	p384, _ := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	_, ed, _ := ed25519.GenerateKey(rand.Reader)
	bad := []string{"", "%", "AAAA"}
	for _, key := range []any{p384, ed} {
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			t.Fatal(err)
		}
		bad = append(bad, base64.StdEncoding.EncodeToString(der))
	}
	for _, text := range bad {
		if _, err := proofBy(plugin.NewSecret(text)); codeOf(err) != plugin.Config {
			t.Errorf("%.20q: %v", text, err)
		}
	}
}
