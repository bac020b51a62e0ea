//go:build !linux

package hit

// On other systems every answer is the ordinary path's.

const fileFields, dirFields = 5, 4

func fileID(string) ([]byte, int64) { return nil, 0 }
func dirID(string) []byte           { return nil }
