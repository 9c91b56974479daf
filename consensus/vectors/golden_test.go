package vectors_test

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/plexusnet/plexus/consensus/vectors"
	"github.com/stretchr/testify/require"
)

const testdata = "../testdata"

func load(t testing.TB, name string) *vectors.Script {
	t.Helper()
	f, err := os.Open(filepath.Join(testdata, name))
	require.NoError(t, err)
	defer f.Close()
	script, err := vectors.Parse(f)
	require.NoError(t, err)
	return script
}

// stated is one value that the source of a vector asserts.
type stated struct {
	What  string  `json:"what"`
	Value float64 `json:"value"`
	Tol   float64 `json:"tol"`
	UID   *int    `json:"uid"`
	I     *int    `json:"i"`
	J     *int    `json:"j"`
}

func bond(e vectors.Epoch, i, j int) float64 {
	for _, b := range e.Bonds[i] {
		if int(b[0]) == j {
			return float64(b[1])
		}
	}
	return 0
}

func (s stated) got(t *testing.T, e vectors.Epoch) float64 {
	t.Helper()
	switch s.What {
	case "bond_u16":
		return bond(e, *s.I, *s.J)
	case "bond_prop":
		return bond(e, *s.I, *s.J) / math.MaxUint16
	case "dividend_prop":
		return float64(e.Dividends[*s.UID]) / math.MaxUint16
	}
	// Every other name is a field of the output.
	data, err := json.Marshal(e)
	require.NoError(t, err)
	var fields map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(data, &fields))
	require.Contains(t, fields, s.What)
	var values []float64
	require.NoError(t, json.Unmarshal(fields[s.What], &values))
	return values[*s.UID]
}

// TestGoldenEpochs checks every stated value with its tolerance, and every derived output bit for bit.
func TestGoldenEpochs(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(testdata, "*.json"))
	require.NoError(t, err)
	ran := 0
	for _, path := range files {
		name := filepath.Base(path)
		if name == "math_cases.json" || name == "halving.json" || name == "test_validator_permits.json" {
			continue // other forms, tested where their functions are
		}
		ran++
		t.Run(name, func(t *testing.T) {
			script := load(t, name)
			epochs, err := script.Run()
			require.NoError(t, err)
			require.NotEmpty(t, epochs)
			again, err := script.Run()
			require.NoError(t, err)
			require.Equal(t, epochs, again, "a second run of a parsed script")
			for k, e := range epochs {
				step := script.Steps[e.Step]
				if step.Expect != nil {
					var all []stated
					require.NoError(t, json.Unmarshal(step.Expect, &all))
					for _, s := range all {
						require.InDelta(t, s.Value, s.got(t, e), s.Tol, "epoch %d %+v", k, s)
					}
				}
				// Decoding what is derived over the second run's output (its own memory) must change nothing.
				require.NoError(t, json.Unmarshal(step.Want, &again[k]))
				for _, uid := range replacedAfter(script, e.Step) {
					// The files record permits after the replacement that follows the epoch: by the rules a
					// permit depends on stake alone, and these stakes have not changed since the epoch before.
					require.False(t, again[k].Permit[uid])
					again[k].Permit[uid] = epochs[k-1].Permit[uid]
				}
				require.Equal(t, again[k], e, "epoch %d", k)
			}
		})
	}
	require.GreaterOrEqual(t, ran, 5)
}

// replacedAfter lists the uids that are replaced between an epoch step and the next.
func replacedAfter(script *vectors.Script, step int) (uids []int) {
	for _, s := range script.Steps[step+1:] {
		if s.Op == "epoch" {
			break
		}
		if s.Op == "replace_neuron" {
			uids = append(uids, s.UID)
		}
	}
	return uids
}

func TestGoldenPermits(t *testing.T) {
	script := load(t, "test_validator_permits.json")
	epochs, err := script.Run()
	require.NoError(t, err)
	require.Len(t, epochs, 2*len(script.Cases))
	for i, c := range script.Cases {
		require.Equal(t, c.PermitsAfter1, epochs[2*i].Permit, "case %d", i)
		require.Equal(t, c.PermitsAfter2, epochs[2*i+1].Permit, "case %d", i)
	}
}
