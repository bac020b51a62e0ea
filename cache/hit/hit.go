// Package hit answers a warm jeton get before anything else of jeton begins.
//
// kubectl and aws run jeton for every command, and a warm answer depends on
// nothing but a few files. What it would cost beyond the start of a process is
// mostly the initialisation of packages that it has no use for: net/http, YAML, the
// command line. Go initialises packages by their import paths, each as soon as all
// that it imports is initialised (https://go.dev/ref/spec#Package_initialization).
// This one imports nothing, so that its init comes before all but the runtime's;
// TestWarmStart guards that order. It is the only place in jeton that relies on it,
// and why it asks the kernel by itself.
//
// It is to say nothing that the ordinary path would not. That path leaves a [Warm]
// behind: the document that it has printed, and all that the document depended on.
// If every one of these is what it was, the document is printed again and the
// process ends. On any doubt init returns, and the ordinary path decides. What it
// relies on is that a file whose times, size, owner and mode are the same has the same
// content, and is as readable as it was.
package hit

// A Warm is a document that was printed, with what it depended on.
type Warm struct {
	Key  string   // of the cache entry: by it the file is found when that goes
	Args []string // of the command line, without the program
	Env  []string // the names of the variables that were read
	// Secret are the names of variables that may hold secrets, and MAC a keyed hash
	// of a value. An answer with any is left to [Look].
	Secret []string
	MAC    func(value string) string
	// Files are those whose content counts, Dirs those of which only the owner and
	// the mode do, and Absent those that there are not.
	Files, Dirs, Absent []string
	// From NotBefore, and until before Until, the cache would have given no
	// other answer. In nanoseconds since 1970.
	NotBefore, Until int64
	// ValidUntil, if not 0, is until when a Kubernetes client has no reason to ask again.
	ValidUntil int64
	Document   []byte
}

const (
	// Dir is the directory of what is left behind, below that of the cache.
	Dir = "hit"

	magic   = "jeton warm 3 "
	maxSize = 128 << 10
	exe     = "/proc/self/exe" // another jeton may print something else

	// settled is the age in nanoseconds at which a file can no longer change
	// without its times changing too: they are kept in ticks of the kernel's. Some
	// file systems know only seconds, or every other one.
	settled        = 20e6
	settledSeconds = 2e9
)

// The first use of the heap would cost more than all that is done here.
var (
	space   [maxSize]byte // for what is read
	scratch [256]byte     // for what is compared, one thing at a time
)

// Variables are those that say more of what is wanted. None holds a secret.
var Variables = [...]string{"KUBERNETES_EXEC_INFO", "JETON_PROFILE", "JETON_CONFIG"}

// Name returns the name of the file for a command line and the variables that say
// more of what is wanted.
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

// IsName reports whether name is like one that Name returns.
func IsName(name string) bool {
	for i := range len(name) {
		if c := name[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return len(name) == 16
}

// Encode returns w as a file, or nil if it cannot be one: a file is missing, or was
// changed so shortly before started, a time in nanoseconds since 1970, that it can
// change again and not show it, or may be read by a group only, of which the process
// need not be the next time. Who has read the files between two calls that return
// the same has read what the result stands for. It is one function because each line of
// the file is written in the order in which [document] reads it.
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

// IsOf reports whether a file that Encode has made is about the key.
func IsOf(b []byte, key string) bool {
	start := len(magic) + 16 + 1 + len("k ")
	return len(b) > start+len(key) && string(b[start:start+len(key)]) == key
}

// about returns the key that a file which Encode has made is about, and until when a
// Kubernetes client was told that the document is good, or 0.
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

// document returns what is to be printed if b is a file that Encode has made for
// this command line, and nothing has changed since. Without a mac, no answer with
// a secret is. It is one function because a call for each line would make the stack
// grow, which costs more than all that is done here.
func document(b []byte, args []string, now int64, mac func(value string) string) []byte {
	start := len(magic) + 16 + 1
	if len(b) < start || string(b[:len(magic)]) != magic ||
		string(b[len(magic):start-1]) != string(appendHex(scratch[:0], hash(b[start:]))) {
		return nil
	}
	b = b[start:]
	seen := 0 // of the arguments
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

// directory returns that of the cache, as the ordinary path finds it on this
// system, or "" if that takes more than to look at the environment.
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

// The rest is what the standard library would do, which would bring packages of
// its own.

func clean(s string) bool {
	for i := range len(s) {
		if s[i] == '\n' {
			return false
		}
	}
	return true
}

// hash is FNV-1a: the file is the user's own, and need be guarded against accidents
// only.
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
	for ; digits > 0; digits /= 10 { // a recursion would make the stack grow
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

// lastField returns what follows n fields of text, and may have blanks in it.
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
