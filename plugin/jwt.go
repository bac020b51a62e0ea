package plugin

import (
	"encoding/base64"
	"strings"
	"time"
)

// Claims are what a JWT says about itself. They are not verified: the server that gets
// the token does that. They serve to find the expiry and to be shown to the user.
type Claims struct {
	Issuer, Subject string
	Audience        []string
	Expires, Issued time.Time
	// Name is the user's, as people write it, or empty. Party is the client that the token
	// is for (azp), and Nonce that of the login. (OpenID Connect Core, sections 2 and 5.1.)
	Name, Party, Nonce string
}

// ParseClaims returns the claims of token. They are empty if the token is not a JWT (RFC
// 7519).
func ParseClaims(token Secret) (c Claims) {
	parts := strings.Split(token.Reveal(), ".")
	if len(parts) != 3 {
		return c
	}
	b, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return c
	}
	var body struct {
		Issuer   string `json:"iss"`
		Subject  string `json:"sub"`
		Audience any    `json:"aud"`
		Expires  any    `json:"exp"`
		Issued   any    `json:"iat"`
		Name     any    `json:"preferred_username"`
		Email    any    `json:"email"`
		Party    any    `json:"azp"`
		Nonce    any    `json:"nonce"`
	}
	if DecodeJSON(b, &body) != nil {
		return c
	}
	instant := func(v any) (t time.Time) {
		if seconds, ok := v.(float64); ok && seconds > 0 && seconds <= 253402300799 { // the year 9999
			t = time.Unix(int64(seconds), 0).UTC()
		}
		return t
	}
	c.Issuer, c.Subject, c.Expires, c.Issued = body.Issuer, body.Subject, instant(body.Expires), instant(body.Issued)
	for _, text := range []struct {
		to   *string
		from any
	}{{&c.Name, body.Email}, {&c.Name, body.Name}, {&c.Party, body.Party}, {&c.Nonce, body.Nonce}} {
		if s, ok := text.from.(string); ok && s != "" {
			*text.to = s
		}
	}
	switch aud := body.Audience.(type) {
	case string:
		c.Audience = []string{aud}
	case []any:
		for _, a := range aud {
			if s, ok := a.(string); ok {
				c.Audience = append(c.Audience, s)
			}
		}
	}
	return c
}
