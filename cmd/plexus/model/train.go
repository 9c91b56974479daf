package modelcmd

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/plexusnet/plexus/models/classifier"
	"github.com/plexusnet/plexus/models/digits"
)

type trainOptions struct {
	folder, sample, output string
	grades                 []string
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
		Short: "Train the project's digit models and save them as ONNX",
		Long: `Train digit classifiers of three grades, small, medium and large, on images drawn for the purpose, and save them as
<out>/digits-<grade>/<version>/model.onnx, the layout of Triton Inference Server. The same seed gives the same files.
All three take about ten seconds on one core.`,
		Example: "  plexus model train\n  plexus model train --grade large --seed 7 --out ./models --sample sheet.png",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return train(cmd, o) },
	}
	f := cmd.Flags()
	f.StringVar(&o.folder, "out", DefaultFolder, "folder to save the models in")
	f.StringSliceVar(&o.grades, "grade", nil, "train only these grades: small, medium, large (default all)")
	f.Uint64Var(&o.seed, "seed", 1, "seed of the images and of the first weights")
	f.IntVar(&o.version, "model-version", 1, "version to save the models under, 1 or more")
	f.IntVar(&o.heldOut, "held-out", classifier.DefaultHeldOut, "images to measure the accuracy on, none of them trained on")
	f.StringVar(&o.sample, "sample", "", "also write a contact sheet of such images to this PNG file")
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
	drawer, err := digits.NewDrawer()
	if err != nil {
		return err
	}
	if o.sample != "" {
		sheet := drawer.Generator(digits.FixedSeed("command", o.seed))
		if err := writeSheet(o.sample, take(sheet, sampleCount), sampleColumns); err != nil {
			return err
		}
		cmd.PrintErrf("wrote %d sample images to %s\n", sampleCount, o.sample)
	}
	var results []result
	for _, grade := range grades {
		if path := classifier.Path(o.folder, grade, o.version); o.skipExisting && exists(path) {
			cmd.PrintErrf("%s: %s is there already\n", grade.ModelName(), path)
			continue
		}
		started := time.Now()
		trained, err := classifier.Train(ctx, drawer, grade, classifier.Options{
			Seed: o.seed, HeldOut: o.heldOut,
			Progress: func(seen, examples int, loss float64) {
				cmd.PrintErrf("%s: %d of %d images, loss %.2f\n", grade.ModelName(), seen, examples, loss)
			},
		})
		if err != nil {
			return err
		}
		path, err := trained.Save(o.folder, o.version)
		if err != nil {
			return err
		}
		r := describe(trained, path, o.version, time.Since(started))
		results = append(results, r)
		if o.output == "text" {
			fmt.Fprintf(cmd.OutOrStdout(), "%s: %.1f %% right on %d held-out images, %d weights, %.1f s -> %s\n",
				r.Model, 100*r.Accuracy, r.HeldOut, r.Parameters, r.Seconds, r.Path)
		}
	}
	if o.output == "json" {
		return writeJSON(cmd.OutOrStdout(), results)
	}
	return nil
}

func (o trainOptions) check() ([]classifier.Grade, error) {
	errs := []error{checkOutput(o.output)}
	if o.version < 1 {
		errs = append(errs, fmt.Errorf("--model-version %d: want 1 or more", o.version))
	}
	if o.heldOut < 1 {
		errs = append(errs, fmt.Errorf("--held-out %d: want 1 or more", o.heldOut))
	}
	grades := classifier.Grades()
	if len(o.grades) > 0 {
		grades = nil
	}
	for _, name := range o.grades {
		grade, err := classifier.ByName(name)
		if err != nil {
			errs = append(errs, fmt.Errorf("--grade: %w", err))
		}
		grades = append(grades, grade)
	}
	return grades, errors.Join(errs...)
}

func describe(t *classifier.Trained, path string, version int, took time.Duration) result {
	sum := sha256.Sum256(t.ONNX)
	return result{
		Model: t.Grade.ModelName(), Version: version, Path: filepath.ToSlash(path), SHA256: hex.EncodeToString(sum[:]),
		Accuracy: t.Accuracy, HeldOut: t.HeldOut, Examples: t.Grade.Examples, Parameters: t.Parameters, Seconds: took.Seconds(),
	}
}
