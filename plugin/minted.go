package plugin

import (
	"context"
	"time"
)

// A Collector is a [Source] that mints keys and can remove those that are no longer
// wanted.
type Collector interface {
	// Collect deletes the unwanted keys, at the issuer, of the account that the profile
	// logs in to. It returns their ids.
	Collect(ctx context.Context) ([]string, error)
}

// A Ledger records the long-lived keys that jeton makes at issuers, so that none is ever
// lost. It is an interface only because the cache, which implements it, imports this
// package.
type Ledger interface {
	// Mint returns the profile's key. It reads the wanted key again from the issuer if
	// there is one and keys is a [KeyReader]. Otherwise, or with replace, it makes a new
	// key.
	Mint(ctx context.Context, order Order, keys Keys, replace bool) (*Credential, error)
	// Collect deletes the user's unwanted keys and returns their ids. With all, it also
	// deletes the keys that the profile uses.
	Collect(ctx context.Context, order Order, keys Keys, all bool) ([]string, error)
}

// An Order says where a key is minted and how long it lives. Issuer and Subject name a
// user of an issuer. Scope says what the key is valid for there, such as a project.
type Order struct {
	Issuer, Subject, Scope string
	// MaxAge is the age at which a key that does not expire is replaced; 0 means never.
	// Its callers are told that it expires an hour later, and it works until then.
	MaxAge time.Duration
	// Life is how long a key lives if the issuer itself lets it expire, or 0.
	Life time.Duration
	// Tag is the beginning of the tags of keys with a Life, up to their id.
	Tag string
}

// A Mark is what an issuer says about an access key besides its id.
type Mark struct {
	Scope   string    // what it is valid for, such as the id of a project
	Tag     string    // a text that tells the key from all others, if the issuer has such
	Expires time.Time // zero if it does not expire
}

// Keys are the operations of an issuer of access keys.
type Keys interface {
	// List returns all keys of the subject by id, whoever made them and whatever their
	// scope.
	List(ctx context.Context) (map[string]Mark, error)
	// Create makes a key. If the order has a Life, the key gets the tag and the expiry of
	// mark, by which it can be found again. Create sends one request, and not twice unless
	// the issuer has refused the first: what else it needs, it asks for in
	// [KeyPreparer.Prepare].
	Create(ctx context.Context, mark Mark) (*Credential, error)
	// Delete removes a key. It is no error if the key is already gone.
	Delete(ctx context.Context, id string) error
}

// A KeyPreparer is the [Keys] of an issuer that has to ask for something before it makes or
// reads a key.
type KeyPreparer interface {
	// Prepare asks for it. Nothing is made or recorded yet, so that a failure leaves nothing
	// behind.
	Prepare(ctx context.Context) error
}

// A Tagger is the [Keys] of an issuer that may refuse a tag.
type Tagger interface {
	// Tagged reports whether the key that was made last has its tag.
	Tagged() bool
}

// A KeyReader is the [Keys] of an issuer that can show the secret of an existing key.
type KeyReader interface {
	// Read returns an existing key with its secret, or an error wrapping
	// fs.ErrNotExist.
	Read(ctx context.Context, id string) (*Credential, error)
}

// A Minter is a [Source] of keys that jeton makes. It holds what all issuers of such keys
// share. It is also a [Revoker] and a [Collector].
type Minter struct {
	Env *Env
	// Open calls do with the user that the profile logs in as, and with that user's keys.
	Open func(ctx context.Context, do func(Order, Keys) error) error
}

// Fetch returns the profile's key. It makes one if there is none.
func (m Minter) Fetch(ctx context.Context, _ *Credential) (c *Credential, err error) {
	err = m.Open(ctx, func(order Order, keys Keys) (err error) {
		c, err = m.Env.Ledger.Mint(ctx, order, keys, m.Env.Refresh)
		return err
	})
	return c, err
}

// Revoke deletes all keys that the profile has minted.
func (m Minter) Revoke(ctx context.Context, _ *Credential) error {
	_, err := m.collect(ctx, true)
	return err
}

// Collect deletes the keys that are no longer wanted.
func (m Minter) Collect(ctx context.Context) ([]string, error) { return m.collect(ctx, false) }

func (m Minter) collect(ctx context.Context, all bool) (ids []string, err error) {
	err = m.Open(ctx, func(order Order, keys Keys) (err error) {
		ids, err = m.Env.Ledger.Collect(ctx, order, keys, all)
		return err
	})
	return ids, err
}
