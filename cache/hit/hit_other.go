//go:build !linux || !(amd64 || arm64)

package hit

import (
	"io"
	"os"
)

// On other systems every answer is the ordinary path's.

const fileFields, dirFields = 6, 5

// Look finds nothing.
func Look([]string, func(string) string) ([]byte, Note) { return nil, Note{} }

func known() bool                         { return true }
func getenv(name string) string           { return os.Getenv(name) }
func geteuid() int                        { return os.Geteuid() }
func absent(string) bool                  { return false }
func fileID(string) ([]byte, int64, bool) { return nil, 0, false }
func dirID(string) []byte                 { return nil }

// small returns the content of a file of less than a KiB, or nothing.
func small(path string) []byte {
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	b, _ := io.ReadAll(io.LimitReader(f, 1<<10))
	return b
}

// overwrite puts text in the place of what is in the file, at once.
func overwrite(path string, text []byte) {
	if f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o600); err == nil {
		f.Write(text)
		f.Close()
	}
}
