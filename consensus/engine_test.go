package consensus

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestEngineIsTheProtocol compares the engine with the plain form of the protocol page, bit for bit.
func TestEngineIsTheProtocol(t *testing.T) {
	cases := 3000
	if testing.Short() {
		cases = 300
	}
	engines := []*Engine{{}, {Workers: 2}, {Workers: 5}, {Workers: 1}}
	scalar := engines[3]
	_, err := scalar.Epoch(&Input{OwnerUID: -1}) // finds out about the processor
	require.NoError(t, err)
	scalar.vectors = false
	for seed := range uint64(cases) {
		r := rand.New(rand.NewPCG(seed, 1))
		n := 1 + r.IntN(40)
		switch {
		case seed%50 == 0:
			n = 130 + r.IntN(200)
		}
		in := randomInput(r, n)
		want := plain(in)
		for _, engine := range engines {
			got, err := engine.Epoch(in)
			require.NoError(t, err)
			same(t, want, got, "seed %d, %d neurons, %d workers", seed, n, engine.Workers)
		}
	}
}

// TestDenseEngineIsTheProtocol does the same for subnets that take the dense loops, of changing numbers of validators
// in one engine: what is left of earlier epochs in its memory must not matter.
func TestDenseEngineIsTheProtocol(t *testing.T) {
	cases := 1500
	if testing.Short() {
		cases = 200
	}
	var vectors, scalar Engine
	_, err := scalar.Epoch(&Input{OwnerUID: -1})
	require.NoError(t, err)
	scalar.vectors = false
	dense := 0
	for seed := range uint64(cases) {
		r := rand.New(rand.NewPCG(seed, 4))
		n := 20 + r.IntN(60)
		in := benchInput(n, 1+r.IntN(n), []float64{1, 0.9, 0.6}[r.IntN(3)], DefaultParams())
		in.Params.Yuma3 = r.IntN(2) == 0
		in.Params.Kappa = uint16(r.IntN(65536))
		in.Params.BondsPenalty = []uint16{0, 65535, 20_000}[r.IntN(3)]
		zeros, coarse := r.IntN(100), 1+uint16(r.IntN(20_000))
		for i := range in.Weights {
			in.Stake[i] *= 1 + r.Uint64N(50)
			for k := range in.Weights[i] {
				e := &in.Weights[i][k]
				if e.Value -= e.Value % coarse; r.IntN(100) < zeros {
					e.Value = 0
				}
			}
		}
		want := plain(in)
		for _, engine := range []*Engine{&vectors, &scalar} {
			got, err := engine.Epoch(in)
			require.NoError(t, err)
			same(t, want, got, "seed %d, vectors %v", seed, engine.vectors)
			if engine.plan.dense {
				dense++
			}
		}
	}
	require.Greater(t, dense, cases/2, "cases that took the dense loops")
}

// same compares outputs field by field, naming the first that differs.
func same(t require.TestingT, want, got *Output, msg string, args ...any) {
	w, g := reflect.ValueOf(want).Elem(), reflect.ValueOf(got).Elem()
	for i := range w.NumField() {
		name := w.Type().Field(i).Name
		if name == "Bonds" {
			continue
		}
		require.Equal(t, w.Field(i).Interface(), g.Field(i).Interface(), "%s: %s", fmt.Sprintf(msg, args...), name)
	}
	require.Len(t, got.Bonds, len(want.Bonds))
	for i, row := range want.Bonds {
		if !slices.Equal(row, got.Bonds[i]) { // nil and empty rows are the same
			require.Equal(t, row, got.Bonds[i], "%s: bonds of %d", fmt.Sprintf(msg, args...), i)
		}
	}
}
