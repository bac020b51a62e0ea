package hit

import "syscall"

func init() { answer() }

// answer prints the document that was left behind for this command line and ends
// the process, or returns.
func answer() {
	b, note := Look(arguments(), nil)
	if len(b) == 0 {
		return
	}
	if flags, _, err := syscall.RawSyscall(syscall.SYS_FCNTL, 1, syscall.F_GETFL, 0); err != 0 || flags&syscall.O_NONBLOCK != 0 {
		return // it would take package os to wait for such a reader
	}
	for written := 0; written < len(b); {
		n, err := syscall.Write(1, b[written:])
		switch {
		case err == syscall.EINTR:
		case err != nil && written == 0:
			return // the ordinary path will meet the same, and tell it
		case err != nil:
			syscall.Write(2, []byte("jeton: standard output cannot be written\n"))
			syscall.Exit(74)
		default:
			written += n
		}
	}
	note.Write()
	syscall.Exit(0)
}

// Look returns the document that was left behind for the command line, if nothing
// has changed since. Without a mac, no answer that depends on a secret in the
// environment is looked at: to hash that takes packages of its own, so that main
// does it. The note, if it is about anything, is to be written once the document has
// been printed.
func Look(args []string, mac func(value string) string) (answer []byte, note Note) {
	dir := directory()
	if len(args) == 0 || args[0] != "get" || dir == "" {
		return nil, Note{}
	}
	// As main does: nobody is to read this process's memory.
	syscall.RawSyscall(syscall.SYS_PRCTL, syscall.PR_SET_DUMPABLE, 0, 0)
	var now syscall.Timeval
	if syscall.Gettimeofday(&now) != nil {
		return nil, Note{}
	}
	b := read(dir + "/" + Dir + "/" + Name(args))
	answer = document(b, args, now.Nano(), mac)
	if answer == nil || getenv("KUBERNETES_EXEC_INFO") == "" {
		return answer, Note{}
	}
	if key, told := about(b); told != 0 {
		note = NewNote(dir+"/"+key+AskedSuffix, args, answer, told)
	}
	if note.Refused(now.Nano()) {
		return nil, Note{} // the ordinary path asks the issuer
	}
	return answer, note
}

// arguments returns those of the command line, without the program. Package os,
// which knows them, is not initialised yet.
func arguments() (args []string) {
	fd, err := syscall.Open("/proc/self/cmdline", syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return nil
	}
	defer syscall.Close(fd)
	b := space[:4096]
	n, err := syscall.Read(fd, b)
	if err != nil || n == len(b) {
		return nil // longer than any that is worth the while
	}
	start := 0
	for i := range n {
		if b[i] == 0 {
			args = append(args, string(b[start:i]))
			start = i + 1
		}
	}
	if len(args) == 0 {
		return nil
	}
	return args[1:]
}

// read returns the content of a private file of ours.
func read(path string) []byte {
	fd, err := syscall.Open(path, syscall.O_RDONLY|syscall.O_CLOEXEC|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil
	}
	defer syscall.Close(fd)
	var s syscall.Stat_t
	if syscall.Fstat(fd, &s) != nil || s.Mode&syscall.S_IFMT != syscall.S_IFREG || s.Mode&0o077 != 0 ||
		int(s.Uid) != syscall.Geteuid() || s.Nlink != 1 || s.Size > maxSize {
		return nil
	}
	b := space[:s.Size]
	for n := 0; n < len(b); {
		m, err := syscall.Read(fd, b[n:])
		if m <= 0 || err != nil {
			return nil
		}
		n += m
	}
	return b
}

const (
	fileFields = 5
	dirFields  = 4
)

// fileID returns what changes when a file does, or its owner or mode, the time in
// nanoseconds since 1970 at which that was last, and whether it takes no membership
// of a group to read it.
func fileID(path string) (id []byte, changed int64, readable bool) {
	var s syscall.Stat_t
	if syscall.Stat(path, &s) != nil {
		return nil, 0, false
	}
	changed = s.Ctim.Nano()
	readable = int(s.Uid) == syscall.Geteuid() || s.Mode&0o004 != 0
	return fields(int64(s.Dev), int64(s.Ino), s.Size, s.Mtim.Nano(), changed), changed, readable
}

// dirID returns what changes when another directory is in a directory's place, or
// its owner or mode change.
func dirID(path string) []byte {
	var s syscall.Stat_t
	if syscall.Stat(path, &s) != nil {
		return nil
	}
	return fields(int64(s.Dev), int64(s.Ino), int64(s.Mode), int64(s.Uid))
}

func absent(path string) bool {
	var s syscall.Stat_t
	return syscall.Stat(path, &s) == syscall.ENOENT
}

func fields(list ...int64) []byte {
	b := scratch[:0]
	for i, n := range list {
		if i > 0 {
			b = append(b, ' ')
		}
		b = appendInt(b, n)
	}
	return b
}
