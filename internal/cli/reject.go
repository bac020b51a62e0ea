package cli

import (
	"context"

	"github.com/jeton-cli/jeton/cache"
)

type rejectCmd struct {
	Profile string `arg:"" optional:"" help:"Profile; see jeton get --help."`
	ID      string `name:"id" help:"Only if the credential is still the one with this id, as json and openstack-token have it." placeholder:"ID"`
}

func (r *rejectCmd) Help() string {
	return `Call it when a service refuses a credential that has not expired. Unlike logout, it does not revoke the credential at its issuer. With --id, fifty callers that meet the same refusal cost one request: a credential that another has replaced already is left alone.`
}

func (r *rejectCmd) Run(ctx context.Context, ps *profiles, w cache.World) error {
	p, err := ps.named(r.Profile)
	if err != nil {
		return err
	}
	return cache.Open(ctx, w, true).Reject(ctx, p, r.ID)
}
