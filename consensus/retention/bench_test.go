package retention_test

import (
	"context"
	"testing"

	"github.com/plexusnet/plexus/consensus/retention"
)

// BenchmarkFullMap computes the published map: 11 stakes, 51 by 51 epochs each of 64 validators and 448 servers.
func BenchmarkFullMap(b *testing.B) {
	var settings []retention.Setting
	for _, p := range published {
		settings = append(settings, retention.Base(p.stake))
	}
	for b.Loop() {
		if _, err := retention.ComputeAll(context.Background(), settings, retention.Options{}); err != nil {
			b.Fatal(err)
		}
	}
}
