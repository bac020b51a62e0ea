// Package internal keeps the architecture: CONTRIBUTING.md has its map.
package internal

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/jeton-cli/jeton/"

// A source is a file of Go, by its path from the top.
type source struct {
	path string
	text []byte
	*ast.File
	set *token.FileSet
}

func (s source) isTest() bool {
	return strings.HasSuffix(s.path, "_test.go") || strings.HasPrefix(s.path, "testdata/")
}

// room is the package that the file is in, by its path from the top.
func (s source) room() string { return filepath.ToSlash(filepath.Dir(s.path)) }

// sources returns all files of Go.
func sources(t *testing.T) (list []source) {
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() && strings.HasPrefix(d.Name(), ".") && d.Name() != ".." {
			return first(err, fs.SkipDir)
		}
		if filepath.Ext(path) != ".go" {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		set := token.NewFileSet()
		f, err := parser.ParseFile(set, path, text, parser.ParseComments)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel("..", path)
		list = append(list, source{filepath.ToSlash(rel), text, f, set})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(list) < 100 {
		t.Fatalf("only %d files were found", len(list))
	}
	return list
}

// first returns the first error if there is one, or else the second.
func first(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

// arrows are who may import whom of ours. An issuer may import the packages below its own
// folder too.
var arrows = map[string][]string{
	".":            {"internal/cli", "plugin", "plugin/*"},
	"internal/cli": {"cache", "formats", "plugin"},
	"cache":        {"cache/hit", "plugin"},
	"cache/hit":    {}, // nor anything else: see its comment
	"formats":      {"plugin"},
	"plugin":       {},
	"plugin/login": {"plugin"}, // a person's login, below the issuers that have one
	"plugin/*":     {"plugin", "plugin/login"},
}

// Nobody imports who is above.
func TestArrows(t *testing.T) {
	for _, s := range sources(t) {
		if s.isTest() {
			continue
		}
		room := s.room()
		allowed, ok := arrows[room]
		if own, shared := arrows[room]; shared {
			allowed, ok = own, true
		} else if strings.HasPrefix(room, "plugin/") {
			allowed, ok = arrows["plugin/*"], true
		}
		if !ok {
			t.Errorf("%s is in a package that the house does not have: %s", s.path, room)
		}
		for _, i := range s.Imports {
			path, err := strconv.Unquote(i.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			whose, ours := strings.CutPrefix(path, module)
			fits := func(arrow string) bool {
				below, many := strings.CutSuffix(arrow, "*")
				return whose == arrow || many && strings.HasPrefix(whose, below)
			}
			if ours && !slices.ContainsFunc(allowed, fits) && !strings.HasPrefix(whose, room+"/") {
				t.Errorf("%s imports %s", s.path, whose)
			}
			// Where there is a warm path, it brings no package but the runtime's.
			elsewhere := regexp.MustCompile(`_(other|darwin|windows)\.go$`).MatchString(s.path)
			if room == "cache/hit" && path != "unsafe" && !elsewhere {
				t.Errorf("%s imports %s", s.path, path)
			}
		}
	}
}

// literals calls do with each string in the code of s.
func (s source) literals(do func(text string, at token.Position)) {
	ast.Inspect(s.File, func(n ast.Node) bool {
		if _, isImport := n.(*ast.ImportSpec); isImport {
			return false
		}
		if l, ok := n.(*ast.BasicLit); ok && l.Kind == token.STRING {
			text, err := strconv.Unquote(l.Value)
			if err == nil {
				do(text, s.set.Position(l.Pos()))
			}
		}
		return true
	})
}

// An issuer's name is in its folder only.
func TestIssuersNames(t *testing.T) {
	all := sources(t)
	folders := map[string]string{} // of the issuers, by name
	for _, s := range all {
		if !strings.HasPrefix(s.path, "plugin/") || s.isTest() {
			continue
		}
		ast.Inspect(s.File, func(n ast.Node) bool {
			c, ok := n.(*ast.CompositeLit)
			if sel, is := typeName(c, ok); !is || sel != "Issuer" {
				return true
			}
			for _, e := range c.Elts {
				if pair, ok := e.(*ast.KeyValueExpr); ok && pair.Key.(*ast.Ident).Name == "Name" {
					name, _ := strconv.Unquote(pair.Value.(*ast.BasicLit).Value)
					folders[name] = s.room()
				}
			}
			return true
		})
	}
	if len(folders) < 10 {
		t.Fatalf("only %d issuers were found", len(folders))
	}
	for _, s := range all {
		if s.isTest() || s.path == "main.go" {
			continue
		}
		s.literals(func(text string, at token.Position) {
			for name, folder := range folders {
				if s.room() == folder || strings.HasPrefix(s.room(), folder+"/") {
					continue
				}
				named := regexp.MustCompile(`\bplugins?:? `+regexp.QuoteMeta(name)+`\b`).MatchString(text) ||
					strings.Contains(name, "-") && strings.Contains(text, name) ||
					text == name && name != "command" // which is a kind of secret too
				if named {
					t.Errorf("%s names the issuer %s of %s: %q", at, name, folder, text)
				}
			}
		})
	}
}

// decoders are the files that may decode JSON themselves, as it is the user's
// own.
var decoders = []string{"plugin/json.go", "plugin/outscale/config.go"}

// One function decodes the JSON of issuers. It is stricter than encoding/json.
func TestForeignJSON(t *testing.T) {
	for _, s := range sources(t) {
		if s.isTest() || !strings.HasPrefix(s.path, "plugin/") || slices.Contains(decoders, s.path) {
			continue
		}
		if call := regexp.MustCompile(`json\.(Unmarshal|NewDecoder)\(`).Find(s.text); call != nil {
			t.Errorf("%s calls %s instead of plugin.DecodeJSON", s.path, call)
		}
	}
}

// A panic in a goroutine is caught: Go would print its value and all stacks.
func TestGoroutines(t *testing.T) {
	for _, s := range sources(t) {
		if s.isTest() {
			continue
		}
		ast.Inspect(s.File, func(n ast.Node) bool {
			_, starts := n.(*ast.GoStmt)
			if call, ok := n.(*ast.CallExpr); ok {
				sel, ok := call.Fun.(*ast.SelectorExpr)
				starts = ok && (sel.Sel.Name == "Go" || sel.Sel.Name == "AfterFunc" && s.path != "plugin/limit.go")
			}
			if starts {
				text := s.text[s.set.Position(n.Pos()).Offset:s.set.Position(n.End()).Offset]
				if !strings.Contains(string(text), "Catch(") {
					t.Errorf("%s starts a goroutine without plugin.Catch", s.set.Position(n.Pos()))
				}
			}
			return true
		})
	}
}

// typeName returns the name of a composite literal's type, if it is one of another package.
func typeName(c *ast.CompositeLit, ok bool) (string, bool) {
	if !ok {
		return "", false
	}
	sel, ok := c.Type.(*ast.SelectorExpr)
	if !ok {
		return "", false
	}
	return sel.Sel.Name, true
}

// A caller's name, as that of a format, is in formats only.
func TestCallersNames(t *testing.T) {
	callers := []string{"aws", "kubernetes", "openstack"}
	for _, s := range sources(t) {
		// "openstack" is what an openrc file of no other name is called, and whose password
		// changes by a command of that name.
		if s.isTest() || s.room() == "formats" || s.room() == "plugin/keystone" {
			continue
		}
		s.literals(func(text string, at token.Position) {
			if slices.Contains(callers, text) {
				t.Errorf("%s names the caller %s", at, text)
			}
		})
	}
}

const (
	maxColumns    = 120
	tab           = 4
	maxLines      = 60 // of a function
	maxComplexity = 20
	maxMain       = 60 // lines of main.go
)

// What is long is hard to read. The text between backquotes can be longer: a struct tag
// cannot be broken, and help is wrapped when it is printed.
func TestLines(t *testing.T) {
	for _, s := range sources(t) {
		raw := map[int]bool{}
		ast.Inspect(s.File, func(n ast.Node) bool {
			if l, ok := n.(*ast.BasicLit); ok && l.Kind == token.STRING && strings.HasPrefix(l.Value, "`") {
				for line := s.set.Position(l.Pos()).Line; line <= s.set.Position(l.End()).Line; line++ {
					raw[line] = true
				}
			}
			return true
		})
		for n, line := range strings.Split(string(s.text), "\n") {
			width := len([]rune(strings.ReplaceAll(line, "\t", strings.Repeat(" ", tab))))
			if width > maxColumns && !raw[n+1] {
				t.Errorf("%s:%d: %d columns", s.path, n+1, width)
			}
		}
		if lines := strings.Count(string(s.text), "\n"); s.path == "main.go" && lines > maxMain {
			t.Errorf("main.go has %d lines", lines)
		}
	}
}

// A function fits a screen, or its comment says why it does not.
func TestFunctions(t *testing.T) {
	for _, s := range sources(t) {
		if s.isTest() {
			continue
		}
		for _, d := range s.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || strings.Contains(strings.Join(strings.Fields(f.Doc.Text()), " "), "It is one function because") {
				continue
			}
			lines := s.set.Position(f.End()).Line - s.set.Position(f.Pos()).Line + 1
			if n := complexity(f); lines > maxLines || n > maxComplexity {
				t.Errorf("%s: %s has %d lines, and %d ways through it", s.path, f.Name.Name, lines, n)
			}
		}
	}
}

// complexity is McCabe's: one more than the number of decisions.
func complexity(f *ast.FuncDecl) int {
	n := 1
	ast.Inspect(f, func(x ast.Node) bool {
		switch x := x.(type) {
		case *ast.IfStmt, *ast.ForStmt, *ast.RangeStmt, *ast.CommClause:
			n++
		case *ast.CaseClause:
			if x.List != nil {
				n++
			}
		case *ast.BinaryExpr:
			if x.Op == token.LAND || x.Op == token.LOR {
				n++
			}
		}
		return true
	})
	return n
}

// The top level shows the house, and nothing else.
func TestTopLevel(t *testing.T) {
	house := []string{
		"LICENSE", "Makefile", "README.md", "README.fr.md", "CHANGELOG.md", "action.yml", "go.mod", "go.sum",
		"main.go", "main_test.go", "cache", "docs", "formats", "internal", "plugin", "testdata",
		"jeton", // what make build makes
	}
	entries, err := os.ReadDir("..")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), ".") && !slices.Contains(house, e.Name()) {
			t.Errorf("the house has no %s", e.Name())
		}
	}
}
