package plugin

import (
	"context"
	"time"
)

// A Collector is a [Source] that mints keys and can remove those that nobody
// wants any more.
type Collector interface {
	// Collect deletes at the issuer the unwanted keys of the account that the
	// profile logs in to, and returns their ids.
	Collect(ctx context.Context) ([]string, error)
}

// A Ledger records the long-lived keys that jeton makes at issuers, so that
// none is ever lost. It is an interface only because the cache, which
// implements it, imports this package.
type Ledger interface {
	// Mint returns the profile's key: the one that is wanted, read again from
	// the issuer, or a new one: with replace, or if there is none, or if keys
	// is no [KeyReader].
	Mint(ctx context.Context, order Order, keys Keys, replace bool) (*Credential, error)
	// Collect deletes the user's unwanted keys, and with all also those that
	// the profile uses, and returns their ids.
	Collect(ctx context.Context, order Order, keys Keys, all bool) ([]string, error)
}

// An Order says where a key is minted, and how long it lives: Issuer and Subject
// name a user of an issuer, Scope what the key is good for there, such as a
// project.
type Order struct {
	Issuer, Subject, Scope string
	// MaxAge is the age at which a key that does not expire is replaced, 0 for
	// never. Its holders are told that it expires an hour later, and until then
	// it works.
	MaxAge time.Duration
	// Life is how long a key lives that the issuer itself lets expire, or 0.
	Life time.Duration
	// Tag begins the tags of keys with a Life.
	Tag string
}

// A Mark is what an issuer tells of an access key beside its id.
type Mark struct {
	Scope   string    // what it is good for, such as the id of a project
	Tag     string    // if the issuer has tags
	Expires time.Time // zero if it does not expire by itself
}

// Keys are the operations of an issuer of access keys.
type Keys interface {
	// List returns all keys of the subject by id, whoever made them, in
	// whatever scope.
	List(ctx context.Context) (map[string]Mark, error)
	// Create makes a key. One whose order has a Life gets the tag and the
	// expiry of mark, by which it can be found again. It must not send its
	// request twice, unless the issuer has refused the first.
	Create(ctx context.Context, mark Mark) (*Credential, error)
	// Delete removes a key; that it is already gone is no error.
	Delete(ctx context.Context, id string) error
}

// A KeyReader is the [Keys] of an issuer that tells the secret of a key again.
type KeyReader interface {
	// Read returns an existing key with its secret, or an error wrapping
	// fs.ErrNotExist.
	Read(ctx context.Context, id string) (*Credential, error)
}

// A Minter is a [Source] of keys that jeton makes: what all issuers of such keys
// share. It is a [Revoker] and a [Collector] too.
type Minter struct {
	Env *Env
	// Open calls do with the user that the profile logs in as, and with the
	// user's keys.
	Open func(ctx context.Context, do func(Order, Keys) error) error
}

// Fetch returns the profile's key, which it makes if there is none.
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

// Collect deletes the keys that nobody wants any more.
func (m Minter) Collect(ctx context.Context) ([]string, error) { return m.collect(ctx, false) }

func (m Minter) collect(ctx context.Context, all bool) (ids []string, err error) {
	err = m.Open(ctx, func(order Order, keys Keys) (err error) {
		ids, err = m.Env.Ledger.Collect(ctx, order, keys, all)
		return err
	})
	return ids, err
}
