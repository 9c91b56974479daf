#!/bin/sh
# Regenerates proto/onnx from third_party/proto/onnx. Needs protoc and bin/protoc-gen-go (v1.36.12).
set -eu
cd "$(dirname "$0")/.."
PATH="$PWD/bin:$PATH" protoc -I third_party/proto --go_out=. --go_opt=module=github.com/plexusnet/plexus onnx/onnx.proto
