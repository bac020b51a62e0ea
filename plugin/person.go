package plugin

import (
	"context"
	"errors"
	"time"
)

// ErrPerson says that only a person can go on: one has to log in or to answer a question.
// A source's Fetch returns an error with it, and never waits for a person itself, because
// others wait for the fetch. Whoever called for the credential deals with the person and
// fetches again.
var ErrPerson = errors.New("a person is needed")

// A Question is an error that wraps [ErrPerson]. It says that a fetch goes on when a
// person has answered.
type Question struct{ Text string }

func (q *Question) Error() string        { return "a question for a person: " + q.Text }
func (q *Question) Is(target error) bool { return target == ErrPerson }

// LoginNeeded returns the error of a fetch that goes on when a person has logged in at a
// server. why is the beginning of its text. It wraps [ErrPerson].
func (env *Env) LoginNeeded(why string) error {
	return Because(Errorf(Denied, "%s", why).WithFix(env.LoginCommand()...), ErrPerson)
}

// LoginCommand returns the words of the command with which a person logs in for the
// profile.
func (env *Env) LoginCommand() []string { return LoginCommand(env.Profile, env.Config, env.Getenv) }

// LoginCommand returns the words of the command with which a person logs in for the
// profile called name in the file config.
func LoginCommand(name, config string, getenv func(string) string) []string {
	words := []string{"jeton", "login", name}
	usual, err := UsualConfig(getenv)
	if config != "" && config != getenv("JETON_CONFIG") && (err != nil || config != usual) {
		words = append(words, "--config", config)
	}
	return words
}

// A LoginSource is a [Source] whose credential a person obtains in a browser. Its Fetch
// uses what a former login has left behind, such as a refresh token.
type LoginSource interface {
	Source
	// At names the server where the person logs in, such as accounts.example. There is one
	// login at a time at each.
	At() string
	// Login has a person log in and returns the credential. It calls tell with what the
	// person has to do, and then waits for that. Nothing is asked of the person if tell
	// returns an error. The limit on ctx is that of the whole login.
	Login(ctx context.Context, tell func(Prompt) error) (*Credential, error)
}

// A Prompt is what a person has to do to log in.
type Prompt struct {
	// URL is the address to open in a browser.
	URL string
	// Code, if not empty, is what the person types there. Whole is the address with the
	// code in it, or empty.
	Code, Whole string
	// Back, if not empty, is the address on this machine that the browser comes back to.
	Back string
	// Until is when the login is given up.
	Until time.Time
	// Note is a remark for the person, or empty.
	Note string
}

// LoginLimit is how long a login may take, unless a device code lives longer or shorter.
const LoginLimit = 10 * time.Minute

// A Grant is what a person's login leaves behind for later fetches.
type Grant struct {
	RefreshToken Secret
	// Scope is what the refresh token is good for.
	Scope string
	// Subject is the person that the login was by, if the issuer says so. No later answer
	// may be for another.
	Subject string
	// ProofKey is the key of the DPoP proofs that the refresh token is bound to (RFC 9449),
	// in PKCS #8 and base64, or empty.
	ProofKey Secret
}

// A Grants keeps the [Grant] of one profile's login. It is an interface only because the
// cache, which implements it, imports this package.
type Grants interface {
	// Update calls use with the grant, which is nil if there is none, and keeps the grant
	// that use returns in its place; nil removes it. The grant is on disk when Update
	// returns, and no other process uses it meanwhile. where is the profile's
	// refresh_store. Update returns the error of use, or says why it could not call use.
	Update(ctx context.Context, where string, use func(*Grant) (*Grant, error)) error
}
