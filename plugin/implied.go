package plugin

import "strings"

// implied returns the implied profile called name, or nil if there is none.
func (f *File) implied(name string, above []string) (*Profile, error) {
	below, own, ok := strings.Cut(name, ":")
	if !ok || !f.Has(below) && !f.issuers.Reserved(below) {
		return nil, nil
	}
	base, err := f.profile(below, append(above, name))
	if err != nil {
		return nil, err
	}
	for i := range f.issuers {
		issuer := &f.issuers[i]
		if _, takes := issuer.takes(base.Issuer.Gives); !takes || issuer.Implied == nil || issuer.Implied.Name != own {
			continue
		}
		b := base.Common
		p := &Profile{
			Name: name, Issuer: issuer, Options: issuer.Implied.New(), Config: f.Path, withheld: f.secretVariables,
			Base: base, Common: Common{From: below, CAFile: b.CAFile, CertFile: b.CertFile, KeyFile: b.KeyFile,
				Proxy: b.Proxy, Timeout: b.Timeout, PlainHTTP: b.PlainHTTP},
		}
		return p, p.complete()
	}
	return nil, nil
}

// For returns the profile that gives a credential of kind want to the user of p: p itself,
// or the one profile from p of an issuer with implied profiles, or the implied one. It
// returns p if there is none of these, and a [Config] error if there are several.
func (f *File) For(p *Profile, want Kind) (*Profile, error) {
	issuer := f.issuers.Implied(want, p.Issuer.Gives)
	if p.Issuer.Gives&want != 0 || issuer == nil {
		return p, nil
	}
	var written []string
	for _, name := range f.names {
		_, of := Get(f.nodes[name], "plugin")
		_, from := Get(f.nodes[name], "from")
		if of == nil || of.Value != issuer.Name || from == nil || from.Value != p.Name {
			continue
		}
		if _, err := f.Profile(name); err != nil {
			return nil, err // it is meant, and wrong
		}
		written = append(written, name)
	}
	switch len(written) {
	case 0:
		return f.Profile(p.Name + ":" + issuer.Implied.Name)
	case 1:
		return f.Profile(written[0])
	}
	return nil, Errorf(Config, "several profiles make an %s of this one: %s", want,
		strings.Join(written, " and ")).WithHint("name one of them")
}

// Standing returns the names of the implied profiles that stand on the one called name.
func (f *File) Standing(name string) (names []string) {
	for i := range f.issuers {
		if implied := f.issuers[i].Implied; implied != nil {
			if p, err := f.Profile(name + ":" + implied.Name); err == nil {
				names = append(names, p.Name)
			}
		}
	}
	return names
}

// Every returns the names of the profiles of the file, of those that the environment
// gives, and of the implied ones that stand on any of them.
func (f *File) Every() []string {
	names := f.Names()
	roaming := []string{"env"}
	for i := range f.issuers {
		if own := f.issuers[i].EnvName; own != "" { // env may hide it
			roaming = append(roaming, own)
		}
	}
	for _, name := range roaming {
		if _, err := f.Profile(name); err == nil {
			names = append(names, name)
		}
	}
	for _, name := range names[:len(names):len(names)] {
		names = append(names, f.Standing(name)...)
	}
	return names
}

// Wants reports whether a key that was made for the profile called name may have a use: the
// profile is in the file or, if it is an implied one, is not replaced by one that is.
func (f *File) Wants(name string) bool {
	below, _, implied := strings.Cut(name, ":")
	if f.issuers.Reserved(below) {
		return true // the identity in the environment comes and goes
	}
	if !implied || !f.Has(below) {
		return f.Has(name)
	}
	p, err := f.Profile(name)
	if err != nil {
		return true // it cannot be told
	}
	q, err := f.For(p.Base, p.Issuer.Gives)
	return err != nil || q.Name == name
}
