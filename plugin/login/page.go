package login

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"html"
	"net/http"
	"strconv"
	"strings"
)

// blank is the page with its gaps, such as {title}. It is filled in by a
// [strings.Replacer], because html/template is large and slow to start.
//
//go:embed page.html
var blank string

// longest is how many characters of a name or code the page shows. Others choose these,
// and the page must stay readable whatever they choose.
const longest = 120

// A reason is why a login did not work.
type reason int

const (
	denied   reason = iota // access_denied: the person or the issuer said no
	foreign                // the state or the issuer is not that of this login
	over                   // the login was finished or given up before this request
	reported               // the issuer sent another error code
	refused                // the issuer did not take the code in exchange for a token
	stranger               // the login was another user's
)

// A text is a piece of the page in each language, as HTML. A literal without field names
// cannot leave a language out.
type text struct{ english, french string }

func (t text) in(language string) string {
	if language == "fr" {
		return t.french
	}
	return t.english
}

var (
	done     = text{"You are logged in", "Connexion réussie"}
	loggedIn = text{"jeton is logged in to {issuer}.", "jeton est connecté à {issuer}."}
	// The account comes last, so that French needs no elision before it.
	loggedInAs = text{
		"jeton is logged in to {issuer} as {who}.",
		"jeton est connecté à {issuer} avec le compte {who}.",
	}
	closeTab = text{
		"You can close this tab and go back to the terminal.",
		"Vous pouvez fermer cet onglet et retourner au terminal.",
	}
	failed = text{"The login did not work", "La connexion a échoué"}
	goBack = text{"Go back to the terminal: it says more.", "Retournez au terminal&nbsp;: il en dit plus."}
)

// failures holds what the page says for each reason. A login that is over may well have
// worked, so its title does not claim that it failed.
var failures = [...]struct {
	status     int
	title, why text
}{
	denied: {http.StatusForbidden, failed, text{
		"Access was denied, by you or by the issuer.",
		"L’accès a été refusé, par vous ou par l’émetteur.",
	}},
	foreign: {http.StatusBadRequest, failed, text{
		"This answer does not belong to the login that jeton is waiting for.",
		"Cette réponse ne correspond pas à la connexion que jeton attend.",
	}},
	over: {http.StatusGone, text{"This login is over", "Cette connexion n’est plus en cours"}, text{
		"It has already finished, or it took too long.",
		"Elle a déjà abouti, ou elle a pris trop de temps.",
	}},
	reported: {http.StatusBadGateway, failed, text{
		"The issuer reported the error {code}.",
		"L’émetteur a signalé l’erreur {code}.",
	}},
	stranger: {http.StatusForbidden, failed, text{
		"This is not the user whom jeton knows for this profile. Nothing was kept.",
		"Ce n’est pas le compte que jeton connaît pour ce profil. Rien n’a été conservé.",
	}},
	refused: {http.StatusBadGateway, failed, text{
		"The issuer refused the code that this login brought back.",
		"L’émetteur a refusé le code obtenu par cette connexion.",
	}},
}

// success answers with the page that says that the login worked. The languages are the
// value of the request's Accept-Language header, and issuer is the issuer's host. The
// page does without who, the name of the account, if that is empty.
func success(w http.ResponseWriter, languages, issuer, who string) {
	in := language(languages)
	what := loggedInAs
	if who == "" {
		what = loggedIn
	}
	values := strings.NewReplacer("{issuer}", name("bdi", issuer), "{who}", name("bdi", who))
	answer(w, http.StatusOK, in, "done", done.in(in), values.Replace(what.in(in)), closeTab.in(in))
}

// failure answers with the page that says why the login did not work, with the HTTP
// status that suits the reason. The code is the issuer's, and only the reason reported
// shows it. The page does not name the issuer, because anyone on this machine can send a
// request that fails.
func failure(w http.ResponseWriter, languages string, why reason, code string) {
	in, f := language(languages), failures[why]
	what := strings.ReplaceAll(f.why.in(in), "{code}", name("code", code))
	answer(w, f.status, in, "failed", f.title.in(in), what, goBack.in(in))
}

// name returns s, which someone else has chosen, as an HTML element. The page's style
// isolates both elements in use, bdi and code, so that s cannot turn the text around it
// from right to left.
func name(element, s string) string {
	short := []rune(s) // which also makes it valid UTF-8
	if len(short) > longest {
		short = append(short[:longest-1], '…')
	}
	return "<" + element + ">" + html.EscapeString(string(short)) + "</" + element + ">"
}

// answer writes the page. All that it fills in is HTML.
//
// The page's address holds the code and the state. The headers keep them from the caches
// and from other sites, and they leave the page nothing to load or run.
func answer(w http.ResponseWriter, status int, language, state, title, what, next string) {
	body := strings.NewReplacer("{language}", language, "{state}", state,
		"{title}", title, "{what}", what, "{next}", next).Replace(blank)
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	h.Set("Content-Security-Policy", policy())
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Connection", "close")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(body)) // if the browser has gone, nobody is left to tell
}

// policy returns the page's Content-Security-Policy. It allows the page's own style, by
// its hash, and its icon.
func policy() string {
	_, style, _ := strings.Cut(blank, "<style>")
	style, _, _ = strings.Cut(style, "</style>")
	sum := sha256.Sum256([]byte(style))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
		"'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
}

// language returns the page's language, "en" or "fr", for the value of an Accept-Language
// header. Of two languages with the same weight it takes the first, as browsers mean it,
// and it takes English if neither is acceptable.
func language(accept string) string {
	chosen, best, others := "en", 0.0, 0.0
	var named struct{ en, fr bool }
	for item := range strings.SplitSeq(accept, ",") {
		tag, parameter, _ := strings.Cut(item, ";")
		q, ok := weight(parameter)
		if !ok {
			continue
		}
		tag, _, _ = strings.Cut(strings.ToLower(strings.TrimSpace(tag)), "-")
		switch tag {
		case "en":
			named.en = true
		case "fr":
			named.fr = true
		case "*":
			others = max(others, q)
			continue
		default:
			continue
		}
		if q > best {
			chosen, best = tag, q
		}
	}
	// The asterisk stands for the languages that are not named.
	switch {
	case others <= best:
	case !named.en:
		chosen = "en"
	case !named.fr:
		chosen = "fr"
	}
	return chosen
}

// weight returns the weight that a parameter such as "q=0.9" gives to a language. It is 1
// without a parameter.
func weight(parameter string) (q float64, ok bool) {
	parameter = strings.TrimSpace(parameter)
	if parameter == "" {
		return 1, true
	}
	key, value, _ := strings.Cut(parameter, "=")
	q, err := strconv.ParseFloat(value, 64)
	return q, err == nil && strings.EqualFold(key, "q") && q >= 0 && q <= 1
}
