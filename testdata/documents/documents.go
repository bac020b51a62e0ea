// Package documents reads what people read of jeton: the READMEs, and the pages below docs.
package documents

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// A Document is one of them.
type Document struct{ Path, Text string }

// All returns all documents of the repository at root, with paths from there.
func All(root string) (list []Document, err error) {
	paths := []string{"README.md", "README.fr.md"}
	err = filepath.WalkDir(filepath.Join(root, "docs"), func(path string, _ fs.DirEntry, err error) error {
		if filepath.Ext(path) == ".md" {
			rel, e := filepath.Rel(root, path)
			if e != nil {
				return e
			}
			paths = append(paths, filepath.ToSlash(rel))
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	for _, path := range paths {
		b, err := os.ReadFile(filepath.Join(root, path))
		if err != nil {
			return nil, err
		}
		list = append(list, Document{path, string(b)})
	}
	return list, nil
}

var block = regexp.MustCompile("(?s)```([a-z]+)\n(.*?)```")

// Blocks returns the blocks of code in a language.
func (d Document) Blocks(language string) (list []string) {
	for _, m := range block.FindAllStringSubmatch(d.Text, -1) {
		if m[1] == language {
			list = append(list, m[2])
		}
	}
	return list
}

// Commands returns the command lines that the document has people run.
func (d Document) Commands() (lines []string) {
	for _, text := range d.Blocks("console") {
		for _, line := range strings.Split(strings.TrimSpace(text), "\n") {
			lines = append(lines, strings.TrimPrefix(line, "$ "))
		}
	}
	return lines
}

// Profiles returns the profiles that the document shows, as one configuration file, or "".
func (d Document) Profiles() string {
	text := ""
	for _, body := range d.Blocks("yaml") {
		body = strings.TrimPrefix(body, "profiles:\n")
		if strings.HasPrefix(body, "  ") && strings.Contains(body, "plugin: ") && !strings.Contains(text, body) {
			text += body
		}
	}
	if text == "" {
		return ""
	}
	return "profiles:\n" + text
}

// WrongTables returns what is wrong with tables of the documents. Each follows a comment
// that names it and the test that checks it; rows are those that it should have.
func WrongTables(list []Document, test string, rows map[string][]string) (faults []string) {
	text := ""
	for _, d := range list {
		text += d.Text + "\n\n"
	}
	for name, want := range rows {
		_, rest, found := strings.Cut(text, "<!-- "+name+": checked by "+test+" -->\n")
		if !found {
			faults = append(faults, "the documents have no table of "+name)
			continue
		}
		table, _, _ := strings.Cut(rest, "\n\n")
		if got := strings.Split(strings.TrimSpace(table), "\n")[2:]; !slices.Equal(got, want) {
			faults = append(faults, "the documents' table of "+name+" should be\n"+strings.Join(want, "\n"))
		}
	}
	return faults
}
