//go:build !unix

package cache

import (
	"io/fs"
	"os"
)

const openFlags = os.O_RDONLY

// On Windows the user's directories are closed to others by their access
// control lists, which file modes do not show, and directories cannot be
// synced.
func checkDir(*os.Root, fs.FileInfo) error { return nil }
func checkFile(fs.FileInfo) error          { return nil }
func syncDir(*os.Root) error               { return nil }
