package vectors

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"

	"github.com/plexusnet/plexus/consensus"
)

// ErrScript is wrapped by every error about what a script says.
var ErrScript = errors.New("vectors: bad script")

// Pairs is a sparse row written as [uid, value] pairs.
type Pairs [][2]uint16

// Params is the state of a subnet before the first step. Arrays are indexed by uid; missing ones are zeros.
type Params struct {
	N                     int      `json:"n"`
	Stakes                []uint64 `json:"stakes"`
	Kappa                 uint16   `json:"kappa_u16"`
	BondsPenalty          uint16   `json:"bonds_penalty_u16"`
	BondsMovingAverage    uint32   `json:"bonds_moving_average"`
	Yuma3                 bool     `json:"yuma3"`
	LiquidAlpha           bool     `json:"liquid_alpha"`
	AlphaLow              uint16   `json:"alpha_low_u16"`
	AlphaHigh             uint16   `json:"alpha_high_u16"`
	AlphaSigmoidSteepness int16    `json:"alpha_sigmoid_steepness"`
	StakeThreshold        uint64   `json:"stake_threshold"`
	OwnerUID              *int     `json:"owner_uid"`
	CommitReveal          bool     `json:"commit_reveal"`
	Tempo                 uint64   `json:"tempo"`
	ActivityCutoff        uint64   `json:"activity_cutoff_blocks"`
	MaxValidators         uint16   `json:"max_allowed_validators"`
	Block                 uint64   `json:"block"`
	Registered            []uint64 `json:"block_at_registration"`
	LastUpdate            []uint64 `json:"last_update"`
	Emission              uint64   `json:"rao_emission"`

	// Not part of most files: the rest of the state.
	LastEpoch    uint64   `json:"last_epoch_block"` // block of the last epoch, 0 for none
	CommitHeight []uint64 `json:"commit_height"`
	Permit       []bool   `json:"validator_permit"`
	Weights      []Pairs  `json:"weights"`
	Bonds        []Pairs  `json:"bonds"`
}

// Step is one change of the state, or an epoch.
type Step struct {
	Op     string          `json:"op"`
	UID    int             `json:"uid"`
	UIDs   []uint16        `json:"uids"`
	Values []uint16        `json:"values"`
	Expect json.RawMessage `json:"expect"`  // what the source states, on an epoch
	Want   json.RawMessage `json:"derived"` // the full outputs, on an epoch

	raw map[string]json.RawMessage
}

// UnmarshalJSON keeps all fields, since those of set_param have the names of parameters.
func (s *Step) UnmarshalJSON(data []byte) error {
	type plain Step
	if err := json.Unmarshal(data, (*plain)(s)); err != nil {
		return err
	}
	return json.Unmarshal(data, &s.raw)
}

// Script is one vector file.
type Script struct {
	Name   string       `json:"name"`
	Params Params       `json:"params"`
	Steps  []Step       `json:"steps"`
	Cases  []PermitCase `json:"cases"`
}

// PermitCase is the simple form of validator-permit vectors: an epoch, stake added to every server, an epoch.
type PermitCase struct {
	N              int      `json:"n"`
	MaxValidators  uint16   `json:"max_allowed_validators"`
	StakeThreshold uint64   `json:"stake_threshold"`
	Servers        []int    `json:"servers"`
	Stakes         []uint64 `json:"stakes"`
	Added          uint64   `json:"then_add_stake_to_each_server"`
	PermitsAfter1  []bool   `json:"expect_permits_after_epoch_1"`
	PermitsAfter2  []bool   `json:"expect_permits_after_epoch_2"`
}

// maxScript bounds the size of a script in bytes: ten times the largest subnet with dense weights, as text.
const maxScript = 1 << 30

// Parse reads a script. Unknown fields are ignored: files carry notes and expectations.
func Parse(r io.Reader) (*Script, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxScript+1))
	if err != nil {
		return nil, fmt.Errorf("vectors: read: %w", err)
	}
	if len(data) > maxScript {
		return nil, fmt.Errorf("%w: longer than %d bytes", ErrScript, maxScript)
	}
	var s Script
	if err := json.Unmarshal(data, &s); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrScript, err)
	}
	if len(s.Steps) == 0 && len(s.Cases) == 0 {
		return nil, fmt.Errorf("%w: neither steps nor cases", ErrScript)
	}
	return &s, nil
}

// Run executes the steps (or the permit cases) and returns the outputs of every epoch in order.
func (s *Script) Run() ([]Epoch, error) {
	if len(s.Steps) == 0 {
		return s.runCases()
	}
	m, err := newMachine(s.Params)
	if err != nil {
		return nil, err
	}
	var epochs []Epoch
	for i := range s.Steps {
		step := &s.Steps[i]
		if step.Op == "epoch" {
			epoch, err := m.epoch()
			if err != nil {
				return nil, fmt.Errorf("step %d (epoch): %w", i, err)
			}
			epoch.Step = i
			epochs = append(epochs, epoch)
			continue
		}
		if err := m.apply(step); err != nil {
			return nil, fmt.Errorf("step %d (%s): %w", i, step.Op, err)
		}
	}
	return epochs, nil
}

func (s *Script) runCases() ([]Epoch, error) {
	var epochs []Epoch
	for i, c := range s.Cases {
		if len(c.PermitsAfter1) == 0 {
			return nil, fmt.Errorf("%w: case %d has no steps and is no permit case", ErrScript, i)
		}
		m, err := newMachine(Params{N: c.N, Stakes: c.Stakes, StakeThreshold: c.StakeThreshold,
			MaxValidators: c.MaxValidators, Block: 1, Emission: 1_000_000_000})
		if err != nil {
			return nil, fmt.Errorf("case %d: %w", i, err)
		}
		for part := range 2 {
			epoch, err := m.epoch()
			if err != nil {
				return nil, fmt.Errorf("case %d: %w", i, err)
			}
			epoch.Step = 2*i + part
			epochs = append(epochs, epoch)
			for _, uid := range c.Servers {
				if err := m.addStake(uid, c.Added); err != nil {
					return nil, fmt.Errorf("case %d: %w", i, err)
				}
			}
			m.p.Block++
		}
	}
	return epochs, nil
}

// machine is the state between steps.
type machine struct {
	p       Params
	weights []consensus.Row
	bonds   []consensus.Row
	engine  consensus.Engine
}

func newMachine(p Params) (*machine, error) {
	m := &machine{p: p}
	return m, m.load()
}

// load completes and checks the arrays of the parameters and takes over rows given there.
func (m *machine) load() error {
	p := &m.p
	if p.N < 0 || p.N > consensus.MaxNeurons {
		return fmt.Errorf("%w: n = %d, want 0 to %d", ErrScript, p.N, consensus.MaxNeurons)
	}
	if err := errors.Join(
		fill("stakes", &p.Stakes, p.N, 0),
		fill("block_at_registration", &p.Registered, p.N, 0),
		fill("last_update", &p.LastUpdate, p.N, 0),
		fill("commit_height", &p.CommitHeight, p.N, math.MaxUint64),
		fill("validator_permit", &p.Permit, p.N, false),
		takeRows("weights", &m.weights, &p.Weights, p.N),
		takeRows("bonds", &m.bonds, &p.Bonds, p.N),
	); err != nil {
		return err
	}
	return nil
}

func fill[T any](name string, s *[]T, n int, missing T) error {
	if len(*s) == 0 {
		*s = slices.Repeat([]T{missing}, n)
	}
	if len(*s) != n {
		return fmt.Errorf("%w: %s has %d items, n is %d", ErrScript, name, len(*s), n)
	}
	// The parsed script must stay as it was for a second run.
	*s = slices.Clone(*s)
	return nil
}

func takeRows(name string, rows *[]consensus.Row, given *[]Pairs, n int) error {
	if len(*rows) != n {
		*rows = make([]consensus.Row, n)
	}
	if len(*given) == 0 {
		return nil
	}
	if len(*given) != n {
		return fmt.Errorf("%w: %s has %d rows, n is %d", ErrScript, name, len(*given), n)
	}
	for i, pairs := range *given {
		row := make(consensus.Row, len(pairs))
		for k, p := range pairs {
			row[k] = consensus.Entry{UID: p[0], Value: p[1]}
		}
		(*rows)[i] = sorted(row)
	}
	*given = nil
	return nil
}

func sorted(row consensus.Row) consensus.Row {
	slices.SortFunc(row, func(a, b consensus.Entry) int { return int(a.UID) - int(b.UID) })
	return row
}

func (m *machine) apply(s *Step) error {
	switch s.Op {
	case "set_block":
		return s.field(&m.p.Block, "block", "value")
	case "set_tempo":
		return s.field(&m.p.Tempo, "tempo", "value")
	case "set_param":
		return m.setParam(s)
	}
	if s.UID < 0 || s.UID >= m.p.N {
		return fmt.Errorf("%w: uid %d of %d neurons", ErrScript, s.UID, m.p.N)
	}
	switch s.Op {
	case "set_weights":
		row, err := s.row(consensus.MaxUpscale(nil, s.Values))
		if err != nil {
			return err
		}
		m.weights[s.UID] = row
		m.p.LastUpdate[s.UID] = m.p.Block
		m.p.CommitHeight[s.UID] = m.p.Block
		return s.optionalField(&m.p.CommitHeight[s.UID], "commit_height", "commit_block")
	case "put_weights":
		row, err := s.row(s.Values)
		if err != nil {
			return err
		}
		m.weights[s.UID] = row
		return nil
	case "put_bonds":
		row, err := s.row(s.Values)
		if err != nil {
			return err
		}
		m.bonds[s.UID] = row
		return nil
	case "replace_neuron":
		m.p.Registered[s.UID] = m.p.Block
		m.p.Stakes[s.UID] = 0
		m.p.Permit[s.UID] = false
		m.weights[s.UID], m.bonds[s.UID] = nil, nil
		return nil
	case "add_stake":
		var amount uint64
		if err := s.field(&amount, "amount", "stake", "value"); err != nil {
			return err
		}
		return m.addStake(s.UID, amount)
	case "reset_bonds_for_uid":
		for i, row := range m.bonds {
			m.bonds[i] = slices.DeleteFunc(row, func(e consensus.Entry) bool { return int(e.UID) == s.UID })
		}
		return nil
	}
	return fmt.Errorf("%w: unknown op %q", ErrScript, s.Op)
}

func (m *machine) addStake(uid int, amount uint64) error {
	if uid < 0 || uid >= m.p.N {
		return fmt.Errorf("%w: uid %d of %d neurons", ErrScript, uid, m.p.N)
	}
	if m.p.Stakes[uid] > math.MaxUint64-amount {
		return fmt.Errorf("%w: stake of uid %d overflows", ErrScript, uid)
	}
	m.p.Stakes[uid] += amount
	return nil
}

// setParam takes {"name": N, "value": V} or fields named like parameters.
func (m *machine) setParam(s *Step) error {
	set := make(map[string]json.RawMessage, len(s.raw))
	var name string
	if err := s.optionalField(&name, "name", "param", "key"); err != nil {
		return err
	}
	if value, ok := s.raw["value"]; name != "" && ok {
		set[name] = value
	} else {
		for k, v := range s.raw {
			switch k {
			case "op", "comment", "name", "param", "key", "value", "uid":
			default:
				set[k] = v
			}
		}
	}
	if len(set) == 0 {
		return fmt.Errorf(`%w: want {"name": ..., "value": ...} or fields named like params`, ErrScript)
	}
	data, err := json.Marshal(set)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrScript, err)
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&m.p); err != nil {
		return fmt.Errorf("%w: %w", ErrScript, err)
	}
	return m.load()
}

// field reads the first of the named fields that the step has.
func (s *Step) field(dst any, names ...string) error {
	for _, name := range names {
		if _, ok := s.raw[name]; ok {
			return s.optionalField(dst, name)
		}
	}
	return fmt.Errorf("%w: no field %q", ErrScript, names[0])
}

func (s *Step) optionalField(dst any, names ...string) error {
	for _, name := range names {
		data, ok := s.raw[name]
		if !ok {
			continue
		}
		if err := json.Unmarshal(data, dst); err != nil {
			return fmt.Errorf("%w: field %q: %w", ErrScript, name, err)
		}
		return nil
	}
	return nil
}

func (s *Step) row(values []uint16) (consensus.Row, error) {
	if len(s.UIDs) != len(values) {
		return nil, fmt.Errorf("%w: %d uids and %d values", ErrScript, len(s.UIDs), len(values))
	}
	row := make(consensus.Row, len(values))
	for k, uid := range s.UIDs {
		row[k] = consensus.Entry{UID: uid, Value: values[k]}
	}
	return sorted(row), nil
}
