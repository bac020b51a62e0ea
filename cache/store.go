package cache

import "context"

// A Store keeps values under short names that are safe as file names. Get and
// Delete return an error wrapping [io/fs.ErrNotExist] if there is none of that
// name. Put replaces a value whole: a reader sees the former or the new one.
type Store interface {
	Get(ctx context.Context, name string) ([]byte, error)
	Put(ctx context.Context, name string, value []byte) error
	Delete(ctx context.Context, name string) error
}

// A Locker is a [Store] that can give one process at a time the right to
// fetch what is missing. Without it callers at the same time each ask the issuer.
type Locker interface {
	// Lock waits for the lock of that name until ctx ends. It returns
	// ctx.Err() then, and another error if there can be no locks.
	Lock(ctx context.Context, name string) (unlock func(), err error)
	// TryLock takes the lock if nobody holds it, and else returns nil.
	TryLock(name string) (unlock func(), err error)
}

// A Lister is a [Store] that can tell what is in it. Without it status, gc and
// logout --all say that they cannot.
type Lister interface {
	// List returns the names of all values, in any order.
	List(ctx context.Context) ([]string, error)
}

// A Sweeper is a [Store] in which killed processes can leave something behind.
type Sweeper interface {
	// Sweep removes it.
	Sweep(ctx context.Context)
}

// A Filer is a [Store] whose values are files, each called like the value. Without it
// there are no warm answers, which look at these files.
type Filer interface {
	// Path returns the directory of the files.
	Path() string
}

// A Scratcher is a [Store] that has room for the files of a command.
type Scratcher interface {
	// Scratch makes a directory, and returns its path and what removes it.
	Scratch(ctx context.Context) (path string, remove func(), err error)
}

// State is where what must not be lost is kept.
type State interface {
	Store
	Locker
	Lister
	Filer
}

// A storeKind is a kind of store, which opens the one at the path of the cache.
type storeKind struct {
	name string
	open func(path string) (Store, error)
}

// stores are the kinds of store. The first that can be opened is used.
var stores = []storeKind{
	{"directory", func(path string) (Store, error) { return openStore(path) }},
	{"memory", func(string) (Store, error) { return &Memory{}, nil }},
}
