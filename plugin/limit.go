package plugin

import (
	"context"
	"sync/atomic"
	"time"
)

// A limit is a time limit that can be suspended while the user answers a question.
type limit struct {
	timer *time.Timer
	d     time.Duration
	above *limit
	held  atomic.Int32 // how often it is suspended
}

type limitKey struct{}

// Limit returns a context that ends after d with the cause [context.DeadlineExceeded],
// and a function that frees it. Unlike a context from [context.WithTimeout], it can be
// suspended.
func Limit(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	above, _ := ctx.Value(limitKey{}).(*limit)
	ctx, cancel := context.WithCancelCause(ctx)
	l := &limit{d: d, above: above, timer: time.AfterFunc(d, func() { cancel(context.DeadlineExceeded) })}
	return context.WithValue(ctx, limitKey{}, l), func() {
		l.timer.Stop()
		cancel(nil)
	}
}

// Suspend stops the limits of ctx until resume is called. Each limit then starts again in
// full: the time that a machine has begins when the person has answered.
func Suspend(ctx context.Context) (resume func()) {
	l, _ := ctx.Value(limitKey{}).(*limit)
	for at := l; at != nil; at = at.above {
		at.held.Add(1)
		at.timer.Stop()
	}
	return func() {
		for at := l; at != nil; at = at.above {
			at.held.Add(-1)
			at.timer.Reset(at.d)
		}
	}
}

// Suspended reports whether the innermost limit of ctx is suspended.
func Suspended(ctx context.Context) bool {
	l, _ := ctx.Value(limitKey{}).(*limit)
	return l != nil && l.held.Load() > 0
}
