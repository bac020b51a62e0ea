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

// A Key says which credential is meant: it is made of every input that decides
// what the issuer hands out, so that an edited profile never gets what was
// obtained before the edit. It holds no secret and tells nothing of one
// without the pepper.
type Key struct {
	Name  string   // a file name
	Below []string // the names of the keys of the profiles below
	seal  []byte
}

// isKeyName reports whether name is like that of a key.
func isKeyName(name string) bool {
	return len(name) == 32 && strings.Trim(name, "0123456789abcdef") == ""
}

// pepperName is the file with 32 random bytes that enter every key, so that a
// copied cache directory gives no hashes to guess passwords by.
const pepperName = "pepper"

const pepperSize = 32

// PepperPath returns where the pepper in the directory is.
func PepperPath(dir string) string { return filepath.Join(dir, pepperName) }

// SecretMAC returns a hash of secrets that tells nothing to who has no pepper.
func SecretMAC(pepper []byte) func(secret string) string {
	return func(secret string) string { return hex.EncodeToString(mac(pepper, "jeton secret 1", []byte(secret))) }
}

// Pepper returns the pepper kept in s, and makes it the first time.
func Pepper(ctx context.Context, s State) ([]byte, error) {
	if b, err := s.Get(ctx, pepperName); err == nil && len(b) == pepperSize {
		return b, nil
	}
	unlock, err := s.Lock(ctx, pepperName)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if b, err := s.Get(ctx, pepperName); err == nil && len(b) == pepperSize {
		return b, nil
	}
	b := make([]byte, pepperSize)
	rand.Read(b)
	return b, s.Put(ctx, pepperName, b)
}

// newKey returns the key of a profile, given the keys of those below it.
func newKey(pepper []byte, inputs []plugin.Input, below *Key) Key {
	var k Key
	canonical := []byte{}
	add := func(s string) {
		// The length goes first, so that no two lists of inputs look alike.
		canonical = binary.BigEndian.AppendUint64(canonical, uint64(len(s)))
		canonical = append(canonical, s...)
	}
	for _, in := range inputs {
		add(in.Name)
		add(in.Value)
	}
	if below != nil {
		add("\x00from") // no option is called so
		add(below.Name)
		k.Below = append([]string{below.Name}, below.Below...)
	}
	k.Name = hex.EncodeToString(mac(pepper, "jeton key 1", canonical)[:16])
	k.seal = sealFor(pepper, k.Name)
	return k
}

// sealFor returns the key with which the entry called name is authenticated.
func sealFor(pepper []byte, name string) []byte { return mac(pepper, "jeton entry 1", []byte(name)) }

func mac(key []byte, purpose string, message []byte) []byte {
	h := hmac.New(sha256.New, key)
	fmt.Fprintf(h, "%s\x00", purpose)
	h.Write(message)
	return h.Sum(nil)
}
