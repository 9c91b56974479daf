package sealing

import (
	"bytes"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/plexusnet/plexus/chain/timelock"
	subnetv1 "github.com/plexusnet/plexus/proto/plexus/subnet/v1"
	"github.com/plexusnet/plexus/subnet"
)

func beacon(key timelock.SecretKey) subnetv1.Beacon {
	return subnetv1.Beacon{PublicKey: key.Public().Bytes(), GenesisTime: 1_000_000, PeriodSeconds: 3}
}

func weights(t testing.TB, n int) *subnetv1.SealedWeights {
	uids, values := make([]uint32, n), make([]uint32, n)
	for i := range uids {
		uids[i], values[i] = uint32(i), 65535
	}
	s, err := New("plexus-1", subnetv1.Subnet{Netuid: 3, Epochs: 9}, "plx1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq", uids, values)
	require.NoError(t, err)
	return s
}

func TestRoundTrip(t *testing.T) {
	key := timelock.NewSecretKey()
	want := weights(t, 256)
	ciphertext, err := Encrypt(beacon(key), 5, want)
	require.NoError(t, err)
	signature, err := key.Sign(5)
	require.NoError(t, err)
	got, err := Decrypt(5, signature, ciphertext)
	require.NoError(t, err)
	require.Equal(t, want, got)
	require.NoError(t, subnet.Commit{ChainID: "plexus-1", Netuid: 3, Hotkey: want.Hotkey, Epoch: 9}.CheckBinding(Opening(got)))
}

func TestHashNamesEveryField(t *testing.T) {
	s := weights(t, 4)
	seen := map[string]bool{}
	for _, edit := range []func(*subnetv1.SealedWeights){
		func(*subnetv1.SealedWeights) {},
		func(s *subnetv1.SealedWeights) { s.ChainId = "x" },
		func(s *subnetv1.SealedWeights) { s.Netuid++ },
		func(s *subnetv1.SealedWeights) { s.Hotkey = "x" },
		func(s *subnetv1.SealedWeights) { s.Epoch++ },
		func(s *subnetv1.SealedWeights) { s.Uids = []uint32{1} },
		func(s *subnetv1.SealedWeights) { s.Values = []uint32{1} },
		func(s *subnetv1.SealedWeights) { s.Version++ },
		func(s *subnetv1.SealedWeights) { s.Salt = []byte("x") },
	} {
		changed := *s
		edit(&changed)
		hash, err := Hash(&changed)
		require.NoError(t, err)
		require.Len(t, hash, 32)
		require.False(t, seen[string(hash)])
		seen[string(hash)] = true
	}
	other, err := New("plexus-1", subnetv1.Subnet{Netuid: 3, Epochs: 9}, s.Hotkey, s.Uids, s.Values)
	require.NoError(t, err)
	require.NotEqual(t, s.Salt, other.Salt)
}

func TestMaxBytesHoldsTheLargestRow(t *testing.T) {
	for _, n := range []uint32{0, 1, 2, 127, 128, 129, 256, 4096, subnet.MaxMaxUIDs, 16384, 16385, 65536} {
		s := weights(t, int(n))
		s.ChainId, s.Hotkey = strings.Repeat("c", maxNameBytes), strings.Repeat("h", maxNameBytes)
		s.Netuid, s.Epoch, s.Version = math.MaxUint32, math.MaxUint64, math.MaxUint64
		require.LessOrEqual(t, s.Size(), MaxBytes(n), "%d neurons", n)
		if n == 256 || n == subnet.MaxMaxUIDs {
			require.Less(t, MaxBytes(n)-s.Size(), 192, "%d neurons: the bound is loose", n)
		}
	}
	require.LessOrEqual(t, MaxBytes(subnet.MaxMaxUIDs), timelock.MaxPlaintext)
}

func TestRound(t *testing.T) {
	key := timelock.NewSecretKey()
	info := subnetv1.SubnetInfo{NextEpoch: 460, Subnet: subnetv1.Subnet{Hyperparams: subnetv1.Hyperparams{Tempo: 360, RevealPeriod: 1}}}
	tip := Tip{Height: 400, Unix: 1_000_600, BlockNanos: 12_000_000_000}
	require.EqualValues(t, 460, DueHeight(info))
	// 60 blocks to the epoch, one more, and 18 as a margin: 79 x 12 s.
	round, err := Round(beacon(key), info, tip)
	require.NoError(t, err)
	require.EqualValues(t, (600+79*12)/3+1, round)

	info.Subnet.Hyperparams.RevealPeriod = 3
	require.EqualValues(t, 460+720, DueHeight(info))
	later, err := Round(beacon(key), info, tip)
	require.NoError(t, err)
	require.Equal(t, round+720*4, later)

	tip.Height = 10_000
	now, err := Round(beacon(key), info, tip)
	require.NoError(t, err)
	require.EqualValues(t, 600/3+2, now, "an epoch that is late: the next round, and none that is out")

	_, err = Round(subnetv1.Beacon{}, info, tip)
	require.ErrorIs(t, err, ErrNoBeacon)
	_, err = Encrypt(subnetv1.Beacon{}, 1, weights(t, 1))
	require.ErrorIs(t, err, ErrNoBeacon)
	tip = Tip{BlockNanos: math.MaxUint64}
	info.NextEpoch = math.MaxUint64 / 2
	_, err = Round(beacon(key), info, tip)
	require.Error(t, err)
}

func TestRoundIsNeverOutAndInTime(t *testing.T) {
	b := beacon(timelock.NewSecretKey())
	rapid.Check(t, func(t *rapid.T) {
		tempo := rapid.Uint64Range(1, 1000).Draw(t, "tempo")
		height := rapid.Uint64Range(1, 1_000_000).Draw(t, "height")
		info := subnetv1.SubnetInfo{
			NextEpoch: height + rapid.Uint64Range(0, tempo).Draw(t, "left"),
			Subnet:    subnetv1.Subnet{Hyperparams: subnetv1.Hyperparams{Tempo: tempo, RevealPeriod: rapid.Uint64Range(1, 100).Draw(t, "period")}},
		}
		tip := Tip{Height: height, Unix: rapid.Int64Range(0, 1<<33).Draw(t, "unix"), BlockNanos: rapid.Uint64Range(1, 60_000_000_000).Draw(t, "pace")}
		round, err := Round(b, info, tip)
		require.NoError(t, err)
		s := Schedule(b)
		require.Greater(t, round, s.RoundAt(tip.Unix))
		target := tip.Unix + int64((DueHeight(info)+1+tempo/20-height)*tip.BlockNanos/1_000_000_000)
		if target > b.GenesisTime {
			require.GreaterOrEqual(t, s.TimeOf(round), target)
			require.LessOrEqual(t, s.TimeOf(round), target+2*int64(b.PeriodSeconds)+1)
		}
	})
}

func FuzzDecode(f *testing.F) {
	encoded, err := weights(f, 3).Marshal()
	require.NoError(f, err)
	f.Add(encoded)
	f.Add([]byte{})
	f.Add(bytes.Repeat([]byte{0x2a, 0xff}, 50))
	h := subnet.DefaultHyperparams()
	f.Fuzz(func(t *testing.T, plaintext []byte) {
		s, err := decode(plaintext)
		if err != nil {
			if !errors.Is(err, timelock.ErrUndecryptable) {
				t.Fatal(err)
			}
			return
		}
		opening := Opening(s)
		_ = subnet.Commit{ChainID: "plexus-1"}.CheckBinding(opening)
		row, err := h.CheckOpened(4, nil, opening.Opinion)
		if err == nil && len(row) > 4 {
			t.Fatal("a row longer than the subnet")
		}
		if _, err := Hash(s); err != nil {
			t.Fatal(err)
		}
	})
}

func BenchmarkOpenRow(b *testing.B) {
	key := timelock.NewSecretKey()
	signature, err := key.Sign(5)
	require.NoError(b, err)
	for name, n := range map[string]int{"uids=256": 256, "uids=4096": 4096} {
		b.Run(name, func(b *testing.B) {
			s := weights(b, n)
			ciphertext, err := Encrypt(beacon(key), 5, s)
			require.NoError(b, err)
			h := subnet.DefaultHyperparams()
			for b.Loop() {
				got, err := Decrypt(5, signature, ciphertext)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := h.CheckOpened(n, nil, Opening(got).Opinion); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(s.Size()), "B/plaintext")
			b.ReportMetric(float64(len(ciphertext)), "B/ciphertext")
		})
	}
}
