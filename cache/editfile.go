package cache

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// EditFile replaces the content of the file at path with what change returns for the old
// content, all or nothing. It reports whether the file changed. It follows a link and
// keeps the mode of the file. It creates a new file, and its directory, for the user
// alone. If change returns an error, or another process has written the file in the
// meantime, the file stays as it is, and EditFile returns an error.
func EditFile(path string, change func(old []byte) ([]byte, error)) (changed bool, err error) {
	link := path
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	} else if _, e := os.Lstat(path); e == nil {
		return false, plain(path, err) // a link to nowhere
	}
	old, before, err := readRegular(path)
	if err != nil {
		return false, err
	}
	value, err := change(old)
	if err != nil || bytes.Equal(value, old) && before != nil {
		return false, err
	}
	dir, name := filepath.Split(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return false, plain(dir, err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return false, plain(dir, err)
	}
	defer root.Close()
	tmp := "." + name + ".jeton" + tmpSuffix
	if err := writeLike(root, tmp, value, path, before); err != nil {
		root.Remove(tmp)
		return false, unwritable(link, path, err)
	}
	if after, err := root.Stat(name); before == nil && err == nil ||
		before != nil && (err != nil || !os.SameFile(before, after) || before.ModTime() != after.ModTime() ||
			before.Size() != after.Size()) {
		root.Remove(tmp)
		return false, fmt.Errorf("%s: somebody else has changed it meanwhile", path)
	}
	if err := rename(root, tmp, name); err != nil {
		root.Remove(tmp)
		return false, plain(path, err)
	}
	return true, syncDir(root)
}

// writeLike creates a file that is as open to others as the one at path, whose info is before. If
// that is nil, the file is for the user alone.
func writeLike(root *os.Root, name string, value []byte, path string, before fs.FileInfo) error {
	if before == nil {
		return writeFile(root, name, value, 0o600, "", true)
	}
	return writeFile(root, name, value, before.Mode().Perm(), path, true)
}

// unwritable returns the error for a file that cannot be written. It tells of a link, since
// the place where that leads is often another program's, which makes the file anew.
func unwritable(link, path string, err error) error {
	if filepath.Clean(link) != path {
		return fmt.Errorf("%s is a link to %w; change the file where that is made", link, plain(path, err))
	}
	return plain(path, err)
}

// readRegular returns the content of the file at path, or nothing if there is none. It
// refuses what is not a regular file: to read a pipe could take for ever.
func readRegular(path string) (content []byte, info fs.FileInfo, err error) {
	info, err = os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil, nil
	case err != nil:
		return nil, nil, plain(path, err)
	case !info.Mode().IsRegular():
		return nil, nil, fmt.Errorf("%s is not a regular file", path)
	}
	if content, err = os.ReadFile(path); err != nil {
		return nil, nil, plain(path, err)
	}
	return content, info, nil
}
