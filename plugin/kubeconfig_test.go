package plugin

import "testing"

func FuzzKubeconfig(f *testing.F) {
	f.Add([]byte("current-context: a\ncontexts: [{name: a, context: {user: u}}]\nusers: [{name: u, user: " +
		"{client-certificate-data: eA==, client-key-data: eA==}}]"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if c, err := Kubeconfig(text); err == nil && c.ClientCertificate == "" {
			t.Error("no certificate and no error")
		}
	})
}
