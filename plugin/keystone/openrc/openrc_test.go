package openrc

import (
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
)

func noEnvironment(string) string { return "" }

// inBash returns what bash makes of each of the files: for every one, the variables A to D
// that programs see, or all of them if the file exports none.
func inBash(t *testing.T, files []string) []map[string]string {
	t.Helper()
	path, err := exec.LookPath("bash")
	if err != nil {
		t.Skip(err)
	}
	dir := t.TempDir()
	var batch strings.Builder // one bash for many files
	for i, text := range files {
		name := filepath.Join(dir, strconv.Itoa(i))
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		batch.WriteString("(cd /; . " + name + `
for v in A B C D; do [ -n "${!v+x}" ] && printf '%s=%s=%s\0' "$v" "${!v@a}" "${!v}"; done; printf '\001') 2>/dev/null </dev/null` + "\n")
	}
	script := filepath.Join(dir, "all")
	if err := os.WriteFile(script, []byte(batch.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, script)
	cmd.Env = []string{"HOME=/home/me", "USER=me", "PATH=/usr/bin:/bin"}
	out, _ := cmd.Output()
	results := strings.Split(string(out), "\x01")
	if len(results) != len(files)+1 {
		t.Fatalf("%d results for %d files", len(results)-1, len(files))
	}
	var list []map[string]string
	for _, result := range results[:len(files)] {
		all, exported := map[string]string{}, map[string]string{}
		for pair := range strings.SplitSeq(strings.TrimSuffix(result, "\x00"), "\x00") {
			if fields := strings.SplitN(pair, "=", 3); len(fields) == 3 {
				all[fields[0]] = fields[2]
				if strings.Contains(fields[1], "x") {
					exported[fields[0]] = fields[2]
				}
			}
		}
		if len(exported) > 0 {
			all = exported
		}
		list = append(list, all)
	}
	return list
}

// sameAs reports the differences between what jeton reads and what bash makes of it. A
// variable that jeton calls unknown is none. It returns the number of variables that are
// known.
func sameAs(t *testing.T, text string, want map[string]string) (known, refused int) {
	t.Helper()
	o, err := Read([]byte(text), "/x/openrc", environment)
	if err != nil {
		if !strings.Contains(err.Error(), "this # is not understood") {
			t.Errorf("%q: %v", text, err)
		}
		return 0, 4
	}
	if o.Elsewhere != "" {
		return 0, 4
	}
	for _, name := range []string{"A", "B", "C", "D"} {
		if v := o.Values[name]; !v.Known() {
			refused++
		} else if known++; v.Text != want[name] {
			t.Errorf("%q: %s is %q, and %q in bash (%q)", text, name, v.Text, want[name], o.Notes)
		}
	}
	return known, refused
}

func environment(name string) string {
	return map[string]string{"HOME": "/home/me", "USER": "me", "OS_PASSWORD": "x"}[name]
}

// What bash makes of an openrc file, jeton reads in it, all of it.
func TestLikeBash(t *testing.T) {
	files := []string{
		"export A=b",
		"A=b; export A",
		"export A=b B=\"c d\" C='e $A f' D=\"$USER\"'x'",
		`export A=a\ b\$c "B"=1 C="a\"b\$c\\d\e"`,
		"A=b # comment\nB='# none'",
		"A=x\nunset A\nB=${A:-default}\nC=\"${B:-other}\"\nD=${A-none}",
		"A=x; [ -z \"$A\" ] && B=1; [ -n \"$A\" ] && C=1; [ -z \"$A\" ] || D=1",
		"A=\nif [ -z \"$A\" ]; then B=empty; else B=full; fi",
		"A=1\nif [ \"$A\" = 2 ]; then B=two; elif [ \"$A\" != 1 ]; then B=other; else B=one; fi",
		"A=1\nif [[ -n $A ]]; then B=1; fi; if [[ $A == 1 ]]; then C=1; fi; if ! [ -n \"$A\" ]; then D=1; fi",
		"A='multi\nline'\nB=\"a\\\nb\"\nC=a\\\nb",
		"export A=~/x B=~",
		"{ A=1; B=2; }",
		"A=1 B=2\nC=$A$B",
		"A=\"it's\"\nB='say \"x\"'\nC=$HOME",
		"\n\n  export   A=b\t\n",
		"export A=1 && export B=2 && export C=3 || export D=4",
		"A=1; if [[ $A == 1 ]] ; then :; fi",
		"A=a#b; B=a\\ #c",
		"cat <<EOF >/dev/null\nA=no\nEOF\nB=yes",
		"cat <<-'E O' >/dev/null\n\tA=no $(\n\tE O\nB=yes",
		"f() { A=1; }\nB=2",
		"f() { export A=1; }\nf; export B=2",
		"function g { A=1; }; B=2",
		"(A=1; B=2); C=3",
		"unset A B C; A=${B:-${C:-deep}}; D=\"${B:-a b}\"",
		"A=b$'plain\\n'\"$\"'$'",
		"true && A=1; [ -n \"$A\" ] && B=1 || C=1; [ -z \"$A\" ] && B=2 || C=2",
		"A=x; A+=y; B=$A",
		"eval 'A=1; B=$A'",
		"A=https://h:5000/v3; B=${A%/v3}; C=${A#https://}; D=${B##*/}",
		"A=web; case $A in dev) B=1;; web|prod) B=2;; *) B=3;; esac",
		"set -a\nA=1\nB=2\nset +a\nC=3",
		"declare -x A=1\ntypeset -x B=2",
		"A=\"$(echo ignored >/dev/null; true)\" ; unset A; B=1",
		"export A='ünïcode' B=\"日本\"",
		"A=1;\nreturn 0\nA=2",
		"export \"A=x y\" 'B=$z'",
		"# \n\nexport A=1\r",
	}
	for i, want := range inBash(t, files) {
		if strings.HasSuffix(files[i], "\r") {
			continue // a lone carriage return is a part of the value
		}
		if _, refused := sameAs(t, files[i], want); refused > 0 {
			t.Errorf("%q: %d variables are not understood", files[i], refused)
		}
	}
}

// Whatever a file is put together of, jeton reads in it what bash makes of it, or says
// that it does not understand it.
func TestRandomLikeBash(t *testing.T) {
	s := &scripts{r: rand.New(rand.NewPCG(1, 2))}
	var files []string
	n := 300
	if os.Getenv("JETON_TEST_TORTURE") != "" {
		n = 6000
	}
	for range n {
		files = append(files, s.list(2))
	}
	known, refused := 0, 0
	for i, want := range inBash(t, files) {
		k, r := sameAs(t, files[i], want)
		known, refused = known+k, refused+r
	}
	t.Logf("%d files, %d variables: %d like bash, %d refused", len(files), known+refused, known, refused)
	if refused*5 > known+refused {
		t.Errorf("%d of %d variables are refused", refused, known+refused)
	}
}

// scripts makes files of the constructs that openrc files have, and of some that they do
// not have.
type scripts struct{ r *rand.Rand }

func (s *scripts) pick(list ...string) string { return list[s.r.IntN(len(list))] }

func (s *scripts) name() string { return s.pick("A", "B", "C", "D") }

// word returns a word: plain text, quotes of every kind, escapes, variables and ${…}.
func (s *scripts) word(depth int) string {
	w := ""
	for range 1 + s.r.IntN(3) {
		w += s.pick("a", "b-c", "1", `\$`, `\ `, "'s q'", `"d $A q"`, `"e\"$B"`, "$A", "${B}", "~/x", "=", "#", `"\\\$'"`, "/", "$C",
			"{", "%", "$'x'", `$'t\tn'`, "https://h:5000/v3", "$HOME", `"$USER"`, "é", `\\`, ".", ":", "@", "[", "*", "{a,b}", "$((1+2))", "${#A}")
		if depth > 0 && s.r.IntN(6) == 0 {
			if s.r.IntN(2) == 0 {
				w += `"${` + s.name() + s.pick(":-", "-", ":+", "+") + s.pick("a", "b c", "$A", "1") + `}"`
				continue
			}
			w += "${" + s.name()
			w += s.pick(":-"+s.word(depth-1), "-"+s.word(depth-1), ":+"+s.word(depth-1), "+x", "%/v3", "##*/", "%%/*",
				"#https://", "//a/b", ":1", "^^") + "}"
		}
	}
	return w
}

// list returns a few commands.
func (s *scripts) list(depth int) string {
	var b strings.Builder
	if depth == 2 {
		// Nothing comes from outside in most files.
		b.WriteString(s.pick("unset A B C D\n", "A=1; B=two C= D='d d'\n", "export A=a B= C=c\nunset D\n"))
	}
	for range 1 + s.r.IntN(4) {
		b.WriteString(s.command(depth) + s.pick("\n", "\n\n", "\n# it's\n"))
	}
	return b.String()
}

func (s *scripts) command(depth int) string {
	name := s.name()
	kinds := 20
	if depth == 0 {
		kinds = 13
	}
	switch s.r.IntN(kinds) {
	case 0, 1, 2, 3:
		return s.pick("", "export ", "  ", "declare -x ", "export -- ") + name + "=" + s.word(2)
	case 4:
		return "export " + name + "=" + s.word(1) + " " + s.pick("A", "B") + "=" + s.word(1)
	case 5:
		return "unset " + name
	case 6:
		return name + "+=" + s.word(1)
	case 7:
		return `[ -n "$` + name + `" ] && A=` + s.word(1) + " || B=" + s.word(1)
	case 8:
		return ": " + s.word(1)
	case 9:
		return "export " + name
	case 10:
		return s.pick("true", "false", "test -z \"$"+name+"\"", "echo x >/dev/null") + s.pick(" && ", " || ") + name +
			"=" + s.word(1)
	case 11:
		return "(" + name + "=" + s.word(0) + "\n)"
	case 12:
		return s.pick("set -a", "set +a", "eval '"+name+"=x'", name+"=$(echo x)", "cat <<E >/dev/null\n$"+name+"\nE",
			"return", "A=x true", name+"=(1 2)")
	case 13, 14:
		return "if " + s.pick("", "! ") + "[ " + s.pick("-z", "-n", "! -z") + ` "$` + name + `" ]; then ` + s.list(depth-1) + "\n" +
			s.pick("", "else "+s.list(depth-1)+"\n") + "fi"
	case 15:
		return `[[ $` + name + s.pick(" == ", " != ") + s.pick("a", "'1'", `"$A"`) + " ]] " + s.pick("&&", "||") + " " + name + "=" + s.word(1)
	case 16:
		return "{ " + s.list(depth-1) + "\n}"
	case 17:
		return "case $" + name + " in a|1) " + s.list(depth-1) + " ;; " + s.pick("*) A=other;;", "'d d') B=x;;") +
			" esac"
	case 18:
		return "f() { " + s.list(0) + "}\n" + s.pick("f", "")
	}
	if s.r.IntN(2) == 0 {
		return s.pick(": ${"+name+":=x}", "B=${"+name+"=y}", ": $(("+name+"=7))", "command export "+name+"=z",
			"'export' "+name+"=z", "command -v ls >/dev/null", "for (("+name+"=0;"+name+"<2;"+name+"++)); do :; done")
	}
	return s.pick("for "+name+" in a b; do B=$"+name+"; done", "for v in A "+name+"; do unset $v; done", "unset $"+name,
		"while false; do A=1; done",
		"if grep -q root /etc/passwd; then "+name+"=1; fi")
}

// What is not known is told with its line and its reason, and never guessed.
func TestNotes(t *testing.T) {
	for text, want := range map[string]string{
		"\nexport A=$(date)$HOME":              "line 2: A: it is put together of what is not known yet",
		"export A=$((1+1))":                    "line 1: A: it is more than text and variables",
		"export A=${B#x}":                      "line 1: A: B is not set in the file",
		"export A=${#B}":                       "line 1: A: B is not set in the file",
		"export A=${B+x}":                      "line 1: A: B is not set in the file",
		"export A=$HOSTNAME-x":                 "line 1: A: HOSTNAME is not set in the file",
		"export A=$@":                          "line 1: A: @ is not set in the file",
		"export A=$RANDOM$$":                   "line 1: A: RANDOM is not set in the file",
		"B=($x y)\nexport A=${B[1]}":           "line 2: A: ${B[…]} is an array",
		"export A=${!B}":                       "line 1: A: ${…} with more than a name is not understood",
		"B=x\nexport A=${B/x/y}":               "line 2: A: ${…} with more than a name is not understood",
		"B=x\nexport A=${B@Q}":                 "line 2: A: ${B@…} is not understood",
		"B=x\nexport A=${B^}":                  "line 2: A: ${B^…} is not understood",
		"B=$HOSTNAME\nexport A=x-$B":           "line 2: A: B is not known (line 1: HOSTNAME is not set in the file)",
		"A=(1 2)":                              "line 1: A: it is an array",
		"A[1]=x":                               "line 1: A: it is an array",
		"A+=x":                                 "line 1: A: it is appended to a value from elsewhere",
		"A=1; for v in A; do unset $v; done":   "line 1: loops and the like are not followed",
		"cd /; A=$PWD":                         "line 1: A: PWD is not known (line 1: the command cd is not run)",
		"which x && cd /; A=$PWD/y":            "line 1: what follows && depends on more than variables",
		"B=1; builtin export A=1":              "line 1: export is not written as a plain word",
		"'export' A=1":                         "line 1: export is not written as a plain word",
		"A=1; command -p eval A=2":             "line 1: the command command -p is not run",
		"A=; : ${A:=x}":                        "line 1: ${A:=…} is not understood",
		"A=; B=${A:=x}":                        "line 1: ${A:=…} is not understood",
		"A=; [ -n \"${A=x}\" ]":                "line 1: ${A=…} is not understood",
		"A=1; B=$((A=5))":                      "line 1: arithmetic that sets variables is not understood",
		"A=1; : $((A++))":                      "line 1: arithmetic that sets variables is not understood",
		"A=1; for ((A=0;A<3;A++)); do :; done": "line 1: loops and the like are not followed",
		"for i in 1; do A=1; done":             "line 1: loops and the like are not followed",
		"while read A; do :; done <x":          "line 1: loops and the like are not followed",
		"A=1\nsource other":                    "line 2: the command source is not run",
		"f() { A=1; }\nf x":                    "line 1: the function f is not called",
		"f() { local A=1; }\nf":                "line 1: the function f is not called",
		"if test -f x; then A=1; fi":           "line 1: what this if decides depends on more than variables",
		"case $x in a) A=1;; esac":             "line 1: what this case decides depends on more than variables",
		"which x && A=1":                       "line 1: what follows && depends on more than variables",
		"A=$(echo $B)":                         "line 1: A: its command refers to variables, which it would not have",
		"A=<(x)":                               "line 1: A: it is more than text and variables",
		"A=$'a\\x41'":                          "line 1: A: $'…' with such escapes is not understood",
		"A=$\"a\"":                             "line 1: A: $\"…\" is translated, which is not understood",
		"A={a,b}":                              "line 1: A: braces are not understood",
		"A=~other/x":                           "line 1: A: this ~ is not understood",
		"$(x) y":                               "line 1: a command is not run",
		"eval \"export A=$B\"":                 "line 1: the command eval is not run",
		"export A=$(\n)":                       "line 1: A: its command is empty",
		"export \"$B=1\"":                      "line 1: export of what is not a plain name",
		"A=1 cmd":                              "line 1: a command is not run",
		"x > file & y":                         "line 1: a command in the background is not run",
		"printf -v A 1":                        "line 1: the command printf is not run",
		"if [ -f x ]; then return; fi; A=1":    "line 1: what this if decides depends on more than variables",
		"[ \"$1\" ] || exit 1\nA=1":            "line 1: what follows || depends on more than variables",
		"false && A=1":                         "", "true | A=1": "", "(A=1)": "",
		"return; A=1": "", "exit 0\nA=1": "", "B=; if [ -z \"$B\" ]; then return; fi; A=1": "",
	} {
		o, err := Read([]byte(text), "/x/openrc", noEnvironment)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if want != "" && !slices.Contains(o.Notes, want) {
			t.Errorf("%q: %q, not %q", text, o.Notes, want)
		}
		if got := o.Get("A"); got != "" {
			t.Errorf("%q: A is %q", text, got)
		}
	}
	// One that has a default is no surprise, until the default is needed.
	for text, want := range map[string]Value{
		"export A=${A:-x}":        {Unknown: `line 1: it is "x", unless the environment has A`, Default: "x", Exported: true},
		"export A=\"${1-web b}\"": {Unknown: `line 1: it is "web b", unless the environment has 1`, Default: "web b", Exported: true},
	} {
		o, err := Read([]byte(text), "/x/openrc", noEnvironment)
		if err != nil || !reflect.DeepEqual(o.Values["A"], want) || o.Notes != nil {
			t.Errorf("%q: %+v, %q, %v", text, o.Values, o.Notes, err)
		}
	}
}

// A file knows where it stands, and nothing else of the machine.
func TestPlace(t *testing.T) {
	for text, want := range map[string]string{
		"A=$PWD/ca.pem":             "/x/ca.pem",
		"A=$BASH_SOURCE":            "/x/openrc",
		"A=${BASH_SOURCE[0]}":       "/x/openrc",
		"A=${BASH_SOURCE%/*}/ca":    "/x/ca",
		"A=$(dirname $BASH_SOURCE)": "/x",
		"A=$(pwd)/ca.pem":           "/x/ca.pem",
		"B=$(cd \"$(dirname \"$BASH_SOURCE\")\" && pwd)\nA=$B/ca.pem":             "/x/ca.pem",
		"B=\"$( cd \"$( dirname \"${BASH_SOURCE[0]}\" )\" && pwd )\"; A=$B/../ca": "/x/../ca",
		"if [ \"$0\" = \"$BASH_SOURCE\" ]; then exit 1; fi; A=1":                  "1",
		"[[ $0 != ${BASH_SOURCE[0]} ]] || exit 1; A=1":                            "1",
		"A=$HOME/$USER": "/home/me/me",
	} {
		o, err := Read([]byte(text), "/x/openrc", environment)
		if err != nil || o.Get("A") != want {
			t.Errorf("%q: %q, not %q (%v, %q)", text, o.Get("A"), want, err, o.Notes)
		}
	}
	o, err := Read([]byte("A=$OS_PASSWORD"), "/x/openrc", environment)
	if err != nil || o.Values["A"].Unknown == "" {
		t.Errorf("the environment is read: %v", o.Values)
	}
}

// What a shell would refuse, or take as something else, is an error.
func TestRefused(t *testing.T) {
	for text, want := range map[string]string{
		"export A=\"x":                           "line 1:10: is not a shell's: ",
		"set -x A b\nif ($true) {}":              "line 2:",
		"$env:OS_AUTH_URL = 'x'; if (1) { 'y' }": "line 1:",
		"export A=1\r\nexport B=2\r\n": "line 1 ends with a carriage return, which a shell takes as a " +
			"part of the value",
		"case a in a) A=$'x'#\"$(cat y)\";; esac\n": "",
	} {
		_, err := Read([]byte(text), "/x/openrc", noEnvironment)
		if want != "" && (err == nil || !strings.HasPrefix(err.Error(), want)) {
			t.Errorf("%q: %v, not %q", text, err, want)
		}
	}
	if o, err := Read([]byte("\ufeffexport A=1"), "/x/openrc", noEnvironment); err != nil || o.Get("A") != "1" {
		t.Errorf("a byte order mark: %v, %v", o, err)
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
		o, err := Read([]byte(text), "/x/openrc", noEnvironment)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if got := strings.Join(o.Values["A"].Command, "|"); got != want {
			t.Errorf("%q: %q, not %q", text, got, want)
		}
	}
}
