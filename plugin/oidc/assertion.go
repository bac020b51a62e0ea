package oidc

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"hash"
	"time"

	"github.com/jeton-cli/jeton/plugin"
)

// assertion returns a JWT with which the client authenticates at the token endpoint. It
// is valid for one minute, and can be used once (RFC 7523, section 3).
func (s *source) assertion(endpoint string, now time.Time) (plugin.Secret, error) {
	o := s.options
	key, err := readKey(string(o.PrivateKey))
	if err != nil {
		return plugin.Secret{}, err
	}
	header := map[string]string{"typ": "JWT"}
	if o.KeyID != "" {
		header["kid"] = o.KeyID
	}
	var sum hash.Hash
	var sign func(digest []byte) ([]byte, error)
	switch key := key.(type) {
	case *rsa.PrivateKey:
		header["alg"], sum = "RS256", sha256.New()
		sign = func(digest []byte) ([]byte, error) { return rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, digest) }
	case *ecdsa.PrivateKey:
		switch key.Curve.Params().BitSize {
		case 256:
			header["alg"], sum = "ES256", sha256.New()
		case 384:
			header["alg"], sum = "ES384", sha512.New384()
		default:
			return plugin.Secret{}, unusableKey(o.PrivateKey)
		}
		sign = func(digest []byte) ([]byte, error) {
			r, s, err := ecdsa.Sign(rand.Reader, key, digest)
			if err != nil {
				return nil, err
			}
			size := (key.Curve.Params().BitSize + 7) / 8 // both numbers are padded to this size (RFC 7518, section 3.4)
			return append(r.FillBytes(make([]byte, size)), s.FillBytes(make([]byte, size))...), nil
		}
	case ed25519.PrivateKey:
		header["alg"] = "EdDSA"
		sign = func(message []byte) ([]byte, error) { return ed25519.Sign(key, message), nil }
	default:
		return plugin.Secret{}, unusableKey(o.PrivateKey)
	}
	payload := map[string]any{
		"iss": o.ClientID, "sub": o.ClientID, "aud": endpoint, "jti": rand.Text(),
		"iat": now.Unix(), "exp": now.Add(time.Minute).Unix(),
	}
	text := encode(header) + "." + encode(payload)
	message := []byte(text)
	if sum != nil {
		sum.Write(message)
		message = sum.Sum(nil)
	}
	signature, err := sign(message)
	if err != nil {
		return plugin.Secret{}, unusableKey(o.PrivateKey)
	}
	return plugin.NewSecret(text + "." + base64.RawURLEncoding.EncodeToString(signature)), nil
}

func encode(v any) string {
	b, _ := json.Marshal(v) // cannot fail: v holds only strings and numbers
	return base64.RawURLEncoding.EncodeToString(b)
}

// readKey reads a PEM private key in PKCS #8, PKCS #1 or SEC 1 format.
func readKey(path string) (any, error) {
	b, err := plugin.ReadKeyFile(path)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(b)
	if block == nil {
		return nil, unusableKey(plugin.Path(path))
	}
	for _, parse := range []func([]byte) (any, error){
		x509.ParsePKCS8PrivateKey,
		func(der []byte) (any, error) { return x509.ParsePKCS1PrivateKey(der) },
		func(der []byte) (any, error) { return x509.ParseECPrivateKey(der) },
	} {
		if key, err := parse(block.Bytes); err == nil {
			return key, nil
		}
	}
	return nil, unusableKey(plugin.Path(path))
}

func unusableKey(path plugin.Path) error {
	return plugin.Errorf(plugin.Config, "private_key: %s holds no private key that can be used", path).
		WithHint("it has to be an RSA, EC (P-256, P-384) or Ed25519 key in PEM form, without a passphrase")
}
