package plugin

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"unicode/utf8"
)

// A Secret is a string that fmt, log/slog and encoding/json do not print. The value is
// behind a pointer, because reflection on an unexported field bypasses methods: even that
// does not show it. slog uses the methods for the other two. Importing log/slog for a
// method of its own would make every start slower.
type Secret struct{ value *string }

// NewSecret returns s as a Secret.
func NewSecret(s string) Secret {
	if s == "" {
		return Secret{}
	}
	return Secret{&s}
}

// Reveal returns the value, for use on the wire and in the document only.
func (s Secret) Reveal() string {
	if s.value == nil {
		return ""
	}
	return *s.value
}

// IsZero reports whether there is no secret.
func (s Secret) IsZero() bool { return s.value == nil }

const redacted = "(secret)"

func (s Secret) String() string               { return redacted }
func (s Secret) GoString() string             { return redacted }
func (s Secret) Format(f fmt.State, _ rune)   { io.WriteString(f, redacted) }
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// A SecretRef says where a secret is kept: {env: NAME}, {file: PATH},
// {command: [ARGV…]}, {keyring: NAME} or the value itself. A command may have
// depends_on: [NAME…] beside it.
type SecretRef struct {
	literal Secret
	env     string
	file    string
	command []string
	depends []string // the variables that what the command prints depends on
	keyring string
}

// EnvSecret returns a reference to the environment variable called name.
func EnvSecret(name string) SecretRef { return SecretRef{env: name} }

// AskVariable returns a POSIX shell command line that asks for a secret without echo, and
// exports it.
func AskVariable(name string) string {
	return fmt.Sprintf(`printf '%[1]s: ' >&2; stty -echo 2>/dev/null; IFS= read -r %[1]s; stty echo 2>/dev/null; export %[1]s`, name)
}

// IsZero reports whether the reference is absent.
func (r SecretRef) IsZero() bool {
	return r.literal.IsZero() && r.env == "" && r.file == "" && r.command == nil && r.keyring == ""
}

// InKey reports whether the secret itself enters the cache key, so that a different
// secret gives a different key.
func (r SecretRef) InKey() bool { return r.command == nil && r.keyring == "" }

// maxSecret is the largest secret in bytes, 64 KiB.
const maxSecret = 64 << 10

func (r SecretRef) resolve(ctx context.Context, env *Env) (Secret, error) {
	getenv := env.Getenv
	switch {
	case r.env != "":
		v := getenv(r.env)
		if v == "" {
			e := Errorf(Config, "environment variable %s is not set", r.env)
			e.Variable, e.Fix = r.env, AskVariable(r.env)
			return Secret{}, e.WithHint("set it in this shell: %s", e.Fix)
		}
		if strings.HasSuffix(v, "\r") { // a login with it would be refused, and counted
			return Secret{}, Errorf(Config, "environment variable %s ends with a carriage return", r.env).
				WithHint("the file that set it has the line ends of Windows: take them off, and source it again")
		}
		return NewSecret(v), nil
	case r.file != "":
		return readSecretFile(r.file, getenv)
	case r.command != nil:
		return runSecretCommand(ctx, r.program(), env)
	case r.keyring != "":
		return Keyring{Getenv: getenv}.Get(ctx, r.keyring)
	}
	return r.literal, nil
}

func (r SecretRef) program() Program { return Program{Argv: r.command, Depends: r.depends} }

// CacheInput returns what enters the cache key: the secret, except for a command (its path,
// argv and variables) and the keyring (only the name). A cached answer therefore needs neither the
// command nor the keyring.
func (r SecretRef) CacheInput(getenv func(string) string) (string, error) {
	if r.command != nil {
		return r.program().CacheInput(getenv), nil
	}
	if r.keyring != "" {
		return "keyring\x00" + r.keyring, nil
	}
	s, err := r.resolve(context.Background(), &Env{Getenv: getenv})
	return "value\x00" + s.Reveal(), err
}

func readSecretFile(path string, getenv func(string) string) (Secret, error) {
	shared := underAny(path, "/run/secrets", "/var/run/secrets", getenv("CREDENTIALS_DIRECTORY"))
	rule := private
	if shared {
		rule = readable
	}
	b, err := readOwnFile(path, maxSecret, rule)
	if err != nil {
		return Secret{}, err
	}
	s, err := cleanSecret(b)
	if err != nil {
		return Secret{}, fmt.Errorf("%s: %w", path, err)
	}
	return s, nil
}

func underAny(path string, dirs ...string) bool {
	for _, dir := range dirs {
		if dir == "" {
			continue
		}
		if rel, err := filepath.Rel(dir, path); err == nil && filepath.IsLocal(rel) {
			return true
		}
	}
	return false
}

func runSecretCommand(ctx context.Context, p Program, env *Env) (Secret, error) {
	out, err := p.Run(ctx, env)
	if err != nil {
		return Secret{}, err
	}
	s, err := cleanSecret(out)
	if err != nil {
		return Secret{}, fmt.Errorf("command %q: %w", p.Argv[0], err)
	}
	return s, nil
}

// ReadSecret reads a secret from r up to its end.
func ReadSecret(r io.Reader) (Secret, error) {
	b, err := io.ReadAll(io.LimitReader(r, maxSecret+1))
	if err != nil {
		return Secret{}, Errorf(Config, "the secret cannot be read")
	}
	return cleanSecret(b)
}

// cleanSecret removes the one line ending that editors and programs add, and returns an
// error for anything that cannot be a secret.
func cleanSecret(b []byte) (Secret, error) {
	if len(b) > maxSecret {
		return Secret{}, Errorf(Config, "the secret is larger than 64 KiB")
	}
	s := strings.TrimSuffix(strings.TrimSuffix(string(b), "\n"), "\r")
	switch {
	case s == "":
		return Secret{}, Errorf(Config, "the secret is empty")
	case !utf8.ValidString(s):
		return Secret{}, Errorf(Config, "the secret is not UTF-8 text")
	case strings.HasPrefix(s, "\ufeff"):
		return Secret{}, Errorf(Config, "the secret begins with a byte order mark")
	case strings.ContainsAny(s, "\r\n\x00"):
		return Secret{}, Errorf(Config, "the secret has more than one line")
	}
	return NewSecret(s), nil
}

// limited keeps the first maxSecret+1 bytes written to it.
type limited struct{ bytes.Buffer }

func (l *limited) Write(p []byte) (int, error) {
	l.Buffer.Write(p[:min(len(p), max(0, maxSecret+1-l.Len()))])
	return len(p), nil
}
