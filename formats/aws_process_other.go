//go:build !windows

package formats

// shortPath returns path: only Windows has other names of files.
func shortPath(path string) string { return path }
