package plugin

import (
	"encoding/base64"
	"encoding/hex"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Printable returns text with a space in place of every unprintable character. Such
// characters could make the text look like something else.
func Printable(text string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "?"))
}

// Shorten makes foreign text fit on one line of an error: printable, and at most 200
// characters.
func Shorten(s string) string {
	s = Printable(s)
	if r := []rune(s); len(r) > 200 {
		s = string(r[:199]) + "…"
	}
	return strings.TrimSpace(s)
}

// Said returns what a server says about a request, shortened for an error. It returns ""
// if one of the secrets of the request is in it, whole or in part, in any encoding that
// servers use: what they repeat of a request they quote in their own way.
func Said(text string, secrets ...Secret) string {
	shown := Shorten(text)
	variants := decoded(shown)
	for _, secret := range secrets {
		value := strings.ToLower(secret.Reveal())
		if value == "" {
			continue
		}
		for _, variant := range variants {
			if shares(strings.ToLower(variant), value) {
				return ""
			}
		}
	}
	return shown
}

// Withheld stands in the log for a text that [Said] does not return.
const Withheld = "(withheld, as a secret is in it)"

// telling is how many bytes of a secret are too many.
const telling = 8

// shares reports whether so many bytes of secret stand in text, or all of it.
func shares(text, secret string) bool {
	if len(secret) <= telling {
		return strings.Contains(text, secret)
	}
	for i := 0; i+telling <= len(text); i++ {
		if strings.Contains(secret, text[i:i+telling]) {
			return true
		}
	}
	return false
}

// maxVariants bounds how many readings of a text are looked at.
const maxVariants = 400

// decoded returns text and what it is when encodings in it are undone, three deep.
func decoded(text string) []string {
	all := []string{text}
	for start, depth := 0, 0; depth < 3; depth++ {
		end := len(all)
		for _, variant := range all[start:end] {
			for _, more := range slices.Concat(unquoted(variant), unescaped(variant), unhexed(variant),
				unbased(variant)) {
				if len(all) < maxVariants && more != "" && !slices.Contains(all, more) {
					all = append(all, more)
				}
			}
		}
		start = end
	}
	return all
}

// unquoted undoes %XX, and + for a blank.
func unquoted(text string) []string {
	plain := regexp.MustCompile(`%[0-9A-Fa-f]{2}`).ReplaceAllStringFunc(text, func(code string) string {
		b, _ := hex.DecodeString(code[1:])
		return string(b)
	})
	return []string{plain, strings.ReplaceAll(plain, "+", " ")}
}

// unescaped undoes the escapes of JSON, Go, XML and HTML.
func unescaped(text string) []string {
	codes := regexp.MustCompile(`\\u\{?[0-9A-Fa-f]{2,6}\}?|\\x[0-9A-Fa-f]{2}|&#[0-9]{1,7};|&#[xX][0-9A-Fa-f]{1,6};`)
	text = codes.ReplaceAllStringFunc(text, func(code string) string {
		base := 16
		if strings.HasPrefix(code, "&#") && !strings.ContainsAny(code, "xX") {
			base = 10
		}
		n, err := strconv.ParseUint(strings.Trim(code, `\ux{}&#X;`), base, 32)
		if err != nil || n > utf8.MaxRune {
			return code
		}
		return string(rune(n))
	})
	text = strings.NewReplacer("&quot;", `"`, "&apos;", "'", "&lt;", "<", "&gt;", ">", "&amp;", "&").Replace(text)
	return []string{text, strings.NewReplacer(`\\`, `\`, `\"`, `"`, `\'`, "'", `\/`, "/").Replace(text)}
}

// unhexed undoes hexadecimal digits.
func unhexed(text string) (list []string) {
	for _, run := range regexp.MustCompile(`[0-9A-Fa-f]{8,}`).FindAllString(text, -1) {
		for offset := range 2 {
			if b, err := hex.DecodeString(run[offset : offset+(len(run)-offset)/2*2]); err == nil {
				list = append(list, string(b))
			}
		}
	}
	return list
}

// unbased undoes base64, of whatever alphabet and beginning anywhere.
func unbased(text string) (list []string) {
	for _, run := range regexp.MustCompile(`[A-Za-z0-9+/_-]{8,}`).FindAllString(text, -1) {
		run = strings.NewReplacer("-", "+", "_", "/").Replace(run)
		for offset := range 4 {
			part := run[offset:]
			if len(part)%4 == 1 {
				part = part[:len(part)-1]
			}
			if b, err := base64.RawStdEncoding.DecodeString(part); err == nil {
				list = append(list, string(b))
			}
		}
	}
	return list
}
