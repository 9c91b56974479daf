package consensus

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// benchInput is a busy subnet: validators weigh every density-th neuron with noise around a common view, and hold
// bonds from earlier epochs.
func benchInput(n, validators int, density float64, params Params) *Input {
	r := rand.New(rand.NewPCG(7, 7))
	in := &Input{
		Params: params, Height: 10_000, LastEpoch: 9_640, OwnerUID: -1,
		Stake: make([]uint64, n), LastUpdate: make([]uint64, n), Registered: make([]uint64, n),
		Permit: make([]bool, n), Weights: make([]Row, n), Bonds: make([]Row, n),
	}
	in.Params.MaxValidators = uint16(validators)
	quality := make([]float64, n)
	for j := range quality {
		quality[j] = 0.2 + r.Float64()
		in.LastUpdate[j], in.Registered[j] = 9_990, uint64(j)
	}
	for i := range validators {
		in.Stake[i], in.Permit[i] = 1e12+r.Uint64N(1e12), true
		for j := range n {
			if r.Float64() >= density {
				continue
			}
			w := min(max(quality[j]*(1+0.4*r.NormFloat64()), 0.01), 3)
			in.Weights[i] = append(in.Weights[i], Entry{uint16(j), uint16(w * 21_000)})
		}
	}
	var e Engine
	for range 3 { // fill the bonds
		out, err := e.Epoch(in)
		if err != nil {
			panic(err)
		}
		for i, row := range out.Bonds {
			in.Bonds[i] = append(in.Bonds[i][:0], row...)
		}
	}
	return in
}

func BenchmarkEpoch(b *testing.B) {
	yuma2, liquid := DefaultParams(), DefaultParams()
	yuma2.Yuma3 = false
	liquid.LiquidAlpha = true
	for _, c := range []struct {
		n, validators int
		density       float64
		kind          string
		params        Params
	}{
		{256, 64, 1, "yuma3", DefaultParams()},
		{512, 64, 1, "yuma3", DefaultParams()},
		{4096, 256, 1, "yuma3", DefaultParams()},
		{16384, 512, 1, "yuma3", DefaultParams()},
		{256, 64, 1, "yuma2", yuma2},
		{512, 64, 1, "yuma2", yuma2},
		{256, 64, 1, "liquid", liquid},
		{4096, 256, 0.1, "yuma3", DefaultParams()},
		{16384, 512, 0.1, "yuma3", DefaultParams()},
		{16384, 512, 0.01, "yuma3", DefaultParams()},
	} {
		b.Run(fmt.Sprintf("%s/%dx%d/density=%g", c.kind, c.n, c.validators, c.density), func(b *testing.B) {
			in := benchInput(c.n, c.validators, c.density, c.params)
			weights := 0
			for _, row := range in.Weights {
				weights += len(row)
			}
			var e Engine
			if _, err := e.Epoch(in); err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := e.Epoch(in); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(weights), "ns/weight")
		})
	}
}
