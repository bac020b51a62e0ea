package formats

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

// diff shows the lines that differ between two versions of a file, without the values of
// what may be secret. For a private file, it only says that something differs.
// remove says that after is what setup found.
func diff(path string, private, remove bool, before, after []byte, plain ...string) []byte {
	if bytes.Equal(before, after) {
		return nil
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "--- %s\n+++ %s\n", path, path)
	if private {
		b.WriteString("(what changes there is secret)\n")
		return b.Bytes()
	}
	old, now := strings.SplitAfter(string(before), "\n"), strings.SplitAfter(string(after), "\n")
	line := func(sign, text string) {
		// What setup writes there is no secret, but for the key of its clouds.
		if sign != "+" || remove || isAmong(text, old) || strings.Contains(text, cloudKey+":") {
			text = masked(text, plain)
		}
		if text != "" {
			fmt.Fprintf(&b, "%s%s\n", sign, strings.TrimRight(text, "\r\n"))
		}
	}
	i, j := 0, 0
	for i < len(old) || j < len(now) {
		if i < len(old) && j < len(now) && old[i] == now[j] {
			i, j = i+1, j+1
			continue
		}
		di, dj := apart(old[i:], now[j:])
		fmt.Fprintf(&b, "@@ line %d @@\n", i+1)
		if i > 0 {
			line(" ", old[i-1])
		}
		for ; di > 0; di-- {
			line("-", old[i])
			i++
		}
		for ; dj > 0; dj-- {
			line("+", now[j])
			j++
		}
	}
	return b.Bytes()
}

// Diff shows the lines that differ between two versions of a configuration file. It shows
// what is added, and hides the values of what was there before, unless they are those of the
// settings in plain: they may be secret.
func Diff(path string, before, after []byte, plain []string) []byte {
	return diff(path, false, false, before, after, plain...)
}

// apart returns how many lines of each come before the nearest place from which both are
// alike again.
func apart(old, now []string) (di, dj int) {
	di, dj = len(old), len(now)
	for sum := 1; sum < di+dj; sum++ {
		for k := max(0, sum-len(now)+1); k <= sum && k < len(old); k++ {
			if l := sum - k; l < len(now) && old[k] == now[l] && strings.TrimSpace(old[k]) != "" {
				di, dj = k, l
			}
		}
	}
	return di, dj
}

// isAmong reports whether lines have one like text, whatever ends it: such a line was there
// before, though it seems new.
func isAmong(text string, lines []string) bool {
	return slices.ContainsFunc(lines, func(line string) bool {
		return strings.TrimSpace(line) == strings.TrimSpace(text)
	})
}

// plainKeys are the settings whose values a diff shows. Any other value may be secret, and
// so may a comment or a line without a key.
var plainKeys = []string{
	"apiVersion", "args", "cloud", "cluster", "clusters", "clouds", "command", "context", "contexts",
	"credential_process", "credentialPluginAllowlist", "credentialPluginPolicy", "current-context", "endpoint_url",
	"env", "exec", "installHint", "interactiveMode", "kind", "name", "namespace", "output", "preferences", "region",
	"region_name", "server", "user", "users",
}

// masked returns a line of a file of settings without a value that may be secret.
func masked(line string, plain []string) string {
	text := strings.TrimSpace(line)
	if text == "" || text == "---" || strings.HasPrefix(text, "[") && strings.HasSuffix(text, "]") {
		return line
	}
	blanks := line[:strings.Index(line, text)]
	key, value, ok := strings.Cut(text, ":")
	if name, after, is := strings.Cut(text, "="); is && (!ok || len(name) < len(key)) {
		key, value, ok = name, after, true
	}
	name := strings.TrimSpace(strings.TrimPrefix(key, "- "))
	switch {
	case !ok || strings.ContainsAny(key, "#;{\"'"):
		return blanks + "(not shown)"
	case strings.TrimSpace(value) == "":
		return line
	case (slices.Contains(plainKeys, name) || slices.Contains(plain, name)) && !strings.ContainsAny(value, "#;{&*|>@"):
		return line
	}
	return blanks + text[:len(key)+1] + " (not shown)"
}
