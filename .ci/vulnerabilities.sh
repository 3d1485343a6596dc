#!/usr/bin/env bash
# Looks for known vulnerabilities in what every module calls. The only failure it
# tolerates is that the database cannot be reached.
set -euo pipefail
cd "$(dirname "$0")/.."
for module in $(go list -m -f '{{.Dir}}'); do
	status=0
	said=$(cd "$module" && go run golang.org/x/vuln/cmd/govulncheck@v1.9.0 ./... 2>&1) || status=$?
	echo "$said" | tail -20
	[ "$status" = 0 ] && continue
	grep -q 'fetching vulnerabilities: Get "https://vuln.go.dev/.*: \(dial\|lookup\|context deadline\)' <<<"$said" || exit "$status"
	echo "the database of vulnerabilities cannot be reached: nothing was looked for"
	exit 0
done
