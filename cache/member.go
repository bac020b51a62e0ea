package cache

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/jeton-cli/jeton/plugin"
)

const (
	leaseTime   = 5 * time.Second
	leaseRenew  = 1500 * time.Millisecond
	followLimit = 2 * time.Second // for the fetch of another host
	// followPause is the longest time between two looks at whether another host has fetched.
	followPause = 100 * time.Millisecond
	// maxKnown is how often what is shared may change while a process looks for what is of
	// use. More often, it is not hosts that change it.
	maxKnown = 5
	// maxShared is how long a value is shared that has no end.
	maxShared = 24 * time.Hour
)

// A member is one profile's part in the fleet. It obtains a credential for this host from
// another one or, as the leader, from the issuer for all.
//
// The lease only saves requests: a leader that is paused for longer than its lease lasts
// goes on beside the next one. Its number, which is lower, keeps its value from replacing
// the newer one.
type member struct {
	session *Session
	fleet   *fleet
	profile *plugin.Profile
	need    Need
}

// A fetched is the result of a fetch.
type fetched struct {
	credential *plugin.Credential
	created    time.Time // when the answer came
	generation int64     // of the credential in the fleet, or 0
	slot       string    // the slot of the secrets that it was obtained with, or empty
}

// seen is what a host remembers of a slot, even if it has no credential any more.
type seen struct {
	At         time.Time `json:"at"`
	Generation int64     `json:"generation,omitempty"` // the newest that it has had
	Refused    int64     `json:"refused,omitempty"`    // the newest that was refused
	ID         string    `json:"id,omitempty"`         // of the credential that was refused
}

const seenSuffix = ".fleet"

// note adds news to what the host remembers under key. The caller holds the key's lock.
func (c *Cache) note(ctx context.Context, key Key, news seen) {
	var s seen
	c.get(ctx, key, seenSuffix, &s)
	s.At, s.Generation, s.Refused = time.Now(), max(s.Generation, news.Generation), max(s.Refused, news.Refused)
	if news.ID != "" {
		s.ID = news.ID
	}
	c.put(ctx, key, seenSuffix, s)
}

// member returns p's part in the fleet, or nil if it has none.
func (s *Session) member(p *plugin.Profile, n Need) *member {
	f := s.fleet()
	if f == nil {
		return nil
	}
	for _, q := range p.Chain() {
		if _, ok := q.Source(plugin.Env{Getenv: s.Getenv}).(plugin.LoginSource); ok {
			return nil
		}
	}
	return &member{session: s, fleet: f, profile: p, need: n}
}

// slot returns the slot of the profile, and the source of its credentials with the secrets
// that name the slot. A profile whose secrets take too long to read is not shared, and its
// host does not try again for downTime.
func (m *member) slot(ctx context.Context) (*slot, traced, error) {
	if err := m.fleet.open(ctx); err != nil {
		return nil, traced{}, err
	}
	key, err := m.session.Key(m.profile)
	if err != nil {
		return nil, traced{}, err
	}
	if d := m.fleet.failed(ctx, key); d != nil {
		return nil, traced{}, errors.New(d.Text)
	}
	limited, cancel := context.WithTimeout(ctx, namingLimit)
	defer cancel()
	var chain []*plugin.Profile
	for _, q := range m.profile.Chain() {
		pinned, err := q.Pin(m.fleet.secret(limited, q))
		if err != nil {
			if limited.Err() != nil && ctx.Err() == nil {
				m.fleet.leave(ctx, key, "its secrets take too long to read")
			}
			return nil, traced{}, err
		}
		chain = append(chain, pinned)
	}
	slot, err := m.fleet.slot(chain)
	if err != nil {
		return nil, traced{}, err
	}
	return slot, m.session.traced(chain[0], m.need), nil
}

// outdated reports whether what is kept for p was obtained with secrets that have changed
// since, although its key is still the same: that of a secret that a program prints, or that
// is in a keyring.
func (s *Session) outdated(ctx context.Context, p *plugin.Profile) bool {
	m := s.member(p, Need{})
	if m == nil || !p.ByReference() {
		return false
	}
	slot, _, err := m.slot(ctx)
	if err != nil {
		return true
	}
	key, err := s.Key(p)
	e := s.load(ctx, key)
	return err != nil || e == nil || e.Slot != slot.name
}

// obtain returns a credential for Cache.fetch. kept is what the host has, or nil, and prev
// its credential if a source may see it.
func (m *member) obtain(ctx context.Context, source plugin.Source, p Policy, key Key, kept *entry,
	prev *plugin.Credential) (fetched, error) {
	slot, pinned, err := m.slot(ctx)
	if err != nil {
		m.fleet.log("%s: not shared: %v", m.profile.Name, err)
		return direct(ctx, source, prev)
	}
	s := &search{member: m, policy: p, key: key, slot: slot, source: pinned, kept: kept, prev: prev}
	m.fleet.cache.get(ctx, key, seenSuffix, &s.seen)
	got, err := s.run(ctx)
	if errors.Is(err, errAlone) {
		got, err = direct(ctx, pinned, prev)
	}
	if !pinned.outdated && !pinned.personal {
		got.slot = slot.name
	}
	return got, err
}

// errAlone says that the server does not help.
var errAlone = errors.New("the shared cache does not answer")

// direct fetches for this host alone.
func direct(ctx context.Context, source plugin.Source, prev *plugin.Credential) (fetched, error) {
	c, err := source.Fetch(ctx, prev)
	return fetched{credential: c, created: time.Now()}, err
}

// A search is one process's way to a credential.
type search struct {
	*member
	policy Policy
	key    Key
	slot   *slot
	source traced
	kept   *entry
	prev   *plugin.Credential
	seen   seen

	lease   string
	ahead   time.Duration // how far the server's clock is ahead
	counted bool
	anew    bool // a refusal does not count
}

// A view is what a look has found.
type view struct {
	generation int64 // of the value, or 0
	theirs     *entry
	refusal    *failure
	number     int64 // of this process's fetch, or 0 if it is not to fetch
	led        bool  // another host is fetching
}

// run looks until there is a credential or it is this process that has to fetch.
func (s *search) run(ctx context.Context) (fetched, error) {
	var err error
	if s.lease, err = s.slot.lease(); err != nil {
		return fetched{}, errAlone
	}
	known, changes, polling, late := int64(-1), 0, false, time.Now().Add(followLimit)
	for {
		alone := changes > maxKnown || !time.Now().Before(late)
		v, err := s.look(ctx, known, polling && !alone, alone)
		if err != nil {
			return fetched{}, errAlone
		}
		verdict := s.judge(v)
		switch {
		case v.refusal != nil && verdict == useless:
			s.end(ctx, v, nil)
			return fetched{}, refused(v.refusal)
		case verdict == good:
			s.end(ctx, v, nil)
			return s.take(ctx, v)
		case v.number != 0:
			if alone {
				s.fleet.log("%s: another host has not fetched it in time", s.profile.Name)
				s.lease = "" // it is the other host's
			}
			return s.lead(ctx, v)
		case alone:
			return fetched{}, errAlone
		case v.generation != 0 && known != v.generation:
			known, polling = v.generation, false // if nobody else is replacing it, this process does
			changes++
			continue
		case verdict == aging:
			return s.take(ctx, v)
		case s.policy.judge(s.kept, time.Now()) != useless:
			return fetched{credential: s.prev, created: s.kept.Created, generation: s.kept.Generation}, nil
		case !v.led: // nobody is known to fetch, and this process was not let either
			late = time.Now()
			continue
		}
		polling = true
		select {
		case <-time.After(followPause/3 + rand.N(followPause*2/3)):
		case <-ctx.Done():
			return fetched{}, ctx.Err()
		}
	}
}

// look looks at what there is. known is the generation of a value that is of no use. wait
// says that another host is fetching. With alone, it is this process that fetches, whoever
// else does.
func (s *search) look(ctx context.Context, known int64, wait, alone bool) (*view, error) {
	flag := func(b bool) string {
		if b {
			return "1"
		}
		return ""
	}
	begun := time.Now()
	answer, err := s.slot.call(ctx, wait, scriptLook, s.lease, milliseconds(leaseTime), formatNumber(known),
		flag(s.anew), flag(alone), flag(!s.counted), milliseconds(fenceTime))
	if err != nil {
		return nil, err
	}
	r, err := list(answer, 7)
	if err != nil {
		s.fleet.trip(ctx, err)
		return nil, err
	}
	s.counted = true
	s.ahead = r.time(5).Sub(begun.Add(time.Since(begun) / 2))
	v := &view{number: r.number(0), generation: r.number(1), led: s.slot.alive(r.text(4))}
	if v.generation != 0 {
		v.theirs = s.open(s.slot, v.generation, r.text(2))
	}
	if text := r.text(3); text != "" {
		v.refusal = s.refusal(text)
		s.anew = v.refusal == nil // it does not count, and does not keep this process from fetching
	}
	return v, nil
}

// refusal returns what the issuer refused another host, or nil if that does not count. It
// does not count between hosts with different clocks: nobody can tell for how long.
func (s *search) refusal(text string) *failure {
	var f sharedFailure
	if s.slot.decode("refusal", 0, text, &f) != nil || (f.Ahead-s.ahead).Abs() > clockNoise ||
		s.policy.Anew || f.At.Before(s.policy.Since) || !f.active(time.Now()) {
		return nil
	}
	return &f.failure
}

// open returns the value of a slot, or nil if it is not what another host has put there.
func (s *search) open(slot *slot, generation int64, text string) *entry {
	v := sharedValue{entry: &entry{}}
	if slot.decode("value", generation, text, &v) != nil {
		s.fleet.log("%s: what is shared was not sealed with this key for this profile", s.profile.Name)
		return nil
	}
	e, d := v.entry, shift(v.Ahead, s.ahead)
	if e.Created.Add(min(0, v.Ahead-s.ahead)).Before(s.policy.Since) {
		return nil // --refresh wants to know it to the millisecond
	}
	e.Created, e.Issued, e.Expires, e.Renew = shifted(e.Created, d), shifted(e.Issued, d), shifted(e.Expires, d),
		shifted(e.Renew, d)
	e.Generation = generation
	paths := s.profile.Paths()
	for name, place := range v.Paths {
		if paths[place] != "" {
			e.Attrs[name] = paths[place]
		}
	}
	return e
}

// judge returns the verdict on what the look has found.
func (s *search) judge(v *view) verdict {
	e := v.theirs
	if e == nil || v.generation <= s.seen.Refused {
		return useless
	}
	if c := e.credential(); c.Check(time.Now()) != nil || c.ID() == s.seen.ID {
		return useless
	}
	if v.generation < s.seen.Generation {
		s.fleet.log("%s: what is shared is older than what this host has had", s.profile.Name)
		return useless
	}
	return s.policy.judge(e, time.Now())
}

// take returns what another host has fetched.
func (s *search) take(ctx context.Context, v *view) (fetched, error) {
	s.fleet.log("%s: shared by another host", s.profile.Name)
	s.fleet.cache.note(ctx, s.key, seen{Generation: v.generation})
	return fetched{credential: v.theirs.credential(), created: v.theirs.Created, generation: v.generation}, nil
}

// refused returns the error for what the issuer refused another host.
func refused(f *failure) error {
	e := plugin.Errorf(f.Code, "%s (another host of the fleet was told so)", f.Text).RememberFor(time.Until(f.Until))
	e.Hint = f.Hint
	return e
}

// lead fetches for the fleet, with the number in v.
func (s *search) lead(ctx context.Context, v *view) (fetched, error) {
	stop := s.renewing(ctx)
	defer stop()
	if got, ok := s.fromFormer(ctx, v); ok {
		stop()
		return s.put(ctx, v, got), nil
	}
	prev := s.prev
	if e := v.theirs; e != nil && (s.kept == nil || e.Created.After(s.kept.Created)) && s.judge(v) != useless {
		prev = e.credential()
	}
	c, err := s.source.Fetch(ctx, prev)
	stop()
	got := fetched{credential: c, created: time.Now()}
	if err == nil {
		err = c.Check(got.created)
	}
	ctx = context.WithoutCancel(ctx) // others need not wait for the end of the lease
	switch {
	case err != nil:
		s.end(ctx, v, err)
		return fetched{}, err
	case c == prev && c == s.prev:
		s.end(ctx, v, nil)
		return fetched{credential: c, created: s.kept.Created, generation: s.kept.Generation}, nil
	case c == prev:
		s.end(ctx, v, nil)
		return s.take(ctx, v)
	case c.Personal || s.source.outdated || !s.shareable(ctx, c):
		s.end(ctx, v, nil)
		return got, nil
	}
	return s.put(ctx, v, got), nil
}

// shareable reports whether c, which this process has fetched, may be shared: other hosts
// must be able to delete a key, and the files that name the slot must still be as they were.
func (s *search) shareable(ctx context.Context, c *plugin.Credential) bool {
	if s.profile.Issuer.Mints && !s.session.ledger(s.profile).share(ctx, c.KeyID()) {
		return false
	}
	now, _, err := s.member.slot(ctx)
	return err == nil && now.name == s.slot.name
}

// fromFormer returns what the fleet shares under the former key, if that is good.
func (s *search) fromFormer(ctx context.Context, v *view) (got fetched, ok bool) {
	if s.slot.former == nil || v.generation != 0 {
		return got, false
	}
	answer, err := s.slot.former.call(ctx, false, scriptCensus)
	if err != nil {
		return got, false
	}
	r, err := list(answer, 9)
	if err != nil || r.number(0) == 0 {
		return got, false
	}
	// The generations under the two keys are counted apart, and both grow with the time.
	e := s.open(s.slot.former, r.number(0), r.text(1))
	if e == nil || s.judge(&view{generation: r.number(0), theirs: e}) != good {
		return got, false
	}
	s.fleet.log("%s: shared by another host under the former key", s.profile.Name)
	return fetched{credential: e.credential(), created: e.Created}, true
}

// put shares a credential. If that fails, it is for this host alone. An answer that was lost
// does not mean that the server does not have the value.
func (s *search) put(ctx context.Context, v *view, got fetched) fetched {
	c := got.credential
	value := sharedValue{entry: newEntry(Policy{}, Key{}, c, got.created), Ahead: s.ahead, Paths: map[string]string{}}
	for place, path := range s.profile.Paths() {
		for name, attr := range c.Attrs {
			if attr == path {
				value.Paths[name] = place
			}
		}
	}
	life := maxShared
	if !c.Expires.IsZero() {
		life = min(life, time.Until(Policy{}.Schedule(c, got.created).Until))
	}
	text, err := s.slot.encode("value", v.number, value)
	if err != nil || life <= 0 {
		s.end(ctx, v, nil)
		return got
	}
	answer, err := s.slot.call(ctx, false, scriptPut, formatNumber(v.number), text, milliseconds(life), s.lease,
		milliseconds(fenceTime))
	switch {
	case err == nil && answer != int64(1):
		s.fleet.log("%s: another host has fetched it since", s.profile.Name)
		return got
	case errors.As(err, new(redisError)) || errors.Is(err, errUnsent):
		return got
	case err == nil:
		s.fleet.log("%s: shared with the other hosts", s.profile.Name)
	}
	got.generation = v.number
	s.fleet.cache.note(ctx, s.key, seen{Generation: v.number})
	return got
}

// end ends the lease, if v has it. If the issuer refused with err, the fleet is told.
func (s *search) end(ctx context.Context, v *view, err error) {
	if v.number == 0 || s.lease == "" {
		return
	}
	text, life := "", time.Duration(0)
	if e := plugin.AsError(err); err != nil && e.Remember > 0 && !errors.Is(err, plugin.ErrPerson) &&
		(e.Code == plugin.Later || e.Code == plugin.Denied) {
		now := time.Now()
		life = e.Remember
		f := sharedFailure{failure{At: now, Until: now.Add(life), Code: e.Code, Text: e.Text, Hint: e.Hint}, s.ahead}
		text, _ = s.slot.encode("refusal", 0, f)
	}
	s.slot.call(ctx, false, scriptEnd, s.lease, text, milliseconds(life))
}

// renewing renews the lease until stop is called.
func (s *search) renewing(ctx context.Context) (stop func()) {
	if s.lease == "" {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go plugin.Catch(func() error {
		defer close(ended)
		for {
			select {
			case <-time.After(leaseRenew):
			case <-ctx.Done():
				return nil
			}
			mine, err := s.fleet.call(ctx, true, scriptRenew, s.slot.name, s.lease, milliseconds(leaseTime))
			if err != nil || mine != int64(1) {
				return err // the value is put all the same, if its number still counts
			}
		}
	})
	return sync.OnceFunc(func() {
		cancel()
		<-ended
	})
}
