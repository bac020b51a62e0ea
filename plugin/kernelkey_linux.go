package plugin

import (
	"errors"
	"runtime"

	"golang.org/x/sys/unix"
)

// kernelKeyType is the type of the keys that programs keep for themselves.
const kernelKeyType = "user"

// Permissions of a key for its possessor and its user (keyctl_setperm(3)). A process can
// be the user without possessing the key, as in a service: by default it could only see
// that the key exists.
const kernelKeyPerm = 0x3f1f0000

// readKernelKey returns the text that [writeKernelKey] has kept. It returns an error
// wrapping [ErrNoSecret] if there is none.
func readKernelKey(name string) (Secret, error) {
	id, err := unix.KeyctlSearch(unix.KEY_SPEC_USER_KEYRING, kernelKeyType, "jeton "+name, 0)
	if err == unix.ENOKEY || err == unix.EKEYEXPIRED || err == unix.EKEYREVOKED {
		return Secret{}, Because(Errorf(Config, "the kernel's keyring has no key of jeton's"), ErrNoSecret)
	}
	b := make([]byte, 4<<10)
	n := 0
	if err == nil {
		n, err = unix.KeyctlBuffer(unix.KEYCTL_READ, id, b, 0)
	}
	if err == nil && n > len(b) {
		err = errors.New("its key is larger than jeton's")
	}
	if err != nil {
		return Secret{}, kernelKeyError(err)
	}
	return NewSecret(string(b[:n])), nil
}

// writeKernelKey keeps the text in the user's keyring, and reads it back as a check.
func writeKernelKey(name string, text Secret) error {
	// The key is made where the thread possesses it, which it has to for the rest.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	id, err := unix.AddKey(kernelKeyType, "jeton "+name, []byte(text.Reveal()), unix.KEY_SPEC_THREAD_KEYRING)
	if err == nil {
		err = unix.KeyctlSetperm(id, kernelKeyPerm)
	}
	if err == nil {
		_, err = unix.KeyctlInt(unix.KEYCTL_LINK, id, unix.KEY_SPEC_USER_KEYRING, 0, 0)
	}
	if err != nil {
		return kernelKeyError(err)
	}
	kept, err := readKernelKey(name)
	if err == nil && kept.Reveal() != text.Reveal() {
		err = kernelKeyError(errors.New("it has kept something else"))
	}
	return err
}

func kernelKeyError(err error) error {
	return Errorf(Config, "the kernel's keyring cannot be used: %v", err)
}
