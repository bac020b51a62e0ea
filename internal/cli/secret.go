package cli

import (
	"context"

	"github.com/jeton-cli/jeton/cache"
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
	Name string `arg:"" help:"The NAME in {keyring: NAME}."`
}

func (*secretSetCmd) Help() string {
	return `Drops the credentials that were obtained with the old secret.

Examples:
  jeton secret set prod
  pass show keystone/alice | jeton secret set prod`
}

// valueHint says where the value goes: others can read a command line.
func (*secretSetCmd) valueHint() string {
	return "the value goes to standard input, or to the question of jeton secret set NAME"
}

func (s *secretSetCmd) Run(ctx context.Context, t *terminal, ps *profiles, w cache.World) error {
	if err := plugin.CheckSecretName(s.Name); err != nil {
		return err
	}
	secret, err := t.readSecret(ctx, "Secret "+s.Name+": ")
	if err != nil {
		return err
	}
	if err := (plugin.Keyring{Getenv: w.Getenv}).Set(ctx, s.Name, secret); err != nil {
		return err
	}
	f, err := ps.file()
	if err != nil {
		return err
	}
	return cache.Open(ctx, w, true).DropStandingOn(ctx, f, s.Name)
}

type secretRmCmd struct {
	Name string `arg:"" help:"The NAME in {keyring: NAME}."`
}

func (*secretRmCmd) Help() string {
	return "A credential that was obtained with the secret stays valid until it expires. jeton logout revokes it."
}

func (s *secretRmCmd) Run(ctx context.Context, w cache.World) error {
	if err := plugin.CheckSecretName(s.Name); err != nil {
		return err
	}
	return plugin.Keyring{Getenv: w.Getenv}.Delete(ctx, s.Name)
}
