package login

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"time"

	"github.com/jeton-cli/jeton/plugin"
)

// newProofKey returns a new key for proofs of possession (RFC 9449), in PKCS #8 and base64.
func newProofKey() (plugin.Secret, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return plugin.Secret{}, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return plugin.Secret{}, err
	}
	return plugin.NewSecret(base64.StdEncoding.EncodeToString(der)), nil
}

// proofBy returns a function that makes the proof of a request with the key: a JWT in the
// DPoP header (RFC 9449, section 4.2).
func proofBy(key plugin.Secret) (func(method, address, nonce string) (string, error), error) {
	der, err := base64.StdEncoding.DecodeString(key.Reveal())
	var parsed any
	if err == nil {
		parsed, err = x509.ParsePKCS8PrivateKey(der)
	}
	private, ok := parsed.(*ecdsa.PrivateKey)
	if err != nil || !ok || private.Curve != elliptic.P256() {
		return nil, plugin.Errorf(plugin.Config, "the session's key is not one that jeton makes").
			WithHint("log in again")
	}
	point, err := private.PublicKey.Bytes() // 4, and then the two coordinates
	if err != nil {
		return nil, err
	}
	encode := base64.RawURLEncoding.EncodeToString
	half := (len(point) - 1) / 2
	header, err := json.Marshal(map[string]any{"typ": "dpop+jwt", "alg": "ES256", "jwk": map[string]string{
		"kty": "EC", "crv": "P-256", "x": encode(point[1 : 1+half]), "y": encode(point[1+half:])}})
	if err != nil {
		return nil, err
	}
	return func(method, address, nonce string) (string, error) {
		claims := map[string]any{"jti": rand.Text(), "htm": method, "htu": address, "iat": time.Now().Unix()}
		if nonce != "" {
			claims["nonce"] = nonce
		}
		body, err := json.Marshal(claims)
		if err != nil {
			return "", err
		}
		signed := encode(header) + "." + encode(body)
		digest := sha256.Sum256([]byte(signed))
		r, s, err := ecdsa.Sign(rand.Reader, private, digest[:])
		if err != nil {
			return "", err
		}
		signature := make([]byte, 2*half)
		r.FillBytes(signature[:half])
		s.FillBytes(signature[half:])
		return signed + "." + encode(signature), nil
	}, nil
}
