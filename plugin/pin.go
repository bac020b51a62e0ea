package plugin

import (
	"fmt"
	"reflect"
)

// Pin returns a copy of p whose secrets are the values that they have now. Nobody can
// change them between the time at which they name what is shared and the login. resolve
// reads a secret. The profiles below p stay as they are.
func (p *Profile) Pin(resolve func(option string, ref SecretRef) (Secret, error)) (*Profile, error) {
	pinned := *p
	options := reflect.New(reflect.TypeOf(p.Options).Elem())
	options.Elem().Set(reflect.ValueOf(p.Options).Elem())
	pinned.Options = options.Interface().(Options)
	for _, f := range fields(pinned.Options) {
		ref, ok := f.value.Addr().Interface().(*SecretRef)
		if !ok || ref.IsZero() || f.skipKey {
			continue
		}
		value, err := resolve(f.name, *ref)
		if err != nil {
			return nil, err
		}
		*ref = SecretRef{literal: value}
	}
	return &pinned, nil
}

// ByReference reports whether p or a profile below it has a secret that does not enter the
// cache key by its value.
func (p *Profile) ByReference() bool {
	for _, q := range p.Chain() {
		for _, f := range fields(q.Options) {
			if ref, ok := f.value.Interface().(SecretRef); ok && !ref.IsZero() && !f.skipKey && !ref.InKey() {
				return true
			}
		}
	}
	return false
}

// Paths returns the files that p and the profiles below it name, by the place of the name.
// It is the same place on all hosts that share.
func (p *Profile) Paths() map[string]string {
	paths := map[string]string{}
	for i, q := range p.Chain() {
		for _, block := range []any{q.Options, &q.Common} {
			for _, f := range fields(block) {
				if path, ok := f.value.Interface().(Path); ok && path != "" {
					paths[fmt.Sprint(i, " ", f.name)] = string(path)
				}
			}
		}
	}
	return paths
}

// SharedInputs returns everything that decides which credential p, which is pinned, gets on
// any host: [Profile.Inputs] with the values of all secrets and the content of all files,
// and without what is of this host. It returns an error wrapping [ErrNotShared] if p's
// credential is for this host alone. The inputs hold secrets in clear text.
func (p *Profile) SharedInputs(getenv func(string) string) ([]Input, error) {
	inputs := []Input{{"plugin", p.Issuer.Name}}
	if p.Issuer.Mints {
		if !p.Issuer.Marks {
			return nil, notShared("the keys of plugin %s cannot be told from others", p.Issuer.Name)
		}
		inputs = append(inputs, Input{"minted for", p.Name})
	}
	input := func(f field) (string, error) { return f.sharedInput(getenv) }
	return appendInputs(p.ambient(inputs, getenv), input, p.Options, &p.Common)
}

// sharedInput is cacheInput for every host.
func (f field) sharedInput(getenv func(string) string) (string, error) {
	switch v := f.value.Interface().(type) {
	case Argv:
		return "", notShared("what a program prints can be another thing on another host")
	case Path:
		b, err := readOwnFile(string(v), maxPEM, readable)
		return string(b), err
	}
	return f.cacheInput(getenv)
}
