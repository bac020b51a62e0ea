package cli

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

// A kubeReading is what client-go reads in kubeconfigs.
type kubeReading struct {
	Error    string
	Current  string
	Contexts map[string]struct {
		Cluster, Rest, User map[string]any
		UserName            string
	}
}

// login returns how a context logs in, and where.
func (k kubeReading) login(t *testing.T, context string) string {
	c := k.Contexts[context]
	b, err := json.Marshal([]any{c.User, c.Cluster, c.Rest})
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// A kubeSetup is one run of setup on kubeconfigs.
type kubeSetup struct {
	context               string
	files, after, removed []string // what the files hold
	code                  int
	said                  string
}

// setUp runs setup and its removal on the files. It returns the run, and where copies of
// the files are, as $KUBECONFIG has it, from before and after.
func (d *desk) setUp(name, context string, files []string) (s *kubeSetup, before, after string) {
	s = &kubeSetup{context: context, files: files}
	write := func(kind string, list []string) (paths []string) {
		for i, text := range list {
			paths = append(paths, d.write(fmt.Sprintf("%s-%s%d", kind, name, i), text))
		}
		return paths
	}
	work := write("work", files)
	contents := func() (list []string) {
		for _, path := range work {
			b, err := os.ReadFile(path)
			if err != nil {
				d.t.Fatal(err)
			}
			list = append(list, string(b))
		}
		return list
	}
	d.env = []string{"KUBECONFIG=" + strings.Join(work, ":")}
	s.code, s.said = d.run("setup", "kubernetes", "p", "--context", context)
	s.after = contents()
	if s.code == 0 {
		if code, said := d.run("setup", "kubernetes", "p", "--context", context, "--remove"); code != 0 {
			d.t.Errorf("%q: --remove: %s", files, said)
		}
		s.removed = contents()
	}
	return s, strings.Join(write("before", files), ":"), strings.Join(write("after", s.after), ":")
}

// check compares what client-go read before and after a setup that went well.
func (s *kubeSetup) check(t *testing.T, was, is kubeReading) {
	if is.Error != "" {
		t.Errorf("%q: %s: client-go cannot read it any more: %s", s.files, s.context, is.Error)
		return
	}
	if len(was.Contexts) != len(is.Contexts) || was.Current != is.Current {
		t.Errorf("%q: %s: there are other contexts now", s.files, s.context)
	}
	for name := range was.Contexts {
		if name != s.context && was.login(t, name) != is.login(t, name) {
			t.Errorf("%q: %s was set up, and %s logs in otherwise: %s", s.files, s.context, name, is.login(t, name))
		}
	}
	if exec, ok := is.Contexts[s.context].User["exec"].(map[string]any); !ok ||
		fmt.Sprint(exec["args"]) != "[get p -f kubernetes]" {
		t.Errorf("%q: %s does not ask jeton: %q", s.files, s.context, s.after)
	}
	if !slices.Equal(s.removed, s.files) {
		t.Errorf("%q: after --remove: %q", s.files, s.removed)
	}
}

// After setup, the context that was named asks jeton, and every other context logs in as
// before, as client-go reads the files. After --remove the files are the same byte for
// byte. Where setup refuses, it says why and changes nothing.
func TestKubeconfigsAsClientGo(t *testing.T) {
	n := generated(t, 400)
	reader := client("kubeconfig-reader")
	if reader == "" {
		skip(t, "kubeconfig-reader is not installed")
	}
	d := newDesk(t, "profiles:\n  p: {plugin: keystone, auth_url: https://host/v3, username: a, password: {env: X}}\n")
	m := newMaker(1)
	var setups []*kubeSetup
	var before, after []string
	for i := range n {
		files := []string{m.kubeconfig()}
		if m.chance("two files", 30) {
			files = append(files, m.kubeconfig())
		}
		s, b, a := d.setUp(fmt.Sprint(i, "-"), m.contextName(), files)
		setups, before, after = append(setups, s), append(before, b), append(after, a)
	}
	was := readersOf[kubeReading](t, []string{reader}, before)
	is := readersOf[kubeReading](t, []string{reader}, after)
	refused, unusable := 0, 0
	reasons := map[string]int{}
	for i, s := range setups {
		_, there := was[i].Contexts[s.context]
		switch {
		case was[i].Error != "" || !there:
			if unusable++; s.code == 0 {
				t.Errorf("%q: %s is set up, and client-go says %q", s.files, s.context, was[i].Error)
			}
		case s.code == 78:
			refused++
			reasons[strings.TrimLeft(s.said[strings.LastIndex(strings.SplitN(s.said, "\n", 2)[0], ":"):], ": ")]++
			if !slices.Equal(s.after, s.files) {
				t.Errorf("%q: refused and changed: %s", s.files, s.said)
			}
		case s.code != 0:
			t.Errorf("%q: %d, %s", s.files, s.code, s.said)
		default:
			s.check(t, was[i], is[i])
		}
	}
	m.judge(t, n, unusable, refused, "are no context for client-go", reasons)
}

// kubeNames are names of contexts: of clusters as clouds make them, and odd ones.
var kubeNames = []string{"c1", "c2", "kubernetes-admin@prod", "arn:aws:eks:eu-west-1:1:cluster/x", "a b",
	"é", "1", "true"}

// contextName returns the name of a context that is probably there.
func (m *maker) contextName() string {
	if m.chance("a rare context", 10) {
		return kubeNames[m.IntN(len(kubeNames))]
	}
	return kubeNames[m.IntN(2)]
}

// kubeScalar writes a name as YAML in one of the ways that people and tools have.
func (m *maker) kubeScalar(name string) string {
	plain := !slices.Contains([]string{"", "1", "true"}, name)
	switch style := m.pick("name", "plain", "double", "single"); {
	case style == "single":
		return "'" + name + "'"
	case style == "double" || !plain && m.IntN(20) > 0:
		return fmt.Sprintf("%q", name)
	}
	return name
}

// kubeconfig makes a kubeconfig.
func (m *maker) kubeconfig() string {
	indent := m.pick("indent of lists", "", "  ")
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	entry := func(format string, args ...any) {
		line("%s%s", indent, strings.ReplaceAll(fmt.Sprintf(format, args...), "\n", "\n"+indent))
	}
	if m.chance("a header", 20) {
		line("# made by hand\n---")
	}
	sections := []func(){
		func() {
			line("clusters:")
			for _, name := range []string{"k1", "k2"} {
				entry("- cluster: {server: https://%s.example}\n  name: %s", name, name)
			}
		},
		func() { m.kubeContexts(line, entry) },
		func() { m.kubeUsers(line, entry) },
	}
	m.Shuffle(len(sections), func(i, j int) { sections[i], sections[j] = sections[j], sections[i] })
	line("apiVersion: v1\nkind: Config")
	for _, section := range sections {
		section()
		if m.chance("a comment between", 15) {
			line("# of what follows\n")
		}
	}
	line("current-context: %s", m.kubeScalar(kubeNames[m.IntN(2)]))
	if m.chance("preferences", 30) {
		line("preferences: {}")
	}
	return m.ended(b.String())
}

func (m *maker) kubeContexts(line, entry func(string, ...any)) {
	line("contexts:")
	names := append(slices.Clone(kubeNames[:2]), kubeNames[2+m.IntN(len(kubeNames)-2)])
	m.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	for _, name := range names {
		user := m.pick("user", "u1", "u2", "u1", "", "gone", "gone2", "u2", "", "gone", "u1", "u2")
		if m.chance("an odd user", 10) {
			user = m.pick("user", "jeton-p", "<none>", "<null>")
		}
		spell := "user: " + m.kubeScalar(user)
		switch user {
		case "<none>":
			spell = "# nobody"
		case "<null>":
			spell = "user:"
		}
		switch m.pick("context", "lines", "lines", "lines", "name first", "namespace", "flow", "twice") {
		case "name first":
			entry("- name: %s\n  context:\n    cluster: k1\n    %s", m.kubeScalar(name), spell)
		case "namespace":
			entry("- context:\n    %s\n    namespace: dev # mine\n    cluster: k2\n  name: %s", spell,
				m.kubeScalar(name))
		case "flow":
			if strings.HasPrefix(spell, "#") || spell == "user:" {
				spell = "namespace: x"
			}
			entry("- {name: %q, context: {cluster: k1, %s}}", name, spell)
		case "twice":
			if m.chance("one name twice", 20) {
				entry("- context: {cluster: k2, user: u2}\n  name: %q", name)
			}
			fallthrough
		default:
			entry("- context:\n    cluster: k1\n    %s\n  name: %s", spell, m.kubeScalar(name))
		}
	}
}

func (m *maker) kubeUsers(line, entry func(string, ...any)) {
	switch m.pick("users", "some", "some", "some", "none", "empty", "null") {
	case "none":
		return
	case "empty":
		line("users: []")
		return
	case "null":
		line("users:")
		return
	}
	line("users:")
	for _, name := range []string{"u1", "u2", "jeton-p", ""} {
		often := map[string]int{"u1": 100, "u2": 100, "jeton-p": 15, "": 5}[name]
		if !m.chance("user "+name, often) {
			continue
		}
		switch m.pick("login", "token", "certificate", "exec") {
		case "token":
			entry("- name: %s\n  user:\n    token: CANARY # old", m.kubeScalar(name))
		case "certificate":
			entry("- user:\n    client-certificate-data: QQ==\n    client-key-data: QQ==\n  name: %s",
				m.kubeScalar(name))
		case "exec":
			entry("- name: %s\n  user:\n    exec: {apiVersion: client.authentication.k8s.io/v1, command: other, "+
				"interactiveMode: Never}", m.kubeScalar(name))
		}
	}
}
