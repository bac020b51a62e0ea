//go:build !linux

package hit

// On other systems every answer is the ordinary path's.

const fileFields, dirFields = 5, 4

// Look finds nothing.
func Look([]string, func(string) string) ([]byte, Note) { return nil, Note{} }

func absent(string) bool                  { return false }
func fileID(string) ([]byte, int64, bool) { return nil, 0, false }
func dirID(string) []byte                 { return nil }
