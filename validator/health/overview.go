package health

import (
	"cmp"
	"slices"
	"strings"
)

// Spread is what several validators measured of one thing: the median, and how far apart they are.
type Spread struct {
	Median float64 `json:"median"`
	Min    float64 `json:"min"`
	Max    float64 `json:"max"`
}

// LatencySpread has a Spread for each percentile of Latency, in milliseconds.
type LatencySpread struct {
	P50 Spread `json:"p50_ms"`
	P95 Spread `json:"p95_ms"`
	P99 Spread `json:"p99_ms"`
}

// Opinion is what one validator publishes of a miner.
type Opinion struct {
	Validator string `json:"validator"` // hotkey
	Miner
}

// Overview is what several validators publish of one miner.
type Overview struct {
	UID        uint16 `json:"uid"`
	Hotkey     string `json:"hotkey"`
	Registered uint64 `json:"registered"` // height
	Model      string `json:"model"`      // as the validator that saw the highest block has it

	Uptime   Spread         `json:"uptime"`   // share of rounds with an answer, 0 to 1
	Latency  *LatencySpread `json:"latency"`  // of the validators that got answers; nil: none did
	Accuracy Spread         `json:"accuracy"` // moving average of the score, 0 to 1
	Skill    Spread         `json:"skill"`    // what is rewarded of it, 0 to 1
	Failures map[string]int `json:"failures"` // by reason, added up over validators
	Flags    map[string]int `json:"flags"`    // by FlagKind: how many validators raise it
	Opinions []Opinion      `json:"opinions"` // in the order of the reports
}

// FlagKind is a flag without what differs between two validators that mean the same: when it ends and what was measured.
func FlagKind(flag string) string {
	if at := strings.IndexAny(flag, ",:"); at > 0 {
		return flag[:at]
	}
	return flag
}

// Gather puts the reports of validators on one subnet together, a miner each, in order of uid. A uid that changed hands
// between two reports shows once for each hotkey, the newer one first.
func Gather(reports []Subnet) []Overview {
	type holder struct {
		uid    uint16
		hotkey string
	}
	at := map[holder]int{}
	heights := []uint64{} // by overview: of the report that Model is from
	overviews := []Overview{}
	for _, report := range reports {
		for _, m := range report.Miners {
			who := holder{m.UID, m.Hotkey}
			i, known := at[who]
			if !known {
				i = len(overviews)
				at[who] = i
				overviews = append(overviews, Overview{UID: m.UID, Hotkey: m.Hotkey, Failures: map[string]int{}, Flags: map[string]int{}})
				heights = append(heights, 0)
			}
			o := &overviews[i]
			if !known || report.Height > heights[i] {
				heights[i], o.Model = report.Height, m.Model
			}
			o.Registered = max(o.Registered, m.Registered)
			o.Opinions = append(o.Opinions, Opinion{Validator: report.Hotkey, Miner: m})
		}
	}
	for i := range overviews {
		overviews[i].sumUp()
	}
	slices.SortStableFunc(overviews, func(a, b Overview) int {
		return cmp.Or(cmp.Compare(a.UID, b.UID), cmp.Compare(b.Registered, a.Registered))
	})
	return overviews
}

func (o *Overview) sumUp() {
	o.Uptime = o.spread(func(m Miner) float64 { return m.Uptime })
	o.Accuracy = o.spread(func(m Miner) float64 { return m.Accuracy })
	o.Skill = o.spread(func(m Miner) float64 { return m.Skill })
	answered := Overview{}
	for _, one := range o.Opinions {
		if one.Latency != nil {
			answered.Opinions = append(answered.Opinions, one)
		}
		for reason, n := range one.Failures {
			o.Failures[reason] += n
		}
		kinds := map[string]bool{}
		for _, flag := range one.Flags {
			kinds[FlagKind(flag)] = true
		}
		for kind := range kinds {
			o.Flags[kind]++
		}
	}
	if len(answered.Opinions) > 0 {
		o.Latency = &LatencySpread{
			P50: answered.spread(func(m Miner) float64 { return m.Latency.P50 }),
			P95: answered.spread(func(m Miner) float64 { return m.Latency.P95 }),
			P99: answered.spread(func(m Miner) float64 { return m.Latency.P99 }),
		}
	}
}

// spread is of one figure over all opinions, of which there is one at least.
func (o *Overview) spread(of func(Miner) float64) Spread {
	values := make([]float64, len(o.Opinions))
	for i, one := range o.Opinions {
		values[i] = of(one.Miner)
	}
	slices.Sort(values)
	n := len(values)
	return Spread{Median: (values[(n-1)/2] + values[n/2]) / 2, Min: values[0], Max: values[n-1]}
}
