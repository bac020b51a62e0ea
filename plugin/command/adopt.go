package command

import (
	"maps"
	"slices"

	"github.com/jeton-cli/jeton/plugin"
)

// adopt takes over any program that gets a credential for a caller.
func adopt(h plugin.Helper) (*plugin.Adopted, error) {
	if len(h.Argv) == 0 {
		return nil, nil
	}
	a := &plugin.Adopted{}
	a.Set(h, "argv", h.Argv[0])
	v := a.Values["argv"]
	v.List = h.Argv
	a.Values["argv"] = v
	if len(h.Env) > 0 {
		a.Set(h, "env", "env")
		v := a.Values["env"]
		for _, name := range slices.Sorted(maps.Keys(h.Env)) {
			if plugin.SecretVariable(name) {
				a.Left = append(a.Left, name)
				a.Notes = append(a.Notes, name+" is a secret: set it in the environment, and name it in depends_on")
				continue
			}
			v.List = append(v.List, name+"="+h.Env[name])
		}
		if a.Values["env"] = v; v.List == nil {
			delete(a.Values, "env")
		}
	}
	return a, nil
}
