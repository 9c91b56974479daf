package vectors

import (
	"github.com/plexusnet/plexus/consensus"
	"github.com/plexusnet/plexus/consensus/fixed"
)

// Raw holds I32F32 vectors as their bits (value times 2^32).
type Raw struct {
	Stake          []fixed.I32F32 `json:"stake"`
	ActiveStake    []fixed.I32F32 `json:"active_stake"`
	Consensus      []fixed.I32F32 `json:"consensus"`
	Rank           []fixed.I32F32 `json:"rank"`
	Trust          []fixed.I32F32 `json:"trust"`
	ValidatorTrust []fixed.I32F32 `json:"validator_trust"`
	Incentive      []fixed.I32F32 `json:"incentive"`
	Dividends      []fixed.I32F32 `json:"dividends"`
}

// Epoch is what one epoch step gives, in the names and units of the vector files.
type Epoch struct {
	Step              int           `json:"step"`
	Block             uint64        `json:"block"`
	Consensus         []uint16      `json:"consensus_u16"`
	Incentive         []uint16      `json:"incentive_u16"`
	Dividends         []uint16      `json:"dividends_u16"`
	Trust             []uint16      `json:"trust_u16"`
	ValidatorTrust    []uint16      `json:"validator_trust_u16"`
	StakeWeight       []uint16      `json:"stake_weight_u16"`
	Active            []bool        `json:"active"`
	Permit            []bool        `json:"new_validator_permit"`
	Emission          []uint64      `json:"emission"`
	ServerEmission    []uint64      `json:"server_emission"`
	ValidatorEmission []uint64      `json:"validator_emission"`
	Bonds             [][][2]uint16 `json:"bonds_u16"`
	Raw               Raw           `json:"raw_i32f32_bits"`
}

func (m *machine) epoch() (Epoch, error) {
	p := &m.p
	owner := -1
	if p.OwnerUID != nil {
		owner = *p.OwnerUID
	}
	out, err := m.engine.Epoch(&consensus.Input{
		Params: consensus.Params{
			Kappa: p.Kappa, BondsPenalty: p.BondsPenalty, BondsMovingAverage: p.BondsMovingAverage,
			Yuma3: p.Yuma3, LiquidAlpha: p.LiquidAlpha, AlphaLow: p.AlphaLow, AlphaHigh: p.AlphaHigh,
			AlphaSigmoidSteepness: p.AlphaSigmoidSteepness, StakeThreshold: p.StakeThreshold,
			MaxValidators: p.MaxValidators, ActivityCutoff: p.ActivityCutoff, CommitReveal: p.CommitReveal,
		},
		Height: p.Block, LastEpoch: consensus.LastEpoch(p.LastEpoch, p.Tempo, p.Block), OwnerUID: owner,
		Stake: p.Stakes, LastUpdate: p.LastUpdate, Registered: p.Registered, CommitHeight: p.CommitHeight,
		Permit: p.Permit, Weights: m.weights, Bonds: m.bonds,
	})
	if err != nil {
		return Epoch{}, err
	}
	p.LastEpoch = p.Block
	copy(p.Permit, out.Permit)
	for i, row := range out.Bonds {
		m.bonds[i] = append(m.bonds[i][:0:0], row...)
	}
	return describe(out, p.Block, p.Emission), nil
}

// describe copies an output into the units of the files.
func describe(out *consensus.Output, block, emission uint64) Epoch {
	stored := func(v []fixed.I32F32) []uint16 { return consensus.AppendU16([]uint16{}, v) }
	bits := func(v []fixed.I32F32) []fixed.I32F32 { return append([]fixed.I32F32{}, v...) }
	amounts := func(v []fixed.I32F32) []uint64 {
		a := make([]uint64, len(v))
		for i, share := range v {
			a[i] = share.MulInt(emission)
		}
		return a
	}
	e := Epoch{
		Block:     block,
		Consensus: stored(out.Consensus), Incentive: stored(out.Incentive), Dividends: stored(out.Dividends),
		Trust: stored(out.Trust), ValidatorTrust: stored(out.ValidatorTrust), StakeWeight: stored(out.Stake),
		Active: append([]bool{}, out.Active...), Permit: append([]bool{}, out.Permit...),
		Emission: amounts(out.CombinedShare), ServerEmission: amounts(out.MinerShare),
		ValidatorEmission: amounts(out.ValidatorShare),
		Bonds:             make([][][2]uint16, len(out.Bonds)),
		Raw: Raw{
			Stake: bits(out.Stake), ActiveStake: bits(out.ActiveStake), Consensus: bits(out.Consensus),
			Rank: bits(out.Rank), Trust: bits(out.Trust), ValidatorTrust: bits(out.ValidatorTrust),
			Incentive: bits(out.Incentive), Dividends: bits(out.Dividends),
		},
	}
	for i, row := range out.Bonds {
		e.Bonds[i] = make([][2]uint16, len(row))
		for k, b := range row {
			e.Bonds[i][k] = [2]uint16{b.UID, b.Value}
		}
	}
	return e
}
