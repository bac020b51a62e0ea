package cli

import "context"

type rejectCmd struct {
	Profile string `arg:"" optional:"" help:"Profile; see jeton get --help."`
}

func (r *rejectCmd) Help() string {
	return "Call it when a service has refused the credential although it has not expired. The credential is not revoked at its issuer, as logout does."
}

func (r *rejectCmd) Run(ctx context.Context, a *app) error {
	p, err := a.profile(r.Profile)
	if err != nil {
		return err
	}
	a.open(ctx, true)
	key, err := a.cache.Key(p, a.getenv)
	if err != nil {
		return about(p, err)
	}
	// The ledger goes first, and has the cache forget the key: a get in between
	// must not find it wanted, and keep it.
	if p.Issuer.Mints {
		id := ""
		if a.roaming(p) { // the profile's other keys are those of other identities
			id = a.cache.AccessKey(ctx, key)
		}
		if id != "" || !a.roaming(p) {
			err = a.ledger(p).Unwant(ctx, id)
		}
		if err != nil {
			return about(p, err)
		}
	}
	_, err = a.cache.Drop(ctx, key.Name)
	return about(p, err)
}
