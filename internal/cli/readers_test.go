package cli

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// These tests let the owners of configuration files read them, beside jeton: client-go's
// clientcmd, the AWS SDKs, openstacksdk and go-ovh. jeton reads the same, or refuses.

// readersOf runs a reader of files: it gets one line for each question on standard input,
// and answers with one line of JSON.
func readersOf[T any](t *testing.T, argv []string, questions []string) []T {
	t.Helper()
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stdin = strings.NewReader(strings.Join(questions, "\n") + "\n")
	var out, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaint
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s: %v: %s", argv[0], err, complaint.Bytes())
	}
	var answers []T
	for d := json.NewDecoder(&out); ; {
		var answer T
		if d.Decode(&answer) != nil {
			break
		}
		answers = append(answers, answer)
	}
	if len(answers) != len(questions) {
		t.Fatalf("%d answers to %d questions: %s", len(answers), len(questions), complaint.Bytes())
	}
	return answers
}

// generated is how many of all files a test makes: all in make torture, else a twentieth.
func generated(t *testing.T, all int) int {
	if os.Getenv("JETON_TEST_CLOUD") == "" && os.Getenv("JETON_TEST_TORTURE") == "" {
		t.Skip("it is part of make test")
	}
	if os.Getenv("JETON_TEST_TORTURE") == "" {
		return all / 20
	}
	return all
}

// A maker makes files out of constructs. The same seed makes the same files.
type maker struct {
	*rand.Rand
	used map[string]int // how often each construct was used
}

func newMaker(seed uint64) *maker {
	return &maker{rand.New(rand.NewPCG(seed, 13)), map[string]int{}}
}

// pick returns one of the texts, each of which is a construct called after kind.
func (m *maker) pick(kind string, list ...string) string {
	text := list[m.IntN(len(list))]
	m.used[kind+" "+text]++
	return text
}

func (m *maker) chance(kind string, percent int) bool {
	if m.IntN(100) >= percent {
		return false
	}
	m.used[kind]++
	return true
}

// ended returns a file with one of the ends of lines that files have.
func (m *maker) ended(text string) string {
	if m.chance("no end of line", 15) {
		text = strings.TrimSuffix(text, "\n")
	}
	if m.chance("CRLF", 10) {
		text = strings.ReplaceAll(text, "\n", "\r\n")
	}
	if m.chance("byte order mark", 3) {
		text = "\ufeff" + text
	}
	return text
}

// judge reports how many of n files were refused, besides those that are nothing for their
// owner's reader, as unusable says. In make torture, too many refused or too few constructs
// are an error: few files say nothing about shares.
func (m *maker) judge(t *testing.T, n, unusable, refused int, what string, reasons map[string]int) {
	t.Helper()
	t.Logf("%d files: %d %s, %d refused; %d constructs", n, unusable, what, refused, len(m.used))
	if n > 100 && refused*5 > n-unusable {
		t.Errorf("%d of %d are refused: %v", refused, n-unusable, reasons)
	}
	if n > 100 && len(m.used) < 15 {
		t.Errorf("only %d constructs: %v", len(m.used), m.used)
	}
}

// A desk is a HOME with a configuration file of jeton in it, on which jeton is run.
type desk struct {
	t           *testing.T
	jeton, home string
	env         []string
}

func newDesk(t *testing.T, config string) *desk {
	t.Helper()
	jeton, err := buildChecked()
	if err != nil {
		t.Fatal(err)
	}
	d := &desk{t: t, jeton: jeton, home: t.TempDir()}
	d.write(".config/jeton/config.yaml", config)
	return d
}

func (d *desk) write(name, text string) (path string) {
	d.t.Helper()
	path = filepath.Join(d.home, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		d.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		d.t.Fatal(err)
	}
	return path
}

// run runs jeton, and returns its exit code and what it prints.
func (d *desk) run(args ...string) (code int, out string) {
	d.t.Helper()
	cmd := exec.Command(d.jeton, args...)
	cmd.Env = append([]string{"HOME=" + d.home, "PATH=" + os.Getenv("PATH"), "GORACE=atexit_sleep_ms=0"},
		d.env...)
	cmd.Dir = d.home
	text, err := cmd.CombinedOutput()
	if err != nil && cmd.ProcessState == nil {
		d.t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), string(text)
}
