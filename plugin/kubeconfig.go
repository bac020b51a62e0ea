package plugin

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"time"

	"go.yaml.in/yaml/v3"
)

// kubeLife is how long a certificate is kept, though it may be valid for much longer. A
// user who has lost the right to it should notice.
const kubeLife = 12 * time.Hour

// Kubeconfig returns the client certificate of the current user in a kubeconfig from an
// issuer. It returns an [Unusable] error if there is none.
func Kubeconfig(text []byte) (*Credential, error) {
	c, err := clientCertificate(text)
	if err != nil {
		return nil, Errorf(Unusable, "the cluster's kubeconfig has no client certificate that can be used").
			RememberFor(10 * time.Second)
	}
	c.Issued = time.Now()
	c.Renew = c.Issued.Add(kubeLife)
	return c, nil
}

func clientCertificate(text []byte) (*Credential, error) {
	var k struct {
		Current  string `yaml:"current-context"`
		Contexts []struct {
			Name    string
			Context struct{ User string }
		}
		Users []struct {
			Name string
			User struct {
				Certificate string `yaml:"client-certificate-data"`
				Key         string `yaml:"client-key-data"`
			}
		}
	}
	if err := yaml.Unmarshal(text, &k); err != nil {
		return nil, err
	}
	user := ""
	for _, c := range k.Contexts {
		if c.Name == k.Current {
			user = c.Context.User
		}
	}
	for _, u := range k.Users {
		if u.Name != user {
			continue
		}
		cert, err := base64.StdEncoding.DecodeString(u.User.Certificate)
		if err != nil {
			return nil, err
		}
		key, err := base64.StdEncoding.DecodeString(u.User.Key)
		if err != nil {
			return nil, err
		}
		block, _ := pem.Decode(cert)
		if block == nil {
			break
		}
		leaf, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		return &Credential{ClientCertificate: string(cert), ClientKey: NewSecret(string(key)), Expires: leaf.NotAfter},
			nil
	}
	return nil, errors.New("no certificate")
}
