package replay

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/plexusnet/plexus/models/ort/orttest"
)

// realModels are the shared models and what an owner says of them.
var realModels = []struct {
	name string
	spec string
}{
	{"mnist-8", ""},
	{"silero-vad-16kop15", "{inputs: {input: {shape: [1, 576]}, sr: {values: [16000]}}}"},
	{"byte-sentence-lstm-de", ""},
	{"lgbm-wine-classifier-hummingbird", ""},
	{"iris-logreg", ""},
	{"sklearn-randomforest-iris-zipmap", ""},
}

func readModel(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(orttest.RealModels(t), name, "model.onnx"))
	require.NoError(t, err)
	return data
}

func TestRealModelsAreCalibrated(t *testing.T) {
	rt := orttest.Open(t)
	for _, m := range realModels {
		t.Run(m.name, func(t *testing.T) {
			spec, err := ParseSpec([]byte(m.spec))
			require.NoError(t, err)
			start := time.Now()
			c, err := Calibrate(t.Context(), rt, readModel(t, m.name), CalibrationOptions{Spec: spec, Seed: 1})
			require.NoError(t, err)
			t.Logf("%s\n%s", time.Since(start), c)
			require.GreaterOrEqual(t, c.Challenges, minChallenges)
			for _, o := range c.Outputs {
				require.LessOrEqual(t, leastHeadRoom*o.Honest, o.Tolerance, o.Name)
			}
			for _, cheap := range c.Cheap {
				require.LessOrEqual(t, cheap.Missed, maxMissed, cheap.Scheme)
			}
		})
	}
}
