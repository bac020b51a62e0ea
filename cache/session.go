package cache

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jeton-cli/jeton/plugin"
)

// A World holds what a [Session] may use of the outside world apart from files.
// Everything is passed in as a value, so that no code below the command line reads the
// environment or prints directly.
type World struct {
	Issuers plugin.Issuers
	Getenv  func(string) string
	Log     func(format string, args ...any) // reports a step, for --verbose
	Warn    func(format string, args ...any) // reports a problem that does not fail the command
	People  *People                          // who can be asked, or nil
	// Shared returns how to reach the shared cache, or nil, and the variables that hold the
	// secrets of the file. It may be nil.
	Shared func() (config *plugin.SharedCache, withheld func() []string)
}

// A Session gives one run access to credentials. It connects the sources of profiles to
// the cache and to the ledger of minted keys.
type Session struct {
	*Cache
	World
	// State holds the ledger and the records of setups. It may be nil.
	State State
	// Why is the reason there is no State.
	Why error
	// Clients are the HTTP clients of the run.
	Clients plugin.Clients

	// Done counts what logging out and rejecting have done.
	Done Tally

	unkept bool // nothing is kept beyond this process
	// answers are a person's, by question. They serve one call of Fetch.
	answers map[string]plugin.Secret
	// file has the profiles whose logins one login may serve. It may be nil.
	file    *plugin.File
	current atomic.Pointer[Login] // the login of this process

	once       sync.Once
	shared     *fleet // see [Session.fleet]
	wholeFleet bool   // see [Session.ForFleet]
}

// A Need is what a command asks of a credential beyond what its profile says.
type Need struct {
	MinTTL, AtLeast time.Duration // as in [Policy]
	Since           time.Time     // likewise
	Anew            bool          // likewise
	Whole           bool          // as in [plugin.Env]
}

// Open opens the cache and the state directory, or neither if keep is not set. No problem
// with either of them fails a command.
func Open(ctx context.Context, w World, keep bool) *Session {
	s := &Session{World: w, Cache: &Cache{Store: &Memory{}, Pepper: []byte{}, Warn: w.Warn}, unkept: true}
	if !keep {
		s.Why = ErrNoCache
		return s
	}
	path, err := plugin.StateDir(w.Getenv)
	if err == nil {
		var d *Dir
		if d, err = OpenDir(path); err == nil {
			s.State = d
		}
	}
	s.Why = err
	if err := s.openCache(ctx); err != nil {
		w.Warn("nothing is kept: %v; JETON_CACHE_DIR can name another directory", err)
	}
	return s
}

// openCache opens the store of the cache and reads the pepper for its keys from the state
// directory or, failing that, from the store.
func (s *Session) openCache(ctx context.Context) error {
	path, err := plugin.CacheDir(s.Getenv)
	if err != nil {
		return err
	}
	store, err := stores[0].open(path)
	if err != nil {
		return err
	}
	own, _ := store.(State)
	pepper, err := []byte(nil), errors.New("there is no place for the pepper of the keys")
	for _, place := range []State{s.State, own} {
		if place == nil {
			continue
		}
		if pepper, err = Pepper(ctx, place); err == nil {
			s.Store, s.Pepper, s.unkept = store, pepper, false
			return nil
		}
	}
	return err
}

// Key returns the key of a profile. It returns an error if an input of the profile cannot
// be read.
func (s *Session) Key(p *plugin.Profile) (Key, error) { return s.Cache.Key(p, s.Getenv) }

// FetchAlone is [Session.Fetch] without a person: if one is needed, its error wraps
// [plugin.ErrPerson].
func (s *Session) FetchAlone(ctx context.Context, p *plugin.Profile, n Need) (*plugin.Credential, error) {
	key, err := s.Key(p)
	if err != nil {
		return nil, err
	}
	return s.Cache.Fetch(ctx, key, s.traced(p, n), s.Policy(p, n))
}

// Describe returns, as JSON, what p's issuer says about the token of c. It returns an error
// if the issuer does not describe tokens.
func (s *Session) Describe(ctx context.Context, p *plugin.Profile, c *plugin.Credential) ([]byte, error) {
	cataloger, ok := s.Source(p, Need{Whole: true}).(plugin.Cataloger)
	if !ok {
		return nil, plugin.Errorf(plugin.Config, "plugin %s cannot describe its tokens", p.Issuer.Name)
	}
	return cataloger.Describe(ctx, c)
}

// Policy returns what n and p together ask of a credential.
func (s *Session) Policy(p *plugin.Profile, n Need) Policy {
	policy := Policy{
		Profile: p.Name, Config: p.Config, MinTTL: n.MinTTL, AtLeast: n.AtLeast, Since: n.Since,
		Anew: n.Anew, RenewAfter: p.Common.RenewAfter, MaxTTL: p.Common.MaxTTL, Level: p.Level,
		fleet: s.member(p, n),
	}
	if p.Issuer.Mints {
		policy.Stored = s.ledger(p).Stored
	}
	return policy
}

// Source returns the source of p's credentials, connected to the source of the profile
// below it.
func (s *Session) Source(p *plugin.Profile, n Need) plugin.Source { return s.source(p, n, &trace{}) }

// A trace says what went into a fetch.
type trace struct {
	personal bool // a person took part
	outdated bool // what it was made from was obtained with secrets that have changed since
}

// A traced source marks the credentials in which a person took part.
type traced struct {
	plugin.Source
	*trace
}

func (t traced) Fetch(ctx context.Context, prev *plugin.Credential) (*plugin.Credential, error) {
	c, err := t.Source.Fetch(ctx, prev)
	if c != nil && t.personal {
		c.Personal = true
	}
	return c, err
}

// traced returns the source of p's credentials, as a fetch needs it.
func (s *Session) traced(p *plugin.Profile, n Need) traced {
	t := &trace{}
	return traced{s.source(p, n, t), t}
}

// source is Source. It notes in t what goes into the credential.
func (s *Session) source(p *plugin.Profile, n Need, t *trace) plugin.Source {
	env := plugin.Env{
		Clients: &s.Clients, Getenv: s.Getenv, Log: s.Log, Warn: s.World.Warn,
		Ask: func(question string) (plugin.Secret, error) {
			t.personal = true
			return s.answered(question)
		},
		Refresh: !n.Since.IsZero(), Whole: n.Whole && !p.Level, Ledger: s.ledger(p),
		Grants:  &grants{session: s, profile: p, used: &t.personal},
		Sharers: func() []plugin.Options { return s.sharers(p) },
	}
	if p.Base != nil {
		env.From = func(ctx context.Context, renew bool) (*plugin.Credential, error) {
			c, err := s.FetchAlone(ctx, p.Base, n.from(renew))
			t.personal = t.personal || err == nil && c.Personal
			t.outdated = t.outdated || s.outdated(ctx, p.Base)
			if err != nil && !p.Base.Level {
				err = fmt.Errorf("from %s: %w", p.Base.Name, err)
			}
			return c, err
		}
	}
	env.Keep = func(
		ctx context.Context, name string, life time.Duration, refresh bool, fetch func(context.Context) ([]byte, error),
	) ([]byte, error) {
		key, err := s.DocumentKey(p, name, s.Getenv)
		if err != nil {
			return nil, err
		}
		return s.Document(ctx, key, life, n.from(refresh).Since, fetch)
	}
	return p.Source(env)
}

// answered returns the person's answer to a question, or the question as an error.
func (s *Session) answered(question string) (plugin.Secret, error) {
	if answer, ok := s.answers[question]; ok {
		return answer, nil
	}
	return plugin.Secret{}, &plugin.Question{Text: question}
}

// from returns what n asks of the profile below. If renew is set, no kept credential will
// do.
func (n Need) from(renew bool) Need {
	if renew {
		n.Since = time.Now()
	}
	return n
}

// ledger returns the ledger for p's source.
func (s *Session) ledger(p *plugin.Profile) *Ledger {
	return &Ledger{
		State: s.State, Why: s.Why, Config: p.Config, Profile: p.Name,
		Roaming: s.Roaming(p), Unkept: s.unkept, Cache: s.Cache, records: s.records(p), fleet: s.wholeFleet,
	}
}

// Roaming reports whether p stands for whatever identity is in the environment.
func (s *Session) Roaming(p *plugin.Profile) bool {
	chain := p.Chain()
	return s.Issuers.Reserved(chain[len(chain)-1].Name)
}

// Mints reports whether a login with p can make a key.
func Mints(p *plugin.Profile) bool {
	for _, q := range p.Chain() {
		if q.Issuer.Mints {
			return true
		}
	}
	return false
}
