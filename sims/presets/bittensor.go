package presets

import (
	"github.com/plexusnet/plexus/sims/dynamics"
	"github.com/plexusnet/plexus/subnet"
)

func bittensor() Preset {
	const (
		blocksPerStep = 1800 // 6 hours of 12 second blocks
		step          = 12.0 * blocksPerStep
		supply        = 0
	)
	return Preset{
		Name: "bittensor", Title: "Bittensor", Certainty: Code, Source: "opentensor/subtensor, coinbase",
		About: "A block mints 1 TAO >> floor(log2(1/(1 - T/21e6))), T being what is issued: a half at 10.5 M, a quarter at 15.75 M, and so on up to 21 M. " +
			"What is burned (\"recycled\") leaves T and delays the next halving. Every subnet's alpha follows the same curve.",
		Params: []Param{
			span(40),
			{Name: "issued", Unit: "TAO", Default: 0, Min: 0, Max: 21e6, Doc: "supply at the start"},
			{Name: "recycled", Unit: "share", Default: 0, Min: 0, Max: 1, Doc: "share of what is minted that registrations and fees burn again; an assumption"},
		},
		system: func(v values) dynamics.System {
			return dynamics.System{
				Step: step, Steps: v.steps(step), Every: 4,
				Stocks: []dynamics.Stock{{Name: "supply", Unit: "TAO", Initial: v["issued"], Doc: "issued and not recycled"}},
				Flows: []dynamics.Flow{
					{Name: "minted", Unit: "TAO/6h", Doc: "1800 blocks' rewards", To: "supply", Rate: func(s *dynamics.State) float64 {
						return mintBlocks(s.Stock(supply), blocksPerStep)
					}},
					{Name: "recycled", Unit: "TAO/6h", Doc: "burned by registrations and fees", From: "supply", Rate: func(s *dynamics.State) float64 {
						return v["recycled"] * mintBlocks(s.Stock(supply), blocksPerStep)
					}},
				},
				Auxiliaries: []dynamics.Auxiliary{
					{Name: "reward", Unit: "TAO/block", Doc: "what the next block mints", Value: func(s *dynamics.State) float64 {
						return blockReward(s.Stock(supply))
					}},
				},
			}
		},
	}
}

// blockReward is the curve that Plexus shares with Bittensor: cap, first reward and unit are the same.
func blockReward(supply float64) float64 {
	return float64(subnet.BlockReward(uint64(supply*float64(subnet.PLX)+0.5))) / float64(subnet.PLX)
}

// mintBlocks returns what a number of blocks mint, halving where the supply says so.
func mintBlocks(supply float64, blocks int) float64 {
	minted := 0.0
	for blocks > 0 {
		reward := blockReward(supply + minted)
		if reward == 0 {
			break
		}
		until := float64(subnet.NextHalving(uint64((supply+minted)*float64(subnet.PLX)+0.5)))/float64(subnet.PLX) - supply - minted
		n := min(blocks, max(1, int(until/reward)))
		minted += float64(n) * reward
		blocks -= n
	}
	return minted
}
