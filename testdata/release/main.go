// Release makes what a package of jeton has beside the program: completions, manual pages, the
// licences of everything in the program, and the authorities that an image trusts.
//
//	release DIR    in the folder of the main module
package main

import (
	"archive/tar"
	"bytes"
	"cmp"
	"compress/gzip"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/crypto/x509roots/fallback/bundle"
)

func main() {
	log.SetFlags(0)
	if len(os.Args) != 2 {
		log.Fatal("usage: release DIR")
	}
	r := &release{os.Args[1]}
	if err := errors.Join(r.completions(), r.manual(), r.licences(), r.authorities(), r.folder()); err != nil {
		log.Fatal(err)
	}
}

// A release is written into a folder.
type release struct{ dir string }

// write writes a file, the bytes of which depend on nothing but data.
func (r *release) write(name string, data []byte) error {
	path := filepath.Join(r.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, data, 0o644)
}

func (r *release) completions() error {
	for shell, name := range map[string]string{"bash": "jeton.bash", "zsh": "_jeton", "fish": "jeton.fish",
		"powershell": "jeton.ps1"} {
		text, err := run("run", ".", "completion", shell)
		if err != nil {
			return err
		}
		if err := r.write("completions/"+name, text); err != nil {
			return err
		}
	}
	return nil
}

// manual writes the page of jeton and those of the plugins, plain and as packages want them.
func (r *release) manual() error {
	pages := map[string][]string{"jeton.1": nil}
	names, err := plugins()
	if err != nil {
		return err
	}
	for _, name := range names {
		pages["jeton-"+name+".5"] = []string{name}
	}
	for name, args := range pages {
		page, err := run(append([]string{"run", ".", "man"}, args...)...)
		if err != nil {
			return err
		}
		var packed bytes.Buffer
		z, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
		if err != nil {
			return err
		}
		if _, err := z.Write(page); err != nil {
			return err
		}
		section := name[len(name)-1:]
		err = errors.Join(z.Close(), r.write("man/"+name, page),
			r.write("share/man/man"+section+"/"+name+".gz", packed.Bytes()))
		if err != nil {
			return err
		}
	}
	return nil
}

// plugins returns the names of the plugins, which the schema lists.
func plugins() ([]string, error) {
	text, err := run("run", ".", "schema")
	if err != nil {
		return nil, err
	}
	var schema struct {
		Definitions struct {
			Profile struct {
				Properties struct {
					Plugin struct{ Enum []string }
				}
			}
		}
	}
	err = json.Unmarshal(text, &schema)
	return schema.Definitions.Profile.Properties.Plugin.Enum, err
}

// A module is in the program of some system.
type module struct{ path, version, dir string }

// licences writes the licences and notices of the modules in the program of any system, and of
// Go's library.
func (r *release) licences() error {
	var modules []module
	for _, system := range []string{"linux", "darwin", "windows"} {
		const format = "{{with .Module}}{{if not .Main}}{{.Path}}\t{{.Version}}\t{{.Dir}}{{end}}{{end}}"
		cmd := exec.Command("go", "list", "-deps", "-tags=nethttpomithttp2", "-f", format, ".")
		cmd.Env = append(os.Environ(), "GOOS="+system, "CGO_ENABLED=0")
		list, err := output(cmd)
		if err != nil {
			return err
		}
		for line := range strings.Lines(string(list)) {
			if f := strings.Split(strings.TrimSuffix(line, "\n"), "\t"); len(f) == 3 {
				modules = append(modules, module{f[0], f[1], f[2]})
			}
		}
	}
	root, err := run("env", "GOROOT")
	if err != nil {
		return err
	}
	version, err := run("env", "GOVERSION")
	if err != nil {
		return err
	}
	modules = append(modules, module{"Go", strings.TrimSpace(string(version)), strings.TrimSpace(string(root))})
	slices.SortFunc(modules, func(a, b module) int { return cmp.Compare(a.path, b.path) })
	var all bytes.Buffer
	fmt.Fprintf(&all, "jeton is licensed under the Apache License 2.0; see LICENSE. It contains:\n")
	for _, m := range slices.Compact(modules) {
		text, err := m.licence()
		if err != nil {
			return err
		}
		fmt.Fprintf(&all, "\n%s\n%s %s\n\n%s", strings.Repeat("=", 78), m.path, m.version, text)
	}
	return r.write("THIRD-PARTY-LICENSES", all.Bytes())
}

// licence returns the texts of a module's licences and notices.
func (m module) licence() (string, error) {
	entries, err := os.ReadDir(m.dir)
	if err != nil {
		return "", err
	}
	texts, found := "", false
	for _, e := range entries {
		name, _, _ := strings.Cut(strings.ToUpper(e.Name()), ".")
		if !slices.Contains([]string{"LICENSE", "LICENCE", "COPYING", "NOTICE", "PATENTS"}, name) || e.IsDir() {
			continue
		}
		text, err := os.ReadFile(filepath.Join(m.dir, e.Name()))
		if err != nil {
			return "", err
		}
		texts += strings.TrimSpace(strings.ReplaceAll(string(text), "\r\n", "\n")) + "\n\n"
		found = found || name[0] == 'L' || name[0] == 'C'
	}
	if !found {
		return "", fmt.Errorf("%s has no licence", m.path)
	}
	return texts, nil
}

// authorities writes the certificate authorities that Mozilla trusts without a condition.
func (r *release) authorities() error {
	var all bytes.Buffer
	for root := range bundle.Roots() {
		if root.Constraint != nil {
			continue // PEM cannot say it
		}
		if err := pem.Encode(&all, &pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate}); err != nil {
			return err
		}
	}
	return r.write("ca-certificates.crt", all.Bytes())
}

// folder makes an archive with the folder in which jeton keeps things in an image, whoever its
// user is. No other way gives a folder of an image a mode.
func (r *release) folder() error {
	var packed bytes.Buffer
	w := tar.NewWriter(&packed)
	err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: "jeton/", Mode: 0o1777, Uid: 65532, Gid: 65532})
	if err = errors.Join(err, w.Close()); err != nil {
		return err
	}
	return r.write("kept.tar", packed.Bytes())
}

func run(args ...string) ([]byte, error) { return output(exec.Command("go", args...)) }

func output(cmd *exec.Cmd) ([]byte, error) {
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %s", strings.Join(cmd.Args, " "), err, said.String())
	}
	return out, nil
}
