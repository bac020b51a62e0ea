package plugin

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
)

// A KeyPlace is a place outside the file system that keeps the key which seals refresh
// tokens. A copy of the disk does not have it.
type KeyPlace string

const (
	// SystemKeyring is the keyring of the desktop, as in [Keyring].
	SystemKeyring KeyPlace = "keyring"
	// KernelKeyring is the user's keyring in the Linux kernel (keyrings(7)). It is empty
	// after a restart of the machine.
	KernelKeyring KeyPlace = "kernel"
)

// sealKeySize is the size of the key in bytes, as AES-256 wants it.
const sealKeySize = 32

// sealKeyName is the name of the key in each place.
const sealKeyName = "refresh tokens"

// sealService is the name under which the system's keyring files the key. It is not that
// of the user's secrets, so that none of them can have the key's name.
const sealService = "jeton seal"

// ErrNoSealKey says that the place has no key yet, or has lost it.
var ErrNoSealKey = errors.New("there is no key")

// SealKey returns the key that is kept at place. It returns an error wrapping
// [ErrNoSealKey] if there is none.
func SealKey(ctx context.Context, place KeyPlace, getenv func(string) string) ([]byte, error) {
	var text Secret
	var err error
	if place == KernelKeyring {
		text, err = readKernelKey(sealKeyName)
	} else {
		text, err = Keyring{Getenv: getenv, service: sealService}.Get(ctx, sealKeyName)
	}
	if errors.Is(err, ErrNoSecret) {
		return nil, Because(AsError(err), ErrNoSealKey)
	}
	if err != nil {
		return nil, err
	}
	key, err := base64.StdEncoding.DecodeString(text.Reveal())
	if err != nil || len(key) != sealKeySize {
		return nil, Because(Errorf(Config, "what the %s keeps as %q is no key of jeton's", place, sealKeyName),
			ErrNoSealKey)
	}
	return key, nil
}

// NewSealKey makes a key and keeps it at place.
func NewSealKey(ctx context.Context, place KeyPlace, getenv func(string) string) ([]byte, error) {
	key := make([]byte, sealKeySize)
	rand.Read(key)
	text := NewSecret(base64.StdEncoding.EncodeToString(key))
	if place == KernelKeyring {
		return key, writeKernelKey(sealKeyName, text)
	}
	return key, Keyring{Getenv: getenv, service: sealService}.Set(ctx, sealKeyName, text)
}
