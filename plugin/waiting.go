package plugin

import "context"

type waitingKey struct{}

// Watched returns a context in which begin is told of each wait for something outside of
// this process: a server, a program, another jeton. begin returns a function that is called
// when the wait is over. Waits can overlap.
func Watched(ctx context.Context, begin func(what string) (over func())) context.Context {
	return context.WithValue(ctx, waitingKey{}, begin)
}

// Waiting says that a wait for what begins. The caller calls over at its end.
func Waiting(ctx context.Context, what string) (over func()) {
	if begin, ok := ctx.Value(waitingKey{}).(func(string) func()); ok {
		return begin(what)
	}
	return func() {}
}
