package formats

import (
	"bytes"
	"testing"
)

// roundTrip applies e to text, twice, and undoes it.
func roundTrip(t *testing.T, e *Edit, text []byte) {
	after, changes, err := e.Apply(text)
	if err != nil {
		return // left alone
	}
	again, more, err := e.Apply(after)
	if err != nil || len(more) > 0 || !bytes.Equal(again, after) {
		t.Fatalf("%q becomes %q, and the second time %q, %v", text, after, again, err)
	}
	back, err := Undo(e.Path, after, changes)
	if err != nil || !bytes.Equal(back, text) {
		t.Fatalf("%q becomes %q, and then %q, %v", text, after, back, err)
	}
	// What others have changed beside stays changed.
	if other := append(bytes.Clone(after), "# mine\n"...); bytes.HasSuffix(after, []byte("\n")) {
		back, err := Undo(e.Path, other, changes)
		if err == nil && !bytes.HasSuffix(back, []byte("# mine\n")) {
			t.Fatalf("%q becomes %q", other, back)
		}
	}
}

func nothing(string) string { return "" }

func noFile(string) ([]byte, error) { return nil, nil }

func FuzzSetupAWS(f *testing.F) {
	f.Add([]byte("# x\n[default]\nregion=a\ns3 =\n  region = b\n\n[profile  p]\ncredential_process = x\n; y"), "p")
	f.Add([]byte("[default]\r\nregion = a\r\n"), "default")
	f.Add([]byte("[p"), "q")
	f.Fuzz(func(t *testing.T, text []byte, name string) {
		c := &Caller{As: name, Argv: []string{"/bin/jeton", "get", name}, Getenv: nothing, ReadFile: noFile, Home: "/home"}
		e, _, err := SetupAWS(c)
		if err != nil {
			return
		}
		roundTrip(t, e, text)
	})
}

func FuzzSetupKubernetes(f *testing.F) {
	f.Add([]byte("contexts:\n- name: c\n  context: {user: u}\nusers:\n- name: u\n  user: {token: x}\n# end\n"), "c")
	f.Add([]byte("users: []\ncontexts:\n  - context:\n      user: 'u'\n    name: c\n"), "c")
	f.Add([]byte("contexts: [{name: c, context: {user: \"a b\"}}]\r\nusers:\r\n"), "c")
	f.Fuzz(func(t *testing.T, text []byte, context string) {
		for _, c := range []*Caller{{Context: context}, {User: "robot"}} {
			c.As, c.Argv, c.Getenv, c.Home = "jeton-p", []string{"/bin/jeton", "get", "p"}, nothing, "/home"
			c.ReadFile = func(string) ([]byte, error) { return text, nil }
			edits, _, err := SetupKubernetes(c)
			if err != nil {
				continue
			}
			for _, e := range edits {
				roundTrip(t, e, text)
			}
		}
	})
}
