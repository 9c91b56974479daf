package presets

import (
	"math"

	"github.com/plexusnet/plexus/sims/dynamics"
)

func ionet() Preset {
	return Preset{
		Name: "ionet", Title: "io.net", Certainty: Official, Source: "io.net documentation, IO coin emission",
		About: "In hour T of 175 319 are minted 500e6 r_T, r_1 = 0.00091324200913242 %, r_T = r_(T-1) (1 - 0.00138869523959793 %), until 800 M; 500 M at the start.",
		Params: []Param{
			span(21),
			{Name: "burned", Unit: "IO/hour", Default: 0, Min: 0, Max: 1e6, Doc: "bought back and burned out of fees; an assumption"},
		},
		system: func(v values) dynamics.System {
			return dynamics.System{
				Step: hour, Steps: v.steps(hour), Every: 24,
				Stocks: []dynamics.Stock{{Name: "supply", Unit: "IO", Initial: 500e6}},
				Flows: []dynamics.Flow{
					{Name: "minted", Unit: "IO/hour", Doc: "E_T", To: "supply", Rate: func(s *dynamics.State) float64 {
						if s.Step > 175_319 {
							return 0
						}
						return min(ionetHour(s.Step), 800e6-s.Stock(0))
					}},
					{Name: "burned", Unit: "IO/hour", From: "supply", Rate: constant(v["burned"])},
				},
			}
		},
	}
}

// ionetHour is what io.net mints in its hour T, 1 being the first.
func ionetHour(hour uint64) float64 {
	const (
		first = 0.00091324200913242 / 100
		decay = 1 - 0.00138869523959793/100
	)
	return 500e6 * first * math.Pow(decay, float64(hour-1))
}

func livepeer() Preset {
	const round = 5760 * 14.4 // seconds, at Ethereum's pace of 2018
	const supply, bonded = 0, 1
	return Preset{
		Name: "livepeer", Title: "Livepeer", Certainty: Code, Source: "livepeer/protocol, Minter and BondingManager",
		About: "Every round the inflation rises by a fixed change while less than the target share is bonded, and falls by it otherwise; supply x inflation can be minted, and is " +
			"as far as orchestrators call reward. Defaults are those of the launch in round 961, which is step 0; since 2022 inflation is 218.5 and the change 0.5 ppm.",
		Params: []Param{
			span(0.7),
			{Name: "supply", Unit: "LPT", Default: 10e6, Min: 1, Max: 1e9, Doc: "at the start"},
			{Name: "inflation", Unit: "ppm", Default: 137, Min: 0, Max: 1e6, Doc: "of the first round"},
			{Name: "change", Unit: "ppm", Default: 3, Min: 0, Max: 1000, Doc: "per round"},
			{Name: "target", Unit: "share", Default: 0.5, Min: 0, Max: 1, Doc: "of the supply that is to be bonded"},
			{Name: "called", Unit: "share", Default: 0.9587, Min: 0, Max: 1, Doc: "of the inflation for which reward is called; fitted to round 995"},
			{Name: "bonded", Unit: "share", Default: 0, Min: 0, Max: 1, Doc: "of the supply that is bonded at the start; an assumption"},
			{Name: "bonding", Unit: "share/round", Default: 0, Min: -0.1, Max: 0.1, Doc: "by which that share rises; an assumption"},
		},
		system: func(v values) dynamics.System {
			return dynamics.System{
				Step: round, Steps: v.steps(round),
				Stocks: []dynamics.Stock{
					{Name: "supply", Unit: "LPT", Initial: v["supply"]},
					{Name: "inflation", Unit: "ppm", Initial: v["inflation"], Doc: "of the coming round"},
				},
				Flows: []dynamics.Flow{
					{Name: "minted", Unit: "LPT/round", To: "supply", Rate: func(s *dynamics.State) float64 {
						return v["called"] * s.Stock(supply) * s.Stock(bonded) / 1e6
					}},
					{Name: "risen", Unit: "ppm", Doc: "change of the inflation upward", To: "inflation", Rate: func(s *dynamics.State) float64 {
						if s.Auxiliary(0) < v["target"] {
							return v["change"]
						}
						return 0
					}},
					{Name: "fallen", Unit: "ppm", Doc: "change of the inflation downward", From: "inflation", Rate: func(s *dynamics.State) float64 {
						if s.Auxiliary(0) >= v["target"] {
							return v["change"]
						}
						return 0
					}},
				},
				Auxiliaries: []dynamics.Auxiliary{
					{Name: "bonded", Unit: "share", Doc: "of the supply", Value: func(s *dynamics.State) float64 {
						return min(1, max(0, v["bonded"]+v["bonding"]*float64(s.Step)))
					}},
					{Name: "round", Unit: "1", Doc: "Livepeer's number of the round", Value: func(s *dynamics.State) float64 { return 961 + float64(s.Step) }},
				},
			}
		},
	}
}

func akash() Preset {
	const scale = 288_539_008.0
	return Preset{
		Name: "akash", Title: "Akash", Certainty: Derived, Source: "Akash economics paper; constants by third parties",
		About: "S(t) = 100e6 + 288 539 008 (1 - 2^(-t / 3.7 years)): inflation that halves every 3.7 years. The live chain's rate is set within bounds by governance.",
		Params: []Param{
			span(20),
			{Name: "halving", Unit: "years", Default: 3.7, Min: 0.1, Max: 100, Doc: "time in which the rate halves"},
		},
		system: func(v values) dynamics.System {
			issued := func(days float64) float64 { return -scale * math.Expm1(-math.Ln2*days/365/v["halving"]) }
			return dynamics.System{
				Step: day, Steps: v.steps(day),
				Stocks: []dynamics.Stock{{Name: "supply", Unit: "AKT", Initial: 100e6}},
				Flows: []dynamics.Flow{{Name: "minted", Unit: "AKT/day", To: "supply", Rate: func(s *dynamics.State) float64 {
					return issued(float64(s.Step)) - issued(float64(s.Step)-1)
				}}},
			}
		},
	}
}

func helium() Preset {
	const netCap = 34.24 * 48 // HNT per day
	return Preset{
		Name: "helium", Title: "Helium", Certainty: Code, Source: "HIP-20, helium-program-library",
		About: "60 M HNT in each of the first two years, halved every two years (HIP-20 counts from August 2019). " +
			"Net emissions mint again what data credits burned, up to 34.24 HNT per 30 minutes.",
		Params: []Param{
			span(20),
			{Name: "supply", Unit: "HNT", Default: 0, Min: 0, Max: 223e6, Doc: "at the start"},
			{Name: "burned", Unit: "HNT/day", Default: 0, Min: 0, Max: 1e6, Doc: "for data credits; an assumption"},
		},
		system: func(v values) dynamics.System {
			return dynamics.System{
				Step: day, Steps: v.steps(day),
				Stocks: []dynamics.Stock{{Name: "supply", Unit: "HNT", Initial: v["supply"]}},
				Flows: []dynamics.Flow{
					{Name: "minted", Unit: "HNT/day", Doc: "scheduled", To: "supply", Rate: func(s *dynamics.State) float64 {
						return 60e6 / 365 * math.Exp2(-math.Floor(elapsed(s, day, 2*year)))
					}},
					{Name: "reminted", Unit: "HNT/day", Doc: "net emissions: what was burned the day before, up to the cap", To: "supply", Rate: func(s *dynamics.State) float64 {
						return min(s.Flow(2), netCap)
					}},
					{Name: "burned", Unit: "HNT/day", From: "supply", Rate: constant(v["burned"])},
				},
			}
		},
	}
}

func deepbrain() Preset {
	const vesting = 1
	return Preset{
		Name: "deepbrain", Title: "DeepBrain Chain", Certainty: Code, Source: "DeepBrainChain-MainChain, online profit; official documents",
		About: "1e9 DBC a year for three years, 0.5e9 for five, then, in every five years, half of what is left of 2.5e9 and of all rent burned by then. A quarter is free on the day, " +
			"the rest over 150 days. Rent is burned.",
		Params: []Param{
			span(20),
			{Name: "rent", Unit: "DBC/day", Default: 0, Min: 0, Max: 1e8, Doc: "paid for machines and burned; an assumption"},
			{Name: "supply", Unit: "DBC", Default: 4.5e9, Min: 0, Max: 1e11, Doc: "free at the start; an assumption"},
		},
		system: func(v values) dynamics.System {
			const late = 8.0
			mined := func(s *dynamics.State) float64 {
				switch at := elapsed(s, day, year); {
				case at < 3:
					return 1e9 / 365
				case at < late:
					return 0.5e9 / 365
				default:
					return lateRate(v["rent"], uint64((at-late)/5))
				}
			}
			return dynamics.System{
				Step: day, Steps: v.steps(day),
				Stocks: []dynamics.Stock{
					{Name: "free", Unit: "DBC", Initial: v["supply"]},
					{Name: "vesting", Unit: "DBC", Doc: "mined, not released yet"},
				},
				Windows: []dynamics.Window{{Flow: "mined_to_vesting", Steps: 150}},
				Flows: []dynamics.Flow{
					{Name: "mined_to_free", Unit: "DBC/day", To: "free", Rate: func(s *dynamics.State) float64 { return 0.25 * mined(s) }},
					{Name: "mined_to_vesting", Unit: "DBC/day", To: "vesting", Rate: func(s *dynamics.State) float64 { return 0.75 * mined(s) }},
					{Name: "released", Unit: "DBC/day", From: "vesting", To: "free", Rate: func(s *dynamics.State) float64 { return s.Window(0) }},
					{Name: "burned", Unit: "DBC/day", Doc: "rent", From: "free", Rate: constant(v["rent"])},
				},
				Auxiliaries: []dynamics.Auxiliary{
					{Name: "mined", Unit: "DBC", Doc: "since the start", Value: func(s *dynamics.State) float64 {
						return s.Stock(0) + s.Stock(vesting) - v["supply"] + v["rent"]*float64(s.Step)
					}},
				},
			}
		},
	}
}

// lateRate is what DeepBrain Chain mints on a day of the n-th period of five years after the eighth year, 0 being the
// first: half of what is left then, evenly. What is left begins with 2.5e9 and all rent paid so far, loses what is minted
// and gains what is burned.
func lateRate(rent float64, n uint64) float64 {
	left := 2.5e9 + rent*8*365
	for range n {
		left += rent*5*365 - left/2
	}
	return left / 2 / (5 * 365)
}

func phala() Preset {
	const supply, treasury = 0, 1
	return Preset{
		Name: "phala", Title: "Phala", Certainty: Code, Source: "Phala-Network/phala-blockchain, computation pallet",
		About: "720 000 PHA a day, a fifth of it to the treasury, a quarter less every 180 days (1 296 000 blocks of 12 s). A worker's value falls by 0.1 % for each hour offline.",
		Params: []Param{
			span(10),
			{Name: "offline", Unit: "hours/day", Default: 0, Min: 0, Max: 24, Doc: "of the worker whose value is recorded; an assumption"},
		},
		system: func(v values) dynamics.System {
			budget := func(s *dynamics.State) float64 { return 720_000 * math.Pow(0.75, math.Floor(elapsed(s, day, 180*day))) }
			return dynamics.System{
				Step: day, Steps: v.steps(day),
				Stocks: []dynamics.Stock{
					{Name: "workers", Unit: "PHA", Doc: "paid to workers"},
					{Name: "treasury", Unit: "PHA", Doc: "paid to the treasury"},
				},
				Flows: []dynamics.Flow{
					{Name: "to_workers", Unit: "PHA/day", To: "workers", Rate: func(s *dynamics.State) float64 { return 0.8 * budget(s) }},
					{Name: "to_treasury", Unit: "PHA/day", To: "treasury", Rate: func(s *dynamics.State) float64 { return 0.2 * budget(s) }},
				},
				Auxiliaries: []dynamics.Auxiliary{
					sum("issued", "PHA", "to workers and treasury", supply, treasury),
					{Name: "worker_value", Unit: "1", Doc: "of one that is offline so long every day, of 1 at the start", Value: func(s *dynamics.State) float64 {
						return math.Pow(1-0.001, v["offline"]*float64(s.Step))
					}},
				},
			}
		},
	}
}

func aethir() Preset {
	const checkerDays = 1460
	return Preset{
		Name: "aethir", Title: "Aethir", Certainty: Official, Source: "Aethir documentation, ATH token",
		About: "Checker nodes share 6.3e9 ATH evenly over 1460 days, edge nodes 9.66e9 over ten years, each year 0.603 of the one before.",
		Params: []Param{
			span(10),
			{Name: "ratio", Unit: "1", Default: 0.603, Min: 0.01, Max: 0.999, Doc: "of one year's edge rewards to those of the year before"},
		},
		system: func(v values) dynamics.System {
			first := 9.66e9 * (1 - v["ratio"]) / (1 - math.Pow(v["ratio"], 10))
			return dynamics.System{
				Step: day, Steps: v.steps(day),
				Stocks: []dynamics.Stock{{Name: "checkers", Unit: "ATH"}, {Name: "edge", Unit: "ATH"}},
				Flows: []dynamics.Flow{
					{Name: "to_checkers", Unit: "ATH/day", To: "checkers", Rate: func(s *dynamics.State) float64 {
						if s.Step > checkerDays {
							return 0
						}
						return 6.3e9 / checkerDays
					}},
					{Name: "to_edge", Unit: "ATH/day", To: "edge", Rate: func(s *dynamics.State) float64 {
						n := math.Floor(elapsed(s, day, year))
						if n >= 10 {
							return 0
						}
						return first * math.Pow(v["ratio"], n) / 365
					}},
				},
				Auxiliaries: []dynamics.Auxiliary{sum("issued", "ATH", "to both", 0, 1)},
			}
		},
	}
}

func allora() Preset {
	const step = year / 12
	const (
		treasury, issued    = 0, 1
		staked, circ, yield = 0, 1, 2
		maxSupply           = 1e9
	)
	return Preset{
		Name: "allora", Title: "Allora", Certainty: Code, Source: "allora-network/allora-chain, x/mint",
		About: "Every month e_i = 0.1 e' + 0.9 e_(i-1), where e' = 0.025 (T_ecosystem / N_staked)(N_circulating / 1e9), at most 0.95 % over the stakers' share of rewards; " +
			"e_i N_staked is paid. Investors and team are locked for a year and vest until month 36.",
		Params: []Param{
			span(10),
			{Name: "ecosystem", Unit: "share", Default: 0.3595, Min: 0, Max: 1, Doc: "of the cap of 1e9 that the ecosystem treasury may pay out; the code's default"},
			{Name: "locked", Unit: "share", Default: 0.4855, Min: 0, Max: 1, Doc: "of the cap that belongs to investors and team; the code's default"},
			{Name: "staked", Unit: "share", Default: 0.3, Min: 0.001, Max: 1, Doc: "of the circulating supply; an assumption"},
			{Name: "stakers", Unit: "share", Default: 0.33, Min: 0.01, Max: 1, Doc: "of the rewards that stakers get, which bounds the yield; an assumption"},
		},
		system: func(v values) dynamics.System {
			ecosystem := v["ecosystem"] * maxSupply
			return dynamics.System{
				Step: step, Steps: v.steps(step),
				Stocks: []dynamics.Stock{
					{Name: "treasury", Unit: "ALLO", Initial: ecosystem, Doc: "left to pay out"},
					{Name: "issued", Unit: "ALLO", Doc: "paid out of it"},
					{Name: "smoothed", Unit: "per month", Initial: firstYield(v), Doc: "e_i of the coming month"},
				},
				Flows: []dynamics.Flow{
					{Name: "emitted", Unit: "ALLO/month", From: "treasury", To: "issued", Rate: func(s *dynamics.State) float64 {
						return s.Stock(2) * s.Auxiliary(staked)
					}},
					{Name: "rise", Unit: "per month", To: "smoothed", Rate: func(s *dynamics.State) float64 { return 0.1 * (s.Auxiliary(yield) - s.Stock(2)) }},
					{Name: "fall", Unit: "per month", From: "smoothed", Rate: func(s *dynamics.State) float64 { return 0.1 * (s.Stock(2) - s.Auxiliary(yield)) }},
				},
				Auxiliaries: []dynamics.Auxiliary{
					{Name: "staked", Unit: "ALLO", Doc: "assumed share of the circulating supply", Value: func(s *dynamics.State) float64 {
						return v["staked"] * alloraCirculating(v, s.Step, s.Stock(issued))
					}},
					{Name: "circulating", Unit: "ALLO", Doc: "not locked and not in the treasury", Value: func(s *dynamics.State) float64 {
						return alloraCirculating(v, s.Step, s.Stock(issued))
					}},
					{Name: "target", Unit: "per month", Doc: "e' before smoothing, bounded", Value: func(s *dynamics.State) float64 {
						return alloraYield(v, s.Stock(treasury), s.Auxiliary(staked), s.Auxiliary(circ))
					}},
				},
			}
		},
	}
}

func firstYield(v values) float64 {
	circulating := alloraCirculating(v, 0, 0)
	return alloraYield(v, v["ecosystem"]*1e9, v["staked"]*circulating, circulating)
}

func alloraYield(v values, treasury, staked, circulating float64) float64 {
	if staked <= 0 {
		return 0
	}
	return min(0.025*treasury/staked*circulating/1e9, 0.0095/v["stakers"])
}

// alloraCirculating is what is neither in the treasury nor locked after so many months.
func alloraCirculating(v values, months uint64, issued float64) float64 {
	locked := v["locked"] * 1e9
	if months >= 12 {
		locked *= max(0, 1-float64(months)/36)
	}
	return max(0, (1-v["ecosystem"])*1e9-locked) + issued
}

func render() Preset {
	const (
		start  = 536_870_912.0
		extra  = 107_374_182.0
		first  = 9_126_804.0
		supply = 0
		epochs = 52 // a year
	)
	return Preset{
		Name: "render", Title: "Render", Certainty: Code, Source: "RNP-001, RNP-006; damping by third parties",
		About: "Burn and mint: jobs are paid by burning, operators by a schedule of 9 126 804 in the first year, each year 0.945 of the one before, until 107 374 182 are minted on " +
			"536 870 912. Where both are equal the supply stands still. An epoch is a 52nd of a year.",
		Params: []Param{
			span(20),
			{Name: "burned", Unit: "RENDER/epoch", Default: 0, Min: 0, Max: 1e8, Doc: "for jobs; an assumption"},
			{Name: "minted", Unit: "RENDER/epoch", Default: -1, Min: -1, Max: 1e8, Doc: "a fixed amount in place of the schedule; -1: the schedule"},
			{Name: "damping", Unit: "1", Default: 0.945, Min: 0.1, Max: 1, Doc: "of one year's schedule to the next"},
		},
		system: func(v values) dynamics.System {
			return dynamics.System{
				Step: year / epochs, Steps: v.steps(year / epochs),
				Stocks: []dynamics.Stock{
					{Name: "supply", Unit: "RENDER", Initial: start},
					{Name: "left", Unit: "RENDER", Initial: extra, Doc: "still to be minted"},
				},
				Flows: []dynamics.Flow{
					{Name: "minted", Unit: "RENDER/epoch", From: "left", To: "supply", Rate: func(s *dynamics.State) float64 {
						if v["minted"] >= 0 {
							return v["minted"]
						}
						return first / epochs * math.Pow(v["damping"], math.Floor(float64(s.Step-1)/epochs))
					}},
					{Name: "burned", Unit: "RENDER/epoch", From: "supply", Rate: constant(v["burned"])},
				},
			}
		},
	}
}
