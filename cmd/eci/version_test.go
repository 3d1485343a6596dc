package main

import (
	"regexp"
	"runtime/debug"
	"strings"
	"testing"
)

// TestVersion: a report of a fault can say what it is of.
func TestVersion(t *testing.T) {
	code, out, stderr := eciRun(t.Context(), "--version")
	if code != 0 || stderr != "" || !regexp.MustCompile(`^eci \S+.*, go\S.*, \w+/\w+\n$`).MatchString(out) {
		t.Errorf("exit code %d, %q, %q", code, out, stderr)
	}
	for _, test := range []struct {
		reason string
		info   debug.BuildInfo
		want   string
	}{
		{"a build of nothing known", debug.BuildInfo{}, "(devel), "},
		{"a release", debug.BuildInfo{Main: debug.Module{Version: "v1.2.3"}}, "v1.2.3, "},
		{"a clone", debug.BuildInfo{Main: debug.Module{Version: "(devel)"}, Settings: []debug.BuildSetting{
			{Key: "vcs.revision", Value: "0123456789abcdef0123"}, {Key: "vcs.modified", Value: "true"}}}, "(devel) commit 0123456789ab, with changes, "},
	} {
		if got := versionOf(&test.info); !strings.HasPrefix(got, test.want) {
			t.Errorf("%s: %q, want %q", test.reason, got, test.want)
		}
	}
}
