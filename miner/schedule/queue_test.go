package schedule_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/plexusnet/plexus/miner/schedule"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const soon = 30 * time.Second

// enter puts a request into the queue in the background and waits until it is there. What becomes of it comes later.
func enter(t *testing.T, q *schedule.Queue, ctx context.Context, r schedule.Request) <-chan result {
	t.Helper()
	before := q.Waiting()
	out := make(chan result, 1)
	go func() {
		place, err := q.Enter(ctx, r)
		out <- result{place, err}
	}()
	require.Eventually(t, func() bool { return q.Waiting() > before || len(out) > 0 }, soon, 50*time.Microsecond)
	return out
}

type result struct {
	place schedule.Place
	err   error
}

func mustEnter(t *testing.T, q *schedule.Queue, r schedule.Request) schedule.Place {
	t.Helper()
	place, err := q.Enter(t.Context(), r)
	require.NoError(t, err)
	return place
}

func TestFullQueueSaysWhenToComeBack(t *testing.T) {
	q := schedule.New(schedule.Options{Slots: 1, Queue: 1})
	place := mustEnter(t, q, schedule.Request{Caller: "a"})
	waiting := enter(t, q, t.Context(), schedule.Request{Caller: "a"})
	_, err := q.Enter(t.Context(), schedule.Request{Caller: "a"})
	require.ErrorIs(t, err, schedule.ErrFull)
	var full *schedule.FullError
	require.ErrorAs(t, err, &full)
	require.Equal(t, 1, full.Waiting)
	require.Positive(t, full.RetryAfter)
	place.Leave()
	got := <-waiting
	require.NoError(t, got.err)
	got.place.Leave()
	require.Zero(t, q.Bytes())
}

func TestAFloodWaitsBehindItself(t *testing.T) {
	q := schedule.New(schedule.Options{Slots: 1, Queue: 100})
	place := mustEnter(t, q, schedule.Request{Caller: "flood"})
	var mu sync.Mutex
	var order []string
	var group sync.WaitGroup
	run := func(caller string) {
		ready := enter(t, q, t.Context(), schedule.Request{Caller: caller})
		group.Go(func() {
			got := <-ready
			mu.Lock()
			order = append(order, caller)
			mu.Unlock()
			got.place.Leave()
		})
	}
	for range 20 {
		run("flood")
	}
	run("quiet")
	place.Leave()
	group.Wait()
	require.Equal(t, "quiet", order[0], "who waits for the first time goes before the flood: %v", order)
}

func TestAFullQueueMakesRoomForWhoIsDueEarlier(t *testing.T) {
	q := schedule.New(schedule.Options{Slots: 1, Queue: 3})
	place := mustEnter(t, q, schedule.Request{Caller: "flood"})
	var floods []<-chan result
	for range 3 {
		floods = append(floods, enter(t, q, t.Context(), schedule.Request{Caller: "flood"}))
	}
	quiet := make(chan result, 1)
	go func() {
		place, err := q.Enter(t.Context(), schedule.Request{Caller: "quiet"})
		quiet <- result{place, err}
	}()
	require.ErrorIs(t, (<-floods[2]).err, schedule.ErrFull, "the flood's last request gives way")
	place.Leave()
	got := <-quiet
	require.NoError(t, got.err)
	got.place.Leave()
	for _, f := range floods[:2] {
		got := <-f
		require.NoError(t, got.err)
		got.place.Leave()
	}
}

// TestSharesFollowWeights: two callers that always want more get slots in proportion to their weights.
func TestSharesFollowWeights(t *testing.T) {
	for _, heavy := range []uint64{1, 3, 7} {
		q := schedule.New(schedule.Options{Slots: 1, Queue: 100})
		place := mustEnter(t, q, schedule.Request{Caller: "first"})
		const each = 24
		ran := make(chan string, 2*each)
		var group sync.WaitGroup
		for range each {
			for caller, weight := range map[string]uint64{"light": 1, "heavy": heavy} {
				ready := enter(t, q, t.Context(), schedule.Request{Caller: caller, Weight: weight})
				group.Go(func() {
					got := <-ready
					ran <- caller // before the next may run
					got.place.Leave()
				})
			}
		}
		place.Leave()
		group.Wait()
		count := 0
		for range each {
			if <-ran == "heavy" {
				count++
			}
		}
		require.InDelta(t, float64(each)*float64(heavy)/float64(heavy+1), count, 2, "weight %d", heavy)
	}
}

func TestWhoGivesUpLeavesNoTrace(t *testing.T) {
	q := schedule.New(schedule.Options{Slots: 1, Queue: 10, MaxBytes: 100})
	place := mustEnter(t, q, schedule.Request{Caller: "a", Bytes: 40})
	ctx, cancel := context.WithCancel(t.Context())
	waiting := enter(t, q, ctx, schedule.Request{Caller: "b", Bytes: 50})
	require.Equal(t, int64(90), q.Bytes())
	_, err := q.Enter(t.Context(), schedule.Request{Caller: "c", Bytes: 11})
	require.ErrorIs(t, err, schedule.ErrFull, "memory is bounded in total")
	cancel()
	require.ErrorIs(t, (<-waiting).err, context.Canceled)
	require.Equal(t, int64(40), q.Bytes())
	place.Leave()
	require.Zero(t, q.Bytes())
	_, err = q.Enter(ctx, schedule.Request{})
	require.ErrorIs(t, err, context.Canceled)
	mustEnter(t, q, schedule.Request{Caller: "b"}).Leave()
}

func TestRequestsOfAKindAreTakenAlong(t *testing.T) {
	q := schedule.New(schedule.Options{Slots: 1, Queue: 10})
	place := mustEnter(t, q, schedule.Request{Caller: "a", Batch: "m", Rows: 1})
	require.Empty(t, place.Take(8), "nobody waits")
	small := enter(t, q, t.Context(), schedule.Request{Caller: "b", Batch: "m", Rows: 2, Payload: "small"})
	large := enter(t, q, t.Context(), schedule.Request{Caller: "c", Batch: "m", Rows: 9, Payload: "large"})
	other := enter(t, q, t.Context(), schedule.Request{Caller: "d", Batch: "n", Rows: 1, Payload: "other"})
	ctx, cancel := context.WithCancel(t.Context())
	gone := enter(t, q, ctx, schedule.Request{Caller: "e", Batch: "m", Rows: 1, Payload: "gone"})

	taken := place.Take(7)
	require.Len(t, taken, 2)
	require.Equal(t, "small", taken[0].Payload)
	require.Equal(t, "gone", taken[1].Payload)
	cancel()
	select {
	case <-gone:
		t.Fatal("its memory is still being read")
	case <-time.After(10 * time.Millisecond):
	}
	for _, w := range taken {
		w.Done()
	}
	for _, ready := range []<-chan result{small, gone} {
		got := <-ready
		require.NoError(t, got.err)
		require.True(t, got.place.Joined())
		require.Empty(t, got.place.Take(7))
		got.place.Leave()
	}
	place.Leave()
	for _, ready := range []<-chan result{large, other} {
		got := <-ready
		require.NoError(t, got.err)
		require.False(t, got.place.Joined())
		got.place.Leave()
	}
	require.Zero(t, q.Bytes())
}

// TestNothingIsLost: many callers who come, wait, give up and take each other along: every slot comes back.
func TestNothingIsLost(t *testing.T) {
	q := schedule.New(schedule.Options{Slots: 3, Queue: 20, MaxBytes: 1000})
	var group sync.WaitGroup
	for i := range 16 {
		group.Go(func() {
			for n := range 300 {
				ctx, cancel := context.WithTimeout(context.Background(), time.Duration((i*n)%7)*50*time.Microsecond+time.Microsecond)
				place, err := q.Enter(ctx, schedule.Request{Caller: string(rune('a' + i%5)), Weight: uint64(i%3 + 1), Bytes: int64(i), Batch: "m", Rows: 1})
				if err == nil {
					for _, taken := range place.Take(i % 4) {
						taken.Done()
					}
					place.Leave()
				}
				cancel()
			}
		})
	}
	group.Wait()
	require.Zero(t, q.Waiting())
	require.Zero(t, q.Bytes())
	for range 3 {
		mustEnter(t, q, schedule.Request{}) // all three slots are there
	}
}

func BenchmarkEnter(b *testing.B) {
	q := schedule.New(schedule.Options{Slots: 4, Queue: 64})
	for b.Loop() {
		place, err := q.Enter(b.Context(), schedule.Request{Caller: "a"})
		if err != nil {
			b.Fatal(err)
		}
		place.Leave()
	}
}
