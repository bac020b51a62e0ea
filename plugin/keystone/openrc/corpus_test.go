package openrc

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// corpus has files as vendors and installers write them.
const corpus = "../../../testdata/corpus/openrc"

// What jeton reads in the files of vendors is what a program sees after bash has sourced
// them. What it does not know is what the user types, a program prints, or the command line
// and other files decide.
func TestCorpus(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip(err)
	}
	unknown := map[string][]string{
		"horizon-v3-openrc.sh":  {"OS_PASSWORD"},
		"ovhcloud-openrc.sh":    {"OS_PASSWORD", "OS_PROJECT_DOMAIN_NAME", "OS_USER_DOMAIN_NAME"},
		"infomaniak-openrc.sh":  {"OS_PASSWORD"},
		"pass-openrc.sh":        {"OS_PASSWORD"},
		"multifactor-openrc.sh": {"OS_PASSCODE", "OS_PASSWORD"},
		"devstack-openrc.sh":    {"OS_AUTH_URL", "OS_PASSWORD", "OS_PROJECT_NAME", "OS_REGION_NAME", "OS_USERNAME"},
	}
	files, err := os.ReadDir(corpus)
	if err != nil || len(files) < 15 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, f := range files {
		path, err := filepath.Abs(filepath.Join(corpus, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		rc, err := Read(text, path, environment)
		if err != nil {
			t.Errorf("%s: %v", f.Name(), err)
			continue
		}
		source := ". "
		if strings.HasSuffix(f.Name(), ".env") {
			source = "set -a; . "
		}
		cmd := exec.Command(bash, "-c", `source() { :; }; `+source+`"$0"; env -0`, path)
		cmd.Env = []string{"HOME=/home/me", "USER=me", "PATH=" + os.Getenv("PATH")}
		cmd.Dir = filepath.Dir(path)
		cmd.Stdin = strings.NewReader("typed\ntyped\n")
		out, _ := cmd.Output()
		seen := map[string]string{}
		for pair := range strings.SplitSeq(string(out), "\x00") {
			if name, value, ok := strings.Cut(pair, "="); ok && strings.Contains(name, "OS_") {
				seen[name[strings.LastIndex(name, "\n")+1:]] = value
			}
		}
		var missed []string
		for name, want := range seen {
			if v := rc.Values[name]; !v.Known() || rc.Elsewhere != "" {
				missed = append(missed, name)
			} else if v.Text != want {
				t.Errorf("%s: %s is %q, and %q in bash", f.Name(), name, v.Text, want)
			}
		}
		if slices.Sort(missed); !slices.Equal(missed, unknown[f.Name()]) {
			t.Errorf("%s: %q are not known, not %q: %q", f.Name(), missed, unknown[f.Name()], rc.Notes)
		}
	}
}
