package plugin

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// WithinVariable names the environment variable that lists profiles whose secret comes
// from a program above this process. If that program asks jeton for one of them, it would
// wait for itself.
const WithinVariable = "JETON_WITHIN"

// A Program is another program that jeton runs, for a secret or for a credential.
type Program struct {
	Argv    []string
	Env     []string // variables for it besides those of this process, NAME=VALUE each
	Depends []string // the variables that its answer depends on, or nil for the usual ones
}

// usual are variables by which programs choose an identity. None of them holds a secret.
var usual = [...]string{"AWS_PROFILE", "KUBECONFIG", "OS_CLOUD", "OSC_PROFILE", "OVH_PROFILE", "PASSWORD_STORE_DIR"}

// UsualVariable reports whether programs choose an identity, or where they are, by the
// environment variable.
func UsualVariable(name string) bool { return name == "PATH" || slices.Contains(usual[:], name) }

// CacheInput returns what the answer of p depends on as it enters the cache key: its path
// and arguments, and the variables.
func (p Program) CacheInput(getenv func(string) string) string {
	parts := append([]string{"command", located(p.Argv[0], getenv)}, p.Argv...)
	for _, name := range p.Variables() {
		parts = append(parts, name+"="+getenv(name))
	}
	return strings.Join(parts, "\x00")
}

// Variables returns the environment variables that the answer of p depends on.
func (p Program) Variables() []string {
	if p.Depends != nil {
		return p.Depends
	}
	return usual[:]
}

// located returns the path of the program called name, or name itself if there is none.
func located(name string, getenv func(string) string) string {
	if strings.ContainsRune(name, filepath.Separator) {
		return name
	}
	getenv("PATH") // which LookPath reads by itself
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	return name
}

// beside returns argv with the program found from the folder dir, if its name is a
// relative path.
func beside(dir string, argv []string) []string {
	name := ExpandHome(argv[0])
	if strings.ContainsRune(name, filepath.Separator) && !isAbs(name) {
		name = filepath.Join(dir, name)
	}
	return append([]string{name}, argv[1:]...)
}

// Run runs p for the profile of env, and returns what it prints, up to 64 KiB. It ends
// with its process group when ctx does. The program may not ask jeton for that profile.
// Errors are [Config] errors unless the program exits with [Unusable], [Network], [Later]
// or [Denied].
func (p Program) Run(ctx context.Context, env *Env) ([]byte, error) {
	cmd := exec.CommandContext(ctx, p.Argv[0], p.Argv[1:]...)
	cmd.Env = append(p.environ(env.Withheld), WithinVariable+"="+
		strings.TrimSpace(env.Getenv(WithinVariable)+" "+env.Profile))
	cmd.WaitDelay = time.Second // for processes that the program started
	var out, complaint limited
	start := time.Now()
	cmd.Stdout, cmd.Stderr = &out, &complaint
	defer Waiting(ctx, "the program "+Shorten(p.Argv[0]))()
	if err := runGroup(cmd); err != nil {
		return nil, p.failure(err, ctx.Err() != nil, time.Since(start), complaint.String())
	}
	return out.Bytes(), nil
}

// failure returns the error of a program that failed after this time.
func (p Program) failure(err error, late bool, took time.Duration, complaint string) error {
	if errors.Is(err, exec.ErrNotFound) || errors.Is(err, os.ErrNotExist) {
		return Errorf(Config, "command %q: not found", p.Argv[0])
	}
	why := err.Error()
	if late {
		why = fmt.Sprintf("took longer than %s", took.Round(time.Second))
	}
	// The program may print anything. Only its first line is passed on, made harmless.
	if line, _, _ := strings.Cut(strings.TrimSpace(complaint), "\n"); line != "" {
		why += fmt.Sprintf(" (it says %q)", Shorten(line))
	}
	// The program may have asked the user something. Callers waiting in line must not each
	// ask again.
	e := Errorf(Config, "command %q: %s", p.Argv[0], why).RememberFor(10 * time.Second)
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		switch code := Code(exit.ExitCode()); code {
		case Unusable, Network, Later, Denied:
			e.Code = code // from another jeton, or a program that follows sysexits(3)
		}
	}
	return e
}

// environ returns the environment of p: that of this process without jeton's own
// variables and without the secrets of others, unless p names them. withheld returns the
// variables that are the secrets of profiles.
func (p Program) environ(withheld func() []string) (env []string) {
	var secrets []string
	if withheld != nil {
		secrets = withheld()
	}
	for _, line := range os.Environ() {
		name, _, _ := strings.Cut(line, "=")
		name = VariableName(name)
		own := strings.HasPrefix(name, "JETON_")
		if !own && !secretOfCloud(name) && !named(secrets, name) || named(p.Depends, name) {
			env = append(env, line)
		}
	}
	return append(env, p.Env...)
}

// VariableName returns the name of an environment variable as the system compares it.
func VariableName(name string) string {
	if runtime.GOOS == "windows" {
		return strings.ToUpper(name)
	}
	return name
}

// named reports whether the variable is in the list.
func named(list []string, variable string) bool {
	return slices.ContainsFunc(list, func(name string) bool { return VariableName(name) == variable })
}

// secretOfCloud reports whether an environment variable is a secret of one of the clouds'
// own tools.
func secretOfCloud(name string) bool {
	family, rest, _ := strings.Cut(name, "_")
	if !slices.Contains([]string{"OS", "OVH", "OSC", "AWS"}, family) || strings.HasSuffix(rest, "_FILE") {
		return false
	}
	for _, word := range strings.Split(rest, "_") {
		switch word {
		case "PASSWORD", "PASSCODE", "SECRET", "TOKEN":
			return true
		}
	}
	return rest == "CONSUMER_KEY" || rest == "OTP_KEY" || strings.HasSuffix(rest, "_OTP_KEY")
}
