#!/usr/bin/env bash
# Generates Go from every .proto file. Needs Debian's protobuf-compiler; the
# plugins are pinned by tools/go.mod and built into bin/ by `make tools`.
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH="$PWD/bin:$PATH"
module=github.com/plexusnet/plexus
any=google/protobuf/any.proto=github.com/cosmos/gogoproto/types/any

# The chain's own types use gogoproto, as the SDK does.
# gocosmos writes below the full import path, whatever it is told.
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
# The plugin takes the files of one package at a time.
for package in proto/plexus/subnet/v1 proto/plexus/channel/v1; do
  protoc -I proto -I third_party/proto \
    --gocosmos_out="$out" --gocosmos_opt="plugins=grpc,M$any" \
    --grpc-gateway_out=. --grpc-gateway_opt="module=$module,logtostderr=true,allow_colon_final_segments=true" \
    "$package"/*.proto
done
cp -r "$out/$module/." .

# Services and files that know nothing of the chain use the standard plugins.
# The ONNX format is the project's of that name; only the Go package is ours.
protoc -I proto -I third_party/proto \
  --go_out=. --go_opt="module=$module,Monnx/onnx.proto=$module/proto/onnx" \
  --go-grpc_out=. --go-grpc_opt="module=$module" \
  $(find proto/inference proto/plexus/mechanism -name '*.proto' | sort) onnx/onnx.proto

# The example of a mechanism in Python has its stubs beside it, and is left as it
# is where Debian's protobuf-compiler-grpc is not installed.
if plugin=$(command -v grpc_python_plugin); then
  protoc -I proto --plugin="protoc-gen-grpc_python=$plugin" \
    --python_out=examples/mechanism-python --grpc_python_out=examples/mechanism-python \
    plexus/mechanism/v1/mechanism.proto
fi
gofmt -w proto
