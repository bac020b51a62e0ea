//go:build !unix && !windows

package plugin

import (
	"io/fs"
	"os"
)

const openFlags = os.O_RDONLY

// jeton knows no rules of this system.
func checkOwner(*os.File, string, fs.FileInfo, access) error { return nil }
func checkParent(string) error                               { return nil }
func OpenToOthers(*os.File) string                           { return "" }
func CloseCommand(path string) []string                      { return []string{"chmod", "600", path} }
func CheckOwn(fs.FileInfo) error                             { return nil }
