package cli

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/jeton-cli/jeton/cache"
	"github.com/jeton-cli/jeton/plugin"
)

type loginCmd struct {
	Profile   string `arg:"" optional:"" help:"Profile; see jeton get --help."`
	NoBrowser bool   `name:"no-browser" help:"Start no browser here. Print the address, and take the address that the browser ends at."`
}

func (l *loginCmd) Help() string {
	return `Opens the issuer's page in your browser, or shows a code to enter on another machine (flow: device_code), or asks for the password that the profile leaves out. Then kubectl, aws, openstack and other tools work without a question until the session ends. All profiles of the same issuer and client share one login: it asks for the scopes of all of them.

It logs in anew even if a token is at hand. If another login at the issuer is under way, it waits for that one first. Ctrl-C cancels the login, and so does its time limit of ten minutes: if the page shows an error, check client_id and the redirect address. A denied or cancelled login is remembered for five minutes; this command asks again at once.

Examples:
  jeton login                  the identity in the environment, or default
  jeton login prod             log in at the browser
  jeton login prod --no-browser
                               over SSH or in a container: open the address
                               on your own machine, and paste the address
                               that it ends at`
}

func (l *loginCmd) Run(ctx context.Context, i *invocation, t *terminal, ps *profiles, w cache.World) error {
	p, err := ps.named(l.Profile)
	if err != nil {
		return err
	}
	v := newVisitor(i, t, ps)
	v.explicit, v.noBrowser = true, l.NoBrowser
	w.People = v.people()
	s := cache.Open(ctx, w, true)
	c, err := s.Login(ctx, p)
	if err != nil {
		return about(p, err)
	}
	until := ""
	if !c.Expires.IsZero() {
		until = "; the token lasts until " + clockTime(c.Expires)
	}
	row := profileReport{Identity: c.Attrs, AccessKey: c.AccessKey}
	t.say("jeton: " + p.Name + ": logged in as " + row.identity() + until)
	return nil
}

// clockTime returns a time of the near future as people write it.
func clockTime(t time.Time) string {
	if time.Until(t) < 20*time.Hour {
		return t.Local().Format("15:04")
	}
	return t.Local().Format("2006-01-02 15:04")
}

// loginCommand is the hidden command of the process in which a person logs in. It outlives
// its caller: whoever asks next finds the token. Its arguments are those of
// [visitor.start].
const loginCommand = "__login"

// loginProcessLimit is the longest that such a process may take.
const loginProcessLimit = 35 * time.Minute

// errCancelled is the cause of a login's end by Ctrl-C at the terminal that started it.
func errCancelled() error {
	return plugin.Errorf(plugin.Denied, "the login was cancelled").RememberFor(5 * time.Minute)
}

// authenticate carries out the hidden command.
func authenticate(i *invocation, t *terminal, ps *profiles, args []string) error {
	if len(args) != 4 {
		return plugin.Errorf(plugin.Usage, "%s is not for people: jeton login", loginCommand)
	}
	name, anew, noBrowser := args[0], args[1] == "anew", args[2] == "no-browser"
	*ps.path = args[3]
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	defer time.AfterFunc(loginProcessLimit, func() {
		plugin.Catch(func() error { os.Exit(int(t.fail(errHangs()))); return nil })
	}).Stop()
	signal.Ignore(syscall.SIGPIPE) // the caller, who reads the warnings, may be gone
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go plugin.Catch(func() error {
		<-signals
		cancel(errCancelled())
		return nil
	})
	p, err := ps.named(name)
	if err != nil {
		return err
	}
	v := newVisitor(i, t, ps)
	v.noBrowser = noBrowser
	w := cache.World{Issuers: i.issuers, Getenv: i.env.get, Log: t.log, Warn: t.warn, People: v.people()}
	if err := cache.Open(ctx, w, true).Authenticate(ctx, ps.read, p, anew); err != nil {
		return exitStatus(plugin.AsError(err).Code) // the callers tell of it
	}
	return nil
}
