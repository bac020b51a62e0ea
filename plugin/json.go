package plugin

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
)

// ErrJSON says what is wrong with a JSON document that could be read in several ways. Its
// text repeats nothing from the document.
type ErrJSON struct{ Fault string }

func (e *ErrJSON) Error() string { return e.Fault }

// JSONFault returns ": " and what err, of [DecodeJSON], says is wrong with the document. It
// returns "" if the document is simply not the one expected.
func JSONFault(err error) string {
	if e := (*ErrJSON)(nil); errors.As(err, &e) {
		return ": " + e.Fault
	}
	return ""
}

// DecodeJSON decodes a document that somebody else wrote. It is stricter than
// encoding/json: a key has the letter case that out gives it, no object has a key twice,
// and nothing follows the document. Otherwise the writer and jeton, or jeton and a proxy
// that checks the answer, could read two things in one document. Unknown keys are
// allowed. With an error, what out holds is not to be used.
func DecodeJSON(b []byte, out any) error {
	if err := json.Unmarshal(b, out); err != nil {
		d := json.NewDecoder(bytes.NewReader(b))
		if first := new(json.RawMessage); d.Decode(first) == nil && d.More() {
			return &ErrJSON{"its JSON is followed by something else"}
		}
		return err
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	return checkJSON(d, reflect.TypeOf(out))
}

// checkJSON reads one value, which was decoded into the type t. t is nil if jeton reads
// nothing in it.
func checkJSON(d *json.Decoder, t reflect.Type) error {
	token, err := d.Token()
	if err != nil {
		return err
	}
	for t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch token {
	case json.Delim('['):
		for d.More() {
			if err := checkJSON(d, element(t, reflect.Slice)); err != nil {
				return err
			}
		}
	case json.Delim('{'):
		if err := checkObject(d, t); err != nil {
			return err
		}
	default:
		return nil
	}
	_, err = d.Token() // the end of the array or object
	return err
}

func checkObject(d *json.Decoder, t reflect.Type) error {
	known := map[string]reflect.Type{}
	if t != nil && t.Kind() == reflect.Struct {
		addFields(known, t)
	}
	seen := map[string]bool{}
	for d.More() {
		token, err := d.Token()
		if err != nil {
			return err
		}
		key, _ := token.(string)
		of, ok := known[key]
		switch {
		case seen[key] && ok:
			return &ErrJSON{"its JSON has " + key + " twice"}
		case seen[key]:
			return &ErrJSON{"its JSON has a key twice"}
		case !ok && len(known) == 0:
			of = element(t, reflect.Map)
		case !ok:
			for name := range known {
				if strings.EqualFold(name, key) {
					return &ErrJSON{"its JSON has " + name + " in other letters"}
				}
			}
		}
		seen[key] = true
		if err := checkJSON(d, of); err != nil {
			return err
		}
	}
	return nil
}

// addFields adds the keys that encoding/json decodes into the struct t.
func addFields(known map[string]reflect.Type, t reflect.Type) {
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case f.Anonymous && name == "" && f.Type.Kind() == reflect.Struct:
			addFields(known, f.Type)
		case !f.IsExported() || name == "-":
		case name != "":
			known[name] = f.Type
		default:
			known[f.Name] = f.Type
		}
	}
}

// element returns the type of the elements of t, or nil if t is not of that kind.
func element(t reflect.Type, kind reflect.Kind) reflect.Type {
	if t == nil || t.Kind() != kind {
		return nil
	}
	return t.Elem()
}
