package cache

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/jeton-cli/jeton/plugin"
)

// A Tally counts what was done to credentials.
type Tally struct {
	Revoked   int // at their issuers
	Forgotten int // removed from the cache
	Sessions  int // of persons, ended at their issuers
}

// about returns err as an error of the profile p, or nil.
func about(p *plugin.Profile, err error) error {
	if err == nil {
		return nil
	}
	return &plugin.ProfileError{Profile: p.Name, Err: err}
}

// Logout revokes and removes the credentials kept for p, a profile of f, and for the
// profiles that stand on it. A credential that cannot be revoked is removed all the same,
// and the error says so.
func (s *Session) Logout(ctx context.Context, f *plugin.File, p *plugin.Profile) error {
	var failures error
	kept := false
	is := func(q *plugin.Profile) bool { return q.Name == p.Name }
	list := s.upperFirst(f, is)
	if !slices.ContainsFunc(list, is) {
		list = append(list, p) // a profile from the environment that env hides
	}
	for _, q := range list {
		some, err := s.logout(ctx, q)
		failures = errors.Join(failures, err)
		kept = kept || some
	}
	if r, ok := s.Source(p, Need{}).(plugin.Revoker); ok && !kept && !p.Issuer.Mints {
		// A token that another program obtained can be revoked all the same.
		if err := r.Revoke(ctx, nil); !errors.Is(err, plugin.ErrNotRevoked) {
			failures = errors.Join(failures, about(p, err))
		}
	}
	return failures
}

// LogoutAll logs out of every profile of f, and removes everything else from the cache.
func (s *Session) LogoutAll(ctx context.Context, f *plugin.File) error {
	var failures error
	for _, p := range s.upperFirst(f, func(*plugin.Profile) bool { return true }) {
		_, err := s.logout(ctx, p)
		failures = errors.Join(failures, err)
	}
	kept, err := s.List(ctx)
	alive := 0
	for _, k := range kept {
		if c := k.Credential; c != nil && !c.Token.IsZero() && !Expired(c.Expires, time.Now()) {
			alive++
		}
	}
	if alive > 0 {
		s.World.Warn("%s of profiles that are gone: forgotten, but not revoked; what was issued ends by itself",
			plugin.Count(alive, "token"))
	}
	everyKey := func(m *Minted) bool { return !m.Shared || s.wholeFleet }
	for _, k := range kept {
		failures = errors.Join(failures, s.forget(ctx, k))
	}
	return errors.Join(failures, err, s.Clear(ctx), s.keysLeft(ctx, f.Path, everyKey))
}

// upperFirst returns the profiles that are of the kind or stand on one that is. The upper
// ones come first: they need the lower ones to log in and delete the keys that they
// minted.
func (s *Session) upperFirst(f *plugin.File, kind func(*plugin.Profile) bool) []*plugin.Profile {
	var list []*plugin.Profile
	for _, name := range f.Every() {
		if p, err := f.Profile(name); err == nil && slices.ContainsFunc(p.Chain(), kind) {
			list = append(list, p)
		}
	}
	slices.SortStableFunc(list, func(a, b *plugin.Profile) int { return len(b.Chain()) - len(a.Chain()) })
	return list
}

// logout revokes and removes the credentials kept for p, as it is now or was before an
// edit. It reports whether there were any. What other hosts share is only forgotten here,
// unless it is the whole fleet that logs out.
func (s *Session) logout(ctx context.Context, p *plugin.Profile) (some bool, failures error) {
	kept, err := s.List(ctx)
	if err != nil {
		return false, about(p, err)
	}
	revoker, _ := s.Source(p, Need{}).(plugin.Revoker)
	var revoked []string
	if s.wholeFleet {
		revoked, failures = s.revokeShared(ctx, p, revoker)
		defer func() { // once more, for what another host has put in between
			_, err := s.revokeShared(ctx, p, revoker)
			failures = errors.Join(failures, about(p, err))
		}()
	}
	tokens := revoker
	if p.Issuer.Mints {
		failures = errors.Join(failures, s.deleteKeys(ctx, p, revoker))
		tokens = nil // the cache entries of the keys go with them
	}
	session, err := s.endSession(ctx, p, kept)
	failures = errors.Join(failures, err)
	for _, k := range s.belongingTo(p, kept) {
		some = true
		if c := k.Credential; tokens != nil && c != nil && c.Kind()&(plugin.AnyToken|plugin.ClientCertificate) != 0 &&
			!Expired(c.Expires, time.Now()) && k.Name != session && (k.Generation == 0 || s.wholeFleet) &&
			!slices.Contains(revoked, c.ID()) {
			failures = errors.Join(failures, s.revoke(ctx, tokens, c))
		}
		failures = errors.Join(failures, s.forget(ctx, k))
	}
	return some, about(p, failures)
}

// revoke revokes c at its issuer.
func (s *Session) revoke(ctx context.Context, r plugin.Revoker, c *plugin.Credential) error {
	err := r.Revoke(ctx, c)
	switch {
	case errors.Is(err, plugin.ErrNotRevoked):
		return nil // its issuer cannot
	case err == nil:
		s.Done.Revoked++
	}
	return unrevoked(err, c)
}

// forget removes k from the cache.
func (s *Session) forget(ctx context.Context, k Item) error {
	alive := k.Credential != nil && !Expired(k.Credential.Expires, time.Now())
	n, err := s.Drop(ctx, k.Name)
	if k.Level || !alive {
		n = max(0, n-1) // only what stood on it is a profile's
	}
	s.Done.Forgotten += n
	return err
}

// endSession ends the person's session that p itself stands on, if there is one, and
// forgets it with all that other profiles have made of it. It does so even if no token of
// it is cached. It returns the name of the login's key, or "".
func (s *Session) endSession(ctx context.Context, p *plugin.Profile, kept []Item) (name string, failure error) {
	for _, q := range p.Chain()[:1+p.Levels()] {
		login, ok := s.Source(q, Need{}).(plugin.LoginSource)
		revoker, can := login.(plugin.Revoker)
		key, err := s.Key(q)
		if !ok || !can || err != nil {
			continue
		}
		var c *plugin.Credential
		for _, k := range kept {
			if k.Name == key.Name && k.Credential != nil && !Expired(k.Credential.Expires, time.Now()) {
				c = k.Credential
			}
		}
		switch err := revoker.Revoke(ctx, c); {
		case errors.Is(err, plugin.ErrNotRevoked):
		case err != nil:
			e := plugin.AsError(err)
			e.Text = "forgotten, but the session could not be ended: " + e.Text
			failure = e
		default:
			s.Done.Sessions++
		}
		n, err := s.Drop(ctx, sessionName(q, key))
		s.Done.Forgotten += max(0, n-1)
		return key.Name, errors.Join(failure, err)
	}
	return "", nil
}

// belongingTo returns what is kept for p, and for those of its levels that no other
// profile stands on.
func (s *Session) belongingTo(p *plugin.Profile, kept []Item) (items []Item) {
	// Without the profile's secrets there is no key, but there is still a label.
	own := s.keysOf(p)
	mine := func(k Item) bool {
		// All identities in the environment share one label.
		labelled := k.Profile == p.Name && k.Config == p.Config && !s.Roaming(p)
		return slices.Contains(own, k.Name) || labelled
	}
	for _, k := range kept {
		shared := k.Level && slices.ContainsFunc(kept, func(above Item) bool {
			return slices.Contains(above.Below, k.Name) && !mine(above)
		})
		if mine(k) && !shared { // a level goes with the last profile that stands on it
			items = append(items, k)
		}
	}
	return items
}

// deleteKeys deletes the keys that p has minted. This needs a login, which is skipped if
// p has no keys.
func (s *Session) deleteKeys(ctx context.Context, p *plugin.Profile, r plugin.Revoker) error {
	minted, err := s.ledger(p).Has(ctx, false)
	if err != nil || !minted || r == nil {
		return err
	}
	if err := r.Revoke(ctx, nil); err != nil || s.Roaming(p) {
		return err
	}
	// Any remaining keys are at an account that the profile used before.
	return errors.Join(s.ledger(p).Unwant(ctx, ""), s.keysLeft(ctx, p.Config, func(m *Minted) bool {
		return m.Config == p.Config && m.Profile == p.Name && (!m.Shared || s.wholeFleet)
	}))
}

// keysOf returns the names of p's key and of the keys of its levels. It returns nothing
// if p's secrets are missing, as there is then no key.
func (s *Session) keysOf(p *plugin.Profile) []string {
	key, err := s.Key(p)
	if err != nil {
		return nil
	}
	return append([]string{key.Name}, key.Below[:p.Levels()]...)
}

// unrevoked returns the error for c, whose revocation failed with err, or nil if err is
// nil.
func unrevoked(err error, c *plugin.Credential) error {
	if err == nil {
		return nil
	}
	e := plugin.AsError(err)
	e.Text = "forgotten, but it could not be revoked: " + e.Text
	e.Hint = "it stays valid until " + c.Expires.UTC().Format(time.RFC3339)
	return e
}

// Reject drops p's credential, which a service has refused, so that the next call fetches
// a new one. If id is not empty, it does so only if the credential is still the one with
// this id. For a whole fleet it revokes it, with what the profiles of f have made of it.
func (s *Session) Reject(ctx context.Context, f *plugin.File, p *plugin.Profile, id string) error {
	key, err := s.Key(p)
	if err != nil {
		return about(p, err)
	}
	if id != "" && !Mints(p) {
		return about(p, s.forgetOnly(ctx, p, key, id))
	}
	if e := s.load(ctx, key); id != "" && (e == nil || e.credential().ID() != id) {
		return nil
	}
	// The ledger comes first, and has the cache remove the key: a get in between must not
	// find the key wanted, and keep it.
	if p.Issuer.Mints {
		wanted := ""
		if s.Roaming(p) { // the profile's other keys belong to other identities
			wanted = s.KeyID(ctx, key)
		}
		if wanted != "" || !s.Roaming(p) {
			err = s.ledger(p).Unwant(ctx, wanted)
		}
		if err != nil {
			return about(p, err)
		}
	}
	giver := s.giver(ctx, p, key)
	s.refuseAbove(ctx, giver)
	if s.wholeFleet {
		return s.Logout(ctx, f, p)
	}
	if _, err := s.Store.Get(ctx, giver); err == nil {
		s.Done.Forgotten++
	}
	_, err = s.Drop(ctx, giver)
	return about(p, err)
}

// revokeShared has the fleet forget p's credential, and revokes it, unless it is a key, which
// p's ledger deletes. It returns the ids of what it has revoked.
func (s *Session) revokeShared(ctx context.Context, p *plugin.Profile, revoker plugin.Revoker) (ids []string,
	failures error) {
	shared, failures := s.withdraw(ctx, p)
	for _, c := range shared {
		revocable := c.Kind()&(plugin.AnyToken|plugin.ClientCertificate) != 0
		if revoker == nil || !revocable || Expired(c.Expires, time.Now()) {
			continue
		}
		ids = append(ids, c.ID())
		failures = errors.Join(failures, s.revoke(ctx, revoker, c))
	}
	return ids, failures
}

// forgetOnly removes the credential with this id from under p's key and from the levels that
// gave it. It looks under the lock of each: nothing newer is removed.
func (s *Session) forgetOnly(ctx context.Context, p *plugin.Profile, key Key, id string) error {
	token := s.Token(ctx, key)
	for _, name := range append([]string{key.Name}, key.Below[:p.Levels()]...) {
		k := Key{Name: name, seal: sealFor(s.Pepper, name)}
		unlock, err := s.lock(ctx, k)
		if err != nil {
			return err
		}
		e := s.load(ctx, k)
		given := e != nil && token != "" && (e.Token == token || e.IDToken == token)
		if e != nil && (e.credential().ID() == id || given && name != key.Name) {
			s.refuse(ctx, name)
			s.Done.Forgotten++
			err = s.remove(ctx, name)
		} else if name == key.Name {
			token = "" // it has been replaced: what is below is newer, too
		}
		unlock()
		if err != nil {
			return plugin.Errorf(plugin.Config, "cannot remove the kept credential: %v", err)
		}
	}
	return nil
}

// giver returns the name of the lowest key that the token under p's key comes from
// unchanged: that of a level, which would give it again, or p's own.
func (s *Session) giver(ctx context.Context, p *plugin.Profile, key Key) string {
	token, name := s.Token(ctx, key), key.Name
	for _, below := range key.Below[:p.Levels()] {
		e := s.load(ctx, Key{Name: below, seal: sealFor(s.Pepper, below)})
		if token != "" && e != nil && (e.Token == token || e.IDToken == token) {
			name = below
		}
	}
	return name
}

// DropStandingOn removes the credentials obtained with the keyring secret called name.
// The secret itself is not part of their keys.
func (s *Session) DropStandingOn(ctx context.Context, f *plugin.File, name string) error {
	uses := func(p *plugin.Profile) bool { return slices.Contains(p.KeyringNames(), name) }
	var failures error
	for _, p := range s.upperFirst(f, uses) {
		// If a secret is missing there is no key, but then nothing is served either.
		for _, name := range s.keysOf(p) {
			_, err := s.Drop(ctx, name)
			failures = errors.Join(failures, about(p, err))
		}
	}
	return failures
}
