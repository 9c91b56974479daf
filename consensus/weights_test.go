package consensus

import (
	"encoding/json"
	"math"
	"os"
	"slices"
	"testing"

	"github.com/plexusnet/plexus/consensus/fixed"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// mathCase is one entry of testdata/math_cases.json.
type mathCase struct {
	Function  string          `json:"function"`
	Test      string          `json:"test"`
	Input     json.RawMessage `json:"input"`
	Expected  json.RawMessage `json:"expected"`
	Tolerance float64         `json:"tolerance"`
}

// fromNum reads a number, or a limit by name, as the nearest 32.32 number.
func fromNum(v any) fixed.I32F32 {
	switch v := v.(type) {
	case float64:
		return fixed.I32F32(math.RoundToEven(v * float64(fixed.One)))
	case string:
		switch v {
		case "I32F32::MAX":
			return fixed.Max
		case "I32F32::MIN":
			return fixed.Min
		}
	}
	panic(v)
}

// TestGoldenMath checks every case whose function this module has under a name of its own. The others (masks, clips,
// products and averages of whole matrices) are steps inside the epoch, which the epoch vectors check.
func TestGoldenMath(t *testing.T) {
	data, err := os.ReadFile("testdata/math_cases.json")
	require.NoError(t, err)
	var file struct{ Cases []mathCase }
	require.NoError(t, json.Unmarshal(data, &file))
	ran := 0
	for _, c := range file.Cases {
		decode := func(v any) { require.NoError(t, json.Unmarshal(c.Input, v)) }
		expect := func(v any) { require.NoError(t, json.Unmarshal(c.Expected, v)) }
		ran++
		switch c.Function {
		case "vec_max_upscale_to_u16", "vec_u16_max_upscale_to_u16":
			var in []any
			var want []uint16
			decode(&in)
			expect(&want)
			values := make([]uint64, len(in))
			for i, v := range in {
				values[i] = uint64(fromNum(v))
			}
			require.Equal(t, want, MaxUpscale([]uint16{}, values), "%s", c.Input)
		case "check_vec_max_limited":
			var in struct {
				Weights []uint16 `json:"weights_u16"`
				Limit   uint16   `json:"max_limit_u16"`
			}
			var want bool
			decode(&in)
			expect(&want)
			var row Row
			for i, v := range in.Weights {
				row = append(row, Entry{uint16(i), v})
			}
			require.Equal(t, want, WithinMaxWeight(row, in.Limit), "%s", c.Input)
		case "sigmoid_safe":
			var in struct {
				X          []any
				Rho, Kappa float64
			}
			var want []float64
			decode(&in)
			expect(&want)
			for i, x := range in.X {
				require.Equal(t, fromNum(want[i]), fixed.Sigmoid(fromNum(x), fromNum(in.Rho), fromNum(in.Kappa)), "%v", x)
			}
		case "alpha_from_bonds_moving_average":
			require.Equal(t, fromNum(0.1), fixed.One-fixed.FromRatio(900_000, averageUnit))
		case "u64 stake normalisation: I64F64(x)/I64F64(21e15) then to I32F32":
			var stake uint64
			decode(&stake)
			var want struct{ I32F32 string }
			expect(&want)
			share := fixed.FromRatio(stake, 21e15)
			require.Equal(t, want.I32F32 == "1", share == fixed.One)
			require.Equal(t, want.I32F32 != "1", share == 1, "the smallest stake that counts is one step")
			require.Zero(t, fixed.FromRatio(4_889_443, 21e15))
		case "weighted_median":
			var in struct {
				Stake, Score []float64
				Majority     float64
				Normalise    bool `json:"normalise_stake_first"`
			}
			var want float64
			decode(&in)
			expect(&want)
			if !in.Normalise {
				require.InDelta(t, want, median(in.Stake, in.Score, in.Majority).Float64(), 1e-9, "%s", c.Input)
			}
		case "weighted_median_col (dense and sparse)":
			var in struct {
				Stake, Flat []float64
				Columns     int
				Majority    float64
			}
			var want []float64
			decode(&in)
			expect(&want)
			for j, w := range want {
				var col []float64
				for i := range in.Stake {
					col = append(col, in.Flat[i*in.Columns+j])
				}
				require.InDelta(t, w, median(in.Stake, col, in.Majority).Float64(), 1e-9, "%s column %d", c.Input, j)
			}
		case "is_topk":
			var in struct {
				Values []uint64
				K      uint16
			}
			var want []bool
			decode(&in)
			expect(&want)
			for i := range in.Values {
				in.Values[i]++ // permits are for non-zero stakes
			}
			require.Equal(t, want, permits(t, in.Values, in.K))
		case "fixed_to_u16 / u16_to_fixed":
			var v uint16
			decode(&v)
			require.Equal(t, v, fixed.FromU16(v).U16())
		case "fixed_to_u64":
			require.Zero(t, fixed.FromInt(-1).MulInt(5), "negative amounts are none")
		case "vecdiv":
			require.Equal(t, fixed.Zero, fixed.One.Div(0))
		default:
			ran--
		}
	}
	require.Equal(t, 40, ran)
}

// median runs the engine's selection on one column of scores in [0, 1].
func median(stake, score []float64, majority float64) fixed.I32F32 {
	e := &Engine{votes: new(lane)}
	w := &worker{e: e, keys: make([]uint64, len(stake))}
	var val []uint64
	var row []uint16
	for k, s := range stake {
		e.votes[k] = uint64(fromNum(s))
		e.allVotes += int64(fromNum(s))
		if s > 0 {
			e.voters++
		}
		val, row = append(val, uint64(fromNum(score[k]))), append(row, uint16(k))
	}
	e.minority = e.allVotes - int64(fromNum(majority))
	return fixed.I32F32(w.consensus(val, row))
}

func permits(t *testing.T, stake []uint64, k uint16) []bool {
	n := len(stake)
	var e Engine
	out, err := e.Epoch(&Input{Params: Params{MaxValidators: k}, OwnerUID: -1, Stake: stake, LastUpdate: make([]uint64, n),
		Registered: make([]uint64, n), Permit: make([]bool, n), Weights: make([]Row, n), Bonds: make([]Row, n)})
	require.NoError(t, err)
	return append([]bool{}, out.Permit...)
}

func TestMaxUpscaleIsTheRoundedRatio(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOf(rapid.Uint32Range(0, 1<<20)).Draw(t, "values")
		top := slices.Max(append([]uint32{0}, values...))
		got := MaxUpscale(nil, values)
		require.Len(t, got, len(values))
		for i, v := range values {
			want := 0.0
			if top > 0 {
				want = math.Floor(float64(v)*math.MaxUint16/float64(top) + 0.5)
			}
			require.Equal(t, uint16(want), got[i])
		}
	})
	require.Equal(t, []uint16{math.MaxUint16, 32768}, MaxUpscale(nil, []uint64{math.MaxUint64, math.MaxUint64/2 + 1}))
}

func TestApportionLosesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		amount := rapid.Uint64().Draw(t, "amount")
		n := rapid.IntRange(0, 50).Draw(t, "n")
		shares := make([]fixed.I32F32, n)
		left := int64(fixed.One)
		for i := range shares {
			s := rapid.Int64Range(-5, left).Draw(t, "share")
			shares[i] = fixed.I32F32(s)
			left -= max(s, 0)
		}
		dst := make([]uint64, n)
		rest, err := Apportion(dst, amount, shares)
		require.NoError(t, err)
		sum := rest
		for i, d := range dst {
			require.LessOrEqual(t, d, amount-sum+rest, "no more than there is")
			require.Equal(t, max(shares[i], 0).MulInt(amount), d)
			sum += d
		}
		require.Equal(t, amount, sum)
	})
	_, err := Apportion(make([]uint64, 2), 10, []fixed.I32F32{fixed.One, 1})
	require.ErrorIs(t, err, ErrShares)
	_, err = Apportion(make([]uint64, 1), 10, []fixed.I32F32{fixed.Max})
	require.ErrorIs(t, err, ErrShares)
}
