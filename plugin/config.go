package plugin

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// A File is the configuration file, which holds named profiles.
type File struct {
	Path    string
	Exists  bool
	Text    []byte
	nodes   map[string]*yaml.Node
	names   []string // in file order
	issuers Issuers
	getenv  func(string) string
	exposed error // why others could read a literal secret in the file, or nil
	missing error // why there cannot be a file, or nil
	shared  *SharedCache
}

// NoFile returns an empty file without a path. It serves the identity in the environment
// where there is no place for a configuration file. missing says why there is none.
func NoFile(missing error, issuers Issuers, getenv func(string) string) *File {
	return &File{missing: missing, issuers: issuers, getenv: getenv}
}

// maxConfig is the largest configuration file in bytes: 8 MiB, enough for tens of
// thousands of profiles.
const maxConfig = 8 << 20

// ReadFile reads the configuration file at path. It is strict: anything unknown is an
// error that names its line and column. A missing file counts as an empty one. If
// required is set, it is an error wrapping [os.ErrNotExist] instead.
func ReadFile(path string, required bool, issuers Issuers, getenv func(string) string) (*File, error) {
	f := &File{Path: path, issuers: issuers, getenv: getenv}
	b, exposed, err := readExposed(path, maxConfig)
	if errors.Is(err, os.ErrNotExist) && !required {
		return f, nil
	}
	if err != nil {
		return nil, err
	}
	f.Exists, f.exposed = true, exposed
	return f.With(b)
}

// With returns a copy of f with text as its content. It returns an error if text is not a
// valid configuration.
func (f *File) With(text []byte) (*File, error) {
	edited := *f
	edited.Text, edited.nodes, edited.names, edited.shared = text, map[string]*yaml.Node{}, nil, nil
	if err := edited.parse(text); err != nil {
		return nil, forEach(err, func(err error) error { return fmt.Errorf("%s: %w", f.Path, inFile(f.Path, err)) })
	}
	return &edited, nil
}

func (f *File) parse(b []byte) error {
	if !utf8.Valid(b) {
		return Errorf(Config, "is not UTF-8 text")
	}
	decoder := yaml.NewDecoder(bytes.NewReader(b))
	var doc yaml.Node
	if err := decoder.Decode(&doc); err == io.EOF {
		return nil
	} else if err != nil {
		return YAMLError(err)
	}
	if err := decoder.Decode(new(yaml.Node)); err != io.EOF {
		return Errorf(Config, "holds more than one YAML document")
	}
	return eachPair(doc.Content[0], func(key, value *yaml.Node) error {
		switch key.Value {
		case "shared_cache":
			return f.decodeShared(value)
		case "profiles":
		default:
			e := at(key, "unknown key %q", key.Value)
			if nearest := Nearest(key.Value, []string{"profiles", "shared_cache"}); nearest != "" {
				return e.WithMeant(key.Value, nearest)
			}
			return e.WithHint("profiles belong below \"profiles:\"")
		}
		if value.Tag == "!!null" {
			return nil // no profiles yet, or all were removed
		}
		return eachPair(value, func(key, value *yaml.Node) error {
			if err := CheckName(key.Value); err != nil {
				return atNode(key, err)
			}
			if f.issuers.Reserved(key.Value) {
				return at(key, "profile name %q is reserved for the identity in the environment", key.Value)
			}
			if value.Kind != yaml.MappingNode && value.Kind != yaml.AliasNode {
				return at(key, "profile %q has no options", key.Value).
					WithHint("below profiles: come the profiles' names, and below each of them its options")
			}
			f.nodes[key.Value] = value
			f.names = append(f.names, key.Value)
			return nil
		})
	})
}

// YAMLError converts a syntax error of the YAML library to a [Config] error. It keeps the
// line and the cause. It drops what the library quotes from the file, because that may be
// a secret.
func YAMLError(err error) error {
	quotedText := regexp.MustCompile(`'[^']{2,}'`)
	text := quotedText.ReplaceAllString(strings.TrimPrefix(err.Error(), "yaml: "), "'…'")
	e := Errorf(Config, "is not valid YAML: %s", Shorten(text))
	if rest, ok := strings.CutPrefix(text, "line "); ok { // the library gives the line only in its text
		number, _, _ := strings.Cut(rest, ":")
		e.Line, _ = strconv.Atoi(number)
	}
	switch {
	case strings.Contains(text, "cannot start any token"):
		return e.WithHint("YAML takes no tabs before a name; and a value that begins with @, %% or a backtick " +
			"needs quotes")
	case strings.Contains(text, "anchor"), strings.Contains(text, "mapping values"):
		return e.WithHint("put a value in quotes if it begins with * or &, or has \": \" in it")
	}
	return e
}

// Word reports whether s consists of ASCII letters, digits and the characters in extra.
// It uses no regular expression, because that would be compiled at every start of jeton.
func Word(s, extra string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune(extra, r))
	})
}

// CheckName returns a [Config] error if name cannot be the name of a profile or of a
// secret in the keyring.
func CheckName(name string) error {
	if len(name) > 100 || name == "" || !Word(name[:1], "_") || !Word(name, "_.@-") || strings.Contains(name, "..") {
		return Errorf(Config, "name %s cannot be used", strconv.Quote(Shorten(name))).
			WithHint("use letters, digits and _ . @ -, at most 100, and begin with a letter or digit")
	}
	return nil
}

// Names returns the names of the profiles, in file order.
func (f *File) Names() []string { return slices.Clone(f.names) }

// Has reports whether the file has a profile called name.
func (f *File) Has(name string) bool { return f.nodes[name] != nil }

// Profile returns the profile called name, with the profiles below it.
func (f *File) Profile(name string) (*Profile, error) { return f.profile(name, nil) }

func (f *File) profile(name string, above []string) (*Profile, error) {
	if slices.Contains(above, name) {
		return nil, inFile(f.Path, Errorf(Config, "%s: from goes in a circle: %s → %s", f.Path,
			strings.Join(above, " → "), name))
	}
	var p *Profile
	var err error
	if f.issuers.Reserved(name) {
		p, _, err = f.issuers.FromEnvironment(name, f.getenv)
		if err == nil && p == nil {
			err = Errorf(Config, "the environment holds no complete identity").
				WithHint("set OS_AUTH_URL, OS_USERNAME and OS_PASSWORD, or source an openrc file")
		}
		if err != nil {
			return nil, fmt.Errorf("profile %s: %w", name, err)
		}
		p.Config = f.Path
		return p, nil
	}
	node := f.nodes[name]
	if node == nil {
		if p, err := f.implied(name, above); p != nil || err != nil {
			return p, err
		}
		return nil, f.noProfile(name, above)
	}
	if p, err = f.decode(name, node); err != nil {
		return nil, f.about(name, err)
	}
	if p.Common.From != "" {
		if p.Base, err = f.profile(p.Common.From, append(above, name)); err != nil {
			return nil, err
		}
	}
	err = forEach(p.complete(), func(err error) error {
		// An error about an option's value begins with the option's name.
		word, _, _ := strings.Cut(err.Error(), " ")
		if option := p.places[strings.TrimSuffix(word, ":")]; option != nil {
			return atNode(option, err)
		}
		return atNode(node, err)
	})
	if err != nil {
		return nil, f.about(name, err)
	}
	return p, nil
}

// about returns err as one or more errors about the profile called name, or nil.
func (f *File) about(name string, err error) error {
	return forEach(err, func(err error) error {
		return fmt.Errorf("%s: profile %s: %w", f.Path, name, inFile(f.Path, err))
	})
}

// Check returns an error if d cannot be a profile of f. It checks d alone, so the error
// names no place in the file.
func (f *File) Check(d Draft) error {
	p, err := f.decode(d.Name, d.node())
	if err != nil {
		return err
	}
	return p.complete()
}

// NeedsPlainHTTP returns the error for which d cannot be a profile of f, but could be if it
// were allowed to send secrets over http. It returns nil if d does not need that.
func (f *File) NeedsPlainHTTP(d Draft) error {
	_, err := f.Trial(d)
	_, allowed := f.Trial(d.WithPlainHTTP())
	return without(err, allowed)
}

// without returns the first of the errors in err that is not among those in others, or nil.
func without(err, others error) error {
	for _, err := range Each(err) {
		if !slices.ContainsFunc(Each(others), func(other error) bool { return other.Error() == err.Error() }) {
			return err
		}
	}
	return nil
}

// inFile returns err as an error about the file at path.
func inFile(path string, err error) error {
	if e := (*Error)(nil); errors.As(err, &e) {
		e.Path = path
	}
	return err
}

// atNode returns err as an error about n, with n's line and column.
func atNode(n *yaml.Node, err error) error {
	if e := (*Error)(nil); errors.As(err, &e) {
		e.Line, e.Column = n.Line, n.Column
	}
	return fmt.Errorf("line %d:%d: %w", n.Line, n.Column, err)
}

// noProfile returns an error that says that no profile is called name, and which profiles
// there are.
func (f *File) noProfile(name string, above []string) error {
	if f.missing != nil {
		return f.missing
	}
	e := Errorf(Config, "there is no profile %q in %s", Shorten(name), f.Path)
	if len(above) > 0 {
		e = Errorf(Config, "%s: profile %s: from: there is no profile %q", f.Path, above[len(above)-1], Shorten(name))
	}
	e.Path = f.Path
	others := slices.DeleteFunc(slices.Clone(f.names), func(other string) bool { return slices.Contains(above, other) })
	if nearest := Nearest(name, others); nearest != "" {
		return e.WithMeant(name, nearest)
	}
	if len(f.names) == 0 {
		return e.WithHint("write one there, or source an openrc file and use the profile env")
	}
	return e.WithHint("the profiles are: %s", strings.Join(f.names, ", "))
}

func (f *File) decode(name string, node *yaml.Node) (*Profile, error) {
	p := &Profile{Name: name, Config: f.Path, withheld: f.secretVariables}
	var plugin *yaml.Node
	if err := eachPair(node, func(key, value *yaml.Node) error {
		if key.Value == "plugin" {
			plugin = value
		}
		return nil
	}); err != nil {
		return nil, err
	}
	if plugin == nil {
		return nil, at(node, "no plugin is named").
			WithHint("add a line such as \"plugin: %s\"; there are: %s", f.issuers[0].Name,
				strings.Join(f.issuers.Names(), ", "))
	}
	for i := range f.issuers {
		if f.issuers[i].Name == plugin.Value {
			p.Issuer = &f.issuers[i]
		}
	}
	if p.Issuer == nil {
		e := at(plugin, "there is no plugin %q", Shorten(plugin.Value))
		if nearest := Nearest(plugin.Value, f.issuers.Names()); nearest != "" {
			return nil, e.WithMeant(plugin.Value, nearest)
		}
		return nil, e.WithHint("there are: %s", strings.Join(f.issuers.Names(), ", "))
	}
	p.Options = p.Issuer.New()
	literal, err := decodeProfile(p, node, "plugin")
	if err != nil {
		return nil, err
	}
	if literal && f.exposed != nil {
		e := AsError(f.exposed)
		return nil, e.WithHint("%s; or keep the secret elsewhere: {env: NAME}, {file: PATH}, {command: [ARGV…]} or "+
			"{keyring: NAME}", e.Hint)
	}
	return p, f.anchor(p.Options)
}

// anchor has the programs among the options in the struct that block points to found from
// the folder of f.
func (f *File) anchor(block any) error {
	dir, err := filepath.Abs(filepath.Dir(f.Path))
	if err != nil {
		return Errorf(Config, "%v", err)
	}
	for _, option := range fields(block) {
		switch v := option.value.Addr().Interface().(type) {
		case *Argv:
			if len(*v) > 0 {
				*v = beside(dir, *v)
			}
		case *SecretRef:
			if v.command != nil {
				v.command = beside(dir, v.command)
			}
		}
	}
	return nil
}

// secretVariables returns the environment variables that the profiles and the shared cache
// of f name as {env: NAME}.
func (f *File) secretVariables() (names []string) {
	names = f.shared.Variables()
	for _, node := range f.nodes {
		for i := 1; i < len(node.Content); i += 2 {
			value := node.Content[i]
			if _, variable := Get(value, "env"); variable != nil {
				names = append(names, variable.Value)
			}
			for j := 1; j < len(value.Content); j += 2 { // below auth:
				if _, variable := Get(value.Content[j], "env"); variable != nil {
					names = append(names, variable.Value)
				}
			}
		}
	}
	return names
}

// ExpandHome replaces a leading ~/ with the home directory.
func ExpandHome(path string) string {
	rest, ok := strings.CutPrefix(path, "~/")
	if !ok && runtime.GOOS == "windows" {
		rest, ok = strings.CutPrefix(path, `~\`)
	}
	if ok {
		if home, err := os.UserHomeDir(); err == nil {
			return filepath.Join(home, rest)
		}
	}
	return path
}

func isAbs(path string) bool { return filepath.IsAbs(path) }
