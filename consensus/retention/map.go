package retention

import (
	"context"
	"fmt"
	"runtime"
	"slices"

	"golang.org/x/sync/errgroup"
)

// DefaultGrid is the published number of steps along each axis: 0, 0.02, ..., 1.
const DefaultGrid = 51

// Options say how to compute, without changing what comes out.
type Options struct {
	Grid     int                   // points along each axis, at least 2; 0 for DefaultGrid
	Workers  int                   // goroutines; 0 for one per processor
	Progress func(done, total int) // called after each row of cells, from one goroutine at a time
}

func (o *Options) complete() error {
	if o.Grid == 0 {
		o.Grid = DefaultGrid
	}
	if o.Grid < 2 || o.Grid > 1001 {
		return fmt.Errorf("%w: grid of %d points, want 2 to 1001", ErrSetting, o.Grid)
	}
	if o.Workers <= 0 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	return nil
}

// Map is E_H over a grid of utilities.
type Map struct {
	Setting Setting
	Grid    int
	// Retained[c][h] is E_H at W_C = Utility(c), W_H = Utility(h).
	Retained [][]float64
}

// Utility is the utility of a grid index, in [0, 1].
func (m *Map) Utility(i int) float64 { return float64(i) / float64(m.Grid-1) }

// Compute fills the map of one setting.
func Compute(ctx context.Context, s Setting, o Options) (*Map, error) {
	maps, err := ComputeAll(ctx, []Setting{s}, o)
	if err != nil {
		return nil, err
	}
	return maps[0], nil
}

// ComputeAll fills the maps of several settings, sharing the workers among all their rows.
func ComputeAll(ctx context.Context, settings []Setting, o Options) ([]*Map, error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	settings = slices.Clone(settings)
	maps := make([]*Map, len(settings))
	for i := range settings {
		if err := settings[i].complete(); err != nil {
			return nil, err
		}
		maps[i] = &Map{Setting: settings[i], Grid: o.Grid, Retained: make([][]float64, o.Grid)}
	}
	total := len(settings) * o.Grid
	jobs := make(chan int)
	done := make(chan struct{}, o.Workers)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		defer close(jobs)
		for job := range total {
			select {
			case jobs <- job:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	group.Go(func() error {
		for n := 1; n <= total; n++ {
			select {
			case <-done:
			case <-ctx.Done():
				return ctx.Err()
			}
			if o.Progress != nil {
				o.Progress(n, total)
			}
		}
		return nil
	})
	for range min(o.Workers, total) {
		group.Go(func() error {
			var population *model // of the setting last seen; jobs come in order, so it changes rarely
			for job := range jobs {
				m, c := maps[job/o.Grid], job%o.Grid
				if population == nil || population.s != m.Setting {
					population = newModel(m.Setting)
				}
				row := make([]float64, o.Grid)
				for h := range row {
					e, err := population.retained(m.Utility(h), m.Utility(c))
					if err != nil {
						return err
					}
					row[h] = e
				}
				m.Retained[c] = row
				select {
				case done <- struct{}{}:
				case <-ctx.Done():
					return ctx.Err()
				}
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return maps, nil
}

// Line gives the retention line: for each row of the grid the utility W_H from which on E_H >= S_H, interpolated
// linearly between grid points as a contour is; 1 where nothing suffices.
func (m *Map) Line() []float64 {
	line := make([]float64, m.Grid)
	for c, row := range m.Retained {
		line[c] = crossing(row, m.Setting.HonestStake)
	}
	return line
}

func crossing(row []float64, level float64) float64 {
	last := len(row) - 1
	h := last
	for h >= 0 && row[h] >= level {
		h--
	}
	switch h {
	case -1:
		return 0
	case last:
		return 1
	}
	return (float64(h) + (level-row[h])/(row[h+1]-row[h])) / float64(last)
}

// Needed is the right-most point of the retention line: the honest utility that suffices against any cabal.
func (m *Map) Needed() float64 { return slices.Max(m.Line()) }

// Needed computes the right-most point of the retention line alone. It searches each row of the grid by bisection,
// which is several times faster than the whole map and gives the same point where E_H grows with W_H.
func Needed(ctx context.Context, s Setting, o Options) (float64, error) {
	if err := o.complete(); err != nil {
		return 0, err
	}
	if err := s.complete(); err != nil {
		return 0, err
	}
	needed := make([]float64, o.Workers)
	group, ctx := errgroup.WithContext(ctx)
	for w := range o.Workers {
		group.Go(func() error {
			population := newModel(s)
			at := func(h, c int) (float64, error) {
				return population.retained(float64(h)/float64(o.Grid-1), float64(c)/float64(o.Grid-1))
			}
			for c := w; c < o.Grid; c += o.Workers {
				if err := ctx.Err(); err != nil {
					return err
				}
				// Invariant: E_H < S_H at lo (or lo = -1), E_H >= S_H at hi (or hi = Grid).
				lo, hi := -1, o.Grid
				var below, above float64
				for hi-lo > 1 {
					mid := (lo + hi) / 2
					e, err := at(mid, c)
					if err != nil {
						return err
					}
					if e >= s.HonestStake {
						hi, above = mid, e
					} else {
						lo, below = mid, e
					}
				}
				switch {
				case lo < 0:
				case hi == o.Grid:
					needed[w] = 1
				default:
					x := (float64(lo) + (s.HonestStake-below)/(above-below)) / float64(o.Grid-1)
					needed[w] = max(needed[w], x)
				}
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return 0, err
	}
	return slices.Max(needed), nil
}
