package experiment

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/plexusnet/plexus/sims"
	"golang.org/x/sync/errgroup"
)

// Sizes of batches and sketches.
const (
	firstBatch   = 8    // runs before it is known how much a run records; also the least a later batch has
	mostBatch    = 64   // runs that are merged at a time
	leastSketch  = 24   // centroids per cell
	mostSketch   = 1024 // where runs do not fit one by one
	mostExact    = 4096 // runs that are kept one by one if they fit
	endsSketch   = 4096
	fixedPortion = 16 // the part of the memory that summaries may take
)

// Run simulates a model Options.Runs times. If the context ends first, the error wraps ErrInterrupted, and Options.Dir
// holds what Options.Resume needs to go on.
func Run(ctx context.Context, model sims.Model, o Options) (*Result, error) {
	return run(ctx, model, o, false)
}

// run is Run; it keeps the numbers of each run if they are wanted.
func run(ctx context.Context, model sims.Model, o Options, perRun bool) (*Result, error) {
	o, err := o.complete()
	if err != nil {
		return nil, err
	}
	columns, index, err := pick(model, o.Columns)
	if err != nil {
		return nil, err
	}
	r := &runner{options: o, model: model, columns: columns, pick: index, keepRuns: perRun, began: time.Now()}
	if err := r.refuseEarly(); err != nil {
		return nil, err
	}
	if o.Dir != "" {
		r.folder, err = openFolder(o.Dir, r.manifest(), o.Scenario, o.Resume)
		if err != nil {
			return nil, err
		}
		defer r.folder.close()
		if r.folder.finished {
			return r.reload()
		}
	}
	if err := r.restore(); err != nil {
		return nil, err
	}
	return r.run(ctx)
}

// runner is one Run on its way. Everything in state is what a checkpoint keeps.
type runner struct {
	options  Options
	model    sims.Model
	columns  []sims.Column
	pick     []int
	keepRuns bool
	folder   *folder // nil if nothing is written
	began    time.Time

	state
	recorders []*recorder
	perRun    [][]float64

	progress struct {
		sync.Mutex
		done    int
		before  int // done in an earlier session
		running map[*recorder]bool
	}
}

// state is how far a Run is.
type state struct {
	next  int // the first run that is not merged
	plan  plan
	axis  axis
	cells *grid // per step and column, nil before the first batch
	ends  *grid // one row: the end of each column, then its mean
}

// plan sizes what follows the first batch.
type plan struct {
	Batch  int `json:"batch"`  // runs
	Sketch int `json:"sketch"` // centroids per cell
	Ends   int `json:"ends"`   // centroids per cell of ends
}

func (r *runner) manifest() Manifest {
	o := r.options
	return Manifest{Format: FormatVersion, Kind: KindRun, Name: o.Name, Version: o.Version, Seed: o.Seed, Runs: o.Runs,
		Columns: r.columns, Every: o.Every, Quantiles: o.Quantiles, Records: o.Records, Memory: o.Limits.Memory,
		Scenario: digestOf(o.Scenario)}
}

// refuseEarly refuses what surely exceeds a limit, as far as the model tells its size.
func (r *runner) refuseEarly() error {
	sizer, ok := r.model.(sims.Sizer)
	if !ok {
		return nil
	}
	steps := sizer.Records()
	o := r.options
	switch {
	case o.Every.Steps > 0:
		steps = steps/o.Every.Steps + 2 // at least so many are left
		steps = min(steps, sizer.Records())
	case o.Every.Seconds > 0:
		if o.Horizon <= 0 {
			return nil
		}
		steps = min(steps, uint64(o.Horizon/o.Every.Seconds)+2)
	}
	if steps > uint64(o.Limits.Steps) {
		return fmt.Errorf("%w: a run would record %d steps, at most %d are allowed: record less often", ErrLimit, steps, o.Limits.Steps)
	}
	_, err := r.planFor(int(steps))
	return err
}

// planFor divides the memory between the runs of a batch and the sketches, or refuses.
func (r *runner) planFor(steps int) (plan, error) {
	o := r.options
	width := int64(len(r.columns))
	cells := int64(steps) * width
	runBytes := cells * 8
	batch := int(min(mostBatch, max(firstBatch, o.Limits.Memory/4/max(runBytes, 1))))
	batch = min(batch, o.Runs)
	times := int64(steps) * (16*int64(min(firstBatch, o.Runs)) + 40)
	left := o.Limits.Memory - o.Limits.Memory/fixedPortion - int64(batch)*runBytes - times
	if r.keepRuns {
		left -= int64(o.Runs) * width * 2 * 8
	}
	size := int((left/max(cells, 1) - cellBytes) / centroidBytes)
	switch {
	case o.Runs <= mostExact && size >= o.Runs:
		size = o.Runs
	case size < min(leastSketch, o.Runs):
		need := int64(batch)*runBytes + times + cells*(cellBytes+centroidBytes*int64(min(leastSketch, o.Runs)))
		need += need/(fixedPortion-1) + 1
		return plan{}, fmt.Errorf("%w: %d recorded steps of %d columns take %s of memory, at most %s are allowed: record less often or fewer columns, or allow more memory",
			ErrLimit, steps, width, bytesText(need), bytesText(o.Limits.Memory))
	default:
		size = min(size, mostSketch)
	}
	if need := r.diskFor(steps, size); o.Dir != "" && need > o.Limits.Disk {
		return plan{}, fmt.Errorf("%w: %d runs of %d recorded steps of %d columns take up to %s of disk, at most %s are allowed: record less often or fewer columns, write no records, or allow more disk",
			ErrLimit, o.Runs, steps, width, bytesText(need), bytesText(o.Limits.Disk))
	}
	ends := int(max(leastSketch, min(endsSketch, o.Limits.Memory/fixedPortion/(2*width*centroidBytes))))
	return plan{Batch: batch, Sketch: size, Ends: min(ends, o.Runs)}, nil
}

// diskFor estimates the bytes of all files, with two checkpoints, from above: a number takes at most 24 characters.
func (r *runner) diskFor(steps, size int) int64 {
	const number, line = 19, 40
	o := r.options
	width, cells := int64(len(r.columns)), int64(steps)*int64(len(r.columns))
	need := cells * (line + number*int64(4+len(o.Quantiles)))
	need += int64(o.Runs) * (line + 2*number*width)
	need += 2 * cells * (cellBytes + centroidBytes*int64(size))
	if o.Records != NoRecords {
		need += int64(o.Runs) * int64(steps) * (line + number*width)
	}
	return need
}

// run does what is left of the runs and writes the result.
func (r *runner) run(ctx context.Context) (*Result, error) {
	r.progress.running = map[*recorder]bool{}
	r.progress.done, r.progress.before = r.next, r.next
	stop := r.watch()
	err := r.batches(ctx)
	stop()
	if err != nil {
		return nil, err
	}
	result := r.result()
	if r.folder != nil {
		if err := r.folder.finish(result); err != nil {
			return nil, err
		}
	}
	return result, nil
}

func (r *runner) batches(ctx context.Context) error {
	saved := time.Now()
	for r.next < r.options.Runs {
		count := min(r.options.Runs-r.next, firstBatch)
		if r.cells != nil {
			count = min(r.options.Runs-r.next, r.plan.Batch)
		}
		recorders, err := r.batch(ctx, r.next, count)
		if err != nil {
			return r.stopped(ctx, err)
		}
		if err := r.merge(recorders); err != nil {
			return err
		}
		if r.folder != nil && r.next < r.options.Runs && time.Since(saved) >= r.options.Checkpoint {
			if err := r.folder.save(r.state); err != nil {
				return err
			}
			saved = time.Now()
		}
	}
	return nil
}

// stopped tells an interruption from a failure, and saves what is done.
func (r *runner) stopped(ctx context.Context, err error) error {
	if ctx.Err() == nil {
		return err
	}
	err = fmt.Errorf("%w after %d of %d runs: %w", ErrInterrupted, r.next, r.options.Runs, context.Cause(ctx))
	if r.folder == nil {
		return err
	}
	return errors.Join(err, r.folder.save(r.state))
}

// batch runs count models, from run number first on.
func (r *runner) batch(ctx context.Context, first, count int) ([]*recorder, error) {
	steps := r.options.Limits.Steps
	if r.cells == nil {
		// Whatever a run records, the first batch stays within the memory.
		steps = int(min(int64(steps), r.options.Limits.Memory/int64(count)/int64(8*len(r.columns)+16)))
	}
	for len(r.recorders) < count {
		recorder := newRecorder(r.model.Columns(), r.pick, r.options.Every, steps)
		recorder.rows = &rows{axis: &r.axis, width: len(r.columns)}
		r.recorders = append(r.recorders, recorder)
	}
	batch := r.recorders[:count]
	var next atomic.Int64
	group, ctx := errgroup.WithContext(ctx)
	for range min(r.options.Workers, count) {
		group.Go(func() error {
			for {
				i := int(next.Add(1)) - 1
				if i >= count {
					return nil
				}
				if err := ctx.Err(); err != nil {
					return err
				}
				batch[i].limit = steps
				if err := r.one(ctx, first+i, batch[i]); err != nil {
					return err
				}
			}
		})
	}
	return batch, group.Wait()
}

// one simulates run i.
func (r *runner) one(ctx context.Context, i int, rec *recorder) error {
	rec.reset()
	r.progress.Lock()
	r.progress.running[rec] = true
	r.progress.Unlock()
	err := simulate(ctx, r.model, RunSeed(r.options.Seed, i), rec)
	r.progress.Lock()
	delete(r.progress.running, rec)
	if err == nil {
		r.progress.done++
	}
	r.progress.Unlock()
	if err != nil {
		return fmt.Errorf("run %d: %w", i, err)
	}
	return nil
}

// simulate runs a model into a recorder. A model that panics fails like any other.
func simulate(ctx context.Context, model sims.Model, seed uint64, rec *recorder) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: it panicked with seed %d: %v\n%s", ErrModel, seed, p, debug.Stack())
		}
	}()
	if err := model.Run(ctx, seed, rec); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err // a model that returns without error when it is told to stop is not finished
	}
	return rec.finish()
}

// merge adds a batch to the state, in the order of its runs, and writes what is written per run.
func (r *runner) merge(batch []*recorder) error {
	if r.cells == nil {
		for _, rec := range batch {
			r.axis.include(rec.rows.moments())
		}
		var err error
		if r.plan, err = r.planFor(len(r.axis.moments)); err != nil {
			return err
		}
		r.cells, r.ends = newGrid(len(r.columns), r.plan.Sketch), newGrid(2*len(r.columns), r.plan.Ends)
		r.ends.grow(1)
	} else if err := r.extend(batch); err != nil {
		return err
	}
	r.cells.grow(len(r.axis.moments))
	if err := r.mergeRows(batch); err != nil {
		return err
	}
	both := make([][]float64, len(batch))
	for i, rec := range batch {
		both[i] = append(append(make([]float64, 0, 2*len(rec.end)), rec.end...), rec.mean...)
	}
	newMerger(r.ends, len(batch)).row(0, len(batch), func(run int) []float64 { return both[run] })
	if r.keepRuns {
		r.perRun = append(r.perRun, both...)
	}
	if r.folder != nil {
		if err := r.folder.runs(r, batch, both); err != nil {
			return err
		}
	}
	r.next += len(batch)
	return nil
}

// extend takes in the steps that no earlier batch recorded.
func (r *runner) extend(batch []*recorder) error {
	before := r.axis
	for _, rec := range batch {
		if !rec.rows.onAxis {
			r.axis.include(rec.rows.moments())
		}
	}
	if len(r.axis.moments) == len(before.moments) {
		return nil
	}
	if _, err := r.planFor(len(r.axis.moments)); err != nil {
		return err
	}
	for _, rec := range batch {
		if rec.rows.onAxis { // it shared the axis as it was
			rec.rows.own, rec.rows.onAxis = append(rec.rows.own[:0], before.moments[:rec.rows.count]...), false
		}
	}
	return nil
}

// mergeRows adds the batch to the cells, each worker to rows of its own.
func (r *runner) mergeRows(batch []*recorder) error {
	total := len(r.axis.moments)
	width := len(r.columns)
	plain := r.axis.plain()
	places := make([][]int32, len(batch)) // nil: record i belongs to row i
	for i, rec := range batch {
		if !plain || !rec.rows.onAxis && rec.rows.count < total {
			places[i] = r.axis.places(rec.rows.moments())
		}
	}
	var group errgroup.Group
	share := (total + r.options.Workers - 1) / r.options.Workers
	for from := 0; from < total; from += share {
		group.Go(func() error {
			m := newMerger(r.cells, len(batch))
			for row := from; row < min(from+share, total); row++ {
				m.row(row, len(batch), func(run int) []float64 {
					rec, at := batch[run].rows, row
					if places[run] != nil {
						at = int(places[run][row])
					}
					if at < 0 || at >= rec.count {
						return nil
					}
					return rec.values[at*width : (at+1)*width]
				})
			}
			return nil
		})
	}
	return group.Wait()
}

// plain tells whether moment i has row i.
func (a *axis) plain() bool {
	for i, row := range a.row {
		if int(row) != i {
			return false
		}
	}
	return true
}

// result describes the finished state.
func (r *runner) result() *Result {
	n := len(r.axis.moments)
	result := &Result{Manifest: r.manifest(), grid: r.cells, axis: r.axis, perRun: r.perRun,
		Steps: make([]uint64, n), Seconds: make([]float64, n)}
	for i, m := range r.axis.moments {
		result.Steps[i], result.Seconds[i] = m.step, m.seconds
	}
	s := &result.Summary
	s.Name, s.Runs, s.Steps = r.options.Name, r.options.Runs, n
	s.Last, s.Span = result.Steps[n-1], result.Seconds[n-1]
	s.Sketch = Sketch{Method: SketchExact, Centroids: r.plan.Sketch}
	if r.plan.Sketch < r.options.Runs {
		s.Sketch.Method = SketchDigest
	}
	for i, c := range r.columns {
		s.Column = append(s.Column, ColumnSummary{Column: c,
			End:  r.ends.cellAt(0, i, r.options.Quantiles),
			Mean: r.ends.cellAt(0, len(r.columns)+i, r.options.Quantiles)})
	}
	return result
}

// watch reports progress until it is stopped.
func (r *runner) watch() (stop func()) {
	return watch(r.options.Progress, func() Progress { return r.report() })
}

func (r *runner) report() Progress {
	r.progress.Lock()
	defer r.progress.Unlock()
	part := 0.0
	if r.options.Horizon > 0 {
		for rec := range r.progress.running {
			part += min(1, rec.simulated()/r.options.Horizon)
		}
	}
	return estimate(r.progress.done, r.progress.before, r.options.Runs, part, time.Since(r.began))
}

// estimate makes a Progress of counts: done of total, of which some were done before, and parts of runs on the way.
func estimate(done, before, total int, part float64, elapsed time.Duration) Progress {
	p := Progress{Done: done, Total: total, Elapsed: elapsed}
	work := float64(done) + part
	p.Fraction = work / float64(total)
	if now := work - float64(before); now > 0 && done < total {
		p.Left = time.Duration(float64(elapsed) * (float64(total) - work) / now)
	}
	return p
}

// watch calls report several times a second until it is stopped, and then once more.
func watch(report func(Progress), now func() Progress) (stop func()) {
	const often = 200 * time.Millisecond
	end, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(often)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				report(now())
			case <-end:
				report(now())
				return
			}
		}
	}()
	return func() { close(end); <-ended }
}

func bytesText(n int64) string {
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%.0f MiB", float64(n)/(1<<20))
	}
	return fmt.Sprintf("%.0f KiB", float64(n)/(1<<10))
}
