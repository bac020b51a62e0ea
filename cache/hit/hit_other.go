//go:build !linux || !(amd64 || arm64)

package hit

import "os"

// On other systems the ordinary path gives every answer.

const fileFields, dirFields = 6, 5

// Look finds nothing on this system.
func Look([]string, func(string) string) ([]byte, Note) { return nil, Note{} }

func known() bool                         { return true }
func getenv(name string) string           { return os.Getenv(name) }
func geteuid() int                        { return os.Geteuid() }
func absent(string) bool                  { return false }
func fileID(string) ([]byte, int64, bool) { return nil, 0, false }
func dirID(string) []byte                 { return nil }

// small returns the content of a file smaller than 1 KiB, or nothing.
func small(path string) []byte {
	if info, err := os.Lstat(path); err != nil || !info.Mode().IsRegular() || info.Size() >= 1<<10 {
		return nil
	}
	b, _ := os.ReadFile(path)
	return b
}

// overwrite writes text at offset into the file in one call, and reports whether it
// could. It puts a new file in the place of what is not a file with this one name: writing
// would change something else.
func overwrite(path string, offset int, text []byte) bool {
	if info, err := os.Lstat(path); err == nil && (!info.Mode().IsRegular() || !alone(info)) && os.Remove(path) != nil {
		return false
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return false
	}
	_, err = f.WriteAt(text, int64(offset))
	return f.Close() == nil && err == nil
}
