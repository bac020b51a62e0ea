package plugin

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/zalando/go-keyring"
)

// keyringService is the name under which the system's keyring files jeton's secrets.
const keyringService = "jeton"

// keyringLimit is how long the keyring may take. A locked keyring asks the user on the
// screen. Without a screen it may never answer.
const keyringLimit = 3 * time.Second

// ErrNoSecret says that the keyring has no secret of that name.
var ErrNoSecret = errors.New("there is no such secret")

// Keyring is the system's keyring: the Secret Service on Linux, the Keychain on macOS,
// the Credential Manager on Windows. Its errors are meant for the user.
type Keyring struct {
	Getenv func(string) string
	// service is the name that the secrets are filed under, if not [keyringService].
	service string
}

func (k Keyring) files() string {
	if k.service != "" {
		return k.service
	}
	return keyringService
}

// Get returns the secret called name, or an error wrapping [ErrNoSecret].
func (k Keyring) Get(ctx context.Context, name string) (Secret, error) {
	var value string
	err := k.call(ctx, func() (err error) {
		value, err = keyring.Get(k.files(), name)
		return err
	})
	if errors.Is(err, keyring.ErrNotFound) {
		e := Errorf(Config, "keyring: there is no secret %q", name).WithFix("jeton", "secret", "set", name)
		return Secret{}, &because{e, ErrNoSecret}
	}
	if err != nil {
		return Secret{}, keyringError(err)
	}
	return cleanSecret([]byte(value))
}

// Set stores s under name, replaces what was there, and reads it back as a check.
func (k Keyring) Set(ctx context.Context, name string, s Secret) error {
	err := k.call(ctx, func() error { return keyring.Set(k.files(), name, s.Reveal()) })
	if errors.Is(err, keyring.ErrSetDataTooBig) {
		return Errorf(Config, "keyring: the secret is too large for it").WithHint("keep it in a file: {file: PATH}")
	}
	if err != nil {
		return keyringError(err)
	}
	stored, err := k.Get(ctx, name)
	if err == nil && stored.Reveal() != s.Reveal() {
		err = Errorf(Output, "keyring: it has not kept the secret %q", name)
	}
	return err
}

// CheckSecretName returns a [Usage] error if name cannot be the name of a secret in the
// keyring.
func CheckSecretName(name string) error {
	err := CheckName(name)
	if err == nil {
		return nil
	}
	e := AsError(err)
	e.Code, e.Text = Usage, "secret: the name cannot be used" // which can be the secret itself, by mistake
	return e
}

// Delete removes the secret called name, or returns an error wrapping
// [ErrNoSecret].
func (k Keyring) Delete(ctx context.Context, name string) error {
	err := k.call(ctx, func() error { return keyring.Delete(k.files(), name) })
	if errors.Is(err, keyring.ErrNotFound) {
		return &because{Errorf(Config, "keyring: there is no secret %q", name), ErrNoSecret}
	}
	return keyringError(err)
}

// call runs do within the limit. If do takes longer, it cannot be cancelled and is left
// running: the process is about to end.
func (k Keyring) call(ctx context.Context, do func() error) error {
	if err := k.present(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, keyringLimit, errHung)
	defer cancel()
	defer Waiting(ctx, "the keyring")()
	done := make(chan error, 1)
	go func() { done <- Catch(do) }()
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	for {
		select {
		case err := <-done:
			return err
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-look.C:
			var m runtime.MemStats
			if runtime.ReadMemStats(&m); m.HeapSys > keyringMemory {
				return Errorf(Config, "keyring: the session bus sends far more than an answer").
					WithHint("check what listens at DBUS_SESSION_BUS_ADDRESS")
			}
		}
	}
}

// keyringMemory is how large the heap may become while the library of the keyring works, in
// bytes. A message of D-Bus may have 128 MiB, and the library reads whatever comes.
const keyringMemory = 160 << 20

var errHung = errors.New("no answer in time")

// present returns an error if there cannot be a keyring. Without this check, D-Bus would
// try to start a bus of its own, which has no keyring either.
func (k Keyring) present() error {
	switch runtime.GOOS {
	case "darwin", "windows":
		return nil
	}
	if k.Getenv("DBUS_SESSION_BUS_ADDRESS") != "" {
		return nil
	}
	if dir := k.Getenv("XDG_RUNTIME_DIR"); dir != "" {
		if _, err := os.Stat(filepath.Join(dir, "bus")); err == nil {
			return nil
		}
	}
	return Errorf(Config, "keyring: there is none here: no session bus (DBUS_SESSION_BUS_ADDRESS is not set)").
		WithHint("a session without a desktop has no keyring: keep the secret in {file: PATH}, or use " +
			"{command: [ARGV…]}")
}

// keyringError converts an error of the keyring to an [Error].
func keyringError(err error) error {
	var own *Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &own):
		return err
	case errors.Is(err, errHung), strings.Contains(err.Error(), "prompt"),
		strings.Contains(strings.ToLower(err.Error()), "lock"):
		e := Errorf(Config, "keyring: it is locked")
		if errors.Is(err, errHung) {
			e = Errorf(Config, "keyring: it has not answered in %s", keyringLimit)
		}
		return e.WithHint("it may wait for its password at the screen: unlock it, and try again").
			RememberFor(10 * time.Second)
	case strings.Contains(err.Error(), "org.freedesktop.secrets"):
		return Errorf(Config, "keyring: no keyring runs on this session bus").
			WithHint("start one, such as gnome-keyring or KWallet, or keep the secret in {file: PATH}").
			RememberFor(10 * time.Second)
	}
	return Errorf(Config, "keyring: it cannot be used: %s", Shorten(err.Error())).RememberFor(10 * time.Second)
}
