package hit

// An Asked is what is kept of the last time that a Kubernetes client asked for a
// credential. A client asks when it begins, when what it was told has ended, and when
// an API server has refused it with 401, but since the v1 of its protocol it does not
// say why:
// https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins
// So the same process that asks the same again, before what it was told has ended, has
// been refused. One with several clusters tells them apart in KUBERNETES_EXEC_INFO, or
// asks once for all.
type Asked struct {
	Client, Started int64  // the id of the client's process, and when that began, by the system's count
	Question        uint64 // a hash of the command line and the variables that say more
	Answer          uint64 // a hash of the document
	ValidUntil      int64  // until when the document says that it is good, in nanoseconds since 1970
	Checked         int64  // when its issuer was last asked about it or for another, likewise
}

// A Note is the [Asked] of now, and the one before. The file has room for a few, so that
// clients who take turns do not hide each other, and is always of the same size.
type Note struct {
	path        string
	last, asked Asked
}

// AskedSuffix stands behind the name of a credential in the cache.
const AskedSuffix = ".asked"

const (
	askedFields = 6
	askedSize   = 16*(askedFields+1) + 1 // as many digits for each, and for their hash
	askedRoom   = 8
)

// NewNote returns what to keep at path when the document has been printed that answers
// the command line, and is good until validUntil, in nanoseconds since 1970. Where the
// client's process, or what it asks, cannot be known there is nothing.
func NewNote(path string, args []string, document []byte, validUntil int64) Note {
	if !known() {
		return Note{}
	}
	n := Note{path: path, asked: Asked{Question: question(args), Answer: hash(document), ValidUntil: validUntil}}
	if n.asked.Client, n.asked.Started = client(); n.asked.Started == 0 {
		return Note{}
	}
	b := small(path)
	for i := range askedRoom {
		if len(b) < askedSize*(i+1) {
			break
		}
		a := parseAsked(b[askedSize*i : askedSize*(i+1)])
		if i == n.place() {
			n.last = a
		}
		n.asked.Checked = max(n.asked.Checked, a.Checked) // it is the issuer's, whoever has asked
	}
	return n
}

// place is where in the file n is.
func (n *Note) place() int {
	sum := more(hash(nil), appendInt(appendInt(scratch[:0], n.asked.Client), n.asked.Started))
	return int((sum ^ n.asked.Question) % askedRoom)
}

// Refused reports whether the client would not ask, at the time now, if it had not been
// refused with the same document.
func (n *Note) Refused(now int64) bool {
	l, a := n.last, n.asked
	return n.path != "" && l.Client == a.Client && l.Started == a.Started && l.Question == a.Question &&
		l.Answer == a.Answer && now < l.ValidUntil
}

// Checked returns when the issuer was last asked, in nanoseconds since 1970, or 0.
func (n *Note) Checked() int64 { return n.asked.Checked }

// Checking keeps that the issuer is asked now, and reports whether it could: else
// everybody would ask.
func (n *Note) Checking(now int64) bool {
	n.asked.Checked = now
	return n.Write()
}

// Answered is what n becomes if another document is printed.
func (n *Note) Answered(document []byte, validUntil int64) {
	n.asked.Answer, n.asked.ValidUntil = hash(document), validUntil
}

// Write keeps n, and reports whether it could. If not, a refusal will not be seen.
func (n *Note) Write() bool {
	if n.path == "" {
		return false
	}
	var b [askedSize]byte
	a := n.asked
	text := b[:0]
	for _, field := range [askedFields]uint64{uint64(a.Client), uint64(a.Started), a.Question, a.Answer,
		uint64(a.ValidUntil), uint64(a.Checked)} {
		text = appendHex(text, field)
	}
	return overwrite(n.path, n.place()*askedSize, append(appendHex(text, hash(text)), '\n'))
}

// parseAsked returns what Write has written, or nothing.
func parseAsked(b []byte) (a Asked) {
	var fields [askedFields + 1]uint64
	for i := range fields {
		fields[i] = parseHex(b[16*i : 16*(i+1)])
	}
	if hash(b[:16*askedFields]) != fields[askedFields] {
		return a
	}
	return Asked{int64(fields[0]), int64(fields[1]), fields[2], fields[3], int64(fields[4]), int64(fields[5])}
}

func parseHex(b []byte) (n uint64) {
	for _, c := range b {
		switch {
		case c >= '0' && c <= '9':
			n = n<<4 | uint64(c-'0')
		case c >= 'a' && c <= 'f':
			n = n<<4 | uint64(c-'a'+10)
		}
	}
	return n
}

// startOf returns when a process began, in the kernel's ticks since it did, of which
// Linux tells so; or 0.
//
// https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html, field 22
func startOf(stat []byte) int64 {
	// The name of the program, which can have anything in it, is in parentheses.
	start := 0
	for i, c := range stat {
		if c == ')' {
			start = i + 2
		}
	}
	for field := 3; start < len(stat); start++ {
		if stat[start] == ' ' {
			if field++; field == 22 {
				end := start + 1
				for end < len(stat) && stat[end] != ' ' {
					end++
				}
				return parseInt(stat[start+1 : end])
			}
		}
	}
	return 0
}
