package plugin

import (
	"maps"
	"reflect"
	"slices"
	"strings"
)

// A Way is a way to begin with an issuer: what jeton init asks a new user.
type Way struct {
	Cloud Cloud
	Name  string // as in jeton init --way
	Title string // in a few words
	// Fixed are options that nobody needs to be asked for.
	Fixed map[string]string
	Ask   []Inquiry
	// Pick, if not nil, is what can be chosen from once the login works.
	Pick *Pick
	// Person says that a person logs in, so that there is nothing to try without one.
	Person bool

	Issuer *Issuer // set by [Issuers.Ways]
}

// A Cloud is what people call the place where they have an account.
type Cloud struct {
	Name  string // as in jeton init --cloud
	Title string
}

// An Inquiry asks for one option.
type Inquiry struct {
	Option   string
	Text     string   // the question, without a question mark
	Default  string   // the answer if nothing is entered, or empty
	Optional bool     // nothing is an answer
	Choices  []string // the possible answers, or nil
	URL      bool     // it is an address
}

// A Pick is an option whose value stands in a table that [Inspector] returns.
type Pick struct {
	Option string
	Text   string // the question
	Table  string // the name of the table; the value is in its column id, or the first
	// Instead are options that leave nothing to pick.
	Instead []string
	// Without are options with which the login works before something is picked.
	Without map[string]string
}

// Ways returns the ways to begin, sorted by the titles of the clouds.
func (l Issuers) Ways() (ways []Way) {
	for i := range l {
		for _, way := range l[i].Ways {
			way.Issuer = &l[i]
			ways = append(ways, way)
		}
	}
	slices.SortStableFunc(ways, func(a, b Way) int {
		return strings.Compare(strings.ToLower(a.Cloud.Title), strings.ToLower(b.Cloud.Title))
	})
	return ways
}

// Clouds returns the clouds of the ways, sorted by title.
func (l Issuers) Clouds() (clouds []Cloud) {
	for _, way := range l.Ways() {
		if !slices.Contains(clouds, way.Cloud) {
			clouds = append(clouds, way.Cloud)
		}
	}
	return clouds
}

// CloudNames returns the names of the clouds, as in jeton init --cloud.
func (l Issuers) CloudNames() (names []string) {
	for _, c := range l.Clouds() {
		names = append(names, c.Name)
	}
	return names
}

// Draft returns the profile called name that the answers to the questions make, by option.
func (w Way) Draft(name string, answers map[string]Value) Draft {
	values := map[string]Value{}
	for option, text := range w.Fixed {
		values[option] = Value{Place: "the cloud", Key: option, Text: text}
	}
	for option, v := range answers {
		values[option] = v
	}
	return NewDraft(name, w.Issuer, values, func(v Value) DraftSecret {
		return DraftSecret{Value: NewSecret(v.Text), Person: w.asks(v.Key)}
	})
}

// asks reports whether a profile without this secret asks the person for it.
func (w Way) asks(option string) bool { return slices.Contains(w.Issuer.Prompts, option) }

// OptionNames returns the names of all options of the issuer's profiles.
func (i *Issuer) OptionNames() []string {
	return slices.Sorted(maps.Keys(optionFields(&Profile{Options: i.New()})))
}

// IsSecret reports whether the option of the issuer is a secret.
func (i *Issuer) IsSecret(option string) bool {
	f, ok := optionFields(&Profile{Options: i.New()})[option]
	return ok && f.value.Type() == reflect.TypeFor[SecretRef]()
}

// Trial returns the profile of d, with its secrets in it, as if it were in f. Nothing is
// written. Its errors name no place in the file: d is in none.
func (f *File) Trial(d Draft) (*Profile, error) {
	d.Options = slices.Clone(d.Options)
	for i, o := range d.Options {
		if o.Secret == nil {
			continue
		}
		trial := *o.Secret
		switch {
		case !trial.Value.IsZero():
			trial.Ref = LiteralSecret(trial.Value)
		case trial.Ref.IsZero():
			trial.Ref = CommandSecret(trial.Command)
		}
		d.Options[i].Secret = &trial
	}
	d.Options = slices.DeleteFunc(d.Options, func(o DraftOption) bool {
		return o.Secret != nil && o.Secret.Ref.IsZero()
	})
	own := *f
	own.exposed = nil // the secrets are not in the file
	p, err := own.decode(d.Name, d.node())
	if err != nil {
		return nil, err
	}
	if err := p.complete(); err != nil {
		return nil, err
	}
	return p, nil
}
