package formats

import (
	"encoding/json"
	"os/exec"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// botocore on Windows splits what jeton writes into what it has to run, and jeton reads every
// line as botocore does.
func TestWindowsProcess(t *testing.T) {
	lines := []string{"", " ", "a", " a  b ", `"a b" c`, `a"b c"d`, `"a\"b"`, `"a\\"`, `a\\b`, `\\host\share\x y`, `"" x`,
		`"C:\Program Files\jeton\jeton.exe" get prod -f aws`, `a\"b`, `a\\"b c"`, `a\\\"b`, "a\tb", `'a b'`, `\`, `a \`}
	argvs := [][]string{{`C:\Program Files\jeton\jeton.exe`, "get", "prod"}, {`C:\x\jeton.exe`, ""}, {`a"b`, `a\"b`, `a\`},
		{`a b\`, `c\\`}, {"a&b", "(x)", "a^b"}, {`\\host\share\jeton.exe`, "--config", `C:\a b\c.yaml`}}
	for _, argv := range argvs {
		line := quoteWindows(argv)
		lines = append(lines, line)
		if got := splitWindows(line); !slices.Equal(got, argv) {
			t.Errorf("%q is written as %s, and read as %q", argv, line, got)
		}
	}
	text, err := json.Marshal(lines)
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("python3", "-c", "import sys, json\n"+
		"from botocore.compat import _windows_shell_split as s\n"+
		"print(json.dumps([s(line) for line in json.loads(sys.argv[1])]))", string(text)).Output()
	if err != nil {
		t.Skip("python3 has no botocore")
	}
	var want [][]string
	if err := json.Unmarshal(out, &want); err != nil {
		t.Fatal(err)
	}
	for i, line := range lines {
		if diff := cmp.Diff(append([]string{}, want[i]...), append([]string{}, splitWindows(line)...)); diff != "" {
			t.Errorf("%q is read otherwise than by botocore: %s", line, diff)
		}
	}
}
