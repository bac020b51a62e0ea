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
	Told            int64  // until when the document says that it is good, in nanoseconds since 1970
	Checked         int64  // when its issuer was last asked about it or for another, likewise
}

// A Note is the [Asked] of now, and the one before.
type Note struct {
	path        string
	last, asked Asked
}

// AskedSuffix stands behind the name of a credential in the cache.
const AskedSuffix = ".asked"

// askedFields times 16 digits, and as many for their hash.
const askedFields = 6

// NewNote returns what to keep at path when the document has been printed that answers
// the command line, and is good until told, in nanoseconds since 1970. Where the
// client's process cannot be known there is nothing.
func NewNote(path string, args []string, document []byte, told int64) Note {
	n := Note{path: path, asked: Asked{Question: question(args), Answer: hash(document), Told: told}}
	if n.asked.Client, n.asked.Started = client(); n.asked.Started == 0 {
		return Note{}
	}
	n.last = readAsked(path)
	n.asked.Checked = n.last.Checked
	return n
}

// Refused reports whether the client would not ask, at the time now, if it had not been
// refused with the same document.
func (n *Note) Refused(now int64) bool {
	l, a := n.last, n.asked
	return n.path != "" && l.Client == a.Client && l.Started == a.Started && l.Question == a.Question && l.Answer == a.Answer && now < l.Told
}

// Checked returns when the issuer was last asked, in nanoseconds since 1970, or 0.
func (n *Note) Checked() int64 { return n.asked.Checked }

// Checking keeps that the issuer is asked now, so that nobody else does.
func (n *Note) Checking(now int64) {
	n.asked.Checked = now
	n.Write()
}

// Answered is what n becomes if another document is printed.
func (n *Note) Answered(document []byte, told int64) {
	n.asked.Answer, n.asked.Told = hash(document), told
}

// Write keeps n, in place of what is there. If it cannot, nothing is lost but that a
// refusal is not seen.
func (n *Note) Write() {
	if n.path == "" {
		return
	}
	var b [16*(askedFields+1) + 1]byte
	a := n.asked
	text := b[:0]
	for _, field := range [askedFields]uint64{uint64(a.Client), uint64(a.Started), a.Question, a.Answer, uint64(a.Told), uint64(a.Checked)} {
		text = appendHex(text, field)
	}
	overwrite(n.path, append(appendHex(text, hash(text)), '\n'))
}

// readAsked returns what is kept at path, or nothing.
func readAsked(path string) (a Asked) {
	b := small(path)
	if len(b) != 16*(askedFields+1)+1 {
		return a
	}
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
