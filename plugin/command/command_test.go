package command

import (
	"testing"
	"time"

	"github.com/jeton-cli/jeton/plugin"
)

func TestParse(t *testing.T) {
	now := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	for name, test := range map[string]struct {
		text, token, key, session string
		expires                   time.Time
		renew                     bool
	}{
		"aws":               {`{"Version": 1, "AccessKeyId": "AK", "SecretAccessKey": "SK", "SessionToken": "ST", "Expiration": "2026-11-22T01:00:00Z"}`, "", "AK", "ST", now.Add(time.Hour), false},
		"aws without end":   {`{"Version": 1, "AccessKeyId": "AK", "SecretAccessKey": "SK"}`, "", "AK", "", time.Time{}, true},
		"kubernetes":        {`{"kind": "ExecCredential", "apiVersion": "x", "status": {"token": "T", "expirationTimestamp": "2026-11-22T02:00:00+01:00"}}`, "T", "", "", now.Add(time.Hour), false},
		"kubernetes, a JWT": {`{"kind": "ExecCredential", "status": {"token": "e30.eyJleHAiOjE3OTUzMDkyMDB9.x"}}`, "e30.eyJleHAiOjE3OTUzMDkyMDB9.x", "", "", now.Add(time.Hour), false},
		"jeton":             {`{"profile": "p", "token": "T", "issued_at": "2026-11-21T00:00:00Z", "expires_at": "2026-11-22T01:00:00Z", "attributes": {"auth_url": "u"}}`, "T", "", "", now.Add(time.Hour), false},
	} {
		c, err := parse([]byte(test.text), now)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if c.Token.Reveal() != test.token || c.AccessKey != test.key || c.SessionToken.Reveal() != test.session ||
			!c.Expires.Equal(test.expires) || c.Renew.IsZero() == test.renew {
			t.Errorf("%s: %v, renewed %s", name, c, c.Renew)
		}
	}
	for _, text := range []string{"", "{}", "[]", "null", `{"Version": 2, "AccessKeyId": "a"}`,
		`{"token": "a", "token": "b"}`, `{"Token": "a"}`, `{"token": "a", "TOKEN": "b"}`, `{"token": "a"} {"token": "b"}`,
		`{"kind": "ExecCredential", "status": {"token": "a", "token": "b"}}`, `{"token": "a"}x`, `{"kind": "Pod"}`, "CANARY",
		`{"Version": 1, "AccessKeyId": "a", "SecretAccessKey": "b", "Expiration": "tomorrow"}`} {
		if c, err := parse([]byte(text), now); err == nil && c.Check(now) == nil {
			t.Errorf("%s: %v", text, c)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"kind": "ExecCredential", "status": {"clientCertificateData": "-----BEGIN CERTIFICATE-----", "clientKeyData": "x"}}`))
	f.Add([]byte(`{"Version": 1, "AccessKeyId": "AK", "SecretAccessKey": "SK", "Expiration": "2026-11-22T01:00:00Z"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := parse(b, time.Now())
		if err == nil {
			c.Check(time.Now())
		} else if plugin.AsError(err).Code != plugin.Unusable {
			t.Error(err)
		}
	})
}
