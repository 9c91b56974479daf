package report_test

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plexusnet/plexus/sims"
	"github.com/plexusnet/plexus/sims/experiment"
	"github.com/plexusnet/plexus/sims/random"
	"github.com/plexusnet/plexus/sims/report"
)

// shop is a model with every kind of column that a report draws in its own way.
type shop struct{ growth, risk float64 }

func (shop) Columns() []sims.Column {
	return []sims.Column{
		{Name: "sales", Unit: "PLX", Doc: "all sales <so far> & more"},
		{Name: "stack.stock.apples", Unit: "1"}, {Name: "stack.stock.pears", Unit: "1"},
		{Name: "lorenz.income.50", Unit: "1"}, {Name: "lorenz.income.90", Unit: "1"},
	}
}

func (s shop) Run(ctx context.Context, seed uint64, rec sims.Recorder) error {
	luck, sales := random.New(seed).Stream("sales"), 1.0
	for step := range uint64(50) {
		sales *= 1 + s.growth + s.risk*luck.NormFloat64()
		if err := rec.Record(step, float64(step)*86_400, []float64{sales, 1 + s.growth, 2, 0.2, 0.6}); err != nil {
			return err
		}
	}
	return ctx.Err()
}

func build(settings []experiment.Setting) (sims.Model, error) {
	s := shop{growth: 0.01, risk: 0.02}
	for _, one := range settings {
		switch one.Path {
		case "growth":
			s.growth = one.Value.(float64)
		case "risk":
			s.risk = one.Value.(float64)
		}
	}
	return s, nil
}

// experiments makes one of each kind in a folder of its own.
func experiments(t *testing.T) map[string]string {
	t.Helper()
	ctx := context.Background()
	dirs := map[string]string{}
	options := func(name string, runs int) experiment.Options {
		dirs[name] = filepath.Join(t.TempDir(), name)
		return experiment.Options{Name: name + " <of> a shop", Seed: 1, Runs: runs, Dir: dirs[name], Scenario: []byte("name: shop # <b>\n")}
	}
	ends := func(low, high float64) (*float64, *float64) { return &low, &high }
	growth, risk := experiment.Parameter{Path: "growth"}, experiment.Parameter{Path: "risk"}
	growth.From, growth.To = ends(0, 0.05)
	risk.From, risk.To = ends(0.01, 0.04)
	gridded := func(p experiment.Parameter, steps int) experiment.Parameter {
		p.Steps = steps
		return p
	}

	_, err := experiment.Run(ctx, shop{0.01, 0.02}, options("single", 1))
	require.NoError(t, err)
	_, err = experiment.Run(ctx, shop{0.01, 0.02}, options("many", 20))
	require.NoError(t, err)
	_, err = experiment.Sweep{Parameters: []experiment.Parameter{gridded(growth, 5)}}.Run(ctx, build, options("line", 4))
	require.NoError(t, err)
	_, err = experiment.Sweep{Parameters: []experiment.Parameter{gridded(growth, 4), gridded(risk, 3)}}.Run(ctx, build, options("grid", 2))
	require.NoError(t, err)
	_, err = experiment.Sweep{Method: experiment.Halton, Samples: 16, Parameters: []experiment.Parameter{growth, risk}}.Run(ctx, build, options("sample", 1))
	require.NoError(t, err)
	_, err = experiment.Comparison{Variants: []experiment.Variant{{Name: "fast", Set: map[string]any{"growth": 0.02}}, {Name: "wild", Set: map[string]any{"risk": 0.1}}}}.Run(ctx, build, options("compare", 10))
	require.NoError(t, err)
	for _, method := range []experiment.Analysis{experiment.OneAtATime, experiment.Morris, experiment.Sobol} {
		_, err = experiment.Sensitivity{Method: method, Samples: 8, Bootstrap: 50, Parameters: []experiment.Parameter{growth, risk}}.Run(ctx, build, options(string(method), 4))
		require.NoError(t, err)
	}
	return dirs
}

func TestEveryExperimentGetsItsReport(t *testing.T) {
	shows := map[string][]string{ // figures by experiment
		"single": {"sales", "stack.stock", "lorenz.income"}, "many": {"sales", "stack.stock", "lorenz.income"},
		"line": {"sales"}, "grid": {"sales.heat", "sales.contour"}, "sample": {"sales.over.growth", "sales.over.risk"},
		"compare": {"effect.sales", "sales"}, "oat": {"sales"}, "morris": {"sales.mu_star", "sales.sigma"}, "sobol": {"sales.s1", "sales.st"},
	}
	for name, dir := range experiments(t) {
		t.Run(name, func(t *testing.T) {
			require.NoError(t, report.Write(dir))
			page, err := os.ReadFile(filepath.Join(dir, report.File))
			require.NoError(t, err)
			for _, figure := range shows[name] {
				for _, format := range []string{".png", ".svg"} {
					info, err := os.Stat(filepath.Join(dir, report.Folder, figure+format))
					require.NoError(t, err)
					require.Greater(t, info.Size(), int64(1000))
				}
			}
			require.GreaterOrEqual(t, strings.Count(string(page), "<svg"), len(shows[name]))
			require.Contains(t, string(page), "name: shop # &lt;b&gt;")
			require.Contains(t, string(page), "&lt;of&gt; a shop")
			require.NotContains(t, string(page), "<of>")
			fetches(t, page)

			first := files(t, dir)
			require.NoError(t, report.Write(dir), "a report may be written again")
			require.Equal(t, first, files(t, dir), "and has the same bytes")
		})
	}
}

// fetches fails for a page that asks for anything from elsewhere, or that a parser stumbles over.
func fetches(t *testing.T, page []byte) {
	t.Helper()
	text := string(page)
	require.NotContains(t, text, "<script")
	require.NotContains(t, text, "<link")
	require.NotContains(t, text, "@import")
	for _, m := range regexp.MustCompile(`(?:src|href)="([^"]*)"`).FindAllStringSubmatch(text, -1) {
		require.True(t, strings.HasPrefix(m[1], "data:") || strings.HasPrefix(m[1], "#"), "the page asks for %.80s", m[1])
	}
	for _, svg := range regexp.MustCompile(`(?s)<svg.*?</svg>`).FindAll(page, -1) {
		decoder := xml.NewDecoder(bytes.NewReader(svg))
		for {
			if _, err := decoder.Token(); errors.Is(err, io.EOF) {
				break
			} else {
				require.NoError(t, err)
			}
		}
	}
}

func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	require.NoError(t, filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
		if err != nil || info.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		all[path] = string(content)
		return err
	}))
	return all
}

func TestUnfinishedExperimentsAreRefused(t *testing.T) {
	dir := t.TempDir()
	require.Error(t, report.Write(dir))
	_, err := report.New(&experiment.Outcome{}, nil)
	require.ErrorContains(t, err, "no result")
}

// wide is a run of more columns than a page has room for.
type wide struct{}

func (wide) Columns() []sims.Column {
	var columns []sims.Column
	for i := range report.MaxFigures + 5 {
		columns = append(columns, sims.Column{Name: "c" + strings.Repeat("x", i)})
	}
	return columns
}

func (w wide) Run(_ context.Context, _ uint64, rec sims.Recorder) error {
	return errors.Join(rec.Record(0, 0, make([]float64, len(w.Columns()))), rec.Record(1, 1, make([]float64, len(w.Columns()))))
}

func TestWhatThereIsNoRoomForIsCounted(t *testing.T) {
	result, err := experiment.Run(context.Background(), wide{}, experiment.Options{Name: "wide", Seed: 1, Runs: 1})
	require.NoError(t, err)
	r, err := report.New(&experiment.Outcome{Manifest: result.Manifest, Run: result}, nil)
	require.NoError(t, err)
	var page bytes.Buffer
	require.NoError(t, r.WriteHTML(&page))
	require.Contains(t, page.String(), "5 more figures were left out")
}
