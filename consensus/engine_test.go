package consensus

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestEngineIsTheProtocol compares the engine with the plain form of the protocol page, bit for bit.
func TestEngineIsTheProtocol(t *testing.T) {
	cases := 3000
	if testing.Short() {
		cases = 300
	}
	engines := []*Engine{{}, {Workers: 2}, {Workers: 5}}
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

func same(t *testing.T, want, got *Output, msg string, args ...any) {
	t.Helper()
	for i := range want.Bonds { // nil and empty rows are the same
		if len(want.Bonds[i]) == 0 {
			require.Empty(t, got.Bonds[i], append([]any{msg + ", bonds of %d"}, append(args, i)...)...)
			want.Bonds[i], got.Bonds[i] = nil, nil
		}
	}
	require.Equal(t, want, got, append([]any{msg}, args...)...)
}
