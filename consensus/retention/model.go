package retention

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/plexusnet/plexus/consensus"
)

// ErrSetting is wrapped by every error about a setting or options.
var ErrSetting = errors.New("retention: bad setting")

// Setting is one point of the model. Zero counts of neurons mean the published 64 validators and 448 servers.
type Setting struct {
	HonestStake float64 // S_H, in (0, 1)
	Sigma       float64 // relative noise of weights, at least 0
	Kappa       float64 // majority that sets consensus, in [0, 1]
	Penalty     float64 // bonds penalty beta, in [0, 1]
	Xi          float64 // part of the emission that goes to validators, in [0, 1]
	Seed        uint64

	Validators, Servers int
}

// Base is the published base setting for an honest share of stake.
func Base(honestStake float64) Setting {
	return Setting{HonestStake: honestStake, Sigma: 0.4, Kappa: 0.5, Penalty: 1, Xi: 0.5}
}

func (s *Setting) complete() error {
	if s.Validators == 0 && s.Servers == 0 {
		s.Validators, s.Servers = 64, 448
	}
	if s.Validators < 2 || s.Servers < 2 || s.Validators+s.Servers > consensus.MaxNeurons {
		return fmt.Errorf("%w: %d validators and %d servers, want at least 2 of each and at most %d in all",
			ErrSetting, s.Validators, s.Servers, consensus.MaxNeurons)
	}
	for _, p := range []struct {
		name   string
		v      float64
		lo, hi float64
	}{
		{"honest stake", s.HonestStake, 0, 1}, {"sigma", s.Sigma, 0, 100}, {"kappa", s.Kappa, 0, 1},
		{"bonds penalty", s.Penalty, 0, 1}, {"xi", s.Xi, 0, 1},
	} {
		if !(p.v >= p.lo && p.v <= p.hi) {
			return fmt.Errorf("%w: %s %v, want %v to %v", ErrSetting, p.name, p.v, p.lo, p.hi)
		}
	}
	if s.HonestStake == 0 || s.HonestStake == 1 {
		return fmt.Errorf("%w: honest stake %v leaves only one group", ErrSetting, s.HonestStake)
	}
	return nil
}

// model is a drawn population, the same for every cell: who is honest, and the noise of the weights.
type model struct {
	s                 Setting
	honestV, honestS  int
	toHonest, toCabal [][]float64 // by validator: noise toward each group of servers, summing to 1
	engine            consensus.Engine
	input             consensus.Input
}

// stakeUnit is the total stake in the model, in nplx: fine enough that rounding stakes to integers does not matter.
const stakeUnit = 1e15

func newModel(s Setting) *model {
	m := &model{s: s, honestV: members(s.HonestStake, s.Validators), honestS: members(s.HonestStake, s.Servers)}
	r := rand.New(rand.NewPCG(s.Seed, 0x706c65787573))
	noise := func(sigma float64, n int, total float64) []float64 {
		v := make([]float64, n)
		sum := 0.0
		for i := range v {
			v[i] = max(0, 1+sigma*r.NormFloat64())
			sum += v[i]
		}
		for i := range v {
			v[i] *= total / max(sum, math.SmallestNonzeroFloat64)
		}
		return v
	}
	const stakeSigma = 0.3
	stakes := append(noise(stakeSigma, m.honestV, s.HonestStake), noise(stakeSigma, s.Validators-m.honestV, 1-s.HonestStake)...)
	for range s.Validators {
		m.toHonest = append(m.toHonest, noise(s.Sigma, m.honestS, 1))
		m.toCabal = append(m.toCabal, noise(s.Sigma, s.Servers-m.honestS, 1))
	}
	n := s.Validators + s.Servers
	m.input = consensus.Input{
		Params: consensus.Params{
			Kappa: share(s.Kappa), BondsPenalty: share(s.Penalty), BondsMovingAverage: 900_000,
			MaxValidators: uint16(s.Validators), ActivityCutoff: 1,
		},
		Height: 1, LastEpoch: 1, OwnerUID: -1,
		Stake: make([]uint64, n), LastUpdate: make([]uint64, n), Registered: make([]uint64, n),
		Permit: make([]bool, n), Weights: make([]consensus.Row, n), Bonds: make([]consensus.Row, n),
	}
	for i, stake := range stakes {
		m.input.Stake[i] = uint64(stake * stakeUnit)
		m.input.Permit[i] = true
		m.input.LastUpdate[i] = 1
		m.input.Weights[i] = make(consensus.Row, s.Servers)
		for j := range m.input.Weights[i] {
			m.input.Weights[i][j].UID = uint16(s.Validators + j)
		}
	}
	return m
}

// members is the honest number of a group of n: int(share*n), but never none or all.
func members(share float64, n int) int { return min(max(int(share*float64(n)), 1), n-1) }

func share(x float64) uint16 { return uint16(x * math.MaxUint16) }

// retained is E_H in one cell.
func (m *model) retained(honestUtility, cabalUtility float64) (float64, error) {
	for i := range m.s.Validators {
		honest, cabal := honestUtility, 1-honestUtility
		if i >= m.honestV {
			honest, cabal = 1-cabalUtility, cabalUtility
		}
		row := m.input.Weights[i]
		for j, w := range m.toHonest[i] {
			row[j].Value = share(honest * w)
		}
		for j, w := range m.toCabal[i] {
			row[m.honestS+j].Value = share(cabal * w)
		}
	}
	out, err := m.engine.Epoch(&m.input)
	if err != nil {
		return 0, err
	}
	var honest, all float64
	for i := range m.input.Stake {
		e := m.s.Xi*out.Dividends[i].Float64() + (1-m.s.Xi)*out.Incentive[i].Float64()
		all += e
		if i < m.honestV || (i >= m.s.Validators && i < m.s.Validators+m.honestS) {
			honest += e
		}
	}
	if all == 0 {
		return 0, nil
	}
	return honest / all, nil
}

// Retained computes E_H for one honest utility W_H and cabal utility W_C, both in [0, 1].
func Retained(s Setting, honestUtility, cabalUtility float64) (float64, error) {
	if err := s.complete(); err != nil {
		return 0, err
	}
	if !(honestUtility >= 0 && honestUtility <= 1 && cabalUtility >= 0 && cabalUtility <= 1) {
		return 0, fmt.Errorf("%w: utilities %v and %v, want 0 to 1", ErrSetting, honestUtility, cabalUtility)
	}
	return newModel(s).retained(honestUtility, cabalUtility)
}
