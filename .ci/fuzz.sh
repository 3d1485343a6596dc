#!/usr/bin/env bash
# Runs every fuzz target of every module for a duration each, 10s by default.
# Usage: .ci/fuzz.sh [DURATION [PATTERN]]
set -euo pipefail
cd "$(dirname "$0")/.."
duration=${1:-10s} pattern=${2:-.}
count=0
while read -r module; do
	while read -r folder; do
		for target in $(cat "$folder"/*_test.go 2>/dev/null | grep -oE '^func Fuzz[A-Za-z0-9_]+' | cut -c6- | sort -u); do
			grep -qE -- "$pattern" <<<"$target" || continue
			count=$((count + 1))
			limit=$duration
			# Whole commands are slow, and a limit in seconds that ends among the seeds is a
			# failure to Go.
			[ "$target" != FuzzArguments ] || [ "$duration" != 1s ] || limit=100x
			printf '\n%s %s\n' "${folder#"$PWD"/}" "$target"
			# By default a minute of every run may go into making one input smaller.
			(cd "$folder" && go test -run '^$' -fuzz "^$target\$" -fuzztime "$limit" -fuzzminimizetime 20x -parallel 2 .) |
				grep -v '^fuzz: elapsed: .*/sec)' || exit 1
		done
	done < <(cd "$module" && go list -f '{{.Dir}}' ./...)
done < <(go list -m -f '{{.Dir}}')
printf '\n%d fuzz targets, %s each: nothing found\n' "$count" "$duration"
