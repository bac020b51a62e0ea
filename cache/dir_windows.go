package cache

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/windows"

	"github.com/jeton-cli/jeton/plugin"
)

const (
	openFlags = os.O_RDONLY
	lockFlags = 0
)

// openStays says that a file that is open cannot be removed.
const openStays = true

// renamePatience is how long a rename waits until nobody has the former file open.
const renamePatience = time.Second

// rename waits for those who have the former file open, who are done in a moment.
func rename(root *os.Root, from, to string) (err error) {
	for wait := time.Millisecond; ; wait *= 2 {
		err = root.Rename(from, to)
		used := errors.Is(err, fs.ErrPermission) || errors.Is(err, windows.ERROR_SHARING_VIOLATION)
		if !used || wait > renamePatience {
			return err
		}
		time.Sleep(wait)
	}
}

func isLockFile(info fs.FileInfo) bool { return info.Mode().IsRegular() }

// checkDir returns an error if the directory is open to others. Those of a user's profile are
// not.
func checkDir(root *os.Root, _ fs.FileInfo) error {
	dir, err := root.Open(".")
	if err != nil {
		return err
	}
	defer dir.Close()
	if who := plugin.OpenToOthers(dir); who != "" {
		return fmt.Errorf("%w (%s)", ErrOpen, who)
	}
	return nil
}

// What jeton makes in a closed directory is closed, too. Directories cannot be synced.
func checkFile(fs.FileInfo) error { return nil }
func syncDir(*os.Root) error      { return nil }

// copyRights closes the file called to as the one called from is closed. Otherwise it has the
// rights of its directory.
func copyRights(from, to string) error {
	sd, err := windows.GetNamedSecurityInfo(from, windows.SE_FILE_OBJECT, windows.DACL_SECURITY_INFORMATION)
	if err != nil {
		return nil // the file system, or its server, tells nothing
	}
	control, _, err := sd.Control()
	if err != nil || control&windows.SE_DACL_PROTECTED == 0 {
		return err // it has those of its directory, too
	}
	list, _, err := sd.DACL()
	if err != nil {
		return err
	}
	return windows.SetNamedSecurityInfo(to, windows.SE_FILE_OBJECT,
		windows.DACL_SECURITY_INFORMATION|windows.PROTECTED_DACL_SECURITY_INFORMATION, nil, nil, list, nil)
}
