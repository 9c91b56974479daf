package batching_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/plexusnet/plexus/models"
	"github.com/plexusnet/plexus/models/batching"
	"github.com/plexusnet/plexus/models/ort"
	"github.com/plexusnet/plexus/models/ort/orttest"
	"github.com/plexusnet/plexus/models/repository"
)

// fixed is a model of two columns whose run costs a fixed time and gives the double of each element.
type fixed struct {
	cost   func(rows int64) time.Duration
	mix    bool // add the first row to every other
	refuse float32
}

func (fixed) Inputs() []models.TensorSpec {
	return []models.TensorSpec{{Name: "x", Datatype: models.FP32, Shape: []int64{-1, 2}}}
}
func (fixed) Outputs() []models.TensorSpec {
	return []models.TensorSpec{{Name: "y", Datatype: models.FP32, Shape: []int64{-1, 2}}}
}

var errRefused = errors.New("refused")

func (f fixed) Run(ctx context.Context, in []models.Tensor, _ []string) ([]models.Tensor, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if f.cost != nil {
		for end := time.Now().Add(f.cost(in[0].Shape[0])); time.Now().Before(end); {
		}
	}
	x, err := in[0].Float32s()
	if err != nil {
		return nil, err
	}
	y := make([]float32, len(x))
	for i := range x {
		if f.refuse != 0 && x[i] == f.refuse {
			return nil, errRefused
		}
		y[i] = 2 * x[i]
		if f.mix {
			y[i] += x[0]*float32(len(x)) + 1
		}
	}
	return []models.Tensor{models.FromFloat32s("y", in[0].Shape, y)}, nil
}

func TestBatchesAreUsedWhereTheyHelp(t *testing.T) {
	plan := batching.Measure(t.Context(), fixed{cost: func(int64) time.Duration { return 200 * time.Microsecond }}, batching.Options{})
	require.GreaterOrEqual(t, plan.MaxRows, 8, "%+v", plan)
	require.Contains(t, plan.Reason, "times as fast")
	plan = batching.Measure(t.Context(), fixed{cost: func(n int64) time.Duration { return time.Duration(n*n) * 100 * time.Microsecond }}, batching.Options{})
	require.Zero(t, plan.MaxRows, "%+v", plan)
	plan = batching.Measure(t.Context(), fixed{mix: true}, batching.Options{})
	require.Zero(t, plan.MaxRows)
	require.Contains(t, plan.Reason, "influence each other")
}

func call(values ...float32) *batching.Call {
	return &batching.Call{Inputs: []models.Tensor{models.FromFloat32s("x", []int64{int64(len(values)) / 2, 2}, values)}}
}

func outputs(t *testing.T, c *batching.Call) []float32 {
	t.Helper()
	require.NoError(t, c.Err)
	values, err := c.Outputs[0].Float32s()
	require.NoError(t, err)
	require.Equal(t, c.Inputs[0].Shape, c.Outputs[0].Shape)
	return values
}

func TestEachGetsItsOwnRows(t *testing.T) {
	calls := []*batching.Call{call(1, 2), call(3, 4, 5, 6), call(7, 8)}
	batching.Run(fixed{}, nil, calls)
	require.Equal(t, []float32{2, 4}, outputs(t, calls[0]))
	require.Equal(t, []float32{6, 8, 10, 12}, outputs(t, calls[1]))
	require.Equal(t, []float32{14, 16}, outputs(t, calls[2]))
}

func TestOneBadCallDoesNotSpoilTheOthers(t *testing.T) {
	calls := []*batching.Call{call(1, 2), call(3, 4), call(5, 6)}
	batching.Run(fixed{refuse: 4}, nil, calls)
	require.Equal(t, []float32{2, 4}, outputs(t, calls[0]))
	require.ErrorIs(t, calls[1].Err, errRefused)
	require.Equal(t, []float32{10, 12}, outputs(t, calls[2]))
}

func TestABatchOutlivesItsCallersButTheLast(t *testing.T) {
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	calls := []*batching.Call{call(1, 2), call(3, 4)}
	calls[0].Ctx, calls[1].Ctx = gone, t.Context()
	batching.Run(fixed{}, nil, calls)
	require.Equal(t, []float32{6, 8}, outputs(t, calls[1]))

	calls = []*batching.Call{call(1, 2), call(3, 4)}
	calls[0].Ctx, calls[1].Ctx = gone, gone
	batching.Run(fixed{}, nil, calls)
	require.ErrorIs(t, calls[0].Err, context.Canceled)
	require.ErrorIs(t, calls[1].Err, context.Canceled)
}

func TestKey(t *testing.T) {
	two := []models.Tensor{{Name: "x", Shape: []int64{2, 3}}, {Name: "y", Shape: []int64{2}}}
	key, rows := batching.Key("m", two, nil)
	require.Equal(t, 2, rows)
	same, _ := batching.Key("m", []models.Tensor{{Name: "x", Shape: []int64{1, 3}}, {Name: "y", Shape: []int64{1}}}, nil)
	require.Equal(t, key, same)
	for name, other := range map[string][]models.Tensor{
		"another shape":    {{Name: "x", Shape: []int64{2, 4}}, {Name: "y", Shape: []int64{2}}},
		"another order":    {two[1], two[0]},
		"rows that differ": {{Name: "x", Shape: []int64{2, 3}}, {Name: "y", Shape: []int64{1}}},
		"no rows":          {{Name: "x", Shape: []int64{0, 3}}, {Name: "y", Shape: []int64{0}}},
		"a scalar":         {{Name: "x", Shape: []int64{}}},
	} {
		got, _ := batching.Key("m", other, nil)
		require.NotEqual(t, key, got, name)
	}
	got, _ := batching.Key("m", two, []string{"a"})
	require.NotEqual(t, key, got, "other outputs")
}

// TestRealModels: every shared model gets a plan, and batches give what single rows give.
func TestRealModels(t *testing.T) {
	repo, err := repository.Open(t.Context(), orttest.Open(t), orttest.RealModels(t), repository.Options{})
	require.NoError(t, err)
	defer repo.Close()
	for _, m := range repo.Index() {
		plan := batching.Measure(t.Context(), m.Session, batching.Options{})
		t.Logf("%s: max rows %d: %s %v", m.Name, plan.MaxRows, plan.Reason, plan.Points)
		require.NotEmpty(t, plan.Reason)
	}
}

func TestAModelThatIsNoBatchModel(t *testing.T) {
	data, err := os.ReadFile(filepath.Join(orttest.RealModels(t), "mnist-8", "model.onnx"))
	require.NoError(t, err)
	session, err := orttest.Open(t).Load(t.Context(), data, ort.Options{})
	require.NoError(t, err)
	defer session.Close()
	plan := batching.Measure(t.Context(), session, batching.Options{})
	require.Zero(t, plan.MaxRows)
	require.Contains(t, plan.Reason, "is not free")
}
