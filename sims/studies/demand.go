package studies

import (
	"context"
	"fmt"
	"strings"

	"github.com/plexusnet/plexus/sims/experiment"
	"github.com/plexusnet/plexus/sims/plots"
	"github.com/plexusnet/plexus/sims/scenario"
)

// demand asks whether it pays to feign demand, and what honest demand brings.
func demand(ctx context.Context, s *scenario.Scenario, o experiment.Options) (*Study, error) {
	compared, err := s.Compare.Run(ctx, s.Build, o)
	if err != nil {
		return nil, err
	}
	var b strings.Builder
	if err := effects(&b, compared, experiment.End, "fees_burned", "used.share", "unused.share", "farmed.share", "used.owner_paid", "used-miners.income", "unused-miners.income", "party.farm.earned"); err != nil {
		return nil, err
	}
	swept, err := s.Sweep.Run(ctx, s.Build, o)
	if err != nil {
		return nil, err
	}
	caps, requests, weights := swept.Sweep.Parameters[0].Values, swept.Sweep.Parameters[1].Values, swept.Sweep.Parameters[2].Values
	head := []string{"demand_cap"}
	series := []plots.Series{}
	for _, weight := range weights {
		for _, volume := range requests[1:] {
			head = append(head, fmt.Sprintf("root weight %s, %s requests a day", experiment.ValueText(weight), experiment.ValueText(volume)))
		}
		series = append(series, plots.Series{Name: "root weight " + experiment.ValueText(weight)})
	}
	rows, x, most, byDefault := [][]string{head}, []float64{}, 0.0, 0.0
	for _, limit := range caps {
		bps, err := number(limit)
		if err != nil {
			return nil, err
		}
		x = append(x, bps/100)
		row := []string{fmt.Sprintf("%g %%", bps/100)}
		for at, weight := range weights {
			last := 0.0
			for _, volume := range requests[1:] {
				back, err := returned(swept, limit, volume, weight, requests[0])
				if err != nil {
					return nil, err
				}
				most, last = max(most, back), back
				if bps == 5000 {
					byDefault = max(byDefault, back)
				}
				row = append(row, percent(back))
			}
			series[at].Y = append(series[at].Y, 100*last) // of the most requests
		}
		rows = append(rows, row)
	}
	fmt.Fprint(&b, "\nWhat comes back to the farm of what is burned of its payments, as it asks for more or less and validators hold\nits subnet for worthless (root weight 0) or for as good as any (1):\n\n")
	table(&b, 0, rows)
	fmt.Fprintf(&b, "\nMeans of %d runs. The most that came back anywhere is %s.\n", swept.Manifest.Runs, percent(most))
	f, err := plots.Lines(plots.Labels{Title: "what comes back to a farm of what is burned", X: "demand_cap, %", Y: "%"}, x, series...)
	if err != nil {
		return nil, err
	}
	study := &Study{Tables: b.String(), Figures: []Figure{{"demand-returned", plots.Height, f}}}
	study.claim(most > 0 && most < 1, "nothing brings back all that was burned")
	study.claim(byDefault > 0 && byDefault < 0.5, "by default a farm loses more than half of what it burns")
	ignored, err := effect(compared, "demand-is-ignored", "used.owner_paid", experiment.End)
	if err != nil {
		return nil, err
	}
	study.claim(0.08 < -ignored.Effect/ignored.Changed && -ignored.Effect/ignored.Changed < 0.12, "honest demand brings its subnet about a tenth more emission")
	farming, err := effect(compared, "farming", "party.farm.earned", experiment.End)
	if err != nil {
		return nil, err
	}
	study.claim(farming.Student.High < 0, "farming loses")
	var estimates []plots.Estimate
	for _, v := range compared.Comparison.Variants {
		for _, column := range []string{"used.share", "unused.share", "farmed.share"} {
			e, err := effect(compared, v.Name, column, experiment.End)
			if err != nil {
				return nil, err
			}
			estimates = append(estimates, plots.Estimate{Name: v.Name + ": " + column, Value: 100 * e.Effect, Low: 100 * e.Student.Low, High: 100 * e.Student.High})
		}
	}
	f, err = plots.Intervals(plots.Labels{Title: "change of the share in the block reward", X: "percentage points"}, estimates)
	if err != nil {
		return nil, err
	}
	study.Figures = append(study.Figures, Figure{"demand-shares", plots.TallEnough(len(estimates)), f})
	return study, nil
}

// returned is the part of what was burned of a farm's payments that it got back: all of it less what the farm lost
// against paying nothing.
func returned(r *experiment.SweepResult, limit, volume, weight, nothing any) (float64, error) {
	var of [4]float64
	for i, at := range []struct {
		column string
		volume any
	}{{"party.farm.earned", volume}, {"party.farm.earned", nothing}, {"fees_burned", volume}, {"fees_burned", nothing}} {
		d, err := end(r, at.column, limit, at.volume, weight)
		if err != nil {
			return 0, err
		}
		of[i] = d.Mean
	}
	return 1 + (of[0]-of[1])/(of[2]-of[3]), nil
}
