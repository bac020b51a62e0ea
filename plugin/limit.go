package plugin

import (
	"context"
	"time"
)

// A limit is a time limit that stands still while a question is put to the
// user.
type limit struct {
	timer *time.Timer
	d     time.Duration
	above *limit
}

type limitKey struct{}

// Limit returns a context that ends after d, with the cause
// [context.DeadlineExceeded], and a function that frees it. Unlike the one of
// [context.WithTimeout], it can be suspended.
func Limit(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	above, _ := ctx.Value(limitKey{}).(*limit)
	ctx, cancel := context.WithCancelCause(ctx)
	l := &limit{d: d, above: above, timer: time.AfterFunc(d, func() { cancel(context.DeadlineExceeded) })}
	return context.WithValue(ctx, limitKey{}, l), func() {
		l.timer.Stop()
		cancel(nil)
	}
}

type unattendedKey struct{}

// Unattended returns a context in which nothing is asked of the user: what is
// done ahead of the need is not worth a question.
func Unattended(ctx context.Context) context.Context {
	return context.WithValue(ctx, unattendedKey{}, true)
}

// Attended reports whether questions may be asked.
func Attended(ctx context.Context) bool { return ctx.Value(unattendedKey{}) == nil }

// Suspend takes the limits off ctx until resume is called, from when each of
// them counts anew: what a machine has to do in time begins when a person has
// answered.
func Suspend(ctx context.Context) (resume func()) {
	l, _ := ctx.Value(limitKey{}).(*limit)
	for at := l; at != nil; at = at.above {
		at.timer.Stop()
	}
	return func() {
		for at := l; at != nil; at = at.above {
			at.timer.Reset(at.d)
		}
	}
}
