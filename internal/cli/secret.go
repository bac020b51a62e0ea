package cli

import (
	"context"
	"errors"
	"os"
	"slices"

	"golang.org/x/term"

	"github.com/jeton-cli/jeton/plugin"
)

type secretCmd struct {
	Set secretSetCmd `cmd:"" help:"Store a secret, read from the terminal or standard input."`
	Rm  secretRmCmd  `cmd:"" help:"Remove a secret."`
}

func (*secretCmd) Help() string {
	return `A profile refers to a secret in the system's keyring by {keyring: NAME}. The keyring is the Secret Service on Linux (gnome-keyring, KWallet, KeePassXC), the Keychain on macOS, the Credential Manager on Windows.`
}

type secretSetCmd struct {
	Name string `arg:"" help:"What {keyring: NAME} refers to."`
}

func (*secretSetCmd) Help() string {
	return `What was obtained with the former secret is dropped.

Examples:
  jeton secret set prod
  pass show keystone/alice | jeton secret set prod`
}

func (s *secretSetCmd) Run(ctx context.Context, a *app) error {
	if err := plugin.CheckSecretName(s.Name); err != nil {
		return err
	}
	secret, err := a.readSecret(ctx, "Secret "+s.Name+": ")
	if err != nil {
		return err
	}
	if err := (plugin.Keyring{Getenv: a.getenv}).Set(ctx, s.Name, secret); err != nil {
		return err
	}
	return a.dropStandingOn(ctx, s.Name)
}

type secretRmCmd struct {
	Name string `arg:"" help:"What {keyring: NAME} refers to."`
}

func (*secretRmCmd) Help() string {
	return "What was obtained with the secret stays valid until it expires: jeton logout ends that too."
}

func (s *secretRmCmd) Run(ctx context.Context, a *app) error {
	if err := plugin.CheckSecretName(s.Name); err != nil {
		return err
	}
	return plugin.Keyring{Getenv: a.getenv}.Delete(ctx, s.Name)
}

// readSecret reads a secret from standard input, or if that is a terminal,
// asks for it there.
func (a *app) readSecret(ctx context.Context, question string) (plugin.Secret, error) {
	if !term.IsTerminal(int(os.Stdin.Fd())) {
		secret, err := plugin.ReadSecret(os.Stdin)
		if err != nil {
			e := plugin.AsError(err)
			e.Text = "standard input: " + e.Text
			return secret, e
		}
		return secret, nil
	}
	secret, err := a.ask(ctx, question)
	if errors.Is(err, plugin.ErrNobody) {
		return secret, plugin.Errorf(plugin.Usage, "the secret cannot be asked for in the background").
			WithHint("pass it on standard input")
	}
	return secret, err
}

// dropStandingOn forgets what was obtained with the secret of that name in the
// keyring: the secret itself is no part of the key.
func (a *app) dropStandingOn(ctx context.Context, name string) error {
	f, err := a.config()
	if err != nil {
		return err
	}
	a.open(ctx, true)
	uses := func(p *plugin.Profile) bool { return slices.Contains(p.KeyringNames(), name) }
	var failures error
	for _, p := range a.upperFirst(f, uses) {
		// A secret that is not at hand gives no key, and nothing is served
		// either.
		for _, name := range a.keysOf(p) {
			_, err := a.cache.Drop(ctx, name)
			failures = errors.Join(failures, about(p, err))
		}
	}
	return failures
}
