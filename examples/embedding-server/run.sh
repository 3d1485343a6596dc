#!/usr/bin/env bash
# Installs the encoder and ranks the demo through a server of it. Needs Go and,
# for the encoder, Node 20; without Node it says so and does nothing.
set -euo pipefail
cd "$(dirname "$0")"
command -v node >/dev/null && command -v npm >/dev/null || { echo "skipped: node and npm are not installed"; exit 0; }
if [ "$(node -p 'Number(process.versions.node.split(".")[0])')" -lt 20 ]; then
	echo "skipped: node $(node --version) is older than 20"
	exit 0
fi
npm ci --no-audit --no-fund --loglevel=error
go run .
