package formats

import (
	"runtime"
	"strings"

	"github.com/jeton-cli/jeton/plugin"
)

const onWindows = runtime.GOOS == "windows"

// quoteProcess returns argv as the line of credential_process, which AWS's tools split, each
// in its own way.
func quoteProcess(argv []string) string {
	if onWindows {
		return quoteWindows(append([]string{shortPath(argv[0])}, argv[1:]...))
	}
	return quotePOSIX(argv)
}

// splitProcess splits the line of credential_process as AWS's tools do. expanded reports whether
// it contains something that only a shell would expand.
func splitProcess(line string) (argv []string, expanded bool) {
	if onWindows {
		return splitWindows(line), false
	}
	return splitWords(line)
}

// quotePOSIX returns a command line that botocore and a shell split alike into argv.
func quotePOSIX(argv []string) string {
	var words []string
	for _, word := range argv {
		if word == "" || !plugin.Word(word, "-_./:@%+,=") {
			word = `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "$", `\$`, "`", "\\`").Replace(word) + `"`
		}
		words = append(words, word)
	}
	return strings.Join(words, " ")
}

// needsQuotes are the characters that cmd or the C library read something into.
const needsQuotes = " \t\"&|<>^(),;="

// quoteWindows returns a command line that botocore on Windows and the C library there split
// into argv. cmd, by which the AWS SDK for Go runs it, takes no quote: a word that needs none
// has none.
//
// https://learn.microsoft.com/en-us/cpp/c-language/parsing-c-command-line-arguments
func quoteWindows(argv []string) string {
	var words []string
	for _, word := range argv {
		if word == "" || strings.ContainsAny(word, needsQuotes) {
			word = `"` + escapeWindows(word) + `"`
		}
		words = append(words, word)
	}
	return strings.Join(words, " ")
}

// escapeWindows returns word for between two quotes. Backslashes are themselves, unless a quote
// follows.
func escapeWindows(word string) string {
	var b strings.Builder
	slashes := 0
	for i := range len(word) {
		if word[i] == '"' {
			b.WriteString(strings.Repeat(`\`, slashes+1))
		}
		if slashes++; word[i] != '\\' {
			slashes = 0
		}
		b.WriteByte(word[i])
	}
	return b.String() + strings.Repeat(`\`, slashes)
}

// splitWindows splits a command line as botocore on Windows and the C library there do.
func splitWindows(line string) (words []string) {
	var word strings.Builder
	inWord, quoted, slashes := false, false, 0
	for i := range len(line) {
		c := line[i]
		if c == '\\' {
			slashes++
			continue
		}
		if c == '"' {
			word.WriteString(strings.Repeat(`\`, slashes/2))
			inWord = true
			if slashes%2 == 1 {
				word.WriteByte('"')
			} else {
				quoted = !quoted
			}
			slashes = 0
			continue
		}
		inWord = inWord || slashes > 0
		word.WriteString(strings.Repeat(`\`, slashes))
		slashes = 0
		if !quoted && (c == ' ' || c == '\t') {
			if inWord {
				words = append(words, word.String())
			}
			word.Reset()
			inWord = false
			continue
		}
		word.WriteByte(c)
		inWord = true
	}
	word.WriteString(strings.Repeat(`\`, slashes))
	if inWord || slashes > 0 {
		words = append(words, word.String())
	}
	return words
}
