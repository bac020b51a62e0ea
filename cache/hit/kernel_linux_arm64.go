package hit

// The numbers of the system calls, as in the kernel's include/uapi/asm-generic/unistd.h.
const (
	sysFcntl        = 25
	sysUnlinkat     = 35
	sysOpenat       = 56
	sysClose        = 57
	sysRead         = 63
	sysWrite        = 64
	sysPwrite64     = 68
	sysExitGroup    = 94
	sysClockGettime = 113
	sysPrctl        = 167
	sysGetppid      = 173
	sysGeteuid      = 175
	sysStatx        = 291

	oNoFollow = 0o100000
)
