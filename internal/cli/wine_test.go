//go:build linux

package cli

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"go.yaml.in/yaml/v3"

	"github.com/jeton-cli/jeton/formats"
	"github.com/jeton-cli/jeton/plugin"
)

// These are in a wine's drive C. All of them have blanks, as most have on Windows.
const (
	wineUser  = "Zoé Dupont"
	wineHome  = `C:\users\` + wineUser
	wineJeton = `C:\Program Files\jeton\jeton.exe`
)

// wineRegion has what cmd and PowerShell would read something else in. The names of regions are
// the only values of the environment that a user can choose.
const wineRegion = `a %PATH% ^& | "b" ‘c’ $d ;e`

// A wine is a Windows with one user, in whose home directory u looks for jeton's files. The
// program of u is a script that runs jeton.exe.
type wine struct {
	*user
	program, drive string
}

// unixPath returns where a file of drive C is.
func (e *wine) unixPath(path string) string {
	return filepath.Join(e.drive, strings.ReplaceAll(strings.TrimPrefix(path, "C:"), `\`, "/"))
}

// newWine returns a wine with jeton, or skips the test.
func newWine(t *testing.T) *wine {
	program := client("wine64")
	if program == "" { // Debian has it beside the PATH
		program = client("/usr/lib/wine/wine64")
	}
	if program == "" || client("x86_64-w64-mingw32-gcc") == "" {
		skip(t, "wine64 and x86_64-w64-mingw32-gcc are not installed")
	}
	dir := t.TempDir()
	prefix := filepath.Join(dir, "prefix")
	e := &wine{&user{jeton: filepath.Join(dir, "jeton"), home: dir}, program, filepath.Join(prefix, "drive_c")}
	e.env = []string{"WINEPREFIX=" + prefix, "WINEDEBUG=-all", "USER=" + wineUser, "LANG=C.UTF-8",
		"WINEDLLOVERRIDES=mscoree=;mshtml=;winemenubuilder.exe="} // which would ask on a screen, or write elsewhere
	server := func(flag string) *exec.Cmd {
		// It makes all files, and access control lists of their modes: as closed as a profile of Windows.
		cmd := exec.Command("sh", "-c", `umask 077; exec "$0" "$1"`, filepath.Join(filepath.Dir(program), "wineserver"),
			flag)
		cmd.Env = e.command().Env
		return cmd
	}
	t.Cleanup(func() {
		for _, flag := range []string{"-k", "-w"} { // what is alive writes into dir, which is to be removed
			server(flag).Run()
		}
	})
	script := fmt.Sprintf("#!/bin/sh\nexec %s '%s' \"$@\"\n", program, wineJeton)
	if err := os.WriteFile(e.jeton, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	compile := exec.Command("go", "build", "-tags=nethttpomithttp2", "-o", e.unixPath(wineJeton), "../..")
	compile.Env = append(os.Environ(), "GOOS=windows", "GOARCH=amd64", "CGO_ENABLED=0")
	shim := exec.Command("x86_64-w64-mingw32-gcc", "-shared", "-Wall", "-Werror", "-O2", "-o",
		e.unixPath(`C:\windows\system32\bcryptprimitives.dll`), "../../testdata/wine/prng.c", "-ladvapi32")
	compile.Stderr, shim.Stderr = os.Stderr, os.Stderr
	// One server that outlives the calls does not start the services of Windows anew for each. It
	// must not have the pipe of a call, whose end it would hold back.
	for _, cmd := range []*exec.Cmd{compile, server("-p60"), e.run("wineboot", "-u"), shim} {
		if err := cmd.Run(); err != nil {
			t.Fatalf("%v: %v", cmd, err)
		}
	}
	return e
}

// run returns a command that runs a program of Windows.
func (e *wine) run(argv ...string) *exec.Cmd {
	cmd := exec.Command(e.program, argv...)
	cmd.Env = e.command().Env
	return cmd
}

// write writes a file of drive C, with the line ends of Windows.
func (e *wine) write(t *testing.T, path, text string) {
	t.Helper()
	path = e.unixPath(path)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(strings.ReplaceAll(text, "\n", "\r\n")), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (e *wine) read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(e.unixPath(path))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// ended returns how a command ended. What wine itself has to say is no complaint of jeton's.
func ended(t *testing.T, cmd *exec.Cmd) result {
	t.Helper()
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return result{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
}

// says returns what a command prints that must succeed.
func says(t *testing.T, cmd *exec.Cmd) string {
	t.Helper()
	r := ended(t, cmd)
	if r.code != 0 || r.stdout == "" {
		t.Fatalf("%v: exit code %d, stdout %q, stderr %q", cmd, r.code, r.stdout, r.stderr)
	}
	return r.stdout
}

// TestWine runs jeton for Windows, as far as wine is one: it knows modes of files, and no access
// control lists, and lets nobody replace a file that somebody has open.
func TestWine(t *testing.T) {
	inMakeTest(t)
	e, w := newWine(t), newWorld(t)
	quoted, err := json.Marshal(wineRegion)
	if err != nil {
		t.Fatal(err)
	}
	e.write(t, wineHome+`\AppData\Local\jeton\config.yaml`, os.Expand("profiles:"+prodAndS3+`
  odd: {plugin: keystone, auth_url: $KEYSTONE, username: alice, user_domain_id: $DOMAIN, password: CANARY-alice-pw, project_id: $WEB, region_name: $REGION}
  kept: {plugin: keystone, auth_url: $KEYSTONE, username: alice, user_domain_id: $DOMAIN, password: {keyring: login}, project_id: $OPS}
`, func(name string) string {
		if name == "REGION" {
			return string(quoted)
		}
		return w.vars[name]
	}))
	for _, test := range []struct {
		name string
		run  func(t *testing.T, e *wine, w *world)
	}{
		{"get", wineGets}, {"storm", wineStorms}, {"keyring", wineKeeps}, {"exec", wineRuns},
		{"cmd", wineReads}, {"closes", wineCloses}, {"tests", wineTests}, {"edits", wineEdits},
		{"powershell", winePowerShell}, {"setup", wineSetups},
	} {
		t.Run(test.name, func(t *testing.T) { w.front.Forget(); test.run(t, e, w) })
	}
}

func wineGets(t *testing.T, e *wine, w *world) {
	if got := says(t, e.command("version")); !strings.Contains(got, "windows/amd64") {
		t.Errorf("it is %s", got)
	}
	cold := says(t, e.command("get", "prod", "-f", "token"))
	if n := w.front.Requests("POST "); n != 1 {
		t.Errorf("%d logins", n)
	}
	w.front.Forget()
	start := time.Now()
	warm := says(t, e.command("get", "prod", "-f", "token"))
	t.Logf("a warm call took %s", time.Since(start))
	if n := w.front.Requests(""); warm != cold || n != 0 {
		t.Errorf("%d requests for %q, which was %q", n, warm, cold)
	}
	if out := says(t, e.command("logout", "prod")); !strings.Contains(out, "revoked") {
		t.Errorf("logout says %s", out)
	}
	if again := says(t, e.command("get", "prod", "-f", "token")); again == warm {
		t.Error("after logout, the token is still there")
	}
}

// open returns how often the server of wine, which has them open for all processes, has the
// files of the cache's locks open. A process holds a lock or waits for it meanwhile.
func (e *wine) open() (n int) {
	files, _ := filepath.Glob("/proc/[0-9]*/fd/*")
	for _, path := range files {
		name, _ := os.ReadFile(filepath.Join(filepath.Dir(filepath.Dir(path)), "comm"))
		target, _ := os.Readlink(path)
		if strings.HasPrefix(string(name), "wineserver") &&
			strings.HasPrefix(target, e.unixPath(wineHome+`\AppData\Local\cache`)) && strings.HasSuffix(target, ".lock") {
			n++
		}
	}
	return n
}

// Of 100 processes one asks the issuer, which answers when the others wait for that.
func wineStorms(t *testing.T, e *wine, w *world) {
	const n = 100
	each := 0 // how often the server has the file open for one process
	w.front.SetFault(func(http.ResponseWriter, *http.Request) bool { each = max(each, e.open()); return false })
	says(t, e.command("get", "prod", "--refresh"))
	says(t, e.command("logout", "prod"))
	if each == 0 {
		t.Fatal("the lock of one process is not seen")
	}
	w.front.SetFault(func(http.ResponseWriter, *http.Request) bool {
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		// A slow machine does not start all of them within the time that jeton waits.
		for end := time.Now().Add(8 * time.Second); e.open() < n*each && time.Now().Before(end); <-tick.C {
		}
		waiting := e.open() / each
		if t.Logf("%d of %d processes wait", waiting, n); waiting < 2 {
			t.Errorf("%d of %d processes wait", waiting, n)
		}
		return false
	})
	defer w.front.SetFault(nil)
	for _, requests := range []int{1, 0} {
		w.front.Forget()
		start := time.Now()
		results := e.storm(t, n, nil, "get", "prod", "-f", "token")
		t.Logf("%d processes with %d requests took %s", n, requests, time.Since(start))
		for _, r := range results {
			if r.code != 0 || r.stdout == "" || r.stdout != results[0].stdout {
				t.Fatalf("exit code %d, stdout %q (the first: %q), stderr %q", r.code, r.stdout, results[0].stdout,
					r.stderr)
			}
		}
		if got := w.front.Requests(""); got != requests {
			t.Errorf("%d processes made %d requests, not %d", n, got, requests)
		}
	}
}

// wineKeeps has a secret in the Credential Manager, and none.
func wineKeeps(t *testing.T, e *wine, _ *world) {
	absent := func() {
		t.Helper()
		r := ended(t, e.command("get", "kept"))
		if r.code != 78 || r.stdout != "" || !strings.Contains(r.stderr, "jeton secret set login") {
			t.Errorf("without a secret: exit code %d, stdout %q, stderr %q", r.code, r.stdout, r.stderr)
		}
	}
	absent()
	set := e.command("secret", "set", "login")
	set.Stdin = strings.NewReader("CANARY-alice-pw\r\n")
	if r := ended(t, set); r.code != 0 {
		t.Fatalf("secret set: %s", r.stderr)
	}
	says(t, e.command("get", "kept", "--refresh"))
	if r := ended(t, e.command("secret", "rm", "login")); r.code != 0 {
		t.Fatalf("secret rm: %s", r.stderr)
	}
	says(t, e.command("logout", "kept"))
	absent()
}

// wineRuns: cmd gets every value as it is, and its status comes back.
func wineRuns(t *testing.T, e *wine, _ *world) {
	if got := ended(t, e.command("exec", "odd", "--", "cmd", "/c", "exit 7")).code; got != 7 {
		t.Errorf("exit code %d", got)
	}
	out := says(t, e.command("exec", "odd", "--", "cmd", "/u", "/c", "set OS_REGION_NAME"))
	text := make([]uint16, len(out)/2)
	if _, err := binary.Decode([]byte(out), binary.LittleEndian, text); err != nil {
		t.Fatal(err)
	}
	if got := string(utf16.Decode(text)); got != "OS_REGION_NAME="+wineRegion+"\r\n" {
		t.Errorf("cmd has %q", got)
	}
}

// wineCloses: what everybody can read or write is refused, as elsewhere. (wine makes the access
// control list of a file's mode.)
func wineCloses(t *testing.T, e *wine, _ *world) {
	config := e.unixPath(wineHome + `\AppData\Local\jeton\config.yaml`)
	for _, c := range []struct {
		path string
		mode os.FileMode
		said string
	}{
		{config, 0o644, "holds a secret and can be read by others (Everyone)"},
		{config, 0o602, "can be written by others (Everyone)"},
		{e.unixPath(wineHome + `\AppData\Local\cache\jeton`), 0o755, "is open to others (Everyone)"},
	} {
		info, err := os.Stat(c.path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(c.path, c.mode); err != nil {
			t.Fatal(err)
		}
		r := ended(t, e.command("get", "prod", "-f", "token"))
		if !strings.Contains(r.stderr, c.said) || (r.code == 0) != (c.path != config) {
			t.Errorf("%s with mode %o: %+v", c.path, c.mode, r)
		}
		if err := os.Chmod(c.path, info.Mode()); err != nil {
			t.Fatal(err)
		}
	}
	says(t, e.command("get", "prod", "-f", "token"))
}

// wineEdits: a setup waits for who has the file open, and comes back to one that it has made.
func wineEdits(t *testing.T, e *wine, _ *world) {
	for range 2 { // the second time, a file for a token is there
		says(t, e.command("setup", "openstack", "prod", "--token"))
	}
	// Names of variables have no case.
	cmd := e.command("exec", "prod", "--", "cmd", "/c", "set")
	cmd.Env = append(cmd.Env, "Os_Password=left over")
	if got := says(t, cmd); strings.Contains(strings.ToUpper(got), "OS_PASSWORD") {
		t.Errorf("the command has %s", got)
	}
	says(t, e.command("logout", "--all"))
	says(t, e.command("gc"))
	locks, err := filepath.Glob(e.unixPath(wineHome + `\AppData\Local\cache\jeton\*.lock`))
	if err != nil || len(locks) > 0 {
		t.Errorf("gc leaves %q", locks)
	}
}

// wineTests: the tests of packages that know nothing of Unix pass. Others keep files open, which
// Windows then does not remove, or want modes of files.
func wineTests(t *testing.T, e *wine, _ *world) {
	run := filepath.Join(e.home, "run")
	if err := os.WriteFile(run, []byte("#!/bin/sh\nexec "+e.program+" \"$@\"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("go", "test", "-count=1", "-exec", run, "../../formats", "../../plugin", "../../plugin/command",
		"../../plugin/keystone", "../../plugin/outscale", "../../plugin/ovhcloud", "../../plugin/sts")
	cmd.Env = slices.DeleteFunc(os.Environ(), func(line string) bool {
		return strings.HasPrefix(line, "JETON_TEST_") // with which they want what Windows has not
	})
	cmd.Env = append(append(cmd.Env, e.env...), "GOOS=windows", "GOARCH=amd64", "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

// wineReads: cmd takes from --shell cmd what jeton lets through, in a batch file. (The for /f of
// wine's cmd cannot read a command.)
func wineReads(t *testing.T, e *wine, w *world) {
	for _, value := range []string{"plain", "a b", " lead", "a^b&c|d<e>(f)", "'x'", `C:\x\`, "$HOME", "a;b,c=d", "#~*?"} {
		f, err := formats.New("env", formats.Options{Shell: "cmd"})
		if err != nil {
			t.Fatal(err)
		}
		c := &plugin.Credential{Token: plugin.NewSecret("gAAAAAtoken"), Expires: time.Now().Add(time.Hour),
			Attrs: map[string]string{"auth_url": w.vars["KEYSTONE"], "region_name": value}}
		var lines strings.Builder
		if err := f.Encode(&lines, c); err != nil {
			t.Fatal(err)
		}
		text := "@echo off\r\n" + lines.String() + "set OS_REGION_NAME\r\n"
		if err := os.WriteFile(e.unixPath(`C:\env.cmd`), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := e.run("cmd", "/c", `C:\env.cmd`)
		cmd.Env = append(cmd.Env, "OS_REGION_NAME=left over")
		if got := says(t, cmd); got != "OS_REGION_NAME="+value+"\r\n" {
			t.Errorf("%q is read as %q", value, got)
		}
	}
}

func winePowerShell(t *testing.T, e *wine, w *world) {
	got := says(t, e.command("get", "odd", "-f", "env", "--shell", "powershell"))
	token := strings.TrimSpace(says(t, e.command("get", "odd", "-f", "token")))
	got = strings.NewReplacer(token, "TOKEN", w.vars["KEYSTONE"], "KEYSTONE", w.vars["WEB"], "WEB").Replace(got)
	golden := "../../testdata/wine/env.ps1"
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if want, err := os.ReadFile(golden); err != nil || got != string(want) {
		t.Errorf("%v: %s is not what is printed:\n%s", err, golden, got)
	}
}

// A setup keeps the line ends of Windows, adds something below the rest, by which the caller gets
// what jeton prints, and takes that out again.
func wineSetups(t *testing.T, e *wine, _ *world) {
	for _, test := range []struct {
		path, text string
		args       []string
		adds       string
		argv       func(t *testing.T, added string) []string // runs jeton, as the caller reads it
		prints     []string
	}{
		{`\.aws\config`, "# mine\n[default]\nregion = x\n", []string{"aws", "s3"}, "[profile s3]\r\n",
			botocoreArgv, []string{"get", "s3", "-f", "aws"}},
		{`\.kube\config`, "apiVersion: v1\ncontexts:\n- name: c\n  context: {cluster: c, user: u}\nusers:\n" +
			"- name: other\n  user: {token: x}\n", []string{"kubernetes", "prod", "--context", "c"}, "- name: u\r\n",
			kubectlArgv, []string{"get", "prod", "-f", "kubernetes"}},
		{`\.config\openstack\clouds.yaml`, "# mine\nclouds:\n  other:\n    region_name: r\n",
			[]string{"openstack", "prod", "--token"}, "\"prod\":\r\n", nil, nil},
	} {
		t.Run(test.args[0], func(t *testing.T) {
			e.write(t, wineHome+test.path, test.text)
			before := e.read(t, wineHome+test.path)
			setup := append([]string{"setup"}, test.args...)
			says(t, e.command(setup...))
			after := e.read(t, wineHome+test.path)
			added, ok := strings.CutPrefix(after, before)
			if !ok || !strings.Contains(added, test.adds) ||
				strings.Count(added, "\n") != strings.Count(added, "\r\n") {
				t.Errorf("%q has become %q", before, after)
			}
			says(t, e.command(append(setup, "--remove")...))
			if again := e.read(t, wineHome+test.path); again != before {
				t.Errorf("%q has become %q", before, again)
			}
			if test.argv == nil {
				return
			}
			argv := test.argv(t, added)
			if got, want := says(t, e.run(argv...)), says(t, e.command(test.prints...)); got != want {
				t.Errorf("%q prints %s, not %s", argv, got, want)
			}
		})
	}
}

// botocoreArgv returns how botocore splits the line of a profile on Windows.
func botocoreArgv(t *testing.T, added string) (argv []string) {
	_, line, _ := strings.Cut(added, "credential_process = ")
	line, _, _ = strings.Cut(line, "\r\n")
	out, err := exec.Command("python3", "-c", "import sys, json; from botocore.compat import _windows_shell_split\n"+
		"print(json.dumps(_windows_shell_split(sys.argv[1])))", line).Output()
	if err != nil {
		skip(t, "python3 has no botocore")
	}
	if err := json.Unmarshal(out, &argv); err != nil || len(argv) == 0 {
		t.Fatalf("%s is split into %s", line, out)
	}
	return argv
}

// kubectlArgv returns what a kubeconfig has kubectl run.
func kubectlArgv(t *testing.T, added string) []string {
	var users []struct {
		User struct {
			Exec struct {
				Command string
				Args    []string
			}
		}
	}
	if err := yaml.Unmarshal([]byte(added), &users); err != nil || users[0].User.Exec.Command != wineJeton {
		t.Fatalf("%v: kubectl is to run %+v", err, users)
	}
	return append([]string{users[0].User.Exec.Command}, users[0].User.Exec.Args...)
}
