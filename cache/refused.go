package cache

import (
	"context"
	"time"

	"github.com/jeton-cli/jeton/cache/hit"
	"github.com/jeton-cli/jeton/plugin"
)

const (
	// checkEvery is how often an issuer is asked whether a credential is still good
	// that a client was refused with.
	checkEvery = time.Minute
	// replaceEvery is how often one is replaced whose issuer cannot tell: what else a
	// server does not like would have it replaced each time.
	replaceEvery = 5 * time.Minute

	checkLimit = 5 * time.Second
)

// Note returns what there is to note of a client that gets the document as the answer to
// a command line, and has no reason to ask again before validUntil, in nanoseconds since
// 1970. If that is 0 it asks when it likes, and there is nothing to note.
func (s *Session) Note(p *plugin.Profile, args []string, validUntil int64, document []byte) hit.Note {
	if validUntil == 0 {
		return hit.Note{}
	}
	key, err := s.Key(p)
	path := s.AskedPath(key)
	if err != nil || path == "" {
		return hit.Note{}
	}
	return hit.NewNote(path, args, document, validUntil)
}

// ReplaceRefused returns what to give at the time now to a client that was refused with
// c: another one if the issuer says that c is no longer good, or cannot say, and else c.
// It asks seldom, so that no server can make it ask in a circle.
func (s *Session) ReplaceRefused(
	ctx context.Context, p *plugin.Profile, n Need, c *plugin.Credential, note *hit.Note, now time.Time,
) (*plugin.Credential, error) {
	validator, ok := s.Source(p, n).(plugin.Validator)
	every := replaceEvery
	if ok {
		every = checkEvery
	}
	if age := now.Sub(time.Unix(0, note.Checked())); age >= 0 && age < every {
		return c, nil
	}
	if Mints(p) {
		return c, nil // no server is to have keys made
	}
	if !note.Checking(now.UnixNano()) {
		return c, nil
	}
	if !ok {
		n.Since = now
		another, err := s.Fetch(plugin.Unattended(ctx), p, n)
		if err != nil {
			s.World.Warn("%s: it seems to be refused, and another could not be had: %v", p.Name, plugin.AsError(err))
			return c, nil
		}
		return another, nil
	}
	limited, cancel := plugin.Limit(ctx, checkLimit)
	defer cancel()
	if valid, err := validator.Valid(limited, c); valid || err != nil {
		s.Log("%s: it seems to be refused; its issuer: still good: %v, %v", p.Name, valid, err)
		return c, nil
	}
	key, err := s.Key(p)
	if err == nil {
		err = s.Forget(ctx, key, c)
	}
	if err != nil { // it is handed out still, but not here
		n.Since = now
	}
	return s.Fetch(ctx, p, n)
}
