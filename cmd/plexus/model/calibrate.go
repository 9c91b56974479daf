package modelcmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/plexusnet/plexus/models/ort"
	"github.com/plexusnet/plexus/models/ort/library"
	"github.com/plexusnet/plexus/validator/replay"
)

// maxSpecBytes bounds --spec; a line for each input needs much less.
const maxSpecBytes = 1 << 20

// calibrateOptions are the flags of `plexus model calibrate`.
type calibrateOptions struct {
	library string
	spec    string
	seed    uint64
	output  string
}

func calibrateCommand() *cobra.Command {
	var o calibrateOptions
	cmd := &cobra.Command{
		Use:   "calibrate MODEL.onnx",
		Short: "Show what a subnet that pins this model would tolerate, and how surely it finds cheaper versions out",
		Long: `Do what a validator of the mechanism 'replay' does with a pinned model before its first round: run it with every number of
threads, batch and level of optimisation, and on weights moved by their last bits; make cheaper versions of it; and set the
tolerances in between. An owner who pins a model looks here first, and writes a spec where the table asks for one.

The figures are this machine's; the same seed gives the same ones.`,
		Example: "  plexus model calibrate model.onnx\n  plexus model calibrate vad.onnx --spec vad.yaml -o json",
		Args:    cobra.ExactArgs(1),
	}
	f := cmd.Flags()
	f.StringVar(&o.spec, "spec", "", "what the owner says of the inputs, YAML or JSON (see docs/replay.md)")
	f.Uint64Var(&o.seed, "seed", 0, "seed of everything that is drawn")
	f.StringVar(&o.library, library.Flag, "", "ONNX Runtime's shared library (default: search, see 'plexus runtime info')")
	output := outputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		o.output = *output
		if err := checkOutput(o.output); err != nil {
			return err
		}
		ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
		defer stop()
		calibration, err := o.calibrate(ctx, cmd, args[0])
		if err != nil {
			return err
		}
		if o.output == "json" {
			return writeJSON(cmd.OutOrStdout(), calibration)
		}
		_, err = fmt.Fprint(cmd.OutOrStdout(), calibration)
		return err
	}
	return cmd
}

func (o calibrateOptions) calibrate(ctx context.Context, cmd *cobra.Command, path string) (_ *replay.Calibration, err error) {
	spec, err := readSpec(o.spec)
	if err != nil {
		return nil, err
	}
	model, err := readModel(path)
	if err != nil {
		return nil, err
	}
	rt, err := ort.OpenFound(o.library, ort.RuntimeOptions{})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rt.Close()) }()
	defer tellTime(cmd, path)()
	calibration, err := replay.Calibrate(ctx, rt, model, replay.CalibrationOptions{Spec: spec, Seed: o.seed})
	if errors.Is(err, replay.ErrSpec) {
		return nil, fmt.Errorf("%s: %w; describe the inputs in a file and give it by --spec", path, err)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return calibration, nil
}

// readSpec returns the spec of a file; the empty one without a file.
func readSpec(path string) (replay.Spec, error) {
	if path == "" {
		return replay.Spec{}, nil
	}
	f, err := os.Open(path)
	if err != nil {
		return replay.Spec{}, fmt.Errorf("--spec: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxSpecBytes+1))
	if err == nil && len(data) > maxSpecBytes {
		err = fmt.Errorf("more than %d bytes", maxSpecBytes)
	}
	if err != nil {
		return replay.Spec{}, fmt.Errorf("--spec %s: %w", path, err)
	}
	spec, err := replay.ParseSpec(data)
	if err != nil {
		return replay.Spec{}, fmt.Errorf("--spec %s: %w", path, err)
	}
	return spec, nil
}

// progressEvery is how often a command that cannot say how far it is says that it goes on.
const progressEvery = 10 * time.Second

// tellTime tells now and then for how long the calibration has run, until the function that it returns is called.
func tellTime(cmd *cobra.Command, path string) (stop func()) {
	cmd.PrintErrf("calibrating %s\n", path)
	started, tick := time.Now(), time.NewTicker(progressEvery)
	end, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-tick.C:
				cmd.PrintErrf("calibrating %s, for %s\n", path, time.Since(started).Round(time.Second))
			case <-end:
				return
			}
		}
	}()
	return func() {
		tick.Stop()
		close(end)
		<-ended
	}
}
