package plugin

import (
	"context"
	"os/exec"
	"runtime"
	"strings"
	"time"
)

// browserLimit is how long a program that opens browsers is watched. Most end at once; one
// that is the browser itself runs on.
const browserLimit = 3 * time.Second

// Browser opens web pages for the user.
type Browser struct {
	Getenv func(string) string
	// Withheld is as in [Env].
	Withheld func() []string
}

// Open shows the page at the address. It returns a [Config] error if this machine has no
// browser that could.
func (b Browser) Open(ctx context.Context, address string) error {
	commands := b.commands()
	if len(commands) == 0 {
		return Errorf(Config, "this session has no browser")
	}
	var err error
	for _, argv := range commands {
		if err = b.start(ctx, argv, address); err == nil {
			return nil
		}
	}
	return err
}

// commands returns the commands that may open a page, the best first. $BROWSER lists
// commands, separated by colons; %s in one stands for the address.
//
// https://man.archlinux.org/man/xdg-open.1
func (b Browser) commands() (commands [][]string) {
	for command := range strings.SplitSeq(b.Getenv("BROWSER"), ":") {
		if words := strings.Fields(command); len(words) > 0 {
			commands = append(commands, words)
		}
	}
	windows := b.Getenv("WSL_DISTRO_NAME") != "" || b.Getenv("WSL_INTEROP") != ""
	switch {
	case commands != nil:
	case runtime.GOOS == "darwin":
		commands = [][]string{{"open"}}
	case runtime.GOOS == "windows":
		commands = [][]string{{"rundll32", "url.dll,FileProtocolHandler"}}
	case windows:
		commands = [][]string{{"wslview"}, {"rundll32.exe", "url.dll,FileProtocolHandler"}}
	case b.Getenv("DISPLAY") != "" || b.Getenv("WAYLAND_DISPLAY") != "":
		commands = [][]string{{"xdg-open"}}
	}
	return commands
}

// start runs a command with the address. It returns an error if the command fails within
// browserLimit, and leaves it alone afterwards.
func (b Browser) start(ctx context.Context, argv []string, address string) error {
	args, placed := []string{}, false
	for _, word := range argv[1:] {
		if strings.Contains(word, "%s") {
			word, placed = strings.ReplaceAll(word, "%s", address), true
		}
		args = append(args, word)
	}
	if !placed {
		args = append(args, address)
	}
	cmd := exec.CommandContext(context.WithoutCancel(ctx), argv[0], args...)
	cmd.Env = Program{}.environ(b.Withheld)
	apart(cmd) // it may be the browser itself, with all that the person does there
	if err := cmd.Start(); err != nil {
		return Errorf(Config, "the browser %q cannot be started", Shorten(argv[0]))
	}
	ended := make(chan error, 1)
	go func() { ended <- Catch(cmd.Wait) }()
	select {
	case err := <-ended:
		if err != nil {
			return Errorf(Config, "the browser %q has failed", Shorten(argv[0]))
		}
	case <-time.After(browserLimit):
	case <-ctx.Done():
	}
	return nil
}
