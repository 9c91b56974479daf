package modelcmd

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/plexusnet/plexus/models"
	"github.com/plexusnet/plexus/models/classifier"
	"github.com/plexusnet/plexus/models/digits"
	"github.com/plexusnet/plexus/models/tasks"
)

type trainOptions struct {
	folder, sample, output string
	tasks, grades          []string
	seed                   uint64
	version, heldOut       int
	skipExisting           bool
}

// result is what one training gave.
type result struct {
	Model      string  `json:"model"`
	Version    int     `json:"version"`
	Path       string  `json:"path"`
	SHA256     string  `json:"sha256"`
	Accuracy   float64 `json:"accuracy"`
	HeldOut    int     `json:"held_out"`
	Examples   int     `json:"examples"`
	Parameters int     `json:"parameters"`
	Seconds    float64 `json:"seconds"`
}

func trainCommand() *cobra.Command {
	var o trainOptions
	cmd := &cobra.Command{
		Use:   "train",
		Short: "Train the project's own models and save them as ONNX",
		Long: `Train classifiers of three grades, small, medium and large, on challenges drawn for the purpose, and save them as
<out>/<task>-<grade>/<version>/model.onnx, the layout of Triton Inference Server. The same seed gives the same files.
The tasks are digits (images), text (messages) and audio (spoken words). On two cores the three digit models take about ten
seconds, those of all tasks less than a minute.`,
		Example: "  plexus model train\n  plexus model train --task all\n  plexus model train --task text --grade large --seed 7 --out ./models",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return train(cmd, o) },
	}
	f := cmd.Flags()
	f.StringVar(&o.folder, "out", DefaultFolder, "folder to save the models in")
	f.StringSliceVar(&o.tasks, "task", tasks.Names()[:1], "train models of these tasks: "+taskList()+", or "+allTasks)
	f.StringSliceVar(&o.grades, "grade", nil, "train only these grades: small, medium, large (default all)")
	f.Uint64Var(&o.seed, "seed", 1, "seed of the challenges and of the first weights")
	f.IntVar(&o.version, "model-version", 1, "version to save the models under, 1 or more")
	f.IntVar(&o.heldOut, "held-out", classifier.DefaultHeldOut, "challenges to measure the accuracy on, none of them trained on")
	f.StringVar(&o.sample, "sample", "", "also write a contact sheet of images of the digits task to this PNG file")
	f.BoolVar(&o.skipExisting, "skip-existing", false, "leave a model that is there already as it is")
	f.StringVarP(&o.output, "output", "o", "text", "format of the result: text or json")
	return cmd
}

func train(cmd *cobra.Command, o trainOptions) error {
	grades, err := o.check()
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if o.sample != "" {
		drawn, err := drawDigits(models.FixedSeed(digits.Name, "command", o.seed), sampleCount, sampleColumns)
		if err != nil {
			return err
		}
		if err := writeFile(o.sample, drawn.all); err != nil {
			return err
		}
		cmd.PrintErrf("wrote %d sample images to %s\n", sampleCount, o.sample)
	}
	results := []result{}
	for _, grade := range grades {
		if path := classifier.Path(o.folder, grade, o.version); o.skipExisting && exists(path) {
			cmd.PrintErrf("%s: %s is there already\n", grade.ModelName(), path)
			continue
		}
		r, err := o.train(ctx, cmd, grade)
		if err != nil {
			return err
		}
		results = append(results, r)
		if o.output == "text" {
			fmt.Fprintf(cmd.OutOrStdout(), "%s: %.1f %% right on %d held-out challenges, %d weights, %.1f s -> %s\n",
				r.Model, 100*r.Accuracy, r.HeldOut, r.Parameters, r.Seconds, r.Path)
		}
	}
	if o.output == "json" {
		return writeJSON(cmd.OutOrStdout(), results)
	}
	return nil
}

// train trains and saves one model.
func (o trainOptions) train(ctx context.Context, cmd *cobra.Command, grade classifier.Grade) (result, error) {
	started := time.Now()
	kind, err := tasks.ByName(grade.Task)
	if err != nil {
		return result{}, err
	}
	trained, err := classifier.Train(ctx, kind, grade, classifier.Options{
		Seed: o.seed, HeldOut: o.heldOut,
		Progress: func(seen, examples int, loss float64) {
			cmd.PrintErrf("%s: %d of %d challenges, loss %.2f\n", grade.ModelName(), seen, examples, loss)
		},
	})
	if err != nil {
		return result{}, err
	}
	path, err := trained.Save(o.folder, o.version)
	if err != nil {
		return result{}, err
	}
	return describe(trained, path, o.version, time.Since(started)), nil
}

func (o trainOptions) check() ([]classifier.Grade, error) {
	errs := []error{checkOutput(o.output)}
	if o.version < 1 {
		errs = append(errs, fmt.Errorf("--model-version %d: want 1 or more", o.version))
	}
	if o.heldOut < 1 {
		errs = append(errs, fmt.Errorf("--held-out %d: want 1 or more", o.heldOut))
	}
	names, err := tasksNamed(o.tasks)
	errs = append(errs, err)
	if o.sample != "" && !slices.Contains(names, digits.Name) {
		errs = append(errs, fmt.Errorf("--sample is for the digits task; 'plexus model sample' shows other tasks"))
	}
	var grades []classifier.Grade
	for _, task := range names {
		chosen, err := o.gradesOf(task)
		errs = append(errs, err)
		grades = append(grades, chosen...)
	}
	return grades, errors.Join(errs...)
}

// gradesOf returns the grades of a task that --grade asks for.
func (o trainOptions) gradesOf(task string) ([]classifier.Grade, error) {
	if len(o.grades) == 0 {
		return classifier.GradesOf(task)
	}
	var grades []classifier.Grade
	for _, name := range o.grades {
		grade, err := classifier.ByName(task, name)
		if err != nil {
			return nil, fmt.Errorf("--grade: %w", err)
		}
		grades = append(grades, grade)
	}
	return grades, nil
}

func describe(t *classifier.Trained, path string, version int, took time.Duration) result {
	sum := sha256.Sum256(t.ONNX)
	return result{
		Model: t.Grade.ModelName(), Version: version, Path: filepath.ToSlash(path), SHA256: hex.EncodeToString(sum[:]),
		Accuracy: t.Accuracy, HeldOut: t.HeldOut, Examples: t.Grade.Examples, Parameters: t.Parameters, Seconds: took.Seconds(),
	}
}
