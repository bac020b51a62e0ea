package cache

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/jeton-cli/jeton/plugin"
)

// A Key identifies a credential. It is derived from every input that decides what the
// issuer hands out, so that an edited profile never gets a credential obtained before the
// edit. It holds no secret, and reveals nothing about one without the pepper.
type Key struct {
	Name  string   // a file name
	Below []string // the names of the keys of the profiles below
	seal  []byte
}

// isKeyName reports whether name has the form of a key's name.
func isKeyName(name string) bool {
	return len(name) == 32 && strings.Trim(name, "0123456789abcdef") == ""
}

// pepperName is the file with the 32 random bytes that enter every key, so that a copied
// cache directory holds no hashes to test guessed passwords against.
const pepperName = "pepper"

const pepperSize = 32

// PepperPath returns the path of the pepper in dir.
func PepperPath(dir string) string { return filepath.Join(dir, pepperName) }

// SecretMAC returns a function that hashes a secret. The hash reveals nothing without the
// pepper.
func SecretMAC(pepper []byte) func(secret string) string {
	return func(secret string) string { return hex.EncodeToString(mac(pepper, "jeton secret 1", []byte(secret))) }
}

// Pepper returns the pepper kept in s. The first call creates it.
func Pepper(ctx context.Context, s State) ([]byte, error) {
	if b, err := s.Get(ctx, pepperName); err == nil && len(b) == pepperSize {
		return b, nil
	}
	unlock, err := s.Lock(ctx, pepperName)
	switch {
	case err == nil:
		defer unlock()
	case ctx.Err() != nil:
		return nil, err
	} // without locks, the last of those who come first at once makes the pepper
	if b, err := s.Get(ctx, pepperName); err == nil && len(b) == pepperSize {
		return b, nil
	}
	b := make([]byte, pepperSize)
	rand.Read(b)
	return b, s.Put(ctx, pepperName, b)
}

// newKey returns the key of a profile with these inputs. below is the key of the profile
// below it, or nil.
func newKey(pepper []byte, inputs []plugin.Input, below *Key) Key {
	var k Key
	canonical := appendInputs(nil, inputs)
	if below != nil {
		canonical = appendText(canonical, "\x00from") // no option has this name
		canonical = appendText(canonical, below.Name)
		k.Below = append([]string{below.Name}, below.Below...)
	}
	k.Name = hex.EncodeToString(mac(pepper, "jeton key 1", canonical)[:16])
	k.seal = sealFor(pepper, k.Name)
	return k
}

// appendInputs appends the inputs to b in their canonical form.
func appendInputs(b []byte, inputs []plugin.Input) []byte {
	for _, in := range inputs {
		b = appendText(appendText(b, in.Name), in.Value)
	}
	return b
}

// appendText appends s to b. Its length comes first, so that no two lists of texts look
// alike.
func appendText(b []byte, s string) []byte {
	b = binary.BigEndian.AppendUint64(b, uint64(len(s)))
	return append(b, s...)
}

// sealFor returns the key that authenticates the entry called name.
func sealFor(pepper []byte, name string) []byte { return mac(pepper, "jeton entry 1", []byte(name)) }

func mac(key []byte, purpose string, message []byte) []byte {
	h := hmac.New(sha256.New, key)
	fmt.Fprintf(h, "%s\x00", purpose)
	h.Write(message)
	return h.Sum(nil)
}
