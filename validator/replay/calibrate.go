package replay

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/plexusnet/plexus/models"
	"github.com/plexusnet/plexus/models/compare"
	"github.com/plexusnet/plexus/models/ort"
	"github.com/plexusnet/plexus/models/quantize"
)

// CalibrationOptions say how thoroughly a model is calibrated. A zero field takes the default.
type CalibrationOptions struct {
	Spec       Spec   `json:"spec"`
	Seed       uint64 `json:"seed"`       // of everything random
	Candidates int    `json:"candidates"` // challenges per family that are surveyed, and per later step; 48
	Oversample int    `json:"oversample"` // candidates per challenge; 4
}

func (o CalibrationOptions) withDefaults() CalibrationOptions {
	if o.Candidates <= 0 {
		o.Candidates = 48
	}
	if o.Oversample <= 0 {
		o.Oversample = 4
	}
	return o
}

// Calibration is what is known of a model. It is plain data, the same for the same seed on the same machine.
type Calibration struct {
	Model      string       `json:"model"`      // SHA-256 of the file, in hexadecimal
	Library    string       `json:"library"`    // version of ONNX Runtime
	Seed       uint64       `json:"seed"`       //
	Challenges int          `json:"challenges"` // that a decision needs
	Oversample int          `json:"oversample"` // candidates drawn for each
	Families   []Family     `json:"families"`   // that challenges are drawn from
	Shapes     []InputShape `json:"shapes"`     // of the inputs of a challenge
	Batches    bool         `json:"batches"`    // whether challenges can be joined to batches
	Outputs    []Output     `json:"outputs"`
	Honest     []Honest     `json:"honest"`
	Cheap      []Cheap      `json:"cheap"`
}

// InputShape is an input as challenges have it.
type InputShape struct {
	Name  string  `json:"name"`
	Shape []int64 `json:"shape"`
	Moot  bool    `json:"moot,omitempty"` // drawn anew, it never changed an output
}

// Output is how one output is compared.
type Output struct {
	Name      string        `json:"name"`
	Scale     compare.Scale `json:"scale"`
	Honest    float64       `json:"honest"`    // the largest distance of an honest run
	Tolerance float64       `json:"tolerance"` // the largest distance that is accepted
}

// Honest is how far one kind of honest variation goes, as a multiple of the tolerance.
type Honest struct {
	Kind  string  `json:"kind"`
	Worst float64 `json:"worst"`
}

// Cheap is how a cheaper version of the model shows.
type Cheap struct {
	Scheme  quantize.Scheme `json:"scheme"`
	Median  float64         `json:"median"`  // distance as a multiple of the tolerance
	Refused float64         `json:"refused"` // share of single challenges, 0 to 1
	Missed  float64         `json:"missed"`  // chance that a decision accepts it, 0 to 1
}

// Bounds of a tolerance, see the package's documentation, and of the number of challenges.
const (
	leastHeadRoom = 4
	mostHeadRoom  = 32
	leastDistance = 1.0 / (1 << 21)
	minChallenges = 4
	maxChallenges = 64
	maxMissed     = 0.001 // what a decision may miss
)

// floorShare is the part of an output's usual size below which it counts as 0.
const floorShare = 1e-3

// Calibrate finds what tells the model from cheaper versions of it. It fails with ErrSpec when the owner has to say more
// about the inputs, with ErrUnstable when honest machines would disagree, and with models/ort's errors for the model.
func Calibrate(ctx context.Context, rt *ort.Runtime, model []byte, o CalibrationOptions) (_ *Calibration, err error) {
	o = o.withDefaults()
	l, err := openLab(ctx, rt, model, o.Spec, o.Seed)
	defer func() { err = errors.Join(err, l.close()) }()
	if err != nil {
		return nil, err
	}
	return l.calibrate(ctx, rt, model, o)
}

func (l *lab) calibrate(ctx context.Context, rt *ort.Runtime, model []byte, o CalibrationOptions) (*Calibration, error) {
	sum := sha256.Sum256(model)
	c := &Calibration{
		Model: hex.EncodeToString(sum[:]), Library: rt.Version(), Seed: o.Seed, Oversample: o.Oversample, Batches: l.axes != nil,
	}
	g := &generator{inputs: l.inputs, draw: rand.New(rand.NewPCG(o.Seed, 1)), model: l.reference}
	if err := l.survey(ctx, g, c, o); err != nil {
		return nil, err
	}
	if err := l.noteInputs(ctx, g, c); err != nil {
		return nil, err
	}
	if err := l.widen(ctx, rt, model, g, c, o); err != nil {
		return nil, err
	}
	return c, l.measurePower(ctx, g, c, o)
}

// sample is one surveyed challenge: distances by output and measure.
type sample struct {
	honest grid
	cheap  []grid
}

// grid is a distance for each output and each measure that suits it.
type grid [][]float64

// survey tries every family, keeps the best, and chooses a measure and a first tolerance for each output.
func (l *lab) survey(ctx context.Context, g *generator, c *Calibration, o CalibrationOptions) error {
	samples := map[Family][]sample{}
	sizes := make([][]float64, len(l.reference.Outputs()))
	odds := make([]bool, len(sizes))
	for i := range odds {
		odds[i] = true
	}
	for _, f := range l.families() {
		var outputs [][]models.Tensor
		var inputs [][]models.Tensor
		for range o.Candidates {
			in, err := g.next(ctx, f)
			if err != nil {
				return err
			}
			out, err := l.reference.Run(ctx, in, nil)
			if err != nil {
				return fmt.Errorf("run the model on a %s challenge: %w", f, err)
			}
			for i, t := range out {
				sizes[i] = append(sizes[i], compare.Size(t))
				odds[i] = odds[i] && compare.Probabilities(t)
			}
			inputs, outputs = append(inputs, in), append(outputs, out)
		}
		for i := range inputs {
			s, err := l.sample(ctx, inputs[i], outputs[i], sizes, odds)
			if err != nil {
				return err
			}
			if s != nil {
				samples[f] = append(samples[f], *s)
			}
		}
	}
	return c.choose(l, samples, sizes, odds)
}

// families are those that can be drawn for the model.
func (l *lab) families() []Family {
	if !slices.ContainsFunc(l.inputs, func(in input) bool { return in.fractional() }) {
		return []Family{Normal} // it makes no difference
	}
	allowed := Families()
	for _, in := range l.inputs {
		if len(in.families) > 0 {
			allowed = slices.DeleteFunc(allowed, func(f Family) bool { return !slices.Contains(in.families, f) })
		}
	}
	if len(allowed) == 0 { // inputs that have no family in common each take one of their own
		return []Family{Normal}
	}
	return allowed
}

// scalesFor returns, for the k-th measure of every output, its scale.
func scalesFor(outputs []models.TensorSpec, sizes [][]float64, odds []bool, k int) []compare.Scale {
	scales := make([]compare.Scale, len(outputs))
	for i, spec := range outputs {
		suitable := measuresOf(spec.Datatype, odds[i])
		scales[i] = compare.Scale{Measure: suitable[min(k, len(suitable)-1)], Floor: floorShare * quantile(sizes[i], 0.5)}
	}
	return scales
}

// measures is how many measures an output has at most.
const measures = 3

func measuresOf(d models.Datatype, odds bool) []compare.Measure {
	return slices.DeleteFunc(compare.Measures(d), func(m compare.Measure) bool { return m == compare.LogOdds && !odds })
}

// sample measures one challenge in every way. It returns nil for one on which honest runs give other labels.
func (l *lab) sample(ctx context.Context, in, out []models.Tensor, sizes [][]float64, odds []bool) (*sample, error) {
	refs := make([]*compare.Reference, measures)
	for k := range refs {
		var err error
		if refs[k], err = compare.New(out, scalesFor(l.reference.Outputs(), sizes, odds, k)); err != nil {
			return nil, err
		}
	}
	s := &sample{honest: newGrid(len(out))}
	for _, p := range l.probes {
		d, err := distances(ctx, p, in, refs)
		if err != nil {
			return nil, err
		}
		for i := range d {
			for k := range d[i] {
				s.honest[i][k] = max(s.honest[i][k], d[i][k])
			}
		}
	}
	for i, spec := range l.reference.Outputs() {
		if compare.Measures(spec.Datatype)[0] == compare.Differing && s.honest[i][0] > 0 {
			return nil, nil
		}
	}
	for _, m := range l.cheap {
		d, err := distances(ctx, m.session, in, refs)
		if err != nil {
			return nil, err
		}
		s.cheap = append(s.cheap, d)
	}
	return s, nil
}

func newGrid(outputs int) grid {
	g := make(grid, outputs)
	for i := range g {
		g[i] = make([]float64, measures)
	}
	return g
}

func distances(ctx context.Context, s *ort.Session, in []models.Tensor, refs []*compare.Reference) (grid, error) {
	answer, err := s.Run(ctx, in, nil)
	if err != nil {
		return nil, err
	}
	g := newGrid(len(answer))
	for k, ref := range refs {
		ds, err := ref.Distances(answer)
		if err != nil && !errors.Is(err, compare.ErrShape) {
			return nil, err
		}
		for i := range g {
			if err != nil {
				g[i][k] = math.MaxFloat64
			} else {
				g[i][k] = min(ds[i], math.MaxFloat64)
			}
		}
	}
	return g, nil
}

// choose keeps families and measures by how far the mildest cheap version is from the wildest honest run.
func (c *Calibration) choose(l *lab, samples map[Family][]sample, sizes [][]float64, odds []bool) error {
	outputs := l.reference.Outputs()
	chosen := make([]int, len(outputs))
	var best []float64 // by family, in the order of l.families
	top := 0.0
	for i := range outputs {
		widest := -1.0
		for k := range measuresOf(outputs[i].Datatype, odds[i]) {
			for _, f := range l.families() {
				if s := separation(samples[f], i, k); s > widest {
					widest, chosen[i] = s, k
				}
			}
		}
	}
	for _, f := range l.families() {
		s := 0.0
		for i := range outputs {
			s = max(s, separation(samples[f], i, chosen[i]))
		}
		best, top = append(best, s), max(top, s)
	}
	var kept []sample
	for n, f := range l.families() {
		if len(samples[f]) > 0 && best[n] > 0 && best[n] >= top/4 || len(l.cheap) == 0 {
			c.Families = append(c.Families, f)
			kept = append(kept, samples[f]...)
		}
	}
	if len(kept) == 0 {
		return fmt.Errorf("%w: honest runs differ by more than %.0e on every family of challenges, or no cheaper version differs", ErrUnstable, mostHonest)
	}
	for i, spec := range outputs {
		k := chosen[i]
		out := Output{Name: spec.Name, Scale: scalesFor(outputs, sizes, odds, k)[i]}
		var cheap, honest []float64
		for _, s := range kept {
			honest = append(honest, s.honest[i][k])
			cheap = append(cheap, s.mildest(i, k))
		}
		out.Honest = quantile(honest, calm)
		out.Tolerance = out.tolerance(quantile(cheap, 0.75)) // of four candidates the best is asked
		c.Outputs = append(c.Outputs, out)
	}
	return nil
}

// mildest is the distance of the cheaper version that is nearest, without those that do not show at all.
func (s sample) mildest(output, measure int) float64 {
	least := math.MaxFloat64
	for _, g := range s.cheap {
		if d := g[output][measure]; d > 0 {
			least = min(least, d)
		}
	}
	if least == math.MaxFloat64 {
		return 0
	}
	return least
}

// calm is the share of challenges that honest runs agree on best; Draw does not ask the others.
const calm = 0.9

// mostHonest is the largest honest distance of a family that is of use: numbers far out of a model's range blow up every
// last bit, and cheap versions with it.
const mostHonest = 1e-3

// separation is how many times further the mildest cheap version is than honest runs, on the samples that serve best.
func separation(samples []sample, output, measure int) float64 {
	if len(samples) == 0 {
		return 0
	}
	var honest, cheap []float64
	for _, s := range samples {
		honest = append(honest, s.honest[output][measure])
		cheap = append(cheap, s.mildest(output, measure))
	}
	usual := max(leastDistance, quantile(honest, calm))
	if usual > mostHonest {
		return 0
	}
	return quantile(cheap, 0.75) / usual
}

// tolerance lies between honest and cheap.
func (o *Output) tolerance(cheap float64) float64 {
	if o.Scale.Measure == compare.Differing {
		return o.Honest
	}
	between := max(leastHeadRoom*o.Honest, min(mostHeadRoom*o.Honest, math.Sqrt(o.Honest*cheap)))
	return max(leastDistance, between)
}

func quantile(values []float64, q float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	return sorted[int(q*float64(len(sorted)-1))]
}

// noteInputs finds inputs that do not matter: an owner that sees one should look at the spec.
func (l *lab) noteInputs(ctx context.Context, g *generator, c *Calibration) error {
	const tries = 8
	for i := range l.inputs {
		shape := InputShape{Name: l.inputs[i].spec.Name, Shape: l.inputs[i].shape, Moot: len(l.inputs[i].values) != 1}
		for range tries {
			in, err := g.next(ctx, c.Families[0])
			if err != nil {
				return err
			}
			before, err := l.reference.Run(ctx, in, nil)
			if err != nil {
				return err
			}
			in[i] = g.tensor(&l.inputs[i], c.Families[0])
			after, err := l.reference.Run(ctx, in, nil)
			if err != nil {
				return err
			}
			shape.Moot = shape.Moot && equal(before, after)
		}
		c.Shapes = append(c.Shapes, shape)
	}
	return nil
}

// widen runs picked challenges with every number of threads, level of optimisation and batch, and sets the tolerances
// for good.
func (l *lab) widen(ctx context.Context, rt *ort.Runtime, model []byte, g *generator, c *Calibration, o CalibrationOptions) error {
	picked := make([]*drawn, o.Candidates)
	for i := range picked {
		var err error
		if picked[i], err = l.pick(ctx, g, c.Families, c); err != nil {
			return err
		}
	}
	kinds := map[string][]float64{} // worst distance by output
	note := func(kind string, d *drawn, answer []models.Tensor) error {
		distances, err := d.ref.Distances(answer)
		if err != nil {
			return fmt.Errorf("%s changes the outputs' shapes: %w", kind, err)
		}
		if kinds[kind] == nil {
			kinds[kind] = make([]float64, len(distances))
		}
		for i, v := range distances {
			kinds[kind][i] = max(kinds[kind][i], v)
		}
		return nil
	}
	for _, v := range honestVariants() {
		if err := l.runVariant(ctx, rt, model, v, picked, note); err != nil {
			return err
		}
	}
	for i, p := range l.probes {
		kind := "weights' last bits"
		if i == 0 {
			kind = "optimisation"
		}
		for _, d := range picked {
			answer, err := p.Run(ctx, d.inputs, nil)
			if err != nil {
				return err
			}
			if err := note(kind, d, answer); err != nil {
				return err
			}
		}
	}
	return l.settleTolerances(ctx, c, picked, kinds)
}

// variant is an honest way to run the model.
type variant struct {
	kind    string
	options ort.Options
	batch   int // challenges in one run
}

// honestVariants are all ways but the reference's own: batches with each level of optimisation, and threads.
func honestVariants() []variant {
	levels := []ort.Optimization{ort.OptimizeAll, ort.OptimizeExtended, ort.OptimizeBasic, ort.OptimizeNone}
	var variants []variant
	for _, level := range levels {
		for _, threads := range []int{1, 2, 4} {
			kind := "optimisation"
			if threads > 1 {
				kind = "threads"
			}
			variants = append(variants, variant{kind, ort.Options{Optimization: level, IntraOpThreads: threads}, 1})
		}
		for _, n := range []int{2, 3, 8} {
			variants = append(variants, variant{"batch", ort.Options{Optimization: level}, n})
		}
	}
	return variants
}

func (l *lab) runVariant(ctx context.Context, rt *ort.Runtime, model []byte, v variant, picked []*drawn, note func(string, *drawn, []models.Tensor) error) error {
	if v.batch > 1 && l.axes == nil {
		return nil
	}
	session, err := rt.Load(ctx, model, v.options)
	if err != nil {
		return fmt.Errorf("load the pinned model with %+v: %w", v.options, err)
	}
	defer session.Close()
	for group := range slices.Chunk(picked, v.batch) {
		answers, err := l.answers(ctx, session, group)
		if err != nil {
			return fmt.Errorf("run the pinned model with %+v: %w", v.options, err)
		}
		for i, d := range group {
			if err := note(v.kind, d, answers[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

// answers runs a group of challenges as one batch where that can be, one by one else.
func (l *lab) answers(ctx context.Context, s *ort.Session, group []*drawn) ([][]models.Tensor, error) {
	challenges := make([][]models.Tensor, len(group))
	for i, d := range group {
		challenges[i] = d.inputs
	}
	if _, ok := join(l.inputs, challenges); ok && l.axes != nil && len(group) > 1 {
		return runBatch(ctx, s, l.inputs, l.axes, challenges)
	}
	answers := make([][]models.Tensor, len(group))
	for i := range group {
		var err error
		if answers[i], err = s.Run(ctx, challenges[i], nil); err != nil {
			return nil, err
		}
	}
	return answers, nil
}

func (l *lab) settleTolerances(ctx context.Context, c *Calibration, picked []*drawn, kinds map[string][]float64) error {
	mild := make([][]float64, len(c.Outputs))
	for _, d := range picked {
		least := make([]float64, len(c.Outputs))
		for _, m := range l.cheap {
			answer, err := m.session.Run(ctx, d.inputs, nil)
			if err != nil {
				return err
			}
			distances, err := d.ref.Distances(answer)
			if err != nil {
				continue // other shapes are seen without a tolerance
			}
			for i, v := range distances {
				if v > 0 && (least[i] == 0 || v < least[i]) {
					least[i] = v
				}
			}
		}
		for i, v := range least {
			mild[i] = append(mild[i], v)
		}
	}
	for i := range c.Outputs {
		for _, worst := range kinds {
			c.Outputs[i].Honest = max(c.Outputs[i].Honest, worst[i])
		}
		c.Outputs[i].Tolerance = c.Outputs[i].tolerance(quantile(mild[i], 0.05))
	}
	for _, kind := range []string{"threads", "batch", "optimisation", "weights' last bits"} {
		if worst, measured := kinds[kind]; measured {
			_, excess := c.worst(worst)
			c.Honest = append(c.Honest, Honest{Kind: kind, Worst: excess})
		}
	}
	return nil
}

// measurePower counts on fresh challenges how often each cheaper version is refused, and says how many challenges a
// decision needs.
func (l *lab) measurePower(ctx context.Context, g *generator, c *Calibration, o CalibrationOptions) error {
	excesses := make([][]float64, len(l.cheap))
	for range o.Candidates {
		d, err := l.pick(ctx, g, c.Families, c)
		if err != nil {
			return err
		}
		for i, e := range d.cheap {
			excesses[i] = append(excesses[i], e)
		}
	}
	c.Challenges = minChallenges
	for i, m := range l.cheap {
		refused := 0
		for _, e := range excesses[i] {
			if e > 1 {
				refused++
			}
		}
		c.Cheap = append(c.Cheap, Cheap{
			Scheme: m.scheme, Median: quantile(excesses[i], 0.5), Refused: float64(refused) / float64(o.Candidates),
		})
		// One more that was accepted: 48 of 48 is no proof of always.
		accepted := 1 - float64(refused)/float64(o.Candidates+1)
		if refused > 0 {
			c.Challenges = max(c.Challenges, int(math.Ceil(math.Log(maxMissed)/math.Log(accepted))))
		}
	}
	c.Challenges = min(c.Challenges, maxChallenges)
	for i := range c.Cheap {
		accepted := 1 - c.Cheap[i].Refused*float64(o.Candidates)/float64(o.Candidates+1)
		c.Cheap[i].Missed = math.Pow(accepted, float64(c.Challenges))
	}
	return nil
}

// scales returns how outputs are compared.
func (c *Calibration) scales() []compare.Scale {
	scales := make([]compare.Scale, len(c.Outputs))
	for i, o := range c.Outputs {
		scales[i] = o.Scale
	}
	return scales
}

// worst returns the output that is furthest beyond its tolerance, and the distance as a multiple of it.
func (c *Calibration) worst(distances []float64) (output int, excess float64) {
	for i, d := range distances {
		tolerance := c.Outputs[i].Tolerance
		e := 0.0
		switch {
		case d <= 0:
		case tolerance == 0:
			e = math.MaxFloat64
		default:
			e = min(d/tolerance, math.MaxFloat64)
		}
		if e > excess {
			output, excess = i, e
		}
	}
	return output, excess
}
