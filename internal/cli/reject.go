package cli

import (
	"context"
	"fmt"

	"github.com/jeton-cli/jeton/cache"
	"github.com/jeton-cli/jeton/plugin"
)

type rejectCmd struct {
	Profile string `arg:"" optional:"" help:"Profile; see jeton get --help."`
	ID      string `name:"id" help:"Only if the credential is still the one with this id, as json and openstack-token have it." placeholder:"ID"`
	Fleet   bool   `help:"Revoke it, for all hosts that share it."`
}

func (r *rejectCmd) Help() string {
	return `Call it when a service refuses a credential that has not expired. Unlike logout, it does not revoke the credential at its issuer. With --id, fifty callers that meet the same refusal cost one request: a credential that another has replaced already is left alone.

Other hosts that share the credential (shared_cache in the configuration) go on with it, until they reject it too. With --fleet it is revoked for all of them.`
}

func (r *rejectCmd) Run(ctx context.Context, t *terminal, ps *profiles, w cache.World) error {
	if r.ID != "" && r.Fleet {
		return plugin.Errorf(plugin.Usage, "--id and --fleet exclude each other").
			WithHint("--fleet is for all hosts, whichever credential each of them has")
	}
	p, err := ps.named(r.Profile)
	if err != nil {
		return err
	}
	s, err := forFleet(cache.Open(ctx, w, true), r.Fleet)
	if err != nil {
		return err
	}
	if err := s.Reject(ctx, ps.read, p, r.ID); err != nil {
		return err
	}
	what := "dropped; the next call fetches a new one"
	switch {
	case s.Done.Forgotten == 0 && r.ID != "":
		what = "nothing with this id is kept: another has replaced it already"
	case s.Done.Forgotten == 0:
		what = "nothing was kept; the next call fetches a new one"
	}
	return t.print(fmt.Appendf(nil, "%s: %s\n", p.Name, what))
}
