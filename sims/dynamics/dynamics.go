package dynamics

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/plexusnet/plexus/sims"
	"github.com/plexusnet/plexus/sims/random"
)

var (
	// ErrSystem is wrapped by every reason to refuse a system.
	ErrSystem = errors.New("system of stocks and flows")
	// ErrBooks ends a run in which something came from nowhere or went nowhere, or a number is not finite.
	ErrBooks = errors.New("stocks and flows do not balance")
)

// Outside is where flows come from that mint, and go to that burn.
const Outside = ""

// MaxSteps bounds a run: 30 years of 12 second blocks are 79 million.
const MaxSteps = 1 << 32

// balanceTolerance is how far rounding may part the books, relative to all that has flowed: a double has 16 digits, and
// errors of random sign grow with the root of the steps.
const balanceTolerance = 1e-9

// System describes stocks and what moves between them.
type System struct {
	Stocks      []Stock
	Windows     []Window
	Auxiliaries []Auxiliary
	Flows       []Flow
	Step        float64 // seconds, over 0
	Steps       uint64  // of a run, 1 to MaxSteps
	Every       uint64  // steps between two records; 0: 1
}

// Stock is an amount that sits somewhere. Initial is what is there before the first step.
type Stock struct {
	Name, Unit, Doc string
	Initial         float64 // not negative
}

// Flow moves an amount between two stocks, or one and Outside, in each step.
type Flow struct {
	Name, Unit, Doc string
	From, To        string                 // names of stocks, or Outside
	Rate            func(s *State) float64 // amount per step; less than 0 moves nothing
}

// Window is the mean of a flow over the last Steps steps, those before the first counting 0.
type Window struct {
	Flow  string
	Steps int // 1 to 10 million
}

// Auxiliary is a quantity that is computed from others, and recorded.
type Auxiliary struct {
	Name, Unit, Doc string
	Value           func(s *State) float64 // of the state at the end of a step
}

// State is what rates and auxiliaries see. Indexes are those of the System's slices.
type State struct {
	Step    uint64  // the one being computed; 1 is the first, 0 stands for the state before it
	Seconds float64 // at its end
	Rand    *rand.Rand

	values  []float64 // stocks, then flows, then auxiliaries: a record
	stocks  int
	flows   int
	rates   []float64
	windows []window
}

// Stock returns what is in a stock.
func (s *State) Stock(i int) float64 { return s.values[i] }

// Flow returns what a flow moved in the step before; 0 in the first.
func (s *State) Flow(i int) float64 { return s.values[s.stocks+i] }

// Auxiliary returns an auxiliary. Rates see it as of the end of the step before, like stocks; an auxiliary sees those
// before it as of the end of this step.
func (s *State) Auxiliary(i int) float64 { return s.values[s.stocks+s.flows+i] }

// Window returns the mean of its flow over the steps so far.
func (s *State) Window(i int) float64 { return s.windows[i].mean() }

// Model is a System that can be run.
type Model struct {
	system  System
	columns []sims.Column
	wires   []wire // by flow
	watched []int  // flow of each window
}

// wire is a flow's ends as indexes of stocks, -1 for Outside.
type wire struct{ from, to int }

// New checks a system. Errors wrap ErrSystem.
func New(system System) (*Model, error) {
	if system.Every == 0 {
		system.Every = 1
	}
	m := &Model{system: system}
	switch {
	case !(system.Step > 0) || math.IsInf(system.Step, 0):
		return nil, fmt.Errorf("%w: a step of %g seconds; give more than 0", ErrSystem, system.Step)
	case system.Steps == 0 || system.Steps > MaxSteps:
		return nil, fmt.Errorf("%w: %d steps; give 1 to %d", ErrSystem, system.Steps, uint64(MaxSteps))
	}
	names := map[string]bool{Outside: true}
	add := func(name, unit, doc string) error {
		if names[name] {
			return fmt.Errorf("%w: the name %q is empty or taken", ErrSystem, name)
		}
		names[name] = true
		m.columns = append(m.columns, sims.Column{Name: name, Unit: unit, Doc: doc})
		return nil
	}
	stocks := map[string]int{Outside: -1}
	for i, s := range system.Stocks {
		if err := add(s.Name, s.Unit, s.Doc); err != nil {
			return nil, err
		}
		if !(s.Initial >= 0) || math.IsInf(s.Initial, 0) {
			return nil, fmt.Errorf("%w: stock %s begins with %g; give a finite amount, 0 or more", ErrSystem, s.Name, s.Initial)
		}
		stocks[s.Name] = i
	}
	flows := map[string]int{}
	for i, f := range system.Flows {
		if err := add(f.Name, f.Unit, f.Doc); err != nil {
			return nil, err
		}
		from, known := stocks[f.From]
		to, alsoKnown := stocks[f.To]
		switch {
		case !known || !alsoKnown:
			return nil, fmt.Errorf("%w: flow %s runs from %q to %q, of which one is no stock", ErrSystem, f.Name, f.From, f.To)
		case from == to:
			return nil, fmt.Errorf("%w: flow %s ends where it begins", ErrSystem, f.Name)
		case f.Rate == nil:
			return nil, fmt.Errorf("%w: flow %s has no rate", ErrSystem, f.Name)
		}
		m.wires = append(m.wires, wire{from, to})
		flows[f.Name] = i
	}
	for _, a := range system.Auxiliaries {
		if err := add(a.Name, a.Unit, a.Doc); err != nil {
			return nil, err
		}
		if a.Value == nil {
			return nil, fmt.Errorf("%w: %s has no value", ErrSystem, a.Name)
		}
	}
	for _, w := range system.Windows {
		flow, known := flows[w.Flow]
		if !known || w.Steps < 1 || w.Steps > 10_000_000 {
			return nil, fmt.Errorf("%w: a window of %d steps over %q; name a flow and give 1 to 10 million", ErrSystem, w.Steps, w.Flow)
		}
		m.watched = append(m.watched, flow)
	}
	return m, nil
}

// Columns are the stocks, the flows (what they moved in the recorded step) and the auxiliaries.
func (m *Model) Columns() []sims.Column { return m.columns }

// Records tells how often a run records: before the first step, then every Every steps, and after the last.
func (m *Model) Records() uint64 {
	n := 1 + m.system.Steps/m.system.Every
	if m.system.Steps%m.system.Every != 0 {
		n++
	}
	return n
}

// Run simulates once.
func (m *Model) Run(ctx context.Context, seed uint64, rec sims.Recorder) error {
	s := m.start(seed)
	if err := rec.Record(0, 0, s.values); err != nil {
		return err
	}
	outside := books{inside: total(s.values[:s.stocks])}
	next := m.system.Every
	for step := uint64(1); step <= m.system.Steps; step++ {
		if step&0xfff == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		s.Step, s.Seconds = step, float64(step)*m.system.Step
		m.advance(s, &outside)
		if err := outside.check(s.values[:s.stocks]); err != nil {
			return fmt.Errorf("step %d: %w", step, err)
		}
		if step != next && step != m.system.Steps {
			continue
		}
		next = step + m.system.Every
		if err := rec.Record(step, s.Seconds, s.values); err != nil {
			return err
		}
	}
	return ctx.Err()
}

func (m *Model) start(seed uint64) *State {
	s := &State{
		Rand:   random.New(seed).Stream("dynamics"),
		values: make([]float64, len(m.columns)),
		stocks: len(m.system.Stocks), flows: len(m.system.Flows),
		rates:   make([]float64, len(m.system.Flows)),
		windows: make([]window, len(m.system.Windows)),
	}
	for i, stock := range m.system.Stocks {
		s.values[i] = stock.Initial
	}
	for i, w := range m.system.Windows {
		s.windows[i].past = make([]float64, w.Steps)
	}
	m.observe(s)
	return s
}

func (m *Model) observe(s *State) {
	for i := range m.system.Auxiliaries {
		s.values[s.stocks+s.flows+i] = m.system.Auxiliaries[i].Value(s)
	}
}

// advance computes one step: all rates on the state that the step before left, then the flows in order, then what is
// computed from the new state.
func (m *Model) advance(s *State, outside *books) {
	for i := range m.system.Flows {
		s.rates[i] = max(0, m.system.Flows[i].Rate(s))
	}
	for i, w := range m.wires {
		amount := s.rates[i]
		if w.from >= 0 {
			amount = min(amount, s.values[w.from])
			s.values[w.from] -= amount
		} else {
			outside.enter(amount)
		}
		if w.to >= 0 {
			s.values[w.to] += amount
		} else {
			outside.leave(amount)
		}
		s.values[s.stocks+i] = amount
	}
	for i, flow := range m.watched {
		s.windows[i].push(s.values[s.stocks+flow])
	}
	m.observe(s)
}
