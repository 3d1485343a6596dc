package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

// version describes the build for bug reports: the version or the commit, the version
// of Go and the platform.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		info = &debug.BuildInfo{}
	}
	return versionOf(info)
}

// versionOf returns the version recorded in a build.
func versionOf(info *debug.BuildInfo) string {
	built := info.Main.Version
	if built == "" {
		built = "(devel)"
	}
	settings := make(map[string]string)
	for _, s := range info.Settings {
		settings[s.Key] = s.Value
	}
	if revision := settings["vcs.revision"]; revision != "" {
		built += fmt.Sprintf(" commit %.12s", revision)
		if settings["vcs.modified"] == "true" {
			built += ", with changes"
		}
	}
	return fmt.Sprintf("%s, %s, %s/%s", built, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
