#!/usr/bin/env bash
# Writes anew whatever pins numbers of the demo: golden files, the outputs in
# docs/cli.md and the README, those of the examples, and the baseline of
# examples/minertest. What it changes is to be read before it is committed.
set -euo pipefail
cd "$(dirname "$0")/.."
go test . -run Golden -update
go run .ci/examples.go
(cd cmd/eci && go test . ./report -run "Golden|Structure|Docs" -update)
ECI_UPDATE=1 go test -count 1 -run "^TestMiner$" ./examples/minertest
bash .ci/readme.sh --update
git status --short
