package cache

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A file that is linked into a place where nothing can be written is another program's.
func TestEditLinked(t *testing.T) {
	link := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.Symlink("/proc/version", link); err != nil {
		t.Fatal(err)
	}
	_, err := EditFile(link, func([]byte) ([]byte, error) { return []byte("x"), nil })
	if err == nil || !strings.HasPrefix(err.Error(), link+" is a link to /proc/version: ") ||
		!strings.HasSuffix(err.Error(), "; change the file where that is made") {
		t.Error(err)
	}
}
