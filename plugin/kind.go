package plugin

import "strings"

// A Kind is a kind of credential, or a set of kinds.
type Kind uint8

// The kinds of credential. A KeystoneToken names its Keystone in its attributes; a
// BearerToken is any other token. A Login is a name and a password.
const (
	BearerToken Kind = 1 << iota
	KeystoneToken
	AccessKey
	ClientCertificate
	Login

	AnyToken = BearerToken | KeystoneToken
	AnyKind  = AnyToken | AccessKey | ClientCertificate | Login
)

// String returns k in words, such as "token" or "access key or login".
func (k Kind) String() string {
	if k == AnyKind {
		return "any"
	}
	var words []string
	for _, kind := range []struct {
		kind Kind
		word string
	}{{AnyToken, "token"}, {AccessKey, "access key"}, {ClientCertificate, "client certificate"}, {Login, "login"}} {
		if k&kind.kind != 0 {
			words = append(words, kind.word)
		}
	}
	return strings.Join(words, " or ")
}

// Kind returns the kind of c, or 0 if c is empty.
func (c *Credential) Kind() Kind {
	switch {
	case !c.Token.IsZero() && c.Attrs[AttrAuthURL] != "":
		return KeystoneToken
	case !c.Token.IsZero():
		return BearerToken
	case c.AccessKey != "":
		return AccessKey
	case !c.ClientKey.IsZero():
		return ClientCertificate
	case !c.Password.IsZero():
		return Login
	}
	return 0
}
