package pace

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestPauseAbsorbsWhatAgreeingTakes(t *testing.T) {
	for name, overhead := range map[string]func(*rand.Rand) time.Duration{
		"steady":   func(*rand.Rand) time.Duration { return 200 * time.Millisecond },
		"jittered": func(r *rand.Rand) time.Duration { return time.Duration(r.IntN(800)) * time.Millisecond },
		"long":     func(*rand.Rand) time.Duration { return 5 * time.Second },
	} {
		t.Run(name, func(t *testing.T) {
			const target, blocks, settled = 12 * time.Second, 500, 20
			random := rand.New(rand.NewPCG(1, 2))
			p := New(target)
			start := time.Unix(1_700_000_000, 0)
			now, before, settledAt := start, start.Add(-target), start
			for h := range int64(blocks) {
				// A block bears the time of the agreement before it.
				pause := p.Pause(h+1, before)
				require.GreaterOrEqual(t, pause, target/2)
				require.LessOrEqual(t, pause, target)
				if h == settled {
					settledAt = now
				}
				if h > settled {
					require.InDelta(t, target.Seconds(), now.Sub(before).Seconds(), 1, "block %d", h)
				}
				before, now = now, now.Add(pause+overhead(random))
			}
			mean := now.Sub(settledAt) / (blocks - settled)
			require.InDelta(t, target.Seconds(), mean.Seconds(), 0.01)
		})
	}
}

func TestPauseStartsAnewAfterAHalt(t *testing.T) {
	const target = 10 * time.Second
	start := time.Unix(1_700_000_000, 0)
	p := New(target)
	require.Equal(t, target, p.Pause(0, start.Add(-24*time.Hour)), "the time that the node was down is not made up for")
	require.Equal(t, target, p.Pause(1, start))
	require.Equal(t, target-time.Second, p.Pause(2, start.Add(12*time.Second)))
	require.Equal(t, target, p.Pause(3, start.Add(time.Hour)), "an hour is not made up for")
	require.Equal(t, target-2*time.Second, p.Pause(4, start.Add(time.Hour+14*time.Second)))
}

func TestPauseNeverExceedsTheTargetWhenAhead(t *testing.T) {
	const target = 10 * time.Second
	start := time.Unix(1_700_000_000, 0)
	p := New(target)
	p.Pause(0, start.Add(-target))
	p.Pause(1, start)
	require.Equal(t, target, p.Pause(2, start.Add(time.Second)))
}
