package cache

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"encoding/json"
	"errors"
	"io/fs"
	"time"

	"github.com/jeton-cli/jeton/plugin"
)

// grantPrefix is the start of the names of grants in the state directory. The name of the
// key of the session follows.
const grantPrefix = "grant-"

const (
	// grantWait is how long a process waits while another uses the grant: as long as that
	// may take for its request.
	grantWait = fetchLimit
	// grantPatience is how long a process that is told to end goes on, to keep the refresh
	// token that it waits for.
	grantPatience = 5 * time.Second
)

// The places of a grant, as refresh_store names them.
const (
	storeSealed = "sealed"
	storeFile   = "file"
	storeNone   = "none"
)

// grants keeps the [plugin.Grant] of one login in the state directory.
type grants struct {
	session *Session
	profile *plugin.Profile
	used    *bool // set when a grant is used
}

// A keptGrant is the file of a grant. Body is the grant in JSON. If Place is not empty, it
// is encrypted with the key that is kept there.
type keptGrant struct {
	Profile string          `json:"profile"`
	Config  string          `json:"config"`
	Place   plugin.KeyPlace `json:"place,omitempty"`
	Body    []byte          `json:"body"`
}

// A grantBody is a [plugin.Grant] in clear text.
type grantBody struct {
	RefreshToken string `json:"refresh_token,omitempty"`
	Scope        string `json:"scope,omitempty"`
	Subject      string `json:"subject,omitempty"`
	ProofKey     string `json:"proof_key,omitempty"`
}

// Update calls use with the grant, which is nil if there is none, and keeps the grant that
// use returns in its place. No other process uses the grant meanwhile: an issuer may take
// a refresh token that is shown twice for a stolen one, and end the session.
func (g *grants) Update(ctx context.Context, where string,
	use func(*plugin.Grant) (*plugin.Grant, error)) error {
	*g.used = true
	state := g.session.State
	if state == nil {
		_, err := use(nil) // nothing is kept
		return err
	}
	key, err := g.session.Key(g.profile)
	if err != nil {
		return err
	}
	name := grantPrefix + sessionName(g.profile, key)
	wait, cancel := context.WithTimeout(ctx, grantWait)
	defer cancel()
	unlock, err := state.Lock(wait, name)
	if err != nil {
		return plugin.Errorf(plugin.Later, "the session cannot be locked, and two users would end it: %v", err).
			WithHint("check %s: file systems without locks do not serve", state.Path())
	}
	defer unlock()
	// What the issuer has put in the place of a refresh token must not be lost.
	return plugin.Uninterrupted(grantPatience, func() error { return g.replace(ctx, name, where, use) })
}

// replace is Update for the holder of the lock called name.
func (g *grants) replace(ctx context.Context, name, where string,
	use func(*plugin.Grant) (*plugin.Grant, error)) error {
	old, err := g.load(ctx, name)
	if err != nil {
		return err
	}
	changed, err := use(old)
	switch {
	case changed == old:
		return err
	case changed == nil || where == storeNone:
		e := g.session.State.Delete(ctx, name)
		if e != nil && !errors.Is(e, fs.ErrNotExist) && err == nil {
			err = plugin.Errorf(plugin.Output, "the session cannot be forgotten: %v", e)
		}
		return err
	}
	if e := g.save(ctx, name, where, changed); e != nil {
		// The former one may have been used up, and would be taken for a thief's.
		g.session.State.Delete(ctx, name)
		g.session.World.Warn("%s: the session is not kept: %s; the next login is due when this token ends",
			g.profile.Name, plugin.AsError(e).Text)
	}
	return err
}

// load returns the grant called name, or nil if there is none or its key is lost.
func (g *grants) load(ctx context.Context, name string) (*plugin.Grant, error) {
	b, err := g.session.State.Get(ctx, name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var kept keptGrant
	if err == nil {
		err = json.Unmarshal(b, &kept)
	}
	if err != nil {
		return nil, plugin.Errorf(plugin.Config, "the session in %s cannot be read: %v", g.session.State.Path(), err).
			WithFix(plugin.LoginCommand(g.profile.Name, g.profile.Config, g.session.Getenv)...)
	}
	text := kept.Body
	if kept.Place != "" {
		key, err := plugin.SealKey(ctx, kept.Place, g.session.Getenv)
		if errors.Is(err, plugin.ErrNoSealKey) {
			return nil, nil // such as after a restart: the kernel's keyring is then empty
		}
		if err != nil {
			e := plugin.AsError(err)
			e.Text = "the session is locked in: " + e.Text
			e.Remember = 0
			return nil, e
		}
		if text, err = seal(key).Open(nil, nil, kept.Body, []byte(name)); err != nil {
			return nil, nil // it was sealed with a key that is gone
		}
	}
	var body grantBody
	if json.Unmarshal(text, &body) != nil || body.RefreshToken == "" && body.Subject == "" {
		return nil, nil
	}
	return &plugin.Grant{RefreshToken: plugin.NewSecret(body.RefreshToken), Scope: body.Scope, Subject: body.Subject,
		ProofKey: plugin.NewSecret(body.ProofKey)}, nil
}

// save keeps the grant under name. If where says that it is to be sealed and there is no
// place for the key, nothing is kept.
func (g *grants) save(ctx context.Context, name, where string, grant *plugin.Grant) error {
	text, err := json.Marshal(grantBody{grant.RefreshToken.Reveal(), grant.Scope, grant.Subject,
		grant.ProofKey.Reveal()})
	if err != nil {
		return err
	}
	kept := keptGrant{Profile: g.profile.Name, Config: g.profile.Config, Body: text}
	if where != storeFile {
		key, place, err := g.session.sealKey(ctx)
		if err != nil {
			return err
		}
		kept.Place, kept.Body = place, seal(key).Seal(nil, nil, text, []byte(name))
	}
	b, err := json.Marshal(kept)
	if err != nil {
		return err
	}
	if err := g.session.State.Put(ctx, name, b); err != nil {
		return plugin.Errorf(plugin.Output, "%v", err)
	}
	return nil
}

// sealKey returns the key for refresh tokens and its place: the first that can be used. The
// first call of all makes the key.
func (s *Session) sealKey(ctx context.Context) (key []byte, place plugin.KeyPlace, err error) {
	unlock, err := s.State.Lock(ctx, sealLock)
	if err != nil {
		return nil, "", plugin.Errorf(plugin.Later, "%v", err)
	}
	defer unlock()
	var failures error
	for _, place := range []plugin.KeyPlace{plugin.SystemKeyring, plugin.KernelKeyring} {
		key, err := plugin.SealKey(ctx, place, s.Getenv)
		if errors.Is(err, plugin.ErrNoSealKey) { // a locked keyring may hold the key of other sessions
			key, err = plugin.NewSealKey(ctx, place, s.Getenv)
		}
		if err == nil {
			return key, place, nil
		}
		failures = errors.Join(failures, err)
	}
	return nil, "", failures
}

// seal returns the cipher for a key of the right size. It adds a random nonce to each
// message.
func seal(key []byte) cipher.AEAD {
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic(err)
	}
	return aead
}
