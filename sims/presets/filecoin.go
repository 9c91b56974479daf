package presets

import (
	"math"

	"github.com/plexusnet/plexus/sims/dynamics"
)

const (
	filEpoch  = 30.0
	filYear   = 1_051_200.0 // epochs
	filStep   = 2880.0      // epochs: a day
	filSimple = 330e6
	filBase   = 770e6
	filB0     = 2.88888888 // EiB
	filWins   = 5.0        // expected winners of an epoch
)

var (
	filLambda = math.Ln2 / (6 * filYear) // per epoch
	filGrowth = math.Ln2 / filYear       // of the baseline, per epoch
)

func filecoin() Preset {
	return Preset{
		Name: "filecoin", Title: "Filecoin", Certainty: Code, Source: "filecoin-project/builtin-actors, reward and miner actors; FIP-0081",
		About: "Simple minting M_S(t) = 330e6 (1 - e^(-lambda t)), lambda = ln 2 / 6 years. Baseline minting M_B = 770e6 (1 - e^(-lambda theta)) with " +
			"theta = ln(1 + g R / b0) / g, g = ln 2 / year, R the sum of min(baseline, raw power) so far, baseline b0 2^(t/year). " +
			"A quarter of a reward is free at once, the rest over 180 days. Pledge per power: 20 days of expected reward and 0.3 of the circulating supply times " +
			"gamma/max(baseline, QAP) + (1 - gamma)/QAP, at most 1 FIL per 32 GiB. A day is a step; the pledge in force leaves at 1/lifetime a day.",
		Params: []Param{
			span(6),
			{Name: "power_start", Unit: "EiB", Default: 0.4, Min: 0.001, Max: 1000, Doc: "raw power on the first day; fitted, with the next, to the crossing of the baseline in April 2021"},
			{Name: "power_doubling", Unit: "days", Default: 64.4, Min: 1, Max: 1e6, Doc: "time in which raw power doubles until its peak"},
			{Name: "power_peak", Unit: "EiB", Default: 17, Min: 0.001, Max: 1e6, Doc: "where raw power stops growing; an assumption"},
			{Name: "power_decline", Unit: "per year", Default: 0.4, Min: 0, Max: 0.99, Doc: "share of raw power lost in a year after the peak; an assumption"},
			{Name: "quality", Unit: "1", Default: 1, Min: 1, Max: 10, Doc: "quality-adjusted power over raw power; an assumption"},
			{Name: "lifetime", Unit: "days", Default: 540, Min: 180, Max: 1278, Doc: "mean life of a sector's pledge; an assumption"},
			{Name: "gamma_day", Unit: "days", Default: 1556, Min: 0, Max: 1e5, Doc: "day on which gamma leaves 1 (FIP-0081: November 2024), to reach 0.7 a year later"},
			{Name: "burned", Unit: "FIL/day", Default: 0, Min: 0, Max: 1e6, Doc: "gas and penalties; an assumption"},
			{Name: "reserve", Unit: "FIL/day", Default: 0, Min: 0, Max: 1e6, Doc: "disbursed of the mining reserve of 300 M; an assumption"},
		},
		system: filecoinSystem,
	}
}

// rawPower is the assumed profile, in EiB.
func rawPower(v values, days float64) float64 {
	peak := v["power_doubling"] * math.Log2(v["power_peak"]/v["power_start"])
	if days < peak {
		return v["power_start"] * math.Exp2(days/v["power_doubling"])
	}
	return v["power_peak"] * math.Pow(1-v["power_decline"], (days-max(0, peak))/365)
}

func baseline(days float64) float64 { return filB0 * math.Exp2(days*filStep/filYear) }

// simpleMinted and baselineMinted are cumulative, in FIL, of epochs.
func simpleMinted(t float64) float64       { return -filSimple * math.Expm1(-filLambda*t) }
func baselineMinted(theta float64) float64 { return -filBase * math.Expm1(-filLambda*theta) }
func effectiveTime(realized float64) float64 {
	return math.Log1p(filGrowth*realized/filB0) / filGrowth
}

// vested is what the founders' and investors' allocations have released: 400 M over six years, 200 M over three.
func vested(days float64) float64 {
	return 400e6*min(1, days/(6*365)) + 200e6*min(1, days/(3*365))
}

func filecoinSystem(v values) dynamics.System {
	const (
		free, vesting, pledged, realized               = 0, 1, 2, 3
		minted, immediate                              = 0, 1
		simpleSum, theta, mined, circulating, required = 0, 1, 2, 3, 4
	)
	// reward of the day that ends at s.Seconds.
	reward := func(s *dynamics.State) float64 {
		t := float64(s.Step) * filStep
		before := effectiveTime(s.Stock(realized))
		after := effectiveTime(s.Stock(realized) + realizedOn(v, s.Step))
		return simpleMinted(t) - simpleMinted(t-filStep) + baselineMinted(after) - baselineMinted(before)
	}
	onboarded := func(s *dynamics.State) float64 { // EiB of quality-adjusted power that pledges on this day
		d := float64(s.Step)
		grown := rawPower(v, d) - rawPower(v, d-1)
		return v["quality"] * max(0, grown+rawPower(v, d-1)/v["lifetime"])
	}
	return dynamics.System{
		Step: filEpoch * filStep, Steps: v.steps(filEpoch * filStep),
		Stocks: []dynamics.Stock{
			{Name: "free", Unit: "FIL", Doc: "released and not pledged"},
			{Name: "vesting", Unit: "FIL", Doc: "rewards not released yet"},
			{Name: "pledged", Unit: "FIL", Doc: "locked as collateral"},
			{Name: "realized", Unit: "EiB epochs", Doc: "R: sum of min(baseline, raw power)"},
		},
		Windows: []dynamics.Window{{Flow: "minted_to_vesting", Steps: 180}},
		Flows: []dynamics.Flow{
			{Name: "minted_to_vesting", Unit: "FIL/day", Doc: "three quarters of the rewards", To: "vesting", Rate: func(s *dynamics.State) float64 { return 0.75 * reward(s) }},
			{Name: "minted_to_free", Unit: "FIL/day", Doc: "a quarter of the rewards", To: "free", Rate: func(s *dynamics.State) float64 { return 0.25 * reward(s) }},
			{Name: "released", Unit: "FIL/day", Doc: "rewards that vest", From: "vesting", To: "free", Rate: func(s *dynamics.State) float64 { return s.Window(0) }},
			{Name: "allocated", Unit: "FIL/day", Doc: "allocations that vest, and the reserve", To: "free", Rate: func(s *dynamics.State) float64 {
				return vested(float64(s.Step)) - vested(float64(s.Step)-1) + v["reserve"]
			}},
			{Name: "pledge", Unit: "FIL/day", Doc: "collateral of new and renewed sectors", From: "free", To: "pledged", Rate: func(s *dynamics.State) float64 {
				return onboarded(s) * s.Auxiliary(required)
			}},
			{Name: "returned", Unit: "FIL/day", Doc: "collateral of sectors that end", From: "pledged", To: "free", Rate: func(s *dynamics.State) float64 {
				return s.Stock(pledged) / v["lifetime"]
			}},
			{Name: "burned", Unit: "FIL/day", Doc: "gas and penalties", From: "free", Rate: constant(v["burned"])},
			{Name: "realize", Unit: "EiB epochs/day", Doc: "min(baseline, raw power) of a day", To: "realized", Rate: func(s *dynamics.State) float64 { return realizedOn(v, s.Step) }},
		},
		Auxiliaries: []dynamics.Auxiliary{
			{Name: "simple_minted", Unit: "FIL", Doc: "M_S", Value: func(s *dynamics.State) float64 { return simpleMinted(float64(s.Step) * filStep) }},
			{Name: "theta", Unit: "years", Doc: "effective network time", Value: func(s *dynamics.State) float64 { return effectiveTime(s.Stock(realized)) / filYear }},
			{Name: "mined", Unit: "FIL", Doc: "M_S + M_B", Value: func(s *dynamics.State) float64 {
				return s.Auxiliary(simpleSum) + baselineMinted(s.Auxiliary(theta)*filYear)
			}},
			{Name: "circulating", Unit: "FIL", Doc: "vested + mined + reserve - burned - locked", Value: func(s *dynamics.State) float64 { return s.Stock(free) }},
			{Name: "required", Unit: "FIL/EiB", Doc: "pledge of new quality-adjusted power", Value: func(s *dynamics.State) float64 {
				return pledgePerPower(v, float64(s.Step), (s.Flow(minted) + s.Flow(immediate)), s.Auxiliary(circulating))
			}},
			{Name: "raw_power", Unit: "EiB", Doc: "the assumed profile", Value: func(s *dynamics.State) float64 { return rawPower(v, float64(s.Step)) }},
			{Name: "baseline", Unit: "EiB", Doc: "b0 2^(t/year)", Value: func(s *dynamics.State) float64 { return baseline(float64(s.Step)) }},
			{Name: "simple_reward", Unit: "FIL/epoch", Doc: "simple minting in the epoch that ends now", Value: func(s *dynamics.State) float64 {
				return simpleReward(float64(s.Step) * filStep)
			}},
			{Name: "reward_per_win", Unit: "FIL", Doc: "a fifth of what an epoch of the last day minted", Value: func(s *dynamics.State) float64 {
				return (s.Flow(minted) + s.Flow(immediate)) / filStep / filWins
			}},
		},
	}
}

// simpleReward is what simple minting gives in the epoch that ends at t, as the reward actor computes it:
// 330e6 (e^lambda - 1) e^(-lambda t).
func simpleReward(t float64) float64 {
	return filSimple * math.Expm1(filLambda) * math.Exp(-filLambda*t)
}

// realizedOn integrates min(baseline, raw power) over a day, 1 being the first, by the trapezoid rule.
func realizedOn(v values, d uint64) float64 {
	at := func(days float64) float64 { return min(baseline(days), rawPower(v, days)) }
	return filStep * (at(float64(d)-1) + at(float64(d))) / 2
}

// pledgePerPower is the collateral of an EiB of quality-adjusted power, given the rewards of a day.
func pledgePerPower(v values, days, reward, circulating float64) float64 {
	qap := v["quality"] * rawPower(v, days)
	gamma := 1 - 0.3*min(1, max(0, (days-v["gamma_day"])/365))
	consensus := 0.3 * circulating * (gamma/max(baseline(days), qap) + (1-gamma)/qap)
	storage := 20 * reward / qap
	return min(storage+consensus, math.Exp2(60-35)) // 2^25 times 32 GiB in an EiB
}
