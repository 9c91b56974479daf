package subnet

import (
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/plexusnet/plexus/consensus"
)

func TestDueEpochs(t *testing.T) {
	for _, c := range []struct {
		name   string
		clocks []Clock
		height uint64
		limit  int
		want   []int
	}{
		{"none", nil, 10, 4, nil},
		{"exactly tempo after the last", []Clock{{100, 360}}, 460, 4, []int{0}},
		{"one block before", []Clock{{100, 360}}, 459, 4, nil},
		{"netuid order among those due together", []Clock{{0, 10}, {0, 10}, {0, 10}}, 10, 4, []int{0, 1, 2}},
		{"at most the limit", []Clock{{0, 10}, {0, 10}, {0, 10}}, 10, 2, []int{0, 1}},
		{"who had to wait goes first", []Clock{{1, 10}, {0, 10}}, 11, 1, []int{1}},
		{"a clock at the end of time is never due", []Clock{{math.MaxUint64 - 1, 10}}, 1000, 4, nil},
	} {
		t.Run(c.name, func(t *testing.T) { require.Equal(t, c.want, DueEpochs(c.clocks, c.height, c.limit)) })
	}
}

// TestDueEpochsNeverRunEarlyNorStarve lets subnets of any tempo share blocks
// that have room for a few epochs.
func TestDueEpochsNeverRunEarlyNorStarve(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.IntRange(1, 4).Draw(t, "limit")
		tempos := rapid.SliceOfN(rapid.Uint64Range(5, 20), 1, 4*limit).Draw(t, "tempos")
		clocks := make([]Clock, len(tempos))
		for i, tempo := range tempos {
			clocks[i].Tempo = tempo
		}
		for height := uint64(1); height <= 100; height++ {
			due := DueEpochs(clocks, height, limit)
			if len(due) > limit {
				t.Fatalf("%d epochs in block %d", len(due), height)
			}
			for _, i := range due {
				if height < clocks[i].Next() {
					t.Fatalf("subnet %d runs at %d, due at %d", i, height, clocks[i].Next())
				}
				clocks[i].LastEpoch = height
			}
			for i, c := range clocks {
				// All others may be ahead of it, limit of them a block.
				if height > c.Next()+uint64(len(clocks)/limit) {
					t.Fatalf("subnet %d waits since %d, now %d", i, c.Next(), height)
				}
			}
		}
	})
}

// requireConserved: an epoch pays, burns or keeps every unit that was pending.
func requireConserved(t require.TestingT, pending uint64, r *Result) {
	sum := r.Owner + r.Burned + r.Carried
	for _, part := range slices.Concat(r.Miners, r.Validators) {
		sum += part
	}
	require.Equal(t, pending, sum)
}

func twoValidatorsTwoMiners() Epoch {
	weights := consensus.Row{{UID: 2, Value: 65535}, {UID: 3, Value: 21845}}
	return Epoch{
		Height: 720, LastEpoch: 360, Pending: 360 * PLX, OwnerUID: -1,
		Split: DefaultSplit(), Hyperparams: DefaultHyperparams(),
		Neurons: []Neuron{
			{Updated: 700, Stake: 300 * PLX, LastStake: 300 * PLX, Permit: true, Weights: weights},
			{Updated: 700, Stake: 100 * PLX, LastStake: 100 * PLX, Permit: true, Weights: weights},
			{Updated: 1}, {Updated: 1},
		},
	}
}

func TestEpochPaysInProportion(t *testing.T) {
	e := twoValidatorsTwoMiners()
	var engine consensus.Engine
	r, err := e.Run(&engine)
	require.NoError(t, err)
	requireConserved(t, e.Pending, r)
	parts := e.Split.Divide(e.Pending)
	require.Equal(t, parts.Owner, r.Owner)
	require.Zero(t, r.Burned)
	require.Zero(t, r.Miners[0]+r.Miners[1]+r.Validators[2]+r.Validators[3])
	require.InEpsilon(t, 3, float64(r.Miners[2])/float64(r.Miners[3]), 1e-4)
	require.InEpsilon(t, 3, float64(r.Validators[0])/float64(r.Validators[1]), 1e-4)
	require.LessOrEqual(t, r.Carried, uint64(400), "only rounding is carried")
}

func TestEpochWithoutIncentiveBurnsTheMinersPart(t *testing.T) {
	e := twoValidatorsTwoMiners()
	e.Neurons[0].Weights, e.Neurons[1].Weights = nil, nil
	var engine consensus.Engine
	r, err := e.Run(&engine)
	require.NoError(t, err)
	requireConserved(t, e.Pending, r)
	require.Equal(t, e.Split.Divide(e.Pending).Miners, r.Burned)
	require.InEpsilon(t, 3, float64(r.Validators[0])/float64(r.Validators[1]), 1e-4, "validators share by stake")
}

func TestEpochWithoutAnybodyCarriesTheValidatorsPart(t *testing.T) {
	e := Epoch{Height: 360, Pending: 361 * PLX, OwnerUID: -1, Split: DefaultSplit(), Hyperparams: DefaultHyperparams()}
	var engine consensus.Engine
	r, err := e.Run(&engine)
	require.NoError(t, err)
	requireConserved(t, e.Pending, r)
	parts := e.Split.Divide(e.Pending)
	require.Equal(t, parts.Miners, r.Burned)
	require.Equal(t, parts.Validators+parts.Rest, r.Carried)
}

// TestEpochCountsTheLowerStake: stake that came after the previous epoch does
// not count yet, stake that left does not count any more.
func TestEpochCountsTheLowerStake(t *testing.T) {
	for _, c := range []struct {
		name      string
		now, last uint64
	}{
		{"came since", 900 * PLX, 100 * PLX},
		{"left since", 100 * PLX, 900 * PLX},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := twoValidatorsTwoMiners()
			e.Neurons[1].Stake, e.Neurons[1].LastStake = c.now, c.last
			var engine consensus.Engine
			r, err := e.Run(&engine)
			require.NoError(t, err)
			require.InEpsilon(t, 3, float64(r.Validators[0])/float64(r.Validators[1]), 1e-4)
		})
	}
}

func TestEpochRefusesAContradiction(t *testing.T) {
	e := twoValidatorsTwoMiners()
	e.Neurons[0].Weights = consensus.Row{{UID: 9, Value: 1}}
	var engine consensus.Engine
	_, err := e.Run(&engine)
	require.ErrorIs(t, err, consensus.ErrInput)
}

func TestEpochLosesNothing(t *testing.T) {
	var engine consensus.Engine
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 12).Draw(t, "neurons")
		e := Epoch{
			Height: 5000, LastEpoch: rapid.Uint64Range(0, 4999).Draw(t, "last epoch"),
			Pending: rapid.Uint64Range(0, Cap).Draw(t, "pending"), OwnerUID: rapid.IntRange(-1, n-1).Draw(t, "owner"),
			Split: DefaultSplit(), Hyperparams: DefaultHyperparams(),
		}
		e.Hyperparams.YumaVersion = rapid.Uint32Range(2, 3).Draw(t, "yuma")
		e.Hyperparams.LiquidAlpha = rapid.Bool().Draw(t, "liquid")
		for range n {
			neuron := Neuron{
				Registered: rapid.Uint64Range(0, 5000).Draw(t, "registered"),
				Updated:    rapid.Uint64Range(0, 5000).Draw(t, "updated"),
				Stake:      rapid.Uint64Range(0, Cap/16).Draw(t, "stake"),
				LastStake:  rapid.Uint64Range(0, Cap/16).Draw(t, "last stake"),
				Permit:     rapid.Bool().Draw(t, "permit"),
			}
			neuron.Weights, neuron.Bonds = drawRow(t, n), drawRow(t, n)
			e.Neurons = append(e.Neurons, neuron)
		}
		r, err := e.Run(&engine)
		if err != nil {
			t.Fatal(err)
		}
		requireConserved(t, e.Pending, r)
		for uid, amount := range r.Validators {
			// Yuma2 pays for bonds that stake bought earlier; Yuma3 asks for the stake.
			if e.Hyperparams.YumaVersion == 3 && amount > 0 && min(e.Neurons[uid].Stake, e.Neurons[uid].LastStake) == 0 {
				t.Fatalf("uid %d has no stake and earns %d as validator", uid, amount)
			}
		}
	})
}

func drawRow(t *rapid.T, n int) consensus.Row {
	var row consensus.Row
	for uid := range n {
		if rapid.Bool().Draw(t, "named") {
			row = append(row, consensus.Entry{UID: uint16(uid), Value: rapid.Uint16().Draw(t, "value")})
		}
	}
	return row
}

func BenchmarkEpoch(b *testing.B) {
	for _, size := range []struct{ neurons, validators int }{{64, 16}, {256, 64}, {1024, 64}} {
		e := Epoch{Height: 720, LastEpoch: 360, Pending: 360 * PLX, OwnerUID: -1, Split: DefaultSplit(), Hyperparams: DefaultHyperparams()}
		for uid := range size.neurons {
			neuron := Neuron{Updated: 700}
			if uid < size.validators {
				neuron.Stake, neuron.LastStake, neuron.Permit = uint64(uid+1)*PLX, uint64(uid+1)*PLX, true
				for j := range size.neurons {
					entry := consensus.Entry{UID: uint16(j), Value: uint16((uid + 1) * (j + 1) * 7919)}
					neuron.Weights, neuron.Bonds = append(neuron.Weights, entry), append(neuron.Bonds, entry)
				}
			}
			e.Neurons = append(e.Neurons, neuron)
		}
		b.Run(benchName("neurons", size.neurons), func(b *testing.B) {
			b.ReportAllocs()
			var engine consensus.Engine
			for b.Loop() {
				if _, err := e.Run(&engine); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
