// Package chaos tests a network of real nodes under what happens to nodes in
// the world: power cuts, parted networks, late joiners, upgrades, a new start from an
// export. There is no code in it but tests, behind the build tag chaos:
//
//	go test -tags chaos ./e2e/chaos -v -count=1 -timeout 60m
//
// Variables:
//
//	PLEXUS_BINARY      the binary to run; built once if it is not set
//	PLEXUS_CHAOS_TIME  how long nodes are killed (default 10m)
//	PLEXUS_CHAOS_SEED  seed of what is killed and sent when (default: from the clock; printed)
//	PLEXUS_PACE_BLOCK  distance of blocks whose accuracy is measured (default 2s)
//	PLEXUS_PACE_TIME   for how long (default 3m)
//
// Tests that part a network need Linux and root: they make network namespaces
// of their own, connect nothing else to them, and remove them at the end. They
// skip where that is not possible.
package chaos
