package replay

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"strings"
	"time"

	"github.com/plexusnet/plexus/models"
	"github.com/plexusnet/plexus/models/ort"
	"github.com/plexusnet/plexus/validator/mechanism"
)

// Name is what Describe calls the mechanism.
const Name = "replay"

// What can be wrong with a model or an answer.
var (
	ErrModel    = errors.New("not the pinned model")
	ErrMismatch = errors.New("not the pinned model's answer")
	ErrLate     = errors.New("too late")
)

// Options say what is pinned and what a good miner is. A zero field takes the default.
type Options struct {
	SHA256      string        // of the model, in hexadecimal; empty: not checked
	Target      time.Duration // an answer as quick as this scores 1; 50 ms
	Deadline    time.Duration // one as slow as this scores 0; 2 s
	TargetRate  float64       // answers per second over a round, for validators that ask all at once; 0: not counted
	Calibration CalibrationOptions
	Cache       string // folder that keeps calibrations; empty: none are kept
}

func (o Options) withDefaults() Options {
	o.Target = cmp.Or(o.Target, 50*time.Millisecond)
	o.Deadline = cmp.Or(o.Deadline, 2*time.Second)
	return o
}

// Mechanism rewards who runs the pinned model, exactly and quickly.
type Mechanism struct {
	options     Options
	calibration *Calibration
	lab         *lab
	generator   *generator
	task        models.Task
}

var _ mechanism.Mechanism = (*Mechanism)(nil)

// New loads and calibrates a model, or takes a calibration that Options.Cache holds. It fails with ErrModel for a file
// that is not the pinned one, and with Calibrate's errors.
func New(ctx context.Context, rt *ort.Runtime, model []byte, o Options) (*Mechanism, error) {
	o = o.withDefaults()
	if o.Target >= o.Deadline || o.Target < 0 {
		return nil, fmt.Errorf("the target of %s must lie between 0 and the deadline of %s", o.Target, o.Deadline)
	}
	sum := sha256.Sum256(model)
	if got := hex.EncodeToString(sum[:]); o.SHA256 != "" && !strings.EqualFold(got, o.SHA256) {
		return nil, fmt.Errorf("%w: want SHA-256 %s, got %s", ErrModel, o.SHA256, got)
	}
	c, err := calibration(ctx, rt, model, o)
	if err != nil {
		return nil, fmt.Errorf("calibrate the pinned model: %w", err)
	}
	var seed [32]byte
	_, _ = rand.Read(seed[:]) // it never fails
	l, err := openLab(ctx, rt, model, o.Calibration.Spec, o.Calibration.Seed)
	if err != nil {
		return nil, errors.Join(err, l.close())
	}
	m := &Mechanism{options: o, calibration: c, lab: l}
	m.generator = &generator{inputs: l.inputs, draw: mathrand.New(mathrand.NewChaCha8(seed)), model: l.reference}
	m.task = models.Task{
		Name: cmp.Or(l.reference.Metadata()[models.MetadataTask], Name), Inputs: l.reference.Inputs(), Outputs: l.reference.Outputs(),
		Metric: "share of exact answers, and how quick they are",
	}
	return m, nil
}

func calibration(ctx context.Context, rt *ort.Runtime, model []byte, o Options) (*Calibration, error) {
	if o.Cache == "" {
		return Calibrate(ctx, rt, model, o.Calibration)
	}
	return Cached(ctx, rt, model, o.Calibration, o.Cache)
}

// Describe implements mechanism.Mechanism. Guessing earns nothing here, and all honest miners answer alike.
func (m *Mechanism) Describe() mechanism.Description {
	return mechanism.Description{Name: Name, Task: m.task}
}

// Calibration returns what is tolerated and how many challenges a decision needs. It must not be changed.
func (m *Mechanism) Calibration() *Calibration { return m.calibration }

// Draw implements mechanism.Mechanism. Fewer challenges than Calibration().Challenges find cheaters less surely.
func (m *Mechanism) Draw(ctx context.Context, n int) (mechanism.Round, error) {
	r := &round{options: m.options, calibration: m.calibration, drawn: make([]*drawn, n)}
	for i := range r.drawn {
		var err error
		if r.drawn[i], err = m.lab.pick(ctx, m.generator, m.calibration.Families, m.calibration); err != nil {
			return nil, fmt.Errorf("draw challenge %d of %d: %w", i+1, n, err)
		}
	}
	return r, nil
}

// Close implements mechanism.Mechanism.
func (m *Mechanism) Close() error { return m.lab.close() }
