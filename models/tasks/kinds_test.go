package tasks_test

import (
	"crypto/sha256"
	"encoding/hex"
	"math"
	"runtime"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plexusnet/plexus/models"
	"github.com/plexusnet/plexus/models/tasks"
)

// each runs a test for every kind there is.
func each(t *testing.T, test func(t *testing.T, kind tasks.Kind)) {
	for _, name := range tasks.Names() {
		t.Run(name, func(t *testing.T) {
			kind, err := tasks.ByName(name)
			require.NoError(t, err)
			require.Equal(t, name, kind.Task().Name)
			test(t, kind)
		})
	}
}

func next(t testing.TB, source tasks.Source) tasks.Challenge {
	t.Helper()
	c, err := source.Next()
	require.NoError(t, err)
	return c
}

func TestChallengesAreWhatTheTaskTakes(t *testing.T) {
	each(t, func(t *testing.T, kind tasks.Kind) {
		source := kind.Source(models.FixedSeed(kind.Task().Name, "test", 1))
		for range 200 {
			c := next(t, source)
			require.NoError(t, models.ValidateInputs(kind.Task().Inputs, c.Inputs, models.Limits{}))
			require.Equal(t, int64(1), c.Inputs[0].Shape[0], "a batch of one")
		}
	})
}

func TestLabelsAreEvenlySpreadAndNoChallengeComesTwice(t *testing.T) {
	const n = 3000
	each(t, func(t *testing.T, kind tasks.Kind) {
		seed, err := models.RandomSeed()
		require.NoError(t, err)
		source := kind.Source(seed)
		counts := make([]int, kind.Classes())
		seen := map[string]bool{}
		for range n {
			c := next(t, source)
			counts[c.Label]++
			seen[string(c.Inputs[0].Data)] = true
		}
		require.Len(t, seen, n)
		share := 1 / float64(kind.Classes())
		for label, count := range counts {
			require.InDelta(t, n*share, count, 6*math.Sqrt(n*share*(1-share)), "class %d", label) // six standard deviations
		}
	})
}

// golden are the SHA-256 of the first 20 challenges of a seed, inputs and labels. A change here changes every model
// trained from a fixed seed, and what old models score.
func golden() map[string]string {
	return map[string]string{
		"digits": "eb6587e2989ac33156bd45f951cfa38db6cfe5e88004b9ceaa9a31222b6b13c2",
		"text":   "5dbb0b15828bb825b7315e123f1e3c51b6111421ef8b3137ac17169495426a9a",
		"audio":  "bf0be033340cf17870820e625201f43bc2cb573367322aba478eba31ceee92f9",
	}
}

func TestTheSameSeedDrawsTheSameChallenges(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("other processors may fuse a product and a sum, which moves a last bit here and there")
	}
	each(t, func(t *testing.T, kind tasks.Kind) {
		name := kind.Task().Name
		require.Equal(t, golden()[name], digest(t, kind.Source(models.FixedSeed(name, "golden", 1))))
		require.NotEqual(t, golden()[name], digest(t, kind.Source(models.FixedSeed(name, "golden", 2))))
	})
}

func digest(t testing.TB, source tasks.Source) string {
	t.Helper()
	hash := sha256.New()
	for range 20 {
		c := next(t, source)
		hash.Write(c.Inputs[0].Data)
		hash.Write([]byte{byte(c.Label)})
	}
	return hex.EncodeToString(hash.Sum(nil))
}

func TestAKindMayBeSharedByGoroutines(t *testing.T) {
	each(t, func(t *testing.T, kind tasks.Kind) {
		name := kind.Task().Name
		want := digest(t, kind.Source(models.FixedSeed(name, "golden", 1)))
		digests := make([]string, 4)
		var group sync.WaitGroup
		for i := range digests {
			group.Go(func() { digests[i] = digest(t, kind.Source(models.FixedSeed(name, "golden", 1))) })
		}
		group.Wait()
		for _, d := range digests {
			require.Equal(t, want, d)
		}
	})
}

func TestAnswersAreReadByName(t *testing.T) {
	each(t, func(t *testing.T, kind tasks.Kind) {
		n := kind.Classes()
		spec := kind.Task().Outputs[0]
		certain := make([]float32, 2*n)
		certain[0], certain[2*n-1] = 1, 1
		good := models.FromFloat32s(spec.Name, []int64{2, int64(n)}, certain)
		other := models.FromFloat32s("other", []int64{1}, []float32{7})

		rows, err := kind.Probabilities([]models.Tensor{other, good})
		require.NoError(t, err)
		require.Len(t, rows, 2)
		require.Equal(t, 1.0, rows[0][0])
		require.Equal(t, 1.0, rows[1][n-1])

		_, err = kind.Probabilities([]models.Tensor{other})
		require.ErrorIs(t, err, models.ErrAnswer)
		require.ErrorContains(t, err, `no output named "`+spec.Name+`"`)
		_, err = kind.Probabilities([]models.Tensor{models.FromFloat32s(spec.Name, []int64{1, int64(n)}, make([]float32, n))})
		require.ErrorIs(t, err, models.ErrAnswer)
		require.ErrorContains(t, err, "add up to 0")
	})
}

func TestUnknownTask(t *testing.T) {
	_, err := tasks.ByName("chess")
	require.ErrorIs(t, err, tasks.ErrTask)
	require.ErrorContains(t, err, `"chess"; there are digits, text, audio`)
}
