//go:build unix

package cache

import (
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// openFlags keeps an open from waiting for the other end of a named pipe.
const openFlags = os.O_RDONLY | syscall.O_NONBLOCK

func checkDir(root *os.Root, info fs.FileInfo) error {
	if uid := int(info.Sys().(*syscall.Stat_t).Uid); uid != os.Geteuid() {
		return fmt.Errorf("belongs to another user (uid %d)", uid)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return root.Chmod(".", 0o700)
	}
	return nil
}

func checkFile(info fs.FileInfo) error {
	stat := info.Sys().(*syscall.Stat_t)
	if int(stat.Uid) != os.Geteuid() || info.Mode().Perm()&0o077 != 0 || stat.Nlink != 1 {
		return fs.ErrPermission
	}
	return nil
}

// syncDir makes a rename last through a power cut.
func syncDir(root *os.Root) error {
	dir, err := root.Open(".")
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}
