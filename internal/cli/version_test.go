package cli

import (
	"encoding/json"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// The build that jeton tells of is the one that git and go tell of.
func TestVersionJSON(t *testing.T) {
	var got struct {
		Version, Commit, Go, OS, Arch string
		Modified                      bool
		Dependencies                  []struct{ Path, Version, Sum string }
	}
	jeton, err := build()
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(jeton, "version", "--json").Output()
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatal(err)
	}
	say := func(name string, args ...string) string {
		out, _ := exec.Command(name, args...).Output()
		return strings.TrimSpace(string(out))
	}
	if want := say("git", "rev-parse", "HEAD"); got.Commit != want {
		t.Errorf("the commit is %q, not %q", got.Commit, want)
	}
	if want := say("git", "status", "--porcelain") != ""; got.Modified != want {
		t.Errorf("modified is %v, not %v", got.Modified, want)
	}
	built := got.Go + " " + got.OS + " " + got.Arch
	if want := strings.ReplaceAll(say("go", "env", "GOVERSION", "GOOS", "GOARCH"), "\n", " "); built != want {
		t.Errorf("built by %s, not %s", built, want)
	}
	var modules []string
	for _, m := range got.Dependencies {
		if !strings.HasPrefix(m.Sum, "h1:") {
			t.Errorf("%s has the sum %q", m.Path, m.Sum)
		}
		modules = append(modules, m.Path+" "+m.Version)
	}
	const module = "{{with .Module}}{{if not .Main}}{{.Path}} {{.Version}}{{end}}{{end}}"
	want := strings.Split(say("go", "list", "-deps", "-f", module, "../.."), "\n")
	want = slices.DeleteFunc(want, func(m string) bool { return m == "" })
	slices.Sort(want)
	slices.Sort(modules)
	if want = slices.Compact(want); !slices.Equal(modules, want) {
		t.Errorf("the dependencies are\n%s\nnot\n%s", strings.Join(modules, "\n"), strings.Join(want, "\n"))
	}
}
