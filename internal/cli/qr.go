package cli

import (
	"strings"

	"rsc.io/qr"
)

// qrCode returns a QR code of the text for a terminal of this width, or "" if it does not
// fit or the terminal has no colours. A character stands for two modules, one above the
// other.
func qrCode(text string, width int, getenv func(string) string) string {
	if getenv("NO_COLOR") != "" || getenv("TERM") == "dumb" || getenv("TERM") == "" {
		return ""
	}
	code, err := qr.Encode(text, qr.L)
	if err != nil {
		return ""
	}
	const quiet, indent = 2, "  " // the standard wants a quiet zone of 4 modules; 2 suffice for phones
	if code.Size+2*quiet+len(indent) > width {
		return ""
	}
	var b strings.Builder
	for y := -quiet; y < code.Size+quiet; y += 2 {
		b.WriteString(indent + blackOnWhite)
		for x := -quiet; x < code.Size+quiet; x++ {
			switch above, below := code.Black(x, y), code.Black(x, y+1); {
			case above && below:
				b.WriteString("█")
			case above:
				b.WriteString("▀")
			case below:
				b.WriteString("▄")
			default:
				b.WriteString(" ")
			}
		}
		b.WriteString(plainColours + "\n")
	}
	return b.String() + "\n"
}

// Colours that do not depend on the terminal's own, which may be light or dark.
const (
	blackOnWhite = "\x1b[38;5;16;48;5;231m"
	plainColours = "\x1b[0m"
)
