// Package simtest has small models whose behaviour is known, to test what is done to models: an autoregressive walk, a
// chaotic map, and two functions whose sensitivity indices have closed forms.
package simtest

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/plexusnet/plexus/sims"
	"github.com/plexusnet/plexus/sims/random"
)

// Walk is x' = Phi x + Drift + Sigma e, with independent standard normal e, in Width independent columns.
type Walk struct {
	Phi    float64       `yaml:"phi"`
	Drift  float64       `yaml:"drift"`
	Sigma  float64       `yaml:"sigma"`
	Steps  int           `yaml:"steps"`
	Width  int           `yaml:"width"`
	Pause  time.Duration `yaml:"pause"`  // at each step, for tests that interrupt
	Ragged bool          `yaml:"ragged"` // every third seed stops after half of the steps, another third records every second step
}

// Columns are x0, x1, ...
func (w Walk) Columns() []sims.Column {
	var columns []sims.Column
	for i := range w.Width {
		columns = append(columns, sims.Column{Name: fmt.Sprintf("x%d", i), Unit: "1", Doc: "an autoregressive walk"})
	}
	return columns
}

// Records is Steps, unless seeds differ.
func (w Walk) Records() uint64 { return uint64(w.Steps) }

// Run implements sims.Model. Steps last 12 seconds.
func (w Walk) Run(ctx context.Context, seed uint64, rec sims.Recorder) error {
	source := random.New(seed).Stream("walk")
	x := make([]float64, w.Width)
	steps, stride := w.Steps, 1
	if w.Ragged {
		switch seed % 3 {
		case 0:
			steps /= 2
		case 1:
			stride = 2
		}
	}
	for step := range steps {
		for i := range x {
			x[i] = w.Phi*x[i] + w.Drift + w.Sigma*source.NormFloat64()
		}
		if step%1024 == 0 || w.Pause > 0 {
			time.Sleep(w.Pause)
			if err := ctx.Err(); err != nil {
				return err
			}
		}
		if step%stride != 0 {
			continue
		}
		if err := rec.Record(uint64(step), 12*float64(step), x); err != nil {
			return err
		}
	}
	return nil
}

// Logistic is the map x' = R x (1 - x) from a start that the seed draws.
type Logistic struct {
	R     float64 `yaml:"r"`
	Steps int     `yaml:"steps"`
}

// Columns is x.
func (Logistic) Columns() []sims.Column {
	return []sims.Column{{Name: "x", Unit: "1", Doc: "the logistic map"}}
}

// Run implements sims.Model.
func (l Logistic) Run(ctx context.Context, seed uint64, rec sims.Recorder) error {
	x := []float64{random.New(seed).Stream("start").Float64()}
	for step := range uint64(l.Steps) {
		if err := rec.Record(step, float64(step), x); err != nil {
			return err
		}
		x[0] *= l.R * (1 - x[0])
	}
	return ctx.Err()
}

// Ishigami is sin x1 + A sin^2 x2 + B x3^4 sin x1, for x in [-pi, pi], with noise of deviation Noise.
type Ishigami struct {
	A     float64    `yaml:"a"`
	B     float64    `yaml:"b"`
	Noise float64    `yaml:"noise"`
	X     [3]float64 `yaml:"x"`
}

// Columns is y.
func (Ishigami) Columns() []sims.Column {
	return []sims.Column{{Name: "y", Unit: "1", Doc: "the Ishigami function"}}
}

// Run implements sims.Model.
func (f Ishigami) Run(_ context.Context, seed uint64, rec sims.Recorder) error {
	s := math.Sin(f.X[0])
	y := s + f.A*math.Pow(math.Sin(f.X[1]), 2) + f.B*math.Pow(f.X[2], 4)*s
	if f.Noise > 0 {
		y += f.Noise * random.New(seed).Stream("noise").NormFloat64()
	}
	return rec.Record(0, 0, []float64{y})
}

// Indices are the exact first and total order indices for uniform x (Ishigami and Homma, 1990).
func (f Ishigami) Indices() (first, total [3]float64) {
	pi4 := math.Pow(math.Pi, 4)
	v1 := 0.5 * math.Pow(1+f.B*pi4/5, 2)
	v2 := f.A * f.A / 8
	v13 := f.B * f.B * pi4 * pi4 * (1.0/18 - 1.0/50)
	v := v1 + v2 + v13
	return [3]float64{v1 / v, v2 / v, 0}, [3]float64{(v1 + v13) / v, v2 / v, v13 / v}
}

// G is Sobol's g-function, the product of (|4 x - 2| + a) / (1 + a) for x in [0, 1].
type G struct {
	A []float64 `yaml:"a"`
	X []float64 `yaml:"x"`
}

// Columns is y.
func (G) Columns() []sims.Column {
	return []sims.Column{{Name: "y", Unit: "1", Doc: "Sobol's g-function"}}
}

// Run implements sims.Model.
func (g G) Run(_ context.Context, _ uint64, rec sims.Recorder) error {
	y := 1.0
	for i, a := range g.A {
		y *= (math.Abs(4*g.X[i]-2) + a) / (1 + a)
	}
	return rec.Record(0, 0, []float64{y})
}

// Indices are the exact first and total order indices for uniform x (Saltelli and Sobol, 1995).
func (g G) Indices() (first, total []float64) {
	product := 1.0
	partial := make([]float64, len(g.A))
	for i, a := range g.A {
		partial[i] = 1 / (3 * (1 + a) * (1 + a))
		product *= 1 + partial[i]
	}
	for _, v := range partial {
		first = append(first, v/(product-1))
		total = append(total, v*product/(1+v)/(product-1))
	}
	return first, total
}
