package hit

import (
	"os"
	"syscall"
	"time"
)

func init() { answer() }

// answer prints the document that was left behind for this command line and ends
// the process, or returns.
func answer() {
	if len(os.Args) < 3 || os.Args[1] != "get" {
		return
	}
	dir := directory()
	if dir == "" {
		return
	}
	// As main does: nobody is to read this process's memory.
	syscall.RawSyscall(syscall.SYS_PRCTL, syscall.PR_SET_DUMPABLE, 0, 0)
	b := document(read(dir+"/"+Dir+"/"+Name(os.Args[1:])), os.Args[1:], time.Now().UnixNano())
	if len(b) == 0 {
		return
	}
	if n, err := os.Stdout.Write(b); err == nil {
		os.Exit(0)
	} else if n > 0 { // too late for another way
		os.Stderr.WriteString("jeton: standard output cannot be written\n")
		os.Exit(74)
	}
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
		int(s.Uid) != os.Geteuid() || s.Nlink != 1 || s.Size > maxSize {
		return nil
	}
	b := make([]byte, s.Size)
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

// fileID returns what changes when a file does, or its owner or mode, and the time
// in nanoseconds since 1970 at which that was last.
func fileID(path string) (id []byte, changed int64) {
	var s syscall.Stat_t
	if syscall.Stat(path, &s) != nil {
		return nil, 0
	}
	changed = s.Ctim.Nano()
	return fields(int64(s.Dev), int64(s.Ino), s.Size, s.Mtim.Nano(), changed), changed
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

func fields(list ...int64) (b []byte) {
	for i, n := range list {
		if i > 0 {
			b = append(b, ' ')
		}
		b = appendInt(b, n)
	}
	return b
}
