package main

import (
	"fmt"
	"html"
	"regexp"
	"strings"
	"unicode/utf8"
)

func replace(typed, keystone string) string { return strings.ReplaceAll(typed, "KEYSTONE", keystone) }

// The sizes of the picture of the data flow, in pixels.
const (
	boxWidth, boxGap, arrowWidth = 190, 14, 60
	lineHeight, margin           = 18, 12
)

// flow draws the columns of boxes that text describes.
func flow(text string) string {
	var columns [][][]string // lines of boxes of columns
	var arrows []string
	column := [][]string{}
	for _, block := range strings.Split(strings.TrimSpace(text), "\n\n") {
		lines := strings.Split(strings.TrimSpace(block), "\n")
		switch {
		case strings.HasPrefix(lines[0], "#"):
		case lines[0] == "->" || lines[0] == "<->":
			arrows = append(arrows, lines[0])
			columns, column = append(columns, column), nil
		default:
			column = append(column, lines)
		}
	}
	columns = append(columns, column)
	height := 0
	for _, c := range columns {
		height = max(height, columnHeight(c))
	}
	height += 2 * margin
	width := len(columns)*boxWidth + len(arrows)*arrowWidth + 2*margin
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" `+
		`font-family="sans-serif" font-size="13" role="img">`+"\n", width, height, width, height)
	b.WriteString("<title>A profile, its issuer, the cache, and the tools that get a credential</title>\n" +
		`<rect width="100%" height="100%" rx="8" fill="#ffffff"/>` + "\n" +
		`<defs><marker id="a" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" ` +
		`orient="auto-start-reverse"><path d="M0 0L8 4L0 8z" fill="#57606a"/></marker></defs>` + "\n")
	x := margin
	for i, c := range columns {
		y := (height - columnHeight(c)) / 2
		for _, box := range c {
			h := boxHeight(box)
			fmt.Fprintf(&b, `<rect x="%d" y="%d" width="%d" height="%d" rx="6" fill="%s" stroke="#57606a"/>`+"\n", x, y,
				boxWidth, h, [...]string{"#fff8c5", "#ddf4ff", "#dafbe1", "#fbefff"}[i%4])
			for n, line := range box {
				weight := map[bool]string{true: "bold", false: "normal"}[n == 0]
				fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="middle" font-weight="%s" fill="#1f2328">%s</text>`+"\n",
					x+boxWidth/2, y+8+13+n*lineHeight, weight, html.EscapeString(line))
			}
			y += h + boxGap
		}
		if i < len(arrows) {
			start := map[bool]string{true: ` marker-start="url(#a)"`, false: ""}[arrows[i] == "<->"]
			fmt.Fprintf(&b, `<path d="M%d %dH%d" stroke="#57606a" stroke-width="2" fill="none" marker-end="url(#a)"%s/>`+
				"\n", x+boxWidth+8, height/2, x+boxWidth+arrowWidth-8, start)
		}
		x += boxWidth + arrowWidth
	}
	b.WriteString("</svg>\n")
	return b.String()
}

func boxHeight(lines []string) int { return len(lines)*lineHeight + 14 }

func columnHeight(boxes [][]string) (height int) {
	for _, box := range boxes {
		height += boxHeight(box) + boxGap
	}
	return height - boxGap
}

// The sizes of a character of the terminal, in pixels.
const (
	charWidth, charHeight = 8.4, 19
	barHeight             = 34
)

// The colours of ECMA-48, on a dark ground.
var colours = map[string]string{"31": "#ff7b72", "32": "#7ee787", "33": "#e3b341"}

// terminal draws what a terminal shows, with its escape sequences.
func terminal(shown string) string {
	lines := strings.Split(strings.TrimRight(shown, "\n$ "), "\n")
	for n, line := range lines {
		if plain(line) == "$ clear" {
			lines = lines[n+1:]
			break
		}
	}
	width := int(80*charWidth) + 2*margin
	height := len(lines)*charHeight + barHeight + margin
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" `+
		`font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, monospace" font-size="14" role="img">`+"\n", width,
		height, width, height)
	b.WriteString(`<rect width="100%" height="100%" rx="8" fill="#0d1117"/>` + "\n")
	for i, colour := range []string{"#ff5f56", "#ffbd2e", "#27c93f"} {
		fmt.Fprintf(&b, `<circle cx="%d" cy="17" r="6" fill="%s"/>`+"\n", 20+i*20, colour)
	}
	style := ""
	for n, line := range lines {
		style = draw(&b, line, style, barHeight+n*charHeight+14)
	}
	b.WriteString("</svg>\n")
	return b.String()
}

var escape = regexp.MustCompile("\x1b\\[([0-9;]*)m")

// plain returns a line without its escape sequences.
func plain(line string) string { return escape.ReplaceAllString(line, "") }

// draw draws a line at the height y. It returns the style at its end, with which the next
// line begins.
func draw(b *strings.Builder, line, style string, y int) string {
	at := 0
	put := func(text string) {
		if strings.TrimSpace(text) != "" {
			lead := len(text) - len(strings.TrimLeft(text, " "))
			text := strings.TrimRight(text[lead:], " ")
			n := utf8.RuneCountInString(text)
			// The length keeps columns in line whatever the font is.
			fmt.Fprintf(b, `<text x="%.1f" y="%d" xml:space="preserve" textLength="%.1f" lengthAdjust="spacingAndGlyphs"%s>`+
				"%s</text>\n", margin+float64(at+lead)*charWidth, y, float64(n)*charWidth, attributes(style),
				html.EscapeString(text))
		}
		at += utf8.RuneCountInString(text)
	}
	last := 0
	for _, m := range escape.FindAllStringSubmatchIndex(line, -1) {
		put(line[last:m[0]])
		style, last = line[m[2]:m[3]], m[1]
	}
	put(line[last:])
	return style
}

// attributes returns the attributes for the parameters of an escape sequence.
func attributes(style string) string {
	fill, weight := "#e6edf3", ""
	for _, p := range strings.Split(style, ";") {
		if colour := colours[p]; colour != "" {
			fill = colour
		}
		if p == "1" {
			weight = ` font-weight="bold"`
		}
	}
	return ` fill="` + fill + `"` + weight
}
