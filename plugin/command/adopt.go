package command

import (
	"maps"
	"slices"
	"strings"

	"github.com/jeton-cli/jeton/plugin"
)

// adopt takes over any program that gets a credential for a caller.
func adopt(h plugin.Helper) (*plugin.Adopted, error) {
	if len(h.Argv) == 0 {
		return nil, nil
	}
	if secrets := h.Secrets(); len(secrets) > 0 { // which would be written into the configuration
		return nil, plugin.Errorf(plugin.Config, "its program gets a secret there: %s", strings.Join(secrets, ", ")).
			WithHint("give it to the program in another way, such as a file, and write the profile: jeton help command")
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
			v.List = append(v.List, name+"="+h.Env[name])
		}
		a.Values["env"] = v
	}
	return a, nil
}
