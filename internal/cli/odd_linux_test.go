package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// deniedVariable makes the test binary become its arguments, under a filter of system calls. A
// test cannot have such a filter itself: it stays.
const deniedVariable = "JETON_TEST_DENIED"

func init() {
	if list := os.Getenv(deniedVariable); list != "" {
		log.Fatal(becomeWithout(list, os.Args[1:]))
	}
}

// becomeWithout becomes argv. list says what the kernel answers which calls, as fails makes it.
func becomeWithout(list string, argv []string) error {
	runtime.LockOSThread()
	filter := []unix.SockFilter{{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS}} // the number of the call
	for _, one := range strings.Fields(list) {
		var number, answer uint32
		if _, err := fmt.Sscanf(one, "%d=%d", &number, &answer); err != nil {
			return err
		}
		filter = append(filter, unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jf: 1, K: number},
			unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: answer})
	}
	filter = append(filter, unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW})
	program := unsafe.Pointer(&unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]})
	if err := errors.Join(unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0),
		unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(program), 0, 0)); err != nil {
		return err
	}
	os.Unsetenv(deniedVariable)
	os.Setenv("GODEBUG", "inittrace=1") // not before: it would be about the test binary
	return syscall.Exec(argv[0], argv, os.Environ())
}

// fails returns a list of calls that fail with this error.
func fails(errno syscall.Errno, calls ...uint32) (list string) {
	for _, call := range calls {
		list += fmt.Sprintf("%d=%d ", call, unix.SECCOMP_RET_ERRNO|uint32(errno))
	}
	return list
}

// buildStatic returns the path of jeton as it is released. That of the other tests has a libc,
// which needs more of a kernel.
var buildStatic = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "jeton-test-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "jeton")
	if out, err := exec.Command("make", "-C", "../..", "build", "OUT="+path).CombinedOutput(); err != nil {
		return "", fmt.Errorf("make build: %w\n%s", err, out)
	}
	return path, nil
})

// An oddUser is one whose system or home is odd.
type oddUser struct {
	*user
	denied string // what the kernel does not do, as fails makes it
	wrap   string // a line of shell that runs jeton, which is "$@"
	root   string // the directory that is all that jeton can see
}

func newOddUser(t *testing.T) *oddUser {
	jeton, err := buildStatic()
	if err != nil {
		t.Fatal(err)
	}
	return &oddUser{user: &user{jeton: jeton, home: t.TempDir()}}
}

// run runs jeton. If calls are denied, it also returns how many packages were initialised.
func (o *oddUser) run(t *testing.T, args ...string) (result, int) {
	t.Helper()
	argv, env := append([]string{o.jeton}, args...), o.command().Env
	if o.wrap != "" {
		argv = append([]string{"/bin/sh", "-c", o.wrap, "sh"}, argv...)
	}
	if o.denied != "" {
		argv, env = append([]string{os.Args[0]}, argv...), append(env, deniedVariable+"="+o.denied)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	var stdout, stderr bytes.Buffer
	cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = env, strings.NewReader(""), &stdout, &stderr
	if o.root != "" {
		cmd.Dir, cmd.SysProcAttr = "/", &syscall.SysProcAttr{Chroot: o.root}
	}
	if err := cmd.Run(); cmd.ProcessState == nil || ctx.Err() != nil {
		t.Fatal(args, err, ctx.Err())
	}
	said := stderr.String()
	return result{stdout.String(), initialised.ReplaceAllString(said, ""), cmd.ProcessState.ExitCode()},
		len(initialised.FindAllString(said, -1))
}

// newCalls are calls that some kernels and some filters of containers do not know. killed are the
// commands that make them: a filter that kills for the call ends these.
var newCalls = map[string]struct {
	number uint32
	killed string
}{
	"clone3": {unix.SYS_CLONE3, ""}, "close_range": {unix.SYS_CLOSE_RANGE, ""},
	"copy_file_range": {unix.SYS_COPY_FILE_RANGE, ""}, "epoll_pwait2": {unix.SYS_EPOLL_PWAIT2, ""},
	"faccessat2": {unix.SYS_FACCESSAT2, "exec"}, "fchmodat2": {unix.SYS_FCHMODAT2, ""},
	"getrandom": {unix.SYS_GETRANDOM, "get exec program"}, "memfd_create": {unix.SYS_MEMFD_CREATE, ""},
	"openat2": {unix.SYS_OPENAT2, ""}, "pidfd_open": {unix.SYS_PIDFD_OPEN, "program"},
	"prctl": {unix.SYS_PRCTL, "get exec program"}, "renameat2": {unix.SYS_RENAMEAT2, ""},
	"rseq": {unix.SYS_RSEQ, ""}, "statx": {unix.SYS_STATX, "get"}, // after it has printed
}

// A kernel without a call, or one that refuses it, costs no more than the warm path.
func TestOldKernels(t *testing.T) {
	inMakeTest(t)
	lists := map[string]string{}
	for name, call := range newCalls {
		lists["all unknown"] += fails(unix.ENOSYS, call.number) // as in Linux 3.2, the oldest for Go
		lists[name+" unknown"] = fails(unix.ENOSYS, call.number)
		lists[name+" refused"] = fails(unix.EPERM, call.number)
		lists[name+" kills"] = fmt.Sprintf("%d=%d", call.number, uint32(unix.SECCOMP_RET_KILL_PROCESS))
	}
	for name, list := range lists {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, o := newWorld(t), newOddUser(t)
			w.vars["JETON"], o.denied = o.jeton, list
			o.configure(t, w, prodAndS3+"  program: {plugin: command, argv: [$JETON, get, prod, -f, kubernetes]}\n")
			call, how, _ := strings.Cut(name, " ")
			switch {
			case how == "kills":
				for what, args := range map[string][]string{"get": {"get", "prod"}, "program": {"get", "program"},
					"exec": {"exec", "prod", "--", o.jeton, "version"}} {
					due := slices.Contains(strings.Fields(newCalls[call].killed), what)
					if r, _ := o.run(t, args...); (r.code == -1) != due {
						t.Errorf("%s: %+v", what, r)
					}
				}
			case name == "getrandom refused": // Go has nothing else then
				if r, _ := o.run(t, "get", "prod"); r.code != 2 || !strings.Contains(r.stderr, "read random data") {
					t.Errorf("%+v", r)
				}
			default:
				o.checkAll(t, w, call != "statx" && call != "all")
			}
		})
	}
}

// checkAll checks that all commands work, and whether there is the warm path.
func (o *oddUser) checkAll(t *testing.T, w *world, warm bool) {
	get := []string{"get", "prod", "-f", "token"}
	first, _ := o.run(t, get...)
	fast := false
	for range 100 { // files have to be a moment old for the warm path
		r, packages := o.run(t, get...)
		if r.code != 0 || r.stderr != "" || r != first || w.front.Requests("") != 1 {
			t.Fatalf("%d requests, %+v, and the first %+v", w.front.Requests(""), r, first)
		}
		if fast = packages <= most; fast || !warm {
			break
		}
	}
	if fast != warm {
		t.Errorf("a warm answer: %v", fast)
	}
	dir := filepath.Join(o.home, ".cache", "jeton")
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{get, {"exec", "prod", "--", o.jeton, "version"}, {"status"}, {"get", "program"},
		{"setup", "aws", "s3"}, {"get", "s3", "-f", "aws"}, {"reject", "prod"}, {"gc"}, {"logout", "--all"}} {
		if r, _ := o.run(t, args...); r.code != 0 || r.stderr != "" || r.stdout == "" {
			t.Errorf("%s: %+v", args, r)
		}
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the cache was not closed: %v, %v", info, err)
	}
}

// An oddHome is what is odd about a home, and what comes of it. In lines of shell, variables and
// warnings, $HERE is the home and $ODD another directory.
type oddHome struct {
	mount, then  string // lines of shell, before and after there is a configuration
	env          []string
	denied, wrap string // as in [oddUser]
	alone        bool   // jeton sees nothing but the home
	warning      string
	second       int // the requests of the second call: 0 if the answer to the first was kept
	exec         int // the exit code of exec with kubectl, which needs files
}

const (
	bind     = `bindfs -o nonempty "$ODD" "$HERE" `
	modeless = `mkdir "$ODD/s" "$ODD/m"; bindfs "$ODD/s" "$ODD/m" --chmod-ignore --perms=`
	loop     = `truncate -s 320M "$ODD/d"; mkfs -t $FS "$ODD/d"; mount -o loop "$ODD/d" "$HERE"`
	overlay  = `mkdir "$ODD/u" "$ODD/w"; mount -t overlay -o "lowerdir=$HERE,upperdir=$ODD/u,workdir=$ODD/w" o "$HERE"`
	full     = `mkdir "$ODD/m"; mount -t tmpfs -o size=64k,mode=700 none "$ODD/m"; dd if=/dev/zero of="$ODD/m/x" || :`
	readOnly = `mount --bind "$HERE" "$HERE"; mount -o remount,ro,bind "$HERE"`
	inCache  = `mkdir -p "$HERE/.cache/jeton"; cd "$HERE/.cache/jeton"; `
	nothing  = "nothing is kept: "
)

var (
	mounted  = []string{"XDG_CACHE_HOME=$ODD/m", "XDG_STATE_HOME=$ODD/m/s"}
	oddHomes = map[string]oddHome{
		"tmpfs noexec": {mount: `mount -t tmpfs -o mode=700,noexec none "$HERE"`},
		"btrfs":        {mount: "FS=btrfs; " + loop},
		"xfs":          {mount: "FS=xfs; " + loop},
		"overlay":      {then: overlay},
		"fuse":         {mount: bind},
		"private vfat": {mount: bind + "--chmod-deny --perms=0700"}, // umask=077
		"drvfs":        {mount: modeless + "0777", env: mounted, second: 1, warning: "/m/jeton: is open to others"},
		"open files": {mount: modeless + "0700:fgo+r", env: mounted, second: 1,
			warning: "is not a private file of yours"},
		"no hard links": {denied: fails(unix.EPERM, unix.SYS_LINKAT)},
		"no modes": {then: inCache + "chmod 755 .", second: 1, warning: nothing + "$HERE/.cache/jeton: operation",
			denied: fails(unix.EPERM, unix.SYS_FCHMOD, unix.SYS_FCHMODAT, unix.SYS_FCHMODAT2)},
		"no locks": {denied: fails(unix.ENOLCK, unix.SYS_FLOCK), // as NFS without lockd
			warning: "no locks in the cache directory: no locks available; callers at the same time each ask"},
		"broken disk": {denied: fails(unix.EIO, unix.SYS_FSYNC), second: 1, warning: nothing + "sync $HERE/.cache/"},
		"no renames":  {denied: fails(unix.EBUSY, unix.SYS_RENAMEAT), second: 1, warning: nothing + "renameat pepper"},
		"read-only":   {then: readOnly, second: 1, warning: nothing + "$HERE/.cache/jeton: read-only file system"},
		"read-only, no TMPDIR": {then: readOnly, env: []string{"TMPDIR=$ODD/none"}, warning: "read-only", second: 1,
			exec: 74},
		"of others": {then: inCache + "chown 65534 .", warning: nothing + "$HERE/.cache/jeton: belongs to another user",
			second: 1},
		"not there": {env: []string{"HOME=$ODD/none", "JETON_CONFIG=$HERE/.config/jeton/config.yaml"}},
		"relative": {env: []string{"HOME=here", "JETON_CONFIG=$HERE/.config/jeton/config.yaml"}, second: 1,
			warning: nothing + "neither HOME nor XDG_CACHE_HOME is set to an absolute path"},
		"full cache": {mount: full, env: mounted[:1], second: 1, warning: "could not keep the credential: write "},
		"all full": {mount: full, env: append(mounted, "TMPDIR=$ODD/m"), second: 1, warning: nothing + "write $ODD/m/",
			exec: 74},
		"no TMPDIR":         {env: []string{"TMPDIR=$ODD/none"}},
		"no proc":           {mount: "mount -t tmpfs none /proc", exec: 78},
		"no dev":            {mount: "mount -t tmpfs none /dev"},
		"closed files":      {wrap: `exec "$@" <&- 2>&-`},
		"nothing but jeton": {mount: `cp "$JETON" "$HERE/jeton"`, alone: true, env: []string{"HOME=/"}},
	}
)

// Wherever the home is, a credential is printed, and its user is told if it cannot be kept.
func TestOddHomes(t *testing.T) {
	inMakeTest(t)
	for name, home := range oddHomes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, o := newWorld(t), newOddUser(t)
			odd, kubectl := t.TempDir(), filepath.Join(t.TempDir(), "kubectl")
			home.prepare(t, o, odd, func() { o.configure(t, w, prodAndS3) })
			program := kubectl
			if home.alone {
				o.root, o.jeton, program = o.home, "/jeton", "/jeton"
			}
			expand := strings.NewReplacer("$HERE", o.home, "$ODD", odd).Replace
			for _, line := range append([]string{"KUBECONFIG=" + kubectl + ".yaml"}, home.env...) {
				o.env = append(o.env, expand(line))
			}
			o.denied, o.wrap = home.denied, home.wrap
			for n, want := range []int{1, home.second} {
				w.front.Forget()
				r, _ := o.run(t, "get", "prod", "-f", "token")
				due := home.warning != "" && n <= want
				if r.code != 0 || !strings.HasPrefix(r.stdout, "gAAAA") || (r.stderr != "") != due ||
					due && !strings.Contains(r.stderr, expand(home.warning)) || w.front.Requests("") != want {
					t.Errorf("call %d: %d requests, %+v", n, w.front.Requests(""), r)
				}
				checkFiles(t, strings.TrimSpace(r.stdout), o.home, odd)
			}
			const config = "{kind: Config, current-context: c, contexts: [{name: c, context: {cluster: c, user: c}}]," +
				" clusters: [{name: c, cluster: {server: 'https://127.0.0.1:1'}}]}"
			if err := errors.Join(os.WriteFile(kubectl+".yaml", []byte(config), 0o600),
				os.WriteFile(kubectl, []byte("#!/bin/sh\ntest -s ${KUBECONFIG%%:*} && echo it\n"), 0o700)); err != nil {
				t.Fatal(err)
			}
			r, _ := o.run(t, "exec", "prod", "--", program, "version")
			if r.code != home.exec || (r.code == 0) != (r.stdout != "") {
				t.Errorf("exec: %+v", r)
			}
		})
	}
}

// prepare makes the home and, with configure, the configuration in it.
func (h oddHome) prepare(t *testing.T, o *oddUser, odd string, configure func()) {
	if h.mount+h.then != "" {
		if os.Geteuid() != 0 {
			skip(t, "only root can mount, chroot and chown")
		}
		runtime.LockOSThread() // for ever: the thread ends with this test, and the mounts with it
		if err := errors.Join(unix.Unshare(unix.CLONE_NEWNS),
			unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "")); err != nil {
			skip(t, err.Error())
		}
		t.Cleanup(func() { // or the directories could not be removed
			unix.Unmount(o.home, unix.MNT_DETACH)
			unix.Unmount(odd+"/m", unix.MNT_DETACH)
		})
	}
	for n, script := range []string{h.mount, h.then} {
		cmd := exec.Command("sh", "-ec", "umask 077\n"+script)
		cmd.Env = append(os.Environ(), "HERE="+o.home, "ODD="+odd, "JETON="+o.jeton)
		cmd.Stdin = strings.NewReader("") // there may be no /dev/null
		if out, err := cmd.CombinedOutput(); err != nil {
			skip(t, fmt.Sprintf("%v: %s", err, out))
		}
		if n == 0 {
			configure()
		}
	}
}

// checkFiles checks that others can read the token in no file, and that none is half-written.
func checkFiles(t *testing.T, token string, dirs ...string) {
	for _, dir := range dirs {
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return err
			}
			info, err := d.Info()
			if err == nil && info.Mode()&0o077 != 0 {
				b, e := os.ReadFile(path)
				if err = e; bytes.Contains(b, []byte(token)) {
					t.Errorf("others can read the token in %s", path)
				}
			}
			if strings.HasSuffix(path, ".tmp") {
				t.Errorf("%s is left behind", path)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
}
