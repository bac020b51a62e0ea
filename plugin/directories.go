package plugin

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"github.com/adrg/xdg"
)

// ConfigDir returns the directory of config.yaml.
func ConfigDir(getenv func(string) string) (string, error) {
	return directory(getenv, "XDG_CONFIG_HOME", xdg.ConfigHome)
}

// UsualConfig returns the path of the configuration file, if nobody names another.
func UsualConfig(getenv func(string) string) (string, error) {
	dir, err := ConfigDir(getenv)
	return filepath.Join(dir, "config.yaml"), err
}

// StateDir returns the directory for what must not be lost: the pepper of the cache keys,
// the ledger of minted keys, imported secrets.
func StateDir(getenv func(string) string) (string, error) {
	return directory(getenv, "XDG_STATE_HOME", xdg.StateHome)
}

// CacheDir returns the directory for what can be fetched again.
func CacheDir(getenv func(string) string) (string, error) {
	if path := getenv("JETON_CACHE_DIR"); path != "" {
		return path, nil
	}
	return directory(getenv, "XDG_CACHE_HOME", xdg.CacheHome)
}

// HomeVariable returns the name of the variable with the home directory.
func HomeVariable() string {
	if runtime.GOOS == "windows" {
		return "USERPROFILE"
	}
	return "HOME"
}

// directory returns jeton's directory below base, which comes from the XDG variable or
// from the home directory. It returns an error if neither is an absolute path.
//
// https://specifications.freedesktop.org/basedir-spec/latest/
func directory(getenv func(string) string, variable, base string) (string, error) {
	home, err := os.UserHomeDir()
	if (err != nil || !filepath.IsAbs(home)) && !filepath.IsAbs(getenv(variable)) {
		return "", fmt.Errorf("neither %s nor %s is set to an absolute path", HomeVariable(), variable)
	}
	return filepath.Join(base, "jeton"), nil
}
