package studies

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"gonum.org/v1/plot/vg"

	"github.com/plexusnet/plexus/sims/experiment"
	"github.com/plexusnet/plexus/sims/plots"
	"github.com/plexusnet/plexus/sims/scenario"
)

// ErrUnknown is wrapped by errors about studies and parts of them that there are not.
var ErrUnknown = errors.New("studies: no such thing")

// Study is one that was worked out.
type Study struct {
	Name    string // of its scenario
	Tables  string // Markdown
	Figures []Figure
	Claims  []Claim
}

// Claim is what the page says in words, and whether the figures bear it out.
type Claim struct {
	Says  string
	Holds bool
}

func (s *Study) claim(holds bool, says string) { s.Claims = append(s.Claims, Claim{says, holds}) }

// Figure is a plot of a study.
type Figure struct {
	Name   string // of its file, without what it ends in
	Height vg.Length
	*plots.Figure
}

// SVG draws the figure.
func (f Figure) SVG() ([]byte, error) {
	var b bytes.Buffer
	err := f.Write(&b, plots.SVG, plots.Width, f.Height)
	return b.Bytes(), err
}

// question is how a study is worked out from its scenario.
type question func(context.Context, *scenario.Scenario, experiment.Options) (*Study, error)

func questions() map[string]question {
	return map[string]question{"study-halving": halving, "study-kappa": kappa, "study-demand": demand}
}

// Names lists the studies, sorted. They are names of scenarios, too.
func Names() []string { return slices.Sorted(maps.Keys(questions())) }

// Compute works a study out.
func Compute(ctx context.Context, name string) (*Study, error) {
	work, found := questions()[name]
	examples := scenario.Examples()
	at := slices.IndexFunc(examples, func(e scenario.Example) bool { return e.Name == name })
	if !found || at < 0 {
		return nil, fmt.Errorf("study %q: there are %s: %w", name, strings.Join(Names(), ", "), ErrUnknown)
	}
	s, err := scenario.Parse(name+".yaml", examples[at].Content, scenario.Network())
	if err != nil {
		return nil, err
	}
	o, err := s.Options()
	if err != nil {
		return nil, err
	}
	study, err := work(ctx, s, o)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	study.Name = name
	return study, nil
}

// Into returns a page in which the study's tables stand between its marks.
func (s *Study) Into(page []byte) ([]byte, error) {
	begin, end := "<!-- computed: "+s.Name+" -->\n", "<!-- end: "+s.Name+" -->"
	before, rest, found := bytes.Cut(page, []byte(begin))
	_, after, closed := bytes.Cut(rest, []byte(end))
	if !found || !closed {
		return nil, fmt.Errorf("the page has no marks %q and %q: %w", strings.TrimSpace(begin), end, ErrUnknown)
	}
	return slices.Concat(before, []byte(begin+"\n"+s.Tables+"\n"+end), after), nil
}

// table writes Markdown, with numbers to the right of the first columns.
func table(b *strings.Builder, words int, rows [][]string) {
	for i, row := range rows {
		fmt.Fprintln(b, "| "+strings.Join(row, " | ")+" |")
		if i == 0 {
			fmt.Fprintln(b, "|"+strings.Repeat("---|", words)+strings.Repeat("---:|", len(row)-words))
		}
	}
}

// short writes a number with four digits.
func short(x float64) string {
	text := strconv.FormatFloat(x, 'g', 4, 64)
	if strings.Contains(text, "e+") {
		return strconv.FormatFloat(x, 'f', 0, 64)
	}
	return text
}

func percent(x float64) string { return strconv.FormatFloat(100*x, 'f', 1, 64) + " %" }

// effects tables what variants change in some columns.
func effects(b *strings.Builder, r *experiment.CompareResult, statistic experiment.Statistic, columns ...string) error {
	rows := [][]string{{"variant", "column", "unit", r.Comparison.Base.Name, "changed to", "change", "95 % interval of the change"}}
	for _, variant := range r.Comparison.Variants {
		for _, column := range columns {
			e, err := effect(r, variant.Name, column, statistic)
			if err != nil {
				return err
			}
			relative := "-"
			if e.Relative != nil {
				relative = percent(*e.Relative)
			}
			rows = append(rows, []string{variant.Name, "`" + column + "`", e.Unit, short(e.Base), short(e.Changed), relative, short(e.Student.Low) + " to " + short(e.Student.High)})
		}
	}
	table(b, 3, rows)
	return nil
}

func effect(r *experiment.CompareResult, variant, column string, statistic experiment.Statistic) (experiment.Effect, error) {
	at := slices.IndexFunc(r.Effects, func(e experiment.Effect) bool {
		return e.Variant == variant && e.Column == column && e.Statistic == statistic
	})
	if at < 0 {
		return experiment.Effect{}, fmt.Errorf("effect of %s on %s: %w", variant, column, ErrUnknown)
	}
	return r.Effects[at], nil
}

// end is how a column ended at the point of a sweep with these values.
func end(r *experiment.SweepResult, column string, values ...any) (experiment.Distribution, error) {
	for _, p := range r.Points {
		if !slices.EqualFunc(p.Values, values, func(a, b any) bool { return experiment.ValueText(a) == experiment.ValueText(b) }) {
			continue
		}
		for _, o := range p.Outputs {
			if o.Column == column && o.Statistic == experiment.End {
				return o.Distribution, nil
			}
		}
	}
	return experiment.Distribution{}, fmt.Errorf("%s at %v: %w", column, values, ErrUnknown)
}

// number is a value of a parameter.
func number(v any) (float64, error) { return strconv.ParseFloat(experiment.ValueText(v), 64) }
