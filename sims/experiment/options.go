package experiment

import (
	"errors"
	"fmt"
	"path"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/plexusnet/plexus/sims"
	"github.com/plexusnet/plexus/sims/random"
)

var (
	// ErrOptions is wrapped by errors about options that make no sense.
	ErrOptions = errors.New("experiment: bad options")
	// ErrLimit is wrapped by refusals to run what would exceed a limit.
	ErrLimit = errors.New("experiment: over the limit")
	// ErrModel is wrapped by errors about what a model does wrong.
	ErrModel = errors.New("experiment: bad model")
	// ErrInterrupted is wrapped when the context ended first. What was done is kept in Options.Dir, if there is one.
	ErrInterrupted = errors.New("interrupted")
	// ErrFolder is wrapped by errors about what lies in Options.Dir.
	ErrFolder = errors.New("experiment: output folder")
)

// Limits bound what one experiment may take. Zero values mean the defaults.
type Limits struct {
	Memory      int64 // bytes of records and sketches that are held at a time; DefaultMemory
	Disk        int64 // bytes of files in Options.Dir; DefaultDisk
	Runs        int   // runs of one model; DefaultMaxRuns
	Steps       int   // steps that one run records; DefaultMaxSteps
	Evaluations int   // runs of all points of a sweep or a sensitivity analysis; DefaultMaxEvaluations
}

// The default limits.
const (
	DefaultMemory         = 128 << 20
	DefaultDisk           = 4 << 30
	DefaultMaxRuns        = 1_000_000
	DefaultMaxSteps       = 20_000_000
	DefaultMaxEvaluations = 5_000_000
)

// DefaultCheckpoint is how often an unfinished run is saved.
const DefaultCheckpoint = 20 * time.Second

// DefaultQuantiles are the probabilities of the quantiles unless Options names others.
func DefaultQuantiles() []float64 { return []float64{0.05, 0.25, 0.5, 0.75, 0.95} }

// Every says how often a run's records are kept: the first, the first in each interval, and the last. The zero value
// keeps all. At most one of the fields is set.
type Every struct {
	Steps   uint64  `json:"steps,omitempty"`
	Seconds float64 `json:"seconds,omitempty"` // simulated
}

// Format is how raw records are written.
type Format string

// The formats of raw records.
const (
	NoRecords    Format = ""
	RecordsCSV   Format = "csv"
	RecordsLines Format = "jsonl"
)

// Options say what to run and how.
type Options struct {
	Name      string    // of the scenario, for the manifest
	Seed      uint64    // master seed
	Runs      int       // runs, 0 for one
	Columns   []string  // columns to keep, with * for any text; all if empty
	Every     Every     // records to keep
	Quantiles []float64 // probabilities in (0, 1), rising; DefaultQuantiles if empty
	Limits    Limits

	Workers    int            // goroutines, 0 for one per processor; changes no result
	Progress   func(Progress) // called now and then from one goroutine, and once at the end
	Horizon    float64        // simulated seconds that a run takes, if known: lets Progress look into a run
	Dir        string         // folder for the files of package experiment; nothing is written if empty
	Records    Format         // raw records to write into Dir
	Resume     bool           // go on with what lies unfinished in Dir
	Checkpoint time.Duration  // how often to save an unfinished run; DefaultCheckpoint
	Scenario   []byte         // written to Dir as scenario.yaml
	Version    string         // of the program, for the manifest
}

// Progress is how far an experiment is.
type Progress struct {
	Done, Total int     // runs
	Fraction    float64 // of all work, 0 to 1, with unfinished runs in part
	Elapsed     time.Duration
	Left        time.Duration // estimated; 0 while unknown
}

// RunSeed is the seed of run i, from 0, of an experiment with a master seed. It depends on nothing else.
func RunSeed(seed uint64, i int) uint64 { return random.New(seed).Seed("run", i) }

// complete fills in defaults and refuses what makes no sense.
func (o Options) complete() (Options, error) {
	o.Limits.complete()
	if o.Runs == 0 {
		o.Runs = 1
	}
	if o.Workers <= 0 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	if o.Checkpoint <= 0 {
		o.Checkpoint = DefaultCheckpoint
	}
	if len(o.Quantiles) == 0 {
		o.Quantiles = DefaultQuantiles()
	}
	if o.Progress == nil {
		o.Progress = func(Progress) {}
	}
	return o, o.check()
}

func (o Options) check() error {
	if o.Runs < 0 {
		return fmt.Errorf("%w: %d runs, want at least 1", ErrOptions, o.Runs)
	}
	if o.Runs > o.Limits.Runs {
		return fmt.Errorf("%w: %d runs, at most %d are allowed", ErrLimit, o.Runs, o.Limits.Runs)
	}
	for i, p := range o.Quantiles {
		if !(p > 0 && p < 1) || i > 0 && p <= o.Quantiles[i-1] {
			return fmt.Errorf("%w: quantiles %v, want rising probabilities between 0 and 1", ErrOptions, o.Quantiles)
		}
	}
	if o.Every.Steps > 0 && o.Every.Seconds > 0 || o.Every.Seconds < 0 {
		return fmt.Errorf("%w: records every %d steps and %g seconds, want one of them", ErrOptions, o.Every.Steps, o.Every.Seconds)
	}
	switch o.Records {
	case NoRecords, RecordsCSV, RecordsLines:
	default:
		return fmt.Errorf("%w: records as %q, want csv or jsonl", ErrOptions, o.Records)
	}
	if o.Records != NoRecords && o.Dir == "" {
		return fmt.Errorf("%w: records need a folder to be written to", ErrOptions)
	}
	return nil
}

func (l *Limits) complete() {
	l.Memory = orDefault(l.Memory, DefaultMemory)
	l.Disk = orDefault(l.Disk, DefaultDisk)
	l.Runs = orDefault(l.Runs, DefaultMaxRuns)
	l.Steps = orDefault(l.Steps, DefaultMaxSteps)
	l.Evaluations = orDefault(l.Evaluations, DefaultMaxEvaluations)
}

func orDefault[T int | int64](value, fallback T) T {
	if value <= 0 {
		return fallback
	}
	return value
}

// pick returns the columns that are asked for, in the model's order, and their indexes, nil for all of them.
func pick(model sims.Model, names []string) ([]sims.Column, []int, error) {
	columns := model.Columns()
	if len(columns) == 0 {
		return nil, nil, fmt.Errorf("%w: it records no columns", ErrModel)
	}
	seen := make(map[string]bool, len(columns))
	for _, c := range columns {
		if seen[c.Name] {
			return nil, nil, fmt.Errorf("%w: two columns named %q", ErrModel, c.Name)
		}
		if c.Name == "" || strings.ContainsAny(c.Name, ",\"\r\n*?[\\") {
			return nil, nil, fmt.Errorf("%w: a column named %q: want a name without commas, quotes, line ends and wild cards", ErrModel, c.Name)
		}
		seen[c.Name] = true
	}
	if len(names) == 0 {
		return columns, nil, nil
	}
	for _, name := range names {
		if !slices.ContainsFunc(columns, func(c sims.Column) bool { return matches(name, c.Name) }) {
			return nil, nil, fmt.Errorf("%w: no column %q; there are %s", ErrOptions, name, columnList(columns))
		}
	}
	var kept []sims.Column
	var index []int
	for i, c := range columns {
		if slices.ContainsFunc(names, func(name string) bool { return matches(name, c.Name) }) {
			kept, index = append(kept, c), append(index, i)
		}
	}
	return kept, index, nil
}

// matches tells whether a name, in which * stands for any text, is that of a column.
func matches(name, column string) bool {
	ok, err := path.Match(name, column)
	return err == nil && ok
}

func columnList(columns []sims.Column) string {
	names := make([]string, 0, len(columns))
	for _, c := range columns {
		names = append(names, c.Name)
	}
	return listed(names)
}

// listed joins names, and not all of very many.
func listed(names []string) string {
	const most = 40
	text := ""
	for i, name := range names {
		if i == most {
			return fmt.Sprintf("%s and %d more", text, len(names)-most)
		}
		if i > 0 {
			text += ", "
		}
		text += name
	}
	return text
}
