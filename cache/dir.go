package cache

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/gofrs/flock"

	"github.com/jeton-cli/jeton/plugin"
)

// A Dir is a [Store] in a directory that belongs to the user alone, with one file for
// each value. [EditFile] writes the files that the user owns.
//
// A value is written to a file with the fixed name NAME.tmp and then moved into place.
// Readers therefore never see part of a value, and a killed writer leaves at most one
// such file. The right to write is a kernel lock on NAME.lock, which ends with the
// process that holds it. Only the holder of the lock removes the lock file: a process
// that waited for the lock then finds that its file no longer has that name, and tries
// again.
type Dir struct {
	path string
	root *os.Root
	// volatile says that a value may be lost or incomplete after a power cut.
	volatile bool

	mu   sync.Mutex
	held map[string]bool
}

// Names in the state directory, apart from the pepper and the ledger.
const (
	SecretsName = "secrets" // the directory of imported secrets
	ConfigLock  = "config"  // the lock for editing configuration files
	SetupPrefix = "setup-"  // the start of the names of what undoes a setup

	sealLock     = "seal"   // the lock for making the key of the sealed refresh tokens
	packagesName = "python" // the directory of packages of Python
)

const (
	lockSuffix = ".lock"
	tmpSuffix  = ".tmp"

	// maxValue is the size in bytes of the largest value that is read back. JSON makes a
	// character six at most, so that every credential fits.
	maxValue = 8 * plugin.MaxCredential
)

// OpenDir opens the directory at path, and creates it if it does not exist. It returns an
// error if the directory belongs to another user. If other users can look into a
// directory of ours, OpenDir closes it to them, provided that it holds nothing but
// jeton's files; otherwise it returns an error wrapping [ErrOpen].
func OpenDir(path string) (*Dir, error) {
	if !filepath.IsAbs(path) {
		return nil, fmt.Errorf("%s is not an absolute path", path)
	}
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, plain(path, err)
	}
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, plain(path, err)
	}
	// The checks run on the opened directory, so that they hold wherever a link leads.
	info, err := root.Stat(".")
	if err == nil {
		err = checkDir(root, info)
	}
	if err != nil {
		root.Close()
		return nil, plain(path, err)
	}
	return &Dir{path: path, root: root, held: map[string]bool{}}, nil
}

// openStore is [OpenDir] for a cache.
func openStore(path string) (Store, error) {
	d, err := OpenDir(path)
	if err != nil {
		return nil, err
	}
	return d, nil
}

// CheckDir returns an error if nothing can be kept in the directory at path.
func CheckDir(ctx context.Context, path string) error {
	d, err := OpenDir(path)
	if err != nil {
		return err
	}
	return d.writable(ctx)
}

// ErrOpen says that a directory was refused because others can look into it.
var ErrOpen = errors.New("is open to others")

// Path returns the path of d.
func (d *Dir) Path() string { return d.path }

// Get returns the value called name. It returns an error if others could have written or
// read the file.
func (d *Dir) Get(_ context.Context, name string) ([]byte, error) {
	link, err := d.root.Lstat(name)
	if err != nil {
		return nil, err
	}
	f, err := d.root.OpenFile(name, openFlags, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !link.Mode().IsRegular() || !info.Mode().IsRegular() || info.Size() > maxValue || checkFile(info) != nil {
		return nil, errNotPrivate
	}
	return io.ReadAll(io.LimitReader(f, maxValue))
}

// readValue is [Dir.Get] for the file at path, where nobody has opened the directory.
func readValue(path string) ([]byte, error) {
	f, err := os.OpenFile(path, openFlags, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() || info.Size() > maxValue {
		return nil, errNotPrivate
	}
	return io.ReadAll(io.LimitReader(f, maxValue))
}

// errNotPrivate says that a file was not read because it is not a value of ours.
var errNotPrivate = errors.New("is not a private file of yours")

// Put replaces the value called name. If the caller does not hold its lock, two writers
// can meet, so each uses a temporary name of its own.
func (d *Dir) Put(_ context.Context, name string, value []byte) error {
	tmp := name + tmpSuffix
	lock, _, _ := strings.Cut(name, ".")
	d.mu.Lock()
	if !d.held[lock] {
		tmp = fmt.Sprintf("%s.%d%s", name, os.Getpid(), tmpSuffix)
	}
	d.mu.Unlock()
	err := writeFile(d.root, tmp, value, 0o600, "", !d.volatile)
	if info, e := d.root.Lstat(tmp); err == nil && e == nil && checkFile(info) != nil { // it could not be read again
		err = fmt.Errorf("%s: %w (mode %04o, by its file system)", name, errNotPrivate, info.Mode().Perm())
	}
	if err == nil {
		err = rename(d.root, tmp, name)
		if info, e := d.root.Lstat(name); err != nil && e == nil && info.IsDir() && d.root.Remove(name) == nil {
			err = rename(d.root, tmp, name) // which replaces all but a directory
		}
	}
	if err != nil {
		d.root.Remove(tmp)
		return err
	}
	if d.volatile {
		return nil
	}
	return syncDir(d.root)
}

// writeFile creates a file. If like is not empty, the file gets the rights of the one at that
// path before it gets its content. If durable is set, the file is on disk when writeFile returns.
func writeFile(root *os.Root, name string, value []byte, mode fs.FileMode, like string, durable bool) error {
	root.Remove(name)
	f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if like != "" {
		err = copyRights(like, filepath.Join(root.Name(), name))
	}
	if err == nil {
		_, err = f.Write(value)
	}
	if err == nil {
		err = f.Chmod(mode) // regardless of the umask
		if info, e := f.Stat(); err != nil && e == nil && info.Mode().Perm()&^mode&0o077 == 0 {
			err = nil // the file system refuses it, and lets others do no more than they may
		}
	}
	if err == nil && durable {
		err = f.Sync() // before the rename, or a power cut leaves zeros
	}
	return errors.Join(err, f.Close())
}

// Delete removes the value called name.
func (d *Dir) Delete(_ context.Context, name string) error { return d.root.Remove(name) }

// writable returns an error if nothing can be kept in d.
func (d *Dir) writable(ctx context.Context) error {
	name := scratchPrefix + rand.Text()
	if err := d.Put(ctx, name, []byte(name)); err != nil {
		return plain(d.path, err)
	}
	return d.Delete(ctx, name)
}

// maxTurns is how often a lock file may be removed while one process waits for it. More
// often, it is not the lock file that is looked at.
const maxTurns = 1000

// Lock waits for the lock called name until ctx ends. It then returns ctx.Err().
func (d *Dir) Lock(ctx context.Context, name string) (func(), error) {
	for range maxTurns {
		f, err := d.lockFile(name)
		if err != nil {
			return nil, err
		}
		locked := make(chan error, 1)
		go func() { locked <- plugin.Catch(f.Lock) }()
		select {
		case err := <-locked:
			if err != nil {
				f.Close()
				return nil, err
			}
		case <-ctx.Done():
			// The wait in the kernel cannot be cancelled, so it is left behind; the
			// process is about to end.
			go plugin.Catch(func() error {
				if err := <-locked; err != nil {
					return err
				}
				return f.Close()
			})
			return nil, ctx.Err()
		}
		if d.current(f, name) {
			return d.release(f, name), nil
		}
		f.Close()
	}
	return nil, fmt.Errorf("%s/%s%s is never the file that was locked", d.path, name, lockSuffix)
}

// TryLock takes the lock called name if it is free. Otherwise it returns nil.
func (d *Dir) TryLock(name string) (func(), error) {
	f, err := d.lockFile(name)
	if err != nil {
		return nil, err
	}
	ok, err := f.TryLock()
	if err != nil || !ok || !d.current(f, name) {
		f.Close()
		return nil, err
	}
	return d.release(f, name), nil
}

// lockFile returns the lock file called name, not opened yet. What jeton has not made,
// such as a link to another file, is removed first: it would be opened or created, and
// locked, somewhere else.
func (d *Dir) lockFile(name string) (*flock.Flock, error) {
	if info, err := d.root.Lstat(name + lockSuffix); err == nil && !isLockFile(info) {
		if err := d.root.Remove(name + lockSuffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("%s/%s%s is in the way, and cannot be removed", d.path, name, lockSuffix)
		}
	}
	// Open for reading and writing, because NFS grants an exclusive lock on nothing less.
	return flock.New(filepath.Join(d.path, name+lockSuffix), flock.SetFlag(os.O_CREATE|os.O_RDWR|lockFlags),
		flock.SetPermissions(0o600)), nil
}

// current reports whether the file that f has locked is still the lock file called name,
// and not one that gc removed while f waited.
func (d *Dir) current(f *flock.Flock, name string) bool {
	locked, err := f.Stat()
	if err != nil {
		return false
	}
	now, err := d.root.Lstat(name + lockSuffix)
	return err == nil && os.SameFile(locked, now)
}

func (d *Dir) release(f *flock.Flock, name string) func() {
	d.mu.Lock()
	d.held[name] = true
	d.mu.Unlock()
	return func() {
		d.mu.Lock()
		delete(d.held, name)
		d.mu.Unlock()
		f.Close()
	}
}

// List returns the names of all values.
func (d *Dir) List(context.Context) (names []string, err error) {
	files, err := d.list()
	for _, f := range files {
		if f.suffix != lockSuffix && !strings.HasSuffix(f.suffix, tmpSuffix) {
			names = append(names, f.value+f.suffix)
		}
	}
	return names, err
}

// abandoned is the age at which a temporary file no longer has a writer.
const abandoned = 10 * time.Minute

// Sweep removes temporary files without a writer, locks of values that no longer exist,
// and the directories of commands that are dead. It leaves everything that is not the
// cache's.
func (d *Dir) Sweep(context.Context) {
	d.sweepScratch()
	files, _ := d.list()
	used := map[string]bool{}
	for _, f := range files {
		switch {
		case !isKeyName(f.value):
		case strings.HasSuffix(f.suffix, tmpSuffix):
			if time.Since(f.info.ModTime()) > abandoned {
				d.root.Remove(f.value + f.suffix)
			}
		case f.suffix != lockSuffix:
			used[f.value] = true
		}
	}
	for _, f := range files {
		if isKeyName(f.value) && f.suffix == lockSuffix && !used[f.value] {
			d.sweepLock(f.value)
		}
	}
}

// sweepLock removes the file of a lock that nobody holds, if there is still nothing for
// the lock to guard.
func (d *Dir) sweepLock(name string) {
	unlock, err := d.TryLock(name)
	if unlock == nil || err != nil {
		return
	}
	defer unlock()
	if _, err := d.root.Lstat(name); err != nil {
		if openStays {
			unlock()
		}
		d.root.Remove(name + lockSuffix)
	}
}

// A file in a Dir belongs to a value. Its suffix says whether it is the value or
// something that goes with it.
type file struct {
	value, suffix string
	info          fs.FileInfo
}

// list returns the files in d.
func (d *Dir) list() ([]file, error) {
	dir, err := d.root.Open(".")
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	entries, err := dir.ReadDir(-1)
	if err != nil {
		return nil, err
	}
	var files []file
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || !info.Mode().IsRegular() {
			continue
		}
		value, suffix := cutName(e.Name())
		files = append(files, file{value, suffix, info})
	}
	return files, nil
}

// plain returns err with path in front and without the repetition of path and operation.
func plain(path string, err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		err = pe.Err
	}
	return fmt.Errorf("%s: %w", path, err)
}
