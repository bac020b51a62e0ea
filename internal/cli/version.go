package cli

import (
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"
)

type versionCmd struct {
	JSON bool `name:"json" help:"Print JSON: the commit, the version of Go and the modules too."`
}

// A versionReport is what jeton knows of its own making. Commit, Modified and Time are of the working
// copy, and empty in a build of a module's zip file, as go install …@latest makes one.
type versionReport struct {
	Version      string       `json:"version"`
	Commit       string       `json:"commit,omitempty"`
	Modified     bool         `json:"modified,omitempty"` // by changes that are in no commit
	Time         string       `json:"time,omitempty"`     // the commit's (RFC 3339)
	Go           string       `json:"go"`
	OS           string       `json:"os"`
	Arch         string       `json:"arch"`
	Dependencies []dependency `json:"dependencies"`
}

// A dependency is a module in the program.
type dependency struct {
	Path    string `json:"path"`
	Version string `json:"version"`
	Sum     string `json:"sum,omitempty"` // as in go.sum
}

func (v versionCmd) Run(i *invocation, t *terminal) error {
	b := thisBuild(i.version)
	if !v.JSON {
		return t.print(fmt.Appendf(nil, "jeton %s %s %s/%s\n", b.Version, b.Go, b.OS, b.Arch))
	}
	document, err := json.MarshalIndent(b, "", "  ")
	if err != nil {
		return err
	}
	return t.print(append(document, '\n'))
}

// thisBuild describes the running program. A version that the linker set goes before the module's.
func thisBuild(version string) versionReport {
	b := versionReport{
		Version: version, Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH, Dependencies: []dependency{},
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	if b.Version == "" {
		b.Version = info.Main.Version
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Commit = s.Value
		case "vcs.modified":
			b.Modified = s.Value == "true"
		case "vcs.time":
			b.Time = s.Value
		}
	}
	for _, m := range info.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		b.Dependencies = append(b.Dependencies, dependency{Path: m.Path, Version: m.Version, Sum: m.Sum})
	}
	return b
}
