package keeper

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/plexusnet/plexus/consensus"
	subnetv1 "github.com/plexusnet/plexus/proto/plexus/subnet/v1"
	"github.com/plexusnet/plexus/subnet"
)

func TestHyperparamsSurviveStorage(t *testing.T) {
	want := subnet.DefaultHyperparams()
	want.AlphaSteepness, want.LiquidAlpha, want.WeightsVersion = -700, true, 9
	got, err := HyperparamsFromProto(HyperparamsToProto(want))
	require.NoError(t, err)
	require.Equal(t, want, got)
}

func TestRowsSurviveStorage(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		uids := rapid.SliceOfNDistinct(rapid.Uint16(), 0, 300, rapid.ID[uint16]).Draw(t, "uids")
		values := map[uint16]uint16{}
		for _, uid := range uids {
			values[uid] = rapid.Uint16().Draw(t, "value")
		}
		row := consensus.Row{}
		for uid := range 1 << 16 {
			if v, found := values[uint16(uid)]; found {
				row = append(row, consensus.Entry{UID: uint16(uid), Value: v})
			}
		}
		stored := packRow(row, 77)
		got, err := unpackRow(stored)
		if err != nil || stored.Updated != 77 {
			t.Fatalf("updated %d: %v", stored.Updated, err)
		}
		require.Equal(t, row, got)
	})
}

// FuzzUnpackRow: a stored blob is either refused or the only form of its row.
func FuzzUnpackRow(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{0, 0, 255, 255, 0, 1, 0, 0})
	f.Add([]byte{0, 1, 0, 0, 0, 1, 0, 0})
	f.Add([]byte{1, 2, 3})
	f.Fuzz(func(t *testing.T, blob []byte) {
		row, err := unpackRow(subnetv1.Row{Entries: blob})
		if err != nil {
			return
		}
		require.Equal(t, blob, append([]byte{}, packRow(row, 0).Entries...))
	})
}
