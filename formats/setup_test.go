package formats

import (
	"bytes"
	"testing"

	"github.com/jeton-cli/jeton/plugin"
)

// roundTrip applies e to text twice and then undoes it.
func roundTrip(t *testing.T, e *Edit, text []byte) {
	after, changes, err := e.Apply(text)
	if err != nil {
		return // left alone
	}
	again, more, err := e.Apply(after)
	if err != nil || len(more) > 0 || !bytes.Equal(again, after) {
		t.Fatalf("%q becomes %q, and the second time %q, %v", text, after, again, err)
	}
	back, err := undo(e.Path, after, changes)
	if err != nil || !bytes.Equal(back, text) {
		t.Fatalf("%q becomes %q, and then %q, %v", text, after, back, err)
	}
	// What others have changed elsewhere in the file stays changed.
	if other := append(bytes.Clone(after), "# mine\n"...); bytes.HasSuffix(after, []byte("\n")) {
		back, err := undo(e.Path, other, changes)
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
		c := &Caller{As: name, Argv: []string{"/bin/jeton", "get", name}, Getenv: nothing, ReadFile: noFile,
			Home: "/home"}
		e, _, err := setupAWS(c, "", "")
		if err != nil {
			return
		}
		roundTrip(t, e, text)
	})
}

func FuzzSetupKubernetes(f *testing.F) {
	f.Add([]byte("contexts:\n- name: c\n  context: {user: u}\nusers:\n- name: u\n  user: {token: x}\n# end\n"), "c")
	f.Add([]byte("users: []\ncontexts:\n  - context:\n      user: 'u'\n    name: c\n"), "c")
	f.Add([]byte("\r#0"), "c")
	f.Add([]byte("credentialPluginPolicy: Allowlist\ncredentialPluginAllowlist:\n  - command: aws\n# x\nusers:\n- "+
		"name: y\n"), "c")
	f.Add([]byte("contexts: [{name: c, context: {user: \"a b\"}}]\r\nusers:\r\n"), "c")
	f.Fuzz(func(t *testing.T, text []byte, context string) {
		for _, c := range []*Caller{{Context: context}, {User: "robot"}} {
			c.As, c.Argv, c.Getenv, c.Home = "jeton-p", []string{"/bin/jeton", "get", "p"}, nothing, "/home"
			c.ReadFile = func(string) ([]byte, error) { return text, nil }
			edits, _, err := setupKubernetes(c)
			if err != nil {
				continue
			}
			for _, e := range edits {
				roundTrip(t, e, text)
			}
		}
	})
}

func FuzzSetupOpenStack(f *testing.F) {
	f.Add([]byte("clouds:\n  other: {auth: {token: x}}\n# end\n"), "prod")
	f.Add([]byte("# mine\nclouds:\n    a:\n        auth:\n            auth_url: x\n\n    b:\n        auth: "+
		"{}\ncache:\n  auth: true"), "prod")
	f.Add([]byte("clouds: {}\r\ncache: {}\r\n"), "prod")
	f.Add([]byte("clouds: {a: {}}"), "prod")
	f.Add([]byte("clouds:\n  ? a\n  : {}\n  \"prod\":\n    # by jeton setup openstack p\n    auth: {token: y}\n"),
		"prod")
	profile := &plugin.Profile{Name: "p"}
	cred := &plugin.Credential{Token: plugin.NewSecret("t"),
		Attrs: map[string]string{plugin.AttrAuthURL: "https://host/v3", plugin.AttrProjectID: "1234",
			plugin.AttrRegionName: "GRA"}}
	f.Fuzz(func(t *testing.T, text []byte, name string) {
		c := &Caller{As: name, Profile: profile, Getenv: nothing, Home: "/home", ReadFile: noFile}
		edits, _, err := setupOpenStack(c, cred)
		if err != nil {
			return
		}
		for _, e := range edits {
			if bytes.Contains(text, []byte(c.marker())) { // undo does not restore jeton's own secrets
				if _, _, err := e.Apply(text); err != nil {
					continue
				}
				return
			}
			roundTrip(t, e, text)
		}
	})
}

// However a section is written, AWS's tools then find the settings in it, and all others
// are unchanged.
func TestSetupAWS(t *testing.T) {
	const line = "credential_process = /bin/jeton get s3\n"
	for name, test := range map[string]struct{ before, after string }{
		"none":  {"", "[profile s3]\n" + line},
		"plain": {"[profile s3]\noutput = json\n", "[profile s3]\n" + line + "output = json\n"},
		"indented": {"[profile s3]\n  output = json\n  s3 =\n    x = y\n",
			"[profile s3]\n  " + line + "  output = json\n  s3 =\n    x = y\n"},
		"a colon": {"[profile s3]\ncredential_process: old\n", "[profile s3]\n" + line},
		"capitals": {"[profile s3]\nCredential_Process=old\nregion = x\n",
			"[profile s3]\n" + line + "region = x\n"},
		"several lines": {"[profile s3]\ncredential_process =\n    old\n    --flag = x\nregion = x\n",
			"[profile s3]\n" + line + "region = x\n"},
		"in quotes": {"[profile \"s3\"]\noutput = json\n", "[profile \"s3\"]\n" + line + "output = json\n"},
		"nested alike": {"[profile s3]\ns3 =\n  credential_process = x\n",
			"[profile s3]\n" + line + "s3 =\n  credential_process = x\n"},
		"a comment": {"[profile s3]\n# credential_process = x\n",
			"[profile s3]\n" + line + "# credential_process = x\n"},
	} {
		c := &Caller{As: "s3", Argv: []string{"/bin/jeton", "get", "s3"}, Getenv: nothing, ReadFile: noFile,
			Home: "/home"}
		e, _, err := setupAWS(c, "", "")
		if err != nil {
			t.Fatal(err)
		}
		after, _, err := e.Apply([]byte(test.before))
		if err != nil || string(after) != test.after {
			t.Errorf("%s: %v: %q becomes %q, not %q", name, err, test.before, after, test.after)
		}
		roundTrip(t, e, []byte(test.before))
	}
	c := &Caller{As: "default", Argv: []string{"/bin/jeton", "get", "s3"}, Getenv: nothing, Home: "/home",
		ReadFile: func(string) ([]byte, error) { return []byte("[profile default]\n"), nil }}
	e, _, err := setupAWS(c, "", "")
	if err != nil {
		t.Fatal(err)
	}
	if after, _, err := e.Apply([]byte("[profile default]\n")); err != nil ||
		string(after) != "[profile default]\n"+line {
		t.Errorf("%v: %q", err, after)
	}
}
