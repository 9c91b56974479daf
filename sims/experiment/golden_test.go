package experiment_test

import (
	"flag"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plexusnet/plexus/sims/experiment"
	"github.com/plexusnet/plexus/sims/simtest"
)

var update = flag.Bool("update", false, "write the golden files")

// TestGoldenFiles pins what experiments write: whoever reads the files notices a change of a number or a format here.
func TestGoldenFiles(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("other processors round sums of products in another way")
	}
	base := simtest.Walk{Phi: 0.5, Drift: 1, Sigma: 1, Steps: 4, Width: 2}
	options := func(name string) experiment.Options {
		return experiment.Options{Name: name, Seed: 1, Runs: 5, Dir: filepath.Join(t.TempDir(), "out"), Scenario: []byte("name: " + name + "\n"), Version: "golden"}
	}
	parameters := []experiment.Parameter{{Path: "drift", Name: "drift, at first", From: ptr(1.0), To: ptr(3.0)}, {Path: "phi", Values: []any{0.25, 0.5}}}
	for name, experimentOf := range map[string]func(o experiment.Options) error{
		"run": func(o experiment.Options) error {
			o.Records = experiment.RecordsLines
			_, err := experiment.Run(t.Context(), base, o)
			return err
		},
		"compare": func(o experiment.Options) error {
			_, err := experiment.Comparison{Bootstrap: 50, Variants: []experiment.Variant{{Name: "loud", Set: map[string]any{"sigma": 2.0}}}}.Run(t.Context(), walks(base), o)
			return err
		},
		"sweep": func(o experiment.Options) error {
			_, err := experiment.Sweep{Method: experiment.Halton, Samples: 4, Parameters: parameters}.Run(t.Context(), walks(base), o)
			return err
		},
		"sensitivity": func(o experiment.Options) error {
			_, err := experiment.Sensitivity{Method: experiment.Morris, Samples: 3, Bootstrap: 50, Parameters: parameters}.Run(t.Context(), walks(base), o)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			o := options(name)
			require.NoError(t, experimentOf(o))
			golden := filepath.Join("testdata", name)
			if *update {
				require.NoError(t, os.RemoveAll(golden))
				require.NoError(t, os.CopyFS(golden, os.DirFS(o.Dir)))
			}
			requireSameFiles(t, readAll(t, golden), readAll(t, o.Dir))
		})
	}
}
