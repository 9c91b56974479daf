package modelcmd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os/signal"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/plexusnet/plexus/models"
	"github.com/plexusnet/plexus/models/classifier"
	"github.com/plexusnet/plexus/models/ort"
	"github.com/plexusnet/plexus/models/ort/library"
	"github.com/plexusnet/plexus/models/repository"
	"github.com/plexusnet/plexus/models/tasks"
)

// evaluation is how one model of a folder did.
type evaluation struct {
	Model   string `json:"model"`
	Version int64  `json:"version"`
	SHA256  string `json:"sha256"`
	classifier.Measurement
}

// evaluator measures models.
type evaluator struct {
	library    string
	kinds      []tasks.Kind
	seed       func(task string) models.Seed
	challenges int
}

func evalCommand() *cobra.Command {
	var e evaluator
	var named []string
	cmd := &cobra.Command{
		Use:   "eval [FOLDER]",
		Short: "Measure the accuracy of models with ONNX Runtime on fresh challenges",
		Long: `Run every model of a folder (` + DefaultFolder + ` if none is given) on challenges that nobody has seen, of the task whose inputs
and outputs it has, the same ones for each model of a task, and report how many it gets right. The folder is laid out as
<name>/<version>/model.onnx; a single .onnx file will do. Models of no task are passed over.`,
		Example: "  plexus model eval ./models --count 2000\n  plexus model eval mine.onnx --task audio",
		Args:    cobra.MaximumNArgs(1),
	}
	f := cmd.Flags()
	f.StringSliceVar(&named, "task", []string{allTasks}, "measure only models of these tasks: "+taskList())
	f.StringVar(&e.library, library.Flag, "", "ONNX Runtime's shared library (default: search, see 'plexus runtime info')")
	count := f.Int("count", 1000, "challenges to ask each model, 1 or more")
	seed, output := seedFlag(cmd), outputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if *count < 1 {
			return fmt.Errorf("--count %d: want 1 or more", *count)
		}
		if err := checkOutput(*output); err != nil {
			return err
		}
		folder := DefaultFolder
		if len(args) > 0 {
			folder = args[0]
		}
		var err error
		if e.kinds, err = kindsNamed(named); err != nil {
			return err
		}
		if e.seed, err = challengeSeeds(cmd, *seed); err != nil {
			return err
		}
		e.challenges = *count
		ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
		defer stop()
		results, passed, err := e.folder(ctx, folder)
		if err != nil {
			return err
		}
		for _, why := range passed {
			cmd.PrintErrf("passed over: %v\n", why)
		}
		if *output == "json" {
			return writeJSON(cmd.OutOrStdout(), results)
		}
		return writeTable(cmd, results)
	}
	return cmd
}

func kindsNamed(named []string) ([]tasks.Kind, error) {
	names, err := tasksNamed(named)
	if err != nil {
		return nil, err
	}
	kinds := make([]tasks.Kind, len(names))
	for i, name := range names {
		if kinds[i], err = tasks.ByName(name); err != nil {
			return nil, err
		}
	}
	return kinds, nil
}

// folder measures every model of a folder. What it returns besides are the reasons for which some were passed over; it
// fails when all were.
func (e evaluator) folder(ctx context.Context, folder string) (results []evaluation, passed []error, err error) {
	rt, err := ort.OpenFound(e.library, ort.RuntimeOptions{})
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, rt.Close()) }()
	repo, err := repository.Open(ctx, rt, folder, repository.Options{})
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, fmt.Errorf("%w; 'plexus model train --out %s' makes some", err, folder)
	}
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, repo.Close()) }()
	results = []evaluation{}
	for _, m := range repo.Index() {
		measured, err := e.model(ctx, m.Session)
		if err != nil {
			err = fmt.Errorf("model %s version %d: %w", m.Name, m.Version, err)
		}
		switch {
		case errors.Is(err, classifier.ErrTask):
			passed = append(passed, err)
		case err != nil:
			return nil, nil, err
		default:
			results = append(results, evaluation{Model: m.Name, Version: m.Version, SHA256: m.Hash(), Measurement: measured})
		}
	}
	if len(results) == 0 {
		return nil, nil, errors.Join(passed...)
	}
	return results, passed, nil
}

// model measures a model on the task that it is of, or says for each task why it is not (classifier.ErrTask).
func (e evaluator) model(ctx context.Context, session *ort.Session) (classifier.Measurement, error) {
	var others []error
	for _, kind := range e.kinds {
		m, err := classifier.Measure(ctx, session, kind, e.seed(kind.Task().Name), e.challenges)
		if !errors.Is(err, classifier.ErrTask) {
			return m, err
		}
		others = append(others, err)
	}
	return classifier.Measurement{}, errors.Join(others...)
}

func writeTable(cmd *cobra.Command, results []evaluation) error {
	w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "MODEL\tVERSION\tTASK\tCHALLENGES\tACCURACY\tLOSS\tPER CHALLENGE\tSHA-256")
	for _, r := range results {
		fmt.Fprintf(w, "%s\t%d\t%s\t%d\t%.1f %%\t%.3f\t%s\t%.12s\n", r.Model, r.Version, r.Task, r.Challenges, 100*r.Accuracy, r.Loss,
			r.PerChallenge.Round(100*time.Nanosecond), r.SHA256)
	}
	return w.Flush()
}
