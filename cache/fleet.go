package cache

import (
	"bytes"
	"context"
	"crypto/cipher"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/jeton-cli/jeton/plugin"
)

const (
	// sharedLimit is the time that the shared cache may cost a command, apart from the time
	// in which another host fetches.
	sharedLimit = 500 * time.Millisecond
	// callLimit is the time for one call, or for the connection before the first.
	callLimit = sharedLimit / 2
	// downTime is how long a server that has failed is left alone.
	downTime = 30 * time.Second
	// secretsLimit is the time for the programs that print the secrets of the shared cache, and
	// namingLimit for those of a profile.
	secretsLimit = 2 * time.Second
	namingLimit  = 5 * time.Second
)

// A fleet is the hosts that share what they fetch, as this process sees them: the server
// that they share it through, and the key that they seal it with. The server is not
// trusted: it learns no credential, issuer or profile. Nothing that it does fails a command.
//
// A process comes here only if its host has no credential, and holds the lock for it. So at
// most one process of a host asks for one credential.
type fleet struct {
	cache  *Cache
	config *plugin.SharedCache
	env    *plugin.Env // by which secrets are read
	log    func(format string, args ...any)
	warn   func(format string, args ...any)
	key    Key // names what the host knows of the server
	// unnamed is why there is no such name: a secret cannot be read. It is nil else.
	unnamed error

	mu     sync.Mutex // guards what follows
	opened bool
	// insisted says that the server is to be asked even if it failed lately.
	insisted bool
	off      error // why this process does not use the server, or nil
	server   *plugin.SharedServer

	reading sync.Mutex               // guards what follows
	secrets map[string]plugin.Secret // that have been read, by reference

	busy  chan struct{} // has one element while a call is under way, which guards what follows
	spent time.Duration // in calls, but for those that waited for another host
	send  func(ctx context.Context, words ...string) (any, error)
}

// A down is what a host knows of a server that has failed, for all its processes.
type down struct {
	Until time.Time `json:"until"`
	Text  string    `json:"text"`
}

const downSuffix = ".down"

// sharedName is the name under which programs print the secrets of the shared cache. It is no
// profile's.
const sharedName = ":shared_cache"

// fleet returns the fleet that the session is part of, or nil.
func (s *Session) fleet() *fleet {
	s.once.Do(func() {
		if s.Shared == nil || errors.Is(s.Why, ErrNoCache) ||
			slices.Contains(strings.Fields(s.Getenv(plugin.WithinVariable)), sharedName) {
			return
		}
		config, withheld := s.Shared()
		if config == nil {
			return
		}
		f := &fleet{
			cache: s.Cache, config: config, log: s.Log, warn: s.World.Warn, busy: make(chan struct{}, 1),
			env:     &plugin.Env{Profile: sharedName, Getenv: s.Getenv, Withheld: withheld},
			secrets: map[string]plugin.Secret{},
		}
		inputs, err := config.Inputs(s.Getenv)
		f.key, f.unnamed = newKey(s.Pepper, inputs, nil), err
		s.shared = f
	})
	return s.shared
}

// failed returns what the host knows of what has failed lately, or nil: of the server, whose
// key is f.key, or of the secrets of a profile.
func (f *fleet) failed(ctx context.Context, key Key) *down {
	var d down
	now := time.Now()
	if f.cache.get(ctx, key, downSuffix, &d) != nil || !now.Before(d.Until) || d.Until.After(now.Add(downTime)) {
		return nil
	}
	return &d
}

// open reads what is needed to reach the server, unless that has failed lately.
func (f *fleet) open(ctx context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.opened || f.off != nil {
		return f.off
	}
	f.opened = true
	if d := f.failed(ctx, f.key); d != nil && !f.insisted {
		f.off = fmt.Errorf("the server has failed, and is left alone until %s: %s", d.Until.Local().Format("15:04:05"),
			d.Text)
		return f.off
	}
	begun := time.Now()
	limited, cancel := context.WithTimeout(ctx, secretsLimit)
	defer cancel()
	if f.off = f.unnamed; f.off == nil {
		f.server, f.off = f.config.Open(limited, f.env)
	}
	if f.off != nil {
		if time.Since(begun) > sharedLimit { // once is enough
			f.leave(ctx, f.key, plugin.AsError(f.off).Text)
		}
		f.complain(plugin.AsError(f.off))
		return f.off
	}
	if f.send == nil {
		f.send = (&redis{server: f.server}).do
	}
	return nil
}

// call runs a script on what is shared under name. With wait, its time is not what the
// shared cache costs: another host is fetching, or this one.
func (f *fleet) call(ctx context.Context, wait bool, script, name string, args ...string) (any, error) {
	limited, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	select {
	case f.busy <- struct{}{}:
		defer func() { <-f.busy }()
	case <-limited.Done():
		return nil, errUnsent
	}
	begun := time.Now()
	switch {
	case !wait && f.spent >= sharedLimit:
		return nil, errUnsent
	case f.spent == 0: // the call makes the connection, too
		limited, cancel = context.WithTimeout(ctx, sharedLimit)
		defer cancel()
	case !wait:
		limited, cancel = context.WithTimeout(limited, sharedLimit-f.spent)
		defer cancel()
	}
	answer, err := f.send(limited, evaluation(script, name, args...)...)
	if !wait || f.spent == 0 {
		f.spent += max(1, time.Since(begun))
	}
	return answer, err
}

// trip says for all processes of the host that the server has failed with err.
func (f *fleet) trip(ctx context.Context, err error) {
	text := Unshared(err).Text
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.off != nil {
		return
	}
	f.off = errors.New(text)
	f.leave(ctx, f.key, text)
	if lasting(err) {
		f.complain(Unshared(err))
	}
	f.log("the shared cache is left alone for %s: %s", downTime, text)
}

// complain warns of what does not go away by itself. A command that cannot do without the
// server returns it as an error instead.
func (f *fleet) complain(e *plugin.Error) {
	if !f.insisted {
		f.warn("the shared cache is not used: %s", plugin.InOneLine(e))
	}
}

// leave has all processes of the host leave alone, for downTime, what the key names.
func (f *fleet) leave(ctx context.Context, key Key, text string) {
	f.cache.put(ctx, key, downSuffix, down{time.Now().Add(downTime), text})
}

// Unshared returns err, with which the shared cache failed, as an error for the user.
func Unshared(err error) *plugin.Error {
	own, refusal := (*plugin.Error)(nil), redisError("")
	switch {
	case errors.As(err, &own):
		return plugin.AsError(err)
	case errors.Is(err, context.DeadlineExceeded):
		return plugin.Errorf(plugin.Network, "no answer in time")
	case !errors.As(err, &refusal):
		return plugin.Errorf(plugin.Network, "%s", plugin.Shorten(err.Error()))
	case refusal.is("LOGIN"):
		return plugin.Errorf(plugin.Denied, "the server refuses the login (%s)", strings.TrimPrefix(string(refusal),
			"LOGIN ")).WithHint("check username and password of shared_cache")
	case refusal.is("NOAUTH"), strings.Contains(string(refusal), "unauthenticated"):
		return plugin.Errorf(plugin.Denied, "the server wants a login").
			WithHint("set username and password of shared_cache")
	case refusal.is("NOPERM"), strings.Contains(string(refusal), "can't run this command"):
		return plugin.Errorf(plugin.Denied, "the server forbids a command").
			WithHint("docs/fleet.md has the commands that jeton needs")
	case refusal.is("OOM"):
		return plugin.Errorf(plugin.Network, "the server's memory is full")
	case refusal.is("READONLY"):
		return plugin.Errorf(plugin.Network, "the server is a replica")
	}
	return plugin.Errorf(plugin.Network, "%v", refusal)
}

// lasting reports whether err does not go away by itself, so that the user has to know.
func lasting(err error) bool {
	e := Unshared(err)
	return e.Code != plugin.Network || e.Hint != ""
}

// secret returns a function that reads p's secrets, each once for all profiles of this
// process.
func (f *fleet) secret(ctx context.Context, p *plugin.Profile) func(string, plugin.SecretRef) (plugin.Secret, error) {
	return func(option string, ref plugin.SecretRef) (plugin.Secret, error) {
		name, err := ref.CacheInput(f.env.Getenv)
		if err != nil {
			return plugin.Secret{}, err
		}
		f.reading.Lock()
		defer f.reading.Unlock()
		if s, ok := f.secrets[name]; ok {
			return s, nil
		}
		s, err := ref.ResolveAs(ctx, option, p.Env(f.env.Getenv))
		if err == nil {
			f.secrets[name] = s
		}
		return s, err
	}
}

// A slot is where the fleet shares one credential.
type slot struct {
	fleet *fleet
	name  string
	seal  cipher.AEAD
	id    string // of the key
	// former is the slot under the former key, or nil. It is only read.
	former *slot
}

// slot returns the slot of a pinned profile and of the pinned profiles below it, from top to
// bottom.
func (f *fleet) slot(chain []*plugin.Profile) (*slot, error) {
	var canonical []byte
	for _, p := range chain {
		inputs, err := p.SharedInputs(f.env.Getenv)
		if err != nil {
			return nil, err
		}
		canonical = appendInputs(canonical, inputs)
		canonical = appendText(canonical, "\x00from") // no option has this name
	}
	return f.place("jeton shared name 1", canonical), nil
}

// place returns the slot that the fleet has for a purpose under the canonical text.
func (f *fleet) place(purpose string, canonical []byte) *slot {
	under := func(key []byte) *slot {
		name := hex.EncodeToString(mac(key, purpose, canonical)[:16])
		return &slot{
			fleet: f, name: name, seal: seal(mac(key, "jeton shared seal 1", []byte(name))),
			id: hex.EncodeToString(mac(key, "jeton shared id 1", nil)[:4]),
		}
	}
	s := under(f.server.Key)
	if f.server.OldKey != nil && !bytes.Equal(f.server.OldKey, f.server.Key) {
		s.former = under(f.server.OldKey)
	}
	return s
}

// bound is what a sealed text is authenticated with: a value of another slot, generation or
// kind is not accepted.
func (s *slot) bound(kind string, generation int64) []byte {
	return []byte("jeton shared 1\x00" + kind + "\x00" + s.name + "\x00" + s.id + "\x00" +
		formatNumber(generation))
}

func (s *slot) encode(kind string, generation int64, v any) (string, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return "", err
	}
	return s.id + string(s.seal.Seal(nil, nil, text, s.bound(kind, generation))), nil
}

// decode decodes a sealed text into v. It returns an error if the text was not sealed for
// this slot, generation and kind.
func (s *slot) decode(kind string, generation int64, text string, v any) error {
	if len(text) < len(s.id) || text[:len(s.id)] != s.id {
		return errBroken
	}
	b, err := s.seal.Open(nil, nil, []byte(text[len(s.id):]), s.bound(kind, generation))
	if err != nil {
		return errBroken
	}
	return json.Unmarshal(b, v)
}

// call runs a script on what is shared in the slot. If it fails, no process of the host
// calls the server for downTime.
func (s *slot) call(ctx context.Context, wait bool, script string, args ...string) (any, error) {
	if err := s.fleet.open(ctx); err != nil {
		return nil, err
	}
	answer, err := s.fleet.call(ctx, wait, script, s.name, args...)
	if err != nil && err != errUnsent && ctx.Err() == nil {
		s.fleet.trip(ctx, err)
	}
	return answer, err
}

// errUnsent says that a call was not made: the shared cache has cost this process all the time
// that it may, or another call takes that long.
var errUnsent = fmt.Errorf("it has taken %s", sharedLimit)

// A leader is the process that holds a lease. It is sealed anew each time, so that no two
// leases are equal.
type leader struct {
	Host  string    `json:"host"`
	PID   int       `json:"pid"`
	Since time.Time `json:"since"`
}

// lease returns the text of a lease for this process.
func (s *slot) lease() (string, error) {
	host, _ := os.Hostname()
	return s.encode("lease", 0, leader{host, os.Getpid(), time.Now()})
}

// maxLead is the longest that a host fetches, and a little more.
const maxLead = fetchLimit + leaseTime

// alive reports whether a lease is one of a host that can still be fetching. The server could
// keep one for longer.
func (s *slot) alive(lease string) bool {
	var l leader
	return s.decode("lease", 0, lease, &l) == nil && time.Since(l.Since).Abs() < maxLead
}

// A sharedValue is a credential as a fleet shares it. Its times are by the clock of the host
// that obtained it.
type sharedValue struct {
	*entry
	// Ahead is how far the server's clock was ahead of that host's.
	Ahead time.Duration `json:"ahead,omitempty"`
	// Paths says which attributes are paths on the host, each with its place in
	// [plugin.Profile.Paths].
	Paths map[string]string `json:"paths,omitempty"`
}

// A sharedFailure is what an issuer refused a fleet.
type sharedFailure struct {
	failure
	Ahead time.Duration `json:"ahead,omitempty"`
}

// clockNoise is a difference between two hosts' clocks that may come from measuring them.
const clockNoise = time.Second

// shift returns how much later a time by the clock of another host is here. theirs and ours
// say how far the server's clock is ahead of the hosts'. The server is not trusted: no time
// gets later by what it says.
func shift(theirs, ours time.Duration) time.Duration {
	if d := theirs - ours; d < -clockNoise {
		return d
	}
	return 0
}

// shifted returns t by d later. A zero t means never.
func shifted(t time.Time, d time.Duration) time.Time {
	if t.IsZero() {
		return t
	}
	return t.Add(d)
}
