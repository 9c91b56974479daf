package keeper

import (
	"context"
	"errors"

	"cosmossdk.io/collections"

	"github.com/plexusnet/plexus/consensus"
	"github.com/plexusnet/plexus/consensus/fixed"
	subnetv1 "github.com/plexusnet/plexus/proto/plexus/subnet/v1"
)

func rowKey(netuid uint32, uid int) uidKey { return collections.Join(netuid, uint32(uid)) }

// loadedRow is an unpacked row; its zero value stands for one never set.
type loadedRow struct {
	set     bool
	updated uint64
	row     consensus.Row
}

// row reads and unpacks one row of weights or bonds.
func (k *Keeper) row(ctx context.Context, rows collections.Map[uidKey, subnetv1.Row], netuid uint32, uid int) (loadedRow, error) {
	stored, err := rows.Get(ctx, rowKey(netuid, uid))
	if errors.Is(err, collections.ErrNotFound) {
		return loadedRow{}, nil
	}
	if err != nil {
		return loadedRow{}, err
	}
	row, err := unpackRow(stored)
	return loadedRow{set: true, updated: stored.Updated, row: row}, err
}

// u16s returns the stored form of a vector of proportions.
func u16s(v []fixed.I32F32) []uint32 {
	stored := make([]uint32, len(v))
	for i, u := range consensus.AppendU16(nil, v) {
		stored[i] = uint32(u)
	}
	return stored
}
