package report

import (
	"bytes"
	"errors"
	"fmt"
	"html/template"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"gonum.org/v1/plot/vg"

	"github.com/plexusnet/plexus/sims"
	"github.com/plexusnet/plexus/sims/experiment"
	"github.com/plexusnet/plexus/sims/plots"
)

// The names of what WritePlots and Write leave in an experiment's folder.
const (
	File   = "report.html"
	Folder = "plots"
)

// MaxFigures bounds the figures of a report, so that a run of a thousand columns still gives a page that opens. The
// rest is counted in the report and lies in the tables.
const MaxFigures = 60

// Report is an experiment ready to be written.
type Report struct {
	outcome  *experiment.Outcome
	scenario string
	figures  []figure
	left     int // figures that there was no room for
	sections []section
}

// figure is a plot with what it is called.
type figure struct {
	name   string // of its files
	doc    string
	height vg.Length
	*plots.Figure
}

// section is a table with a heading.
type section struct {
	Title string
	Note  string
	Head  []string
	Rows  [][]string
}

// New prepares the report of a finished experiment. The scenario is the YAML that it came from, and may be empty.
func New(outcome *experiment.Outcome, scenario []byte) (*Report, error) {
	r := &Report{outcome: outcome, scenario: string(scenario)}
	var err error
	switch {
	case outcome.Run != nil:
		err = r.run(outcome.Run)
	case outcome.Sweep != nil:
		err = r.sweep(outcome.Sweep)
	case outcome.Compare != nil:
		err = r.compare(outcome.Compare)
	case outcome.Sensitivity != nil:
		err = r.sensitivity(outcome.Sensitivity)
	default:
		err = errors.New("the experiment holds no result")
	}
	if err != nil {
		return nil, fmt.Errorf("report: %w", err)
	}
	return r, nil
}

// Write reads the finished experiment in a folder and leaves report.html and plots/ beside it.
func Write(dir string) error {
	outcome, err := experiment.Load(dir)
	if err != nil {
		return err
	}
	scenario, err := os.ReadFile(filepath.Join(dir, experiment.ScenarioFile))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	r, err := New(outcome, scenario)
	if err != nil {
		return err
	}
	if err := r.WritePlots(dir); err != nil {
		return err
	}
	var page bytes.Buffer
	if err := r.WriteHTML(&page); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, File), page.Bytes(), 0o644)
}

// WritePlots writes every figure as PNG and SVG into the folder plots in dir, which it makes.
func (r *Report) WritePlots(dir string) error {
	dir = filepath.Join(dir, Folder)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, f := range r.figures {
		for _, format := range []plots.Format{plots.PNG, plots.SVG} {
			var content bytes.Buffer
			if err := f.Write(&content, format, plots.Width, f.height); err != nil {
				return fmt.Errorf("%s: %w", f.name, err)
			}
			if err := os.WriteFile(filepath.Join(dir, f.name+"."+string(format)), content.Bytes(), 0o644); err != nil {
				return err
			}
		}
	}
	return nil
}

// WriteHTML writes the page.
func (r *Report) WriteHTML(w io.Writer) error {
	type drawn struct {
		Doc string
		SVG template.HTML
	}
	page := struct {
		experiment.Manifest
		Kind     string
		Sections []section
		Figures  []drawn
		Left     int
		Scenario string
	}{Manifest: r.outcome.Manifest, Kind: kinds[r.outcome.Manifest.Kind], Sections: r.sections, Left: r.left, Scenario: r.scenario}
	for _, f := range r.figures {
		var svg bytes.Buffer
		if err := f.Write(&svg, plots.SVG, plots.Width, f.height); err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
		// The drawing is ours; what names it holds were escaped when it was drawn.
		page.Figures = append(page.Figures, drawn{f.doc, template.HTML(inline(svg.String()))})
	}
	return pageTemplate.Execute(w, page)
}

var kinds = map[experiment.Kind]string{
	experiment.KindRun: "Simulation", experiment.KindSweep: "Sweep", experiment.KindCompare: "Comparison", experiment.KindSensitivity: "Sensitivity",
}

// inline cuts what comes before the svg element, which HTML has no place for.
func inline(svg string) string {
	if at := strings.Index(svg, "<svg"); at > 0 {
		return svg[at:]
	}
	return svg
}

// add keeps a figure, unless there is nothing to draw in it or no room for more.
func (r *Report) add(name, doc string, height vg.Length, f *plots.Figure, err error) error {
	switch {
	case errors.Is(err, plots.ErrEmpty):
		return nil
	case err != nil:
		return fmt.Errorf("%s: %w", name, err)
	case len(r.figures) == MaxFigures:
		r.left++
		return nil
	}
	name = fileName(name)
	for n, base := 2, name; slices.ContainsFunc(r.figures, func(f figure) bool { return f.name == name }); n++ {
		name = fmt.Sprintf("%s-%d", base, n)
	}
	r.figures = append(r.figures, figure{name, doc, height, f})
	return nil
}

// fileName keeps letters, digits, dots, dashes and underscores of a name.
func fileName(name string) string {
	safe := strings.Map(func(c rune) rune {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '.', c == '-', c == '_':
			return c
		}
		return '-'
	}, name)
	return strings.Trim(safe, ".-")
}

// about is what a column is, for under a figure.
func about(c sims.Column) string {
	if c.Doc == "" {
		return c.Name
	}
	return c.Name + ": " + c.Doc
}

// axis names a column's unit, if it has one worth naming.
func axis(unit string) string {
	if unit == "1" {
		return ""
	}
	return unit
}

func number(x float64) string { return strconv.FormatFloat(x, 'g', 6, 64) }
