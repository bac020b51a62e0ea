package plugin

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// field is one option of a profile: a field of an options struct.
type field struct {
	name    string
	help    string
	skipKey bool
	value   reflect.Value
}

// fields returns the options in the struct that block points to.
func fields(block any) []field {
	v := reflect.ValueOf(block).Elem()
	var list []field
	for i := range v.NumField() {
		tag := v.Type().Field(i).Tag
		name := tag.Get("yaml")
		if name == "" || name == "-" {
			continue
		}
		list = append(list, field{name, tag.Get("help"), tag.Get("key") == "-", v.Field(i)})
	}
	return list
}

// optionFields returns all options that p can have, by name.
func optionFields(p *Profile) map[string]field {
	m := map[string]field{}
	for _, block := range []any{p.Options, &p.Common} {
		for _, f := range fields(block) {
			m[f.name] = f
		}
	}
	return m
}

// PlainOptions returns the names of the options that are not secrets, and of what else a
// configuration file has.
func (l Issuers) PlainOptions() []string {
	names := []string{"plugin", "profiles"}
	for i := range l {
		for name, f := range optionFields(&Profile{Options: l[i].New()}) {
			switch f.value.Interface().(type) {
			case SecretRef, Argv:
				continue
			}
			if name != "env" && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names
}

// SetOptions returns the names, sorted, of the options that are set in the struct that
// block points to.
func SetOptions(block any) (names []string) {
	for _, f := range fields(block) {
		if !f.value.IsZero() {
			names = append(names, f.name)
		}
	}
	slices.Sort(names)
	return names
}

// An Option is the documentation of one option.
type Option struct{ Name, Help string }

// Documentation returns the options in the struct that block points to, in order of
// declaration.
func Documentation(block any) []Option {
	var list []Option
	for _, f := range fields(block) {
		list = append(list, Option{f.name, f.help})
	}
	return list
}

// cacheInput returns the option's value as it enters the cache key.
func (f field) cacheInput(getenv func(string) string) (string, error) {
	switch v := f.value.Interface().(type) {
	case SecretRef:
		return v.CacheInput(getenv)
	case Path:
		b, err := readOwnFile(string(v), maxPEM, readable)
		if err != nil {
			return "", err
		}
		sum := sha256.Sum256(b)
		return string(v) + "\x00" + string(sum[:]), nil
	case Argv:
		return Program{Argv: v, Depends: []string{}}.CacheInput(getenv), nil
	case Variables:
		return strings.Join(v, "\x00"), nil
	case []string:
		return strings.Join(v, "\x00"), nil
	case map[string]string:
		var pairs []string
		for _, name := range slices.Sorted(maps.Keys(v)) {
			pairs = append(pairs, name, v[name])
		}
		return strings.Join(pairs, "\x00"), nil
	case []map[string]string:
		b, err := json.Marshal(v) // with the names in order
		return string(b), err
	default:
		return fmt.Sprint(v), nil
	}
}

// setText sets the option from an environment variable.
func (f field) setText(v Value) error {
	switch p := f.value.Addr().Interface().(type) {
	case *SecretRef:
		*p = SecretRef{literal: NewSecret(v.Text)}
		if v.Variable != "" {
			*p = EnvSecret(v.Variable)
		}
	case *[]string:
		*p = strings.Split(v.Text, ",")
	case *string:
		*p = v.Text
	case *bool:
		*p = v.Text == "true"
	case *int:
		i, err := strconv.Atoi(v.Text)
		if *p = i; err != nil || i < 1 {
			return Errorf(Config, "must be a whole number")
		}
	case *Path:
		*p = Path(ExpandHome(v.Text))
		if !isAbs(string(*p)) {
			return Errorf(Config, "must be an absolute path")
		}
	default:
		return Errorf(Bug, "option %s cannot come from the environment", f.name)
	}
	return nil
}

// setNode sets the option from YAML.
func (f field) setNode(n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode && n.Tag == "!!null" {
		return at(n, "has no value").WithHint("give it one, or leave the line out")
	}
	switch p := f.value.Addr().Interface().(type) {
	case *SecretRef:
		return p.setNode(n)
	case *string:
		return setScalar(n, "text, and not empty", func(s string) bool { *p = s; return s != "" })
	case *Argv:
		return setList(n, (*[]string)(p), ": the program and its arguments")
	case *Variables:
		return decodeVariables(n, (*[]string)(p))
	case *[]string:
		return setList(n, p, ", such as [a, b]")
	case *map[string]string:
		return setMap(n, p)
	case *[]map[string]string:
		return setMaps(n, p)
	case *Path:
		if strings.Contains(n.Value, "-----BEGIN ") {
			return at(n, "must be the path of a file, and is what such a file holds").
				WithHint("write that to a file, and its path here")
		}
		return setScalar(n, "the path of a file", func(s string) bool {
			*p = Path(ExpandHome(s))
			return isAbs(string(*p))
		})
	case *bool:
		return setScalar(n, "true or false", func(s string) (ok bool) {
			*p = s == "true"
			return n.Tag == "!!bool" && (s == "true" || s == "false")
		})
	case *int:
		return setScalar(n, "a whole number", func(s string) bool {
			i, err := strconv.Atoi(s)
			*p = i
			return err == nil && i > 0
		})
	case *time.Duration:
		return setScalar(n, "a duration such as 1h30m", func(s string) bool {
			d, err := time.ParseDuration(s)
			*p = d
			return err == nil && d > 0 && strings.ContainsAny(s, "hms")
		})
	}
	return Errorf(Bug, "option %s has no decoder", f.name)
}

// setScalar passes the text of n to set, which reports whether the text can be used. The
// text is taken as written: an id such as 0123 or 12e4 is not read as a number.
func setScalar(n *yaml.Node, what string, set func(string) bool) error {
	if n.Kind != yaml.ScalarNode || !set(n.Value) {
		return at(n, "must be %s", what)
	}
	return nil
}

// setList sets list to the texts in n. what is added to the error: what they are.
func setList(n *yaml.Node, list *[]string, what string) error {
	if err := n.Decode(list); err != nil || n.Kind != yaml.SequenceNode || len(*list) == 0 || (*list)[0] == "" {
		return at(n, "must be a list%s", what)
	}
	return nil
}

// setMap sets m to the names and texts in n.
func setMap(n *yaml.Node, m *map[string]string) error {
	*m = map[string]string{}
	return eachPair(n, func(key, value *yaml.Node) error {
		return setScalar(value, "text, and not empty", func(s string) bool { (*m)[key.Value] = s; return s != "" })
	})
}

// setMaps sets list to the mappings in n.
func setMaps(n *yaml.Node, list *[]map[string]string) error {
	if n.Kind != yaml.SequenceNode || len(n.Content) == 0 {
		return at(n, "must be a list of mappings, such as [{NAME: VALUE}]")
	}
	*list = make([]map[string]string, len(n.Content))
	for i, item := range n.Content {
		if item.Kind == yaml.AliasNode {
			return at(item, "aliases are not supported; write the value out")
		}
		if err := setMap(item, &(*list)[i]); err != nil {
			return err
		}
	}
	return nil
}

func (r *SecretRef) setNode(n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode {
		if n.Value == "" {
			return at(n, "is empty")
		}
		r.literal = NewSecret(n.Value)
		return nil
	}
	n, err := r.setDepends(n)
	if err != nil {
		return err
	}
	if n.Kind != yaml.MappingNode || len(n.Content) != 2 {
		return at(n, "must be {env: NAME}, {file: PATH}, {command: [ARGV…]}, {keyring: NAME} or the secret itself")
	}
	key, value := n.Content[0], n.Content[1]
	switch key.Value {
	case "env":
		return setScalar(value, "the name of an environment variable", func(s string) bool {
			r.env = s
			return isVariable(s)
		})
	case "file":
		return setScalar(value, "the absolute path of a file, or one that begins with ~/", func(s string) bool {
			r.file = ExpandHome(s)
			return isAbs(r.file)
		})
	case "command":
		return setList(value, &r.command, ": the program and its arguments, such as [pass, show, my/password]")
	case "keyring":
		return setScalar(value, "a name as in jeton secret set NAME", func(s string) bool {
			r.keyring = s
			return CheckName(s) == nil
		})
	}
	// The key is not repeated: it may be the secret.
	return at(key, "unknown kind of secret").
		WithHint("write {env: NAME}, {file: PATH}, {command: [ARGV…]}, {keyring: NAME} or the secret itself, in " +
			"quotes if it has YAML's characters in it")
}

// setDepends sets the variables that a command depends on. It returns n without them.
func (r *SecretRef) setDepends(n *yaml.Node) (*yaml.Node, error) {
	_, depends := Get(n, "depends_on")
	if depends == nil {
		return n, nil
	}
	if _, command := Get(n, "command"); command == nil {
		return nil, at(depends, "only {command: [ARGV…]} has depends_on")
	}
	return withoutKey(n, "depends_on"), decodeVariables(depends, &r.depends)
}

// isVariable reports whether an environment variable can be called name.
func isVariable(name string) bool {
	return Word(name, "_") && name != "" && (name[0] < '0' || name[0] > '9')
}

// decodeVariables sets list to the names of environment variables in n. An empty list is
// not nil.
func decodeVariables(n *yaml.Node, list *[]string) error {
	*list = []string{}
	if err := n.Decode(list); err != nil || n.Kind != yaml.SequenceNode ||
		slices.ContainsFunc(*list, func(name string) bool { return !isVariable(name) }) {
		return at(n, "must be a list of names of environment variables")
	}
	return nil
}

// withoutKey returns the mapping n without the key called name.
func withoutKey(n *yaml.Node, name string) *yaml.Node {
	rest := *n
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == name {
			rest.Content = slices.Concat(n.Content[:i], n.Content[i+2:])
		}
	}
	return &rest
}

// decodeProfile sets p's options from the mapping n. All its keys must be options, except
// those in skip. It accepts `auth:` blocks as in clouds.yaml. literal reports whether an
// option holds the secret itself.
func decodeProfile(p *Profile, n *yaml.Node, skip ...string) (literal bool, err error) {
	targets := optionFields(p)
	names := slices.Concat(slices.Collect(maps.Keys(targets)), slices.Collect(maps.Keys(p.Issuer.Aliases)), skip,
		[]string{"auth"})
	set := map[string]*yaml.Node{}
	p.places = map[string]*yaml.Node{}
	var walk func(n *yaml.Node, top bool) error
	walk = func(n *yaml.Node, top bool) error {
		return eachPair(n, func(key, value *yaml.Node) error {
			name := key.Value
			if top && slices.Contains(skip, name) {
				return nil
			}
			if top && name == "auth" {
				return walk(value, false)
			}
			if option, ok := p.Issuer.Aliases[name]; ok {
				name = option
			}
			f, ok := targets[name]
			if !ok {
				return unknownOption(key, "plugin "+p.Issuer.Name,
					"jeton help "+p.Issuer.Name+" lists the options", names)
			}
			if former := set[name]; former != nil {
				return at(key, "%s is set twice (%s on line %d)", key.Value, name, former.Line)
			}
			set[name], p.places[key.Value] = key, key
			if err := f.setNode(value); err != nil {
				return forEach(err, func(err error) error { return fmt.Errorf("%s: %w", key.Value, err) })
			}
			if ref, ok := f.value.Interface().(SecretRef); ok && !ref.literal.IsZero() {
				literal = true
			}
			return nil
		})
	}
	return literal, walk(n, true)
}

// unknownOption returns the error for a key that is none of the options called names. of
// says whose options they are. reference is the hint if none of them is near.
func unknownOption(key *yaml.Node, of, reference string, names []string) error {
	e := at(key, "unknown option %q of %s", Shorten(key.Value), of)
	if nearest := Nearest(key.Value, names); nearest != "" {
		return e.WithMeant(key.Value, nearest)
	}
	return e.WithHint("%s", reference)
}

// eachPair calls do for each key of the mapping n, in order, and joins its errors. Duplicate
// keys are an error.
func eachPair(n *yaml.Node, do func(key, value *yaml.Node) error) (failures error) {
	if n.Kind != yaml.MappingNode {
		return at(n, "must be a mapping of names to values")
	}
	seen := map[string]int{}
	pair := func(key, value *yaml.Node) error {
		if key.Kind != yaml.ScalarNode {
			return at(key, "a key must be a name")
		}
		if line, ok := seen[key.Value]; ok {
			return at(key, "%q is already set on line %d", key.Value, line)
		}
		seen[key.Value] = key.Line
		if value.Kind == yaml.AliasNode {
			return at(value, "aliases are not supported; write the value out")
		}
		return do(key, value)
	}
	for i := 0; i < len(n.Content); i += 2 {
		if err := pair(n.Content[i], n.Content[i+1]); err != nil {
			failures = errors.Join(failures, err)
		}
	}
	return failures
}

// at returns a [Config] error at n's line and column in the configuration. If n is not
// from a file, the error names no place.
func at(n *yaml.Node, format string, args ...any) *Error {
	if n.Line > 0 {
		format = "line " + strconv.Itoa(n.Line) + ":" + strconv.Itoa(n.Column) + ": " + format
	}
	e := Errorf(Config, format, args...)
	e.Line, e.Column = n.Line, n.Column
	return e
}

// ResolveAs returns the secret that r refers to. r is the value of the option in env's
// profile.
func (r SecretRef) ResolveAs(ctx context.Context, option string, env *Env) (Secret, error) {
	s, err := r.resolve(ctx, env)
	if err != nil {
		return Secret{}, fmt.Errorf("%s: %w", option, err)
	}
	return s, nil
}
