//go:build linux && (amd64 || arm64)

package hit

import "unsafe"

// Package syscall would do all of this, but would cost more than everything done here.
// The cost lies not in the package but in what Go initialises before it. Everything that
// the kernel reads or writes is in package variables, which never move.

// syscall5 makes a system call. The result is -errno if it fails. (The rest of the
// program stands still during the call.)
//
//go:noescape
func syscall5(number, a1, a2, a3, a4, a5 uintptr) (result uintptr)

func call(number, a1, a2, a3, a4, a5 uintptr) int { return int(syscall5(number, a1, a2, a3, a4, a5)) }

// The names follow the kernel's headers.
const (
	oAccmode  = 0o3
	oWronly   = 0o1
	oRdwr     = 0o2
	oCreat    = 0o100
	oExcl     = 0o200
	oNonblock = 0o4000
	oCloexec  = 0o2000000

	atFdcwd         = ^uintptr(99) // -100
	atEmptyPath     = 0x1000
	statxBasicStats = 0x7ff

	nullMajor, nullMinor = 1, 3 // of /dev/null

	fGetfl        = 3
	prSetDumpable = 4
	clockRealtime = 0
	sIfmt, sIfreg = 0o170000, 0o100000
	sIfchr        = 0o020000
	enoent, eintr = -2, -4
)

// A statx is the kernel's struct statx. It does not exist before Linux 4.11, of 2017;
// there, the ordinary path gives every answer.
//
// https://man7.org/linux/man-pages/man2/statx.2.html
type statx struct {
	mask, blksize                  uint32
	attributes                     uint64
	nlink, uid, gid                uint32
	mode, _                        uint16
	ino, size, blocks, attrsMask   uint64
	atime, btime, ctime, mtime     statxTime
	rdevMajor, rdevMinor, dev, sub uint32
	_                              [14]uint64
}

type statxTime struct {
	sec  int64
	nsec uint32
	_    int32
}

func (t statxTime) nano() int64 { return t.sec*1e9 + int64(t.nsec) }

var (
	pathname [4096]byte
	info     statx
	clock    [2]int64
	variable [64 << 10]byte // the environment
	line     [1024]byte     // what is read from or written to small files

	variables   []byte // the variables of the environment, each followed by a zero
	environment int    // 1 if variables holds all of them, -1 if not, 0 if not read yet
)

func pointer(b []byte) uintptr { return uintptr(unsafe.Pointer(unsafe.SliceData(b))) }

// named copies path to where the kernel can read it.
func named(path string) uintptr {
	if len(path) >= len(pathname) {
		path = "/dev/null/it is too long" // a path that cannot exist
	}
	pathname[copy(pathname[:], path)] = 0
	return pointer(pathname[:])
}

func open(path string, flags uintptr) int {
	return call(sysOpenat, atFdcwd, named(path), flags|oCloexec, 0o600, 0)
}

func unlink(path string) int { return call(sysUnlinkat, atFdcwd, named(path), 0, 0, 0) }

func closeFile(fd int) { call(sysClose, uintptr(fd), 0, 0, 0, 0) }

// fill reads into b until b is full or the file ends. b must lie in a package variable.
// It returns the number of bytes read, or -1.
func fill(fd int, b []byte) (n int) {
	for n < len(b) {
		m := call(sysRead, uintptr(fd), pointer(b[n:]), uintptr(len(b)-n), 0, 0)
		if m < 0 {
			return -1
		}
		if m == 0 {
			break
		}
		n += m
	}
	return n
}

func write(fd int, b []byte) int {
	return call(sysWrite, uintptr(fd), pointer(b), uintptr(len(b)), 0, 0)
}

func stat(path string) int {
	return call(sysStatx, atFdcwd, named(path), 0, statxBasicStats, uintptr(unsafe.Pointer(&info)))
}

func fstat(fd int) int {
	return call(sysStatx, uintptr(fd), named(""), atEmptyPath, statxBasicStats, uintptr(unsafe.Pointer(&info)))
}

func geteuid() int { return call(sysGeteuid, 0, 0, 0, 0, 0) }

// now returns the time in nanoseconds since 1970, or 0.
func now() int64 {
	if call(sysClockGettime, clockRealtime, uintptr(unsafe.Pointer(&clock)), 0, 0, 0) < 0 {
		return 0
	}
	return clock[0]*1e9 + clock[1]
}

func exit(code uintptr) { call(sysExitGroup, code, 0, 0, 0, 0) }

// slurp reads a file to its end, and reports whether b holds all of it.
func slurp(path string, flags uintptr, b []byte) (n int, ok bool) {
	fd := open(path, flags)
	if fd < 0 {
		return 0, false
	}
	n = fill(fd, b)
	closeFile(fd)
	return n, n >= 0 && n < len(b)
}

// known reports whether the environment can be read. The first call reads all of it,
// because package os, which has it, is not initialised yet.
func known() bool {
	if environment == 0 {
		environment = -1
		if n, ok := slurp("/proc/self/environ", 0, variable[:]); ok {
			variables, environment = variable[:n], 1
		}
	}
	return environment > 0
}

func getenv(name string) string {
	known()
	for start := 0; start < len(variables); {
		end := start
		for end < len(variables) && variables[end] != 0 {
			end++
		}
		if entry := variables[start:end]; len(entry) > len(name) && entry[len(name)] == '=' &&
			string(entry[:len(name)]) == name {
			return string(entry[len(name)+1:])
		}
		start = end + 1
	}
	return ""
}
