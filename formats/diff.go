package formats

import (
	"bytes"
	"fmt"
	"strings"
)

// diff shows the lines that differ between two versions of a file. For a private file, it
// only says that something differs.
func diff(path string, private bool, before, after []byte) []byte {
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
		// Find the nearest place from which both are alike again.
		di, dj := len(old)-i, len(now)-j
		for sum := 1; sum < di+dj; sum++ {
			for k := max(0, sum-(len(now)-j)+1); k <= sum && i+k < len(old); k++ {
				if l := sum - k; j+l < len(now) && old[i+k] == now[j+l] && strings.TrimSpace(old[i+k]) != "" {
					di, dj = k, l
				}
			}
		}
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
