#!/usr/bin/env bash
# Runs what the README says: every command of its ```console blocks, comparing
# what it prints where the README shows output; and builds every whole Go program
# of its ```go blocks in a module outside the repository. Checks that every test, link
# and flag of the command that the README names is there.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

awk -v dir="$work" '
	/^```console$/ { console = 1; next }
	/^```go$/      { go = 1; program = dir "/program" ++programs ".go"; next }
	/^```$/        { console = go = 0; next }
	console && /^\$ / { name = dir "/command" ++commands; print substr($0, 3) > name; next }
	console        { print > (name ".want") }
	go             { print > program }
' "$root/README.md"

cd "$root"
export GOBIN="$work/bin" PATH="$work/bin:$PATH"
go install ./cmd/eci

missing() { echo "README.md names $1, which is not there"; exit 1; }
for test in $(grep -oE '\bTest[A-Z][A-Za-z]+' README.md | sort -u); do
	grep -rqE "^func $test\(" --include='*_test.go' . || missing "$test"
done
for link in $(grep -oE '\]\([^)#]+' README.md | cut -c3- | grep -v '^http' | sort -u); do
	[ -e "$link" ] || missing "$link"
done
{ grep -E '^(\$ )?eci [a-z]+' README.md || true; } | sed 's/^\$ //' | while read -r _ name flags; do
	help=$(eci help "$name")
	for flag in $(grep -oE -- '--[a-z-]+' <<<"$flags"); do
		grep -qE -- "$flag\b" <<<"$help" || missing "eci $name $flag"
	done
done

for command in "$work"/command?; do
	line=$(cat "$command")
	case $line in
	"go test work") line="go test -cover -timeout 30m work | tee '$work/tests'" ;;
	esac
	printf '\n$ %s\n' "$line"
	if [ "${1:-}" = --update ]; then
		[ ! -e "$command.want" ] || bash -c "$line" >"$command.got"
	elif [ -e "$command.want" ]; then
		bash -c "$line" >"$command.got"
		diff -u "$command.want" "$command.got"
		echo "prints what the README shows"
	else
		bash -o pipefail -c "$line"
	fi
done

if [ "${1:-}" != --update ]; then
	awk '$2 == "example.com/eci" && match($0, /[0-9.]+% of/) { seen = 1; if (substr($0, RSTART) + 0 < 90) { print "coverage of the root below 90%"; exit 1 } }
		END { if (!seen) exit 1 }' "$work/tests"
fi

if [ "${1:-}" = --update ]; then
	awk -v dir="$work" '
		/^```console$/ { console = 1 }
		/^```$/        { console = 0 }
		console && /^\$ / {
			got = dir "/command" ++commands ".got"
			print
			shown = 0
			while ((getline line < got) > 0) { print line; shown = 1 }
			next
		}
		!console || !shown || /^```/ { print }
	' "$root/README.md" >"$work/README.md"
	cp "$work/README.md" "$root/README.md"
	exit
fi

for program in "$work"/program*.go; do
	grep -q '^package main' "$program" || continue
	mkdir -p "$work/module"
	cp "$program" "$work/module/main.go"
	(
		cd "$work/module"
		rm -f go.mod go.sum
		go mod init quickstart 2>/dev/null
		go mod edit -require example.com/eci@v0.0.0 -replace "example.com/eci=$root"
		go mod tidy 2>/dev/null
		go vet .
	)
	echo "the quickstart $(basename "$program") builds in a module of its own"
done
