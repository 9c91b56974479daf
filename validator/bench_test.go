package validator

import (
	"context"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/plexusnet/plexus/client/chaintest"
	"github.com/plexusnet/plexus/client/membership"
	"github.com/plexusnet/plexus/client/metagraph"
	"github.com/plexusnet/plexus/client/oip"
	"github.com/plexusnet/plexus/miner"
	"github.com/plexusnet/plexus/miner/minertest"
	"github.com/plexusnet/plexus/models/digits"
	"github.com/plexusnet/plexus/models/tasks"
	"github.com/plexusnet/plexus/validator/mechanism/accuracy"
	"github.com/plexusnet/plexus/validator/store"
)

// BenchmarkRound is a whole round of 256 miners and 10 challenges, from the metagraph to what is saved. The miners, eight
// servers under 256 uids, run beside it on the same processors: -cpu 1 gives both one.
func BenchmarkRound(b *testing.B) {
	chain := chaintest.New(1)
	for i := range 8 {
		server := minertest.Serve(b, miner.ServerConfig{DrainTimeout: time.Second}, map[string][]byte{"digits": minertest.Classifier(b, 50*i)})
		for uid := i; uid < 256; uid += 8 {
			chain.Add(metagraph.Neuron{Hotkey: string(rune('A'+uid/16)) + string(rune('a'+uid%16)), Endpoint: server.Endpoint("digits")})
		}
	}
	kind, err := tasks.ByName(digits.Name)
	if err != nil {
		b.Fatal(err)
	}
	m, err := accuracy.New(kind, accuracy.Options{})
	if err != nil {
		b.Fatal(err)
	}
	kept, err := store.Open(filepath.Join(b.TempDir(), "validator.db"))
	if err != nil {
		b.Fatal(err)
	}
	defer kept.Close()
	shared := NewShared(oip.Dialer{}, nil, 0)
	defer shared.Close()
	view := chain.As("validator")
	v := &Validator{Member: membership.Member{Netuid: 1, Hotkey: "validator", Chain: view}, Chain: view, Mechanism: m, Book: kept.Book(1, "validator"),
		Shared: shared, Log: slog.New(slog.DiscardHandler), Options: Options{Challenges: 10, Deadline: time.Minute}}
	if err := v.prepare(); err != nil {
		b.Fatal(err)
	}
	random := seeded()
	b.ResetTimer()
	for range b.N {
		if err := v.round(context.Background(), random); err != nil {
			b.Fatal(err)
		}
	}
	b.StopTimer()
	if seen, _ := v.Health(); len(seen.Miners) != 256 || seen.Miners[255].Answered != seen.Miners[255].Asked {
		b.Fatalf("%d miners, %+v", len(seen.Miners), seen.Miners[len(seen.Miners)-1])
	}
}
