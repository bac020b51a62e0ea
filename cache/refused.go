package cache

import (
	"context"
	"time"

	"github.com/jeton-cli/jeton/cache/hit"
	"github.com/jeton-cli/jeton/plugin"
)

const (
	// checkEvery is the shortest interval at which an issuer is asked whether a refused
	// credential is still good.
	checkEvery = time.Minute
	// replaceEvery is the shortest interval at which a refused credential is replaced if
	// its issuer cannot be asked. Without a limit, a server that refuses for another
	// reason would have it replaced every time.
	replaceEvery = 5 * time.Minute

	checkLimit = 5 * time.Second
)

// Note returns the note for a client that receives the document as the answer to a
// command line and has no reason to ask again before validUntil, in nanoseconds since
// 1970. If validUntil is 0, the client asks whenever it likes, and there is nothing to
// note.
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

// ReplaceRefused returns the credential to give, at the time now, to a client that was
// refused with c. It is a new one if the issuer says that c is no longer good or cannot
// be asked; otherwise it is c. ReplaceRefused asks rarely, so that no server can keep it
// asking in a loop.
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
		return c, nil // no server may cause keys to be made
	}
	if !note.Checking(now.UnixNano()) {
		return c, nil
	}
	if !ok {
		n.Since = now
		another, err := s.FetchAlone(ctx, p, n)
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
	if err != nil { // it is still handed out elsewhere, but not here
		n.Since = now
	}
	return s.Fetch(ctx, p, n)
}
