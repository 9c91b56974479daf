package simcmd_test

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/plexusnet/plexus/sims/serve"
)

func TestExperimentsLeaveReports(t *testing.T) {
	file := write(t, walk)
	for _, command := range []string{"run", "sweep", "compare", "sensitivity"} {
		t.Run(command, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "out")
			out, err := execute(t, command, file, "--out", dir)
			require.NoError(t, err)
			require.Contains(t, out, "open "+filepath.Join(dir, "report.html"))
			whole := readAll(t, dir)
			require.Contains(t, whole["report.html"], "<svg")
			require.NoError(t, os.RemoveAll(filepath.Join(dir, "plots")))
			require.NoError(t, os.Remove(filepath.Join(dir, "report.html")))

			_, err = execute(t, "report", dir)
			require.NoError(t, err)
			requireSameFiles(t, whole, readAll(t, dir))
		})
	}
	dir := filepath.Join(t.TempDir(), "out")
	_, err := execute(t, "run", file, "--out", dir, "--report=false")
	require.NoError(t, err)
	require.NotContains(t, readAll(t, dir), "report.html")
	_, err = execute(t, "report", t.TempDir())
	require.ErrorContains(t, err, "manifest.json")
}

func TestPresetsAsAPage(t *testing.T) {
	out, err := execute(t, "presets", "-o", "markdown")
	require.NoError(t, err)
	page, err := os.ReadFile("../../../docs/presets.md")
	require.NoError(t, err)
	require.Equal(t, string(page), out)
	out, err = execute(t, "presets", "--check")
	require.NoError(t, err)
	require.Contains(t, out, "agrees")
}

func TestServeSaysWhatIsWrong(t *testing.T) {
	for name, test := range map[string]struct {
		args []string
		says string
	}{
		"open to the world": {[]string{"--listen", "0.0.0.0:0"}, "--allow-remote"},
		"any address":       {[]string{"--listen", ":0"}, "--allow-remote"},
		"a name":            {[]string{"--listen", "example.org:80"}, "--allow-remote"},
		"no port":           {[]string{"--listen", "127.0.0.1"}, "--listen"},
		"nowhere":           {[]string{"--listen", "127.0.0.1:0"}, "--dir"},
		"no queue":          {[]string{"--queue", "0"}, "want 1 or more"},
		"no time":           {[]string{"--timeout", "0s"}, "more than 0"},
		"no runs":           {[]string{"--max-runs", "0"}, "want 1 or more"},
		"workers":           {[]string{"--workers", "-1"}, "want 0 or more"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := execute(t, append([]string{"serve"}, test.args...)...)
			require.ErrorContains(t, err, test.says)
		})
	}
}

// serving starts the server as a process of its own and returns its address.
func serving(t *testing.T, dir string) (cmd *exec.Cmd, url string) {
	t.Helper()
	cmd = program(t, "serve", "--listen", "127.0.0.1:0", "--dir", dir)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	cmd.Stderr = os.Stderr
	require.NoError(t, cmd.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	url = strings.TrimSuffix(strings.Fields(line)[2], ",")
	require.True(t, strings.HasPrefix(url, "http://127.0.0.1:"), line)
	return cmd, url
}

func send(t *testing.T, url, scenario string) serve.Experiment {
	t.Helper()
	res, err := http.Post(url+"/v1/experiments", "application/yaml", strings.NewReader(scenario))
	require.NoError(t, err)
	defer res.Body.Close()
	require.Equal(t, http.StatusAccepted, res.StatusCode)
	var e serve.Experiment
	require.NoError(t, json.NewDecoder(res.Body).Decode(&e))
	return e
}

// watch follows an experiment until something holds.
func watch(t *testing.T, url, id string, until func(serve.Experiment) bool) serve.Experiment {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/v1/experiments/"+id+"/events", nil)
	require.NoError(t, err)
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	lines := bufio.NewScanner(res.Body)
	var e serve.Experiment
	for lines.Scan() {
		content, found := strings.CutPrefix(lines.Text(), "data: ")
		if !found {
			continue
		}
		require.NoError(t, json.Unmarshal([]byte(content), &e))
		if until(e) {
			return e
		}
	}
	t.Fatalf("the events ended at %+v", e)
	return e
}

func finished(e serve.Experiment) bool { return e.State == serve.Finished }

// TestServeGoesOnAfterASignal stops a real process in the middle of an experiment, while somebody watches, and lets
// another finish it.
func TestServeGoesOnAfterASignal(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "experiments")
	first, url := serving(t, dir)
	e := send(t, url, "name: slow\nruns: 300\nwalk: {steps: 10, pause: 1ms}\n")
	watch(t, url, e.ID, func(e serve.Experiment) bool { return e.State == serve.Running })

	watching, err := http.Get(url + "/v1/experiments/" + e.ID + "/events")
	require.NoError(t, err)
	defer watching.Body.Close()
	second := program(t, "serve", "--listen", "127.0.0.1:0", "--dir", dir)
	told, err := second.CombinedOutput()
	require.Error(t, err)
	require.Contains(t, string(told), "another process serves it")

	require.NoError(t, first.Process.Signal(syscall.SIGTERM))
	_, err = io.Copy(io.Discard, watching.Body)
	require.NoError(t, err, "who watches hears the end")
	require.NoError(t, first.Wait(), "a signal is no failure")

	next, url := serving(t, dir)
	e = watch(t, url, e.ID, finished)
	require.Equal(t, 300, e.Done)
	res, err := http.Get(url + "/v1/experiments/" + e.ID + "/report")
	require.NoError(t, err)
	page, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Contains(t, string(page), "<svg")

	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+"/", nil)
	require.NoError(t, err)
	req.Host = "rebound.example"
	res, err = http.DefaultClient.Do(req)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Equal(t, http.StatusMisdirectedRequest, res.StatusCode)
	require.NoError(t, next.Process.Signal(os.Interrupt))
	require.NoError(t, next.Wait())
}
