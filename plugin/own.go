package plugin

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// access says who may read a file that jeton reads.
type access int

const (
	readable access = iota // anybody
	private                // only the owner
)

// ReadOwnFile returns the content of a regular file of at most limit bytes. The file must
// belong to the user or root, and nobody else may be able to write it. Its errors are
// meant for the user, and wrap those of package fs.
func ReadOwnFile(path string, limit int64) ([]byte, error) { return readOwnFile(path, limit, readable) }

// ReadTokenFile returns the token in a file that something else renews. Others may be
// able to read the file, because Kubernetes gives such files that mode.
func ReadTokenFile(path string) (Secret, error) {
	b, err := readOwnFile(path, maxSecret, readable)
	if err != nil {
		return Secret{}, err
	}
	s, err := cleanSecret(b)
	if err != nil {
		return s, fmt.Errorf("%s: %w", path, err)
	}
	return s, nil
}

// ReadKeyFile returns the content of a private key file. Nobody else may be able to read
// the file.
func ReadKeyFile(path string) ([]byte, error) { return readOwnFile(path, maxPEM, private) }

// readOwnFile returns the content of a regular file of at most limit bytes. The file must
// belong to the user or root, and nobody else may be able to write it. The checks use the
// opened file, so that it cannot be swapped in between.
func readOwnFile(path string, limit int64, rule access) ([]byte, error) {
	b, exposed, err := readExposed(path, limit)
	if err == nil && rule == private {
		err = exposed
	}
	if err != nil {
		return nil, err
	}
	return b, nil
}

// readExposed is readOwnFile for a file whose content decides whether others may read it.
// exposed is an error if others can read the file, and nil otherwise.
func readExposed(path string, limit int64) (b []byte, exposed, err error) {
	if err := checkParent(path); err != nil {
		return nil, nil, err
	}
	f, err := os.OpenFile(path, openFlags, 0)
	if err != nil {
		return nil, nil, fileError(path, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, nil, fileError(path, err)
	}
	if !info.Mode().IsRegular() {
		return nil, nil, Errorf(Config, "%s is not a regular file", path)
	}
	if err := checkOwner(f, path, info, readable); err != nil {
		return nil, nil, err
	}
	b, err = io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, nil, fileError(path, err)
	}
	if int64(len(b)) > limit {
		return nil, nil, Errorf(Config, "%s is larger than %d KiB", path, limit>>10)
	}
	return b, checkOwner(f, path, info, private), nil
}

// fileError converts an error that package os returned for path to an [Error].
func fileError(path string, err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		err = pe.Err
	}
	e := Errorf(Config, "%s: %v", path, err)
	if errors.Is(err, fs.ErrNotExist) {
		return &because{e, fs.ErrNotExist}
	}
	if errors.Is(err, fs.ErrPermission) {
		return &because{e, fs.ErrPermission}
	}
	return e
}
