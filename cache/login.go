package cache

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jeton-cli/jeton/plugin"
)

const (
	// loginPrefix is the start of the names of logins in the state directory.
	loginPrefix = "login-"
	// loginWait is how long a caller without a terminal waits for the login of another.
	loginWait = 18 * time.Second
	// maxLogins is how often one call comes back to a person: for each of the questions of a
	// login, and for the logins of others that it has waited for.
	maxLogins = 8
)

// A Login is a person's login that is under way, for all who wait for it.
type Login struct {
	At      string        `json:"at"` // the server, or the question
	Profile string        `json:"profile"`
	PID     int           `json:"pid"`
	Started time.Time     `json:"started"`
	Prompt  plugin.Prompt `json:"prompt,omitzero"`
	// Trouble says why no browser has been started, if that failed.
	Trouble string `json:"trouble,omitempty"`
}

// People is how a session reaches the person at the terminal. Without one, nobody is
// there.
type People struct {
	// Present reports whether somebody is there who may be asked.
	Present func() bool
	// Ask puts a question to the person, and hides the answer.
	Ask func(ctx context.Context, question string) (plugin.Secret, error)
	// Start starts the login of a profile in a process that outlives this one, and returns
	// a channel that is closed when it has ended.
	Start func(p *plugin.Profile, anew bool) (ended <-chan struct{}, err error)
	// Wait shows the person how a login stands, until ended is closed. login returns nil
	// as long as nothing is known of it.
	Wait func(ctx context.Context, ended <-chan struct{}, login func() *Login) error
	// Open starts a browser with the address of a prompt of the profile. It returns an error
	// if there is no browser.
	Open func(ctx context.Context, p *plugin.Profile, prompt plugin.Prompt) error
}

// Fetch returns p's credential from the cache or its source. If only a person can go on,
// it asks the one at the terminal, or waits for one who is busy with it already. Without a
// person its error wraps [plugin.ErrPerson].
func (s *Session) Fetch(ctx context.Context, p *plugin.Profile, n Need) (*plugin.Credential, error) {
	defer clear(s.answers)
	c, err := s.FetchAlone(ctx, p, n)
	started := false
	for range maxLogins {
		if !errors.Is(err, plugin.ErrPerson) {
			return c, err
		}
		var q *plugin.Question
		switch {
		case errors.As(err, &q):
			c, err = s.answer(ctx, p, n, q, err)
		case s.unkept:
			if !s.People.present() {
				return nil, err
			}
			if err = s.authenticateHere(ctx, p); err == nil {
				c, err = s.FetchAlone(ctx, p, n)
			}
		default:
			if err = s.await(ctx, p, &started, err); err == nil {
				c, err = s.FetchAlone(ctx, p, n)
			}
		}
		if err != nil && !errors.Is(err, plugin.ErrPerson) || errors.As(err, new(*alone)) {
			return nil, err
		}
	}
	return c, err
}

// alone is an error that wraps [plugin.ErrPerson], where there is nobody.
type alone struct{ error }

func (a *alone) Unwrap() error { return a.error }

// Login has a person log in for p, whatever is kept, and returns the credential.
func (s *Session) Login(ctx context.Context, p *plugin.Profile) (*plugin.Credential, error) {
	point, source := s.loginPoint(p)
	if point == nil { // it asks the person itself, or needs none
		return s.Fetch(ctx, p, Need{Since: time.Now()})
	}
	if s.unkept {
		if err := s.authenticateHere(ctx, p); err != nil {
			return nil, err
		}
		return s.FetchAlone(ctx, p, Need{})
	}
	key, err := s.Key(point)
	if err != nil {
		return nil, err
	}
	begun := Policy{Since: time.Now()}
	unlock, err := s.turn(ctx, source.At(), plugin.Errorf(plugin.Denied, "a login at %s is needed", source.At()))
	if err != nil {
		return nil, err
	}
	if unlock != nil {
		unlock() // the process of the login takes it
	} else if c, err := s.FetchAlone(ctx, p, Need{Since: begun.Since}); err == nil {
		return c, nil // what another has just logged in for serves this profile too
	}
	// The login that another has just finished can be the one that is wanted.
	if s.failure(ctx, key, begun, time.Now()) == nil && !begun.usable(s.load(ctx, key), time.Now()) {
		ended, err := s.People.Start(p, true)
		if err == nil {
			err = s.People.Wait(ctx, ended, func() *Login { return s.underWay(ctx, source.At()) })
		}
		if err != nil {
			return nil, err
		}
	}
	// What was kept before does not make up for a login that has failed.
	if f := s.failure(ctx, key, begun, time.Now()); f != nil {
		e := plugin.Errorf(f.Code, "%s", f.Text)
		e.Hint, e.Fix = f.Hint, f.Fix
		return nil, e
	}
	return s.Fetch(ctx, p, Need{})
}

// authenticateHere has a person log in while this process waits: where nothing is kept,
// another process could not hand the result over.
func (s *Session) authenticateHere(ctx context.Context, p *plugin.Profile) error {
	ended := make(chan struct{})
	var failure error
	login, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	go plugin.Catch(func() error {
		defer close(ended)
		failure = plugin.Catch(func() error { return s.Authenticate(login, nil, p, true) })
		return failure
	})
	_, source := s.loginPoint(p)
	if err := s.People.Wait(ctx, ended, func() *Login { return s.underWay(ctx, source.At()) }); err != nil {
		return err
	}
	<-ended
	return failure
}

// present reports whether somebody is at the terminal.
func (p *People) present() bool { return p != nil && p.Present() }

// answer asks the question that a fetch came back with, and fetches again. If another
// process is asking, it waits for that and fetches again.
func (s *Session) answer(ctx context.Context, p *plugin.Profile, n Need, q *plugin.Question, why error) (
	*plugin.Credential, error) {
	unlock, err := s.turn(ctx, q.Text, why)
	if err != nil {
		return nil, err
	}
	if unlock == nil {
		return s.FetchAlone(ctx, p, n)
	}
	defer unlock()
	if !s.People.present() {
		return nil, &alone{why}
	}
	// The answer may have come to another process before this one had its turn.
	c, err := s.FetchAlone(ctx, p, n)
	if again := (*plugin.Question)(nil); !errors.As(err, &again) || again.Text != q.Text {
		return c, err
	}
	s.announce(ctx, &Login{At: q.Text, Profile: p.Name})
	defer s.retract(ctx, q.Text)
	answer, err := s.People.Ask(ctx, q.Text)
	if errors.Is(err, plugin.ErrPerson) {
		return nil, &alone{why}
	}
	if err != nil {
		return nil, err
	}
	if s.answers == nil {
		s.answers = map[string]plugin.Secret{}
	}
	s.answers[q.Text] = answer
	return s.FetchAlone(ctx, p, n)
}

// await waits for the end of the login that p needs. It starts one if none is under way
// and a person is there. It starts at most one in all.
func (s *Session) await(ctx context.Context, p *plugin.Profile, started *bool, why error) error {
	_, source := s.loginPoint(p)
	unlock, err := s.turn(ctx, source.At(), why)
	if err != nil || unlock == nil {
		return err
	}
	unlock() // the process of the login takes it
	switch {
	case !s.People.present():
		return &alone{why}
	case *started:
		return plugin.Errorf(plugin.Denied, "the login at %s has ended without a result", source.At()).
			WithFix(plugin.LoginCommand(p.Name, p.Config, s.Getenv)...)
	}
	*started = true
	ended, err := s.People.Start(p, false)
	if err != nil {
		return err
	}
	return s.People.Wait(ctx, ended, func() *Login { return s.underWay(ctx, source.At()) })
}

// turn returns the right to deal with a person about one thing. If another process has it,
// turn waits until that has ended and returns nil: a caller without a terminal waits for
// loginWait, and others as long as it takes.
func (s *Session) turn(ctx context.Context, about string, why error) (unlock func(), err error) {
	if s.State == nil {
		return func() {}, nil
	}
	name := loginName(about)
	if unlock, err := s.State.TryLock(name); unlock != nil || err != nil {
		if err != nil {
			unlock = func() {} // no locks here: at worst, two are asked
		}
		return unlock, nil
	}
	locked := make(chan func(), 1)
	ended := make(chan struct{})
	limit := plugin.LoginLimit + time.Minute
	present := s.People.present()
	if !present {
		limit = loginWait
	}
	wait, cancel := context.WithTimeout(context.WithoutCancel(ctx), limit)
	defer cancel()
	go plugin.Catch(func() error {
		defer close(ended)
		unlock, err := s.State.Lock(wait, name)
		if err == nil {
			locked <- unlock
		}
		return err
	})
	if present {
		if err := s.People.Wait(ctx, ended, func() *Login { return s.underWay(ctx, about) }); err != nil {
			return nil, err
		}
	}
	<-ended
	select {
	case unlock := <-locked:
		unlock()
		return nil, nil
	default:
		return nil, s.busy(ctx, about, why)
	}
}

// busy returns the error for a caller that can wait no longer for the login of another.
func (s *Session) busy(ctx context.Context, about string, why error) error {
	e := plugin.AsError(why)
	e.Text = "a login is under way"
	if l := s.underWay(ctx, about); l != nil {
		e.Text = "a login for profile " + l.Profile + " is under way since " + l.Started.Format("15:04:05") +
			" (process " + strconv.Itoa(l.PID) + "): " + strings.TrimSuffix(l.At, ": ")
	}
	e.Fix = ""
	return &alone{plugin.Because(e.WithHint("finish it, and try again"), plugin.ErrPerson)}
}

// loginName returns the name of the lock and the record of a login.
func loginName(about string) string {
	return loginPrefix + hex.EncodeToString(mac(nil, "jeton login 1", []byte(about))[:16])
}

// announce tells the others how a login of this process stands.
func (s *Session) announce(ctx context.Context, l *Login) {
	l.PID = os.Getpid()
	if l.Started.IsZero() {
		l.Started = time.Now()
	}
	shown := *l
	s.current.Store(&shown)
	if s.State == nil {
		return
	}
	if b, err := json.Marshal(l); err == nil {
		s.State.Put(ctx, loginName(l.At), b) // without it, they wait all the same
	}
}

// retract ends what announce began.
func (s *Session) retract(ctx context.Context, about string) {
	if s.State != nil {
		s.State.Delete(ctx, loginName(about))
	}
}

// underWay returns the login about something as its process has announced it, or nil.
func (s *Session) underWay(ctx context.Context, about string) *Login {
	if s.State == nil {
		return s.current.Load()
	}
	b, err := s.State.Get(ctx, loginName(about))
	l := &Login{}
	if err != nil || json.Unmarshal(b, l) != nil {
		return nil
	}
	return l
}

// loginPoint returns the lowest level of p at which a person logs in, and its source. It
// returns nil if there is none.
func (s *Session) loginPoint(p *plugin.Profile) (point *plugin.Profile, source plugin.LoginSource) {
	for _, q := range p.Chain() {
		if l, ok := s.Source(q, Need{}).(plugin.LoginSource); ok {
			point, source = q, l
		}
	}
	return point, source
}

// sharers returns the options of the logins that share the session of p: p's own, and those
// of the other profiles in its file.
func (s *Session) sharers(p *plugin.Profile) []plugin.Options {
	options := []plugin.Options{p.Options}
	key, err := s.Key(p)
	if err != nil || s.file == nil {
		return options
	}
	for _, name := range s.file.Names() {
		q, err := s.file.Profile(name)
		if err != nil {
			continue
		}
		point, _ := s.loginPoint(q)
		if point == nil {
			continue
		}
		if other, err := s.Key(point); err == nil && other.Name != key.Name &&
			sessionName(point, other) == sessionName(p, key) {
			options = append(options, point.Options)
		}
	}
	return options
}

// Authenticate has a person log in for p, in this process, and keeps what comes of it. It
// does nothing if another process is at it. Unless anew is set, it also does nothing if
// the login is no longer needed. The login serves the other profiles of f too, as far as
// they can share it; f may be nil.
func (s *Session) Authenticate(ctx context.Context, f *plugin.File, p *plugin.Profile, anew bool) error {
	s.file = f
	point, source := s.loginPoint(p)
	if point == nil {
		return about(p, plugin.Errorf(plugin.Config, "no person logs in for this profile"))
	}
	if s.State != nil {
		// A caller that looks whether a login is under way holds the lock for a moment.
		wait, cancel := context.WithTimeout(ctx, soon)
		defer cancel()
		unlock, err := s.State.Lock(wait, loginName(source.At()))
		if wait.Err() != nil {
			return nil
		}
		if err == nil {
			defer unlock()
		}
	}
	if !anew {
		if _, err := s.FetchAlone(ctx, p, Need{}); !errors.Is(err, plugin.ErrPerson) {
			return err
		}
	}
	l := &Login{At: source.At(), Profile: p.Name}
	s.announce(ctx, l)
	defer s.retract(context.WithoutCancel(ctx), l.At)
	c, err := source.Login(ctx, func(prompt plugin.Prompt) error {
		l.Prompt = prompt
		s.open(ctx, p, *l)
		return nil
	})
	return s.conclude(context.WithoutCancel(ctx), point, c, err)
}

// soon is how long a browser that cannot be started takes to say so, at most.
const soon = 300 * time.Millisecond

// open starts a browser for the login, and announces how that goes. It does not wait for
// the browser.
func (s *Session) open(ctx context.Context, p *plugin.Profile, l Login) {
	failed := make(chan string, 1)
	go plugin.Catch(func() error {
		defer close(failed)
		err := s.People.Open(ctx, p, l.Prompt)
		if err != nil {
			failed <- plugin.AsError(err).Text
		}
		return err
	})
	select {
	case l.Trouble = <-failed:
		s.announce(ctx, &l)
		return
	case <-time.After(soon):
	}
	s.announce(ctx, &l)
	go plugin.Catch(func() error {
		if l.Trouble = <-failed; l.Trouble != "" {
			s.announce(ctx, &l)
		}
		return nil
	})
}

// conclude keeps the result of a login at this level: the credential, in place of all that
// stood on the former one, or the failure.
func (s *Session) conclude(ctx context.Context, p *plugin.Profile, c *plugin.Credential, failure error) error {
	key, err := s.Key(p)
	if err != nil {
		return err
	}
	now := time.Now()
	if failure == nil {
		failure = c.Check(now)
	}
	unlock, err := s.lock(ctx, key)
	if err != nil {
		return err
	}
	policy := s.Policy(p, Need{})
	if failure != nil {
		e := plugin.AsError(failure)
		if e.Hint == "" && e.Code == plugin.Denied {
			e.WithFix(plugin.LoginCommand(p.Name, p.Config, s.Getenv)...)
		}
		if e.Remember == 0 || s.goesOn(ctx, p, key) { // those who wait learn of it no other way
			e.Remember = 10 * time.Second
		}
		s.rememberFailure(ctx, key, policy, e, now)
		unlock()
		return failure
	}
	s.Store.Delete(ctx, key.Name+failedSuffix)
	err = s.put(ctx, key, "", newEntry(policy, key, c, now))
	unlock()
	if err != nil {
		return plugin.Errorf(plugin.Output, "the login worked, and could not be kept: %v", err)
	}
	return s.dropAbove(ctx, sessionName(p, key), key.Name)
}

// goesOn reports whether the session of a former login can still be renewed without a
// person.
func (s *Session) goesOn(ctx context.Context, p *plugin.Profile, key Key) bool {
	if s.State == nil {
		return false
	}
	g, err := (&grants{session: s, profile: p}).load(ctx, grantPrefix+sessionName(p, key))
	return err == nil && g != nil && !g.RefreshToken.IsZero()
}

// dropAbove removes what was made from the credential or the session under the key called
// name, except for what is under the key called but.
func (s *Session) dropAbove(ctx context.Context, name, but string) error {
	kept, err := s.List(ctx)
	for _, k := range kept {
		if k.Name != but && slices.Contains(k.Below, name) {
			_, e := s.Drop(ctx, k.Name)
			err = errors.Join(err, e)
		}
	}
	return err
}
