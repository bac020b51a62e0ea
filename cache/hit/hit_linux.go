//go:build linux && (amd64 || arm64)

package hit

func init() { answer() }

// answer prints the document that was kept for this command line and ends the process, or
// returns.
func answer() {
	if !known() {
		return
	}
	b, note := Look(arguments(), nil)
	if len(b) == 0 {
		return
	}
	flags := call(sysFcntl, 1, fGetfl, 0, 0, 0)
	if flags < 0 || flags&oNonblock != 0 {
		return // waiting for such a reader would need package os
	}
	if flags&oAccmode == oRdwr && fstat(1) == 0 && info.mode&sIfmt == sIfchr {
		// A terminal, or what the runtime opens in place of a closed output: /dev/null.
		if info.rdevMajor == nullMajor && info.rdevMinor == nullMinor {
			return
		}
	}
	for written := 0; written < len(b); {
		n := write(1, b[written:])
		switch {
		case n == eintr:
		case n < 0 && written == 0:
			return // the ordinary path will meet the same error, and report it
		case n < 0:
			write(2, line[:copy(line[:], "jeton: standard output cannot be written\n")])
			exit(74)
		default:
			written += n
		}
	}
	note.Write()
	exit(0)
}

// Look returns the document that was kept for the command line, if nothing has changed
// since. If mac is nil, it returns no answer that depends on a secret in the environment:
// hashing a secret needs further packages, so main does it. If the note is not empty, it
// must be written once the document has been printed.
func Look(args []string, mac func(value string) string) (answer []byte, note Note) {
	if !known() || len(args) == 0 || args[0] != "get" {
		return nil, Note{}
	}
	dir, now := directory(), now()
	if dir == "" || now == 0 {
		return nil, Note{}
	}
	// As in main: no other process may read this process's memory.
	call(sysPrctl, prSetDumpable, 0, 0, 0, 0)
	b := read(dir + "/" + Dir + "/" + Name(args))
	answer = document(b, args, now, mac)
	if answer == nil || getenv("KUBERNETES_EXEC_INFO") == "" {
		return answer, Note{}
	}
	if key, validUntil := about(b); validUntil != 0 {
		note = NewNote(dir+"/"+key+AskedSuffix, args, answer, validUntil)
	}
	if note.Refused(now) {
		return nil, Note{} // the ordinary path asks the issuer
	}
	return answer, note
}

// arguments returns the command line without the program. Package os, which knows it, is
// not initialised yet.
func arguments() (args []string) {
	b := space[:4096]
	n, ok := slurp("/proc/self/cmdline", 0, b)
	if !ok {
		return nil // too long to be worthwhile
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

// read returns the content of a file if it is ours and private, or nothing.
func read(path string) []byte {
	fd := open(path, oNoFollow|oNonblock)
	if fd < 0 {
		return nil
	}
	defer closeFile(fd)
	if fstat(fd) < 0 || info.mode&sIfmt != sIfreg || info.mode&0o077 != 0 ||
		int(info.uid) != geteuid() || info.nlink != 1 || info.size > maxSize {
		return nil
	}
	b := space[:info.size]
	if fill(fd, b) != len(b) {
		return nil
	}
	return b
}

const (
	fileFields = 6
	dirFields  = 5
)

// fileID returns a text that changes when the file, its owner or its mode changes. It
// also returns the time of the last such change, in nanoseconds since 1970, and whether
// the file is readable without membership of a group.
func fileID(path string) (id []byte, changed int64, readable bool) {
	if stat(path) < 0 {
		return nil, 0, false
	}
	changed = info.ctime.nano()
	readable = int(info.uid) == geteuid() || info.mode&0o004 != 0
	return fields(int64(info.dev), int64(info.sub), int64(info.ino), int64(info.size), info.mtime.nano(), changed),
		changed, readable
}

// dirID returns a text that changes when another directory takes this one's place, or
// when its owner or mode changes.
func dirID(path string) []byte {
	if stat(path) < 0 {
		return nil
	}
	return fields(int64(info.dev), int64(info.sub), int64(info.ino), int64(info.mode), int64(info.uid))
}

func absent(path string) bool { return stat(path) == enoent }

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

// small returns the content of a file smaller than 1 KiB, or nothing.
func small(path string) []byte {
	n, ok := slurp(path, oNoFollow|oNonblock, line[:])
	if !ok {
		return nil
	}
	return line[:n]
}

// overwrite writes text, of less than 1 KiB, at offset into the file in one call, and
// reports whether it could. It puts a new file in the place of what is not a file of the
// user's with this one name: writing would change something else.
func overwrite(path string, offset int, text []byte) bool {
	fd := open(path, oWronly|oCreat|oNoFollow|oNonblock)
	if fd >= 0 && (fstat(fd) < 0 || info.mode&sIfmt != sIfreg || int(info.uid) != geteuid() || info.nlink != 1) {
		closeFile(fd)
		fd = -1
	}
	if fd < 0 {
		if unlink(path) < 0 {
			return false
		}
		if fd = open(path, oWronly|oCreat|oExcl|oNoFollow|oNonblock); fd < 0 {
			return false
		}
	}
	n := call(sysPwrite64, uintptr(fd), pointer(line[:copy(line[:], text)]), uintptr(len(text)), uintptr(offset), 0)
	closeFile(fd)
	return n == len(text)
}

// client returns the id of the process that started this one, and when it began, in the
// kernel's ticks since the system started. It returns zeros if these cannot be
// determined.
func client() (pid, started int64) {
	pid = int64(call(sysGetppid, 0, 0, 0, 0, 0))
	n, ok := slurp("/proc/"+string(appendInt(scratch[:0], pid))+"/stat", 0, line[:])
	if !ok {
		return 0, 0
	}
	return pid, startOf(line[:n])
}
