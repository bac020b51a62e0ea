package cli

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

type versionCmd struct{}

func (versionCmd) Run(i *invocation, t *terminal) error {
	version := i.version
	if info, ok := debug.ReadBuildInfo(); ok && version == "" {
		version = info.Main.Version
	}
	return t.print(fmt.Appendf(nil, "jeton %s %s %s/%s\n", version, runtime.Version(), runtime.GOOS, runtime.GOARCH))
}
