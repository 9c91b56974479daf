package modelcmd_test

import (
	"bytes"
	"encoding/json"
	"image/png"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	modelcmd "github.com/plexusnet/plexus/cmd/plexus/model"
	"github.com/plexusnet/plexus/models/digits"
	"github.com/plexusnet/plexus/models/ort/library"
	"github.com/plexusnet/plexus/models/ort/orttest"
)

// run gives what a command line prints: results to out, progress to told.
func run(t *testing.T, args ...string) (out, told string, err error) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd := modelcmd.Command()
	cmd.SetContext(t.Context())
	cmd.SetArgs(args)
	cmd.SetOut(&stdout)
	cmd.SetErr(&stderr)
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	err = cmd.Execute()
	return stdout.String(), stderr.String(), err
}

func TestTrainThenEval(t *testing.T) {
	path, err := orttest.Library()
	if err != nil {
		t.Skipf("no ONNX Runtime to test with: %v", err)
	}
	folder := t.TempDir()
	sheet := filepath.Join(folder, "sheet.png")
	models := filepath.Join(folder, "models")
	out, told, err := run(t, "train", "--grade", "small", "--out", models, "--held-out", "500", "--sample", sheet, "-o", "json")
	require.NoError(t, err)
	require.Contains(t, told, "digits-small: ")
	require.FileExists(t, sheet)
	var trained []struct {
		Model, Path, SHA256 string
		Accuracy            float64
	}
	require.NoError(t, json.Unmarshal([]byte(out), &trained))
	require.Equal(t, "digits-small", trained[0].Model)
	require.Equal(t, filepath.ToSlash(filepath.Join(models, "digits-small", "1", "model.onnx")), trained[0].Path)

	out, told, err = run(t, "train", "--grade", "small", "--out", models, "--skip-existing")
	require.NoError(t, err)
	require.Empty(t, out)
	require.Contains(t, told, "is there already")

	out, _, err = run(t, "eval", models, "--images", "500", "--"+library.Flag, path, "-o", "json")
	require.NoError(t, err)
	var measured []struct {
		Model, SHA256 string
		Images        int
		Accuracy      float64
	}
	require.NoError(t, json.Unmarshal([]byte(out), &measured))
	require.Equal(t, trained[0].SHA256, measured[0].SHA256)
	require.Equal(t, 500, measured[0].Images)
	require.InDelta(t, trained[0].Accuracy, measured[0].Accuracy, 0.17) // six standard errors of two samples of 500

	first, _, err := run(t, "eval", models, "--images", "100", "--seed", "3", "--"+library.Flag, path)
	require.NoError(t, err)
	require.Contains(t, first, "ACCURACY")
	require.Contains(t, first, "digits-small")
}

func TestSample(t *testing.T) {
	folder := t.TempDir()
	sheet := filepath.Join(folder, "sheet.png")
	_, _, err := run(t, "sample", "--out", sheet, "--folder", filepath.Join(folder, "singles"), "--count", "12", "--columns", "4", "--seed", "9")
	require.NoError(t, err)
	f, err := os.Open(sheet)
	require.NoError(t, err)
	defer f.Close()
	img, err := png.Decode(f)
	require.NoError(t, err)
	require.Equal(t, 4*60+4, img.Bounds().Dx())

	labels, err := os.ReadFile(filepath.Join(folder, "singles", "labels.csv"))
	require.NoError(t, err)
	require.Equal(t, 13, bytes.Count(labels, []byte("\n")))
	single, err := os.Open(filepath.Join(folder, "singles", "01.png"))
	require.NoError(t, err)
	defer single.Close()
	got, err := digits.Decode(single, digits.DecodeLimits{})
	require.NoError(t, err)
	drawer, err := digits.NewDrawer()
	require.NoError(t, err)
	require.Equal(t, drawer.Generator(digits.FixedSeed("command", 9)).Next().Image.Pix, got.Pix)
}

func TestBadFlagsAreExplained(t *testing.T) {
	for _, c := range []struct {
		name string
		args []string
		says []string
	}{
		{"train", []string{"train", "--grade", "huge", "--model-version", "0", "--held-out", "0", "-o", "xml"},
			[]string{"small, medium, large", "--model-version 0", "--held-out 0", `--output "xml"`}},
		{"eval of nothing", []string{"eval", "--images", "0"}, []string{"--images 0"}},
		{"eval format", []string{"eval", "-o", "xml"}, []string{"text or json"}},
		{"eval library", []string{"eval", "--" + library.Flag, "/no/such/library"}, []string{"/no/such/library"}},
		{"sample nowhere", []string{"sample"}, []string{"--out", "--folder"}},
		{"sample nothing", []string{"sample", "--out", "x.png", "--count", "0"}, []string{"1 to 10000"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, _, err := run(t, c.args...)
			for _, says := range c.says {
				require.ErrorContains(t, err, says)
			}
		})
	}
}
