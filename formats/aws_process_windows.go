package formats

import (
	"os"
	"strings"

	"golang.org/x/sys/windows"
)

// shortPath returns another name of the file, which needs no quotes, if it needs and has one. For
// the AWS SDK for Go, cmd reads the line of credential_process, and understands no quotes in it.
func shortPath(path string) string {
	long, err := windows.UTF16PtrFromString(path)
	if err != nil || !strings.ContainsAny(path, needsQuotes) {
		return path
	}
	b := make([]uint16, windows.MAX_LONG_PATH)
	n, err := windows.GetShortPathName(long, &b[0], uint32(len(b)))
	if err != nil || n == 0 || int(n) >= len(b) {
		return path
	}
	short := windows.UTF16ToString(b[:n])
	one, err := os.Stat(path)
	other, e := os.Stat(short)
	if err != nil || e != nil || !os.SameFile(one, other) || strings.ContainsAny(short, needsQuotes) {
		return path
	}
	return short
}
