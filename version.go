package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

type versionCmd struct{}

func (versionCmd) Run(a *app) error {
	version := "unknown"
	if info, ok := debug.ReadBuildInfo(); ok {
		version = info.Main.Version
	}
	return a.print(fmt.Appendf(nil, "jeton %s %s %s/%s\n", version, runtime.Version(), runtime.GOOS, runtime.GOARCH))
}
