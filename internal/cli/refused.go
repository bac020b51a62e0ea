package cli

import (
	"context"
	"math"
	"time"

	"github.com/jeton-cli/jeton/cache/hit"
	"github.com/jeton-cli/jeton/formats"
	"github.com/jeton-cli/jeton/plugin"
)

const (
	// checkEvery is how often an issuer is asked whether a credential is still good
	// that a Kubernetes client was refused with.
	checkEvery = time.Minute
	// replaceEvery is how often one is replaced whose issuer cannot tell: what else an
	// API server does not like would have it replaced each time.
	replaceEvery = 5 * time.Minute

	checkLimit = 5 * time.Second
)

// told returns until when the reader of f was told that c is good, in nanoseconds
// since 1970, or 0 if it asks when it likes.
func (a *app) told(f formats.Format, c *plugin.Credential) int64 {
	k, ok := f.(interface {
		Told(*plugin.Credential) time.Time
	})
	if !ok || a.getenv("KUBERNETES_EXEC_INFO") == "" {
		return 0
	}
	if t := k.Told(c); !t.IsZero() {
		return t.UnixNano()
	}
	return math.MaxInt64
}

// note returns what there is to note of a Kubernetes client that gets the document.
func (a *app) note(p *plugin.Profile, told int64, document []byte) hit.Note {
	if told == 0 {
		return hit.Note{}
	}
	key, err := a.cache.Key(p, a.getenv)
	path := a.cache.AskedPath(key)
	if err != nil || path == "" {
		return hit.Note{}
	}
	return hit.NewNote(path, a.args, document, told)
}

// replaceRefused returns what to give a client that was refused with c: another one if
// the issuer says that c is no longer good, or cannot say, and else c. It asks seldom,
// so that no API server can make it ask in a circle.
func (a *app) replaceRefused(ctx context.Context, p *plugin.Profile, n need, c *plugin.Credential, note *hit.Note) (*plugin.Credential, error) {
	validator, ok := a.source(p, n).(plugin.Validator)
	every := replaceEvery
	if ok {
		every = checkEvery
	}
	if age := a.started.Sub(time.Unix(0, note.Checked())); age >= 0 && age < every {
		return c, nil
	}
	if mints(p) {
		return c, nil // no API server is to have keys made
	}
	if !note.Checking(a.started.UnixNano()) {
		return c, nil
	}
	if !ok {
		n.since = a.started
		another, err := a.fetch(plugin.Unattended(ctx), p, n)
		if err != nil {
			a.warn("%s: it seems to be refused, and another could not be had: %v", p.Name, plugin.AsError(err))
			return c, nil
		}
		return another, nil
	}
	limited, cancel := plugin.Limit(ctx, checkLimit)
	defer cancel()
	if valid, err := validator.Valid(limited, c); valid || err != nil {
		a.log("%s: it seems to be refused; its issuer: still good: %v, %v", p.Name, valid, err)
		return c, nil
	}
	key, err := a.cache.Key(p, a.getenv)
	if err == nil {
		err = a.cache.Forget(ctx, key, c)
	}
	if err != nil { // it is handed out still, but not here
		n.since = a.started
	}
	return a.fetch(ctx, p, n)
}
