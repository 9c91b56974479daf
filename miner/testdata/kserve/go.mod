// A module of its own: the client registers the same protobuf names as the miner, and no program can hold both.
module github.com/plexusnet/plexus/miner/testdata/kserve

go 1.26.0

require (
	github.com/kserve/modelmesh-serving v0.11.0
	google.golang.org/grpc v1.85.0
)

require (
	github.com/golang/protobuf v1.5.4 // indirect
	golang.org/x/net v0.60.0 // indirect
	golang.org/x/sys v0.48.0 // indirect
	golang.org/x/text v0.42.0 // indirect
	google.golang.org/genproto/googleapis/rpc v0.0.0-20261026165753-2ffab32bce7e // indirect
	google.golang.org/protobuf v1.36.12 // indirect
)
