package client

import (
	"fmt"
	"testing"
	"time"

	"github.com/plexusnet/plexus/client/chaintest"
	"github.com/plexusnet/plexus/client/metagraph"
	"github.com/plexusnet/plexus/models"
)

// BenchmarkChoose is what choosing a miner costs per call.
func BenchmarkChoose(b *testing.B) {
	for _, miners := range []int{2, 20, 256} {
		b.Run(fmt.Sprint(miners, "miners"), func(b *testing.B) {
			chain := chaintest.New(1)
			for i := range miners {
				chain.Add(metagraph.Neuron{Hotkey: fmt.Sprint(i), Incentive: uint16(i * 100), Endpoint: metagraph.Endpoint{
					Host: "127.0.0.1", Port: uint16(i + 1), Protocol: "oip-v2-grpc", Price: uint64(1000 + i), InputPrice: 10, ComputePrice: 5}})
			}
			c := New(chain.As(""), Options{Refresh: time.Hour})
			defer c.Close()
			s, err := c.subnet(b.Context(), 1)
			if err != nil {
				b.Fatal(err)
			}
			for i := range s.candidates {
				s.candidates[i].miner.answered(time.Duration(i+1)*time.Millisecond, 4096, time.Now())
			}
			req := &Request{Netuid: 1, Inputs: []models.Tensor{{Data: make([]byte, 3136)}}}
			b.ReportAllocs()
			for b.Loop() {
				if newRace(c, s, req).choose() == nil {
					b.Fatal("nobody")
				}
			}
		})
	}
}
