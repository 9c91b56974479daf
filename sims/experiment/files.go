package experiment

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/plexusnet/plexus/sims"
)

// grow opens the files that grow with the runs where a checkpoint left them.
func (f *folder) grow(r *runner, c checkpoint) (err error) {
	if f.runsFile, err = openOutput(f.path(RunsFile), c.Runs); err != nil {
		return err
	}
	if c.Runs == 0 {
		if err := f.runsFile.write(runsHeader(r.columns)); err != nil {
			return err
		}
	}
	format := r.options.Records
	if format == NoRecords {
		return nil
	}
	if f.recordsFile, err = openOutput(f.path("records."+string(format)), c.Records); err != nil {
		return err
	}
	if c.Records == 0 && format == RecordsCSV {
		line := []byte("run,step,seconds")
		for _, c := range r.columns {
			line = append(append(line, ','), c.Name...)
		}
		return f.recordsFile.write(append(line, '\n'))
	}
	return nil
}

func runsHeader(columns []sims.Column) []byte {
	line := []byte("run,seed,steps")
	for _, s := range Statistics() {
		for _, c := range columns {
			line = append(line, ","+c.Name+"."+string(s)...)
		}
	}
	return append(line, '\n')
}

// runs writes what is written of each run of a batch.
func (f *folder) runs(r *runner, batch []*recorder, both [][]float64) error {
	for i, rec := range batch {
		run := r.next + i
		line := strconv.AppendInt(f.line[:0], int64(run), 10)
		line = strconv.AppendUint(append(line, ','), RunSeed(r.options.Seed, run), 10)
		line = strconv.AppendInt(append(line, ','), int64(rec.kept), 10)
		line = append(appendFloats(line, both[i]), '\n')
		if err := f.runsFile.write(line); err != nil {
			return err
		}
		f.line = line
		if f.recordsFile == nil {
			continue
		}
		if err := f.records(r, run, rec.rows); err != nil {
			return err
		}
	}
	return nil
}

// records writes the rows of one run.
func (f *folder) records(r *runner, run int, rows *rows) error {
	width := len(r.columns)
	names := make([][]byte, width)
	for i, c := range r.columns {
		name, err := json.Marshal(c.Name)
		if err != nil {
			return err
		}
		names[i] = append(append([]byte{','}, name...), ':')
	}
	for k, at := range rows.moments() {
		values := rows.values[k*width : (k+1)*width]
		line := f.line[:0]
		if r.options.Records == RecordsCSV {
			line = strconv.AppendInt(line, int64(run), 10)
			line = strconv.AppendUint(append(line, ','), at.step, 10)
			line = appendFloats(appendFloats(line, []float64{at.seconds}), values)
		} else {
			line = strconv.AppendInt(append(line, `{"run":`...), int64(run), 10)
			line = strconv.AppendUint(append(line, `,"step":`...), at.step, 10)
			line = appendFloat(append(line, `,"seconds":`...), at.seconds)
			for i, v := range values {
				line = appendFloat(append(line, names[i]...), v)
			}
			line = append(line, '}')
		}
		line = append(line, '\n')
		if err := f.recordsFile.write(line); err != nil {
			return err
		}
		f.line = line
	}
	return nil
}

func appendFloats(line []byte, values []float64) []byte {
	for _, v := range values {
		line = appendFloat(append(line, ','), v)
	}
	return line
}

// appendFloat writes the shortest text that reads back as the same number.
func appendFloat(line []byte, v float64) []byte { return strconv.AppendFloat(line, v, 'g', -1, 64) }

// csvText quotes a text for CSV where it must be.
func csvText(s string) string {
	if !strings.ContainsAny(s, ",\"\r\n") {
		return s
	}
	return `"` + strings.ReplaceAll(s, `"`, `""`) + `"`
}

// finish writes the files of a finished Run.
func (f *folder) finish(r *Result) error {
	if err := f.write(QuantilesFile, r.writeQuantiles); err != nil {
		return err
	}
	if err := f.writeJSON(SummaryFile, r.Summary); err != nil {
		return err
	}
	return f.done()
}

func (r *Result) writeQuantiles(w io.Writer) error {
	line := []byte("step,seconds,column,runs,mean,sd,min")
	for _, p := range r.Manifest.Quantiles {
		line = appendFloat(append(line, ",q"...), p)
	}
	line = append(line, ",max\n"...)
	if _, err := w.Write(line); err != nil {
		return err
	}
	for k, step := range r.Steps {
		for i, c := range r.Manifest.Columns {
			d := r.grid.cellAt(int(r.axis.row[k]), i, r.Manifest.Quantiles)
			line = strconv.AppendUint(line[:0], step, 10)
			line = appendFloat(append(line, ','), r.Seconds[k])
			line = append(append(append(line, ','), c.Name...), ',')
			line = strconv.AppendInt(line, int64(d.Runs), 10)
			line = appendFloats(line, []float64{d.Mean, d.SD, d.Min})
			line = append(appendFloats(appendFloats(line, d.Quantiles), []float64{d.Max}), '\n')
			if _, err := w.Write(line); err != nil {
				return err
			}
		}
	}
	return nil
}

// Outcome is a finished experiment, whichever it was; one of the pointers is set.
type Outcome struct {
	Manifest    Manifest
	Run         *Result
	Sweep       *SweepResult
	Compare     *CompareResult
	Sensitivity *SensitivityResult
}

// Load reads a finished experiment from its folder.
func Load(dir string) (*Outcome, error) {
	f := &folder{dir: dir}
	var o Outcome
	if err := f.readJSON(ManifestFile, &o.Manifest); err != nil {
		return nil, err
	}
	if o.Manifest.Format != FormatVersion {
		return nil, fmt.Errorf("%w: %s is of format %d, this program reads %d", ErrFolder, dir, o.Manifest.Format, FormatVersion)
	}
	if _, err := os.Stat(f.path(UnfinishedFile)); err == nil {
		return nil, fmt.Errorf("%w: the experiment in %s is not finished: resume it", ErrFolder, dir)
	}
	var err error
	switch o.Manifest.Kind {
	case KindRun:
		o.Run, err = f.loadRun(o.Manifest)
	case KindSweep:
		o.Sweep = &SweepResult{}
		err = f.readJSON(SummaryFile, o.Sweep)
		o.Sweep.Manifest = o.Manifest
	case KindCompare:
		o.Compare, err = f.loadCompare(o.Manifest)
	case KindSensitivity:
		o.Sensitivity = &SensitivityResult{}
		err = f.readJSON(SummaryFile, o.Sensitivity)
		o.Sensitivity.Manifest = o.Manifest
	default:
		err = fmt.Errorf("%w: %s is of kind %q", ErrFolder, dir, o.Manifest.Kind)
	}
	if err != nil {
		return nil, err
	}
	return &o, nil
}

func (f *folder) readJSON(name string, value any) error {
	content, err := os.ReadFile(f.path(name))
	if err != nil {
		return fmt.Errorf("%w: %w", ErrFolder, err)
	}
	if err := json.Unmarshal(content, value); err != nil {
		return fmt.Errorf("%w: %s: %w", ErrFolder, f.path(name), err)
	}
	return nil
}

func (f *folder) loadRun(m Manifest) (*Result, error) {
	r := &Result{Manifest: m}
	if err := f.readJSON(SummaryFile, &r.Summary); err != nil {
		return nil, err
	}
	for _, c := range m.Columns {
		r.fans = append(r.fans, newFan(c, len(m.Quantiles)))
	}
	file, err := os.Open(f.path(QuantilesFile))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFolder, err)
	}
	defer file.Close()
	table := newTable(file)
	for i := 0; table.next(); i++ {
		column := i % len(m.Columns)
		if column == 0 {
			r.Steps, r.Seconds = append(r.Steps, table.uint(0)), append(r.Seconds, table.float(1))
		}
		d := Distribution{Runs: int(table.uint(3)), Mean: table.float(4), SD: table.float(5), Min: table.float(6)}
		for k := range m.Quantiles {
			d.Quantiles = append(d.Quantiles, table.float(7+k))
		}
		d.Max = table.float(7 + len(m.Quantiles))
		r.fans[column].add(d)
	}
	if table.err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrFolder, file.Name(), table.err)
	}
	return r, nil
}

// reload returns what a finished folder holds.
func (r *runner) reload() (*Result, error) {
	result, err := r.folder.loadRun(r.manifest())
	if err != nil || !r.keepRuns {
		return result, err
	}
	result.perRun, err = r.folder.perRun(len(r.columns), r.options.Runs)
	return result, err
}

// perRun reads the numbers of the first runs from runs.csv.
func (f *folder) perRun(columns, runs int) ([][]float64, error) {
	file, err := os.Open(f.path(RunsFile))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFolder, err)
	}
	defer file.Close()
	table := newTable(file)
	var all [][]float64
	for len(all) < runs && table.next() {
		values := make([]float64, 2*columns)
		for i := range values {
			values[i] = table.float(3 + i)
		}
		all = append(all, values)
	}
	if table.err == nil && len(all) < runs {
		table.err = fmt.Errorf("%d runs, want %d", len(all), runs)
	}
	if table.err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrFolder, file.Name(), table.err)
	}
	return all, nil
}

// table reads a CSV file of numbers and keeps the first error.
type table struct {
	csv    *csv.Reader
	fields []string
	err    error
}

func newTable(in io.Reader) *table {
	t := &table{csv: csv.NewReader(in)}
	t.csv.ReuseRecord = true
	_, t.err = t.csv.Read() // the header
	return t
}

func (t *table) next() bool {
	if t.err != nil {
		return false
	}
	t.fields, t.err = t.csv.Read()
	if errors.Is(t.err, io.EOF) {
		t.err = nil
		return false
	}
	return t.err == nil
}

func (t *table) float(i int) float64 {
	if t.err != nil || i >= len(t.fields) {
		return 0
	}
	v, err := strconv.ParseFloat(t.fields[i], 64)
	t.err = errors.Join(t.err, err)
	return v
}

func (t *table) uint(i int) uint64 {
	if t.err != nil || i >= len(t.fields) {
		return 0
	}
	v, err := strconv.ParseUint(t.fields[i], 10, 64)
	t.err = errors.Join(t.err, err)
	return v
}
