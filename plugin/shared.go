package plugin

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// A SharedCache says how to reach the server through which several hosts share what they
// fetch: a Redis or a Valkey.
type SharedCache struct {
	URL       SecretRef `yaml:"url" help:"its address: rediss://HOST:PORT/DATABASE, or redis:// on this host"`
	Username  string    `yaml:"username" help:"the user of its access control list"`
	Password  SecretRef `yaml:"password" help:"that user's password"`
	Key       SecretRef `yaml:"key" help:"the key that seals what is shared: 32 bytes in base64, on all hosts the same"`
	OldKey    SecretRef `yaml:"old_key" help:"the old key, until all hosts have the new one"`
	CAFile    Path      `yaml:"ca_file" help:"certificate authorities of the server, PEM"`
	CertFile  Path      `yaml:"cert_file" help:"client certificate, PEM"`
	KeyFile   Path      `yaml:"key_file" help:"key of the client certificate, PEM"`
	Sentinels []string  `yaml:"sentinels" help:"the sentinels that know where the server is, HOST:PORT each"`
	Master    string    `yaml:"master" help:"the name of the server at the sentinels"`
}

// The environment variables that say where the shared cache is, and its key.
const (
	SharedVariable    = "JETON_SHARED_CACHE"
	SharedKeyVariable = "JETON_SHARED_CACHE_KEY"
)

// A SharedServer is a [SharedCache] whose secrets have been read.
type SharedServer struct {
	// Addresses are where the server is, or its sentinels: HOST:PORT each.
	Addresses []string
	// Master is the name of the server at the sentinels, or empty if there are none.
	Master   string
	TLS      *tls.Config // nil without TLS, which is for this host only
	Username string
	Password Secret
	Database int
	// Key seals what is shared, 32 bytes. OldKey is the former one, or nil.
	Key, OldKey []byte
}

// String returns the address without the login.
func (s *SharedServer) String() string {
	text := "redis://"
	if s.TLS != nil {
		text = "rediss://"
	}
	text += strings.Join(s.Addresses, ",") + "/" + strconv.Itoa(s.Database)
	if s.Master != "" {
		text += " (" + s.Master + ")"
	}
	return text
}

// Allows returns an error if what is secret must not be sent to address, HOST:PORT, which
// the server itself or a sentinel has named.
func (s *SharedServer) Allows(address string) error {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return Errorf(Unusable, "an address makes no sense")
	}
	if s.TLS == nil && !loopback(host) {
		return Errorf(Config, "it leads to %s, and redis:// is without TLS", Shorten(address)).
			WithHint("write rediss://; redis:// is for a server on this host, as localhost")
	}
	return nil
}

// Address returns where the server is, without the login, as far as s says it without a
// program.
func (s *SharedCache) Address(getenv func(string) string) string {
	server := &SharedServer{}
	if s.URL.InKey() {
		if address, err := s.URL.resolve(context.Background(), &Env{Getenv: getenv}); err == nil &&
			s.open(server, address) == nil {
			return server.String()
		}
	}
	return "shared_cache"
}

// decodeShared reads the mapping n below shared_cache.
func (f *File) decodeShared(n *yaml.Node) error {
	s := &SharedCache{}
	targets := map[string]field{}
	for _, option := range fields(s) {
		targets[option.name] = option
	}
	places := map[string]*yaml.Node{}
	err := eachPair(n, func(key, value *yaml.Node) error {
		option, ok := targets[key.Value]
		if !ok {
			names := slices.Sorted(maps.Keys(targets))
			return unknownOption(key, "shared_cache", "the options are: "+strings.Join(names, ", "), names)
		}
		places[key.Value] = key
		if err := option.setNode(value); err != nil {
			return fmt.Errorf("%s: %w", key.Value, err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	place := n
	e := s.check(func(option string) {
		if places[option] != nil {
			place = places[option]
		}
	})
	if e != nil {
		return atNode(place, fmt.Errorf("shared_cache: %w", e))
	}
	if f.exposed != nil && s.literal() {
		e := AsError(f.exposed)
		e.Text = "shared_cache: " + strings.TrimPrefix(e.Text, f.Path+" ")
		return e.WithHint("%s; or keep the secrets of shared_cache elsewhere: {env: NAME}, {file: PATH}, "+
			"{command: [ARGV…]} or {keyring: NAME}", e.Hint)
	}
	f.shared = s
	return f.anchor(s)
}

// check returns an error if s cannot be right, whatever its secrets are. It calls at with
// the option that is wrong.
func (s *SharedCache) check(at func(option string)) error {
	wrong := func(option, format string, args ...any) *Error {
		at(option)
		return Errorf(Config, option+": "+format, args...)
	}
	switch {
	case s.URL.IsZero():
		return wrong("url", "is missing").WithHint("such as url: rediss://redis.example:6379/0")
	case (s.CertFile == "") != (s.KeyFile == ""):
		return wrong("cert_file", "cert_file and key_file belong together: set both or neither")
	case (s.Sentinels == nil) != (s.Master == ""):
		return wrong("sentinels", "sentinels and master belong together: set both or neither")
	}
	for _, address := range s.Sentinels {
		if _, port, err := net.SplitHostPort(address); err != nil || port == "" || strings.ContainsAny(address, "@/") {
			return wrong("sentinels", "each must be HOST:PORT, without a login")
		}
	}
	if !s.URL.literal.IsZero() {
		if err := s.open(&SharedServer{}, s.URL.literal); err != nil {
			at("url")
			return fmt.Errorf("url: %w", err)
		}
	}
	for option, ref := range map[string]SecretRef{"key": s.Key, "old_key": s.OldKey} {
		if !ref.literal.IsZero() {
			if _, err := sharedKey(ref.literal); err != nil {
				at(option)
				return fmt.Errorf("%s: %w", option, err)
			}
		}
	}
	return nil
}

// literal reports whether the file that s is in holds a secret.
func (s *SharedCache) literal() bool {
	u, err := url.Parse(s.URL.literal.Reveal())
	for _, ref := range []SecretRef{s.Password, s.Key, s.OldKey} {
		if !ref.literal.IsZero() {
			return true
		}
	}
	return err != nil || u.User != nil
}

// Shared returns how to reach the shared cache: as the environment says, else as the file
// does. It returns nil if there is none. withheld is as in [Env].
func (f *File) Shared() (shared *SharedCache, withheld func() []string) {
	return f.sharedCache(), f.secretVariables
}

func (f *File) sharedCache() *SharedCache {
	s := f.shared
	switch at := f.getenv(SharedVariable); at {
	case "":
	case "none":
		return nil
	default:
		from := &SharedCache{URL: EnvSecret(SharedVariable)}
		if s != nil {
			from.Key, from.OldKey = s.Key, s.OldKey
		}
		s = from
	}
	if s != nil && f.getenv(SharedKeyVariable) != "" {
		with := *s
		with.Key = EnvSecret(SharedKeyVariable)
		s = &with
	}
	return s
}

// Variables returns the names of the environment variables that hold the secrets of s, which
// can be nil.
func (s *SharedCache) Variables() []string {
	names := []string{SharedVariable, SharedKeyVariable}
	if s != nil {
		for _, ref := range []SecretRef{s.URL, s.Password, s.Key, s.OldKey} {
			if ref.env != "" {
				names = append(names, ref.env)
			}
		}
	}
	return names
}

// InKey reports whether no program and no keyring is needed to read the secrets of s.
func (s *SharedCache) InKey() bool {
	return s.URL.InKey() && s.Password.InKey() && s.Key.InKey() && s.OldKey.InKey()
}

// Inputs returns what says which server s means, to be hashed with a key only.
func (s *SharedCache) Inputs(getenv func(string) string) ([]Input, error) {
	return appendInputs([]Input{{"shared cache", ""}}, keyInput(getenv), s)
}

// Open reads the secrets and files of s. Its errors have the code [Config], unless a
// program that prints a secret fails otherwise.
func (s *SharedCache) Open(ctx context.Context, env *Env) (*SharedServer, error) {
	server := &SharedServer{Username: s.Username}
	if err := s.check(func(string) {}); err != nil {
		return nil, err
	}
	if s.Key.IsZero() {
		return nil, Errorf(Config, "key is missing").
			WithHint("set key or %s to the fleet's key; to begin: openssl rand -base64 32", SharedKeyVariable)
	}
	var address, key, old Secret
	for _, part := range []struct {
		option string
		ref    SecretRef
		to     *Secret
	}{{"url", s.URL, &address}, {"password", s.Password, &server.Password}, {"key", s.Key, &key},
		{"old_key", s.OldKey, &old}} {
		if part.ref.IsZero() {
			continue
		}
		var err error
		if *part.to, err = part.ref.ResolveAs(ctx, part.option, env); err != nil {
			return nil, err
		}
	}
	if err := s.open(server, address); err != nil {
		return nil, fmt.Errorf("%s: %w", s.URL.at("url", SharedVariable), err)
	}
	var err error
	if server.Key, err = sharedKey(key); err != nil {
		return nil, fmt.Errorf("%s: %w", s.Key.at("key", SharedKeyVariable), err)
	}
	if !old.IsZero() {
		if server.OldKey, err = sharedKey(old); err != nil {
			return nil, fmt.Errorf("old_key: %w", err)
		}
	}
	if server.TLS != nil {
		files := &Common{CAFile: s.CAFile, CertFile: s.CertFile, KeyFile: s.KeyFile}
		if server.TLS, err = files.tls(); err != nil {
			return nil, err
		}
		if server.TLS.RootCAs == nil {
			server.TLS.RootCAs = systemRoots()
		}
	}
	return server, nil
}

// at returns where r is to be changed: at the variable, if it has the secret, or else at the
// option.
func (r SecretRef) at(option, variable string) string {
	if r.env == variable {
		return variable
	}
	return option
}

// open sets in server what the address says.
func (s *SharedCache) open(server *SharedServer, address Secret) error {
	u, err := url.Parse(address.Reveal())
	if err != nil || u.Scheme != "redis" && u.Scheme != "rediss" || u.RawQuery != "" || u.Fragment != "" {
		return Errorf(Config, "must be such as rediss://redis.example:6379/0").
			WithHint("in a login, write %% @ : / ? # as %%25 %%40 %%3A %%2F %%3F %%23; or use the options for it")
	}
	if u.Scheme == "rediss" {
		server.TLS = &tls.Config{}
	} else if s.CAFile != "" || s.CertFile != "" {
		return Errorf(Config, "ca_file and cert_file are for TLS: write rediss://")
	}
	if database := strings.Trim(u.Path, "/"); database != "" {
		if server.Database, err = strconv.Atoi(database); err != nil || server.Database < 0 {
			return Errorf(Config, "what follows the host must be /NUMBER, the number of the database").
				WithHint("in a login, write / as %%2F; or use the options for it")
		}
	}
	if password, ok := u.User.Password(); ok {
		if !s.Password.IsZero() {
			return Errorf(Config, "it has a password, and the option password too")
		}
		server.Password = NewSecret(password)
	}
	if name := u.User.Username(); name != "" {
		server.Username = name
	}
	return s.locate(server, u)
}

// locate sets in server where it is.
func (s *SharedCache) locate(server *SharedServer, u *url.URL) error {
	server.Master, server.Addresses = s.Master, s.Sentinels
	switch {
	case s.Master != "" && u.Host != "":
		return Errorf(Config, "it names a host, and the sentinels know where the server is").
			WithHint("write only the scheme and the database: %s:///%d", u.Scheme, server.Database)
	case s.Master == "" && u.Hostname() == "":
		return Errorf(Config, "it names no host")
	case s.Master == "":
		port := u.Port()
		if port == "" {
			port = "6379"
		}
		server.Addresses = []string{net.JoinHostPort(u.Hostname(), port)}
	}
	for _, address := range server.Addresses {
		if err := server.Allows(address); err != nil {
			return err
		}
	}
	return nil
}

// sharedKey returns the 32 bytes of a key in base64.
func sharedKey(text Secret) ([]byte, error) {
	for _, encoding := range []*base64.Encoding{base64.StdEncoding, base64.RawStdEncoding, base64.URLEncoding,
		base64.RawURLEncoding} {
		if key, err := encoding.DecodeString(text.Reveal()); err == nil && len(key) == sealKeySize {
			return key, nil
		}
	}
	return nil, Errorf(Config, "must be 32 bytes in base64").
		WithHint("it is the fleet's key; to begin: openssl rand -base64 32")
}

// ErrNotShared says that what a profile gives is for this host alone.
var ErrNotShared = errors.New("for this host alone")

// notShared returns an error wrapping [ErrNotShared].
func notShared(format string, args ...any) error {
	return Because(Errorf(Config, format, args...), ErrNotShared)
}
