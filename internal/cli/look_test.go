package cli

import (
	"os/exec"
	"strings"
	"testing"
)

// A command line that was broken means the same to a shell, whatever the width.
func TestBreakCommand(t *testing.T) {
	t.Parallel()
	for _, line := range []string{
		`printf '%s|' one two three four five six seven eight nine ten eleven twelve`,
		`printf '%s|' 'it'\''s a long path' and another 'one with  two blanks' "a \" b" a\ b c\'d e\\ f`,
		`printf '%s|' x y # a comment that is long enough to be broken, which it must not be`,
		`A='a b c' sh -c 'printf "%s|" "$A" "$@"' sh one two three four five six`,
	} {
		want, err := exec.Command("sh", "-c", line).Output()
		if err != nil {
			t.Fatal(err)
		}
		for width := 20; width < 100; width++ {
			broken := breakCommand(line, width)
			if got, err := exec.Command("sh", "-c", broken).Output(); err != nil || string(got) != string(want) {
				t.Errorf("%d: %v: %s gives %s, not %s", width, err, broken, got, want)
			}
		}
	}
}

// A sentence is broken between words only. A command in it stays one.
func TestBreakText(t *testing.T) {
	t.Parallel()
	const sentence = "prod: log in at a terminal before its next call, with this command: jeton login prod --config " +
		"/a/b/c.yaml"
	for width := 20; width < 140; width++ {
		broken := breakText(sentence, width)
		for line := range strings.Lines(broken) {
			line = strings.TrimRight(line, "\n")
			if columns(line) > width && strings.Contains(strings.TrimSpace(strings.TrimSuffix(line, " \\")), " ") {
				t.Errorf("%d: %q", width, line)
			}
		}
		words := strings.Fields(strings.ReplaceAll(broken, "\\\n", " "))
		if strings.Join(words, " ") != sentence {
			t.Errorf("%d: %q", width, broken)
		}
	}
}

// An answer is a number first, then a text, then a first word that only one option has.
func TestChosen(t *testing.T) {
	options := []string{"3", "prod a", "zeta  1", "web x", "web y", " ", "file: a file"}
	for answer, want := range map[string]int{"3": 2, "1": 0, "prod": 1, "web": -1, "web y": 4, "file": 6, "8": -1,
		"0": -1, "": -1, "nothing": -1} {
		if got := chosen(answer, options); got != want {
			t.Errorf("%q is %d, not %d", answer, got, want)
		}
	}
}
