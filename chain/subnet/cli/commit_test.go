package cli

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plexusnet/plexus/chain/sealing"
	subnetv1 "github.com/plexusnet/plexus/proto/plexus/subnet/v1"
)

func TestOpeningsAreKept(t *testing.T) {
	kept := openings(filepath.Join(t.TempDir(), "openings"))
	none, err := kept.load(1, "plx1me", 7)
	require.NoError(t, err)
	require.Nil(t, none)

	make := func(value uint32) *subnetv1.SealedWeights {
		s, err := sealing.New("plexus-1", subnetv1.Subnet{Netuid: 1, Epochs: 7}, "plx1me", []uint32{0, 3}, []uint32{value, 2})
		require.NoError(t, err)
		return s
	}
	first, err := kept.keep(make(1))
	require.NoError(t, err)
	info, err := os.Stat(kept.path(1, "plx1me", 7))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())

	loaded, err := kept.load(1, "plx1me", 7)
	require.NoError(t, err)
	want, err := sealing.Hash(first)
	require.NoError(t, err)
	got, err := sealing.Hash(loaded)
	require.NoError(t, err)
	require.Equal(t, want, got, "bit for bit")

	again, err := kept.keep(make(1))
	require.NoError(t, err)
	require.Equal(t, first.Salt, again.Salt, "a second try commits to the same hash")
	_, err = kept.keep(make(9))
	require.ErrorContains(t, err, "other weights")

	require.NoError(t, os.WriteFile(kept.path(1, "plx1me", 8), []byte("{"), 0o600))
	_, err = kept.load(1, "plx1me", 8)
	require.Error(t, err)
}
