package replay

import (
	"fmt"
	"strings"
	"text/tabwriter"
)

// String returns the calibration as tables for people.
func (c *Calibration) String() string {
	var text strings.Builder
	fmt.Fprintf(&text, "model %s, ONNX Runtime %s, seed %d\n", c.Model, c.Library, c.Seed)
	fmt.Fprintf(&text, "a decision takes %d challenges, each the best of %d from %v\n", c.Challenges, c.Oversample, c.Families)
	for _, in := range c.Shapes {
		fmt.Fprintf(&text, "input %s %v", in.Name, in.Shape)
		if in.Moot {
			fmt.Fprint(&text, ": changes no output; say more about it in the spec")
		}
		fmt.Fprintln(&text)
	}
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\noutput\tmeasure\thonest\ttolerance")
	for _, o := range c.Outputs {
		fmt.Fprintf(w, "%s\t%s\t%.1e\t%.1e\n", o.Name, o.Scale.Measure, o.Honest, o.Tolerance)
	}
	fmt.Fprintln(w, "\nhonest variation\tfurthest, in tolerances")
	for _, h := range c.Honest {
		fmt.Fprintf(w, "%s\t%.2g\n", h.Kind, h.Worst)
	}
	if !c.Batches {
		fmt.Fprintln(w, "batch\tthe model takes none")
	}
	fmt.Fprintln(w, "\ncheaper version\tmedian, in tolerances\trefused by a challenge\tmissed by a decision")
	for _, v := range c.Cheap {
		fmt.Fprintf(w, "%s\t%.2g\t%.0f %%\t%.1g\n", v.Scheme, v.Median, 100*v.Refused, v.Missed)
	}
	_ = w.Flush() // a strings.Builder takes everything
	return text.String()
}
