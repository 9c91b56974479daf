package simcmd

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/plexusnet/plexus/sims/experiment"
	"github.com/plexusnet/plexus/sims/scenario"
)

const (
	outputText = "text"
	outputJSON = "json"
)

// flags are those of all experiments.
type flags struct {
	set           settingsFlag
	seed          uint64
	runs, workers int
	columns       []string
	quantiles     []float64
	every         string
	out, records  string
	resume        bool
	checkpoint    time.Duration
	output        string
	report        bool
	limits        limitFlags
}

// limitFlags bound what one experiment may take.
type limitFlags struct {
	memory, disk bytesFlag
	experiment.Limits
}

func (l *limitFlags) add(fs *pflag.FlagSet) {
	l.memory, l.disk = experiment.DefaultMemory, experiment.DefaultDisk
	fs.Var(&l.memory, "memory", "most memory for records and quantiles; changes how exact quantiles of many runs are")
	fs.Var(&l.disk, "disk", "most disk space for the files of an experiment")
	fs.IntVar(&l.Runs, "max-runs", experiment.DefaultMaxRuns, "most runs of one model")
	fs.IntVar(&l.Steps, "max-steps", experiment.DefaultMaxSteps, "most steps that one run may record")
	fs.IntVar(&l.Evaluations, "max-evaluations", experiment.DefaultMaxEvaluations, "most runs of all points of a sweep or sensitivity analysis together")
}

func (l *limitFlags) check() error {
	for _, limit := range []struct {
		name  string
		value int
	}{{"max-runs", l.Runs}, {"max-steps", l.Steps}, {"max-evaluations", l.Evaluations}} {
		if limit.value < 1 {
			return fmt.Errorf("--%s %d: want 1 or more", limit.name, limit.value)
		}
	}
	return nil
}

// all returns the limits, those of bytes too.
func (l *limitFlags) all() experiment.Limits {
	all := l.Limits
	all.Memory, all.Disk = int64(l.memory), int64(l.disk)
	return all
}

func (f *flags) add(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.Var(&f.set, "set", "set a field of the scenario, such as network.hyperparams.tempo=100; may be given again")
	fs.Uint64Var(&f.seed, "seed", 1, "master seed (default: the scenario's)")
	fs.IntVar(&f.runs, "runs", 1, "runs, of each point or variant as well (default: the scenario's)")
	fs.IntVar(&f.workers, "workers", 0, "runs computed at a time, 0 for one per processor; changes no result")
	fs.StringSliceVar(&f.columns, "columns", nil, "columns to keep, with * for any text (default: the scenario's)")
	fs.Float64SliceVar(&f.quantiles, "quantiles", nil, "probabilities of the quantiles (default: the scenario's)")
	fs.StringVar(&f.every, "every", "", `time between records, such as 1d or "100 blocks" (default: the scenario's)`)
	fs.StringVar(&f.out, "out", "", "new folder for the result's files (default: write none)")
	fs.StringVar(&f.records, "records", "", "also write all records of all runs into --out: csv or jsonl")
	fs.BoolVar(&f.resume, "resume", false, "go on with what was interrupted in --out")
	fs.DurationVar(&f.checkpoint, "checkpoint", experiment.DefaultCheckpoint, "how often to save what is done into --out")
	fs.StringVarP(&f.output, "output", "o", outputText, "what to print: text or json")
	fs.BoolVar(&f.report, "report", true, "with --out: also write the plots, and report.html with all of it")
	f.limits.add(fs)
}

func (f *flags) check() error {
	if f.output != outputText && f.output != outputJSON {
		return fmt.Errorf("--output %q: want text or json", f.output)
	}
	if f.resume && f.out == "" {
		return fmt.Errorf("--resume goes on in a folder: name it by --out")
	}
	if f.checkpoint <= 0 {
		return fmt.Errorf("--checkpoint %s: want more than 0", f.checkpoint)
	}
	return f.limits.check()
}

// apply sets what flags say in the scenario, so that its written copy says it too.
func (f *flags) apply(cmd *cobra.Command, s *scenario.Scenario) (*scenario.Scenario, error) {
	set := f.set.settings
	for _, flag := range []struct {
		name, path string
		value      any
	}{
		{"seed", "seed", f.seed}, {"runs", "runs", f.runs}, {"columns", "record.columns", f.columns},
		{"quantiles", "record.quantiles", f.quantiles}, {"every", "record.every", f.every},
	} {
		if cmd.Flags().Changed(flag.name) {
			set = append(set, experiment.Setting{Path: flag.path, Value: flag.value})
		}
	}
	// Who names the runs means those of each point, too.
	if cmd.Flags().Changed("runs") && s.Sweep != nil {
		set = append(set, experiment.Setting{Path: "sweep.runs", Value: f.runs})
	}
	if cmd.Flags().Changed("runs") && s.Sensitivity != nil {
		set = append(set, experiment.Setting{Path: "sensitivity.runs", Value: f.runs})
	}
	return s.Set(set)
}

func (f *flags) options(s *scenario.Scenario, version string) (experiment.Options, error) {
	o, err := s.Options()
	if err != nil {
		return o, err
	}
	o.Limits = f.limits.all()
	o.Workers, o.Dir, o.Resume, o.Checkpoint = f.workers, f.out, f.resume, f.checkpoint
	o.Records, o.Version = experiment.Format(f.records), version
	return o, nil
}

// settingsFlag collects path=value. Several may be given at once, behind commas, as settings files do.
type settingsFlag struct{ settings []experiment.Setting }

var settingStart = regexp.MustCompile(`^\s*[a-z][a-zA-Z0-9_.-]*=`)

// Set implements pflag.Value.
func (f *settingsFlag) Set(text string) error {
	var parts []string
	for _, part := range strings.Split(text, ",") {
		if len(parts) > 0 && !settingStart.MatchString(part) {
			parts[len(parts)-1] += "," + part // a comma within a value
			continue
		}
		parts = append(parts, part)
	}
	for _, part := range parts {
		setting, err := scenario.ParseSetting(part)
		if err != nil {
			return err
		}
		f.settings = append(f.settings, setting)
	}
	return nil
}

// Type implements pflag.Value.
func (*settingsFlag) Type() string { return "path=value" }

// String implements pflag.Value.
func (f *settingsFlag) String() string {
	var parts []string
	for _, s := range f.settings {
		parts = append(parts, fmt.Sprintf("%s=%v", s.Path, s.Value))
	}
	return strings.Join(parts, ",")
}

// bytesFlag is an amount of memory such as 128MiB.
type bytesFlag int64

var byteUnits = []struct {
	name string
	size float64
}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40}, {"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12}, {"B", 1}, {"", 1}}

// Set implements pflag.Value.
func (b *bytesFlag) Set(text string) error {
	for _, unit := range byteUnits {
		number, found := strings.CutSuffix(text, unit.name)
		if !found {
			continue
		}
		n, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
		if err != nil || n <= 0 || n*unit.size > math.MaxInt64/2 {
			break
		}
		*b = bytesFlag(n * unit.size)
		return nil
	}
	return fmt.Errorf("%q: want an amount such as 128MiB", text)
}

// Type implements pflag.Value.
func (*bytesFlag) Type() string { return "bytes" }

// String implements pflag.Value.
func (b *bytesFlag) String() string {
	for _, unit := range byteUnits[:4] {
		if n := float64(*b) / unit.size; n < 1<<10 {
			return strconv.FormatFloat(n, 'g', 5, 64) + unit.name
		}
	}
	return strconv.FormatInt(int64(*b), 10)
}
