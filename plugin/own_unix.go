//go:build unix

package plugin

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// openFlags keeps open from waiting for the other end of a named pipe.
const openFlags = os.O_RDONLY | syscall.O_NONBLOCK | syscall.O_CLOEXEC

// checkOwner returns an error if others could have written the file or, under the rule
// private, can read it.
func checkOwner(_ *os.File, path string, info fs.FileInfo, rule access) error {
	stat := info.Sys().(*syscall.Stat_t)
	if uid := os.Geteuid(); stat.Uid != 0 && int(stat.Uid) != uid {
		return Errorf(Config, "%s belongs to another user (uid %d)", path, stat.Uid).
			WithHint("jeton reads only files of your own (uid %d) or root's", uid)
	}
	mode := info.Mode().Perm()
	// Many users have a group of their own (umask 002). This check cannot tell it from a
	// group with other members, so it refuses group-writable like world-writable.
	if mode&0o022 != 0 {
		return Errorf(Config, "%s can be written by others (mode %04o)", path, mode).
			WithFix("chmod", "go-w", path)
	}
	if rule == private && mode&0o044 != 0 {
		return Errorf(Config, "%s holds a secret and can be read by others (mode %04o)", path, mode).
			WithFix(CloseCommand(path)...)
	}
	return nil
}

// checkParent returns an error if anybody can replace the file in its directory.
func checkParent(path string) error {
	dir := filepath.Dir(path)
	info, err := os.Stat(dir)
	if err != nil {
		return nil // the open that follows gives a better error
	}
	if mode := info.Mode(); mode.Perm()&0o002 != 0 && mode&fs.ModeSticky == 0 {
		return Errorf(Config, "anybody can replace files in %s (mode %04o)", dir, mode.Perm()).
			WithFix("chmod", "o-w", dir)
	}
	return nil
}

// OpenToOthers returns who else can read or write the open file or directory, or "".
func OpenToOthers(f *os.File) string {
	info, err := f.Stat()
	if err != nil || info.Mode().Perm()&0o077 == 0 {
		return ""
	}
	return fmt.Sprintf("mode %04o", info.Mode().Perm())
}

// CloseCommand returns the command that closes a file to others.
func CloseCommand(path string) []string { return []string{"chmod", "600", path} }

// CheckOwn returns an error unless the file is this user's, and nobody else can write it.
func CheckOwn(info fs.FileInfo) error {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok || int(stat.Uid) != os.Geteuid() || info.Mode().Perm()&0o022 != 0 {
		return Errorf(Config, "is not yours alone")
	}
	return nil
}
