package openrc

import (
	"math/rand/v2"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

func noEnvironment(string) string { return "" }

// What a shell makes of an openrc file, jeton reads in it.
func TestLikeAShell(t *testing.T) {
	files := []string{
		"export A=b",
		"A=b; export A",
		"export A=b B=\"c d\" C='e $A f' D=$A\"$B\"'x'",
		`export A=a\ b\$c "B"=1 C="a\"b\$c\\d\e"`,
		"A=b # comment\nB='# none'",
		"A=x\nunset A\nB=${A:-default}\nC=\"${B:-other}\"\nD=${NONE-none}",
		"A=x; [ -z \"$A\" ] && B=1; [ -n \"$A\" ] && C=1; [ -z \"$A\" ] || D=1",
		"A=\nif [ -z \"$A\" ]; then B=empty; else B=full; fi",
		"A=1\nif [ \"$A\" = 2 ]; then B=two; elif [ \"$A\" != 1 ]; then B=other; else B=one; fi",
		"A=1\nif [[ -n $A ]]; then B=1; fi; if [[ $A == 1 ]]; then C=1; fi; if ! [ -n \"$A\" ]; then D=1; fi",
		"A='multi\nline'\nB=\"a\\\nb\"",
		"export A=~/x B=~",
		"{ A=1; B=2; }",
		"A=1 B=2\nC=$A$B",
		"A=\"it's\"\nB='say \"x\"'\nC=$HOME",
		"\n\n  export   A=b\t\n",
		"export A=1 && export B=2 && C=3 || D=4",
		"A=1; if [[ $A == 1* ]] ; then :; fi",
		"A=a#b; B=a\\ #c",
		"cat <<EOF >/dev/null\nA=no\nEOF\nB=yes",
		"cat <<-'E O' >/dev/null\n\tA=no $(\n\tE O\nB=yes",
		"f() { A=1; }\nB=2",
		"function g { A=1; }; B=2",
		"case x in (x) X=$(echo 1);; y) X=3;; esac; C=1",
		"for x in a b; do while false; do X=1; done; done; C=1",
		"(A=1; B=2); C=3",
		"((1+1)); C=$C'x'",
		"A=${B:-${C:-deep}}; D=\"${B:-a b}\"",
		"A=$B$'plain'\"$\"'$'",
		"true && A=1; [ -n \"$A\" ] && B=1 || C=1; [ -z \"$A\" ] && B=2 || C=2",
	}
	for _, shell := range []string{"bash"} {
		path, err := exec.LookPath(shell)
		if err != nil {
			t.Skip(err)
		}
		for _, text := range files {
			cmd := exec.Command(path, "-c",
				text+"\nfor v in A B C D; do eval printf '%s=%s\\\\0' \"$v\" '\"$'$v'\"'; done")
			cmd.Env = []string{"HOME=/home/me"}
			out, err := cmd.Output()
			if err != nil {
				t.Fatalf("%q: %v", text, err)
			}
			o, err := Read([]byte(text), func(name string) string {
				return map[string]string{"HOME": "/home/me"}[name]
			})
			if err != nil || len(o.Notes) > 0 && !strings.ContainsAny(text, "(<*") &&
				!strings.Contains(text, "function") && !strings.Contains(text, "for ") {
				t.Errorf("%q: %v", text, err)
				continue
			}
			for _, pair := range strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00") {
				name, want, _ := strings.Cut(pair, "=")
				if got := o.Get(name); got != want {
					t.Errorf("%q: %s is %q, and %q in %s", text, name, got, want, shell)
				}
			}
		}
	}
}

// Whatever a file is put together of, jeton reads in it what bash makes of it, or
// says that it does not understand it.
func TestRandomLikeAShell(t *testing.T) {
	path, err := exec.LookPath("bash")
	if err != nil {
		t.Skip(err)
	}
	r := rand.New(rand.NewPCG(1, 2))
	pick := func(list ...string) string { return list[r.IntN(len(list))] }
	var word func(depth int) string
	word = func(depth int) string {
		w := ""
		for range 1 + r.IntN(3) {
			w += pick("a", "b-c", "1", `\$`, `\ `, "'s q'", `"d $A q"`, `"e\"$B"`, "$A", "${B}", "~/x", "=", "#", `"\\\$'"`, "/", "$C", "{", "%", "$'x'")
			if depth > 0 && r.IntN(6) == 0 {
				w += "${" + pick("A", "B", "C", "D") + pick(":-", "-") + word(depth-1) + "}"
			}
		}
		return w
	}
	var list func(depth int) string
	list = func(depth int) string {
		var b strings.Builder
		for range 1 + r.IntN(4) {
			name := pick("A", "B", "C", "D")
			switch n := r.IntN(11); {
			case n < 4:
				b.WriteString(pick("", "export ", "  ") + name + "=" + word(2))
			case n == 4:
				b.WriteString("export " + name + "=" + word(1) + " " + pick("A", "B") + "=" + word(1))
			case n == 5:
				b.WriteString("unset " + name)
			case n == 6 && depth > 0:
				b.WriteString("if [ " + pick("-z", "-n", "! -z") + ` "$` + name + `" ]; then ` + list(depth-1) + "\n" + pick("", "else "+list(depth-1)+"\n") + "fi")
			case n == 7 && depth > 0:
				b.WriteString(`[[ $` + name + pick(" == ", " != ") + pick("a", "'1'", `"$A"`) + " ]] " + pick("&&", "||") + " " + name + "=" + word(1))
			case n == 8 && depth > 0:
				b.WriteString("{ " + list(depth-1) + "\n}")
			case n == 9:
				b.WriteString(`[ -n "$` + name + `" ] && A=` + word(1) + " || B=" + word(1))
			default:
				b.WriteString(": " + word(1))
			}
			b.WriteString(pick("\n", "\n\n", " # it's\n"))
		}
		return b.String()
	}
	understood := 0
	var scripts []string
	var batch strings.Builder // one bash for many files
	for range 400 {
		text := list(2)
		scripts = append(scripts, text)
		batch.WriteString("(eval " + shellQuoted(text) +
			"; for v in A B C D; do eval printf '%s=%s\\\\0' \"$v\" '\"$'$v'\"'; done; printf '\\001') 2>/dev/null\n")
	}
	cmd := exec.Command(path, "-c", batch.String())
	cmd.Env = []string{"HOME=/home/me"}
	out, _ := cmd.Output()
	results := strings.Split(string(out), "\x01")
	if len(results) != len(scripts)+1 {
		t.Fatalf("%d results for %d files", len(results), len(scripts))
	}
	for n, text := range scripts {
		o, err := Read([]byte(text), func(name string) string { return map[string]string{"HOME": "/home/me"}[name] })
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if len(o.Notes) > 0 {
			continue
		}
		understood++
		for _, pair := range strings.Split(strings.TrimSuffix(results[n], "\x00"), "\x00") {
			name, want, _ := strings.Cut(pair, "=")
			if got := o.Get(name); got != want {
				t.Errorf("%q: %s is %q, and %q in bash", text, name, got, want)
			}
		}
	}
	if understood < 300 {
		t.Errorf("only %d of %d are understood", understood, len(scripts))
	}
}

func shellQuoted(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// What is not understood is told with its line, and never guessed.
func TestNotes(t *testing.T) {
	for text, want := range map[string]string{
		"\nexport A=$(date)$B":     "line 2: A: it is put together of what is not known yet",
		"export A=$((1+1))":        "line 1: A: it is more than text and variables",
		"export A=${B#x}":          "line 1: A: ${B#…} is not understood",
		"export A=${#B}":           "line 1: A: ${…} with more than a name is not understood",
		"A=(1 2)":                  "line 1: A is more than a plain value",
		"A+=x":                     "line 1: A is more than a plain value",
		"for i in 1; do A=1; done": "line 1: loops and the like are not followed",
		"source other":             "line 1: the command source is not run",
		"f() { A=1; }":             "line 1: functions are not called",
		"if true; then A=1; fi":    "line 1: what this if decides depends on more than variables",
		"which x && A=1":           "line 1: what follows && depends on more than variables",
		"A=$(echo $B)":             "line 1: A: its command refers to variables, which it would not have",
		"A=<(x)":                   "line 1: A: it is more than text and variables",
		"A=$'a\\nb'":               "line 1: A: $'…' with escapes is not understood",
		"$(x) y":                   "line 1: a command is not run",
		"eval \"export A=1\"":      "line 1: the command eval is not run",
		"A=1 > file; x > file & y": "line 1: the command x is not run",
		"export A=$(\n)":           "line 1: A: its command is empty",
		"export \"$B=1\"":          "",
		"A=`echo \\`x\\``":         "line 1: A: backquotes with backslashes in them are not understood: write $(…)",
		"false && A=1":             "line 1: what follows && depends on more than variables",
		"true | A=1":               "line 1: | is not understood",
		"return; A=1":              "", "exit 0\nA=1": "", "if [ -z \"$B\" ]; then return; fi; A=1": "",
		"A=1 cmd":                     "line 1: the command cmd is not run",
		"while read A; do :; done <x": "line 1: loops and the like are not followed",
	} {
		o, err := Read([]byte(text), noEnvironment)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if want != "" && !slices.Contains(o.Notes, want) {
			t.Errorf("%q: %q, not %q", text, o.Notes, want)
		}
		if got := o.Get("A"); got != "" && !strings.HasPrefix(text, "A=1 >") {
			t.Errorf("%q: A is %q", text, got)
		}
	}
}

// The programs that a file takes a password from.
func TestPrograms(t *testing.T) {
	for text, want := range map[string]string{
		"A=$(pass show x/y)":           "pass|show|x/y",
		"A=\"$(pass show 'x y')\"":     "pass|show|x y",
		"A=`pass \"x\"`":               "pass|x",
		"A=$(pass x | head -n 1)":      "sh|-c|pass x | head -n 1",
		"A=$(cat ~/secret)":            "sh|-c|cat ~/secret",
		"A=$(<file)":                   "cat|file",
		"A=$(<~/file)":                 "sh|-c|cat ~/file",
		"A=$(cat <file; true)":         "sh|-c|cat <file; true",
		"B=$(pass x)\nexport A=\"$B\"": "pass|x",
	} {
		o, err := Read([]byte(text), noEnvironment)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if got := strings.Join(o.Values["A"].Command, "|"); got != want {
			t.Errorf("%q: %q, not %q", text, got, want)
		}
	}
}
