package plugin

import (
	"errors"
	"testing"
)

// The kernel's keyring keeps a key for this user, and replaces it.
func TestKernelKey(t *testing.T) {
	const name = "test key"
	if _, err := readKernelKey(name); err != nil && !errors.Is(err, ErrNoSecret) {
		t.Skip("no kernel keyring here: ", err)
	}
	for _, text := range []string{"first", "second"} {
		if err := writeKernelKey(name, NewSecret(text)); err != nil {
			t.Skip("no kernel keyring here: ", err)
		}
		if kept, err := readKernelKey(name); err != nil || kept.Reveal() != text {
			t.Errorf("%q was kept as %q, %v", text, kept.Reveal(), err)
		}
	}
}
