package ledger

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func open(t testing.TB, folder string, o Options) *Ledger {
	t.Helper()
	l, err := Open(folder, o)
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	return l
}

func all(t testing.TB, folder string, f Filter) []Entry {
	t.Helper()
	var list []Entry
	require.NoError(t, Each(folder, f, func(e Entry) error { list = append(list, e); return nil }))
	return list
}

func TestACallIsSetAsideAndSettled(t *testing.T) {
	folder := t.TempDir()
	l := open(t, folder, Options{})
	who := Account{KeyID: "1", Key: "web", Total: 100, Day: 60}
	hold, err := l.Begin(who, 40, 40)
	require.NoError(t, err)
	require.Equal(t, Spent{Held: 40}, l.Spent("1"))
	_, err = l.Begin(who, 21, 21)
	require.ErrorIs(t, err, ErrBudget, "what is set aside counts")
	require.ErrorContains(t, err, "00:00 UTC")
	require.NoError(t, hold.Settle(Entry{Netuid: 1, UID: 3, Charged: 10, Status: "OK"}, Entry{Netuid: 1, UID: 4, Uncertain: 5, Status: "UNAVAILABLE"}))
	hold.Free()
	require.Equal(t, Spent{Total: 15, Today: 15}, l.Spent("1"))
	list := all(t, folder, Filter{})
	require.Len(t, list, 2)
	require.Equal(t, uint64(1), list[0].Seq)
	require.Equal(t, "web", list[1].Key)
	require.WithinDuration(t, time.Now(), list[0].Time, time.Minute)
}

// What is left is given to a call that takes less than it asked for, and what comes to light later still finds the money
// that was set aside for it.
func TestTheLastOfABudget(t *testing.T) {
	folder := t.TempDir()
	l := open(t, folder, Options{})
	who := Account{KeyID: "1", Key: "web", Total: 100}
	hold, err := l.Begin(who, 1, 300)
	require.NoError(t, err)
	require.Equal(t, uint64(100), hold.Limit())
	_, err = l.Begin(who, 1, 1)
	require.ErrorIs(t, err, ErrBudget)
	_, err = l.Begin(who, 0, 1)
	require.NoError(t, err, "what costs nothing is always affordable")
	require.NoError(t, hold.Enter(Entry{Charged: 30}))
	require.Equal(t, Spent{Total: 30, Today: 30, Held: 70}, l.Spent("1"))
	require.NoError(t, hold.Enter(Entry{Uncertain: 20}))
	require.Equal(t, Spent{Total: 50, Today: 50, Held: 50}, l.Spent("1"))
	hold.Free()
	hold.Free()
	require.Equal(t, Spent{Total: 50, Today: 50}, l.Spent("1"))
	require.Len(t, all(t, folder, Filter{}), 2)
}

func TestADayEndsAtMidnightUTC(t *testing.T) {
	now := time.Date(2026, 5, 1, 23, 59, 0, 0, time.FixedZone("east", 7200)) // 21:59 UTC
	l := open(t, t.TempDir(), Options{Now: func() time.Time { return now }})
	who := Account{KeyID: "1", Key: "web", Total: 100, Day: 50}
	spend := func(n uint64) error {
		hold, err := l.Begin(who, n, n)
		if err == nil {
			err = hold.Settle(Entry{Charged: n})
		}
		return err
	}
	require.NoError(t, spend(50))
	require.ErrorIs(t, spend(1), ErrBudget)
	now = now.Add(2 * time.Hour)
	require.ErrorIs(t, spend(1), ErrBudget, "midnight elsewhere")
	now = now.Add(2 * time.Minute)
	require.NoError(t, spend(50))
	now = now.Add(24 * time.Hour)
	require.ErrorIs(t, spend(1), ErrBudget, "the total")
	require.ErrorContains(t, spend(1), "100 nplx in all")
}

// Whatever is asked at once, nothing is spent beyond a budget.
func TestManyCallsNeverOverspend(t *testing.T) {
	folder := t.TempDir()
	l := open(t, folder, Options{SegmentBytes: 4 << 10})
	who := Account{KeyID: "1", Key: "web", Total: 5_000, Day: 4_000}
	var spent atomic.Uint64
	var refused atomic.Int64
	var group sync.WaitGroup
	for worker := range 32 {
		group.Go(func() {
			random := rand.New(rand.NewPCG(uint64(worker), 1))
			for range 50 {
				limit := 1 + random.Uint64N(20)
				hold, err := l.Begin(who, limit, limit)
				if err != nil {
					refused.Add(1)
					continue
				}
				cost := random.Uint64N(limit + 1)
				spent.Add(cost)
				if hold.Settle(Entry{Charged: cost}) != nil {
					panic("settle")
				}
			}
		})
	}
	group.Wait()
	require.LessOrEqual(t, spent.Load(), uint64(4_000))
	require.Greater(t, spent.Load(), uint64(3_900), "and all but the last little is spent")
	require.Positive(t, refused.Load())
	require.Equal(t, Spent{Total: spent.Load(), Today: spent.Load()}, l.Spent("1"))
	sum := uint64(0)
	for _, e := range all(t, folder, Filter{}) {
		sum += e.Charged
	}
	require.Equal(t, spent.Load(), sum)
}

// The ledger does what a plain sum does, however often it is closed and begun anew, with segments of any size.
func TestSumsSurvive(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		folder, err := os.MkdirTemp(t.TempDir(), "")
		require.NoError(rt, err)
		options := Options{SegmentBytes: rapid.Int64Range(1, 3000).Draw(rt, "segment")}
		l, err := Open(folder, options)
		require.NoError(rt, err)
		want, calls := map[string]uint64{}, 0
		var holds []*Hold
		rt.Repeat(map[string]func(*rapid.T){
			"begin": func(rt *rapid.T) {
				limit := rapid.Uint64Range(0, 1000).Draw(rt, "limit")
				h, err := l.Begin(Account{KeyID: rapid.SampledFrom([]string{"a", "b", "c"}).Draw(rt, "key")}, limit, limit)
				require.NoError(rt, err)
				holds = append(holds, h)
			},
			"settle": func(rt *rapid.T) {
				if len(holds) == 0 {
					rt.Skip()
				}
				h := holds[0]
				holds = holds[1:]
				cost := rapid.Uint64Range(0, h.Limit()).Draw(rt, "cost")
				want[h.KeyID] += cost
				calls++
				require.NoError(rt, h.Settle(Entry{Charged: cost}))
			},
			"reopen": func(rt *rapid.T) {
				require.NoError(rt, l.Close())
				for _, h := range holds { // as a crash leaves them
					want[h.KeyID] += h.Limit()
					calls++
				}
				holds = nil
				l, err = Open(folder, options)
				require.NoError(rt, err)
			},
			"": func(rt *rapid.T) {
				for _, key := range []string{"a", "b", "c"} {
					require.Equal(rt, want[key], l.Spent(key).Total, key)
				}
				require.Len(rt, all(t, folder, Filter{}), calls)
			},
		})
		require.NoError(rt, l.Close())
	})
}

// Wherever a program is stopped while it writes, what was written before is there, and nothing of what was half written.
func TestATornLineIsCutOff(t *testing.T) {
	folder := t.TempDir()
	l := open(t, folder, Options{})
	for i := range 3 {
		hold, err := l.Begin(Account{KeyID: "1", Key: "web"}, 100, 100)
		require.NoError(t, err)
		require.NoError(t, hold.Settle(Entry{Charged: uint64(10 + i)}))
	}
	require.NoError(t, l.Close())
	paths, err := segments(folder)
	require.NoError(t, err)
	whole, err := os.ReadFile(paths[0])
	require.NoError(t, err)
	head := bytes.IndexByte(whole, '\n') + 1
	for cut := head; cut <= len(whole); cut++ {
		if near := whole[max(head, cut-2):min(len(whole), cut+2)]; cut%11 != 0 && !bytes.ContainsRune(near, '\n') {
			continue // within a line one place is like another
		}
		copied := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(copied, filepath.Base(paths[0])), whole[:cut], 0o600))
		again := open(t, copied, Options{})
		lines := bytes.Count(whole[head:cut], []byte("\n"))
		want := uint64(0)
		for i := range lines / 2 {
			want += uint64(10 + i)
		}
		if lines%2 == 1 {
			want += 100 // begun, and nobody knows how it ended
		}
		require.Equal(t, want, again.Spent("1").Total, "cut after %d bytes", cut)
		hold, err := again.Begin(Account{KeyID: "1"}, 1, 1)
		require.NoError(t, err)
		require.NoError(t, hold.Settle(Entry{Charged: 1}))
		require.NoError(t, again.Close())
		list := all(t, copied, Filter{})
		require.Equal(t, (lines+1)/2+1, len(list))
	}
}

func TestDamageIsFound(t *testing.T) {
	folder := t.TempDir()
	l := open(t, folder, Options{})
	for range 3 {
		hold, err := l.Begin(Account{KeyID: "1"}, 100, 100)
		require.NoError(t, err)
		require.NoError(t, hold.Settle(Entry{Charged: 7}))
	}
	_, err := Open(folder, Options{})
	require.ErrorIs(t, err, ErrLocked)
	require.NoError(t, l.Close())
	paths, err := segments(folder)
	require.NoError(t, err)
	whole, err := os.ReadFile(paths[0])
	require.NoError(t, err)
	for at := 0; at < len(whole)-1; at += 7 {
		bad := bytes.Clone(whole)
		bad[at] ^= 1
		if bad[at] == '\n' || whole[at] == '\n' {
			continue // another number of lines, which the checksums find too
		}
		require.NoError(t, os.WriteFile(paths[0], bad, 0o600))
		_, err := Open(folder, Options{})
		require.ErrorIs(t, err, ErrCorrupt, "byte %d", at)
		require.ErrorContains(t, err, "line")
	}
}

func TestOldSegmentsGoAndSumsStay(t *testing.T) {
	folder := t.TempDir()
	l := open(t, folder, Options{SegmentBytes: 2 << 10, MaxBytes: 8 << 10})
	for range 300 {
		hold, err := l.Begin(Account{KeyID: "1", Key: "web"}, 5, 5)
		require.NoError(t, err)
		require.NoError(t, hold.Settle(Entry{Charged: 5, Model: "digits", Status: "OK"}))
	}
	require.Equal(t, uint64(1500), l.Spent("1").Total)
	require.NoError(t, l.Close())
	paths, err := segments(folder)
	require.NoError(t, err)
	total := int64(0)
	for _, path := range paths {
		info, err := os.Stat(path)
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
		total += info.Size()
	}
	require.Less(t, total, int64(11<<10))
	list := all(t, folder, Filter{})
	require.Less(t, len(list), 100)
	require.Equal(t, uint64(300), list[len(list)-1].Seq)
	require.Equal(t, uint64(1500), open(t, folder, Options{}).Spent("1").Total)
}

// A full disk stops the spending, not the counting.
func TestWhatTheDiskDoesNotTakeIsWrittenLater(t *testing.T) {
	folder := t.TempDir()
	l := open(t, folder, Options{Sync: time.Hour})
	hold, err := l.Begin(Account{KeyID: "1"}, 100, 100)
	require.NoError(t, err)
	good := l.file
	paths, err := segments(folder)
	require.NoError(t, err)
	full, err := os.Open(paths[0]) // read only: every write fails
	require.NoError(t, err)
	l.file = full
	require.ErrorIs(t, hold.Settle(Entry{Charged: 60}), ErrWrite)
	require.Equal(t, uint64(60), l.Spent("1").Total, "it counts all the same")
	_, err = l.Begin(Account{KeyID: "1"}, 1, 1)
	require.ErrorIs(t, err, ErrWrite)
	require.ErrorIs(t, l.Ready(), ErrWrite)
	require.NoError(t, full.Close())
	l.file = good
	require.NoError(t, l.Ready())
	require.Equal(t, uint64(60), all(t, folder, Filter{})[0].Charged)
}

func TestExport(t *testing.T) {
	folder := t.TempDir()
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	l := open(t, folder, Options{Now: func() time.Time { return now }})
	for i, key := range []string{"web", "batch", "web"} {
		hold, err := l.Begin(Account{KeyID: "id-" + key, Key: key}, 100, 100)
		require.NoError(t, err)
		require.NoError(t, hold.Settle(Entry{Model: "=cmd()", Netuid: 2, UID: 7, Hotkey: "plx1h", Channel: 5, Lane: 1, Charged: uint64(i + 1), Latency: 900, Status: "OK", BytesIn: 3136, BytesOut: 40}))
		now = now.Add(time.Hour)
	}
	var out bytes.Buffer
	require.NoError(t, WriteCSV(&out, folder, Filter{Key: "web"}))
	rows, err := csv.NewReader(&out).ReadAll()
	require.NoError(t, err)
	require.Len(t, rows, 3)
	require.Equal(t, []string{"3", "2026-05-01T14:00:00Z", "web", "id-web", "'=cmd()", "2", "7", "plx1h", "5", "1", "3", "0", "900", "OK", "3136", "40"}, rows[2])
	require.Len(t, rows[0], len(rows[2]))

	for name, test := range map[string]struct {
		filter Filter
		want   []uint64
	}{
		"all": {Filter{}, []uint64{1, 2, 3}}, "by id": {Filter{Key: "id-batch"}, []uint64{2}}, "nobody": {Filter{Key: "x"}, []uint64{}},
		"since": {Filter{Since: time.Date(2026, 5, 1, 13, 0, 0, 0, time.UTC)}, []uint64{2, 3}},
		"until": {Filter{Until: time.Date(2026, 5, 1, 13, 0, 0, 0, time.UTC)}, []uint64{1}},
	} {
		out.Reset()
		require.NoError(t, WriteJSON(&out, folder, test.filter))
		list := []Entry{}
		require.NoError(t, json.Unmarshal(out.Bytes(), &list), "%s: %s", name, out.String())
		got := []uint64{}
		for _, e := range list {
			got = append(got, e.Seq)
		}
		require.Equal(t, test.want, got, name)
	}
	out.Reset()
	require.NoError(t, WriteCSV(&out, filepath.Join(folder, "none"), Filter{}))
	require.Equal(t, 1, strings.Count(out.String(), "\n"))
}

// killVariable makes the test's own program one that spends until it is killed, and says what it has spent.
const killVariable = "PLEXUS_LEDGER_TEST_SPEND"

func TestMain(m *testing.M) {
	if folder := os.Getenv(killVariable); folder != "" {
		spendForever(folder)
	}
	os.Exit(m.Run())
}

func spendForever(folder string) {
	l, err := Open(folder, Options{SegmentBytes: 8 << 10})
	if err != nil {
		panic(err)
	}
	for i := uint64(1); ; i++ {
		hold, err := l.Begin(Account{KeyID: "1", Key: "web"}, 10, 10)
		if err != nil {
			panic(err)
		}
		if err := hold.Settle(Entry{Charged: 7}); err != nil {
			panic(err)
		}
		fmt.Println(i)
	}
}

// A program that is killed at any moment has in its ledger every call that it has told of, and at most one more.
func TestKill(t *testing.T) {
	folder := t.TempDir()
	told := uint64(0)
	for round := range 4 {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), killVariable+"="+folder)
		pipe, err := cmd.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		lines := bufio.NewScanner(pipe)
		said := uint64(0)
		for lines.Scan() {
			said, err = strconv.ParseUint(lines.Text(), 10, 64)
			require.NoError(t, err)
			if said == uint64(200+37*round) {
				require.NoError(t, cmd.Process.Kill())
			}
		}
		require.Error(t, cmd.Wait(), "killed")
		told += said

		l, err := Open(folder, Options{})
		require.NoError(t, err)
		settled, lost := uint64(0), uint64(0)
		for _, e := range all(t, folder, Filter{}) {
			if e.Status == StatusUnknown {
				lost++
				require.Equal(t, uint64(10), e.Uncertain)
				continue
			}
			settled++
			require.Equal(t, uint64(7), e.Charged)
		}
		require.GreaterOrEqual(t, settled, told)
		require.LessOrEqual(t, settled+lost, told+uint64(round+1))
		require.Equal(t, 7*settled+10*lost, l.Spent("1").Total)
		require.NoError(t, l.Close())
		told = settled
	}
}

// FuzzDecode: no line makes reading it panic, and what is read writes as the same line.
func FuzzDecode(f *testing.F) {
	line, err := record{Open: &opened{Seq: 1, Key: "web", Limit: 5}}.encode()
	require.NoError(f, err)
	f.Add(line[:len(line)-1])
	f.Add([]byte("00000000 {}"))
	f.Fuzz(func(t *testing.T, line []byte) {
		r, err := decode(line)
		if err != nil {
			require.ErrorIs(t, err, ErrCorrupt)
			return
		}
		again, err := r.encode()
		require.NoError(t, err)
		back, err := decode(again[:len(again)-1])
		require.NoError(t, err)
		require.Equal(t, r, back)
	})
}

func BenchmarkBeginSettle(b *testing.B) {
	l := open(b, b.TempDir(), Options{})
	b.ReportAllocs()
	for b.Loop() {
		hold, err := l.Begin(Account{KeyID: "1", Key: "web"}, 10, 10)
		if err != nil {
			b.Fatal(err)
		}
		if err := hold.Settle(Entry{Model: "digits", Netuid: 1, UID: 3, Hotkey: "plx1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq", Charged: 7, Status: "OK"}); err != nil {
			b.Fatal(err)
		}
	}
}
