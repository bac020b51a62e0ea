package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/jeton-cli/jeton/cache"
	"github.com/jeton-cli/jeton/plugin"
)

type gcCmd struct{}

func (gcCmd) Help() string {
	return `Removes expired credentials and the leftovers of killed processes. Deletes access keys at their issuer if jeton has replaced them, or if their profile is gone and another profile still logs in there.`
}

func (gcCmd) Run(ctx context.Context, t *terminal, ps *profiles, w cache.World) error {
	f, err := ps.file()
	if err != nil {
		return err
	}
	s := cache.Open(ctx, w, true)
	removed, err := s.Collect(ctx)
	if err != nil {
		return err
	}
	deleted, failures := s.CollectKeys(ctx, f)
	summary := fmt.Sprintf("%s and %s removed\n", plugin.Count(removed, "expired credential"),
		plugin.Count(deleted, "access key"))
	return errors.Join(failures, t.print([]byte(summary)))
}
