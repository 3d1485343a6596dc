#!/usr/bin/env bash
# Checks what people run for other systems, and runs the tests of stored forms where
# words have 32 bits (386) and where the most significant byte comes first (s390x,
# which needs qemu-user).
set -euo pipefail
cd "$(dirname "$0")/.."
for system in windows darwin; do
	# Beam takes minutes to build for each system.
	for module in . formats cmd/eci; do
		(cd "$module" && GOOS=$system go vet ./...)
	done
done
stored='MatrixBinary|Lexicon|FuzzCalibration|DiskCacheCrash|DiskCacheDamage|Store|FuzzSegment|CheckpointResumes|FuzzCheckpoint|FuzzInfluence|NPY|Safetensors|FuzzServerAnswer'
GOARCH=386 go test -run "$stored|DemoGolden" . ./internal/vecstore ./internal/embedhttp
qemu=$(command -v qemu-s390x-static || command -v qemu-s390x || true)
if [ -n "$qemu" ]; then
	binary=$(mktemp)
	trap 'rm -f "$binary"' EXIT
	for package in . ./internal/vecstore ./internal/embedhttp; do
		GOARCH=s390x go test -c -o "$binary" "$package"
		(cd "$package" && "$qemu" "$binary" -test.run "$stored")
	done
else
	echo "s390x is left out: qemu-user is not installed"
fi
