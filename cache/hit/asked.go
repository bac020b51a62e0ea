package hit

// An Asked records the last time that a Kubernetes client asked for a credential. A
// client asks when it starts, when what it was given has expired, and when an API server
// has refused it with 401. Since v1 of the protocol, it does not say why it asks:
// https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins
// So if the same process asks the same thing again before its answer has expired, it has
// been refused. A process with several clusters tells them apart in KUBERNETES_EXEC_INFO,
// or asks once for all of them.
type Asked struct {
	Client, Started int64  // the id of the client's process, and when that began, in the system's units
	Question        uint64 // a hash of the command line and of [Variables]
	Answer          uint64 // a hash of the document
	ValidUntil      int64  // the expiry that the document states, in nanoseconds since 1970
	Checked         int64  // when its issuer was last asked about it or for a new one, in the same unit
}

// A Note holds the present [Asked] and the one before it. Its file has a fixed number of
// places, so that clients that take turns do not hide each other and the file cannot
// grow.
type Note struct {
	path        string
	last, asked Asked
}

// AskedSuffix follows the name of a credential in the cache.
const AskedSuffix = ".asked"

const (
	askedFields = 6
	askedSize   = 16*(askedFields+1) + 1 // 16 digits for each field and for their hash, and a newline
	askedRoom   = 8
)

// NewNote returns the note to keep at path once the document that answers the command
// line has been printed. validUntil is the document's expiry, in nanoseconds since 1970.
// If the client's process or its question cannot be determined, NewNote returns an empty
// note.
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
		n.asked.Checked = max(n.asked.Checked, a.Checked) // it concerns the issuer, whichever client asked
	}
	return n
}

// place returns the index of n's place in the file.
func (n *Note) place() int {
	sum := more(hash(nil), appendInt(appendInt(scratch[:0], n.asked.Client), n.asked.Started))
	return int((sum ^ n.asked.Question) % askedRoom)
}

// Refused reports whether the client has been refused with this document. It has if it
// would otherwise have no reason to ask at the time now, in nanoseconds since 1970.
func (n *Note) Refused(now int64) bool {
	l, a := n.last, n.asked
	return n.path != "" && l.Client == a.Client && l.Started == a.Started && l.Question == a.Question &&
		l.Answer == a.Answer && now < l.ValidUntil
}

// Checked returns when the issuer was last asked, in nanoseconds since 1970, or 0.
func (n *Note) Checked() int64 { return n.asked.Checked }

// Checking records that the issuer is asked at the time now, and reports whether it
// could. If it could not, the issuer must not be asked: otherwise every caller would ask.
func (n *Note) Checking(now int64) bool {
	n.asked.Checked = now
	return n.Write()
}

// Answered changes n for the case that another document is printed.
func (n *Note) Answered(document []byte, validUntil int64) {
	n.asked.Answer, n.asked.ValidUntil = hash(document), validUntil
}

// Write writes n to its file, and reports whether it could. If it could not, a refusal
// will go unnoticed.
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

// parseAsked parses what Write wrote. It returns the zero Asked if b is not that.
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

// startOf returns when a process began, in the kernel's ticks since the system started,
// or 0. stat is what Linux says about the process:
//
// https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html, field 22
func startOf(stat []byte) int64 {
	// The program's name, which may contain any character, is in parentheses.
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
