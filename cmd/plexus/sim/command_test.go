package simcmd_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	simcmd "github.com/plexusnet/plexus/cmd/plexus/sim"
	"github.com/plexusnet/plexus/sims/scenario"
	"github.com/plexusnet/plexus/sims/simtest"
)

// asProgram makes the test binary the program itself, for tests of real processes.
const asProgram = "PLEXUS_SIM_TEST_AS_PROGRAM"

func settings() simcmd.Settings {
	return simcmd.Settings{Version: "test", Kinds: append(scenario.Kinds(),
		scenario.Simple("walk", "a walk", simtest.Walk{Phi: 0.9, Sigma: 1, Steps: 10, Width: 1}),
		scenario.Simple("ishigami", "a function", simtest.Ishigami{A: 7, B: 0.1}))}
}

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) == "" {
		os.Exit(m.Run())
	}
	cmd := simcmd.Command(settings())
	cmd.SilenceErrors = true
	if err := cmd.Execute(); err != nil {
		fmt.Fprintln(os.Stderr, "Error:", err)
		var coded interface{ ExitCode() int }
		if errors.As(err, &coded) {
			os.Exit(coded.ExitCode())
		}
		os.Exit(1)
	}
}

// execute gives what a command line prints.
func execute(t *testing.T, args ...string) (string, error) {
	t.Helper()
	cmd := simcmd.Command(settings())
	var out bytes.Buffer
	cmd.SetOut(&out)
	cmd.SetErr(&bytes.Buffer{})
	cmd.SetArgs(args)
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	err := cmd.ExecuteContext(t.Context())
	return out.String(), err
}

// program starts the command line as a process of its own.
func program(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), self, args...)
	cmd.Env = append(os.Environ(), asProgram+"=1")
	return cmd
}

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "question.yaml")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

func readAll(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	require.NoError(t, filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		name, _ := filepath.Rel(dir, path)
		files[filepath.ToSlash(name)] = string(content)
		return err
	}))
	return files
}

func requireSameFiles(t *testing.T, want, have map[string]string) {
	t.Helper()
	require.Len(t, have, len(want))
	for name, content := range want {
		require.True(t, content == have[name], "%s differs", name)
	}
}

const walk = `
name: walk
seed: 3
runs: 20
walk: {steps: 50, width: 2}
sweep: {parameters: [{path: walk.phi, values: [0.1, 0.9]}]}
compare: {variants: [{name: loud, set: {walk.sigma: 2}}]}
sensitivity: {parameters: [{path: walk.sigma, from: 1, to: 2}]}
`

func TestExperimentsPrintAndWrite(t *testing.T) {
	file := write(t, walk)
	for command, test := range map[string]struct {
		says  []string
		files []string
	}{
		"run":         {[]string{"walk: 20 runs from seed 3", "x1", "95 %"}, []string{"quantiles.csv", "runs.csv", "records.csv"}},
		"sweep":       {[]string{"2 points, 20 runs each", "walk.phi", "0.9"}, []string{"sweep.csv"}},
		"compare":     {[]string{"20 pairs", "loud", "t-interval"}, []string{"effects.csv", "base/quantiles.csv", "loud/quantiles.csv"}},
		"sensitivity": {[]string{"oat", "swing", "change at 2"}, []string{"indices.csv"}},
	} {
		t.Run(command, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "out")
			args := []string{command, file, "--out", dir}
			if command == "run" {
				args = append(args, "--records", "csv")
			}
			out, err := execute(t, args...)
			require.NoError(t, err)
			for _, word := range append(test.says, "written to "+dir) {
				require.Contains(t, out, word)
			}
			files := readAll(t, dir)
			for _, name := range append(test.files, "scenario.yaml", "manifest.json", "summary.json") {
				require.NotEmpty(t, files[name], name)
			}
			require.NotContains(t, files, "unfinished")
			require.Contains(t, files["manifest.json"], `"version": "test"`)

			out, err = execute(t, command, filepath.Join(dir, "scenario.yaml"), "-o", "json")
			require.NoError(t, err)
			require.True(t, json.Valid([]byte(out)))
			_, err = execute(t, args...)
			require.ErrorContains(t, err, "holds an experiment already")
		})
	}
}

func TestFlagsChangeTheScenario(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "out")
	_, err := execute(t, "run", write(t, walk), "--out", dir, "--set", "walk.phi=0.5,walk.steps=7", "--set", "record.quantiles=[0.1,0.2]", "--seed", "9", "--runs", "4", "--columns", "x1", "--every", "3 steps")
	require.NoError(t, err)
	files := readAll(t, dir)
	require.Equal(t, 1+3, strings.Count(files["quantiles.csv"], "\n"), "steps 0, 3 and 6")
	require.Equal(t, 1+4, strings.Count(files["runs.csv"], "\n"))
	require.Contains(t, files["quantiles.csv"], "q0.1,q0.2")
	for _, word := range []string{"seed: 9", "runs: 4", "phi: 0.5", "steps: 7", "every: 3 steps", "- x1"} {
		require.Contains(t, files["scenario.yaml"], word)
	}
}

func TestCommandsSayWhatIsWrong(t *testing.T) {
	file, plain := write(t, walk), write(t, "walk: {}")
	for name, test := range map[string]struct {
		args []string
		says string
	}{
		"no such name":      {[]string{"run", "halvin"}, "want one of "},
		"no such file":      {[]string{"run", "./nowhere.yaml"}, "no such file"},
		"nothing to sweep":  {[]string{"sweep", plain}, "sweep: the scenario has no such section"},
		"nothing to set":    {[]string{"run", file, "--set", "walk.pfi=3"}, "did you mean phi?"},
		"no value":          {[]string{"run", file, "--set", "walk"}, "path=value"},
		"a format":          {[]string{"run", file, "-o", "xml"}, "text or json"},
		"resume of nothing": {[]string{"run", file, "--resume"}, "--out"},
		"memory":            {[]string{"run", file, "--memory", "lots"}, "128MiB"},
		"too little memory": {[]string{"run", file, "--memory", "1KiB"}, "of memory"},
		"too many runs":     {[]string{"run", file, "--max-runs", "10"}, "at most 10"},
		"no limit":          {[]string{"run", file, "--max-runs", "0"}, "want 1 or more"},
		"no such scenario":  {[]string{"show", "halvin"}, "want one of "},
		"no such field":     {[]string{"schema", "netwrok"}, "no field"},
		"no checkpoint":     {[]string{"run", file, "--checkpoint", "0s"}, "more than 0"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := execute(t, test.args...)
			require.ErrorContains(t, err, test.says)
		})
	}
}

func TestListShowSchemaPresets(t *testing.T) {
	out, err := execute(t, "list", "-o", "json")
	require.NoError(t, err)
	var list []struct{ Name, Kind, Description string }
	require.NoError(t, json.Unmarshal([]byte(out), &list))
	require.Greater(t, len(list), 10)
	for _, l := range list {
		require.NotEmpty(t, l.Description, l.Name)
		text, err := execute(t, "show", l.Name)
		require.NoError(t, err)
		require.Contains(t, text, "name: "+l.Name)
	}
	out, err = execute(t, "schema", "network.hyperparams")
	require.NoError(t, err)
	require.Contains(t, out, "network.hyperparams.kappa (")
	out, err = execute(t, "schema", "-o", "json")
	require.NoError(t, err)
	require.True(t, json.Valid([]byte(out)))
	out, err = execute(t, "presets")
	require.NoError(t, err)
	require.Contains(t, out, "bittensor: ")
}

// killedAfter runs a command line and kills it, by a signal it cannot see, when its checkpoint has grown. It returns
// false when the program was done before.
func killedAfter(t *testing.T, dir string, args ...string) bool {
	t.Helper()
	cmd := program(t, args...)
	require.NoError(t, cmd.Start())
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	before := size(filepath.Join(dir, "unfinished"))
	for {
		select {
		case err := <-ended:
			require.NoError(t, err)
			return false
		case <-time.After(5 * time.Millisecond):
		}
		if now := size(filepath.Join(dir, "unfinished")); now > 0 && now != before {
			require.NoError(t, cmd.Process.Kill())
			<-ended
			return true
		}
	}
}

func size(path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return info.Size()
}

// TestKilledProcessesResume kills real processes with SIGKILL and compares what they leave in the end.
func TestKilledProcessesResume(t *testing.T) {
	file := write(t, `
name: walk
runs: 160
walk: {steps: 20, width: 2, pause: 100us}
sweep: {runs: 20, parameters: [{path: walk.phi, from: 0.1, to: 0.9, steps: 9}]}
`)
	for _, command := range []string{"run", "sweep"} {
		t.Run(command, func(t *testing.T) {
			whole := filepath.Join(t.TempDir(), "whole")
			require.NoError(t, program(t, command, file, "--out", whole).Run())
			dir := filepath.Join(t.TempDir(), "parts")
			args := []string{command, file, "--out", dir, "--resume", "--checkpoint", "1ms", "--workers", "3"}
			killed := 0
			for killed < 3 && killedAfter(t, dir, args...) {
				killed++
			}
			require.Positive(t, killed, "it was never killed on the way")
			require.NoError(t, program(t, args...).Run())
			requireSameFiles(t, readAll(t, whole), readAll(t, dir))
		})
	}
}

// TestInterruptedProcessSaysHowToGoOn sends SIGINT.
func TestInterruptedProcessSaysHowToGoOn(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "out")
	file := write(t, "runs: 100000\nwalk: {steps: 20, pause: 1ms}")
	cmd := program(t, "run", file, "--out", dir, "--checkpoint", "1ms")
	var told bytes.Buffer
	cmd.Stderr = &told
	require.NoError(t, cmd.Start())
	require.Eventually(t, func() bool { return size(filepath.Join(dir, "unfinished")) > 0 }, time.Minute, 5*time.Millisecond)
	require.NoError(t, cmd.Process.Signal(os.Interrupt))
	var exit *exec.ExitError
	require.ErrorAs(t, cmd.Wait(), &exit)
	require.Equal(t, 130, exit.ExitCode())
	require.Contains(t, told.String(), "interrupted after ")
	require.Contains(t, told.String(), "--resume")
}

// peakRSS is the most memory that a process had resident, in MiB.
func peakRSS(t testing.TB, cmd *exec.Cmd) float64 {
	t.Helper()
	usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		t.Skip("no resource usage on this system")
	}
	return float64(usage.Maxrss) / 1024
}

// TestMemoryOfManyRuns: 1000 runs of 10 000 steps of 20 columns, 200 million numbers, in less than 200 MB of a process
// of its own. With -short it is a tenth of the runs.
func TestMemoryOfManyRuns(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector takes memory of its own")
	}
	runs := "1000"
	if testing.Short() {
		runs = "100"
	}
	cmd := program(t, "run", write(t, "walk: {steps: 10000, width: 20}"), "--runs", runs, "-o", "json")
	began := time.Now()
	out, err := cmd.Output()
	require.NoError(t, err)
	var summary struct {
		Runs, Steps int
		Sketch      struct {
			Method    string
			Centroids int
		}
	}
	require.NoError(t, json.Unmarshal(out, &summary))
	require.Equal(t, 10_000, summary.Steps)
	peak := peakRSS(t, cmd)
	t.Logf("%d runs of %d steps of 20 columns: %.1f s, %.0f MiB resident at most, %s of %d centroids", summary.Runs, summary.Steps,
		time.Since(began).Seconds(), peak, summary.Sketch.Method, summary.Sketch.Centroids)
	require.Less(t, peak*1024*1024, 200e6)
}

// TestProgressInPlainLines is what a log sees of a long experiment.
func TestProgressInPlainLines(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes as long as the first line does")
	}
	cmd := program(t, "run", write(t, "runs: 60\nwalk: {steps: 100, pause: 2ms}"), "--workers", "1")
	told, err := cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	lines := bufio.NewScanner(told)
	require.True(t, lines.Scan())
	require.Regexp(t, `^\d+ of 60 runs, \d+ %, \d+s, about \S+ left$`, lines.Text())
	for lines.Scan() {
		require.NotContains(t, lines.Text(), "\r")
	}
	require.NoError(t, cmd.Wait())
}
