package simulation

import (
	"fmt"
	"math/rand"

	"github.com/plexusnet/plexus/chain/subnet/keeper"
	"github.com/plexusnet/plexus/chain/timelock"
	subnetv1 "github.com/plexusnet/plexus/proto/plexus/subnet/v1"
	"github.com/plexusnet/plexus/subnet"
)

// randomBeacon draws the key of the simulation's own beacon.
func randomBeacon(r *rand.Rand) timelock.SecretKey {
	for {
		raw := make([]byte, timelock.SecretKeyBytes)
		_, _ = r.Read(raw) // never fails
		raw[0] &= 0x3f     // below the order of the group
		if key, err := timelock.ParseSecretKey(raw); err == nil {
			return key
		}
	}
}

// beaconParams describes the beacon, whose first round is out at the genesis.
// The simulator's blocks are hours apart, and so are its rounds.
func (m *Module) beaconParams(genesis int64, r *rand.Rand) subnetv1.Beacon {
	return subnetv1.Beacon{
		PublicKey:     m.beacon.Public().Bytes(),
		GenesisTime:   genesis,
		PeriodSeconds: between(r, 1_800, 7_200),
	}
}

// RandomParams draws parameters under which many epochs run in a few hundred
// blocks, and whose prices people with a stake of so many nplx can pay.
func RandomParams(r *rand.Rand, stake uint64, beacon subnetv1.Beacon) subnetv1.Params {
	p := keeper.DefaultParams()
	owner := uint32(between(r, 0, 4_000))
	miners := uint32(between(r, 0, subnet.BasisPoints-uint64(owner)))
	p.OwnerBps, p.MinerBps, p.ValidatorBps = owner, miners, uint32(subnet.BasisPoints)-owner-miners
	p.MaxEpochsPerBlock = uint32(between(r, 1, 4))
	p.MaxSubnets = uint32(between(r, 4, 10))
	p.MinLock = between(r, 1, max(stake/50, 1))
	p.LockInterval = between(r, 1, 100)
	p.StakeThreshold = 0
	if chance(r, 30) {
		p.StakeThreshold = between(r, 1, stake)
	}
	p.HyperparamsRateLimit = between(r, 0, 20)
	p.HyperparamsFreeze = between(r, 0, 4)
	p.RootWeightsRateLimit = between(r, 1, 10)
	p.MaxHistory = uint32(between(r, 0, 10))
	p.SwapCost = between(r, 0, stake/1_000)
	p.FailedCommitFee = between(r, 0, stake/1_000)
	p.MaxRevealsPerBlock = uint32(between(r, 1, 8))
	p.DemandMix = uint32(between(r, 0, subnet.BasisPoints))
	p.DemandCap = uint32(between(r, 0, subnet.BasisPoints))
	p.Beacon = beacon
	p.Defaults = RandomHyperparams(r, stake)
	if err := keeper.ValidateParams(p); err != nil {
		panic(fmt.Errorf("random parameters: %w", err)) // a fault of this function
	}
	return p
}

// RandomHyperparams draws the rules of a small and hasty subnet, in which a
// registration costs a little of a stake of so many nplx.
func RandomHyperparams(r *rand.Rand, stake uint64) subnetv1.Hyperparams {
	h := keeper.DefaultParams().Defaults
	h.Tempo = between(r, 1, 15)
	h.MaxUids = uint32(between(r, 4, 24))
	h.MaxValidators = uint32(between(r, 1, uint64(h.MaxUids)))
	h.ImmunityPeriod = between(r, 0, 40)
	h.ActivityCutoff = between(r, 5, 80)
	h.WeightsRateLimit = between(r, 1, 6)
	h.ServingRateLimit = between(r, 1, 6)
	h.MinNonImmune = uint32(between(r, 0, uint64(h.MaxUids/3)))
	h.BurnMin = between(r, 0, stake/10_000)
	h.BurnMax = h.BurnMin + between(r, 1, stake/100+1)
	h.BurnStart = between(r, h.BurnMin, h.BurnMax)
	h.BurnIncrease = uint32(between(r, subnet.BasisPoints, 2*subnet.BasisPoints))
	h.BurnHalfLife = between(r, 1, 50)
	if chance(r, 50) {
		h.Kappa = uint32(between(r, 1, 65534))
	}
	return ownersChoice(r, h)
}

// ownersChoice changes some of what the owner of a subnet may change.
func ownersChoice(r *rand.Rand, h subnetv1.Hyperparams) subnetv1.Hyperparams {
	h.CommitReveal = oneOf(r, []string{subnet.CommitRevealOff, subnet.CommitRevealHash, subnet.CommitRevealTimelock})
	h.RevealPeriod = between(r, 1, 2)
	h.YumaVersion = uint32(between(r, 2, 3))
	h.LiquidAlpha = chance(r, 50)
	h.AlphaLow = uint32(between(r, 1, 65535))
	h.AlphaHigh = uint32(between(r, uint64(h.AlphaLow), 65535))
	h.AlphaSteepness = int32(between(r, 0, 20_000)) - 10_000
	h.BondsMovingAverage = uint32(between(r, 0, 1_000_000))
	h.BondsPenalty = uint32(between(r, 0, 65535))
	h.MinAllowedWeights = uint32(between(r, 0, 2))
	h.MaxWeight = 65535
	if chance(r, 20) {
		h.MaxWeight = uint32(between(r, 20_000, 65535))
	}
	if chance(r, 10) {
		h.WeightsVersion = between(r, 0, 3)
	}
	if chance(r, 20) {
		h.ImmunityPeriod = between(r, 0, 40)
		h.ActivityCutoff = between(r, 5, 80)
	}
	return h
}
