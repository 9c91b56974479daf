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

func namesOf(variants []experiment.Variant) (names []string) {
	for _, v := range variants {
		names = append(names, v.Name)
	}
	return names
}
