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

	"github.com/plexusnet/plexus/models/classifier"
	"github.com/plexusnet/plexus/models/digits"
	"github.com/plexusnet/plexus/models/ort"
	"github.com/plexusnet/plexus/models/ort/library"
	"github.com/plexusnet/plexus/models/repository"
)

// evaluation is how one model of a folder did.
type evaluation struct {
	Model   string `json:"model"`
	Version int64  `json:"version"`
	SHA256  string `json:"sha256"`
	classifier.Measurement
}

func evalCommand() *cobra.Command {
	var libraryPath string
	var images int
	cmd := &cobra.Command{
		Use:   "eval [FOLDER]",
		Short: "Measure the accuracy of models with ONNX Runtime on fresh images",
		Long: `Run every model of a folder (` + DefaultFolder + ` if none is given) on images that nobody has seen, the same ones for each model,
and report how many it tells right. The folder is laid out as <name>/<version>/model.onnx; a single .onnx file will do.`,
		Example: "  plexus model eval ./models --images 2000",
		Args:    cobra.MaximumNArgs(1),
	}
	f := cmd.Flags()
	f.IntVar(&images, "images", 1000, "images to ask each model about, 1 or more")
	f.StringVar(&libraryPath, library.Flag, "", "ONNX Runtime's shared library (default: search, see 'plexus runtime info')")
	seed, output := seedFlag(cmd), outputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if images < 1 {
			return fmt.Errorf("--images %d: want 1 or more", images)
		}
		if err := checkOutput(*output); err != nil {
			return err
		}
		folder := DefaultFolder
		if len(args) > 0 {
			folder = args[0]
		}
		ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
		defer stop()
		start, err := challengeSeed(cmd, *seed)
		if err != nil {
			return err
		}
		results, err := evaluate(ctx, libraryPath, folder, start, images)
		if err != nil {
			return err
		}
		if *output == "json" {
			return writeJSON(cmd.OutOrStdout(), results)
		}
		return writeTable(cmd, results)
	}
	return cmd
}

func evaluate(ctx context.Context, libraryPath, folder string, seed digits.Seed, images int) (_ []evaluation, err error) {
	rt, err := ort.OpenFound(libraryPath, ort.RuntimeOptions{})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rt.Close()) }()
	repo, err := repository.Open(ctx, rt, folder, repository.Options{})
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w; 'plexus model train --out %s' makes some", err, folder)
	}
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, repo.Close()) }()
	drawer, err := digits.NewDrawer()
	if err != nil {
		return nil, err
	}
	results := []evaluation{}
	for _, m := range repo.Index() {
		measured, err := classifier.Measure(ctx, m.Session, drawer.Generator(seed), images)
		if err != nil {
			return nil, fmt.Errorf("model %s version %d: %w", m.Name, m.Version, err)
		}
		results = append(results, evaluation{Model: m.Name, Version: m.Version, SHA256: m.Hash(), Measurement: measured})
	}
	return results, nil
}

func writeTable(cmd *cobra.Command, results []evaluation) error {
	w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "MODEL\tVERSION\tIMAGES\tACCURACY\tLOSS\tPER IMAGE\tSHA-256")
	for _, r := range results {
		fmt.Fprintf(w, "%s\t%d\t%d\t%.1f %%\t%.3f\t%s\t%.12s\n", r.Model, r.Version, r.Images, 100*r.Accuracy, r.Loss, r.PerImage.Round(100*time.Nanosecond), r.SHA256)
	}
	return w.Flush()
}
