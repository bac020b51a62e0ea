//go:build unix

package plugin

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// What a program has started ends with its limit.
func TestProgramGroup(t *testing.T) {
	if _, err := exec.LookPath("sh"); err != nil {
		t.Skip(err)
	}
	children := filepath.Join(t.TempDir(), "children")
	ctx, cancel := context.WithCancel(t.Context())
	script := "trap '' TERM; sleep 60 & echo $! >>" + children + "; (sleep 60 & echo $! >>" + children + "); wait"
	ended := make(chan error, 1)
	go func() {
		_, err := Program{Argv: []string{"sh", "-c", script}}.Run(ctx, &Env{Getenv: os.Getenv})
		ended <- err
	}()
	var pids []string
	for len(pids) < 2 {
		time.Sleep(10 * time.Millisecond)
		b, _ := os.ReadFile(children)
		pids = strings.Fields(string(b))
	}
	cancel()
	if err := <-ended; err == nil || AsError(err).Code != Config {
		t.Error(err)
	}
	for _, text := range pids {
		pid, err := strconv.Atoi(text)
		if err != nil {
			t.Fatal(err)
		}
		for try := 0; syscall.Kill(pid, 0) == nil && !zombie(pid); try++ {
			if try > 200 {
				t.Fatalf("process %d lives on", pid)
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
}

// zombie reports whether a process has ended and nobody has waited for it.
func zombie(pid int) bool {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	_, state, _ := strings.Cut(string(b), ") ")
	return err == nil && strings.HasPrefix(state, "Z")
}

// A program sees neither the secrets of the clouds' own tools, nor those of profiles, nor
// what is jeton's.
func TestProgramEnvironment(t *testing.T) {
	for name, secret := range map[string]bool{
		"OS_PASSWORD": true, "OS_TOKEN": true, "OS_AUTH_TOKEN": true, "OS_APPLICATION_CREDENTIAL_SECRET": true,
		"OS_CLIENT_SECRET": true, "OS_PASSCODE": true, "OS_ACCESS_TOKEN": true, "OS_IDP_OTP_KEY": true,
		"OVH_APPLICATION_SECRET": true, "OVH_CONSUMER_KEY": true, "OVH_CLIENT_SECRET": true, "OVH_ACCESS_TOKEN": true,
		"OSC_SECRET_KEY": true, "OSC_PASSWORD": true, "AWS_SECRET_ACCESS_KEY": true, "AWS_SESSION_TOKEN": true,
		"AWS_SECURITY_TOKEN": true, "AWS_CONTAINER_AUTHORIZATION_TOKEN": true,
		"AWS_WEB_IDENTITY_TOKEN_FILE": false, "AWS_PROFILE": false, "AWS_ACCESS_KEY_ID": false, "OS_AUTH_URL": false,
		"OS_USERNAME": false, "HOME": false, "GITHUB_TOKEN": false, "OVH_ENDPOINT": false, "OSC_REGION": false,
		"VAULT_TOKEN": false, "PASSWORD_STORE_DIR": false,
	} {
		if got := secretOfCloud(name); got != secret {
			t.Errorf("%s: %v", name, got)
		}
		t.Setenv(name, "x")
		for _, p := range []Program{{}, {Depends: []string{name}}, {Env: []string{name + "=given"}}} {
			env := p.environ(func() []string { return []string{"GITHUB_TOKEN"} })
			withheld := secret || name == "GITHUB_TOKEN"
			if slices.Contains(env, name+"=x") == (withheld && p.Depends == nil) ||
				p.Env != nil && env[len(env)-1] != name+"=given" {
				t.Errorf("%s: %v", name, p)
			}
		}
	}
}
