package cli

import (
	"context"

	"github.com/jeton-cli/jeton/cache"
)

type rejectCmd struct {
	Profile string `arg:"" optional:"" help:"Profile; see jeton get --help."`
}

func (r *rejectCmd) Help() string {
	return "Call it when a service has refused the credential although it has not expired. The credential is not " +
		"revoked at its issuer, as logout does."
}

func (r *rejectCmd) Run(ctx context.Context, ps *profiles, w cache.World) error {
	p, err := ps.named(r.Profile)
	if err != nil {
		return err
	}
	return cache.Open(ctx, w, true).Reject(ctx, p)
}
