package studies

import (
	"context"
	"strings"

	"github.com/plexusnet/plexus/sims/experiment"
	"github.com/plexusnet/plexus/sims/plots"
	"github.com/plexusnet/plexus/sims/scenario"
)

// halving asks what a halving does to who validates and stakes.
func halving(ctx context.Context, s *scenario.Scenario, o experiment.Options) (*Study, error) {
	r, err := s.Compare.Run(ctx, s.Build, o)
	if err != nil {
		return nil, err
	}
	var b strings.Builder
	if err := effects(&b, r, experiment.End, "validators.yield", "validators.income", "delegators.income", "party.validators.profit", "miners.uids"); err != nil {
		return nil, err
	}
	study := &Study{Tables: b.String()}
	if err := halvingClaims(study, r); err != nil {
		return nil, err
	}
	names := append([]string{r.Comparison.Base.Name}, namesOf(r.Comparison.Variants)...)
	for _, draw := range []struct{ file, column, title, unit string }{
		{"halving-yield", "validators.yield", "yield of stake", "1/year, in PLX"},
		{"halving-profit", "party.validators.profit", "profit of the validators", "USD"},
	} {
		var series []plots.Series
		for i, result := range r.Results {
			fan, err := result.Fan(draw.column)
			if err != nil {
				return nil, err
			}
			series = append(series, plots.Series{Name: names[i], Y: fan.Mean})
		}
		x, unit := plots.TimeAxis(r.Results[0].Seconds)
		if draw.column == "validators.yield" { // the same with any price, and none before the first market step
			series, x = series[:2], x[1:]
			for i := range series {
				series[i].Y = series[i].Y[1:]
			}
		}
		f, err := plots.Lines(plots.Labels{Title: draw.title + ", mean over runs", X: unit, Y: draw.unit}, x, series...)
		if err != nil {
			return nil, err
		}
		study.Figures = append(study.Figures, Figure{draw.file, plots.Height, f})
	}
	return study, nil
}

func halvingClaims(study *Study, r *experiment.CompareResult) error {
	for _, c := range []struct {
		says, variant, column string
		low, high             float64 // of the relative change
	}{
		{"the yield of stake falls to half", "halving", "validators.yield", -0.52, -0.46},
		{"validators lose a quarter of their income in PLX", "halving", "validators.income", -0.28, -0.22},
		{"delegators lose less of theirs", "halving", "delegators.income", -0.22, -0.05},
		{"miners leave", "halving", "miners.uids", -1, -0.1},
		{"a price that doubles leaves income in PLX as it is", "price-doubles", "validators.income", -0.28, -0.22},
		{"a price that doubles keeps the miners", "price-doubles", "miners.uids", -0.02, 0.02},
		{"a price that doubles leaves validators richer than no halving", "price-doubles", "party.validators.profit", 0.1, 10},
	} {
		e, err := effect(r, c.variant, c.column, experiment.End)
		if err != nil {
			return err
		}
		study.claim(e.Relative != nil && c.low <= *e.Relative && *e.Relative <= c.high, c.says)
	}
	return nil
}

func namesOf(variants []experiment.Variant) (names []string) {
	for _, v := range variants {
		names = append(names, v.Name)
	}
	return names
}
