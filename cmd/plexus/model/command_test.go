package modelcmd_test

import (
	"bytes"
	"encoding/json"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	modelcmd "github.com/plexusnet/plexus/cmd/plexus/model"
	"github.com/plexusnet/plexus/models"
	"github.com/plexusnet/plexus/models/audio"
	"github.com/plexusnet/plexus/models/digits"
	"github.com/plexusnet/plexus/models/ort/library"
	"github.com/plexusnet/plexus/models/ort/orttest"
	"github.com/plexusnet/plexus/models/text"
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
	saved := filepath.Join(folder, "models")
	out, told, err := run(t, "train", "--grade", "small", "--out", saved, "--held-out", "500", "--sample", sheet, "-o", "json")
	require.NoError(t, err)
	require.Contains(t, told, "digits-small: ")
	require.FileExists(t, sheet)
	var trained []struct {
		Model, Path, SHA256 string
		Accuracy            float64
	}
	require.NoError(t, json.Unmarshal([]byte(out), &trained))
	require.Equal(t, "digits-small", trained[0].Model)
	require.Equal(t, filepath.ToSlash(filepath.Join(saved, "digits-small", "1", "model.onnx")), trained[0].Path)

	out, told, err = run(t, "train", "--grade", "small", "--out", saved, "--skip-existing")
	require.NoError(t, err)
	require.Empty(t, out)
	require.Contains(t, told, "is there already")

	out, _, err = run(t, "eval", saved, "--count", "500", "--"+library.Flag, path, "-o", "json")
	require.NoError(t, err)
	var measured []struct {
		Model, SHA256 string
		Challenges    int
		Accuracy      float64
	}
	require.NoError(t, json.Unmarshal([]byte(out), &measured))
	require.Equal(t, trained[0].SHA256, measured[0].SHA256)
	require.Equal(t, 500, measured[0].Challenges)
	require.InDelta(t, trained[0].Accuracy, measured[0].Accuracy, 0.17) // six standard errors of two samples of 500

	first, _, err := run(t, "eval", saved, "--count", "100", "--seed", "3", "--"+library.Flag, path)
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

func TestSampleTexts(t *testing.T) {
	lines, _, err := run(t, "sample", "--task", "text", "--count", "5", "--seed", "9")
	require.NoError(t, err)
	generator := text.NewGenerator(models.FixedSeed("text", "command", 9))
	first := generator.Next()
	require.Equal(t, 5, strings.Count(lines, "\n"))
	require.True(t, strings.HasPrefix(lines, text.Labels()[first.Label]+"\t"+first.Text+"\n"), lines)

	folder := t.TempDir()
	listed, told, err := run(t, "sample", "--task", "text", "--count", "5", "--seed", "9", "--folder", folder, "-o", "json")
	require.NoError(t, err)
	require.Contains(t, told, "wrote 5 challenges and labels.csv")
	var list []struct{ Label, Text, File string }
	require.NoError(t, json.Unmarshal([]byte(listed), &list))
	require.Equal(t, first.Text, list[0].Text)
	written, err := os.ReadFile(filepath.Join(folder, list[0].File))
	require.NoError(t, err)
	require.Equal(t, first.Text+"\n", string(written))
}

func TestSampleWords(t *testing.T) {
	folder := t.TempDir()
	all := filepath.Join(folder, "all.wav")
	listed, _, err := run(t, "sample", "--task", "audio", "--count", "3", "--seed", "9", "--out", all, "--folder", folder, "-o", "json")
	require.NoError(t, err)
	var list []struct{ Label, File string }
	require.NoError(t, json.Unmarshal([]byte(listed), &list))
	first := audio.NewGenerator(models.FixedSeed("audio", "command", 9)).Next()
	require.Equal(t, audio.Labels()[first.Label], list[0].Label)
	one, err := os.ReadFile(filepath.Join(folder, list[0].File))
	require.NoError(t, err)
	require.Len(t, one, 44+2*audio.Length)
	together, err := os.ReadFile(all)
	require.NoError(t, err)
	require.Len(t, together, 44+2*3*(audio.Length+audio.Rate/4))
	require.Equal(t, one[44:], together[44:44+2*audio.Length])
}

// A folder may hold models of every task: each is measured on its own.
func TestEvalOfManyTasks(t *testing.T) {
	path, err := orttest.Library()
	if err != nil {
		t.Skipf("no ONNX Runtime to test with: %v", err)
	}
	folder := t.TempDir()
	_, _, err = run(t, "train", "--task", "text,digits", "--grade", "small", "--out", folder, "--held-out", "100")
	require.NoError(t, err)
	require.FileExists(t, filepath.Join(folder, "text-small", "1", "model.onnx"))
	out, told, err := run(t, "eval", folder, "--count", "300", "--"+library.Flag, path, "-o", "json")
	require.NoError(t, err)
	require.Empty(t, told)
	var measured []struct {
		Model, Task string
		Accuracy    float64
	}
	require.NoError(t, json.Unmarshal([]byte(out), &measured))
	require.Len(t, measured, 2)
	for _, m := range measured {
		require.Equal(t, m.Task+"-small", m.Model)
		require.Greater(t, m.Accuracy, 0.3)
	}

	out, told, err = run(t, "eval", folder, "--task", "text", "--count", "50", "--"+library.Flag, path)
	require.NoError(t, err)
	require.NotContains(t, out, "digits-small")
	require.Contains(t, told, "passed over: model digits-small version 1: not a model of the task text")
	_, _, err = run(t, "eval", folder, "--task", "audio", "--count", "50", "--"+library.Flag, path)
	require.ErrorContains(t, err, "model text-small version 1: not a model of the task audio")
}

func TestBadFlagsAreExplained(t *testing.T) {
	for _, c := range []struct {
		name string
		args []string
		says []string
	}{
		{"train", []string{"train", "--grade", "huge", "--model-version", "0", "--held-out", "0", "-o", "xml", "--task", "digits,text"},
			[]string{`no such grade of task text: "huge"`, "small, medium, large", "--model-version 0", "--held-out 0", `--output "xml"`}},
		{"train a task of nobody's", []string{"train", "--task", "text,chess"}, []string{`"chess"`, "digits, text, audio"}},
		{"train with a sheet of messages", []string{"train", "--task", "text", "--sample", "x.png"}, []string{"--sample is for the digits"}},
		{"eval of nothing", []string{"eval", "--count", "0"}, []string{"--count 0"}},
		{"eval of a task of nobody's", []string{"eval", "--task", "chess"}, []string{`"chess"`}},
		{"sample a task of nobody's", []string{"sample", "--task", "chess", "--out", "x"}, []string{`"chess"`}},
		{"sample words nowhere", []string{"sample", "--task", "audio"}, []string{"--out", "--folder"}},
		{"eval format", []string{"eval", "-o", "xml"}, []string{"text or json"}},
		{"eval library", []string{"eval", "--" + library.Flag, "/no/such/library"}, []string{"/no/such/library"}},
		{"sample nowhere", []string{"sample"}, []string{"--out", "--folder"}},
		{"quantize to nobody's numbers", []string{"quantize", "a.onnx", "b.onnx", "--to", "fp12"}, []string{"--to", `"fp12"`, "int8-channels"}},
		{"quantize nothing", []string{"quantize", "/no/such.onnx", "b.onnx", "--to", "int8"}, []string{"/no/such.onnx"}},
		{"quantize a folder", []string{"quantize", ".", "b.onnx", "--to", "int8"}, []string{". is no file", "model.onnx"}},
		{"quantize what is no model", []string{"quantize", "command_test.go", "b.onnx", "--to", "int8"}, []string{"command_test.go"}},
		{"quantize format", []string{"quantize", "a.onnx", "b.onnx", "--to", "int8", "-o", "xml"}, []string{"text or json"}},
		{"calibrate nothing", []string{"calibrate", "/no/such.onnx"}, []string{"/no/such.onnx"}},
		{"calibrate what is no model", []string{"calibrate", "command_test.go"}, []string{"command_test.go"}},
		{"calibrate without its spec", []string{"calibrate", "a.onnx", "--spec", "/no/such.yaml"}, []string{"--spec", "/no/such.yaml"}},
		{"calibrate by what is no spec", []string{"calibrate", "a.onnx", "--spec", "command_test.go"}, []string{"--spec command_test.go", "challenge spec"}},
		{"calibrate format", []string{"calibrate", "a.onnx", "-o", "xml"}, []string{"text or json"}},
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
