#!/usr/bin/env bash
# Runs the tests of the pure packages on other processors under user-mode emulation and compares the digests of their
# outputs with those that amd64 gave (testdata/digest*.txt): arm64 (another instruction set), s390x (big-endian) and
# 386 (32-bit, which needs no emulator on amd64). Needs Debian's qemu-user-static.
#
#   scripts/emulate.sh [package ...]     default: consensus, its fixed point and vectors, and subnet
set -euo pipefail
cd "$(dirname "$0")/.."

packages=("$@")
if [ ${#packages[@]} -eq 0 ]; then
	packages=(./consensus ./consensus/fixed ./consensus/vectors)
	if [ -d subnet ]; then packages+=(./subnet); fi
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

for target in arm64:qemu-aarch64-static s390x:qemu-s390x-static 386:; do
	arch=${target%%:*} emulator=${target#*:}
	if [ -n "$emulator" ] && ! command -v "$emulator" >/dev/null; then
		echo "$emulator is missing: apt-get install qemu-user-static" >&2
		exit 1
	fi
	for package in "${packages[@]}"; do
		binary=$work/$arch-$(basename "$package").test
		CGO_ENABLED=0 GOARCH=$arch go test -c -o "$binary" "$package"
		if [ ! -e "$binary" ]; then continue; fi # no tests
		start=$SECONDS
		# Emulated, everything is ten to thirty times slower: property tests run fewer draws, the digest runs whole.
		draws=()
		if grep -aq 'rapid\.checks' "$binary"; then draws=(-rapid.checks 20); fi
		(cd "$package" && $emulator "$binary" -test.short -test.timeout 20m "${draws[@]}")
		echo "$arch $package: same as amd64 ($((SECONDS - start)) s)"
	done
done
