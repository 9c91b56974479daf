package experiment

import (
	"fmt"
	"math"
	"slices"
	"sync/atomic"

	"github.com/plexusnet/plexus/sims"
)

// recorder takes the records of one run: it drops what Every leaves out, keeps the rest if rows are wanted, and sums
// each column up to its end and its mean. It is reused from run to run.
type recorder struct {
	columns []sims.Column // of the model
	pick    []int         // indexes of the columns to keep, nil for all
	every   Every
	rows    *rows         // nil if only end and mean are wanted
	limit   int           // kept records
	clock   atomic.Uint64 // simulated seconds so far, as bits, for progress

	kept, seen int
	last       moment    // as seen, kept or not
	dropped    bool      // whether last was not kept
	values     []float64 // of the last record, picked
	previous   moment    // the last kept
	end, mean  []float64
	weight     float64
}

// moment is a point of simulated time.
type moment struct {
	step    uint64
	seconds float64
}

func newRecorder(columns []sims.Column, pick []int, every Every, limit int) *recorder {
	width := len(columns)
	if pick != nil {
		width = len(pick)
	}
	return &recorder{columns: columns, pick: pick, every: every, limit: limit,
		values: make([]float64, width), end: make([]float64, width), mean: make([]float64, width)}
}

// reset makes the recorder ready for another run.
func (r *recorder) reset() {
	r.kept, r.seen, r.dropped, r.weight = 0, 0, false, 0
	r.last, r.previous = moment{}, moment{}
	r.clock.Store(0)
	if r.rows != nil {
		r.rows.reset()
	}
}

// Record implements sims.Recorder.
func (r *recorder) Record(step uint64, seconds float64, values []float64) error {
	if len(values) != len(r.columns) {
		return fmt.Errorf("%w: it recorded %d values at step %d, want one for each of %d columns", ErrModel, len(values), step, len(r.columns))
	}
	if r.seen > 0 && (step <= r.last.step || seconds < r.last.seconds) {
		return fmt.Errorf("%w: it recorded step %d (%g s) after step %d (%g s): time must rise", ErrModel, step, seconds, r.last.step, r.last.seconds)
	}
	r.seen++
	r.last = moment{step, seconds}
	if r.seen&1023 == 0 {
		r.clock.Store(math.Float64bits(seconds))
	}
	if r.pick != nil {
		for k, i := range r.pick {
			r.values[k] = values[i]
		}
		values = r.values
	}
	if r.dropped = !r.due(); r.dropped {
		if r.pick == nil {
			copy(r.values, values)
		}
		return nil
	}
	return r.keep(values)
}

// due tells whether the last record is the first of its interval.
func (r *recorder) due() bool {
	switch {
	case r.kept == 0:
		return true
	case r.every.Steps > 0:
		return r.last.step/r.every.Steps > r.previous.step/r.every.Steps
	case r.every.Seconds > 0:
		// A hair of slack, so that 30 d is not missed for 2591999.9999 s.
		return math.Floor(r.last.seconds/r.every.Seconds+1e-9) > math.Floor(r.previous.seconds/r.every.Seconds+1e-9)
	}
	return true
}

// keep takes the values at the last moment.
func (r *recorder) keep(values []float64) error {
	for i, v := range values {
		if v-v != 0 {
			return r.notFinite(i, v)
		}
	}
	if r.kept == r.limit {
		return fmt.Errorf("%w: more than %d recorded steps in a run; record less often or allow more", ErrLimit, r.limit)
	}
	if r.kept == 0 {
		copy(r.mean, values)
	} else {
		// The mean over time by the trapezoidal rule, updated so that what never changes has exactly that mean.
		w := float64(r.last.step - r.previous.step)
		r.weight += w
		share := w / r.weight
		for i, v := range values {
			r.mean[i] += ((r.end[i]+v)/2 - r.mean[i]) * share
		}
	}
	copy(r.end, values)
	r.previous = r.last
	r.kept++
	if r.rows != nil {
		r.rows.add(r.last, values)
	}
	return nil
}

func (r *recorder) notFinite(i int, v float64) error {
	if r.pick != nil {
		i = r.pick[i]
	}
	return fmt.Errorf("%w: column %s is %g at step %d: want a finite number", ErrModel, r.columns[i].Name, v, r.last.step)
}

// finish keeps the last record in any case.
func (r *recorder) finish() error {
	if r.seen == 0 {
		return fmt.Errorf("%w: a run recorded nothing", ErrModel)
	}
	if !r.dropped {
		return nil
	}
	r.dropped = false
	return r.keep(r.values)
}

// simulated is how many seconds the run is past its start, about; it may be asked from another goroutine.
func (r *recorder) simulated() float64 { return math.Float64frombits(r.clock.Load()) }

// rows are the kept records of one run. While they are at the steps of the axis, they share it.
type rows struct {
	width  int
	axis   *axis
	onAxis bool
	count  int
	own    []moment  // if not on the axis
	values []float64 // count rows, one after the other
}

func (r *rows) reset() {
	r.values = slices.Grow(r.values[:0], len(r.axis.moments)*r.width)
	r.onAxis, r.count, r.own = len(r.axis.moments) > 0, 0, r.own[:0]
}

func (r *rows) add(at moment, values []float64) {
	if r.onAxis && (r.count >= len(r.axis.moments) || r.axis.moments[r.count].step != at.step) {
		r.own, r.onAxis = append(r.own[:0], r.axis.moments[:r.count]...), false
	}
	if !r.onAxis {
		r.own = append(r.own, at)
	}
	r.values = append(r.values, values...)
	r.count++
}

// moments are the times of the rows.
func (r *rows) moments() []moment {
	if r.onAxis {
		return r.axis.moments[:r.count]
	}
	return r.own
}

// axis is the union of the steps that runs recorded, in order. Each has a row in the grid, numbered as they came.
type axis struct {
	moments []moment
	row     []int32 // row of the grid of each moment
}

// include adds the moments that are missing. Runs of most models record at the same steps, so this is rarely more
// than a comparison.
func (a *axis) include(added []moment) {
	at := 0
	var missing []moment
	for _, m := range added {
		for at < len(a.moments) && a.moments[at].step < m.step {
			at++
		}
		if at == len(a.moments) || a.moments[at].step != m.step {
			missing = append(missing, m)
		}
	}
	if len(missing) == 0 {
		return
	}
	merged := axis{moments: make([]moment, 0, len(a.moments)+len(missing)), row: make([]int32, 0, len(a.moments)+len(missing))}
	next := int32(len(a.moments))
	at = 0
	for _, m := range missing {
		for at < len(a.moments) && a.moments[at].step < m.step {
			merged.moments, merged.row = append(merged.moments, a.moments[at]), append(merged.row, a.row[at])
			at++
		}
		merged.moments, merged.row = append(merged.moments, m), append(merged.row, next)
		next++
	}
	merged.moments, merged.row = append(merged.moments, a.moments[at:]...), append(merged.row, a.row[at:]...)
	a.moments, a.row = merged.moments, merged.row
}

// places returns, for each row of the grid, the index of the record that belongs there, or -1.
func (a *axis) places(recorded []moment) []int32 {
	places := make([]int32, len(a.moments))
	next := 0
	for i, m := range a.moments {
		places[a.row[i]] = -1
		if next < len(recorded) && recorded[next].step == m.step {
			places[a.row[i]] = int32(next)
			next++
		}
	}
	return places
}
