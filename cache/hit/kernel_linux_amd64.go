package hit

// The numbers of the system calls, as in the kernel's
// arch/x86/entry/syscalls/syscall_64.tbl.
const (
	sysRead         = 0
	sysWrite        = 1
	sysClose        = 3
	sysPwrite64     = 18
	sysFcntl        = 72
	sysGeteuid      = 107
	sysGetppid      = 110
	sysPrctl        = 157
	sysClockGettime = 228
	sysExitGroup    = 231
	sysOpenat       = 257
	sysUnlinkat     = 263
	sysStatx        = 332

	oNoFollow = 0o400000
)
