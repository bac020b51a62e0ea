package outscale

import (
	"errors"
	"io/fs"

	"github.com/jeton-cli/jeton/plugin"
)

// importConfig imports profiles from a config.json, or the identity in the environment.
type importConfig struct {
	Args []string `arg:"" optional:"" name:"file-or-profile" help:"A config.json, by default ~/.osc/config.json, and names of profiles in it; by default all."`
}

func (*importConfig) Help() string {
	return "Without a file or a profile, an identity in OSC_ variables is taken, as Outscale's tools do it, and else " +
		"the file. The profile default becomes one called outscale."
}

// Drafts returns the imported profiles.
func (i *importConfig) Drafts(env plugin.ImportEnv) ([]plugin.Draft, error) {
	path, names := plugin.FileFirst(i.Args, ".json")
	if len(i.Args) == 0 {
		values, complete, err := environment(env.Getenv)
		if err != nil {
			return nil, err
		}
		if complete {
			return plugin.DraftsOf("", env.As, []string{"outscale"}, nil,
				func(name string) (plugin.Draft, error) { return draft(name, values) })
		}
	}
	if path == "" {
		path = env.Getenv("OSC_CONFIG_FILE")
	}
	f, err := ReadConfig(path)
	if errors.Is(err, fs.ErrNotExist) && path == "" {
		return nil, plugin.Errorf(plugin.Config,
			"there is no ~/.osc/config.json, and no access key in OSC_ACCESS_KEY and OSC_SECRET_KEY").
			WithHint("name the file: jeton import outscale PATH")
	}
	if err != nil {
		return nil, err
	}
	return plugin.DraftsOf(f.Path, env.As, names, f.Names, f.Draft)
}

// findConfig returns the file of Outscale's tools, if there is one.
func findConfig(plugin.ImportEnv) []plugin.Found {
	f, err := ReadConfig("")
	if err != nil || len(f.Names) == 0 {
		return nil
	}
	return []plugin.Found{{What: f.Path, Importer: &importConfig{Args: []string{f.Path}}}}
}
