// Wheel writes the plugin of keystoneauth, as a wheel that pip installs, into a folder.
// `make wheel` calls it.
package main

import (
	"archive/zip"
	"log"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/jeton-cli/jeton/formats"
)

func main() {
	if err := write(filepath.Join(os.Args[1], formats.KeystoneAuthWheel)); err != nil {
		log.Fatal(err)
	}
}

// write writes the wheel. The same plugin gives the same bytes.
func write(path string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	z := zip.NewWriter(f)
	files := formats.KeystoneAuth("", "")
	for _, name := range slices.Sorted(maps.Keys(files)) {
		w, err := z.Create(name)
		if err != nil {
			return err
		}
		if _, err := w.Write([]byte(files[name])); err != nil {
			return err
		}
	}
	if err := z.Close(); err != nil {
		return err
	}
	return f.Close()
}
