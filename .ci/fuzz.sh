#!/usr/bin/env bash
# Runs every fuzz target of every module for a duration each, 10s by default.
# Usage: .ci/fuzz.sh [DURATION [PATTERN]]
set -euo pipefail
cd "$(dirname "$0")/.."
duration=${1:-10s} pattern=${2:-.}
count=0
while read -r module; do
	while read -r package; do
		while read -r target; do
			count=$((count + 1))
			printf '\n%s %s\n' "$package" "$target"
			# By default a minute of every run may go into making one input smaller.
			(cd "$module" && go test -run '^$' -fuzz "^$target\$" -fuzztime "$duration" -fuzzminimizetime 20x -parallel 2 "$package") |
				grep -v '^fuzz: elapsed: .*/sec)' || exit 1
		done < <(cd "$module" && go test -list '^Fuzz' "$package" | grep '^Fuzz' | grep -E -- "$pattern")
	done < <(cd "$module" && go list -f '{{if or .TestGoFiles .XTestGoFiles}}{{.ImportPath}}{{end}}' ./...)
done < <(go list -m -f '{{.Dir}}')
printf '\n%d fuzz targets, %s each: nothing found\n' "$count" "$duration"
