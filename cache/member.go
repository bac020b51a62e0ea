package cache

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
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
	key     Key
	policy  Policy
}

// A fetched is the result of a fetch.
type fetched struct {
	credential *plugin.Credential
	created    time.Time // when the answer came
	generation int64     // of the credential in the fleet, or 0
}

// seen is what a host remembers of a slot when the credential itself is gone.
type seen struct {
	At         time.Time `json:"at"`
	Generation int64     `json:"generation"`        // the newest that it has had
	Refused    int64     `json:"refused,omitempty"` // the newest that was refused
}

const seenSuffix = ".fleet"

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
// that name the slot.
func (m *member) slot(ctx context.Context) (*slot, plugin.Source, error) {
	if err := m.fleet.open(ctx); err != nil {
		return nil, nil, err
	}
	var chain []*plugin.Profile
	for _, q := range m.profile.Chain() {
		pinned, err := q.Pin(m.fleet.secret(ctx, q))
		if err != nil {
			return nil, nil, err
		}
		chain = append(chain, pinned)
	}
	slot, err := m.fleet.slot(chain)
	if err != nil {
		return nil, nil, err
	}
	return slot, m.session.tracked(chain[0], m.need), nil
}

// obtain returns a credential for Cache.fetch. kept is what the host has, or nil, and prev
// its credential if a source may see it.
func (m *member) obtain(ctx context.Context, source plugin.Source, p Policy, key Key, kept *entry,
	prev *plugin.Credential) (fetched, error) {
	m.key, m.policy = key, p
	slot, pinned, err := m.slot(ctx)
	if err != nil {
		m.fleet.log("%s: not shared: %v", m.profile.Name, err)
		return direct(ctx, source, prev)
	}
	s := &search{member: m, slot: slot, source: pinned, kept: kept, prev: prev}
	m.fleet.cache.get(ctx, key, seenSuffix, &s.seen)
	got, err := s.run(ctx)
	if errors.Is(err, errAlone) {
		return direct(ctx, pinned, prev)
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
	slot   *slot
	source plugin.Source
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
	led        bool  // somebody is fetching
}

// run looks until there is a credential or it is this process that has to fetch.
func (s *search) run(ctx context.Context) (fetched, error) {
	var err error
	if s.lease, err = s.slot.lease(); err != nil {
		return fetched{}, errAlone
	}
	known := int64(-1)
	begun := time.Now()
	for looks := 0; ; looks++ {
		v, err := s.look(ctx, known, looks > 0, false)
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
			return s.lead(ctx, v)
		case v.generation != 0 && known != v.generation:
			known = v.generation // if nobody else is replacing it, this process does
			continue
		case verdict == aging:
			return s.take(ctx, v)
		case s.policy.judge(s.kept, time.Now()) != useless:
			return fetched{credential: s.prev, created: s.kept.Created, generation: s.kept.Generation}, nil
		case time.Since(begun) >= followLimit:
			s.fleet.log("%s: another host has not fetched it in %s", s.profile.Name, followLimit)
			if v, err = s.look(ctx, known, true, true); err != nil {
				return fetched{}, errAlone
			}
			if s.judge(v) == good {
				return s.take(ctx, v)
			}
			s.lease = ""
			return s.lead(ctx, v)
		}
		select {
		case <-time.After(followPause/3 + rand.N(followPause*2/3)):
		case <-ctx.Done():
			return fetched{}, ctx.Err()
		}
	}
}

// look looks at what there is. known is the generation of a value that is of no use. wait
// says that the look is one of many, while another host fetches. With alone, it is this
// process that fetches, whoever else does.
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
	v := &view{number: r.number(0), generation: r.number(1), led: r.text(4) != ""}
	if v.generation != 0 {
		v.theirs = s.open(s.slot, v.generation, r.text(2))
	}
	if text := r.text(3); text != "" {
		var f sharedFailure
		if s.slot.decode("refusal", 0, text, &f) == nil {
			d := shift(f.Ahead, s.ahead)
			f.At, f.Until = shifted(f.At, d), shifted(f.Until, d)
			if !s.policy.Anew && !f.At.Before(s.policy.Since) && f.active(time.Now()) {
				v.refusal = &f.failure
			}
		}
		s.anew = v.refusal == nil // it does not count, and does not keep this process from fetching
	}
	return v, nil
}

// open returns the value of a slot, or nil if it is not what another host has put there.
func (s *search) open(slot *slot, generation int64, text string) *entry {
	v := sharedValue{entry: &entry{}}
	if slot.decode("value", generation, text, &v) != nil {
		s.fleet.log("%s: what is shared was not sealed with this key for this profile", s.profile.Name)
		return nil
	}
	d := shift(v.Ahead, s.ahead)
	e := v.entry
	e.Created, e.Issued, e.Expires, e.Renew = shifted(e.Created, d), shifted(e.Issued, d), shifted(e.Expires, d),
		shifted(e.Renew, d)
	e.Generation = generation
	files := s.profile.Files()
	for name, i := range v.Paths {
		if i >= 0 && i < len(files) {
			e.Attrs[name] = files[i]
		}
	}
	return e
}

// judge returns the verdict on what the look has found.
func (s *search) judge(v *view) verdict {
	e := v.theirs
	if e == nil || e.credential().Check(time.Now()) != nil || v.generation <= s.seen.Refused {
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
	s.remember(ctx, v.generation)
	return fetched{v.theirs.credential(), v.theirs.Created, v.generation}, nil
}

// remember keeps the generation of what this host has.
func (s *search) remember(ctx context.Context, generation int64) {
	s.seen.At, s.seen.Generation = time.Now(), generation
	s.fleet.cache.put(ctx, s.key, seenSuffix, s.seen)
}

// refused returns the error for what the issuer refused another host.
func refused(f *failure) error {
	e := plugin.Errorf(f.Code, "%s", f.Text).RememberFor(time.Until(f.Until))
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
	if e := v.theirs; e != nil && (s.kept == nil || e.Created.After(s.kept.Created)) && v.generation > s.seen.Refused {
		prev = e.credential()
	}
	c, err := s.source.Fetch(ctx, prev)
	stop()
	created := time.Now()
	if err == nil {
		err = c.Check(created)
	}
	ctx = context.WithoutCancel(ctx) // others need not wait for the end of the lease
	switch {
	case err != nil:
		s.end(ctx, v, err)
		return fetched{}, err
	case c.Personal:
		s.end(ctx, v, nil)
		return fetched{credential: c, created: created}, nil
	case c == prev && c == s.prev:
		s.end(ctx, v, nil)
		return fetched{c, s.kept.Created, s.kept.Generation}, nil
	case c == prev:
		s.end(ctx, v, nil)
		return s.take(ctx, v)
	}
	return s.put(ctx, v, fetched{credential: c, created: created}), nil
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
	e := s.open(s.slot.former, r.number(0), r.text(1))
	if e == nil || s.judge(&view{generation: r.number(0), theirs: e}) != good {
		return got, false
	}
	s.fleet.log("%s: shared by another host under the former key", s.profile.Name)
	return fetched{credential: e.credential(), created: e.Created}, true
}

// put shares what this process has fetched. If that fails, it is for this host alone.
func (s *search) put(ctx context.Context, v *view, got fetched) fetched {
	c := got.credential
	value := sharedValue{entry: newEntry(Policy{}, Key{}, c, got.created), Ahead: s.ahead}
	files := s.profile.Files()
	for name, attr := range c.Attrs {
		if i := slices.Index(files, attr); i >= 0 {
			if value.Paths == nil {
				value.Paths = map[string]int{}
			}
			value.Paths[name] = i
		}
	}
	life := maxShared
	if !c.Expires.IsZero() {
		life = min(life, time.Until(Policy{}.Schedule(c, got.created).Until))
	}
	text, err := s.slot.encode("value", v.number, value)
	if s.profile.Issuer.Mints && !s.session.ledger(s.profile).shares(ctx, c.KeyID()) {
		err = plugin.Errorf(plugin.Config, "without a record, no other host could delete it")
	}
	if err != nil || life <= 0 || !s.unchanged(ctx) {
		s.end(ctx, v, nil)
		return got
	}
	answer, err := s.slot.call(ctx, false, scriptPut, formatNumber(v.number), text, milliseconds(life), s.lease,
		milliseconds(fenceTime))
	if err != nil {
		return got
	}
	if answer != int64(1) {
		s.fleet.log("%s: another host has fetched it since", s.profile.Name)
		return got
	}
	s.fleet.log("%s: shared with the other hosts", s.profile.Name)
	got.generation = v.number
	s.remember(ctx, v.number)
	return got
}

// unchanged reports whether the files that name the slot are as they were before the fetch.
func (s *search) unchanged(ctx context.Context) bool {
	now, _, err := s.member.slot(ctx)
	return err == nil && now.name == s.slot.name
}

// end ends the lease, if v has it. If the issuer refused with err, the fleet is told.
func (s *search) end(ctx context.Context, v *view, err error) {
	if v.number == 0 || s.lease == "" {
		return
	}
	text, life := "", time.Duration(0)
	if e := plugin.AsError(err); err != nil && e.Remember > 0 && !errors.Is(err, plugin.ErrPerson) &&
		(e.Code == plugin.Later || e.Code == plugin.Denied || e.Code == plugin.Config) {
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
