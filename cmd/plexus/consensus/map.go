package consensuscmd

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/mattn/go-isatty"
	"github.com/plexusnet/plexus/consensus/retention"
	"github.com/spf13/cobra"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
)

// mapFlags are the flags of `plexus consensus map`.
type mapFlags struct {
	stakes                  []float64
	sigma, kappa, beta, xi  float64
	seed                    uint64
	seeds, grid, workers    int
	validators, servers     int
	dir, output, plotFormat string
}

func mapCommand() *cobra.Command {
	var f mapFlags
	cmd := &cobra.Command{
		Use:   "map",
		Short: "Map how much honest utility keeps an honest majority its share of emission",
		Long: `Map computes, for each honest share of stake, the emission E_H that the honest group retains over a grid of honest
utility W_H and cabal utility W_C: one exact epoch of Yuma2 per cell. It prints the right-most point of the line
E_H = S_H, the honest utility that suffices against any cabal, and writes plots and a CSV of all cells to --dir.`,
		Example: `  plexus consensus map --dir retention
  plexus consensus map --stake 0.6 --kappa 0.6 --seeds 3 --output json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd) },
	}
	fs := cmd.Flags()
	fs.Float64SliceVar(&f.stakes, "stake", []float64{0.51, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 0.99}, "honest shares of stake S_H, each in (0, 1)")
	fs.Float64Var(&f.sigma, "sigma", 0.4, "relative noise of weights")
	fs.Float64Var(&f.kappa, "kappa", 0.5, "majority of stake that sets consensus, 0 to 1")
	fs.Float64Var(&f.beta, "beta", 1, "bonds penalty, 0 to 1")
	fs.Float64Var(&f.xi, "xi", 0.5, "part of the emission that goes to validators, 0 to 1")
	fs.Uint64Var(&f.seed, "seed", 1, "seed of the noise")
	fs.IntVar(&f.seeds, "seeds", 1, "number of seeds to average the needed utility over, from --seed on")
	fs.IntVar(&f.grid, "grid", retention.DefaultGrid, "points along each axis")
	fs.IntVar(&f.validators, "validators", 64, "validators in the model")
	fs.IntVar(&f.servers, "servers", 448, "servers in the model")
	fs.IntVar(&f.workers, "workers", 0, "cells computed at a time, 0 for one per processor")
	fs.StringVar(&f.dir, "dir", "", "folder for plots and retention.csv (empty: write none)")
	fs.StringVar(&f.plotFormat, "plot-format", "png", "png or svg")
	fs.StringVarP(&f.output, "output", "o", "text", "text or json")
	return cmd
}

// needed is one line of the result.
type needed struct {
	HonestStake float64   `json:"honest_stake"`
	Utility     float64   `json:"honest_utility_needed"` // mean over the seeds
	BySeed      []float64 `json:"by_seed"`
	Line        []float64 `json:"retention_line"` // W_H for each W_C from 0 to 1, first seed
}

func (f *mapFlags) run(cmd *cobra.Command) error {
	if f.output != "text" && f.output != "json" {
		return fmt.Errorf("--output %q: want text or json", f.output)
	}
	if f.plotFormat != "png" && f.plotFormat != "svg" {
		return fmt.Errorf("--plot-format %q: want png or svg", f.plotFormat)
	}
	if f.seeds < 1 || len(f.stakes) == 0 {
		return errors.New("want at least one --stake and --seeds 1")
	}
	var settings []retention.Setting
	for _, stake := range f.stakes {
		for k := range f.seeds {
			settings = append(settings, retention.Setting{HonestStake: stake, Sigma: f.sigma, Kappa: f.kappa,
				Penalty: f.beta, Xi: f.xi, Seed: f.seed + uint64(k), Validators: f.validators, Servers: f.servers})
		}
	}
	began := time.Now()
	maps, err := retention.ComputeAll(cmd.Context(), settings, retention.Options{
		Grid: f.grid, Workers: f.workers, Progress: progress(cmd.ErrOrStderr(), "rows of"),
	})
	if err != nil {
		return err
	}
	if err := f.print(cmd.OutOrStdout(), maps); err != nil {
		return err
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "%d epochs in %.1f s\n", len(maps)*f.grid*f.grid, time.Since(began).Seconds())
	if f.dir == "" {
		return nil
	}
	return f.write(maps)
}

func (f *mapFlags) print(out io.Writer, maps []*retention.Map) error {
	var lines []needed
	for group := range slices.Chunk(maps, f.seeds) {
		n := needed{HonestStake: group[0].Setting.HonestStake, Line: group[0].Line()}
		for _, m := range group {
			n.BySeed = append(n.BySeed, m.Needed())
			n.Utility += m.Needed() / float64(f.seeds)
		}
		lines = append(lines, n)
	}
	if f.output == "json" {
		enc := json.NewEncoder(out)
		enc.SetIndent("", " ")
		return enc.Encode(lines)
	}
	fmt.Fprintf(out, "sigma %g, kappa %g, beta %g, xi %g, %d seeds from %d\n\nhonest stake  honest utility needed\n",
		f.sigma, f.kappa, f.beta, f.xi, f.seeds, f.seed)
	for _, n := range lines {
		fmt.Fprintf(out, "%12.2f  %21.3f\n", n.HonestStake, n.Utility)
	}
	return nil
}

// write puts the plots of the first seed and the CSV of all into the folder.
func (f *mapFlags) write(maps []*retention.Map) error {
	if err := os.MkdirAll(f.dir, 0o755); err != nil {
		return err
	}
	var first []*retention.Map
	for group := range slices.Chunk(maps, f.seeds) {
		first = append(first, group[0])
		name := fmt.Sprintf("contours-%g.%s", group[0].Setting.HonestStake, f.plotFormat)
		if err := save(retention.PlotContours(group[0]), filepath.Join(f.dir, name)); err != nil {
			return err
		}
	}
	if err := save(retention.PlotLines(first), filepath.Join(f.dir, "retention."+f.plotFormat)); err != nil {
		return err
	}
	table, err := os.Create(filepath.Join(f.dir, "retention.csv"))
	if err != nil {
		return err
	}
	return errors.Join(retention.WriteCSV(table, maps), table.Close())
}

func save(p *plot.Plot, path string) error {
	const side = 16 * vg.Centimeter
	if err := p.Save(side, side, path); err != nil {
		return fmt.Errorf("plot %s: %w", path, err)
	}
	return nil
}

// progress reports on a terminal by rewriting a line, elsewhere by a plain line every few seconds.
func progress(out io.Writer, what string) func(done, total int) {
	file, ok := out.(*os.File)
	terminal := ok && isatty.IsTerminal(file.Fd())
	const plainEvery = 5 * time.Second
	last := time.Now()
	return func(done, total int) {
		switch {
		case terminal:
			fmt.Fprintf(out, "\r%d of %d %s the grid", done, total, what)
			if done == total {
				fmt.Fprintln(out)
			}
		case time.Since(last) >= plainEvery:
			last = time.Now()
			fmt.Fprintf(out, "%d of %d %s the grid\n", done, total, what)
		}
	}
}
