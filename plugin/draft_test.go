package plugin

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// draft returns a profile with random options.
func draft(r *rand.Rand) Draft {
	values := []string{"web", "https://host/v3", "0123", "yes", "a: b", "# x", " lead", "ü—", "'quoted'", `"double"`, "null", "1e3", "{x}", "*a", "&b", "-", "a\\b", "~"}
	d := Draft{Name: fmt.Sprintf("p%d", r.IntN(4)), Plugin: "test"}
	for _, name := range []string{"auth_url", "username", "project_id"}[:1+r.IntN(3)] {
		d.Options = append(d.Options, DraftOption{Name: name, Text: values[r.IntN(len(values))]})
	}
	refs := []SecretRef{{env: "X"}, {file: "/a b/c"}, {keyring: "k"},
		{command: []string{"pass", "show", values[r.IntN(len(values))]}}}
	d.Options = append(d.Options, DraftOption{Name: "password", Secret: &DraftSecret{Ref: refs[r.IntN(len(refs))]}},
		DraftOption{Name: "auth_methods", List: []string{values[r.IntN(len(values))], "b"}})
	return d
}

// config returns a random configuration file, written as people write them.
func config(r *rand.Rand) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	noise := func(indent string) {
		switch r.IntN(5) {
		case 0:
			line("")
		case 1:
			line("%s# a comment: {not, [yaml", indent)
		case 2:
			line("# at the margin")
		}
	}
	noise("")
	if r.IntN(4) == 0 {
		line("---")
	}
	if r.IntN(6) == 0 {
		return b.String() // no profiles
	}
	line("profiles:%s", []string{"", "   # mine", " "}[r.IntN(3)])
	indent := []string{" ", "  ", "    ", "\x20\x20\x20"}[r.IntN(4)]
	for n := range r.IntN(4) {
		noise(indent)
		name := fmt.Sprintf("p%d", n)
		switch r.IntN(4) {
		case 0:
			line(`%s%s: {plugin: test, auth_url: "x # y", # trailing`, indent, name)
			line(`%s    username: u}`, indent)
		case 1:
			line("%s%s:", indent, name)
			line("%s  plugin: test", indent)
			line("%s  auth_url: |", indent)
			line("%s    text", indent)
			line("%s    # not a comment", indent)
		case 2:
			line("%s'%s': # quoted", indent, name)
			line("%s   plugin:   test", indent)
			noise(indent + "   ")
			line("%s   password: {env: X}   # end", indent)
		case 3:
			line("%s%s: &anchor", indent, name)
			line("%s  plugin: test", indent)
			line("%s  auth:", indent)
			line("%s      username: >-", indent)
			line("%s        folded", indent)
			line("%s        text", indent)
		}
	}
	noise(indent)
	text := b.String()
	if r.IntN(3) == 0 {
		text = strings.TrimSuffix(text, "\n")
	}
	if r.IntN(4) == 0 {
		text = strings.ReplaceAll(text, "\n", "\r\n")
	}
	return text
}

// Adding a profile keeps every byte that was there before. Adding it again changes
// nothing, and replacing it leaves the others alone.
func TestWithProfile(t *testing.T) {
	added, replaced, refused := 0, 0, 0
	for seed := range uint64(5000) {
		r := rand.New(rand.NewPCG(seed, 1))
		before, d := []byte(config(r)), draft(r)
		fail := func(format string, args ...any) {
			t.Fatalf("seed %d: %s\nbefore:\n%s\ndraft: %+v", seed, fmt.Sprintf(format, args...), before, d)
		}
		after, err := WithProfile(before, d, false)
		there := false
		if err != nil {
			if !strings.Contains(err.Error(), "is already there") {
				refused++
				continue
			}
			there = true
			if after, err = WithProfile(before, d, true); err != nil {
				refused++
				continue
			}
			replaced++
		}
		again, err := WithProfile(after, d, false)
		if err != nil || !bytes.Equal(again, after) {
			fail("a second time it is %v\n%s", err, again)
		}
		if there || bytes.Equal(before, after) {
			continue
		}
		added++
		// The added text is in one piece.
		same := 0
		for same < len(before) && before[same] == after[same] {
			same++
		}
		rest := before[same:]
		if !bytes.HasSuffix(after, rest) {
			// The block may begin like the text that follows it.
			found := false
			for ; same >= 0 && !found; same-- {
				found = bytes.HasPrefix(after, before[:same]) && bytes.HasSuffix(after, before[same:])
			}
			if !found {
				fail("what was there has changed:\n%s", after)
			}
		}
	}
	if added < 1000 || replaced < 200 || refused > 1000 {
		t.Errorf("added %d, replaced %d, refused %d", added, replaced, refused)
	}
}

// Every file either keeps its meaning or is left alone.
func FuzzWithProfile(f *testing.F) {
	for seed := range uint64(20) {
		f.Add([]byte(config(rand.New(rand.NewPCG(seed, 2)))), seed)
	}
	f.Add([]byte("# a comment: {not, [yaml\rme: >- \n\nprofiles: \r # mine\r\n   p0: &a"), uint64(126))
	f.Fuzz(func(t *testing.T, before []byte, seed uint64) {
		d := draft(rand.New(rand.NewPCG(seed, 3)))
		after, err := WithProfile(before, d, seed%2 == 0)
		if err != nil {
			return
		}
		again, err := WithProfile(after, d, false)
		if err != nil || !bytes.Equal(again, after) {
			t.Errorf("a second time: %v\n%s", err, again)
		}
	})
}
