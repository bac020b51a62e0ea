package cli

import (
	"io"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"

	"github.com/jeton-cli/jeton/plugin"
)

// No command repeats an argument or a value that it does not know: it can be a secret.
func TestUsageRepeatsNothing(t *testing.T) {
	i := newInvocation(nil, "", time.Now(), nil)
	model, err := i.model()
	if err != nil {
		t.Fatal(err)
	}
	const canary = "Tr0ub4dor"
	var each func(n *kong.Node)
	each = func(n *kong.Node) {
		at := strings.Fields(n.FullPath())[1:]
		args := append([]string{}, at...)
		for range n.Positional {
			args = append(args, "x")
		}
		tails := [][]string{{canary, canary}, {"--" + canary}, {"-" + canary}, {"--" + canary + "=x"},
			{"--x=" + canary}, {"--verbose=" + canary}, {"--" + canary, canary}, {"-", canary}}
		for _, f := range n.Flags {
			tails = append(tails, []string{"--" + f.Name + "s=" + canary})
			if f.IsBool() || f.Name == "min-ttl" {
				tails = append(tails, []string{"--" + f.Name + "=" + canary})
			}
		}
		for _, tail := range tails {
			line := append(append([]string{}, args...), tail...)
			parser, err := i.parser(line, io.Discard, func(int) {})
			if err != nil {
				t.Fatal(err)
			}
			if _, err = parser.Parse(line); err == nil {
				if at[0] != "exec" && at[0] != "import" && tail[0] != "-" { // whose errors are their own
					t.Errorf("%q is taken", line)
				}
				continue
			}
			e := plugin.AsError(usage(err, nil, nil))
			if e.Code != plugin.Usage || strings.Contains(e.Text+e.Hint, canary) || strings.Contains(e.Text, `"-T"`) {
				t.Errorf("%q: %d %s (%s)", line, e.Code, e.Text, e.Hint)
			}
		}
		for _, c := range n.Children {
			each(c)
		}
	}
	for _, c := range model.Children {
		each(c)
	}
}

// At 80 columns no help breaks a word.
func TestHelpFits(t *testing.T) {
	u := newUser(t, &world{}, "")
	lines := [][]string{{"--help"}}
	for _, v := range verbs() {
		lines = append(lines, []string{v.name, "--help"})
	}
	for _, at := range []string{"setup aws", "setup kubernetes", "setup openstack", "import openrc", "import clouds",
		"import env", "import ovh", "import outscale", "import kubeconfig", "import aws", "secret set", "secret rm"} {
		lines = append(lines, append(strings.Fields(at), "--help"))
	}
	for _, line := range lines {
		out, err := u.command(line...).Output()
		if err != nil {
			t.Errorf("%q: %v", line, err)
		}
		for text := range strings.Lines(string(out)) {
			if n := columns(strings.TrimSuffix(text, "\n")); n > 80 {
				t.Errorf("%q: %d columns: %s", line, n, text)
			}
		}
	}
}
