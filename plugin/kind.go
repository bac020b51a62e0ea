package plugin

import "strings"

// A Kind is a kind of credential, or a set of kinds.
type Kind uint8

// The kinds of credential. A KeystoneToken names its Keystone in its attributes; a
// BearerToken is any other token. A Login is a name and a password. An
// ApplicationCredential is a login to Keystone of its own, with an id and a secret.
const (
	BearerToken Kind = 1 << iota
	KeystoneToken
	AccessKey
	ClientCertificate
	Login
	ApplicationCredential

	AnyToken = BearerToken | KeystoneToken
	AnyKind  = AnyToken | AccessKey | ClientCertificate | Login | ApplicationCredential
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
	}{
		{AnyToken, "token"}, {AccessKey, "access key"}, {ClientCertificate, "client certificate"}, {Login, "login"},
		{ApplicationCredential, "application credential"},
	} {
		if k&kind.kind != 0 {
			words = append(words, kind.word)
		}
	}
	return strings.Join(words, " or ")
}

// Blank returns a credential of the one kind k without anything of use in it, for those who
// want to know what becomes of that kind. It is nil for tokens and for several kinds.
func (k Kind) Blank() *Credential {
	blank := NewSecret("-")
	switch k {
	case AccessKey:
		return &Credential{AccessKey: "-", SecretKey: blank}
	case ApplicationCredential:
		return &Credential{SecretKey: blank, Attrs: map[string]string{AttrApplicationCredentialID: "-"}}
	}
	return nil
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
	case c.Attrs[AttrApplicationCredentialID] != "" && !c.SecretKey.IsZero():
		return ApplicationCredential
	case !c.ClientKey.IsZero():
		return ClientCertificate
	case !c.Password.IsZero():
		return Login
	}
	return 0
}

// KeyID returns the id of c at its issuer if c is a key that a [Ledger] could have made: an
// access key or an application credential. Otherwise it returns "".
func (c *Credential) KeyID() string {
	if c.Kind() == ApplicationCredential {
		return c.Attrs[AttrApplicationCredentialID]
	}
	return c.AccessKey
}
