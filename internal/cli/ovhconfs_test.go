package cli

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

// An ovhReading is what go-ovh reads in an ovh.conf.
type ovhReading struct{ Error, Endpoint, ApplicationKey, ClientID, ClientSecret string }

// ovhAddresses are the addresses of the endpoints for which jeton makes profiles.
var ovhAddresses = map[string]string{
	"ovh-eu": "https://eu.api.ovh.com/1.0",
	"ovh-ca": "https://ca.api.ovh.com/1.0",
	"ovh-us": "https://api.us.ovhcloud.com/1.0",
}

// A profile that is imported is what go-ovh reads, or jeton refuses and says why.
func TestOVHConfsAsGoOVH(t *testing.T) {
	n := generated(t, 400)
	reader := client("ovhconf-reader")
	if reader == "" {
		skip(t, "ovhconf-reader is not installed")
	}
	d := newDesk(t, "profiles:\n")
	m := newMaker(6)
	var texts, folders, said []string
	var codes []int
	for i := range n {
		text := m.ovhConf()
		path := d.write(fmt.Sprintf("%d/ovh.conf", i), text)
		code, out := d.run("import", "ovh", path, fmt.Sprint("p", i), "--secret", "file")
		texts, folders = append(texts, text), append(folders, filepath.Dir(path))
		codes, said = append(codes, code), append(said, out)
	}
	answers := readersOf[ovhReading](t, []string{reader}, folders)
	profiles := d.profiles()
	refused, unusable := 0, 0
	reasons := map[string]int{}
	for i, was := range answers {
		p := profiles[fmt.Sprint("p", i)]
		switch {
		case codes[i] == 78 && (was.Error != "" || was.ClientID == ""):
			unusable++
		case codes[i] == 78:
			words := strings.Split(strings.SplitN(said[i], "\n", 2)[0], ": ")
			reasons[words[len(words)-1]]++
			refused++
		case codes[i] != 0:
			t.Errorf("%q: %d, %s", texts[i], codes[i], said[i])
		case was.Error != "":
			t.Errorf("%q: imported, and go-ovh says %s", texts[i], was.Error)
		case p["client_id"] != was.ClientID || p["client_secret"] != was.ClientSecret ||
			ovhAddresses[p["endpoint"]] != was.Endpoint:
			t.Errorf("%q: the profile has %v, and go-ovh reads %v", texts[i], p, was)
		}
	}
	m.judge(t, n, unusable, refused, "have no service account for go-ovh", reasons)
}

// ovhConf makes an ovh.conf.
func (m *maker) ovhConf() string {
	var b strings.Builder
	line := func(name, value string) {
		if m.chance("other case", 1) {
			name = strings.ToUpper(name)
		}
		b.WriteString(m.pick("before", "", "", "", " ", "\t") + name)
		b.WriteString(m.pick("delimiter", "=", "=", " = ", " =", ": ", "\t=\t") + value)
		b.WriteString(m.pick("after", "", "", "", " ", "\t") + "\n")
		b.WriteString(m.pick("between", "", "", "", "", "\n", "; mine\n", "# mine\n", "  ; mine = x\n"))
	}
	value := func(plain string) string {
		if m.chance("an odd value", 4) {
			return m.pick("value", "a;b", "a#b", "a ; mine", `"a;b"`, `a\`, "`a`", `"""a"""`, "%(client_id)s", "", `"a"b"`, "'",
				"'a\"", `a\nb`, `"a\"b"`, "é", "[a]", "100%", "a\u00a0")
		}
		quote := m.pick("quotes", "", "", `"`, "'")
		return quote + plain + quote
	}
	header := func(name string) {
		if m.chance("an odd section", 3) {
			odd := m.pick("section", "[ * ]", "[*] ; mine", "[*", "[*]]", "[]", " [*]", "[*]x", "[*] # x]")
			b.WriteString(strings.ReplaceAll(odd, "*", name) + "\n")
			return
		}
		b.WriteString("[" + name + "]\n")
	}
	name := m.pick("endpoint", "ovh-eu", "ovh-eu", "ovh-ca", "ovh-us")
	b.WriteString(m.pick("header", "", "", "; mine\n", "# mine\n\n"))
	if m.chance("a setting first", 2) {
		line("timeout", "3")
	}
	if name != "ovh-eu" || m.chance("endpoint named", 60) {
		header(m.pick("default", "default", "default", "default", "default", "default", "DEFAULT"))
		line("endpoint", value(name))
	}
	if m.chance("another section", 30) {
		header("ovh-xx")
		line(m.pick("name", "application_key", "client_id", "x"), value("EU.other"))
	}
	for range 1 + m.IntN(5)/4 {
		header(name)
		line("client_id", value("EU.id"))
		if m.chance("a setting twice", 5) {
			line("client_id", value("EU.id2"))
		}
		line("client_secret", value("s3cr=t"))
		if m.chance("a former login too", 4) {
			line(m.pick("former", "application_key", "consumer_key", "access_token"), m.pick("former value", "x", ""))
		}
		if m.chance("no setting", 1) {
			b.WriteString(m.pick("no setting", "nothing\n", "=x\n", "\"a\"=b\n", "- = x\n"))
		}
	}
	text := b.String()
	if m.chance("CRLF", 10) {
		text = strings.ReplaceAll(text, "\n", "\r\n")
	}
	if m.chance("byte order mark", 5) {
		text = "\ufeff" + text
	}
	if m.chance("no end of line", 15) {
		text = strings.TrimRight(text, "\r\n")
	}
	return text
}
