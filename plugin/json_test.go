package plugin

import (
	"encoding/json"
	"net/http"
	"reflect"
	"strings"
	"testing"
)

// A document that can be read in two ways is refused, wherever in it that is.
func TestDecodeJSON(t *testing.T) {
	type inner struct {
		Secret string `json:"secret"`
	}
	type outer struct {
		inner
		Token  string            `json:"access_token"`
		List   []inner           `json:"list"`
		Attrs  map[string]string `json:"attrs"`
		Any    any               `json:"any"`
		Raw    json.RawMessage   `json:"raw"`
		Next   *inner            `json:"next"`
		Untold string
		hidden string
	}
	for text, want := range map[string]string{
		`{"access_token":"a"}`:                                                      "",
		` {"access_token":"a","scope":{"x":1,"X":2}} ` + "\n":                       "",
		`{"attrs":{"a":"1","A":"2"},"any":{"b":1,"B":2},"hidden":1,"HIDDEN":2}`:     "",
		`{"Untold":"x","list":[{"secret":"a"},{"secret":"b"}],"next":null}`:         "",
		`{"access_token":"a","access_token":"b"}`:                                   "access_token twice",
		`{"access_token":"a","\u0061ccess_token":"b"}`:                              "access_token twice",
		`{"access_token":"a","Access_Token":"b"}`:                                   "access_token in other letters",
		`{"ACCESS_TOKEN":"a"}`:                                                      "access_token in other letters",
		`{"acceſſ_token":"a"}`:                                                      "access_token in other letters",
		`{"untold":"a"}`:                                                            "Untold in other letters",
		`{"Secret":"a"}`:                                                            "secret in other letters",
		`{"list":[{"secret":"a"},{"secret":"a","secret":"b"}]}`:                     "secret twice",
		`{"next":{"SECRET":"a"}}`:                                                   "secret in other letters",
		`{"unknown":{"deep":[{"k":1,"k":2}]}}`:                                      "a key twice",
		`{"raw":{"k":1,"k":2}}`:                                                     "a key twice",
		`{"attrs":{"k":"1","k":"2"}}`:                                               "a key twice",
		`{"access_token":"a"}{"access_token":"b"}`:                                  "followed",
		`{"access_token":"a"} []`:                                                   "followed",
		`{"access_token":"a"}` + "\n<html>":                                         "followed",
		`{"access_token":"a"`:                                                       "unexpected end",
		`{"access_token":1}`:                                                        "cannot unmarshal",
		strings.Repeat(`[`, 20000) + strings.Repeat(`]`, 20000):                     "depth",
		`{"x":` + strings.Repeat(`[`, 9000) + strings.Repeat(`]`, 9000) + `,"x":1}`: "a key twice",
	} {
		err := DecodeJSON([]byte(text), &outer{hidden: ""})
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%.60s: %v, not %q", text, err, want)
		}
	}
}

// What encoding/json and DecodeJSON both take, they take alike.
func FuzzDecodeJSON(f *testing.F) {
	f.Add([]byte(`{"access_token":"a","b":[{}]}`))
	f.Add([]byte(`{"a":1,"a":2}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var strict, lax tokenAnswer
		if DecodeJSON(b, &strict) != nil {
			return
		}
		if err := json.Unmarshal(b, &lax); err != nil || !reflect.DeepEqual(strict, lax) {
			t.Errorf("%+v, %+v, %v", strict, lax, err)
		}
	})
}

// The answers of OAuth 2.0 and of discovery say what is wrong with them, and no value.
func TestAmbiguousAnswers(t *testing.T) {
	for _, body := range []string{
		`{"access_token":"CANARY","Access_token":"CANARY","expires_in":60}`,
		`{"access_token":"CANARY","expires_in":60,"expires_in":6000}`,
		`{"access_token":"CANARY","EXPIRES_IN":60}`,
		`{"access_token":"CANARY"} {"access_token":"CANARY"}`,
	} {
		r := &TokenRequest{Endpoint: "https://host/token", ClientID: "c"}
		_, err := r.Do(t.Context(), answer(http.StatusOK, "application/json", body))
		if err == nil {
			t.Errorf("%s is taken", body)
			continue
		}
		if e := AsError(err); e.Code != Unusable || !strings.Contains(e.Text, ": its JSON ") ||
			strings.Contains(e.Text+e.Hint, "CANARY") {
			t.Errorf("%s: %d %s", body, e.Code, e.Text)
		}
	}
	for _, body := range []string{
		`{"token_endpoint":"https://host/a","token_endpoint":"https://evil/a"}`,
		`{"token_endpoint":"https://host/a","Token_Endpoint":"https://evil/a"}`,
		`{"token_endpoint":"https://host/a"}{"token_endpoint":"https://evil/a"}`,
	} {
		_, err := parseDiscovery([]byte(body), "https://host/d", "", false)
		if err == nil || AsError(err).Code != Unusable || !strings.Contains(err.Error(), ": its JSON ") {
			t.Errorf("%s: %v", body, err)
		}
	}
}
