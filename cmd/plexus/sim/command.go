package simcmd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/plexusnet/plexus/sims/attacks"
	"github.com/plexusnet/plexus/sims/experiment"
	"github.com/plexusnet/plexus/sims/report"
	"github.com/plexusnet/plexus/sims/scenario"
)

// Settings are what the commands cannot know by themselves.
type Settings struct {
	Version string          // of the program, for manifests
	Kinds   []scenario.Kind // sections that scenarios may have; scenario.Kinds if empty
}

// Command returns `plexus sim`.
func Command(s Settings) *cobra.Command {
	if s.Version == "" {
		s.Version = "dev"
	}
	if len(s.Kinds) == 0 {
		s.Kinds = scenario.Kinds()
	}
	cmd := &cobra.Command{
		Use:   "sim",
		Short: "Simulate the network and others: what happens if",
		Long: `Runs scenarios: YAML files that say what to simulate, how long and how often, and which parameters to vary. The
simulated network goes by the chain's own rules. Equal seeds give equal results, byte for byte, on any number of
workers. "plexus sim list" names the scenarios that come along, "plexus sim schema" all fields of a file.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(runCommand(s), sweepCommand(s), compareCommand(s), sensitivityCommand(s), listCommand(s), showCommand(), schemaCommand(s),
		presetsCommand(), reportCommand(), serveCommand(s))
	return cmd
}

// job is one experiment of a command: with a scenario and options, giving what is printed.
type job func(ctx context.Context, s *scenario.Scenario, o experiment.Options) (printed, error)

// printed is a result that prints itself.
type printed struct {
	json any
	text func(io.Writer) error
}

func runCommand(s Settings) *cobra.Command {
	return experimentCommand(s, &cobra.Command{
		Use:   "run FILE|NAME",
		Short: "Run a scenario, once or many times with different seeds",
		Example: `  plexus sim run halving
  plexus sim run question.yaml --runs 1000 --out result
  plexus sim run question.yaml --set network.hyperparams.tempo=100 --out result --resume`,
	}, func(ctx context.Context, s *scenario.Scenario, o experiment.Options) (printed, error) {
		model, err := s.Model()
		if err != nil {
			return printed{}, err
		}
		result, err := experiment.Run(ctx, model, o)
		if err != nil {
			return printed{}, err
		}
		return printed{result.Summary, func(w io.Writer) error { return printRun(w, result) }}, nil
	})
}

func sweepCommand(s Settings) *cobra.Command {
	return experimentCommand(s, &cobra.Command{
		Use:     "sweep FILE|NAME",
		Short:   "Run a scenario over a grid or a sample of parameters",
		Example: "  plexus sim sweep kappa-cabal --runs 10 --out result",
	}, func(ctx context.Context, s *scenario.Scenario, o experiment.Options) (printed, error) {
		if s.Sweep == nil {
			return printed{}, missing(s, "sweep")
		}
		result, err := s.Sweep.Run(ctx, s.Build, o)
		if err != nil {
			return printed{}, err
		}
		return printed{result, func(w io.Writer) error { return printSweep(w, result) }}, nil
	})
}

func compareCommand(s Settings) *cobra.Command {
	return experimentCommand(s, &cobra.Command{
		Use:   "compare FILE|NAME",
		Short: "Compare variants of a scenario, in pairs of runs with equal luck",
		Long: `Runs the scenario as it is and each variant of its section compare with the same seeds, so that luck cancels out of the
differences. Says for each column what the variant changes at the end and on average, with a t-interval and a bootstrap
interval, and how many times as many unpaired runs it would have taken.`,
		Example: "  plexus sim compare halving --runs 20 --out result",
	}, func(ctx context.Context, s *scenario.Scenario, o experiment.Options) (printed, error) {
		if s.Compare == nil {
			return printed{}, missing(s, "compare")
		}
		result, err := s.Compare.Run(ctx, s.Build, o)
		if err != nil {
			return printed{}, err
		}
		return printed{result, func(w io.Writer) error { return printCompare(w, result) }}, nil
	})
}

func sensitivityCommand(s Settings) *cobra.Command {
	return experimentCommand(s, &cobra.Command{
		Use:     "sensitivity FILE|NAME",
		Short:   "Say which parameters of a scenario matter",
		Long:    "Varies the parameters of the scenario's section sensitivity: one at a time, by Morris' elementary effects, or by Sobol's shares of variance.",
		Example: "  plexus sim sensitivity miner-income --out result",
	}, func(ctx context.Context, s *scenario.Scenario, o experiment.Options) (printed, error) {
		if s.Sensitivity == nil {
			return printed{}, missing(s, "sensitivity")
		}
		result, err := s.Sensitivity.Run(ctx, s.Build, o)
		if err != nil {
			return printed{}, err
		}
		return printed{result, func(w io.Writer) error { return printSensitivity(w, result) }}, nil
	})
}

func missing(s *scenario.Scenario, section string) error {
	return &scenario.Error{File: s.File, Path: section, Message: "the scenario has no such section: it says what to vary, see docs/simulation.md"}
}

// beyondMemory is how far the heap may grow beyond what experiments hold: by a fixed amount and not by a part, since what
// lies in sketches is no garbage.
const beyondMemory = 48 << 20

// experimentCommand gives a command the flags and the way of all experiments.
func experimentCommand(s Settings, cmd *cobra.Command, do job) *cobra.Command {
	var f flags
	f.add(cmd)
	cmd.Args = cobra.ExactArgs(1)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		cmd.SilenceUsage = true
		if err := f.check(); err != nil {
			return err
		}
		sc, err := open(args[0], s.Kinds)
		if err != nil {
			return err
		}
		if sc, err = f.apply(cmd, sc); err != nil {
			return err
		}
		o, err := f.options(sc, s.Version)
		if err != nil {
			return err
		}
		show := newProgress(cmd.ErrOrStderr())
		o.Progress = show.report
		defer debug.SetMemoryLimit(debug.SetMemoryLimit(o.Limits.Memory + beyondMemory))
		ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		context.AfterFunc(ctx, stop) // a second signal kills
		result, err := do(ctx, sc, o)
		show.end()
		if errors.Is(err, experiment.ErrInterrupted) {
			return f.interrupted(cmd, args[0], err)
		}
		if err != nil {
			return err
		}
		if f.report && f.out != "" {
			if err := report.Write(f.out); err != nil {
				return fmt.Errorf("the experiment is done and lies in %s; its report: %w", f.out, err)
			}
		}
		return f.print(cmd, result)
	}
	return cmd
}

// interruptedError is the end by a signal, with the exit status of shells.
type interruptedError struct{ error }

func (interruptedError) ExitCode() int   { return 128 + int(syscall.SIGINT) }
func (e interruptedError) Unwrap() error { return e.error }

func (f *flags) interrupted(cmd *cobra.Command, name string, err error) error {
	if f.out == "" {
		return interruptedError{fmt.Errorf("%w; with --out what is done would have been kept", err)}
	}
	return interruptedError{fmt.Errorf("%w; what is done is kept: go on with the same command and --resume (%s %s --out %s --resume ...)", err, cmd.CommandPath(), name, f.out)}
}

func (f *flags) print(cmd *cobra.Command, result printed) error {
	out := cmd.OutOrStdout()
	if f.output == outputJSON {
		encoder := json.NewEncoder(out)
		encoder.SetIndent("", "  ")
		return encoder.Encode(result.json)
	}
	if err := result.text(out); err != nil {
		return err
	}
	if f.out != "" {
		fmt.Fprintf(out, "\nwritten to %s\n", f.out)
	}
	if f.out != "" && f.report {
		fmt.Fprintf(out, "open %s in a browser\n", filepath.Join(f.out, report.File))
	}
	return nil
}

// open reads a scenario by the path of its file or by the name of one that comes along.
func open(name string, kinds []scenario.Kind) (*scenario.Scenario, error) {
	_, err := os.Stat(name)
	if err == nil {
		return scenario.Load(name, kinds...)
	}
	examples, failed := library()
	if failed != nil {
		return nil, failed
	}
	for _, e := range examples {
		if e.Name == name {
			return scenario.Parse(name+".yaml", e.Content, kinds...)
		}
	}
	if strings.ContainsAny(name, `/\.`) {
		return nil, err
	}
	return nil, fmt.Errorf("no file and no scenario %q: want one of %s", name, namesOf(examples))
}

// library is all scenarios that come along, by name.
func library() ([]scenario.Example, error) {
	all := scenario.Examples()
	for _, name := range attacks.Names() {
		content, err := attacks.YAML(name)
		if err != nil {
			return nil, err
		}
		all = append(all, scenario.Example{Name: name, Content: content})
	}
	slices.SortFunc(all, func(a, b scenario.Example) int { return strings.Compare(a.Name, b.Name) })
	return all, nil
}

func namesOf(examples []scenario.Example) string {
	var names []string
	for _, e := range examples {
		names = append(names, e.Name)
	}
	return strings.Join(names, ", ")
}
