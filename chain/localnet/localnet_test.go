package localnet

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/plexusnet/plexus/chain/localnet/files"
	"github.com/plexusnet/plexus/chain/timelock"
	subnetv1 "github.com/plexusnet/plexus/proto/plexus/subnet/v1"
	"github.com/plexusnet/plexus/subnet"
)

// golden compares with a file in testdata, which UPDATE_GOLDEN=1 writes anew.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if os.Getenv("UPDATE_GOLDEN") != "" {
		require.NoError(t, os.WriteFile(path, []byte(got), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(want), got)
}

func someView() *View {
	return &View{
		Elapsed: 83 * time.Second, Height: 42, Created: 2, Epoch: 4, Paid: 2, Next: 52,
		Supply: 108_023_590_841_404, Minted: 41 * subnet.PLX, Burned: 17_409_158_596,
		Rows: []Row{
			{UID: 0, Role: RoleValidator, Name: "validator-1", Hotkey: "plx19gknaaaaaaaaaaaaaaaaaaaaxvylf", Stake: 45_000 * subnet.PLX,
				Dividends: 0.4504, Trust: 1, Emission: 1_846_999_999, Earned: 6_368_000_000, Balance: 999_129_000_000, Accuracy: -1},
			{UID: 4, Role: RoleMiner, Name: "miner-large", Quality: "large", Hotkey: "plx12t3kaaaaaaaaaaaaaaaaaaaam78yk", Coldkey: "plx1a",
				Incentive: 0.4908, Trust: 0.9993, Emission: 2_012_000_000, Earned: 4_225_000_000, Balance: 1_003_449_000_000, Accuracy: 0.958},
			{UID: 3, Role: RoleMiner, Name: "miner-small", Quality: "small", State: "dead", Hotkey: "plx18479aaaaaaaaaaaaaaaaaaaav76ka",
				Incentive: 0.1787, Trust: 0.9943, Emission: 732_000_000, Earned: 1_375_000_000, Balance: 1_000_759_000_000, Accuracy: 0.721},
			{UID: -1, Role: RoleMiner, Name: "miner-untrained", State: "joining", Hotkey: "plx1jqtcaaaaaaaaaaaaaaaaaaaadlw38", Balance: 1000 * subnet.PLX, Accuracy: 0.1},
			{UID: 5, Hotkey: "plx1gggggggggggggggggggggggguest", Incentive: 0.01, Balance: 1, Accuracy: -1},
		},
	}
}

func TestTable(t *testing.T) {
	golden(t, "table.txt", Headline(someView())+"\n"+Table(someView()))
}

func TestReport(t *testing.T) {
	l := newLedger(subnet.DefaultSplit(), subnet.PLX, 2)
	l.epochs, l.paid = 4, 2
	s := snapshot{
		subnet:   &subnetv1.SubnetInfo{Subnet: subnetv1.Subnet{Netuid: 1, Ledger: subnetv1.Ledger{OwnerPaid: 7_380_000_000, MinersPaid: 16_809_999_991, ValidatorsPaid: 16_809_999_999}}},
		emission: &subnetv1.QueryEmissionResponse{Height: 42, Supply: 108_023_590_841_404, Pending: 10, Totals: subnetv1.Totals{Minted: 41 * subnet.PLX, Burned: 17_409_158_596}},
	}
	sum := summarize(Places{}, 108_000*subnet.PLX, someView(), s, l)
	sum.FirstPaid = 38
	golden(t, "report.txt", Report(sum))
	require.True(t, sum.Supply.Exact)
	require.True(t, sum.Split.Exact, sum.Split.Faults)
	require.True(t, sum.Ranked)

	s.subnet.Subnet.Ledger.OwnerPaid++
	s.emission.Supply++
	wrong := summarize(Places{}, 108_000*subnet.PLX, someView(), s, l)
	require.False(t, wrong.Supply.Exact)
	require.False(t, wrong.Split.Exact)
	require.Contains(t, Report(wrong), "IS NOT")
	require.Contains(t, Report(wrong), "NOT BY THE RULE")
}

func TestRanked(t *testing.T) {
	acc := func(a float64) *float64 { return &a }
	require.True(t, ranked(nil))
	require.True(t, ranked([]Standing{{Accuracy: acc(0.9)}, {Accuracy: acc(0.8)}}))
	require.False(t, ranked([]Standing{{Accuracy: acc(0.8)}, {Accuracy: acc(0.9)}}))
	require.True(t, ranked([]Standing{{Accuracy: acc(0.9)}, {}, {Accuracy: acc(0.8)}}), "a guest's model is not known")
}

func TestFormatPLX(t *testing.T) {
	for nplx, want := range map[uint64]string{0: "0.000", 999_999: "0.000", 1_000_000: "0.001", 1_999_999_999: "1.999", subnet.Cap: "21000000.000"} {
		require.Equal(t, want, FormatPLX(nplx))
	}
}

// terminal is the little of a terminal that the screen needs: it cannot wrap,
// so that a picture which relies on wrapping shows.
type terminal struct {
	lines []string
	row   int
	col   int
}

func (v *terminal) Write(p []byte) (int, error) {
	for i := 0; i < len(p); i++ {
		switch p[i] {
		case '\r':
			v.col = 0
		case '\n':
			v.row++
			v.col = 0
		case '\x1b':
			j := i + 2
			for p[j] < 'A' {
				j++
			}
			v.control(p[j], string(p[i+2:j]))
			i = j
		default:
			v.put(p[i])
		}
	}
	return len(p), nil
}

func (v *terminal) line() *string {
	for len(v.lines) <= v.row {
		v.lines = append(v.lines, "")
	}
	return &v.lines[v.row]
}

func (v *terminal) put(c byte) {
	line := v.line()
	*line += strings.Repeat(" ", max(0, v.col+1-len(*line)))
	*line = (*line)[:v.col] + string(c) + (*line)[v.col+1:]
	v.col++
}

func (v *terminal) control(command byte, argument string) {
	line := v.line()
	switch command {
	case 'A':
		n, _ := strconv.Atoi(argument)
		v.row -= n
	case 'K':
		*line = (*line)[:min(v.col, len(*line))]
	case 'J':
		*line = (*line)[:min(v.col, len(*line))]
		v.lines = v.lines[:v.row+1]
	}
}

func (v *terminal) text() string { return strings.TrimRight(strings.Join(v.lines, "\n"), "\n") }

func TestTerminalIsRedrawnInPlace(t *testing.T) {
	v := &terminal{}
	s := newScreen(Options{Out: v, Live: true, Width: func() int { return 60 }})
	s.note(0, "starting")
	s.show(someView(), true)
	s.note(time.Second, "one")
	shorter := someView()
	shorter.Rows, shorter.Height = shorter.Rows[:2], 43
	s.show(shorter, false)
	for i := range 6 {
		s.note(2*time.Second, fmt.Sprintf("note %d", i))
	}
	s.show(shorter, false)

	picture := clip(Headline(shorter)+"\n\n"+Table(shorter), 60)
	want := "  0.0 s  starting\n" + picture + "\n" +
		"  2.0 s  note 2\n  2.0 s  note 3\n  2.0 s  note 4\n  2.0 s  note 5"
	require.Equal(t, want, v.text(), "one picture, nothing left of longer ones before")
	for _, line := range v.lines {
		require.LessOrEqual(t, len(line), 60)
	}
}

func TestElsewhereOnlyEpochsArePrinted(t *testing.T) {
	var out bytes.Buffer
	s := newScreen(Options{Out: &out})
	s.note(time.Second, "starting")
	s.show(someView(), false)
	require.Equal(t, "  1.0 s  starting\n", out.String())
	s.show(someView(), true)
	require.Contains(t, out.String(), Headline(someView()))
	require.Contains(t, out.String(), Table(someView()))
	s.note(2*time.Second, "miner died")
	require.True(t, strings.HasSuffix(out.String(), "  2.0 s  miner died\n"))
	require.NotContains(t, out.String(), "\x1b")
}

func TestSupplyCheck(t *testing.T) {
	const genesis = 1000 * subnet.PLX
	e := func(height, supply, minted, burned uint64) *subnetv1.QueryEmissionResponse {
		return &subnetv1.QueryEmissionResponse{Height: height, Supply: supply, Totals: subnetv1.Totals{Minted: minted, Burned: burned}}
	}
	good := e(12, genesis+10*subnet.PLX-7, 10*subnet.PLX, 7)
	require.True(t, checkSupply(genesis, 3, good).Exact)
	require.Equal(t, uint64(10), checkSupply(genesis, 3, good).Blocks)
	require.False(t, checkSupply(genesis, 4, good).Exact, "a reward too many")
	require.False(t, checkSupply(genesis, 3, e(12, genesis+10*subnet.PLX-6, 10*subnet.PLX, 7)).Exact, "a unit from nowhere")
	require.False(t, checkSupply(genesis, 3, e(12, genesis+10*subnet.PLX-7, 10*subnet.PLX-1, 7)).Exact, "a total that lies")
	require.True(t, checkSupply(genesis, 3, e(2, genesis, 0, 0)).Exact, "no reward before there is a subnet")
}

// TestSplitCheck divides by the rule and then moves single units.
func TestSplitCheck(t *testing.T) {
	rule := subnet.DefaultSplit()
	rapid.Check(t, func(t *rapid.T) {
		amount := rapid.Uint64Range(1_000_000, 10_000*subnet.PLX).Draw(t, "amount")
		due := rule.Divide(amount)
		books := subnetv1.Ledger{OwnerPaid: due.Owner, MinersPaid: due.Miners, ValidatorsPaid: due.Validators}
		if rapid.Bool().Draw(t, "nobody has incentive") {
			books.MinersPaid, books.Burned = 0, due.Miners
		}
		s, err := splitOf(subnetv1.Ledger{}, books, amount)
		require.NoError(t, err)
		require.NoError(t, s.check(rule, 7))
		require.Equal(t, due.Rest, s.carried)

		books.OwnerPaid++
		s, err = splitOf(subnetv1.Ledger{}, books, amount)
		if err == nil { // there was a rest to take it from
			err = s.check(rule, 7)
		}
		require.Error(t, err, "a unit too much for the owner")

		books.OwnerPaid -= 2
		s, err = splitOf(subnetv1.Ledger{}, books, amount)
		require.NoError(t, err)
		require.Error(t, s.check(rule, 7), "a unit too little for the owner")
	})
	over, err := splitOf(subnetv1.Ledger{}, subnetv1.Ledger{OwnerPaid: 11}, 10)
	require.ErrorContains(t, err, "11 nplx were paid of 10")
	require.Zero(t, over.carried)

	s, err := splitOf(subnetv1.Ledger{}, subnetv1.Ledger{OwnerPaid: 18 * subnet.PLX, MinersPaid: 40 * subnet.PLX, ValidatorsPaid: 41 * subnet.PLX}, 100*subnet.PLX)
	require.NoError(t, err)
	require.ErrorContains(t, s.check(rule, 7), "miners were paid", "more is missing than rounding takes")
}

// at10 is a snapshot of a subnet of tempo 10 that was created at height 3.
func at10(epochs uint64, emission ...uint64) snapshot {
	paid := epochs * 10 * subnet.PLX
	hotkeys := []string{"a", "b"}
	return snapshot{
		meta: &subnetv1.QueryMetagraphResponse{LastEpoch: 2 + 10*epochs, Hotkeys: hotkeys, Emission: emission},
		subnet: &subnetv1.SubnetInfo{Subnet: subnetv1.Subnet{Epochs: epochs, LastEpoch: 2 + 10*epochs,
			Ledger: subnetv1.Ledger{OwnerPaid: paid * 18 / 100, MinersPaid: paid * 41 / 100, ValidatorsPaid: paid * 41 / 100}}},
	}
}

func TestLedger(t *testing.T) {
	l := newLedger(subnet.DefaultSplit(), subnet.PLX, 3)
	require.False(t, l.record(at10(0)), "no epoch yet")
	require.True(t, l.record(at10(1, 1, 2)))
	require.False(t, l.record(at10(1, 1, 2)), "the same epoch counts once")

	torn := at10(2, 3, 4)
	torn.meta.LastEpoch = 12
	require.False(t, l.record(torn), "two answers of different epochs")
	require.True(t, l.record(at10(2, 3, 4)))
	require.Equal(t, map[string]uint64{"a": 4, "b": 6}, l.earned)
	require.Equal(t, 2, l.paid)
	require.Zero(t, l.missed)
	require.Empty(t, l.faults)

	require.True(t, l.record(at10(4, 1, 1)))
	require.Equal(t, uint64(1), l.missed)
	require.Empty(t, l.faults, "what was not seen is not judged")
}

func TestLedgerFindsAWrongSplit(t *testing.T) {
	l := newLedger(subnet.DefaultSplit(), subnet.PLX, 3)
	s := at10(1, 1, 2)
	s.subnet.Subnet.Ledger.OwnerPaid--
	l.record(s)
	require.Len(t, l.faults, 1)
	require.ErrorContains(t, errors.Join(l.faults...), "epoch 1: owner was paid 1799999999")
}

func TestCast(t *testing.T) {
	var total, largest uint64
	for _, m := range cast() {
		total += m.stake
		largest = max(largest, m.stake)
	}
	require.Equal(t, totalStake, total)
	require.Less(t, 2*largest, total, "no validator has the majority")
	require.Len(t, cast(), 7)
}

func TestGenesisOfTheCastIsValid(t *testing.T) {
	p, err := findPorts(cast())
	require.NoError(t, err)
	require.Len(t, p.members, 7)
	dir := t.TempDir()
	net, err := files.Write(spec(Options{Dir: dir}.withDefaults(), places(dir, p), p, timelock.NewSecretKey().Public().Bytes()))
	require.NoError(t, err)
	require.Equal(t, filepath.Join(dir, nodeName), net.KeyDir, "one home has the node and all keys")
	require.Len(t, net.Addresses, 2*7+2)
}

func TestWeightsAreHiddenAsAnEpochAllows(t *testing.T) {
	for name, c := range map[string]struct {
		o    Options
		want string
	}{
		"as a real network":                    {Options{}.withDefaults(), subnet.CommitRevealTimelock},
		"an epoch shorter than a beacon's":     {Options{BlockTime: 200 * time.Millisecond, Tempo: 10}, subnet.CommitRevealHash},
		"the shortest that leaves time enough": {Options{BlockTime: time.Second, Tempo: 5}, subnet.CommitRevealTimelock},
	} {
		t.Run(name, func(t *testing.T) {
			key := []byte("key")
			s := spec(c.o, Places{}, ports{}, key)
			require.Equal(t, c.want, s.Params.Defaults.CommitReveal)
			require.Equal(t, key, s.Params.Beacon.PublicKey)
		})
	}
}

func TestArgumentsNameTheirOwn(t *testing.T) {
	o := Options{Dir: "/net", Library: "/lib/ort.so"}.withDefaults()
	at := places("/net", ports{grpc: 9, members: map[string]int{"validator-1": 9601, "validator-2": 9602, "validator-3": 9603}})
	require.Equal(t, []string{"http://127.0.0.1:9601", "http://127.0.0.1:9602", "http://127.0.0.1:9603"}, at.Health)
	m := cast()[3]
	args := strings.Join(minerArgs(m, o, at, 1, "127.0.0.1:8500"), " ")
	require.Contains(t, args, "miner start --home /net/miner-small --node 127.0.0.1:9")
	require.Contains(t, args, "--hotkey miner-small-hot --coldkey miner-small")
	require.Contains(t, args, "--models /net/miner-small/models --listen 127.0.0.1:8500")
	require.Contains(t, args, "--onnxruntime /lib/ort.so")
	args = strings.Join(beaconArgs(o, at), " ")
	require.Contains(t, args, "beacon run --home /net/beacon --node 127.0.0.1:9")
	require.Contains(t, args, "--from beacon --key /net/beacon.key")
	args = strings.Join(validatorArgs(cast()[0], o, at, 1, "127.0.0.1:9601"), " ")
	require.Contains(t, args, "validator start --home /net/validator-1")
	require.Contains(t, args, "--operator validator-1 --round-interval 2s")
	require.Contains(t, args, "--api 127.0.0.1:9601 ")
}

func TestOptionsAreChecked(t *testing.T) {
	cases := map[string]struct {
		o    Options
		want string
	}{
		"block time": {Options{BlockTime: time.Millisecond}, "want 100ms or more"},
		"tempo":      {Options{Tempo: 1}, "tempo 1"},
		"epochs":     {Options{Epochs: -1}, "-1 epochs"},
		"restart":    {Options{Restart: []string{"nobody"}}, `restart "nobody"`},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			c.o.Dir = t.TempDir()
			_, err := Run(t.Context(), c.o)
			require.ErrorContains(t, err, c.want)
		})
	}
}

func TestFolderMustBeNew(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "mine"), nil, 0o600))
	_, err := Run(t.Context(), Options{Dir: dir})
	require.ErrorContains(t, err, "is not empty")
}

func TestProcessThatDiesIsShownWithItsLog(t *testing.T) {
	script := filepath.Join(t.TempDir(), "broken")
	require.NoError(t, os.WriteFile(script, []byte("#!/bin/sh\necho the disk is full >&2\nexit 3\n"), 0o755))
	var out bytes.Buffer
	_, err := Run(t.Context(), Options{Dir: filepath.Join(t.TempDir(), "net"), Binary: script, Out: &out, ModelCache: t.TempDir()})
	require.ErrorContains(t, err, "exit status 3")
	require.ErrorContains(t, err, "the disk is full")
}

func TestChildrenGetNoSettingsOfPlexus(t *testing.T) {
	t.Setenv("PLEXUS_OUTPUT", "json")
	t.Setenv("PLEXUS_ONNXRUNTIME", "/lib/ort.so")
	env := strings.Join(environment(), "\n")
	require.NotContains(t, env, "PLEXUS_OUTPUT")
	require.Contains(t, env, "PLEXUS_ONNXRUNTIME=/lib/ort.so")
	require.Contains(t, env, "PATH=")
}

func TestUntrainedModelIsTheSameForASeed(t *testing.T) {
	a, err := untrainedNetwork(1)
	require.NoError(t, err)
	b, err := untrainedNetwork(1)
	require.NoError(t, err)
	c, err := untrainedNetwork(2)
	require.NoError(t, err)
	require.Equal(t, a, b)
	require.NotEqual(t, a, c)
}
