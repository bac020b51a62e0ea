package cli

import (
	"context"

	"github.com/jeton-cli/jeton/cache"
)

type rejectCmd struct {
	Profile string `arg:"" optional:"" help:"Profile; see jeton get --help."`
}

func (r *rejectCmd) Help() string {
	return `Call it when a service refuses a credential that has not expired. Unlike logout, it does not revoke the credential at its issuer.`
}

func (r *rejectCmd) Run(ctx context.Context, ps *profiles, w cache.World) error {
	p, err := ps.named(r.Profile)
	if err != nil {
		return err
	}
	return cache.Open(ctx, w, true).Reject(ctx, p)
}
