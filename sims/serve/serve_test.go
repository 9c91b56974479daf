package serve_test

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/plexusnet/plexus/sims/scenario"
	"github.com/plexusnet/plexus/sims/serve"
	"github.com/plexusnet/plexus/sims/simtest"
)

func config(dir string) serve.Config {
	return serve.Config{Dir: dir, Version: "test", Kinds: []scenario.Kind{
		scenario.Simple("walk", "a walk", simtest.Walk{}),
	}}
}

// start runs a server until stop is called or the test ends.
func start(t *testing.T, cfg serve.Config) (url string, stop func()) {
	t.Helper()
	server, err := serve.New(cfg)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { server.Run(ctx); close(done) }()
	listener := httptest.NewServer(server)
	stop = func() { cancel(); <-done; listener.Close() }
	t.Cleanup(stop)
	return listener.URL, stop
}

func call(t *testing.T, method, url, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequest(method, url, strings.NewReader(body))
	require.NoError(t, err)
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	content, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return res.StatusCode, string(content)
}

func send(t *testing.T, url, query, body string) serve.Experiment {
	t.Helper()
	status, content := call(t, "POST", url+"/v1/experiments"+query, body)
	require.Equal(t, http.StatusAccepted, status, content)
	var e serve.Experiment
	require.NoError(t, json.Unmarshal([]byte(content), &e))
	return e
}

// follow reads the events of an experiment until a state is reached.
func follow(t *testing.T, url, id string, until ...serve.State) serve.Experiment {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, "GET", url+"/v1/experiments/"+id+"/events", nil)
	require.NoError(t, err)
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	lines := bufio.NewScanner(res.Body)
	for lines.Scan() {
		content, found := strings.CutPrefix(lines.Text(), "data: ")
		if !found {
			continue
		}
		var e serve.Experiment
		require.NoError(t, json.Unmarshal([]byte(content), &e))
		for _, state := range until {
			if e.State == state {
				return e
			}
		}
		require.False(t, e.State.Over(), "it is %s: %s", e.State, e.Error)
	}
	t.Fatalf("the events of %s end: %v", id, lines.Err())
	return serve.Experiment{}
}

const walk = `
name: walk
runs: 5
walk: {phi: 0.9, sigma: 1, steps: 50, width: 2}
sweep: {parameters: [{path: walk.sigma, values: [1, 2, 3]}]}
`

func TestAScenarioIsSentAndItsReportRead(t *testing.T) {
	url, _ := start(t, config(t.TempDir()))
	for _, kind := range []string{"run", "sweep"} {
		e := send(t, url, "?kind="+kind+"&runs=3&seed=7", walk)
		require.Equal(t, "walk", e.Name)
		e = follow(t, url, e.ID, serve.Finished)
		require.Equal(t, 1.0, e.Fraction)
		status, page := call(t, "GET", url+"/v1/experiments/"+e.ID+"/report", "")
		require.Equal(t, http.StatusOK, status)
		require.Contains(t, page, "<svg")
		require.Contains(t, page, "master seed 7")
		status, manifest := call(t, "GET", url+"/v1/experiments/"+e.ID+"/files/manifest.json", "")
		require.Equal(t, http.StatusOK, status)
		require.Contains(t, manifest, `"kind": "`+kind+`"`)
		status, listing := call(t, "GET", url+"/v1/experiments/"+e.ID+"/files/", "")
		require.Equal(t, http.StatusOK, status)
		require.Contains(t, listing, "plots/")
	}
	_, list := call(t, "GET", url+"/v1/experiments", "")
	var all []serve.Experiment
	require.NoError(t, json.Unmarshal([]byte(list), &all))
	require.Len(t, all, 2)
	require.EqualValues(t, "sweep", all[0].Kind, "the newest first")
}

func TestRefusals(t *testing.T) {
	cfg := config(t.TempDir())
	cfg.MaxBody = 2000
	url, _ := start(t, cfg)
	for name, c := range map[string]struct {
		query, body string
		status      int
		says        string
	}{
		"no YAML":       {"", "name: [", 400, "line"},
		"unknown field": {"", "name: x\nwalk: {stepps: 5}\n", 400, "stepps"},
		"unknown kind":  {"?kind=dance", walk, 400, "dance"},
		"no section":    {"?kind=compare", walk, 400, "compare"},
		"runs":          {"?runs=many", walk, 400, "many"},
		"no model":      {"", "name: x\n", 400, "walk"},
		"too large":     {"", "name: " + strings.Repeat("x", 3000), 413, "2000"},
		"empty":         {"", "", 400, ""},
	} {
		t.Run(name, func(t *testing.T) {
			status, content := call(t, "POST", url+"/v1/experiments"+c.query, c.body)
			require.Equal(t, c.status, status, content)
			require.Contains(t, content, c.says)
			require.Contains(t, content, `"error"`)
		})
	}
	_, content := call(t, "POST", url+"/v1/experiments", "name: x\nwalk: {stepps: 5}\n")
	require.Contains(t, content, `"line":2`)
	for _, path := range []string{"", "/report", "/events", "/files/x"} {
		status, _ := call(t, "GET", url+"/v1/experiments/nobody"+path, "")
		require.Equal(t, 404, status)
	}
	_, list := call(t, "GET", url+"/v1/experiments", "")
	require.Equal(t, "[]\n", list, "what is refused leaves nothing behind")
}

func TestWhatFailsSaysWhy(t *testing.T) {
	cfg := config(t.TempDir())
	cfg.Timeout = 50 * time.Millisecond
	url, _ := start(t, cfg)
	e := send(t, url, "", "name: slow\nwalk: {steps: 1000, width: 1, pause: 1s}\n")
	e = follow(t, url, e.ID, serve.Failed)
	require.Contains(t, e.Error, "longer than 50ms")
	status, _ := call(t, "GET", url+"/v1/experiments/"+e.ID+"/report", "")
	require.Equal(t, http.StatusConflict, status)
}

func TestQueueIsBoundedAndRemovalMakesRoom(t *testing.T) {
	cfg := config(t.TempDir())
	cfg.Queue = 2
	url, _ := start(t, cfg)
	slow := "name: slow\nwalk: {steps: 1000, width: 1, pause: 1s}\n"
	first := send(t, url, "", slow)
	follow(t, url, first.ID, serve.Running)
	second := send(t, url, "", slow)
	send(t, url, "", slow)
	status, content := call(t, "POST", url+"/v1/experiments", slow)
	require.Equal(t, http.StatusTooManyRequests, status, content)
	for _, id := range []string{second.ID, first.ID} {
		status, _ = call(t, "DELETE", url+"/v1/experiments/"+id, "")
		require.Equal(t, http.StatusNoContent, status)
	}
	quick := send(t, url, "", walk)
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		_, err := os.Stat(filepath.Join(cfg.Dir, first.ID))
		if !os.IsNotExist(err) {
			c.Errorf("the folder of the one that ran is still there: %v", err)
		}
	}, 20*time.Second, 10*time.Millisecond)
	_, list := call(t, "GET", url+"/v1/experiments", "")
	require.NotContains(t, list, first.ID)
	require.Contains(t, list, quick.ID)
}

// What runs when a server stops is gone on with by the next, and ends in the bytes of one that was left alone.
func TestANewServerGoesOn(t *testing.T) {
	scenario := "name: slow\nruns: 40\nwalk: {phi: 0.5, sigma: 1, steps: 5, width: 1, pause: 4ms}\n"
	alone := config(t.TempDir())
	url, _ := start(t, alone)
	whole := send(t, url, "", scenario)
	follow(t, url, whole.ID, serve.Finished)

	cfg := config(t.TempDir())
	url, stop := start(t, cfg)
	e := send(t, url, "", scenario)
	follow(t, url, e.ID, serve.Running)
	waiting := send(t, url, "", walk)
	time.Sleep(50 * time.Millisecond)
	stop()
	url, _ = start(t, cfg)
	follow(t, url, e.ID, serve.Finished)
	follow(t, url, waiting.ID, serve.Finished)
	for _, file := range []string{"quantiles.csv", "runs.csv", "summary.json", "report.html"} {
		want, err := os.ReadFile(filepath.Join(alone.Dir, whole.ID, "result", file))
		require.NoError(t, err)
		have, err := os.ReadFile(filepath.Join(cfg.Dir, e.ID, "result", file))
		require.NoError(t, err)
		require.Equal(t, string(want), string(have), file)
	}
}

func TestOldExperimentsGo(t *testing.T) {
	cfg := config(t.TempDir())
	cfg.Keep = 2
	url, _ := start(t, cfg)
	var last serve.Experiment
	for range 4 {
		last = send(t, url, "", walk)
		follow(t, url, last.ID, serve.Finished)
	}
	entries, err := os.ReadDir(cfg.Dir)
	require.NoError(t, err)
	require.Len(t, entries, 2)
	_, list := call(t, "GET", url+"/v1/experiments", "")
	require.Contains(t, list, last.ID)
}

func TestOtherSitesAndOtherNamesAreRefused(t *testing.T) {
	cfg := config(t.TempDir())
	cfg.Hosts = []string{"127.0.0.1", "localhost"}
	url, _ := start(t, cfg)
	req, err := http.NewRequest("POST", url+"/v1/experiments", strings.NewReader(walk))
	require.NoError(t, err)
	req.Header.Set("Sec-Fetch-Site", "cross-site")
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	res.Body.Close()
	require.Equal(t, http.StatusForbidden, res.StatusCode)

	req, err = http.NewRequest("GET", url+"/v1/experiments", nil)
	require.NoError(t, err)
	req.Host = "rebound.example:80"
	res, err = http.DefaultClient.Do(req)
	require.NoError(t, err)
	res.Body.Close()
	require.Equal(t, http.StatusMisdirectedRequest, res.StatusCode)

	status, page := call(t, "GET", url+"/", "")
	require.Equal(t, http.StatusOK, status)
	require.Contains(t, page, "<textarea")
}

func TestFilesStayInTheirFolder(t *testing.T) {
	url, _ := start(t, config(t.TempDir()))
	e := send(t, url, "", walk)
	follow(t, url, e.ID, serve.Finished)
	for _, path := range []string{"..%2fexperiment.json", "..%2f..%2f..%2fetc%2fpasswd", "%2fetc%2fpasswd"} {
		status, content := call(t, "GET", url+"/v1/experiments/"+e.ID+"/files/"+path, "")
		require.NotEqual(t, http.StatusOK, status, content)
		require.NotContains(t, content, "root:")
	}
}
