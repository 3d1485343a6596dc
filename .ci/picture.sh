#!/usr/bin/env bash
# Makes the README's picture: the top of the HTML report of the README's ranking, as
# docs/report.png. Needs chromium; the picture is committed, and CI does not need it.
set -euo pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
go build -o "$work/eci" ./cmd/eci
demo=testdata/demo
"$work/eci" select --demo --source dense --keep 50% -o "$work/chosen.jsonl" >/dev/null
"$work/eci" rank --quiet --vectors $demo/vectors --pool $demo/corpus.jsonl --qrels $demo/qrels.tsv \
	--html "$work/report.html" "$work/chosen.jsonl" $demo/sources/{bm25,llm,random}.jsonl >/dev/null
chromium --headless --no-sandbox --disable-gpu --hide-scrollbars --force-device-scale-factor=1 \
	--window-size=1000,${HEIGHT:-470} --screenshot="$PWD/docs/report.png" "file://$work/report.html" 2>/dev/null
ls -l docs/report.png
