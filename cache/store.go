package cache

import (
	"context"
	"io/fs"
)

// A Store keeps values under short names that are safe as file names. Get and
// Delete return an error wrapping [fs.ErrNotExist] if there is none of that
// name. Put replaces a value whole: a reader sees the former or the new one.
type Store interface {
	Get(ctx context.Context, name string) ([]byte, error)
	Put(ctx context.Context, name string, value []byte) error
	Delete(ctx context.Context, name string) error
}

// A Locker is a [Store] that can give one process at a time the right to
// fetch what is missing.
type Locker interface {
	// Lock waits for the lock of that name until ctx ends. It returns
	// ctx.Err() then, and another error if there can be no locks.
	Lock(ctx context.Context, name string) (unlock func(), err error)
	// TryLock takes the lock if nobody holds it, and else returns nil.
	TryLock(name string) (unlock func(), err error)
}

// None is the store that keeps nothing.
type None struct{}

func (None) Get(context.Context, string) ([]byte, error) { return nil, fs.ErrNotExist }
func (None) Put(context.Context, string, []byte) error   { return nil }
func (None) Delete(context.Context, string) error        { return fs.ErrNotExist }
