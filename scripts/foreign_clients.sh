#!/usr/bin/env bash
# Builds grpcurl and ghz, gRPC clients that others wrote, into a folder (default: bin/foreign) for the miner's tests:
#   scripts/foreign_clients.sh && PLEXUS_FOREIGN_CLIENTS=$PWD/bin/foreign go test -run 'Grpcurl|Ghz' ./miner
set -euo pipefail
cd "$(dirname "$0")/.."
export GOBIN="${1:-$PWD/bin/foreign}" GOFLAGS=
mkdir -p "$GOBIN"
go install github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.9.3
go install github.com/bojand/ghz/cmd/ghz@v0.121.0
