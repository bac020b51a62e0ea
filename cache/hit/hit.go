// Package hit answers a warm jeton get before the rest of jeton starts.
//
// kubectl and aws run jeton for every command, and a warm answer depends on nothing but a
// few files. Beyond the start of a process, most of its cost would be the initialisation
// of packages that it does not need: net/http, YAML, the command line. Go initialises
// packages in the order of their import paths, each as soon as everything that it imports
// is initialised (https://go.dev/ref/spec#Package_initialization). This package imports
// nothing, so its init runs before all others except the runtime's; TestWarmStart guards
// that order. No other package in jeton relies on the order. It is also the reason this
// package calls the kernel directly.
//
// It must print nothing that the ordinary path would not. That path leaves a [Warm]
// behind: the document that it printed, and everything that the document depended on. If
// none of this has changed, init prints the document again and ends the process. If there
// is any doubt, init returns and the ordinary path decides. Package hit assumes that a
// file with the same times, size, owner and mode has the same content and is as readable
// as before.
package hit

// A Warm is a printed document, with everything that it depended on.
type Warm struct {
	Key  string   // the name of the cache entry; when that is removed, the name leads to this
	Args []string // the command line, without the program
	Env  []string // the names of the variables that were read
	// Secret lists the names of variables that may hold secrets, and MAC is a keyed hash
	// of a value. An answer with any such variable is left to [Look].
	Secret []string
	MAC    func(value string) string
	// Files lists files whose content matters, Dirs directories where only the owner and
	// the mode matter, and Absent files that must not exist.
	Files, Dirs, Absent []string
	// From NotBefore until just before Until, the cache would have given the same answer.
	// Both are in nanoseconds since 1970.
	NotBefore, Until int64
	// ValidUntil, if not 0, is the time until which a Kubernetes client has no reason to
	// ask again, in nanoseconds since 1970.
	ValidUntil int64
	Document   []byte
}

const (
	// Dir is the name of the directory of warm answers, inside that of the cache.
	Dir = "hit"

	magic   = "jeton warm 3 "
	maxSize = 128 << 10
	exe     = "/proc/self/exe" // a different jeton may print something else

	// settled is the age in nanoseconds at which a file can no longer change without a
	// change of its times, which are kept in ticks of the kernel. settledSeconds is the
	// same for file systems that only keep seconds, or every other second.
	settled        = 20e6
	settledSeconds = 2e9
)

// These are static, because the first use of the heap would cost more than everything
// done here.
var (
	space   [maxSize]byte // for what is read
	scratch [256]byte     // for what is compared, one thing at a time
)

// Variables lists the variables that, like the command line, say what is wanted. None of
// them holds a secret.
var Variables = [...]string{"KUBERNETES_EXEC_INFO", "JETON_PROFILE", "JETON_CONFIG"}

// Name returns the name of the file for a command line and the present values of
// [Variables].
func Name(args []string) string { return string(appendHex(scratch[:0], question(args))) }

func question(args []string) uint64 {
	sum := hash(nil)
	for _, arg := range args {
		sum = more(more(sum, []byte(arg)), []byte{0})
	}
	for _, name := range Variables {
		sum = more(more(sum, []byte(getenv(name))), []byte{0})
	}
	return sum
}

// IsName reports whether name has the form of a name that Name returns.
func IsName(name string) bool {
	for i := range len(name) {
		if c := name[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return len(name) == 16
}

// Encode returns w as the content of a file. started is the time at which the process
// began, in nanoseconds since 1970. Encode returns nil if w cannot be kept: because a
// file is missing; because a file was changed so shortly before started that it can
// change again without a trace; or because only a group may read it, and the next process
// need not belong to that group. If two calls return the same, the files as read between
// them are those that the result describes. It is one function because each line of the
// file is written in the order in which [document] reads it.
func (w *Warm) Encode(started int64) []byte {
	b := append([]byte("k "), w.Key...)
	b = append(b, "\nu "...)
	b = appendInt(b, int64(geteuid()))
	b = append(b, "\nt "...)
	b = appendInt(b, w.NotBefore)
	b = append(b, ' ')
	b = appendInt(b, w.Until)
	b = append(b, ' ')
	b = appendInt(b, w.ValidUntil)
	b = append(b, '\n')
	ok := known() && clean(w.Key)
	for _, arg := range w.Args {
		b = append(append(append(b, "a "...), arg...), '\n')
		ok = ok && clean(arg)
	}
	for _, name := range w.Env {
		value := getenv(name)
		b = append(append(append(append(append(b, "e "...), name...), '='), value...), '\n')
		ok = ok && clean(name) && clean(value)
	}
	for _, name := range w.Secret {
		b = append(append(append(append(append(b, "m "...), name...), '='), w.MAC(getenv(name))...), '\n')
		ok = ok && clean(name)
	}
	for _, path := range w.Absent {
		b = append(append(append(b, "n "...), path...), '\n')
		ok = ok && clean(path) && absent(path)
	}
	for _, path := range append([]string{exe}, w.Files...) {
		id, changed, readable := fileID(path)
		b = append(append(append(append(append(b, "f "...), id...), ' '), path...), '\n')
		wait := int64(settled)
		if changed%1e9 == 0 {
			wait = settledSeconds
		}
		ok = ok && id != nil && readable && clean(path) && changed < started-wait
	}
	for _, path := range w.Dirs {
		id := dirID(path)
		b = append(append(append(append(append(b, "d "...), id...), ' '), path...), '\n')
		ok = ok && id != nil && clean(path)
	}
	b = append(append(b, '\n'), w.Document...)
	if !ok || len(b) > maxSize-100 {
		return nil
	}
	head := append(appendHex([]byte(magic), hash(b)), '\n')
	return append(head, b...)
}

// IsOf reports whether b, a file made by Encode, is about the key.
func IsOf(b []byte, key string) bool {
	start := len(magic) + 16 + 1 + len("k ")
	return len(b) > start+len(key) && string(b[start:start+len(key)]) == key
}

// about returns the key that b, a file made by Encode, is about. It also returns the time
// until which a Kubernetes client was told that the document is good, in nanoseconds
// since 1970, or 0.
func about(b []byte) (key string, validUntil int64) {
	start := len(magic) + 16 + 1
	for start < len(b) {
		end := start
		for end < len(b) && b[end] != '\n' {
			end++
		}
		switch line := b[start:end]; {
		case len(line) < 2:
			return key, 0
		case line[0] == 'k':
			key = string(line[2:])
		case line[0] == 't':
			_, _, validUntil = times(line[2:])
			return key, validUntil
		}
		start = end + 1
	}
	return key, 0
}

// document returns the document to print if b is a file that Encode made for this command
// line and nothing has changed since. If mac is nil, it returns no answer that depends on
// a secret. It is one function because a call for each line would make the stack grow,
// which costs more than everything done here.
func document(b []byte, args []string, now int64, mac func(value string) string) []byte {
	start := len(magic) + 16 + 1
	if len(b) < start || string(b[:len(magic)]) != magic ||
		string(b[len(magic):start-1]) != string(appendHex(scratch[:0], hash(b[start:]))) {
		return nil
	}
	b = b[start:]
	seen := 0 // the number of arguments seen
	for {
		end := 0
		for end < len(b) && b[end] != '\n' {
			end++
		}
		if end == len(b) {
			return nil
		}
		line := b[:end]
		b = b[end+1:]
		if len(line) == 0 {
			if seen != len(args) {
				return nil
			}
			return b
		}
		if len(line) < 2 || line[1] != ' ' {
			return nil
		}
		text := line[2:]
		same := false
		switch line[0] {
		case 'k':
			same = true
		case 'u':
			same = string(text) == string(appendInt(scratch[:0], int64(geteuid())))
		case 't':
			notBefore, until, _ := times(text)
			same = now >= notBefore && now < until
		case 'a':
			same = seen < len(args) && args[seen] == string(text)
			seen++
		case 'e':
			name, value := cut(text, '=')
			same = getenv(name) == value
		case 'm':
			name, sum := cut(text, '=')
			same = mac != nil && mac(getenv(name)) == sum
		case 'n':
			same = absent(string(text))
		case 'f':
			path := lastField(text, fileFields)
			id, _, _ := fileID(path)
			same = id != nil && string(id) == string(text[:max(0, len(text)-len(path)-1)])
		case 'd':
			path := lastField(text, dirFields)
			id := dirID(path)
			same = id != nil && string(id) == string(text[:max(0, len(text)-len(path)-1)])
		}
		if !same {
			return nil
		}
	}
}

// directory returns the directory of the cache, as the ordinary path finds it on this
// system, or "" if the environment alone does not say.
func directory() string {
	for _, v := range [][2]string{{"JETON_CACHE_DIR", ""}, {"XDG_CACHE_HOME", "/jeton"}, {"HOME", "/.cache/jeton"}} {
		if dir := getenv(v[0]); dir != "" {
			if dir[0] != '/' {
				return ""
			}
			return dir + v[1]
		}
	}
	return ""
}

// The rest is what the standard library would do. Importing it would bring in further
// packages.

func clean(s string) bool {
	for i := range len(s) {
		if s[i] == '\n' {
			return false
		}
	}
	return true
}

// hash is FNV-1a: the file is the user's own, and needs protection only against
// accidents.
func hash(b []byte) uint64 { return more(14695981039346656037, b) }

func more(sum uint64, b []byte) uint64 {
	for _, c := range b {
		sum = (sum ^ uint64(c)) * 1099511628211
	}
	return sum
}

func appendHex(b []byte, n uint64) []byte {
	for shift := 60; shift >= 0; shift -= 4 {
		b = append(b, "0123456789abcdef"[n>>shift&15])
	}
	return b
}

func appendInt(b []byte, n int64) []byte {
	if n < 0 {
		b, n = append(b, '-'), -n
	}
	digits := int64(1)
	for n/digits >= 10 {
		digits *= 10
	}
	for ; digits > 0; digits /= 10 { // recursion would make the stack grow
		b = append(b, byte('0'+n/digits%10))
	}
	return b
}

func parseInt(b []byte) (n int64) {
	negative := len(b) > 0 && b[0] == '-'
	if negative {
		b = b[1:]
	}
	for _, c := range b {
		n = n*10 + int64(c-'0')
	}
	if negative {
		return -n
	}
	return n
}

func times(text []byte) (notBefore, until, validUntil int64) {
	var n [3]int64
	start, field := 0, 0
	for i := range len(text) + 1 {
		if i < len(text) && text[i] != ' ' {
			continue
		}
		if field < len(n) {
			n[field] = parseInt(text[start:i])
		}
		start, field = i+1, field+1
	}
	return n[0], n[1], n[2]
}

func cut(text []byte, at byte) (before, after string) {
	for i := range text {
		if text[i] == at {
			return string(text[:i]), string(text[i+1:])
		}
	}
	return string(text), ""
}

// lastField returns what follows the first n fields of text. It may contain blanks.
func lastField(text []byte, n int) string {
	for i := range text {
		if text[i] == ' ' {
			if n--; n == 0 {
				return string(text[i+1:])
			}
		}
	}
	return ""
}
