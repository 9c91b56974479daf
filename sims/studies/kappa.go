package studies

import (
	"context"
	"fmt"
	"math"
	"strings"

	"github.com/plexusnet/plexus/sims/experiment"
	"github.com/plexusnet/plexus/sims/plots"
	"github.com/plexusnet/plexus/sims/scenario"
)

// honestStake is what the validators who measure have in study-kappa, PLX, and cabalSize how many do not.
const (
	honestStake = 8000
	cabalSize   = 4
)

// kappa asks how much stake a cabal needs.
func kappa(ctx context.Context, s *scenario.Scenario, o experiment.Options) (*Study, error) {
	r, err := s.Sweep.Run(ctx, s.Build, o)
	if err != nil {
		return nil, err
	}
	kappas, stakes := r.Sweep.Parameters[0].Values, r.Sweep.Parameters[1].Values
	var gain, paid plots.Grid
	for _, k := range kappas {
		x, err := number(k)
		if err != nil {
			return nil, err
		}
		gain.X = append(gain.X, math.Round(100*x/65535)/100)
	}
	var b strings.Builder
	head := []string{"the cabal's part of the stake"}
	for _, k := range gain.X {
		head = append(head, fmt.Sprintf("kappa %g", k))
	}
	rows := [][]string{head}
	widest, below, above := 0.0, 0.0, math.Inf(1) // the most earned under the edges, and the least over them
	for _, stake := range stakes {
		each, err := number(stake)
		if err != nil {
			return nil, err
		}
		share := math.Round(100*cabalSize*each/(honestStake+cabalSize*each)) / 100
		gain.Y = append(gain.Y, share)
		row, gains, qualities := []string{fmt.Sprintf("%.0f %%", 100*share)}, []float64{}, []float64{}
		for i, k := range kappas {
			honest, err := end(r, "party.cabal.earned", k, stake, "honest")
			if err != nil {
				return nil, err
			}
			cabal, err := end(r, "party.cabal.earned", k, stake, "cabal")
			if err != nil {
				return nil, err
			}
			quality, err := end(r, "quality", k, stake, "cabal")
			if err != nil {
				return nil, err
			}
			times := cabal.Mean / honest.Mean
			widest = max(widest, cabal.SD/honest.Mean)
			switch edge := min(gain.X[i], 1-gain.X[i]); {
			case share < edge-0.001:
				below = max(below, times)
			case share > edge+0.001:
				above = min(above, times)
			}
			row = append(row, fmt.Sprintf("%.2f", times))
			gains, qualities = append(gains, times), append(qualities, quality.Mean)
		}
		gain.Z, paid.Z = append(gain.Z, gains), append(paid.Z, qualities)
		rows = append(rows, row)
	}
	paid.X, paid.Y = gain.X, gain.Y
	fmt.Fprint(&b, "What the cabal's party earns, as a multiple of what it earns by measuring honestly:\n\n")
	table(&b, 1, rows)
	fmt.Fprintf(&b, "\nMeans of %d runs; the standard deviation over runs is %.3f or less everywhere.\n", r.Manifest.Runs, widest)
	study := &Study{Tables: b.String()}
	study.claim(below > 0 && below <= 0.25, "under kappa and 1 - kappa honest measurement pays a cabal four times as much or more")
	study.claim(above >= 1.8 && above < 10, "over either edge colluding pays about twice as much as honesty or more")
	study.claim(paid.Z[2][len(kappas)-1] < 0.06, "at kappa 0.8, 30 % of the stake takes all that miners are paid")
	for _, draw := range []struct {
		file, title, unit string
		grid              plots.Grid
	}{
		{"kappa-gain", "what a cabal earns", "times what it earns honestly", gain},
		{"kappa-quality", "quality of the miners that are paid", "0 to 1", paid},
	} {
		f, err := plots.HeatMap(plots.Labels{Title: draw.title, X: "kappa", Y: "part of the stake that is the cabal's"}, draw.unit, draw.grid)
		if err != nil {
			return nil, err
		}
		study.Figures = append(study.Figures, Figure{draw.file, plots.Width * 2 / 3, f})
	}
	return study, nil
}
