package cache

import "context"

// A Store keeps values under short names that are safe as file names. Get and Delete
// return an error wrapping [io/fs.ErrNotExist] if there is no value of that name. Put
// replaces a value as a whole: a reader sees either the former value or the new one.
type Store interface {
	Get(ctx context.Context, name string) ([]byte, error)
	Put(ctx context.Context, name string, value []byte) error
	Delete(ctx context.Context, name string) error
}

// A Locker is a [Store] that can give one process at a time the right to fetch a missing
// credential. Without it, each of several simultaneous callers asks the issuer.
type Locker interface {
	// Lock waits for the lock called name until ctx ends. It then returns ctx.Err(). It
	// returns another error if locks are impossible.
	Lock(ctx context.Context, name string) (unlock func(), err error)
	// TryLock takes the lock if nobody holds it. Otherwise it returns nil.
	TryLock(name string) (unlock func(), err error)
}

// A Lister is a [Store] that can list its values. Without it, status, gc and logout --all
// say that they cannot.
type Lister interface {
	// List returns the names of all values, in any order.
	List(ctx context.Context) ([]string, error)
}

// A Sweeper is a [Store] in which killed processes can leave files behind.
type Sweeper interface {
	// Sweep removes what killed processes left behind.
	Sweep(ctx context.Context)
}

// A Filer is a [Store] whose values are files with the same names as the values. Without
// it there are no warm answers, which look at these files.
type Filer interface {
	// Path returns the directory of the files.
	Path() string
}

// A Scratcher is a [Store] that has room for the files of a command.
type Scratcher interface {
	// Scratch creates a directory, and returns its path and a function that removes it.
	Scratch(ctx context.Context) (path string, remove func(), err error)
}

// State is a store for what must not be lost.
type State interface {
	Store
	Locker
	Lister
	Filer
}

// A storeKind is a kind of store. open opens the store of that kind at the path of the
// cache.
type storeKind struct {
	name string
	open func(path string) (Store, error)
}

// stores lists the kinds of store. The first is the cache. Where it cannot be opened, nothing
// is kept, and the user is told.
var stores = []storeKind{
	{"directory", func(path string) (Store, error) { return openStore(path) }},
	{"memory", func(string) (Store, error) { return &Memory{}, nil }},
}
