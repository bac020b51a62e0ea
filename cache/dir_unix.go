//go:build unix

package cache

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"syscall"

	"github.com/jeton-cli/jeton/cache/hit"
)

// openFlags prevents an open from waiting for the other end of a named pipe.
const openFlags = os.O_RDONLY | syscall.O_NONBLOCK

// lockFlags prevents the same, and the following of a link.
const lockFlags = syscall.O_NONBLOCK | syscall.O_NOFOLLOW

// openStays says that a file that is open cannot be removed.
const openStays = false

func rename(root *os.Root, from, to string) error { return root.Rename(from, to) }

// copyRights does nothing: the mode says everything, and is copied with it.
func copyRights(_, _ string) error { return nil }

// isLockFile reports whether this process may have made the file: it is the user's, and
// has one name.
func isLockFile(info fs.FileInfo) bool {
	stat := info.Sys().(*syscall.Stat_t)
	return info.Mode().IsRegular() && int(stat.Uid) == os.Geteuid() && stat.Nlink == 1
}

func checkDir(root *os.Root, info fs.FileInfo) error {
	if uid := int(info.Sys().(*syscall.Stat_t).Uid); uid != os.Geteuid() {
		return fmt.Errorf("belongs to another user (uid %d)", uid)
	}
	if info.Mode().Perm()&0o077 == 0 {
		return nil
	}
	dir, err := root.Open(".")
	if err != nil {
		return err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return err
	}
	if i := slices.IndexFunc(names, foreign); i >= 0 {
		return fmt.Errorf("%w (mode %04o) and holds %q, which is not jeton's; name a directory of jeton's own", ErrOpen,
			info.Mode().Perm(), names[i])
	}
	// By its descriptor, because some systems refuse the call that takes a name, or need /proc.
	if err := dir.Chmod(0o700); err != nil {
		return err
	}
	if info, err = dir.Stat(); err == nil && info.Mode().Perm()&0o077 != 0 { // drvfs and the like ignore it
		err = fmt.Errorf("%w (mode %04o), and its file system does not change that", ErrOpen, info.Mode().Perm())
	}
	return err
}

// foreign reports whether name is not the name of a file that jeton writes.
func foreign(name string) bool {
	value, _, _ := strings.Cut(name, ".")
	return !isKeyName(value) && !hit.IsName(value) &&
		!slices.Contains([]string{hit.Dir, pepperName, SecretsName, ConfigLock, sealLock, packagesName}, value) &&
		!slices.ContainsFunc([]string{SetupPrefix, ledgerPrefix, scratchPrefix, grantPrefix, loginPrefix},
			func(prefix string) bool { return strings.HasPrefix(value, prefix) })
}

func checkFile(info fs.FileInfo) error {
	stat := info.Sys().(*syscall.Stat_t)
	if int(stat.Uid) != os.Geteuid() || info.Mode().Perm()&0o077 != 0 || stat.Nlink != 1 {
		return fs.ErrPermission
	}
	return nil
}

// syncDir makes a rename survive a power cut.
func syncDir(root *os.Root) error {
	dir, err := root.Open(".")
	if err != nil {
		return err
	}
	defer dir.Close()
	if err := dir.Sync(); !errors.Is(err, syscall.EINVAL) && !errors.Is(err, syscall.ENOTSUP) {
		return err
	}
	return nil // some network file systems cannot sync, but the rename stands
}
