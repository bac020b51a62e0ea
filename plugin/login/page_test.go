package login

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"
)

// shown returns what write answered.
func shown(write func(http.ResponseWriter)) (*http.Response, string) {
	recorder := httptest.NewRecorder()
	write(recorder)
	return recorder.Result(), recorder.Body.String()
}

func TestLanguage(t *testing.T) {
	for accept, want := range map[string]string{
		"":                              "en",
		"fr":                            "fr",
		"FR-ca":                         "fr",
		"fr-CA,fr;q=0.9,en;q=0.8":       "fr",
		"en, fr;q=0.9":                  "en",
		"fr;q=0.9, en":                  "en",
		"en;q=0.8, fr;q=0.9":            "fr",
		"en-GB;q=0.3,fr;q=0.5,en;q=0.7": "en",
		"fr, en":                        "fr",
		"en, fr":                        "en",
		"de":                            "en",
		"de, fr;q=0.1":                  "fr",
		"fro, frr":                      "en",
		"fr;q=0":                        "en",
		"fr;q=0.000, de":                "en",
		"en;q=0, fr;q=0":                "en",
		"*":                             "en",
		"*, fr":                         "fr",
		"fr, *;q=0.5":                   "fr",
		"*;q=0.5, fr;q=0.4":             "en",
		"en;q=0, *":                     "fr",
		"en;q=0.2, *;q=0.5":             "fr",
		"fr;q=0, *":                     "en",
		"en;q=0.5, fr ; Q=1":            "fr",
		"fr;q=NaN, fr;q=2, fr;q=-1":     "en",
		"fr;level=1, fr;q, fr;q=":       "en",
		",;,=;q=1,, fr":                 "fr",
	} {
		if got := language(accept); got != want {
			t.Errorf("%q: %s, want %s", accept, got, want)
		}
	}
}

// A page is whole in each language and says what became of the login.
func TestPages(t *testing.T) {
	seen := map[string]string{}
	check := func(language string, status int, state string, write func(http.ResponseWriter), texts ...string) {
		t.Helper()
		r, body := shown(write)
		if r.StatusCode != status {
			t.Errorf("status %d, want %d", r.StatusCode, status)
		}
		texts = append(texts, `<html lang="`+language+`">`, `<main data-jeton="`+state+`">`, "<title>jeton</title>")
		for _, text := range texts {
			if strings.Count(body, text) != 1 {
				t.Errorf("not once %q in:\n%s", text, body)
			}
		}
		if gap := regexp.MustCompile(`\{[a-z]+\}`).FindString(body); gap != "" {
			t.Errorf("%s in:\n%s", gap, body)
		}
		key := strings.Join(texts, "|")
		if other, ok := seen[body]; ok {
			t.Errorf("the same page for %s and %s", key, other)
		}
		seen[body] = key
	}
	for _, in := range []string{"en", "fr"} {
		check(in, 200, "done", func(w http.ResponseWriter) { success(w, in, "login.example.org", "alice") },
			done.in(in), "<bdi>login.example.org</bdi>", "<bdi>alice</bdi>", closeTab.in(in))
		check(in, 200, "done", func(w http.ResponseWriter) { success(w, in, "login.example.org", "") },
			done.in(in), "<bdi>login.example.org</bdi>.", closeTab.in(in))
		for why, f := range failures {
			text := strings.ReplaceAll(f.why.in(in), "{code}", "<code>invalid_scope</code>")
			check(in, f.status, "failed",
				func(w http.ResponseWriter) { failure(w, in, reason(why), "invalid_scope") },
				f.title.in(in), text, goBack.in(in))
		}
	}
	if len(failures) != int(stranger)+1 {
		t.Error("not every reason has its text")
	}
}

func TestTexts(t *testing.T) {
	texts := []text{done, loggedIn, loggedInAs, closeTab, failed, goBack}
	for _, f := range failures {
		texts = append(texts, f.title, f.why)
	}
	gaps := regexp.MustCompile(`\{[a-z]+\}`)
	for _, text := range texts {
		if text.english == "" || text.french == "" || text.english == text.french {
			t.Errorf("%q", text)
		}
		if strings.ContainsAny(text.english+text.french, "<>'\"") {
			t.Errorf("not plain text: %q", text)
		}
		if len(gaps.FindAllString(text.english, -1)) != len(gaps.FindAllString(text.french, -1)) {
			t.Errorf("the languages do not show the same: %q", text)
		}
	}
}

// What others have chosen stays text, does not fill in gaps, and does not grow the page.
func TestHostileNames(t *testing.T) {
	for hostile, want := range map[string]string{
		"<script>alert(1)</script>": "&lt;script&gt;alert(1)&lt;/script&gt;",
		`"'&amp;`:                   "&#34;&#39;&amp;amp;",
		"</bdi></code></main>":      "&lt;/bdi&gt;&lt;/code&gt;&lt;/main&gt;",
		"{who}{issuer}{next}{code}": "{who}{issuer}{next}{code}",
		"a\xffb":                    "a\ufffdb",
		strings.Repeat("é", 120):    strings.Repeat("é", 120),
		strings.Repeat("é", 9999):   strings.Repeat("é", 119) + "…",
		strings.Repeat(`"`, 9999):   strings.Repeat("&#34;", 119) + "…",
	} {
		for _, write := range []func(http.ResponseWriter){
			func(w http.ResponseWriter) { success(w, "fr", "login.example.org", hostile) },
			func(w http.ResponseWriter) { success(w, "en", hostile, "") },
			func(w http.ResponseWriter) { success(w, "en", hostile, hostile) },
			func(w http.ResponseWriter) { failure(w, "fr", reported, hostile) },
		} {
			_, body := shown(write)
			if !strings.Contains(body, ">"+want+"</") || strings.Contains(body, "<script") {
				t.Errorf("%.40q in:\n%s", hostile, body)
			}
			if !utf8.ValidString(body) || len(body) >= 6<<10 || strings.Count(body, "</main>") != 1 {
				t.Errorf("%.40q: %d bytes:\n%s", hostile, len(body), body)
			}
		}
	}
	// Only the reason that needs the code shows it.
	_, body := shown(func(w http.ResponseWriter) { failure(w, "", denied, "CANARY") })
	if strings.Contains(body, "CANARY") {
		t.Error(body)
	}
}

func TestHeaders(t *testing.T) {
	for _, write := range []func(http.ResponseWriter){
		func(w http.ResponseWriter) { success(w, "", "login.example.org", "Élodie") },
		func(w http.ResponseWriter) { failure(w, "fr", over, "") },
	} {
		r, body := shown(write)
		style := regexp.MustCompile(`(?s)<style>(.*?)</style>`).FindStringSubmatch(body)
		if len(style) != 2 {
			t.Fatal(body)
		}
		sum := sha256.Sum256([]byte(style[1]))
		hash := base64.StdEncoding.EncodeToString(sum[:])
		for key, want := range map[string]string{
			"Content-Type":   "text/html; charset=utf-8",
			"Content-Length": strconv.Itoa(len(body)),
			"Content-Security-Policy": "default-src 'none'; style-src 'sha256-" + hash + "'; img-src data:; " +
				"base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
			"Referrer-Policy":        "no-referrer",
			"Cache-Control":          "no-store",
			"X-Content-Type-Options": "nosniff",
			"X-Frame-Options":        "DENY",
			"Connection":             "close",
		} {
			if got := r.Header.Values(key); len(got) != 1 || got[0] != want {
				t.Errorf("%s: %q, want %q", key, got, want)
			}
		}
	}
}

// A server closes the connection after the page, so that the listener can go.
func TestServed(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		failure(w, r.Header.Get("Accept-Language"), foreign, "")
	}))
	defer server.Close()
	r, err := server.Client().Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	if r.StatusCode != http.StatusBadRequest || !r.Close || r.ContentLength < 1 {
		t.Errorf("%d, %v, %d", r.StatusCode, r.Close, r.ContentLength)
	}
}

// The page runs nothing, loads nothing, and has no style that its policy forbids.
func TestSelfContained(t *testing.T) {
	page := strings.ToLower(blank)
	for _, bad := range []string{
		"http://", "https://", "<script", "javascript:", " style=", " src=", "url(", "@import", "<form", "<a ",
	} {
		if strings.Contains(page, bad) {
			t.Errorf("the page holds %q", bad)
		}
	}
	if handler := regexp.MustCompile(`\son[a-z]+=`).FindString(page); handler != "" {
		t.Errorf("the page holds %q", handler)
	}
	if strings.Count(page, "href=") != 1 || !strings.Contains(page, `rel="icon" href="data:image/svg+xml,`) {
		t.Error("the page links to more than its own icon")
	}
}
