package cli

import (
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// What the shells make of the completions: each loads its own, and is asked.
func TestCompletion(t *testing.T) {
	t.Parallel()
	u := newUser(t, &world{}, "  prod: {plugin: command, argv: [x]}\n  product: {plugin: command, argv: [x]}\n  s3: "+
		"{plugin: command, argv: [x]}\n")
	shells := map[string]string{
		"bash": `eval "$(jeton completion bash)"; COMP_WORDS=(jeton "$@"); COMP_CWORD=$#; complete -p jeton >/dev/null && _jeton; printf '%s\n' "${COMPREPLY[@]}"`,
		"zsh": `compdef() { : }; _describe() { print -rl -- ${${(P)2}%%:*} }; _files() { : }
			eval "$(jeton completion zsh)"; words=(jeton "$@"); CURRENT=$#words; _jeton`,
		"fish": `jeton completion fish | source; complete -C "jeton $argv" | string split -f 1 \t`,
	}
	for shell, script := range shells {
		if client(shell) == "" {
			skip(t, shell+" is not installed")
		}
		for words, want := range map[string][]string{
			"ge":                            {"get"},
			"get pr":                        {"prod", "product"},
			"get prod -f k":                 {"kubernetes"},
			"get -f aws s":                  {"s3"},
			"get prod --for ter":            {"terraform"},
			"setup ":                        {"aws", "kubernetes", "openstack"},
			"setup aws --as default s":      {"s3"},
			"import clouds --sec":           {"--secret"},
			"completion f":                  {"fish"},
			"get prod --ref":                {"--refresh"},
			"--config /nowhere.yaml get pr": nil,
		} {
			args := strings.Split(words, " ")
			argv := append([]string{"-c", script, shell}, args...)
			if shell == "fish" {
				argv = append([]string{"-c", script}, args...)
			}
			cmd := exec.Command(shell, argv...)
			cmd.Env = u.command().Env
			cmd.Env[1] = "PATH=" + filepath.Dir(u.jeton) + ":" + strings.TrimPrefix(cmd.Env[1], "PATH=")
			out, err := cmd.Output()
			got := strings.Fields(string(out))
			slices.Sort(got)
			if shell == "fish" && want == nil {
				continue // it offers files of its own
			}
			if err != nil && len(want) > 0 && shell != "fish" || !slices.Equal(got, want) {
				t.Errorf("%s: jeton %s: %q, %v, and not %q", shell, words, got, err, want)
			}
		}
	}
}

// The manual page has all that --help has, and no line that roff stumbles over.
func TestMan(t *testing.T) {
	t.Parallel()
	u := newUser(t, &world{}, "")
	page, err := u.command("man").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range verbs() {
		if !strings.Contains(string(page), ".SS jeton "+v.name) {
			t.Errorf("the page has no %s", v.name)
		}
	}
	if client("groff") == "" {
		skip(t, "groff is not installed")
	}
	cmd := exec.Command("groff", "-man", "-ww", "-Tutf8")
	cmd.Stdin = strings.NewReader(string(page))
	var warnings strings.Builder
	cmd.Stderr = &warnings
	out, err := cmd.Output()
	if err != nil || warnings.Len() > 0 || !strings.Contains(string(out), "fetches cloud credentials") {
		t.Errorf("%v: %s", err, warnings.String())
	}
}
