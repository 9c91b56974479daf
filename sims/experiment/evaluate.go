package experiment

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/plexusnet/plexus/sims"
	"golang.org/x/sync/errgroup"
)

// checkedPoints is how many points have their models built before anything runs, so that a value which is not allowed
// is found at once.
const checkedPoints = 1000

// evaluation runs a model at many points, each with the same seeds, and keeps for every run the end and the mean of
// each column. A journal of finished runs lets it be resumed.
type evaluation struct {
	options Options
	build   Builder
	points  [][]Setting
	columns []sims.Column
	folder  *folder
	began   time.Time

	values [][]float64 // per job, point*runs+run: the ends of all columns, then the means; nil if not done
	models []lazyModel // per point

	journal struct {
		sync.Mutex
		file  *os.File
		out   *bufio.Writer
		saved time.Time
	}
	progress struct {
		sync.Mutex
		done, before int
		running      map[*recorder]bool
	}
}

// lazyModel is the model of a point, while there are runs of it to do.
type lazyModel struct {
	sync.Mutex
	model sims.Model
	pick  []int
	left  int
}

// evaluate returns the numbers of each run of each point, and the columns. The manifest is completed with what was run.
func evaluate(ctx context.Context, build Builder, points [][]Setting, o Options, m *Manifest) (*evaluation, error) {
	e := &evaluation{options: o, build: build, points: points, began: time.Now()}
	if err := e.prepare(ctx); err != nil {
		return nil, err
	}
	plan, err := planDigest(points)
	if err != nil {
		return nil, err
	}
	m.Format, m.Name, m.Version, m.Seed, m.Runs = FormatVersion, o.Name, o.Version, o.Seed, o.Runs
	m.Columns, m.Every, m.Quantiles, m.Memory = e.columns, o.Every, o.Quantiles, o.Limits.Memory
	m.Scenario, m.Plan, m.Evaluations = digestOf(o.Scenario), plan, len(e.values)
	if o.Dir != "" {
		if e.folder, err = openFolder(o.Dir, *m, o.Scenario, o.Resume); err != nil || e.folder.finished {
			return e, err
		}
		if err := e.openJournal(); err != nil {
			return nil, err
		}
		defer e.journal.file.Close()
	}
	stop := watch(o.Progress, e.report)
	err = e.run(ctx)
	stop()
	return e, err
}

// prepare refuses what is too much or cannot be built.
func (e *evaluation) prepare(ctx context.Context) error {
	o := e.options
	if o.Records != NoRecords {
		return fmt.Errorf("%w: only run and compare write records", ErrOptions)
	}
	jobs := len(e.points) * o.Runs
	if jobs > o.Limits.Evaluations {
		return fmt.Errorf("%w: %d points of %d runs are %d runs, at most %d are allowed", ErrLimit, len(e.points), o.Runs, jobs, o.Limits.Evaluations)
	}
	for i, point := range e.points[:min(len(e.points), checkedPoints)] {
		model, err := e.build(point)
		if err != nil {
			return fmt.Errorf("point %d: %w", i, err)
		}
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("%w: %w", ErrInterrupted, err)
		}
		if i > 0 {
			continue
		}
		if e.columns, _, err = pick(model, o.Columns); err != nil {
			return err
		}
	}
	width := int64(len(e.columns))
	const distribution = 200 // bytes of a Distribution with its quantiles
	if need := width*2*(int64(jobs)*8+int64(len(e.points))*distribution) + int64(jobs)*24; need > o.Limits.Memory {
		return fmt.Errorf("%w: %d runs of %d columns take %s of memory, at most %s are allowed: keep fewer columns, or allow more memory",
			ErrLimit, jobs, width, bytesText(need), bytesText(o.Limits.Memory))
	}
	if need := int64(jobs)*e.recordSize() + int64(len(e.points))*width*2*512; o.Dir != "" && need > o.Limits.Disk {
		return fmt.Errorf("%w: %d runs of %d columns take %s of disk, at most %s are allowed", ErrLimit, jobs, width, bytesText(need), bytesText(o.Limits.Disk))
	}
	e.values = make([][]float64, jobs)
	e.models = make([]lazyModel, len(e.points))
	for i := range e.models {
		e.models[i].left = o.Runs
	}
	return nil
}

func (e *evaluation) run(ctx context.Context) error {
	var todo []int
	for job, values := range e.values {
		if values == nil {
			todo = append(todo, job)
		} else {
			e.models[job/e.options.Runs].left--
		}
	}
	e.progress.done = len(e.values) - len(todo)
	e.progress.before, e.progress.running = e.progress.done, map[*recorder]bool{}
	var next atomic.Int64
	group, inner := errgroup.WithContext(ctx)
	for range min(e.options.Workers, len(todo)) {
		group.Go(func() error {
			var rec *recorder
			for {
				i := int(next.Add(1)) - 1
				if i >= len(todo) {
					return nil
				}
				var err error
				if rec, err = e.job(inner, todo[i], rec); err != nil {
					return err
				}
			}
		})
	}
	err := group.Wait()
	if e.folder != nil {
		err = errors.Join(err, e.journal.out.Flush())
	}
	if err != nil && ctx.Err() != nil {
		return fmt.Errorf("%w after %d of %d runs: %w", ErrInterrupted, e.progress.done, len(e.values), context.Cause(ctx))
	}
	return err
}

// job does one run of one point, with a recorder that is used again where it fits.
func (e *evaluation) job(ctx context.Context, job int, rec *recorder) (*recorder, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	point, run := job/e.options.Runs, job%e.options.Runs
	model, index, err := e.model(point)
	if err != nil {
		return nil, fmt.Errorf("point %d: %w", point, err)
	}
	columns := model.Columns()
	if rec == nil || len(rec.columns) != len(columns) {
		rec = newRecorder(columns, index, e.options.Every, e.options.Limits.Steps)
	}
	rec.columns, rec.pick = columns, index
	rec.reset()
	e.track(rec, true)
	err = simulate(ctx, model, RunSeed(e.options.Seed, run), rec)
	e.track(rec, false)
	if err != nil {
		return nil, fmt.Errorf("point %d, run %d: %w", point, run, err)
	}
	e.release(point)
	return rec, e.finished(job, append(append(make([]float64, 0, 2*len(rec.end)), rec.end...), rec.mean...))
}

// model returns the model of a point and where it has the columns.
func (e *evaluation) model(point int) (sims.Model, []int, error) {
	m := &e.models[point]
	m.Lock()
	defer m.Unlock()
	if m.model != nil {
		return m.model, m.pick, nil
	}
	model, err := e.build(e.points[point])
	if err != nil {
		return nil, nil, err
	}
	names := make([]string, len(e.columns))
	for i, c := range e.columns {
		names[i] = c.Name
	}
	if _, m.pick, err = pick(model, names); err != nil {
		return nil, nil, fmt.Errorf("it records other columns than the first point: %w", err)
	}
	m.model = model
	return m.model, m.pick, nil
}

// release forgets the model of a point after its last run.
func (e *evaluation) release(point int) {
	m := &e.models[point]
	m.Lock()
	defer m.Unlock()
	if m.left--; m.left == 0 {
		m.model = nil
	}
}

func (e *evaluation) track(rec *recorder, on bool) {
	e.progress.Lock()
	defer e.progress.Unlock()
	if on {
		e.progress.running[rec] = true
	} else {
		delete(e.progress.running, rec)
	}
}

// finished notes the numbers of a run, in the journal as well.
func (e *evaluation) finished(job int, values []float64) error {
	e.progress.Lock()
	e.values[job] = values
	e.progress.done++
	e.progress.Unlock()
	if e.folder == nil {
		return nil
	}
	e.journal.Lock()
	defer e.journal.Unlock()
	record := binary.LittleEndian.AppendUint64(make([]byte, 0, e.recordSize()), uint64(job))
	for _, v := range values {
		record = binary.LittleEndian.AppendUint64(record, math.Float64bits(v))
	}
	record = binary.LittleEndian.AppendUint32(record, crc32.ChecksumIEEE(record))
	if _, err := e.journal.out.Write(record); err != nil {
		return err
	}
	const often = time.Second
	if time.Since(e.journal.saved) < often {
		return nil
	}
	e.journal.saved = time.Now()
	return e.journal.out.Flush()
}

// recordSize is what a run takes in the journal: job, numbers, sum.
func (e *evaluation) recordSize() int64 { return 8 + 8*2*int64(len(e.columns)) + 4 }

// openJournal reads what is done and goes on behind it. A record that was cut off by a crash is dropped.
func (e *evaluation) openJournal() error {
	file, err := os.OpenFile(e.folder.path(UnfinishedFile), os.O_RDWR, 0o644)
	if err != nil {
		return err
	}
	in := bufio.NewReaderSize(file, 1<<16)
	record := make([]byte, e.recordSize())
	good := int64(0)
	for {
		if _, err := io.ReadFull(in, record); err != nil {
			break
		}
		body := record[:len(record)-4]
		job := binary.LittleEndian.Uint64(body)
		if binary.LittleEndian.Uint32(record[len(body):]) != crc32.ChecksumIEEE(body) || job >= uint64(len(e.values)) {
			break
		}
		values := make([]float64, 2*len(e.columns))
		for i := range values {
			values[i] = math.Float64frombits(binary.LittleEndian.Uint64(body[8+8*i:]))
		}
		e.values[job] = values
		good += int64(len(record))
	}
	if err := file.Truncate(good); err != nil {
		return errors.Join(err, file.Close())
	}
	if _, err := file.Seek(good, io.SeekStart); err != nil {
		return errors.Join(err, file.Close())
	}
	e.journal.file, e.journal.out, e.journal.saved = file, bufio.NewWriterSize(file, 1<<16), time.Now()
	return nil
}

func (e *evaluation) report() Progress {
	e.progress.Lock()
	defer e.progress.Unlock()
	part := 0.0
	if e.options.Horizon > 0 {
		for rec := range e.progress.running {
			part += min(1, rec.simulated()/e.options.Horizon)
		}
	}
	return estimate(e.progress.done, e.progress.before, len(e.values), part, time.Since(e.began))
}

// output is the index among a run's numbers of a column and a statistic.
func (e *evaluation) output(column int, s Statistic) int {
	if s == Mean {
		return len(e.columns) + column
	}
	return column
}

// at returns one number of all runs of a point.
func (e *evaluation) at(point, output int) []float64 {
	runs := e.options.Runs
	values := make([]float64, runs)
	for i := range values {
		values[i] = e.values[point*runs+i][output]
	}
	return values
}
