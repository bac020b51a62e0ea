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
			e := plugin.AsError(usage(err, nil))
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
