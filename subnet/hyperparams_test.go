package subnet

import (
	"encoding/binary"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plexusnet/plexus/consensus"
)

func TestHyperparamsValidate(t *testing.T) {
	require.NoError(t, DefaultHyperparams().Validate())
	for _, c := range []struct {
		name   string
		change func(*Hyperparams)
	}{
		{"tempo 0", func(h *Hyperparams) { h.Tempo = 0 }},
		{"tempo above four months", func(h *Hyperparams) { h.Tempo = MaxTempo + 1 }},
		{"the largest tempo", func(h *Hyperparams) { h.Tempo = math.MaxUint64 }},
		{"kappa 0", func(h *Hyperparams) { h.Kappa = 0 }},
		{"kappa 1.0", func(h *Hyperparams) { h.Kappa = 65535 }},
		{"bonds average above 1", func(h *Hyperparams) { h.BondsMovingAverage = 1_000_001 }},
		{"Yuma 1", func(h *Hyperparams) { h.YumaVersion = 1 }},
		{"Yuma 4", func(h *Hyperparams) { h.YumaVersion = 4 }},
		{"alpha low 0", func(h *Hyperparams) { h.AlphaLow = 0 }},
		{"alpha low above high", func(h *Hyperparams) { h.AlphaLow = h.AlphaHigh + 1 }},
		{"steepness above 16 bits", func(h *Hyperparams) { h.AlphaSteepness = 32_768 }},
		{"the lowest steepness", func(h *Hyperparams) { h.AlphaSteepness = math.MinInt32 }},
		{"no uids", func(h *Hyperparams) { h.MaxUIDs = 0 }},
		{"too many uids", func(h *Hyperparams) { h.MaxUIDs = MaxMaxUIDs + 1 }},
		{"no validators", func(h *Hyperparams) { h.MaxValidators = 0 }},
		{"more validators than uids", func(h *Hyperparams) { h.MaxValidators = h.MaxUIDs + 1 }},
		{"more weights than uids", func(h *Hyperparams) { h.MinAllowedWeights = h.MaxUIDs + 1 }},
		{"max weight 0", func(h *Hyperparams) { h.MaxWeight = 0 }},
		{"immunity for ever", func(h *Hyperparams) { h.ImmunityPeriod = math.MaxUint64 }},
		{"no activity", func(h *Hyperparams) { h.ActivityCutoff = 0 }},
		{"activity for ever", func(h *Hyperparams) { h.ActivityCutoff = math.MaxUint64 }},
		{"weights never again", func(h *Hyperparams) { h.WeightsRateLimit = math.MaxUint64 }},
		{"serve never again", func(h *Hyperparams) { h.ServingRateLimit = math.MaxUint64 }},
		{"floor above the ceiling", func(h *Hyperparams) { h.BurnMin = h.BurnMax + 1 }},
		{"start under the floor", func(h *Hyperparams) { h.BurnStart = h.BurnMin - 1 }},
		{"start above the ceiling", func(h *Hyperparams) { h.BurnStart = h.BurnMax + 1 }},
		{"ceiling above all there can be", func(h *Hyperparams) { h.BurnMax = Cap + 1 }},
		{"price falls with demand", func(h *Hyperparams) { h.BurnIncrease = 9999 }},
		{"price rises more than tenfold", func(h *Hyperparams) { h.BurnIncrease = 100_001 }},
		{"no half-life", func(h *Hyperparams) { h.BurnHalfLife = 0 }},
		{"more than all must stay", func(h *Hyperparams) { h.MinNonImmune = h.MaxUIDs + 1 }},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := DefaultHyperparams()
			c.change(&h)
			require.ErrorIs(t, h.Validate(), ErrInvalidParams)
		})
	}
}

// FuzzHyperparams: whatever Validate lets through, no rule panics on it, at
// heights and prices however large.
func FuzzHyperparams(f *testing.F) {
	f.Add([]byte{}, uint64(360), uint64(PLX))
	f.Add([]byte{255, 255, 255, 255}, uint64(math.MaxUint64), uint64(math.MaxUint64))
	f.Add([]byte{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 15, 66, 64}, uint64(math.MaxInt64), Cap)
	f.Fuzz(func(t *testing.T, raw []byte, height, price uint64) {
		h := mutated(raw)
		if h.Validate() != nil {
			return
		}
		now := h.RegistrationPrice(price, height/2, height)
		require.LessOrEqual(t, now, h.BurnMax)
		require.GreaterOrEqual(t, now, h.BurnMin)
		require.GreaterOrEqual(t, h.PriceAfter(now), now, "registering does not make it cheaper")
		require.LessOrEqual(t, h.PriceAfter(now), h.BurnMax)
		DueEpochs([]Clock{{height, h.Tempo}, {0, h.Tempo}}, height, 1)
		_, _ = h.Replaceable([]Standing{{height, price}, {0, 0}}, height)
		row, err := h.CheckWeights(0, 2, height, Author{Permit: true, HasSet: true, Updated: height / 3},
			Opinion{UIDs: []uint32{0, 1}, Values: []uint32{1, 65535}, Version: h.WeightsVersion})
		if err != nil {
			row = consensus.Row{{UID: 1, Value: 1}}
		}
		e := Epoch{
			Height: height, Pending: price, OwnerUID: 1, Split: DefaultSplit(), Hyperparams: h,
			LastEpoch: height / 4, Neurons: []Neuron{
				{Registered: 0, Updated: height, Stake: price, LastStake: price, Permit: true, Weights: row},
				{Registered: height, Updated: 0, Stake: 1, LastStake: math.MaxUint64, Permit: true, Weights: row, Bonds: row},
			},
		}
		var engine consensus.Engine
		result, err := e.Run(&engine)
		require.NoError(t, err)
		requireConserved(t, price, result)
	})
}

// mutated overwrites fields of the defaults with the given bytes, from the
// first field on, by values that are rarely out of bounds.
func mutated(raw []byte) Hyperparams {
	h := DefaultHyperparams()
	next := func(v, most uint64) uint64 {
		if len(raw) < 8 {
			return v
		}
		v = binary.BigEndian.Uint64(raw)
		raw = raw[8:]
		if v%16 == 0 {
			return v
		}
		return v % (most + 1)
	}
	h.Tempo = next(h.Tempo, MaxTempo)
	h.Kappa = uint16(next(uint64(h.Kappa), 65534))
	h.BondsMovingAverage = uint32(next(uint64(h.BondsMovingAverage), 1_000_000))
	h.BondsPenalty = uint16(next(uint64(h.BondsPenalty), 65535))
	h.YumaVersion = uint32(next(uint64(h.YumaVersion), 3))
	h.LiquidAlpha = next(0, 1)%2 == 1
	h.AlphaLow = uint16(next(uint64(h.AlphaLow), 65535))
	h.AlphaHigh = uint16(next(uint64(h.AlphaHigh), 65535))
	h.AlphaSteepness = int32(next(uint64(h.AlphaSteepness), maxSteep))
	h.MaxUIDs = uint32(next(uint64(h.MaxUIDs), MaxMaxUIDs))
	h.MaxValidators = uint32(next(uint64(h.MaxValidators), 64))
	h.MinAllowedWeights = uint32(next(uint64(h.MinAllowedWeights), 4))
	h.MaxWeight = uint16(next(uint64(h.MaxWeight), 65535))
	h.ImmunityPeriod = next(h.ImmunityPeriod, maxPeriod)
	h.ActivityCutoff = next(h.ActivityCutoff, maxPeriod)
	h.WeightsRateLimit = next(h.WeightsRateLimit, maxPeriod)
	h.WeightsVersion = next(h.WeightsVersion, 1)
	h.ServingRateLimit = next(h.ServingRateLimit, maxPeriod)
	h.BurnStart = next(h.BurnStart, Cap)
	h.BurnMin = next(h.BurnMin, PLX)
	h.BurnMax = next(h.BurnMax, Cap)
	h.BurnIncrease = uint32(next(uint64(h.BurnIncrease), maxIncrease))
	h.BurnHalfLife = next(h.BurnHalfLife, maxPeriod)
	h.MinNonImmune = uint32(next(uint64(h.MinNonImmune), 8))
	return h
}
