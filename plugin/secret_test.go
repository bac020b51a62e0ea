package plugin

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"
)

// A secret must not show in anything that prints it, however it is wrapped.
func TestSecretIsNotPrinted(t *testing.T) {
	const value = "CANARY"
	secret := NewSecret(value)
	type wrapped struct {
		Exported   Secret
		unexported Secret
		Pointer    *Secret
		List       []Secret
		Map        map[string]Secret
	}
	w := wrapped{secret, secret, &secret, []Secret{secret}, map[string]Secret{"a": secret}}
	credential := &Credential{Token: secret, AccessKey: "id", SecretKey: secret, SessionToken: secret,
		Expires: time.Now()}
	ref := SecretRef{literal: secret}
	var log bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%p", "%T"} {
		for _, v := range []any{secret, &secret, w, &w, credential, *credential, ref, []any{secret, w}} {
			fmt.Fprintf(&log, verb+"\n", v)
		}
	}
	for _, handler := range []slog.Handler{slog.NewJSONHandler(&log, nil), slog.NewTextHandler(&log, nil)} {
		slog.New(handler).Info("x", "secret", secret, "wrapped", w, "credential", credential, "ref", ref)
	}
	if err := json.NewEncoder(&log).Encode([]any{secret, w, credential, ref}); err != nil {
		t.Fatal(err)
	}
	for _, form := range []string{value, fmt.Sprintf("%x", value), fmt.Sprintf("%X", value)} {
		if i := strings.Index(log.String(), form); i >= 0 {
			t.Errorf("printed as %q: …%s…", form, log.String()[max(0, i-60):i+20])
		}
	}
	if secret.Reveal() != value {
		t.Errorf("Reveal() = %q", secret.Reveal())
	}
}

func TestCleanSecret(t *testing.T) {
	for _, test := range []struct{ in, want, err string }{
		{"a", "a", ""},
		{"a\n", "a", ""},
		{"a\r\n", "a", ""},
		{" a b \n", " a b ", ""},
		{"", "", "is empty"},
		{"\n", "", "is empty"},
		{"a\n\n", "", "more than one line"},
		{"a\nb", "", "more than one line"},
		{"a\x00", "", "more than one line"},
		{"\xff", "", "not UTF-8"},
		{"\ufeffa", "", "byte order mark"},
		{strings.Repeat("a", maxSecret+1), "", "larger than 64 KiB"},
	} {
		s, err := cleanSecret([]byte(test.in))
		if test.err == "" && (err != nil || s.Reveal() != test.want) {
			t.Errorf("cleanSecret(%q) = %q, %v", test.in, s.Reveal(), err)
		}
		if test.err != "" && (err == nil || !strings.Contains(err.Error(), test.err)) {
			t.Errorf("cleanSecret(%.20q): %v, not %q", test.in, err, test.err)
		}
	}
}

func TestCheck(t *testing.T) {
	now := time.Now()
	good := func() *Credential {
		return &Credential{Token: NewSecret("gAAAA"), Issued: now, Expires: now.Add(time.Hour),
			Attrs: map[string]string{"user_name": "Zoë"}}
	}
	if err := good().Check(now); err != nil {
		t.Error(err)
	}
	for name, spoil := range map[string]func(*Credential){
		"empty":     func(c *Credential) { c.Token = Secret{} },
		"half key":  func(c *Credential) { c.Token, c.AccessKey = Secret{}, "id" },
		"newline":   func(c *Credential) { c.Token = NewSecret("a\nX-Evil: b") },
		"return":    func(c *Credential) { c.Token = NewSecret("a\r") },
		"null":      func(c *Credential) { c.Token = NewSecret("a\x00") },
		"space":     func(c *Credential) { c.SecretKey = NewSecret("a b") },
		"escape":    func(c *Credential) { c.SessionToken = NewSecret("\x1b[0m") },
		"separator": func(c *Credential) { c.AccessKey = "a\u2028" },
		"not UTF-8": func(c *Credential) { c.Token = NewSecret("\xff") },
		"attribute": func(c *Credential) { c.Attrs["user_name"] = "a\nb" },
		"expired":   func(c *Credential) { c.Expires = now },
		"large":     func(c *Credential) { c.SessionToken = NewSecret(strings.Repeat("s", maxPart+1)) },
		"together": func(c *Credential) {
			c.Token, c.SessionToken = NewSecret(strings.Repeat("t", maxPart)), NewSecret(strings.Repeat("s", maxPart))
		},
		"attributes": func(c *Credential) { c.Attrs["fields"] = strings.Repeat("f", MaxCredential) },
	} {
		c := good()
		spoil(c)
		if err := c.Check(now); err == nil || AsError(err).Code != Unusable || AsError(err).Remember == 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
}
